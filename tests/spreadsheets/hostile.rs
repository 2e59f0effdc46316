//! Files that nobody should have made, or that broke on their way: an explained end, soon, and with little memory.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::{hostile, made, measured};

/// Most memory that any file may cost, in MiB.
const MOST_MEBIBYTES: f64 = 512.0;

/// Time for any of them in a build without optimisation on a busy machine, in seconds.
const MOST_SECONDS: f64 = 60.0;

/// Checks the file, with a look at the costs.
#[track_caller]
fn measured_check(path: &Path) -> Value {
    let told = measured(&["check".as_ref(), path]);
    assert!(told["peak_mib"].as_f64().unwrap() < MOST_MEBIBYTES, "{told:#}");
    assert!(told["seconds"].as_f64().unwrap() < MOST_SECONDS, "{told:#}");
    told
}

#[track_caller]
fn expect_refused(path: &Path, what: &str) {
    let told = measured_check(path);
    let stderr = told["stderr"].as_str().unwrap();
    assert_eq!(told["code"], 2, "{told:#}");
    assert!(
        stderr.starts_with("error: ") && stderr.contains("\n  help: "),
        "{told:#}"
    );
    assert!(stderr.contains(what), "{told:#}");
}

#[test]
fn bombs_are_refused() {
    for (name, what) in [
        (
            "text-bomb.xlsx",
            "larger than any manifest: a text in `xl/worksheets/sheet1.xml`",
        ),
        (
            "shared-bomb.xlsx",
            "larger than any manifest: its texts have more than 256 MB",
        ),
        (
            "range-bomb.xlsx",
            "larger than any manifest: a sheet has more than 500,000 links or merged ranges",
        ),
        ("entities.xlsx", "declares a document type"),
    ] {
        expect_refused(&hostile(name), what);
    }
    // What they are made from is in order, but for its rows.
    expect_refused(&hostile("good.xlsx"), "the manifest has no rows");
}

#[test]
fn a_password_is_said() {
    expect_refused(&hostile("encrypted.xlsx"), "protected with a password");
}

#[test]
fn a_workbook_that_ends_too_early_is_damaged_wherever_that_is() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(made("clips.xlsx")).unwrap();
    for part in 1..8 {
        let path = folder.path().join(format!("{part}.xlsx"));
        fs::write(&path, &whole[..whole.len() * part / 8]).unwrap();
        expect_refused(&path, "the workbook is damaged");
    }
}

#[test]
fn a_name_that_promises_another_format_is_seen_through() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str, content: PathBuf| {
        let path = folder.path().join(name);
        fs::copy(content, &path).unwrap();
        path
    };
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/quickstart.csv");
    expect_refused(&named("text.xlsx", text), "the file is text, not a workbook");
    expect_refused(
        &named("workbook.csv", made("clips.xlsx")),
        "the manifest is an Excel workbook or zip archive, whatever its extension says",
    );
    // Among workbooks the content decides.
    let told = measured_check(&named("xlsx-as.ods", made("chinese.xlsx")));
    assert_eq!(told["code"], 0, "{told:#}");
}

#[test]
fn rows_without_text_are_no_rows_however_many_there_are() {
    for (name, rows) in [("empty-rows.xlsx", "2 rows\n"), ("far-cell.xlsx", "1 row\n")] {
        let told = measured_check(&made(name));
        assert_eq!(told["code"], 0, "{told:#}");
        assert!(told["stdout"].as_str().unwrap().starts_with(rows), "{told:#}");
        assert!(told["peak_mib"].as_f64().unwrap() < 64.0, "{told:#}");
    }
}
