//! The sheets of a workbook, as their tabs show them.

use std::sync::Arc;

use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::MOST_SHEETS;

/// One sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::manifest) struct Sheet {
    /// Its name.
    pub(in crate::manifest) name: Arc<str>,
    /// Whether its tab is shown.
    pub(in crate::manifest) is_visible: bool,
    /// Whether it holds cells: charts and dialogs do not.
    pub(in crate::manifest) is_table: bool,
}

/// Adds the next sheet, in the order of the tabs.
pub(super) fn push_sheet<S>(sheets: &mut Vec<S>, sheet: S) -> Result<(), WorkbookError> {
    if sheets.len() >= MOST_SHEETS {
        return Err(WorkbookError::TooLarge(Excess::Sheets));
    }
    sheets.push(sheet);
    Ok(())
}
