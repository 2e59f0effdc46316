//! A second opinion: every cell says what somebody else's reader finds in it.

use std::path::PathBuf;

use calamine::{Data, Reader, open_workbook_auto};

use super::files::{made, saved_by_libreoffice};
use super::{cells, column};

#[test]
fn every_cell_says_what_another_reader_finds_in_it() {
    let files: Vec<PathBuf> = ["xlsx", "ods", "xls"]
        .into_iter()
        .map(|format| saved_by_libreoffice("oracle", format))
        .chain([made("oracle.xlsx")])
        .collect();
    for path in files {
        let range = open_workbook_auto(&path).unwrap().worksheet_range("Shots").unwrap();
        let rows = cells(&path);
        assert_eq!(rows.len(), 300, "{path:?}");
        let mut kinds = [0; 4];
        for (line, row) in rows {
            for (column, text) in (0..).zip(&row) {
                let data = range.get_value((line - 1, column)).unwrap_or(&Data::Empty);
                kinds[kind_of(data)] += 1;
                let is_truth = matches!(data, Data::Float(number) if [("TRUE", 1.0), ("FALSE", 0.0)].contains(&(&**text, *number)));
                if is_truth && path.extension().is_some_and(|extension| extension == "ods") {
                    // LibreOffice makes a formula of a truth that comes from XLSX: a number that shows as a word.
                    continue;
                }
                assert_eq!(
                    *text,
                    in_our_words(data),
                    "{path:?}, row {line}, column {column}: {data:?}"
                );
            }
        }
        assert!(kinds.iter().all(|count| *count > 50), "{path:?}: {kinds:?}");
    }
}

fn kind_of(data: &Data) -> usize {
    match data {
        Data::Empty => 0,
        Data::String(_) => 1,
        // LibreOffice makes numbers of some truths.
        Data::Float(_) | Data::Int(_) | Data::Bool(_) => 2,
        _ => 3,
    }
}

fn in_our_words(data: &Data) -> String {
    match data {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Int(number) => number.to_string(),
        // Fifteen digits, and then the shortest way to write what they say.
        Data::Float(number) => format!("{number:.14e}").parse::<f64>().unwrap().to_string(),
        Data::Bool(value) => value.to_string().to_uppercase(),
        Data::DateTime(moment) => {
            let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
            assert_eq!(milli, 0, "whole seconds were written");
            let day = format!("{year}-{month:02}-{day:02}");
            match (hour, minute, second) {
                (0, 0, 0) => day,
                _ => format!("{day} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        Data::DateTimeIso(text) => text.replace('T', " ").trim_end_matches(" 00:00:00").to_owned(),
        other => panic!("not among what was written: {other:?}"),
    }
}

#[test]
fn values_are_read_as_people_see_them() {
    let files = ["xlsx", "ods", "xls"].map(|format| saved_by_libreoffice("shown", format));
    for path in files.iter().chain([&made("shown.xlsx")]) {
        let (mut read, mut seen) = (column(path, "value"), column(path, "seen"));
        if path.extension().is_some_and(|extension| extension == "ods") {
            // LibreOffice makes a formula of a truth that comes from XLSX, whose value is a number.
            let is_truth = |text: &String| text == "TRUE" || text == "FALSE";
            let at = seen.iter().position(is_truth).unwrap();
            read.drain(at..at + 2);
            seen.drain(at..at + 2);
        }
        assert_eq!(read, seen, "{path:?}");
        assert!(
            column(path, "duration").iter().all(|duration| duration == "6"),
            "{path:?}"
        );
    }
}
