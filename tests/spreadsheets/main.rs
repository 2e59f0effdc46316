//! Spreadsheets as people really have them: files that LibreOffice, openpyxl and XlsxWriter write, given to the program
//! as its users do; and what other programs see in the files that it writes.
//!
//! The files are made anew each time. What is needed for that: LibreOffice Calc, and Python with the packages of
//! `samples/requirements.txt`; `.ci/run` installs both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod files;
mod formats;
mod hostile;
mod oracle;
mod people;
mod samples;
mod written;

use std::ffi::OsStr;
use std::path::Path;

use hailuo_batch::manifest::{Images, Manifest, Reading, Row};
use serde_json::Value;
use support::{Finished, program};

/// The program in a folder of the test's own.
fn run_in<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Finished {
    Finished::of(program().current_dir(folder).args(arguments).output().unwrap())
}

/// `check` on a file, with what it says.
#[track_caller]
fn check(path: &Path, flags: &[&str]) -> Finished {
    Finished::of(program().arg("check").arg(path).args(flags).output().unwrap())
}

/// The answer of `check --json`.
#[track_caller]
fn checked(path: &Path, flags: &[&str]) -> Value {
    check(path, &[&["--json"], flags].concat()).summary()
}

/// The problems of an answer, each as `rule column place`.
fn problems(answer: &Value) -> Vec<String> {
    let groups = answer["problems"]["groups"].as_array().unwrap();
    let mut problems = Vec::new();
    for group in groups {
        for place in group["places"].as_array().unwrap() {
            let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let place = match &place["cell"] {
                Value::Null => place["line"].to_string(),
                cell => word(cell),
            };
            problems.push(format!("{} {} {place}", word(&group["rule"]), word(&group["column"])));
        }
    }
    problems
}

/// The texts of all cells, row by row, with the number that the sheet or file gives to each row.
fn cells(path: &Path) -> Vec<(u32, Vec<String>)> {
    let mut images = Images::beside(path, false);
    let mut manifest = Manifest::open(path, &Reading::default(), &mut images).unwrap();
    let (mut rows, mut row, mut json) = (Vec::new(), Row::default(), String::new());
    while manifest.read(&mut row).unwrap() {
        row.cells_json(&mut json);
        rows.push((row.line(), serde_json::from_str(&json).unwrap()));
    }
    rows
}

/// The texts of one column.
fn column(path: &Path, name: &str) -> Vec<String> {
    let mut images = Images::beside(path, false);
    let manifest = Manifest::open(path, &Reading::default(), &mut images).unwrap();
    let at = manifest.columns().iter().position(|column| column == name).unwrap();
    cells(path)
        .into_iter()
        .map(|(_, mut cells)| cells.swap_remove(at))
        .collect()
}
