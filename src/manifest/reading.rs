//! How a manifest is to be read: what the user said about it.

/// What the user said about how to read the file. What is not said is found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Which sheet of a workbook: its name, or its number counted from 1.
    pub sheet: Option<String>,
    /// Whether rows that the workbook hides are read.
    pub hidden_rows: bool,
}
