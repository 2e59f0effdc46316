//! Another reader as witness: what calamine finds in the cells is what is found here.

use std::io::Cursor;

use calamine::{Data, Reader, Sheets, open_workbook_auto_from_rs};
use proptest::prelude::*;
use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};

use crate::manifest::workbook::cell_text::{Epoch, Value, cell_text};
use crate::manifest::workbook::number_format::Shown;
use crate::manifest::workbook::tests::{ods, read, xls, xlsb};

/// Rows as calamine reads them, with the texts that this program gives to its values.
fn as_calamine_reads(bytes: &[u8]) -> Vec<String> {
    let mut workbook: Sheets<_> = open_workbook_auto_from_rs(Cursor::new(bytes)).unwrap();
    let names = workbook.sheets_metadata().iter();
    let visible = names.filter(|sheet| sheet.visible == calamine::SheetVisible::Visible);
    let name = visible.map(|sheet| sheet.name.clone()).next().unwrap();
    let range = workbook.worksheet_range(&name).unwrap();
    let Some((first_row, first_column)) = range.start() else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (line, row) in (first_row + 1..).zip(range.rows()) {
        let mut cells = vec![String::new(); first_column as usize];
        cells.extend(row.iter().map(text_of));
        let last = cells.iter().rposition(|cell| !cell.is_empty());
        if cells.iter().any(|cell| !cell.trim_ascii().is_empty()) {
            cells.truncate(last.map_or(0, |last| last + 1));
            rows.push(format!("{line}: {}", cells.join("|")));
        }
    }
    rows
}

fn text_of(value: &Data) -> String {
    let value = match value {
        Data::Empty => return String::new(),
        Data::String(text) => Value::Text(text),
        Data::Float(number) => Value::Number(*number, Shown::Number),
        #[expect(clippy::cast_precision_loss, reason = "the tests have no such large numbers")]
        Data::Int(number) => Value::Number(*number as f64, Shown::Number),
        Data::Bool(value) => Value::Bool(*value),
        Data::DateTime(moment) if moment.is_duration() => Value::Number(moment.as_f64(), Shown::Duration),
        Data::DateTime(moment) => Value::Number(moment.as_f64(), Shown::Date),
        Data::DateTimeIso(text) => Value::IsoDate(text),
        Data::DurationIso(text) => Value::IsoDuration(text),
        Data::Error(error) => return error.to_string(),
    };
    cell_text(value, Epoch::Of1900, &mut String::new()).to_owned()
}

/// Rows as they are read here, without what is noted beside the cells.
fn as_read_here(bytes: &[u8]) -> Vec<String> {
    let rows = read(bytes).unwrap().rows.into_iter();
    rows.map(|row| row.split(" [").next().unwrap().to_owned()).collect()
}

#[test]
fn all_kinds_of_values_in_the_binary_formats() {
    for bytes in [xls::of_all_kinds(), xlsb::xlsb(&xlsb::of_all_kinds(), &[])] {
        let here = as_read_here(&bytes);
        assert_eq!(here.len(), 1);
        assert_eq!(here, as_calamine_reads(&bytes));
    }
}

#[test]
fn repetitions_in_ods() {
    let cell = |attributes: &str, text: &str| {
        format!("<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>")
    };
    let rows = format!(
        "<table:table-row table:number-rows-repeated=\"2\">{}{}<table:table-cell \
         table:number-columns-repeated=\"3\"/>{}</table:table-row><table:table-row/><table:table-row>{}</table:table-row>",
        cell("office:value-type=\"string\" table:number-columns-repeated=\"2\"", "a"),
        cell("office:value-type=\"float\" office:value=\"6.50\"", "6,5"),
        cell("office:value-type=\"date\" office:date-value=\"2026-11-23\"", "x"),
        cell("office:value-type=\"boolean\" office:boolean-value=\"false\"", "x"),
    );
    let bytes = ods::ods(&rows);
    assert_eq!(as_read_here(&bytes), as_calamine_reads(&bytes));
    assert_eq!(as_read_here(&bytes).len(), 3);
}

#[derive(Debug, Clone)]
enum Cell {
    Empty,
    Text(String),
    Number(f64),
    Bool(bool),
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        2 => Just(Cell::Empty),
        // Also what XML and Office have to escape.
        4 => "[ -z{}~|ä中🗼\\t\\n_x0]{0,12}".prop_map(Cell::Text),
        1 => "_x[0-9A-F]{4}_".prop_map(Cell::Text),
        1 => any::<i32>().prop_map(|number| Cell::Number(f64::from(number))),
        1 => (-1e6..1e6_f64).prop_map(Cell::Number),
        1 => any::<bool>().prop_map(Cell::Bool),
    ]
}

fn written(rows: &[Vec<Cell>], in_constant_memory: bool) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let sheet: &mut Worksheet = if in_constant_memory {
        workbook.add_worksheet_with_constant_memory()?
    } else {
        workbook.add_worksheet()
    };
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(cells) {
            match cell {
                Cell::Empty => continue,
                Cell::Text(text) => sheet.write_string(row, column, text)?,
                Cell::Number(number) => sheet.write_number(row, column, *number)?,
                Cell::Bool(value) => sheet.write_boolean(row, column, *value)?,
            };
        }
    }
    workbook.save_to_buffer()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_table_that_was_written(
        rows in proptest::collection::vec(proptest::collection::vec(any_cell(), 0..6), 0..8),
        in_constant_memory in any::<bool>(),
    ) {
        let bytes = written(&rows, in_constant_memory).unwrap();
        let here = read(&bytes).unwrap().rows;
        let expected = rows.iter().enumerate().filter_map(|(at, cells)| {
            let cells: Vec<String> = cells.iter().map(|cell| match cell {
                Cell::Empty => String::new(),
                Cell::Text(text) => text.clone(),
                Cell::Number(number) => text_of(&Data::Float(*number)),
                Cell::Bool(value) => text_of(&Data::Bool(*value)),
            }).collect();
            let last = cells.iter().rposition(|cell| !cell.is_empty())?;
            let is_blank = cells.iter().all(|cell| cell.trim_ascii().is_empty());
            (!is_blank).then(|| format!("{}: {}", at + 1, cells[..=last].join("|")))
        });
        prop_assert_eq!(&here, &expected.collect::<Vec<_>>());
        // Which resolves no escapes of Office's.
        if !rows.iter().flatten().any(|cell| matches!(cell, Cell::Text(text) if text.contains("_x"))) {
            prop_assert_eq!(here, as_calamine_reads(&bytes));
        }
    }
}
