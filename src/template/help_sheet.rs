//! The sheet that explains the other one: its columns, what a clip costs, and what to do next.

use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder, Worksheet, XlsxError};

use crate::escape;
use crate::manifest::{Field, MOST_ROWS};
use crate::price::{PUBLISHED_SOURCE, PriceTable, USD_PER_CREDIT, usd};
use crate::row::{ClipLength, Resolution};
use crate::template::columns::{default_of, meaning_of};

/// Its name.
const SHEET: &str = "Help";

/// Every clip that can be made, in an order in which the two lengths stand one below the other, and the two resolutions too:
/// the drop-down lists are cut out of this table.
const CLIPS: [(ClipLength, Resolution); 3] = [
    (ClipLength::Six, Resolution::P768),
    (ClipLength::Ten, Resolution::P768),
    (ClipLength::Six, Resolution::P1080),
];

/// Widths of its columns, in characters.
const WIDTHS: [u32; 4] = [16, 13, 80, 32];

/// Height of a line, in points: what programs that measure no merged or new cells are told.
const LINE_POINTS: u32 = 16;

/// Where the table of clips has what the drop-down lists offer, as formulas name it.
pub(super) struct Clips {
    pub(super) only_six: String,
    pub(super) both_lengths: String,
    pub(super) only_768: String,
    pub(super) both_resolutions: String,
}

struct Styles {
    title: Format,
    head: Format,
    cell: Format,
    name: Format,
    plain: Format,
    command: Format,
}

impl Styles {
    fn new() -> Styles {
        let top = Format::new().set_align(FormatAlign::Top).set_text_wrap();
        let grid = top
            .clone()
            .set_border(FormatBorder::Thin)
            .set_border_color(Color::RGB(0xBF_BF_BF));
        Styles {
            title: Format::new().set_bold().set_font_size(14),
            head: grid.clone().set_bold().set_background_color(Color::RGB(0xDD_EB_F7)),
            name: grid.clone().set_bold(),
            cell: grid.set_align(FormatAlign::Left),
            command: top.clone().set_font_name("Consolas").set_align(FormatAlign::Left),
            plain: top,
        }
    }
}

/// Fills the sheet of a workbook called `name`.
pub(super) fn write(sheet: &mut Worksheet, name: &str) -> Result<Clips, XlsxError> {
    let styles = Styles::new();
    sheet.set_name(SHEET)?.set_screen_gridlines(false);
    sheet.set_landscape().set_print_fit_to_pages(1, 0);
    for (at, width) in (0_u16..).zip(WIDTHS) {
        sheet.set_column_width(at, width)?;
    }
    let row = write_columns(sheet, &styles)?;
    let (row, clips) = write_clips(sheet, &styles, row + 1)?;
    write_next(sheet, &styles, row + 1, name)?;
    Ok(clips)
}

/// The columns of the other sheet; gives the next free row.
fn write_columns(sheet: &mut Worksheet, styles: &Styles) -> Result<u32, XlsxError> {
    sheet.write_string_with_format(0, 0, "One row is one video", &styles.title)?;
    const { assert!(MOST_ROWS == 1_000_000) };
    let about = "Write over the grey example. There may be a million rows; empty ones do not count, and hidden ones, \
                 also those that a filter hides, are left out. Other columns are yours: they are kept and stand in the \
                 results again. Columns may stand in any order, and their names may be in your language.";
    write_prose(sheet, styles, 1, about)?;
    for (at, head) in (0_u16..).zip(["column", "needed", "what to write", "if the cell is empty"]) {
        sheet.write_string_with_format(3, at, head, &styles.head)?;
    }
    let mut row = 4;
    for field in Field::ALL {
        let needed = if Field::REQUIRED.contains(&field) {
            "required"
        } else {
            "optional"
        };
        sheet.write_string_with_format(row, 0, field.as_str(), &styles.name)?;
        sheet.write_string_with_format(row, 1, needed, &styles.cell)?;
        sheet.write_string_with_format(row, 2, meaning_of(field), &styles.cell)?;
        sheet.set_row_height(row, height_of(&meaning_of(field), WIDTHS[2]))?;
        sheet.write_string_with_format(row, 3, default_of(field), &styles.cell)?;
        row += 1;
    }
    Ok(row)
}

/// What can be made, and its price; gives the next free row, and where the lists of the other sheet are.
fn write_clips(sheet: &mut Worksheet, styles: &Styles, title: u32) -> Result<(u32, Clips), XlsxError> {
    sheet.write_string_with_format(title, 0, "What a video costs", &styles.title)?;
    for (at, head) in (0_u16..).zip(["duration", "resolution", "price"]) {
        sheet.write_string_with_format(title + 1, at, head, &styles.head)?;
    }
    let first = title + 2;
    let prices = PriceTable::published();
    let mut row = first;
    for (length, resolution) in CLIPS {
        let seconds: f64 = length.as_str().parse().expect("a length is a number of seconds");
        sheet.write_number_with_format(row, 0, seconds, &styles.cell)?;
        sheet.write_string_with_format(row, 1, resolution.as_str(), &styles.cell)?;
        let price = match prices.price_of(length, resolution) {
            Some(credits) => format!("{credits} credits, {:.2} USD", usd(credits)),
            None => "not known".to_owned(),
        };
        sheet.write_string_with_format(row, 2, price, &styles.cell)?;
        row += 1;
    }
    let about = format!(
        "1 credit is {USD_PER_CREDIT} USD. Prices move: these are from {PUBLISHED_SOURCE}. Clips that fail are free as a \
         rule. An account may send 20 rows in 10 seconds, so that 1000 rows take about 9 minutes; then each clip takes some \
         minutes more."
    );
    write_prose(sheet, styles, row, &about)?;
    // Rows of a formula count from 1.
    let range = |column: char, from: u32, to: u32| format!("{SHEET}!${column}${}:${column}${}", from + 1, to + 1);
    let clips = Clips {
        only_six: range('A', first, first),
        both_lengths: range('A', first, first + 1),
        only_768: range('B', first, first),
        both_resolutions: range('B', first + 1, first + 2),
    };
    Ok((row + 1, clips))
}

fn write_next(sheet: &mut Worksheet, styles: &Styles, title: u32, name: &str) -> Result<(), XlsxError> {
    sheet.write_string_with_format(title, 0, "What to do next", &styles.title)?;
    let name = escape::for_shell(&[name.to_owned()]);
    let steps = [
        ("see mistakes, cost and time", format!("hailuo-batch check {name}")),
        (
            "try it, without a key or cost",
            format!("hailuo-batch run {name} --sandbox"),
        ),
        ("make the videos", format!("hailuo-batch run {name} --download videos")),
    ];
    for (row, (effect, command)) in (title + 1..).zip(steps) {
        sheet.merge_range(row, 0, row, 1, effect, &styles.plain)?;
        sheet.write_string_with_format(row, 2, command, &styles.command)?;
    }
    Ok(())
}

/// Text over the whole width.
fn write_prose(sheet: &mut Worksheet, styles: &Styles, row: u32, text: &str) -> Result<(), XlsxError> {
    sheet.merge_range(row, 0, row, 3, text, &styles.plain)?;
    sheet.set_row_height(row, height_of(text, WIDTHS.iter().sum()))?;
    Ok(())
}

/// The height of a row whose longest cell is `text` in a column of this width.
fn height_of(text: &str, width: u32) -> u32 {
    // Letters are narrower than the digits that widths are counted in, but words do not fill their lines.
    let characters = u32::try_from(text.chars().count()).expect("a help text is short");
    characters.div_ceil(width) * LINE_POINTS
}
