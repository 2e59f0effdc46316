//! The user's file of images and prompts, as a stream of rows.
//!
//! [`survey()`] reads the file once and says everything about it before money is spent: how many rows, every problem with
//! its place, what repeats. [`Manifest`] then reads the same rows again, one at a time, for whoever works on them.
//! No row's text is kept: a survey of a million rows needs some 35 MB, most of it to find repeated rows, and reading
//! needs 1 MB.
//!
//! A row's image is on the web, or a file that [`Images`] reads: its content is then part of the row. Nothing in here looks
//! at the web; what others found there comes in by [`Survey::take_in_findings`].
//!
//! A row that breaks a rule is data (its [`Problem`]s); [`ManifestError`] means that the file as a whole is of no use.
//!
//! Imports leaf types only. A new format of tables is a source of records under `table.rs`.

mod columns;
mod error;
mod field;
mod fingerprint;
mod format;
mod headers;
mod images;
mod jsonl;
mod lines;
mod listing;
mod names;
mod place;
mod problem;
mod quick_hash;
mod read_as;
mod reader;
mod reading;
mod repeats;
mod report;
mod row;
mod source;
mod spelling;
mod survey;
mod table;
mod text;
mod validate;
mod web_images;
mod web_url;
mod workbook;

pub use columns::{ColumnMap, Mapping, MappingError};
pub use error::ManifestError;
pub use field::Field;
pub use fingerprint::Fingerprint;
pub use format::Format;
pub use images::{ImageFiles, Images, StaleImage};
pub use listing::Located;
pub use place::{Ground, Position};
pub use problem::{Problem, Rule, Severity};
pub use read_as::{ReadAs, Remark};
pub use reader::Manifest;
pub use reading::Reading;
pub use repeats::{Repeat, Repeats};
pub use report::{Group, Place, ProblemReport};
pub use row::Row;
pub use survey::{KindCounts, LocalImages, Survey, survey};
pub use text::{Delimiter, Encoding, UnknownDelimiter, UnknownEncoding};
pub use validate::MOST_PROMPT_CHARACTERS;

/// Most rows of a manifest. At 20 requests per 10 s a million rows take six days.
pub const MOST_ROWS: u32 = 1_000_000;

/// Most columns of a manifest, or keys of a JSONL row.
pub const MOST_COLUMNS: usize = 1_024;

/// Longest cell, in bytes. The longest prompt the API takes has 20,000.
pub const MOST_CELL_BYTES: usize = 1 << 20;

/// Longest row, in bytes: what an unclosed quote may swallow before reading stops.
pub const MOST_ROW_BYTES: usize = 2 << 20;
