//! Workbooks as people have them: XLSX, XLSM, XLSB, XLS and ODS, as a stream of records.
//!
//! [`SheetRecords`] opens a file, finds out by its content what it is, chooses a sheet and hands out its rows, while a
//! thread reads ahead. What a row is, is decided in `rows.rs` for all formats alike; a format's folder only says which
//! cells there are. A cell's text is what people see in it (`cell_text.rs`), and what they see beside its text, links,
//! pictures and errors, is a [`CellNote`].
//!
//! A workbook is somebody else's archive: nothing in it is believed before it is counted (`limits.rs`, `package.rs`,
//! `xml.rs`), all formats are read from the front to the end with no more in memory than the texts that cells share, and
//! no more than what stands in the file is ever allocated for what it claims.
//!
//! Imports nothing but leaf types and the manifest's own limits and [`Fingerprint`](crate::manifest::Fingerprint).

mod binary;
mod book;
mod cell_text;
mod cells;
mod choose;
mod drawings;
mod error;
mod formula;
mod limits;
mod number_format;
mod ods;
mod package;
mod records;
mod references;
mod relationships;
mod rows;
mod shared;
mod sheets;
mod sweep;
mod texts;
mod xls;
mod xlsb;
mod xlsx;
mod xml;

#[cfg(test)]
mod tests;

pub(super) use choose::Choice;
pub(super) use error::WorkbookError;
pub(super) use records::{CellNote, SheetRecords};
