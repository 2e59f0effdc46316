//! The cells of a sheet.

use std::sync::Arc;

use crate::manifest::workbook::binary::{Bytes, TooShort, packed_number};
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::Named;
use crate::manifest::workbook::rows::Rows;
use crate::manifest::workbook::shared::{Content, Shared};
use crate::manifest::workbook::xlsb::records::{self, Records, kind};

/// Reads the rows of a sheet until its end, or until no more are wanted.
pub(super) fn read(
    mut records: Records<impl Named>,
    shared: &Shared,
    rows: &mut Rows<'_>,
) -> Result<(), WorkbookError> {
    let part = Arc::clone(records.part());
    let too_short = |error: TooShort| error.in_part(&part);
    let mut is_in_rows = false;
    let mut is_in_row = false;
    let mut buffer = String::new();
    while let Some(found) = records.next()? {
        let mut bytes = records.bytes();
        match found {
            kind::BEGIN_ROWS => is_in_rows = true,
            kind::END_ROWS => break,
            _ if !is_in_rows => {}
            kind::ROW => {
                if is_in_row && rows.end()?.is_break() {
                    return Ok(());
                }
                let (row, is_hidden) = read_row(&mut bytes).map_err(too_short)?;
                rows.begin(row.saturating_add(1), is_hidden, &part)?;
                is_in_row = true;
            }
            _ if !is_in_row => {}
            _ => {
                let Some((column, content)) = read_cell(found, &mut bytes).map_err(too_short)? else {
                    continue;
                };
                let (text, note) = shared.show(&content, &mut buffer, &part)?;
                rows.cell(column, text, note, &part)?;
            }
        }
    }
    if is_in_row { rows.end().map(|_| ()) } else { Ok(()) }
}

/// The row's number from 0, and whether it is hidden.
fn read_row(bytes: &mut Bytes<'_>) -> Result<(u32, bool), TooShort> {
    const HAS_NO_HEIGHT: u8 = 0x10;
    let row = bytes.u32()?;
    bytes.take(7)?;
    Ok((row, bytes.u8()? & HAS_NO_HEIGHT != 0))
}

/// A cell's column and content; `None` for other records.
fn read_cell(found: u16, bytes: &mut Bytes<'_>) -> Result<Option<(u32, Content)>, TooShort> {
    if !matches!(found, kind::PACKED..=kind::GIVEN_ERROR | kind::RICH_TEXT) {
        return Ok(None);
    }
    let column = bytes.u32()?;
    // The lower three bytes; the fourth is about reading aids.
    let style = (bytes.u32()? & 0x00ff_ffff) as usize;
    let content = match found {
        kind::PACKED => Content::Number(packed_number(bytes.u32()?), style),
        kind::ERROR | kind::GIVEN_ERROR => Content::Error(bytes.u8()?),
        kind::BOOL | kind::GIVEN_BOOL => Content::Bool(bytes.u8()? != 0),
        kind::NUMBER | kind::GIVEN_NUMBER => Content::Number(bytes.f64()?, style),
        kind::TEXT | kind::GIVEN_TEXT => Content::Text(records::text(bytes)?),
        kind::SHARED_TEXT => Content::SharedText(bytes.u32()?),
        _ => Content::Text(records::rich_text(bytes)?),
    };
    Ok(Some((column, content)))
}
