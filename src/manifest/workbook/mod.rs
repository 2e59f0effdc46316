//! Workbooks.

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
mod relationships;
mod rows;
mod sheets;
mod sweep;
mod texts;
mod xls;
mod xlsx;
mod xml;

pub(in crate::manifest) use choose::Choice;
pub(in crate::manifest) use error::WorkbookError;
pub(in crate::manifest) use records::{CellNote, SheetRecords};
