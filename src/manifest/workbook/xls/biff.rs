//! The records of an old Excel file, and the texts in them.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use encoding_rs::Encoding;

use crate::manifest::workbook::binary::{Bytes, TooShort};
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::xls::compound::Stream;

/// What a record is.
pub(super) mod kind {
    pub(in crate::manifest::workbook::xls) const FORMULA: u16 = 0x0006;
    pub(in crate::manifest::workbook::xls) const END: u16 = 0x000a;
    pub(in crate::manifest::workbook::xls) const DATE_MODE: u16 = 0x0022;
    pub(in crate::manifest::workbook::xls) const FILE_PASS: u16 = 0x002f;
    pub(in crate::manifest::workbook::xls) const CONTINUE: u16 = 0x003c;
    pub(in crate::manifest::workbook::xls) const CODE_PAGE: u16 = 0x0042;
    pub(in crate::manifest::workbook::xls) const OBJECT: u16 = 0x005d;
    pub(in crate::manifest::workbook::xls) const BOUND_SHEET: u16 = 0x0085;
    pub(in crate::manifest::workbook::xls) const MULTIPLE_PACKED: u16 = 0x00bd;
    pub(in crate::manifest::workbook::xls) const RICH_TEXT: u16 = 0x00d6;
    pub(in crate::manifest::workbook::xls) const STYLE: u16 = 0x00e0;
    pub(in crate::manifest::workbook::xls) const MERGED: u16 = 0x00e5;
    pub(in crate::manifest::workbook::xls) const DRAWING: u16 = 0x00ec;
    pub(in crate::manifest::workbook::xls) const SHARED_TEXTS: u16 = 0x00fc;
    pub(in crate::manifest::workbook::xls) const SHARED_TEXT: u16 = 0x00fd;
    pub(in crate::manifest::workbook::xls) const LINK: u16 = 0x01b8;
    pub(in crate::manifest::workbook::xls) const NUMBER: u16 = 0x0203;
    pub(in crate::manifest::workbook::xls) const TEXT: u16 = 0x0204;
    pub(in crate::manifest::workbook::xls) const BOOL_OR_ERROR: u16 = 0x0205;
    pub(in crate::manifest::workbook::xls) const STRING: u16 = 0x0207;
    pub(in crate::manifest::workbook::xls) const ROW: u16 = 0x0208;
    pub(in crate::manifest::workbook::xls) const PACKED: u16 = 0x027e;
    pub(in crate::manifest::workbook::xls) const FORMAT: u16 = 0x041e;
    pub(in crate::manifest::workbook::xls) const BEGIN: u16 = 0x0809;
}

/// Records, one after the other.
pub(super) struct Records {
    stream: BufReader<Stream>,
    /// Kind and length of the next one.
    ahead: Option<(u16, u16)>,
    /// The content of the last one.
    pub(super) data: Vec<u8>,
    pub(super) part: Arc<str>,
}

impl Records {
    pub(super) fn new(stream: Stream, part: Arc<str>) -> Result<Records, WorkbookError> {
        let mut records = Records {
            stream: BufReader::with_capacity(64 << 10, stream),
            ahead: None,
            data: Vec::new(),
            part,
        };
        records.look_ahead()?;
        Ok(records)
    }

    /// Goes on from another place of the stream.
    pub(super) fn go_to(&mut self, at: u64) -> Result<(), WorkbookError> {
        let sought = self.stream.seek(SeekFrom::Start(at));
        sought.map_err(|error| WorkbookError::from_io(error, &self.part))?;
        self.look_ahead()
    }

    /// Reads the next record; its kind, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<u16>, WorkbookError> {
        let Some((kind, length)) = self.ahead else {
            return Ok(None);
        };
        self.data.resize(usize::from(length), 0);
        let read = self.stream.read_exact(&mut self.data);
        read.map_err(|error| WorkbookError::from_io(error, &self.part))?;
        self.look_ahead()?;
        Ok(Some(kind))
    }

    /// Whether the next record goes on with the last one.
    pub(super) fn continues(&self) -> bool {
        self.ahead.is_some_and(|(kind, _)| kind == kind::CONTINUE)
    }

    pub(super) fn bytes(&self) -> Bytes<'_> {
        Bytes::new(&self.data)
    }

    pub(super) fn damaged(&self, what: &str) -> WorkbookError {
        WorkbookError::damaged(&self.part, what)
    }

    pub(super) fn too_short(&self) -> impl Fn(TooShort) -> WorkbookError + use<> {
        let part = Arc::clone(&self.part);
        move |error| error.in_part(&part)
    }

    fn look_ahead(&mut self) -> Result<(), WorkbookError> {
        let mut head = [0; 4];
        self.ahead = match self.stream.read_exact(&mut head) {
            Ok(()) => {
                let [kind, length] = [0, 2].map(|at| u16::from_le_bytes([head[at], head[at + 1]]));
                Some((kind, length))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(WorkbookError::from_io(error, &self.part)),
        };
        Ok(())
    }
}

/// Text that may go on in further records, each of which says anew how wide its characters are.
pub(super) struct Spread<'r> {
    records: &'r mut Records,
    at: usize,
}

impl<'r> Spread<'r> {
    /// From some byte of the last record on.
    pub(super) fn new(records: &'r mut Records, at: usize) -> Spread<'r> {
        Spread { records, at }
    }

    /// Whether nothing follows, neither here nor in a further record.
    pub(super) fn is_at_end(&self) -> bool {
        self.left() == 0 && !self.records.continues()
    }

    fn left(&self) -> usize {
        self.records.data.len().saturating_sub(self.at)
    }

    fn go_on(&mut self) -> Result<(), WorkbookError> {
        if !self.records.continues() || self.records.next()?.is_none() {
            return Err(self.records.damaged("a text ends too early"));
        }
        self.at = 0;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WorkbookError> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            while self.left() == 0 {
                self.go_on()?;
            }
            *byte = self.records.data[self.at];
            self.at += 1;
        }
        Ok(bytes)
    }

    fn skip(&mut self, mut count: usize) -> Result<(), WorkbookError> {
        while count > self.left() {
            count -= self.left();
            self.go_on()?;
        }
        self.at += count;
        Ok(())
    }

    pub(super) fn u32(&mut self) -> Result<u32, WorkbookError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A text with its length in characters before it, and formats and reading aids behind.
    pub(super) fn text(&mut self, text: &mut String) -> Result<(), WorkbookError> {
        let mut units = usize::from(u16::from_le_bytes(self.array()?));
        let [mut flags] = self.array()?;
        let formats = if flags & 8 != 0 {
            u16::from_le_bytes(self.array()?)
        } else {
            0
        };
        let aids = if flags & 4 != 0 { self.u32()? } else { 0 };
        let mut pending: Vec<u8> = Vec::new();
        while units > 0 {
            if self.left() == 0 {
                self.go_on()?;
                let [wider] = self.array()?;
                flags = wider;
            }
            let width = if flags & 1 != 0 { 2 } else { 1 };
            let count = units.min(self.left() / width);
            if count == 0 {
                return Err(self.records.damaged("a character is cut in two"));
            }
            let bytes = &self.records.data[self.at..self.at + count * width];
            match width {
                1 => pending.extend(bytes.iter().flat_map(|byte| [*byte, 0])),
                _ => pending.extend_from_slice(bytes),
            }
            self.at += count * width;
            units -= count;
        }
        text.push_str(&encoding_rs::UTF_16LE.decode_without_bom_handling(&pending).0);
        self.skip(usize::from(formats) * 4)?;
        self.skip(aids as usize)
    }
}

/// How a file writes text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Script {
    /// From Excel 97 on: Unicode, in one or two bytes a character.
    Unicode,
    /// Up to Excel 95: in the code page of the machine that wrote it.
    Bytes(&'static Encoding),
}

impl Script {
    /// A text without further records: its flags if the script has any, and as many characters.
    pub(super) fn read(self, bytes: &mut Bytes<'_>, characters: usize) -> Result<String, TooShort> {
        match self {
            Script::Bytes(encoding) => {
                let text = bytes.take(characters)?;
                Ok(encoding.decode_without_bom_handling(text).0.into_owned())
            }
            Script::Unicode => match bytes.u8()? & 1 {
                0 => Ok(bytes.take(characters)?.iter().map(|byte| char::from(*byte)).collect()),
                _ => bytes.utf16(characters),
            },
        }
    }
}

/// The encoding of a code page, by the number that Windows gives it.
pub(super) fn encoding_of(code_page: u16) -> &'static Encoding {
    match code_page {
        874 => encoding_rs::WINDOWS_874,
        932 => encoding_rs::SHIFT_JIS,
        936 => encoding_rs::GBK,
        949 => encoding_rs::EUC_KR,
        950 => encoding_rs::BIG5,
        1250 => encoding_rs::WINDOWS_1250,
        1251 => encoding_rs::WINDOWS_1251,
        1253 => encoding_rs::WINDOWS_1253,
        1254 => encoding_rs::WINDOWS_1254,
        1255 => encoding_rs::WINDOWS_1255,
        1256 => encoding_rs::WINDOWS_1256,
        1257 => encoding_rs::WINDOWS_1257,
        1258 => encoding_rs::WINDOWS_1258,
        10_000 | 32_768 => encoding_rs::MACINTOSH,
        10_007 => encoding_rs::X_MAC_CYRILLIC,
        65_001 => encoding_rs::UTF_8,
        _ => encoding_rs::WINDOWS_1252,
    }
}
