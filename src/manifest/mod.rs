//! The user's file of images and prompts, as a stream of rows.
//!
//! [`survey()`] reads the file once and says everything about it before money is spent: how many rows, every problem with
//! its place, what repeats. [`Manifest`] then reads the same rows again, one at a time, for whoever works on them.
//! No row's text is kept: a survey of a million rows needs some 35 MB, most of it to find repeated rows, and reading
//! needs 1 MB.
//!
//! A row's image is on the web, or a file that [`Images`] reads: its content is then part of the row.
//!
//! A row that breaks a rule is data (its [`Problem`]s); [`ManifestError`] means that the file as a whole is of no use.
//!
//! Imports leaf types only. A new format is a file beside `csv.rs` that fills a [`Row`].

mod csv;
mod error;
mod fingerprint;
mod format;
mod headers;
mod images;
mod jsonl;
mod lines;
mod problem;
mod quick_hash;
mod reader;
mod repeats;
mod report;
mod row;
mod source;
mod survey;
mod validate;
mod web_url;
mod workbook;

pub use error::ManifestError;
pub use fingerprint::Fingerprint;
pub use format::Format;
pub use headers::Field;
pub use images::{ImageFiles, Images, StaleImage};
pub use problem::{Problem, Rule, Severity};
pub use reader::Manifest;
pub use repeats::{Repeat, Repeats};
pub use report::{Group, Place, ProblemReport};
pub use row::Row;
pub use survey::{KindCounts, LocalImages, Survey, survey};

/// Most rows of a manifest. At 20 requests per 10 s a million rows take six days.
pub const MOST_ROWS: u32 = 1_000_000;

/// Most columns of a manifest, or keys of a JSONL row.
pub const MOST_COLUMNS: usize = 1_024;

/// Longest cell, in bytes. The longest prompt the API takes has 20,000.
pub const MOST_CELL_BYTES: usize = 1 << 20;

/// Longest row, in bytes: what an unclosed quote may swallow before reading stops.
pub const MOST_ROW_BYTES: usize = 2 << 20;
