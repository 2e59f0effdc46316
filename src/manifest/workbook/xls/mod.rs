//! XLS, Excel's format up to 2003: records in a stream of a compound file, read one after the other.
//!
//! Not read: links made by a formula, whose address is stored as part of a calculation.

mod biff;
pub(super) mod compound;
mod ranges;
mod sheet;

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use crate::manifest::workbook::cell_text::Epoch;
use crate::manifest::workbook::error::{Foreign, WorkbookError};
use crate::manifest::workbook::number_format::{self, Shown};
use crate::manifest::workbook::rows::Rows;
use crate::manifest::workbook::shared::Shared;
use crate::manifest::workbook::sheets::{Sheet, push_sheet};
use crate::manifest::workbook::texts::SharedTexts;
use crate::manifest::workbook::xls::biff::{Records, Script, Spread, encoding_of, kind};
use crate::manifest::workbook::xls::compound::Compound;

/// An open workbook.
pub(super) struct Xls {
    records: Records,
    sheets: Vec<Sheet>,
    /// Where in the stream each sheet begins.
    places: Vec<u64>,
    shared: Shared,
    script: Script,
}

impl Xls {
    /// Opens a compound file, which may be something else than a workbook.
    pub(super) fn open(file: File) -> Result<Xls, WorkbookError> {
        let compound = Compound::open(file)?;
        if compound.has("EncryptedPackage") {
            return Err(WorkbookError::Protected);
        }
        for name in ["Workbook", "Book"] {
            if let Some(stream) = compound.stream(name)? {
                return Xls::read_globals(Records::new(stream, Arc::from(name))?);
            }
        }
        Err(WorkbookError::Foreign(match () {
            () if compound.has("WordDocument") => Foreign::TextDocument,
            () if compound.has("PowerPoint Document") => Foreign::Presentation,
            () => Foreign::OtherDocument,
        }))
    }

    fn read_globals(mut records: Records) -> Result<Xls, WorkbookError> {
        let too_short = records.too_short();
        if records.next()? != Some(kind::BEGIN) {
            return Err(records.damaged("it does not begin as it should"));
        }
        let version = records.bytes().u16().map_err(&too_short)?;
        let mut script = match version {
            0x0600 => Script::Unicode,
            0x0500 => Script::Bytes(encoding_of(1252)),
            _ => return Err(WorkbookError::Foreign(Foreign::AncientExcel)),
        };
        let (mut sheets, mut places) = (Vec::new(), Vec::new());
        let mut texts = SharedTexts::default();
        let mut codes: HashMap<u16, Shown> = HashMap::new();
        let mut formats = Vec::new();
        let mut epoch = Epoch::Of1900;
        loop {
            let Some(found) = records.next()? else {
                return Err(records.damaged("it ends too early"));
            };
            if found == kind::SHARED_TEXTS {
                texts = read_texts(&mut records)?;
                continue;
            }
            let mut bytes = records.bytes();
            let mut read = || {
                match found {
                    kind::END => return Ok(Some(Globals::End)),
                    kind::FILE_PASS => return Ok(Some(Globals::Protected)),
                    kind::CODE_PAGE => {
                        let page = bytes.u16()?;
                        if let Script::Bytes(encoding) = &mut script {
                            *encoding = encoding_of(page);
                        }
                    }
                    kind::DATE_MODE if bytes.u16()? == 1 => epoch = Epoch::Of1904,
                    kind::STYLE => {
                        bytes.u16()?;
                        formats.push(bytes.u16()?);
                    }
                    kind::FORMAT => {
                        let id = bytes.u16()?;
                        let characters = match script {
                            Script::Unicode => bytes.u16()?,
                            Script::Bytes(_) => u16::from(bytes.u8()?),
                        };
                        let code = script.read(&mut bytes, usize::from(characters))?;
                        codes.insert(id, number_format::of_code(&code));
                    }
                    kind::BOUND_SHEET => {
                        let place = u64::from(bytes.u32()?);
                        let (state, what) = (bytes.u8()?, bytes.u8()?);
                        let characters = usize::from(bytes.u8()?);
                        let name = script.read(&mut bytes, characters)?;
                        let sheet = Sheet {
                            name: Arc::from(name.trim_end_matches('\0')),
                            is_visible: state & 3 == 0,
                            is_table: what == 0,
                        };
                        return Ok(Some(Globals::Sheet(sheet, place)));
                    }
                    _ => {}
                }
                Ok(None)
            };
            match read().map_err(&too_short)? {
                None => {}
                Some(Globals::Sheet(sheet, place)) => {
                    push_sheet(&mut sheets, sheet)?;
                    places.push(place);
                }
                Some(Globals::Protected) => return Err(WorkbookError::Protected),
                Some(Globals::End) => break,
            }
        }
        let shown = |id: &u16| {
            let of_code = codes.get(id).copied();
            of_code.unwrap_or_else(|| number_format::of_builtin(u32::from(*id)))
        };
        Ok(Xls {
            sheets,
            places,
            shared: Shared {
                texts,
                styles: formats.iter().map(shown).collect(),
                epoch,
            },
            script,
            records,
        })
    }

    pub(super) fn sheets(&self) -> &[Sheet] {
        &self.sheets
    }

    /// Reads a sheet from its first row on. Ranges stand behind the last row.
    pub(super) fn read(&mut self, sheet: usize, with_ranges: bool, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        let place = self.places.get(sheet).copied().unwrap_or_default();
        if with_ranges {
            self.records.go_to(place)?;
            rows.know(ranges::read(&mut self.records)?);
        }
        self.records.go_to(place)?;
        sheet::read(&mut self.records, &self.shared, self.script, rows)
    }
}

/// What a record about the workbook as a whole leads to.
enum Globals {
    Sheet(Sheet, u64),
    Protected,
    End,
}

fn read_texts(records: &mut Records) -> Result<SharedTexts, WorkbookError> {
    let mut texts = SharedTexts::default();
    let mut spread = Spread::new(records, 0);
    let _of_all_cells = spread.u32()?;
    let count = spread.u32()?;
    let mut text = String::new();
    for _ in 0..count {
        // The count may be a lie, and then what is there is what there is.
        if spread.is_at_end() {
            break;
        }
        text.clear();
        spread.text(&mut text)?;
        texts.push(&text)?;
    }
    Ok(texts)
}
