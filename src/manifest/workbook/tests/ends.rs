//! The thread that reads ahead, and the one that listens.

use csv::ByteRecord;

use crate::manifest::workbook::choose::Choice;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::records::SheetRecords;
use crate::manifest::workbook::tests::{Xlsx, file_of, read};

fn many_rows(count: u32) -> String {
    (1..=count)
        .map(|row| format!(r#"<row r="{row}"><c r="A{row}" t="str"><v>row {row}</v></c></row>"#))
        .collect()
}

const ANY: Choice<'static> = Choice {
    sheet: None,
    hidden_rows: false,
    is_header: &|_| true,
};

#[test]
fn rows_arrive_whole_and_in_order() {
    let rows = Xlsx::with_rows(&many_rows(5_000), "").read().rows;
    assert_eq!(rows.len(), 5_000);
    assert!(
        (1..)
            .zip(&rows)
            .all(|(number, row)| *row == format!("{number}: row {number}"))
    );
}

#[test]
fn rows_before_damage_are_handed_out_first_and_the_damage_stays() {
    let whole = many_rows(1_000);
    let xlsx = Xlsx::with_rows(&format!("{whole}<row r=\"7\"><c r=\"A7\"><v>1</v></c></row>"), "");
    let mut records = SheetRecords::open(file_of(&xlsx.bytes()), ANY).unwrap();
    let mut record = ByteRecord::new();
    for _ in 0..1_000 {
        assert!(records.next(&mut record).unwrap());
    }
    for _ in 0..2 {
        let error = records.next(&mut record).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the workbook is damaged in `xl/worksheets/sheet1.xml`, near row 1000: row 7 comes after row 1000"
        );
    }
    assert!(format!("{records:?}").contains("Sheet1"));
}

#[test]
fn an_error_before_the_first_row_comes_from_opening() {
    let xlsx = Xlsx::with_rows("", "").without("xl/worksheets/sheet1.xml");
    let error = read(&xlsx.bytes()).unwrap_err();
    assert!(matches!(error, WorkbookError::Damaged { .. }));
    assert_eq!(
        error.to_string(),
        "the workbook is damaged in `xl/worksheets/sheet1.xml`: this part is missing"
    );
}
