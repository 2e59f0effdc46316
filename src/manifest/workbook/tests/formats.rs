//! A workbook that a program wrote, with much of what it can.

use rust_xlsxwriter::{Chart, ExcelDateTime, FilterCondition, Format, Formula, Image, Note, Url, Workbook, XlsxError};

use crate::manifest::workbook::tests::{read, read_sheet};

/// The smallest PNG there is.
const PICTURE: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8,
    6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0a, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0, 1, 0, 0, 5, 0, 1,
    0x0d, 0x0a, 0x2d, 0xb4, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

fn shots() -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let picture = Image::new_from_buffer(PICTURE)?;
    let bold = Format::new().set_bold();
    let sheet = workbook.add_worksheet().set_name("My shots")?;
    sheet.merge_range(0, 0, 0, 5, "Shots for autumn", &bold)?;
    for (column, name) in (0..).zip(["scene", "prompt", "image_url", "duration", "shot on", "note"]) {
        sheet.write_with_format(2, column, name, &bold)?;
    }
    let rich = [
        (&Format::default(), "a "),
        (&bold, "bold"),
        (&Format::default(), " sea"),
    ];
    sheet.merge_range(3, 0, 5, 0, "harbour", &bold)?;
    sheet.write_rich_string(3, 1, &rich)?;
    sheet
        .write_url(3, 2, "https://x.example/1.png")?
        .write_number(3, 3, 6)?;
    let day = Format::new().set_num_format("dd.mm.yyyy");
    let moment = Format::new().set_num_format("dd.mm.yyyy hh:mm");
    sheet.write_datetime_with_format(3, 4, ExcelDateTime::from_ymd(2026, 11, 23)?, &day)?;
    sheet.insert_note(3, 5, &Note::new("not part of the table"))?;

    sheet.write_string(4, 1, "two\nlines")?.write_number(4, 3, 10.0)?;
    sheet.write_url_with_text(4, 2, Url::new("https://x.example/2.png?a=1&b=2"), "second")?;
    sheet.write_datetime_with_format(4, 4, ExcelDateTime::from_ymd(2026, 11, 23)?.and_hms(14, 5, 0)?, &moment)?;
    sheet.write_formula(4, 5, Formula::new("=1/0").set_result("#DIV/0!"))?;

    sheet.write_string(5, 1, "covered")?.embed_image(5, 2, &picture)?;
    sheet.write_boolean(5, 5, true)?;

    sheet.write_string(6, 1, "over")?.insert_image(6, 2, &picture)?;
    sheet.write_number(6, 5, 0.1 + 0.2)?;
    sheet.write_string(7, 1, "hidden")?.set_row_hidden(7)?;
    sheet.write_string(8, 1, "last")?.write_string(8, 0, "filtered out")?;
    sheet.write_blank(2_000, 40, &bold)?;
    sheet.autofilter(2, 0, 8, 5)?;
    sheet.filter_column(
        0,
        &FilterCondition::new()
            .add_list_filter("harbour")
            .add_list_blanks_filter(),
    )?;
    let mut chart = Chart::new(rust_xlsxwriter::ChartType::Bar);
    chart.add_series().set_values(("My shots", 3, 3, 5, 3));
    sheet.insert_chart(6, 7, &chart)?;

    workbook
        .add_worksheet_with_constant_memory()?
        .set_name("Plain")?
        .write_string(0, 0, "prompt")?;
    workbook
        .add_worksheet()
        .set_name("Old")?
        .set_hidden(true)
        .write_string(0, 0, "prompt")?;
    workbook.save_to_buffer()
}

#[test]
fn people_and_this_program_see_the_same() {
    let bytes = shots().unwrap();
    let reading = read(&bytes).unwrap();
    assert_eq!(
        reading.rows,
        [
            "1: Shots for autumn",
            "3: scene|prompt|image_url|duration|shot on|note",
            "4: harbour|a bold sea|https://x.example/1.png|6|2026-11-23 [2 →https://x.example/1.png]",
            "5: harbour|two\nlines|second|10|2026-11-23 14:05:00|#DIV/0! [2 →https://x.example/2.png?a=1&b=2] [5 !#DIV/0!]",
            "6: harbour|covered||||TRUE [2 picture] (picture 2)",
            "7: |over||||0.3 (picture 2)",
        ]
    );
    let remarks = reading.remarks;
    assert_eq!(&*remarks.sheet, "My shots");
    assert_eq!(remarks.also.iter().map(|name| &**name).collect::<Vec<_>>(), ["Plain"]);
    assert_eq!((remarks.tally.hidden.count, remarks.tally.hidden.first_row), (2, 8));
    let all = read_sheet(&bytes, None, true).unwrap().rows;
    assert_eq!(all[6..], ["8: |hidden", "9: filtered out|last"]);
    assert_eq!(read_sheet(&bytes, Some("old"), false).unwrap().rows, ["1: prompt"]);
}
