//! Which sheet is read.

use crate::manifest::workbook::choose::Choice;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::records::SheetRecords;
use crate::manifest::workbook::tests::{Xlsx, file_of, read, read_sheet, way, ways_of};

fn table(first: &str) -> String {
    let cell = |row: u32, text: &str| format!(r#"<row r="{row}"><c r="A{row}" t="str"><v>{text}</v></c></row>"#);
    format!("<sheetData>{}{}</sheetData>", cell(3, first), cell(4, "row"))
}

/// The sheet that is read, and those that could have been.
fn chosen(xlsx: &Xlsx) -> (String, Vec<String>) {
    let remarks = xlsx.read().remarks;
    (
        remarks.sheet.to_string(),
        remarks.also.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn the_first_visible_sheet_with_a_header_is_read() {
    let (with, without) = (table("prompt"), table("notes"));
    let xlsx = Xlsx::with_sheets(&[
        ("Old", r#"state="hidden""#, &with),
        ("Older", r#"state="veryHidden""#, &with),
        ("Notes", "", &without),
        ("Clips", r#"state="visible""#, &with),
        ("More", "", &with),
        ("Last", "", &without),
    ]);
    assert_eq!(chosen(&xlsx), ("Clips".to_owned(), vec!["More".to_owned()]));
    let names: Vec<_> = xlsx
        .read()
        .remarks
        .sheets
        .iter()
        .map(|sheet| sheet.name.to_string())
        .collect();
    assert_eq!(names, ["Old", "Older", "Notes", "Clips", "More", "Last"]);
}

#[test]
fn without_any_header_it_is_the_first_with_rows() {
    let without = table("notes");
    let xlsx = Xlsx::with_sheets(&[
        ("Empty", "", "<sheetData/>"),
        ("Notes", "", &without),
        ("B", "", &without),
    ]);
    assert_eq!(chosen(&xlsx), ("Notes".to_owned(), Vec::new()));
    let xlsx = Xlsx::with_sheets(&[("Empty", "", "<sheetData/>"), ("Other", "", "<sheetData/>")]);
    assert_eq!(chosen(&xlsx), ("Empty".to_owned(), Vec::new()));
}

#[test]
fn a_header_may_stand_on_the_twentieth_row() {
    let rows = |at: u32| -> String {
        let row = |row: u32| {
            let text = if row == at { "prompt" } else { "title" };
            format!(r#"<row r="{row}"><c r="B{row}" t="str"><v>{text}</v></c></row>"#)
        };
        format!("<sheetData>{}</sheetData>", (1..=30).map(row).collect::<String>())
    };
    let other = table("prompt");
    let xlsx = |first: &str| Xlsx::with_sheets(&[("First", "", first), ("Second", "", &other)]);
    assert_eq!(chosen(&xlsx(&rows(20))).0, "First");
    assert_eq!(chosen(&xlsx(&rows(21))).0, "Second");
}

#[test]
fn a_header_that_merged_cells_lend_counts() {
    // Its own row has only a number; the words above it reach down into it.
    let lent = concat!(
        r#"<sheetData><row r="1"><c r="A1" t="str"><v>image</v></c><c r="B1" t="str"><v>also</v></c></row>"#,
        r#"<row r="2"><c r="B2" t="str"><v>url</v></c></row></sheetData><mergeCells><mergeCell ref="A1:A2"/></mergeCells>"#
    );
    let xlsx = Xlsx::with_sheets(&[("Plain", "", &table("notes")), ("Lent", "", lent)]);
    let choice = Choice {
        sheet: None,
        hidden_rows: false,
        is_header: &|record| record.iter().eq([&b"image"[..], b"url"]),
    };
    let records = SheetRecords::open(file_of(&xlsx.bytes()), choice).unwrap();
    assert_eq!(&**records.sheet(), "Lent");
}

#[test]
fn a_sheet_is_named_or_numbered() {
    let (with, without) = (table("prompt"), table("notes"));
    let xlsx = Xlsx::with_sheets(&[
        ("Clips", "", &with),
        ("My shots", "", &without),
        ("2", "state='hidden'", &without),
        ("clips &amp; more", "", &without),
    ]);
    let bytes = xlsx.bytes();
    for (wanted, found) in [
        ("Clips", "Clips"),
        ("my SHOTS ", "My shots"),
        ("2", "2"),
        ("3", "2"),
        ("1", "Clips"),
        ("Clips & more", "clips & more"),
    ] {
        let remarks = read_sheet(&bytes, Some(wanted), false).unwrap().remarks;
        assert_eq!(&*remarks.sheet, found, "{wanted}");
        assert!(remarks.also.is_empty());
    }
    for wanted in ["0", "5", "Shots", ""] {
        let error = read_sheet(&bytes, Some(wanted), false).unwrap_err();
        assert!(matches!(error, WorkbookError::NoSuchSheet { .. }), "{wanted}: {error}");
        assert_eq!(
            error.help().unwrap(),
            "its sheets are `Clips`, `My shots`, `2` (hidden), `clips & more`"
        );
    }
}

#[test]
fn charts_are_no_tables() {
    let xlsx = Xlsx::with_sheets(&[("Chart", "", ""), ("Clips", "", &table("prompt"))]).part(
        "xl/_rels/workbook.xml.rels",
        &ways_of(
            &[
                way("rId1", "chartsheet", "chartsheets/sheet1.xml"),
                way("rId2", "worksheet", "worksheets/sheet2.xml"),
            ]
            .concat(),
        ),
    );
    assert_eq!(chosen(&xlsx).0, "Clips");
    let error = read_sheet(&xlsx.bytes(), Some("Chart"), false).unwrap_err();
    assert_eq!(error.to_string(), "sheet `Chart` is a chart or dialog, not a table");
}

#[test]
fn if_all_sheets_are_hidden_the_error_names_them() {
    let xlsx = Xlsx::with_sheets(&[("A\u{202e}b", "state='hidden'", &table("prompt"))]);
    let error = read(&xlsx.bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the workbook has no visible sheet with cells");
    assert_eq!(
        error.help().unwrap(),
        "name one of the hidden ones with `--sheet NAME`: `A\\u{202e}b` (hidden)"
    );
}

#[test]
fn what_is_wrong_with_a_sheet_that_is_not_read_does_not_matter() {
    let xlsx = Xlsx::with_sheets(&[("Clips", "", &table("prompt")), ("Broken", "", "<sheetData><row>")]);
    assert_eq!(chosen(&xlsx).0, "Clips");
    let xlsx = Xlsx::with_sheets(&[("Broken", "", "<sheetData><row>"), ("Clips", "", &table("prompt"))]);
    assert!(matches!(read(&xlsx.bytes()), Err(WorkbookError::Damaged { .. })));
}
