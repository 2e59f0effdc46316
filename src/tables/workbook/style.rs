//! Fonts and colours.
//!
//! A colour never says more than the word that it is on, and those that mean opposite things differ in more than red and
//! green: good news is blue-green, bad news orange-red, and doubts are yellow, the lightest. Text on them has a contrast
//! of at least 7 to 1 (WCAG's AAA).

use rust_xlsxwriter::{Format, FormatAlign, FormatUnderline};

use crate::tables::Tone;

const WHITE: u32 = 0xFF_FFFF;
/// The header of somebody's own columns, and of the columns that were added to them.
const HEADERS: [u32; 2] = [0x33_3F4F, 0x0B_5563];
const LINK: u32 = 0x05_4F9C;
const QUIET: u32 = 0x59_5959;

/// The colours of the words of a tone, text and ground; `None` for none.
fn colours(tone: Tone) -> Option<(u32, u32)> {
    match tone {
        Tone::Done => Some((0x00_4034, 0xAD_E3D1)),
        Tone::Good => Some((0x00_4034, 0xDD_F3EB)),
        Tone::Busy => Some((0x0B_3A66, 0xDA_E9F8)),
        Tone::Doubtful => Some((0x4D_3900, 0xFF_E699)),
        Tone::Bad => Some((0x6E_1400, 0xFB_CDBD)),
        Tone::Plain => None,
    }
}

/// The most decimals that a number may have.
const MOST_DECIMALS: usize = 15;

/// Every format that is used, made once: making one is dear, and there is one cell or another for each in every row.
pub(super) struct Styles {
    pub(super) title: Format,
    pub(super) heading: Format,
    headers: [Format; 2],
    header_of_numbers: Format,
    one_line: Cells,
    wrapped: Cells,
}

/// The formats of a column's cells.
pub(super) struct Cells {
    /// What cells have that need no other.
    pub(super) base: Format,
    /// Text that stays text when somebody goes into its cell and out again.
    pub(super) quoted: Format,
    pub(super) link: Format,
    /// Text of several lines in a row that is one line high: its first line shows.
    pub(super) first_line: Format,
    pub(super) number: Format,
    pub(super) share: Format,
    pub(super) money: Format,
    tones: [Format; Tone::ALL.len()],
    decimals: [Format; MOST_DECIMALS + 1],
}

impl Styles {
    /// The formats of a workbook.
    pub(super) fn new() -> Styles {
        // Where text has several lines, the others stand beside the first.
        let base = Format::new().set_align(FormatAlign::Top);
        let header = |ground: u32| {
            Format::new()
                .set_bold()
                .set_font_color(WHITE)
                .set_background_color(ground)
                .set_align(FormatAlign::VerticalCenter)
        };
        let heading = Format::new().set_bold();
        Styles {
            title: heading.clone().set_font_size(16),
            heading: heading.set_font_size(12).set_font_color(HEADERS[1]),
            headers: HEADERS.map(header),
            header_of_numbers: header(HEADERS[0]).set_align(FormatAlign::Right).set_indent(1),
            wrapped: Cells::of(base.clone().set_text_wrap()),
            one_line: Cells::of(base),
        }
    }

    /// The format of a header's cell, over a column that `is_added` or over one of somebody's own.
    pub(super) fn header(&self, is_added: bool) -> &Format {
        &self.headers[usize::from(is_added)]
    }

    /// The same over a column of numbers.
    pub(super) fn header_of_numbers(&self) -> &Format {
        &self.header_of_numbers
    }

    /// The formats of the cells of a column.
    pub(super) fn cells(&self, wraps: bool) -> &Cells {
        match wraps {
            true => &self.wrapped,
            false => &self.one_line,
        }
    }
}

impl Cells {
    fn of(base: Format) -> Cells {
        // Words and numbers keep off the cells beside them, where the one ends and the other begins.
        let indented = base.clone().set_align(FormatAlign::Left).set_indent(1);
        let toned = |tone| match colours(tone) {
            Some((text, ground)) => indented.clone().set_font_color(text).set_background_color(ground),
            None => indented.clone().set_font_color(QUIET),
        };
        let number = indented.clone().set_align(FormatAlign::Right);
        Cells {
            quoted: base.clone().set_quote_prefix(),
            link: base.clone().set_font_color(LINK).set_underline(FormatUnderline::Single),
            first_line: base.clone().set_text_wrap(),
            share: number.clone().set_num_format("0.0%"),
            money: number.clone().set_num_format("#,##0.00"),
            tones: Tone::ALL.map(toned),
            decimals: std::array::from_fn(|decimals| {
                let format = match decimals {
                    0 => "0".to_owned(),
                    _ => format!("0.{}", "0".repeat(decimals)),
                };
                number.clone().set_num_format(format)
            }),
            number,
            base,
        }
    }

    pub(super) fn toned(&self, tone: Tone) -> &Format {
        &self.tones[tone as usize]
    }

    /// The format that shows this many decimals.
    pub(super) fn decimals(&self, decimals: usize) -> &Format {
        &self.decimals[decimals.min(MOST_DECIMALS)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.2, relative luminance.
    fn luminance(colour: u32) -> f64 {
        let channel = |shift: u32| {
            let value = f64::from(colour >> shift & 0xFF) / 255.0;
            match value <= 0.04045 {
                true => value / 12.92,
                false => ((value + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
    }

    fn contrast(one: u32, other: u32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_text_can_be_read_on_its_ground() {
        let tones = Tone::ALL.into_iter().filter_map(colours);
        let headers = HEADERS.map(|ground| (WHITE, ground));
        for (text, ground) in tones.chain(headers).chain([(LINK, WHITE), (QUIET, WHITE)]) {
            let contrast = contrast(text, ground);
            assert!(contrast >= 7.0, "{text:06x} on {ground:06x}: {contrast:.1}");
        }
    }

    #[test]
    fn a_tone_is_its_own_place_in_the_list_of_all() {
        for (place, tone) in Tone::ALL.into_iter().enumerate() {
            assert_eq!(tone as usize, place);
        }
    }
}
