//! The cells of a sheet.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::manifest::workbook::binary::{TooShort, packed_number};
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::rows::Rows;
use crate::manifest::workbook::shared::{Content, Shared};
use crate::manifest::workbook::xls::biff::{Records, Script, Spread, kind};

/// Reads the rows of the sheet that begins here until its end, or until no more are wanted.
pub(super) fn read(
    records: &mut Records,
    shared: &Shared,
    script: Script,
    rows: &mut Rows<'_>,
) -> Result<(), WorkbookError> {
    let mut reading = Reading {
        shared,
        script,
        part: Arc::clone(&records.part),
        hidden: Vec::new(),
        row: None,
        buffer: String::new(),
    };
    let mut depth = 0_u32;
    // The place of a formula whose text comes in a record of its own.
    let mut awaited = None;
    while let Some(found) = records.next()? {
        match found {
            kind::BEGIN => depth += 1,
            kind::END if depth <= 1 => break,
            kind::END => depth -= 1,
            // A chart in the sheet, with numbers of its own.
            _ if depth > 1 => {}
            kind::STRING => {
                let text = read_given_text(records, script)?;
                if let Some((row, column)) = awaited.take()
                    && reading.put(rows, row, column, &Content::Text(text))?.is_break()
                {
                    return Ok(());
                }
            }
            _ => match reading.record(records, found, rows)? {
                Next::GoOn => {}
                Next::Text(place) => awaited = Some(place),
                Next::Stop => return Ok(()),
            },
        }
    }
    match reading.row {
        Some(_) => rows.end().map(|_| ()),
        None => Ok(()),
    }
}

struct Reading<'r> {
    shared: &'r Shared,
    script: Script,
    part: Arc<str>,
    /// By row, as far as they were described.
    hidden: Vec<bool>,
    row: Option<u16>,
    buffer: String,
}

/// What to do after a record.
enum Next {
    GoOn,
    /// The text of this cell comes next.
    Text((u16, u16)),
    Stop,
}

/// What records about cells hold.
enum Cells {
    None,
    HiddenRow(u16),
    One(u16, u16, Content),
    /// Several in a row, from a column on.
    Packed(u16, u16, Vec<Content>),
    /// A formula that gave a text.
    Text(u16, u16),
}

impl Reading<'_> {
    fn record(&mut self, records: &Records, found: u16, rows: &mut Rows<'_>) -> Result<Next, WorkbookError> {
        let cells = read_cells(records, found, self.script).map_err(records.too_short())?;
        let flow = match cells {
            Cells::None => ControlFlow::Continue(()),
            Cells::HiddenRow(row) => {
                let at = usize::from(row);
                if self.hidden.len() <= at {
                    self.hidden.resize(at + 1, false);
                }
                self.hidden[at] = true;
                ControlFlow::Continue(())
            }
            Cells::Text(row, column) => return Ok(Next::Text((row, column))),
            Cells::One(row, column, content) => self.put(rows, row, column, &content)?,
            Cells::Packed(row, first, numbers) => {
                let mut flow = ControlFlow::Continue(());
                for (column, number) in (first..).zip(numbers) {
                    flow = self.put(rows, row, column, &number)?;
                    if flow.is_break() {
                        break;
                    }
                }
                flow
            }
        };
        Ok(if flow.is_break() { Next::Stop } else { Next::GoOn })
    }

    fn put(
        &mut self,
        rows: &mut Rows<'_>,
        row: u16,
        column: u16,
        content: &Content,
    ) -> Result<ControlFlow<()>, WorkbookError> {
        if self.row != Some(row) {
            if self.row.is_some() && rows.end()?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let is_hidden = self.hidden.get(usize::from(row)).copied().unwrap_or_default();
            rows.begin(u32::from(row) + 1, is_hidden, &self.part)?;
            self.row = Some(row);
        }
        let (text, note) = self.shared.show(content, &mut self.buffer, &self.part)?;
        rows.cell(u32::from(column), text, note, &self.part)?;
        Ok(ControlFlow::Continue(()))
    }
}

/// The text that a formula gave.
fn read_given_text(records: &mut Records, script: Script) -> Result<String, WorkbookError> {
    if let Script::Unicode = script {
        let mut text = String::new();
        Spread::new(records, 0).text(&mut text)?;
        return Ok(text);
    }
    let mut bytes = records.bytes();
    let read = bytes
        .u16()
        .and_then(|characters| script.read(&mut bytes, usize::from(characters)));
    read.map_err(records.too_short())
}

fn read_cells(records: &Records, found: u16, script: Script) -> Result<Cells, TooShort> {
    let mut bytes = records.bytes();
    Ok(match found {
        kind::ROW => {
            const HAS_NO_HEIGHT: u16 = 0x20;
            let row = bytes.u16()?;
            bytes.take(10)?;
            match bytes.u16()? & HAS_NO_HEIGHT {
                0 => Cells::None,
                _ => Cells::HiddenRow(row),
            }
        }
        kind::MULTIPLE_PACKED => {
            let (row, first) = (bytes.u16()?, bytes.u16()?);
            let mut numbers = Vec::new();
            // The last two bytes are the last column.
            while bytes.rest().len() >= 8 {
                let style = usize::from(bytes.u16()?);
                numbers.push(Content::Number(packed_number(bytes.u32()?), style));
            }
            Cells::Packed(row, first, numbers)
        }
        kind::NUMBER
        | kind::PACKED
        | kind::SHARED_TEXT
        | kind::TEXT
        | kind::RICH_TEXT
        | kind::BOOL_OR_ERROR
        | kind::FORMULA => {
            let (row, column, style) = (bytes.u16()?, bytes.u16()?, usize::from(bytes.u16()?));
            let content = match found {
                kind::NUMBER => Content::Number(bytes.f64()?, style),
                kind::PACKED => Content::Number(packed_number(bytes.u32()?), style),
                kind::SHARED_TEXT => Content::SharedText(bytes.u32()?),
                kind::BOOL_OR_ERROR => {
                    let value = bytes.u8()?;
                    match bytes.u8()? {
                        0 => Content::Bool(value != 0),
                        _ => Content::Error(value),
                    }
                }
                kind::FORMULA => match *bytes.take(8)? {
                    // No number: a kind, and perhaps a value, in the place of one.
                    [0, .., 0xff, 0xff] => return Ok(Cells::Text(row, column)),
                    [1, _, value, .., 0xff, 0xff] => Content::Bool(value != 0),
                    [2, _, code, .., 0xff, 0xff] => Content::Error(code),
                    [_, .., 0xff, 0xff] => Content::Text(String::new()),
                    ref number => {
                        let mut bits = [0; 8];
                        bits.copy_from_slice(number);
                        Content::Number(f64::from_le_bytes(bits), style)
                    }
                },
                _ => {
                    let characters = usize::from(bytes.u16()?);
                    Content::Text(script.read(&mut bytes, characters)?)
                }
            };
            Cells::One(row, column, content)
        }
        _ => Cells::None,
    })
}
