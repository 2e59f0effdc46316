//! One table in every format and encoding is one batch: the same rows, which are known again whichever file they come from.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::checked;
use super::files::{made, saved_by_libreoffice};
use super::support::{Batch, SandboxProcess};
use super::{cells, problems};

const FORMATS: [&str; 6] = ["utf-8", "utf-16", "gb18030", "xlsx", "ods", "xls"];

/// The clips in all formats, the CSV that others are measured by first.
fn clips() -> Vec<PathBuf> {
    let by_libreoffice = FORMATS.map(|format| saved_by_libreoffice("clips", format));
    let made = [made("clips.xlsx"), made("clips-openpyxl.xlsx")];
    by_libreoffice.into_iter().chain(made).collect()
}

#[test]
fn check_says_the_same_of_every_format() {
    let paths = clips();
    let gist = |path: &PathBuf| {
        let mut answer = checked(path, &[]);
        let groups: Vec<Value> = answer["problems"]["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| json!([group["rule"], group["column"], group["places"][0]["row"]]))
            .collect();
        answer["problems"] = json!(groups);
        for own in ["ledger", "read_as"] {
            answer.as_object_mut().unwrap().remove(own);
        }
        answer
    };
    let expected = gist(&paths[0]);
    assert_eq!(expected["problems"], json!([["duration", "duration", 11]]));
    assert_eq!(expected["queued"], 11);
    let texts = |path| cells(path).into_iter().map(|(_, cells)| cells).collect::<Vec<_>>();
    let expected_texts = texts(&paths[0]);
    for path in &paths[1..] {
        assert_eq!(gist(path), expected, "{path:?}");
        assert_eq!(texts(path), expected_texts, "{path:?}");
    }
}

#[test]
fn a_batch_goes_on_from_another_format_and_sends_nothing_again() {
    let sandbox = SandboxProcess::start(&[]);
    let paths = clips();
    let text = fs::read_to_string(&paths[0]).unwrap();
    let batch = Batch::with_manifest("shots.csv", &text, &sandbox.url);
    let first = batch.run(&[]);
    first.expect_code(1);
    assert_eq!(first.count("accepted"), 11);
    let expected = results_of(&batch, "shots.results.csv");
    let ledger = batch.ledger();
    for (number, path) in paths[1..].iter().enumerate() {
        let name = format!("{number}-{}", path.file_name().unwrap().to_str().unwrap());
        fs::copy(path, batch.path(&name)).unwrap();
        let other = Batch {
            manifest: batch.path(&name),
            ..Batch::with_manifest("unused.csv", "", &sandbox.url)
        };
        let results = format!("{number}.results.csv");
        let results_path = batch.path(&results);
        let again = other.run(&[
            "--ledger",
            ledger.to_str().unwrap(),
            "--results",
            results_path.to_str().unwrap(),
        ]);
        again.expect_code(1);
        assert_eq!((again.count("accepted"), again.count("requests")), (11, 0), "{name}");
        assert_eq!(results_of(&batch, &results), expected, "{name}");
    }
    assert_eq!(sandbox.count("requests"), 11);
}

/// The results as text cells; `attempts` and all.
fn results_of(batch: &Batch, name: &str) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(batch.path(name)).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap();
    let delimiter = if text.starts_with("id;") { b';' } else { b',' };
    let delimiter = if text.starts_with("id\t") { b'\t' } else { delimiter };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn encodings_are_found_as_libreoffice_writes_them() {
    for (workbook, encoding, delimiter) in [
        ("clips", "utf-8", ","),
        ("clips", "utf-16", "tab"),
        ("clips", "gb18030", ";"),
        ("chinese", "utf-8", ","),
        ("chinese", "utf-16", "tab"),
        ("chinese", "gb18030", ";"),
        ("german", "utf-8", ","),
        ("german", "utf-16", "tab"),
        ("german", "windows-1252", ";"),
    ] {
        let path = saved_by_libreoffice(workbook, encoding);
        let answer = checked(&path, &[]);
        let found = answer["read_as"]["encoding"].as_str().unwrap().to_lowercase();
        assert!(found.starts_with(encoding), "{path:?}: {found}");
        assert_eq!(answer["read_as"]["encoding_is_sure"], true, "{path:?}");
        assert_eq!(answer["read_as"]["delimiter"], delimiter, "{path:?}");
        let texts = |path| cells(path).into_iter().map(|(_, cells)| cells).collect::<Vec<_>>();
        assert_eq!(texts(&path), texts(&made(&format!("{workbook}.xlsx"))), "{path:?}");
        let errors: Vec<String> = problems(&answer);
        assert_eq!(errors.len(), usize::from(workbook == "clips"), "{path:?}: {errors:?}");
    }
}
