//! What a results file takes over from its manifest: columns, dialect, place.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The manifest's own columns, and how a row's cells are stored. Names of ours among them are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// A table (CSV, TSV, a workbook): cells are a JSON array of strings in this order. Names may be empty or repeated,
    /// as people's headers are. An array that is longer has the cells which its row has beyond the header.
    Named(Vec<String>),
    /// JSONL: cells are a JSON object; these are the keys of all rows, in the order in which they first appear.
    Objects(Vec<String>),
}

/// How the manifest was written, as far as its results follow it. Serialised, it outlives the program in the ledger:
/// what is missing there is as by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dialect {
    /// What stood between the cells of a CSV manifest, if it was no comma; its CSV results have the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// The manifest began with a byte order mark; so do its CSV and TSV results, even if they are ASCII.
    pub byte_order_mark: bool,
    /// The sheet that the rows were read from; the results' has the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Some row has more cells than the header. The results then have the column [`SURPLUS_COLUMN`].
    ///
    /// [`SURPLUS_COLUMN`]: crate::row::SURPLUS_COLUMN
    pub surplus: bool,
    /// The name of the column with the images' addresses, as the header spells it; they become links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_column: Option<String>,
}

impl Dialect {
    /// The delimiter where it is one that CSV can have.
    pub(super) fn delimiter(&self) -> Option<u8> {
        let delimiter = u8::try_from(self.delimiter?).ok()?;
        let is_fit = delimiter.is_ascii() && !matches!(delimiter, b'"' | b'\r' | b'\n' | b'\0');
        is_fit.then_some(delimiter)
    }
}

/// What is known of a results file before its first row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The columns that are not ours.
    pub columns: Columns,
    /// How the manifest was written.
    pub dialect: Dialect,
    /// The folder from which relative paths in `video_file` start: the manifest's. They become links.
    pub folder: PathBuf,
}

impl Layout {
    /// Results with these columns, of a manifest in this folder of which nothing else is known.
    pub fn of(columns: Columns) -> Layout {
        Layout {
            columns,
            dialect: Dialect::default(),
            folder: PathBuf::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_read_as_it_was_written_and_what_is_missing_is_as_by_default() {
        let dialect = Dialect {
            delimiter: Some(';'),
            byte_order_mark: true,
            sheet: Some("Shots".to_owned()),
            ..Dialect::default()
        };
        let json = serde_json::to_string(&dialect).unwrap();
        assert_eq!(
            json,
            r#"{"delimiter":";","byte_order_mark":true,"sheet":"Shots","surplus":false}"#
        );
        assert_eq!(serde_json::from_str::<Dialect>(&json).unwrap(), dialect);
        assert_eq!(
            serde_json::from_str::<Dialect>(r#"{"of_later":1}"#).unwrap(),
            Dialect::default()
        );
    }

    #[test]
    fn only_what_can_stand_between_cells_is_a_delimiter() {
        let delimiter = |delimiter| {
            let dialect = Dialect {
                delimiter: Some(delimiter),
                ..Dialect::default()
            };
            dialect.delimiter()
        };
        assert_eq!(delimiter(';'), Some(b';'));
        assert_eq!(delimiter('|'), Some(b'|'));
        for odd in ['"', '\n', '\0', '；', 'é'] {
            assert_eq!(delimiter(odd), None, "{odd:?}");
        }
    }
}
