//! The template as a workbook: a sheet to fill in, with drop-down lists, and a sheet that explains it.

use rust_xlsxwriter::{
    Color, DataValidation, DataValidationRule, DocProperties, Format, FormatAlign, Formula, Workbook, Worksheet,
    XlsxError,
};

use crate::manifest::{Field, MOST_PROMPT_CHARACTERS};
use crate::row::{ClipLength, Resolution};
use crate::template::columns::{COLUMNS, example_of};
use crate::template::help_sheet::{self, Clips};

/// Rows with drop-down lists, the example included. Rows below them are read all the same.
const LISTED_ROWS: u32 = 1_000;

/// The sheet to fill in.
const SHEET: &str = "Shots";

/// The header: white on dark, so that it is not taken for a row.
const HEADER_FILL: Color = Color::RGB(0x1F_4E_79);
/// The example: grey, so that it is not taken for the user's own.
const EXAMPLE_INK: Color = Color::RGB(0x80_80_80);

/// The workbook that will be called `name`.
pub(super) fn workbook(name: &str) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    workbook.set_properties(&DocProperties::new().set_title("Images and prompts for hailuo-batch"));
    let sheet = workbook.add_worksheet();
    sheet.set_name(SHEET)?;
    write_table(sheet)?;
    let help = workbook.add_worksheet();
    let clips = help_sheet::write(help, name)?;
    let sheet = workbook.worksheet_from_index(0)?;
    add_lists(sheet, &clips)?;
    workbook.save_to_buffer()
}

fn write_table(sheet: &mut Worksheet) -> Result<(), XlsxError> {
    let header = Format::new()
        .set_bold()
        .set_font_color(Color::White)
        .set_background_color(HEADER_FILL)
        .set_align(FormatAlign::VerticalCenter);
    sheet.set_row_height(0, 22)?;
    for (at, field) in (0_u16..).zip(COLUMNS) {
        let (width, format) = shape_of(field);
        let example = format.clone().set_font_color(EXAMPLE_INK).set_italic();
        sheet.set_column_width(at, width)?.set_column_format(at, &format)?;
        sheet.write_string_with_format(0, at, field.as_str(), &header)?;
        match example_of(field).parse::<f64>() {
            Ok(number) => sheet.write_number_with_format(1, at, number, &example)?,
            Err(_) => sheet.write_string_with_format(1, at, example_of(field), &example)?,
        };
    }
    sheet.set_freeze_panes(1, 0)?.set_selection(1, 1, 1, 1)?;
    sheet
        .set_landscape()
        .set_print_fit_to_pages(1, 0)
        .set_repeat_rows(0, 0)?;
    Ok(())
}

/// The width of a column, in characters, and the format of its cells.
fn shape_of(field: Field) -> (u32, Format) {
    let format = Format::new().set_align(FormatAlign::Top);
    // As text `007` keeps its zeros, and a prompt that begins with `=` or `-` is no formula.
    let text = || format.clone().set_num_format("@");
    match field {
        Field::Id => (18, text()),
        Field::Prompt => (70, text().set_text_wrap()),
        Field::ImageUrl | Field::CallbackUrl => (46, text()),
        // A number in a cell of text would not be one of the list.
        Field::Duration => (12, format.clone().set_align(FormatAlign::Left)),
        Field::Resolution => (14, text()),
    }
}

/// Drop-down lists that offer only clips that can be made: with 10 seconds there is only 768P, and with 1080P only 6 seconds.
fn add_lists(sheet: &mut Worksheet, clips: &Clips) -> Result<(), XlsxError> {
    let (six, ten) = (ClipLength::Six.as_str(), ClipLength::Ten.as_str());
    let (p768, p1080) = (Resolution::P768.as_str(), Resolution::P1080.as_str());
    let (duration, resolution) = (letter_of(Field::Duration), letter_of(Field::Resolution));
    let duration_list = format!(
        "=IF(${resolution}2=\"{p1080}\",{},{})",
        clips.only_six, clips.both_lengths
    );
    // `&""`: the number may have been pasted as text.
    let resolution_list = format!(
        "=IF(${duration}2&\"\"=\"{ten}\",{},{})",
        clips.only_768, clips.both_resolutions
    );
    let both = format!("{ten} seconds are only made at {p768}.");
    let validations = [
        (
            Field::Duration,
            DataValidation::new()
                .allow_list_formula(Formula::new(duration_list))
                .set_input_title("Seconds of video")?
                .set_input_message(format!("{six} or {ten}; an empty cell means {six}. {both}"))?
                .set_error_title("No such clip")?
                .set_error_message(format!("Choose {six} or {ten}. {both}"))?,
        ),
        (
            Field::Resolution,
            DataValidation::new()
                .allow_list_formula(Formula::new(resolution_list))
                .set_input_title("Lines of video")?
                .set_input_message(format!("{p768} or {p1080}; an empty cell means {p768}. {both}"))?
                .set_error_title("No such clip")?
                .set_error_message(format!("Choose {p768} or {p1080}. {both}"))?,
        ),
        (
            Field::Prompt,
            DataValidation::new()
                .allow_text_length(DataValidationRule::LessThanOrEqualTo(
                    u32::try_from(MOST_PROMPT_CHARACTERS).expect("a cell holds more characters"),
                ))
                .set_error_title("The prompt is too long")?
                .set_error_message(format!("A prompt has at most {MOST_PROMPT_CHARACTERS} characters."))?,
        ),
    ];
    for (field, validation) in validations {
        let at = column_of(field);
        sheet.add_data_validation(1, at, LISTED_ROWS, at, &validation)?;
    }
    Ok(())
}

fn column_of(field: Field) -> u16 {
    let at = COLUMNS.iter().position(|column| *column == field);
    u16::try_from(at.expect("only columns of the template are asked for")).expect("there are five")
}

fn letter_of(field: Field) -> char {
    char::from(b'A' + u8::try_from(column_of(field)).expect("there are five"))
}
