//! Which format a file has, by its extension.

use std::path::Path;

use serde::Serialize;

use crate::manifest::{Delimiter, ManifestError};

/// A format a manifest can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Cells between commas, as RFC 4180 has it.
    Csv,
    /// The same with tabs.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// A workbook of a spreadsheet program: XLSX, XLSM, XLSB, XLS or ODS. Its content tells which.
    Workbook,
}

impl Format {
    /// The formats and the extensions they are known by, as messages list them.
    pub const EXTENSIONS: &'static str = "`.xlsx`, `.csv`, `.tsv`, `.jsonl`, `.ods`, `.xls` or `.xlsb`";

    /// The format that the extension of `path` names.
    pub fn of_path(path: &Path) -> Result<Format, ManifestError> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Ok(Format::Csv),
            // What Excel calls "Unicode Text".
            "tsv" | "tab" | "txt" => Ok(Format::Tsv),
            "jsonl" | "ndjson" => Ok(Format::Jsonl),
            "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => Ok(Format::Workbook),
            _ => Err(ManifestError::UnknownFormat { path: path.into() }),
        }
    }

    /// What a text file of this format has between its cells, unless it is found to have something else.
    pub fn delimiter(self) -> Option<Delimiter> {
        match self {
            Format::Csv => Some(Delimiter::Comma),
            Format::Tsv => Some(Delimiter::Tab),
            Format::Jsonl | Format::Workbook => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_whatever_its_case() {
        for (path, format) in [
            ("clips.csv", Format::Csv),
            ("CLIPS.CSV", Format::Csv),
            ("a/b.c/clips.tsv", Format::Tsv),
            ("clips.results.jsonl", Format::Jsonl),
            ("clips.txt", Format::Tsv),
            ("Clips.XLSX", Format::Workbook),
            ("clips.ods", Format::Workbook),
        ] {
            assert_eq!(Format::of_path(Path::new(path)).unwrap(), format);
        }
        for path in ["clips", "clips.doc", ".csv", "clips.csv.gz"] {
            let error = Format::of_path(Path::new(path)).unwrap_err();
            assert!(error.help().is_some(), "{path}");
        }
    }
}
