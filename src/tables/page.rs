//! Further sheets of a workbook: small tables below each other, for a reader rather than for a filter.

use super::{Cell, Column};

/// A sheet behind the table's own.
#[derive(Debug, Clone, Default)]
pub struct Page<'a> {
    /// The name of the sheet; it gives way if the table's own sheet has the same.
    pub name: &'a str,
    /// What stands on top, in large letters.
    pub title: String,
    /// The widths of the columns that all blocks share; their names are not shown.
    pub columns: Vec<Column>,
    /// What stands below, with a blank line before each.
    pub blocks: Vec<Block<'a>>,
}

/// A small table with a heading.
#[derive(Debug, Clone, Default)]
pub struct Block<'a> {
    /// What it is about.
    pub heading: &'a str,
    /// The names of its columns; empty for a list of labels and values.
    pub header: &'a [&'a str],
    /// Its rows.
    pub rows: Vec<Vec<Cell<'a>>>,
}
