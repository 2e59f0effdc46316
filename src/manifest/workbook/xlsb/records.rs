//! The records of a part, and the texts in them.

use std::io::{self, Read};
use std::sync::Arc;

use crate::manifest::workbook::binary::{Bytes, TooShort};
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::MOST_TOKEN_BYTES;
use crate::manifest::workbook::package::Named;

/// What a record is.
pub(super) mod kind {
    pub(in crate::manifest::workbook::xlsb) const ROW: u16 = 0;
    pub(in crate::manifest::workbook::xlsb) const PACKED: u16 = 2;
    pub(in crate::manifest::workbook::xlsb) const ERROR: u16 = 3;
    pub(in crate::manifest::workbook::xlsb) const BOOL: u16 = 4;
    pub(in crate::manifest::workbook::xlsb) const NUMBER: u16 = 5;
    pub(in crate::manifest::workbook::xlsb) const TEXT: u16 = 6;
    pub(in crate::manifest::workbook::xlsb) const SHARED_TEXT: u16 = 7;
    pub(in crate::manifest::workbook::xlsb) const GIVEN_TEXT: u16 = 8;
    pub(in crate::manifest::workbook::xlsb) const GIVEN_NUMBER: u16 = 9;
    pub(in crate::manifest::workbook::xlsb) const GIVEN_BOOL: u16 = 10;
    pub(in crate::manifest::workbook::xlsb) const GIVEN_ERROR: u16 = 11;
    pub(in crate::manifest::workbook::xlsb) const TEXT_ITEM: u16 = 19;
    pub(in crate::manifest::workbook::xlsb) const FORMAT: u16 = 44;
    pub(in crate::manifest::workbook::xlsb) const STYLE: u16 = 47;
    pub(in crate::manifest::workbook::xlsb) const RICH_TEXT: u16 = 62;
    pub(in crate::manifest::workbook::xlsb) const BEGIN_ROWS: u16 = 145;
    pub(in crate::manifest::workbook::xlsb) const END_ROWS: u16 = 146;
    pub(in crate::manifest::workbook::xlsb) const WORKBOOK: u16 = 153;
    pub(in crate::manifest::workbook::xlsb) const SHEET: u16 = 156;
    pub(in crate::manifest::workbook::xlsb) const MERGED: u16 = 176;
    pub(in crate::manifest::workbook::xlsb) const LINK: u16 = 494;
    pub(in crate::manifest::workbook::xlsb) const DRAWING: u16 = 550;
    pub(in crate::manifest::workbook::xlsb) const BEGIN_CELL_STYLES: u16 = 617;
    pub(in crate::manifest::workbook::xlsb) const END_CELL_STYLES: u16 = 618;
}

/// Records, one after the other.
pub(super) struct Records<R> {
    inner: R,
    data: Vec<u8>,
    part: Arc<str>,
}

impl<R: Named> Records<R> {
    pub(super) fn new(inner: R) -> Records<R> {
        let part = inner.name();
        Records {
            inner,
            data: Vec::new(),
            part,
        }
    }

    pub(super) fn part(&self) -> &Arc<str> {
        &self.part
    }

    /// The content of the last record.
    pub(super) fn bytes(&self) -> Bytes<'_> {
        Bytes::new(&self.data)
    }

    /// Reads the next record; its kind, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<u16>, WorkbookError> {
        let failed = |error| WorkbookError::from_io(error, &self.part);
        let Some(kind) = read_packed(&mut self.inner, 2).map_err(failed)? else {
            return Ok(None);
        };
        let length = read_packed(&mut self.inner, 4).map_err(failed)?;
        let length = length.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))? as usize;
        if length > MOST_TOKEN_BYTES {
            return Err(WorkbookError::TooLarge(Excess::Token(Arc::clone(&self.part))));
        }
        self.data.resize(length, 0);
        self.inner.read_exact(&mut self.data).map_err(failed)?;
        // Two bytes of seven bits hold no more than 16,383.
        Ok(u16::try_from(kind).ok())
    }
}

/// A number of seven bits a byte, the lowest first; `None` at the end.
fn read_packed(reader: &mut impl Read, most: u32) -> io::Result<Option<u32>> {
    let mut number = 0;
    for at in 0..most {
        let mut byte = [0];
        match reader.read_exact(&mut byte) {
            Err(error) if at == 0 && error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        number |= u32::from(byte[0] & 0x7f) << (7 * at);
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    Ok(Some(number))
}

/// A text with its length before it; empty if it is none.
pub(super) fn text(bytes: &mut Bytes<'_>) -> Result<String, TooShort> {
    match bytes.u32()? {
        u32::MAX => Ok(String::new()),
        units => bytes.utf16(units as usize),
    }
}

/// A text with formats, or reading aids, behind it.
pub(super) fn rich_text(bytes: &mut Bytes<'_>) -> Result<String, TooShort> {
    bytes.u8()?;
    text(bytes)
}
