//! How a cell is put into a sheet, how wide columns and how high rows get.

use std::borrow::Cow;

use rust_xlsxwriter::{Format, Url, Worksheet, XlsxError};

use super::link::{self, MOST_LINKS};
use super::size::{self, ColumnSize};
use super::style::{Cells, Styles};
use super::text;
use crate::tables::{Cell, Column, Target};

/// What a cell costs in the sheet's XML beside its text, in bytes, roughly and rather too much.
const CELL_BYTES: u64 = 80;

/// A sheet under way.
pub(super) struct Sheet {
    pub(super) worksheet: Worksheet,
    columns: Vec<ColumnState>,
    links: u32,
    /// Cells whose text was too long.
    pub(super) cut_cells: u64,
    /// The sheet that rows are in which can be linked to.
    pub(super) main: Option<String>,
}

struct ColumnState {
    size: ColumnSize,
    wraps: bool,
    is_added: bool,
}

impl Sheet {
    /// A sheet without a row.
    pub(super) fn new(mut worksheet: Worksheet, columns: &[Column], styles: &Styles) -> Result<Sheet, XlsxError> {
        for (place, column) in (0..).zip(columns) {
            // What has no format of its own gets this one.
            worksheet.set_column_format(place, &styles.cells(column.wraps).base)?;
        }
        // Rows whose height is left open are made as high as their text by some programs, and overlap in others.
        worksheet.set_default_row_height(size::LINE_HEIGHT);
        let columns = columns.iter().map(|column| ColumnState {
            size: ColumnSize::at_most(column.most),
            wraps: column.wraps,
            is_added: column.is_added,
        });
        Ok(Sheet {
            worksheet,
            columns: columns.collect(),
            links: 0,
            cut_cells: 0,
            main: None,
        })
    }

    /// Where the last column is; `None` if there is no column.
    pub(super) fn last_column(&self) -> Option<u16> {
        u16::try_from(self.columns.len()).ok()?.checked_sub(1)
    }

    /// The names above the columns, with room for the button of a filter.
    pub(super) fn header<'n>(
        &mut self,
        row: u32,
        names: impl Iterator<Item = &'n str>,
        styles: &Styles,
    ) -> Result<(), XlsxError> {
        self.worksheet.set_row_height(row, size::HEADER_HEIGHT)?;
        for ((place, column), name) in (0..).zip(&mut self.columns).zip(names) {
            let name = text::kept(name);
            let name = text::cut(&name).map_or(name, Cow::Owned);
            column.size.see_header(&name);
            let format = styles.header(column.is_added);
            self.worksheet.write_string_with_format(row, place, name, format)?;
        }
        Ok(())
    }

    /// The names above the columns of a block, as wide as the sheet. `is_number` says which columns are numbers.
    pub(super) fn block_header(
        &mut self,
        row: u32,
        names: &[&str],
        is_number: impl Fn(usize) -> bool,
        styles: &Styles,
    ) -> Result<(), XlsxError> {
        self.worksheet.set_row_height(row, size::HEADER_HEIGHT)?;
        for (place, index) in (0..).zip(0..self.columns.len()) {
            let format = match is_number(index) {
                true => styles.header_of_numbers(),
                false => styles.header(false),
            };
            let name = names.get(index).copied().unwrap_or_default();
            if let Some(column) = self.columns.get_mut(index) {
                column.size.see(name);
            }
            self.worksheet.write_string_with_format(row, place, name, format)?;
        }
        Ok(())
    }

    /// A line in large letters above everything.
    pub(super) fn title(&mut self, row: u32, title: &str, styles: &Styles) -> Result<(), XlsxError> {
        let title = text::cut(title).map_or(Cow::Borrowed(title), Cow::Owned);
        self.worksheet.set_row_height(row, size::TITLE_HEIGHT)?;
        self.worksheet.write_string_with_format(row, 0, title, &styles.title)?;
        Ok(())
    }

    /// A line above a block.
    pub(super) fn heading(&mut self, row: u32, heading: &str, styles: &Styles) -> Result<(), XlsxError> {
        self.worksheet.set_row_height(row, size::HEADER_HEIGHT)?;
        self.worksheet
            .write_string_with_format(row, 0, heading, &styles.heading)?;
        Ok(())
    }

    /// Puts a row into the sheet, and says how much of a file it is, in bytes.
    pub(super) fn row(&mut self, row: u32, cells: &[Cell<'_>], styles: &Styles) -> Result<u64, XlsxError> {
        let mut bytes = 0;
        let mut lines = 1;
        for ((place, index), cell) in (0..).zip(0..self.columns.len()).zip(cells) {
            let Some(shown) = cell.shown() else { continue };
            let Some(column) = self.columns.get_mut(index) else {
                break;
            };
            column.size.see(&shown);
            if column.wraps {
                lines = lines.max(column.size.lines_of(&shown));
            }
            let formats = styles.cells(column.wraps);
            self.cell(row, place, cell, formats)?;
            bytes += CELL_BYTES + shown.len() as u64;
        }
        if lines > 1 {
            self.worksheet.set_row_height(row, size::height_of(lines))?;
        }
        Ok(bytes)
    }

    fn cell(&mut self, row: u32, place: u16, cell: &Cell<'_>, formats: &Cells) -> Result<(), XlsxError> {
        match cell {
            Cell::Empty => Ok(()),
            Cell::Text(text) => self.text(row, place, text, None, formats),
            Cell::Word(text, tone) => self.text(row, place, text, Some(formats.toned(*tone)), formats),
            Cell::Written(text) => match text::number(text) {
                Some(number) => {
                    let format = number.decimals.map(|decimals| formats.decimals(decimals));
                    self.number(row, place, number.value, format.unwrap_or(&formats.number))
                }
                None => self.text(row, place, &text::kept(text), None, formats),
            },
            Cell::Link(text, target) => match self.link_of(text, target) {
                Some(link) => {
                    self.links += 1;
                    let link = Url::new(link).set_text(&**text);
                    self.worksheet.write_url_with_format(row, place, link, &formats.link)?;
                    Ok(())
                }
                None => self.text(row, place, &text::kept(text), None, formats),
            },
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            Cell::Whole(number) => self.number(row, place, *number as f64, &formats.number),
            Cell::Decimal(number) => self.number(row, place, *number, &formats.number),
            Cell::Share(number) => self.number(row, place, *number, &formats.share),
            Cell::Money(number) => self.number(row, place, *number, &formats.money),
        }
    }

    fn number(&mut self, row: u32, place: u16, number: f64, format: &Format) -> Result<(), XlsxError> {
        self.worksheet.write_number_with_format(row, place, number, format)?;
        Ok(())
    }

    /// Writes text as text. Without a format, it gets its column's.
    fn text(
        &mut self,
        row: u32,
        place: u16,
        text: &str,
        format: Option<&Format>,
        formats: &Cells,
    ) -> Result<(), XlsxError> {
        let cut = text::cut(text);
        self.cut_cells += u64::from(cut.is_some());
        let text = cut.as_deref().unwrap_or(text);
        let special = || match text {
            text if text::looks_like_formula(text) => Some(&formats.quoted),
            text if text.contains('\n') => Some(&formats.first_line),
            _ => None,
        };
        match format.or_else(special) {
            Some(format) => self.worksheet.write_string_with_format(row, place, text, format)?,
            None => self.worksheet.write_string(row, place, text)?,
        };
        Ok(())
    }

    fn link_of(&self, text: &str, target: &Target) -> Option<String> {
        if self.links >= MOST_LINKS || text::cut(text).is_some() {
            return None;
        }
        match target {
            Target::Itself => link::web(text),
            Target::File(path) => link::file(path),
            Target::Row(row) => Some(link::inside(self.main.as_deref()?, *row)),
        }
    }

    /// The sheet with its columns as wide as their text.
    pub(super) fn into_worksheet(mut self) -> Result<Worksheet, XlsxError> {
        let mut all = 0.0;
        for (place, column) in (0..).zip(&self.columns) {
            let width = column.size.width();
            self.worksheet.set_column_width(place, width)?;
            all += width;
        }
        self.worksheet.set_landscape();
        if all <= size::MOST_ON_PAPER {
            self.worksheet.set_print_fit_to_pages(1, 0);
        }
        Ok(self.worksheet)
    }
}
