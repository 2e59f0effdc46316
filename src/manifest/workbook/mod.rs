//! Workbooks.

mod cell_text;
mod cells;
mod error;
mod formula;
mod limits;
mod number_format;
mod package;
mod rows;
mod sweep;
mod texts;
mod xml;
