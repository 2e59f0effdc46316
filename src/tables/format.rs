//! Which formats tables are written in.

use std::ffi::OsStr;
use std::path::Path;

use super::{Purpose, TableError};

/// The formats of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, or with another delimiter.
    Csv,
    /// Tab-separated, quoted like CSV where it has to be.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// A workbook.
    Xlsx,
}

impl Format {
    /// The format that the extension of `path` names, in any case. Worth asking before a run: an answer that comes
    /// after the rows were paid for comes late.
    pub fn of(path: &Path, purpose: Purpose) -> Result<Format, TableError> {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Ok(Format::Csv),
            "tsv" | "tab" => Ok(Format::Tsv),
            "jsonl" | "ndjson" => Ok(Format::Jsonl),
            "xlsx" => Ok(Format::Xlsx),
            _ => Err(TableError::UnknownFormat {
                path: path.to_owned(),
                purpose,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSE: Purpose = Purpose {
        noun: "results",
        option: "--results",
        remains: "",
    };

    #[test]
    fn the_extension_names_the_format() {
        for (name, format) in [
            ("r.csv", Format::Csv),
            ("R.TSV", Format::Tsv),
            ("a.results.jsonl", Format::Jsonl),
            ("任务.XLSX", Format::Xlsx),
        ] {
            assert_eq!(Format::of(Path::new(name), PURPOSE).unwrap(), format, "{name}");
        }
    }

    #[test]
    fn a_name_without_a_format_of_ours_is_told_which_there_are() {
        for name in ["results", "r.txt", "r.csv.gz", "xlsx"] {
            let error = Format::of(Path::new(name), PURPOSE).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{name}` does not say which format the results should have")
            );
            assert_eq!(
                error.help(),
                "give `--results` a name that ends in `.csv`, `.tsv`, `.jsonl` or `.xlsx`"
            );
        }
        for name in ["r.xls", "r.XLSM", "r.xlsb", "r.ods"] {
            let help = Format::of(Path::new(name), PURPOSE).unwrap_err().help();
            assert!(help.ends_with("ends in `.xlsx`, the one kind of workbook that is written"));
        }
    }
}
