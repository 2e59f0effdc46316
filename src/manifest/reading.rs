//! How a manifest is to be read: what the user said about it.

use crate::manifest::{ColumnMap, Delimiter, Encoding, Fingerprint};

/// What the user said about how to read the file. What is not said is found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Which columns hold which fields, beyond what their names say.
    pub columns: ColumnMap,
    /// The encoding of a text file.
    pub encoding: Option<Encoding>,
    /// What stands between the cells of a text file.
    pub delimiter: Option<Delimiter>,
    /// Which sheet of a workbook: its name, or its number counted from 1.
    pub sheet: Option<String>,
    /// Whether rows that the workbook hides are read.
    pub hidden_rows: bool,
}

impl Reading {
    /// What of it decides about rows without being seen in their cells.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for mapping in self.columns.mappings() {
            fingerprint.add(mapping.field().as_str().as_bytes());
            fingerprint.add(mapping.column().as_bytes());
        }
        fingerprint
    }
}
