use std::fs;
use std::io::{Cursor, Read};

use calamine::{Data, Reader, Xlsx};
use zip::ZipArchive;

use super::*;
use crate::manifest::{Field, Images, Reading, survey};
use crate::row::{ClipLength, Resolution};
use crate::template::columns::{COLUMNS, example_of, meaning_of};

fn made(name: &str) -> Vec<u8> {
    let format = TemplateFormat::of(Path::new(name)).unwrap();
    manifest(format, name).unwrap()
}

#[test]
fn the_extension_decides() {
    for (name, format) in [
        ("shots.xlsx", TemplateFormat::Xlsx),
        ("SHOTS.CSV", TemplateFormat::Csv),
        ("a.b/shots.tab", TemplateFormat::Tsv),
        ("shots.ndjson", TemplateFormat::Jsonl),
    ] {
        assert_eq!(TemplateFormat::of(Path::new(name)).unwrap(), format);
    }
    for name in ["shots", "shots.ods", ".xlsx", "shots.xlsx.bak"] {
        let error = TemplateFormat::of(Path::new(name)).unwrap_err();
        assert!(error.help().unwrap().contains("`.xlsx`"), "{name}");
    }
}

#[test]
fn the_example_is_a_valid_row_of_its_format() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["shots.csv", "shots.tsv", "shots.jsonl"] {
        let path = folder.path().join(name);
        fs::write(&path, made(name)).unwrap();
        let mut ids = Vec::new();
        let survey = survey(&path, &Reading::default(), &mut Images::beside(&path, false), |row| {
            ids.push(row.id().map(str::to_owned));
        })
        .unwrap();
        assert!(survey.report.is_empty(), "{name}: {:?}", survey.report);
        assert_eq!((survey.rows, survey.invalid), (1, 0), "{name}");
        assert_eq!(survey.columns, COLUMNS.map(Field::as_str), "{name}");
        assert_eq!(ids, [Some(example_of(Field::Id).to_owned())], "{name}");
        assert_eq!(survey.valid_by_kind.of(ClipLength::Six, Resolution::P768), 1, "{name}");
    }
}

fn opened() -> Xlsx<Cursor<Vec<u8>>> {
    Xlsx::new(Cursor::new(made("my shots.xlsx"))).unwrap()
}

/// The cells of a sheet in rows, as text.
fn cells(sheet: &str) -> Vec<Vec<String>> {
    let range = opened().worksheet_range(sheet).unwrap();
    let text = |cell: &Data| cell.to_string();
    range.rows().map(|row| row.iter().map(text).collect()).collect()
}

#[test]
fn the_first_sheet_has_the_columns_and_the_example_and_nothing_else() {
    let workbook = opened();
    assert_eq!(workbook.sheet_names(), ["Shots", "Help"]);
    assert_eq!(
        cells("Shots"),
        [
            COLUMNS.map(|field| field.as_str().to_owned()),
            COLUMNS.map(|field| example_of(field).to_owned())
        ]
    );
    // A number, so that it is one of the drop-down list.
    let range = opened().worksheet_range("Shots").unwrap();
    assert_eq!(range.get_value((1, 3)), Some(&Data::Float(6.0)));
}

#[test]
fn the_help_explains_every_column_and_cannot_be_taken_for_a_manifest() {
    let help = cells("Help");
    for field in Field::ALL {
        let row = help.iter().find(|row| row[0] == field.as_str()).unwrap();
        assert_eq!(row[2], meaning_of(field));
        assert_eq!(row[1] == "required", Field::REQUIRED.contains(&field), "{field}");
    }
    for row in &help {
        let names_both = Field::REQUIRED
            .iter()
            .all(|field| row.iter().any(|cell| Field::of_name(cell) == Some(*field)));
        assert!(!names_both, "{row:?}");
    }
    let all: String = help.concat().join("\n");
    assert!(all.contains("hailuo-batch check 'my shots.xlsx'"), "{all}");
    assert!(all.contains("30 credits, 0.15 USD"), "{all}");
}

/// The XML of the sheet that is filled in.
fn sheet_xml() -> String {
    let mut archive = ZipArchive::new(Cursor::new(made("shots.xlsx"))).unwrap();
    let mut xml = String::new();
    archive
        .by_name("xl/worksheets/sheet1.xml")
        .unwrap()
        .read_to_string(&mut xml)
        .unwrap();
    xml
}

/// What stands in the cells of a range like `Help!$A$14:$A$15`.
fn range(reference: &str) -> Vec<String> {
    let place = |cell: &str| {
        let (column, row) = cell.trim_start_matches('$').split_once('$').unwrap();
        let row: usize = row.parse().unwrap();
        (row - 1, usize::from(column.as_bytes()[0] - b'A'))
    };
    let (from, to) = reference.strip_prefix("Help!").unwrap().split_once(':').unwrap();
    let ((first, column), (last, _)) = (place(from), place(to));
    let help = cells("Help");
    (first..=last).map(|row| help[row][column].clone()).collect()
}

#[test]
fn the_lists_offer_only_clips_that_can_be_made() {
    let xml = sheet_xml();
    let lists: Vec<(&str, &str)> = xml
        .split("<dataValidation ")
        .skip(1)
        .filter(|validation| validation.starts_with("type=\"list\""))
        .map(|validation| {
            let cells = validation.split("sqref=\"").nth(1).unwrap().split('"').next().unwrap();
            let formula = validation
                .split("<formula1>")
                .nth(1)
                .unwrap()
                .split('<')
                .next()
                .unwrap();
            (cells, formula)
        })
        .collect();
    let [(durations, duration), (resolutions, resolution)] = lists[..] else {
        panic!("{lists:?}")
    };
    assert_eq!((durations, resolutions), ("D2:D1001", "E2:E1001"));
    let branches = |formula: &str, condition: &str| -> [Vec<String>; 2] {
        let formula = formula.replace("&amp;", "&").replace("&quot;", "\"");
        let rest = formula.strip_prefix(condition).unwrap_or_else(|| panic!("{formula}"));
        let (then, otherwise) = rest.strip_suffix(')').unwrap().split_once(',').unwrap();
        [range(then), range(otherwise)]
    };
    assert_eq!(branches(duration, "IF($E2=\"1080P\","), [vec!["6"], vec!["6", "10"]]);
    assert_eq!(
        branches(resolution, "IF($D2&\"\"=\"10\","),
        [vec!["768P"], vec!["768P", "1080P"]]
    );
    assert!(xml.contains("10 seconds are only made at 768P"), "{xml}");
}

#[test]
fn the_header_stays_in_sight_and_text_stays_text() {
    let xml = sheet_xml();
    assert!(
        xml.contains("ySplit=\"1\"") && xml.contains("state=\"frozen\""),
        "{xml}"
    );
    assert!(!xml.contains("<f>"), "there is a formula in it");
    // No empty cell is written: only the columns have formats.
    assert_eq!(xml.matches("<c ").count(), 2 * COLUMNS.len());
}
