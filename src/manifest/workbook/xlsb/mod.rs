//! XLSB: the archive of XLSX with binary records in it instead of XML.
//!
//! Not read: links made by a formula, whose address is stored as part of a calculation, and pictures placed in cells.

mod ranges;
mod records;
mod sheet;

use std::collections::HashMap;
use std::sync::Arc;

use crate::manifest::workbook::binary::TooShort;
use crate::manifest::workbook::cell_text::Epoch;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::number_format::{self, Shown};
use crate::manifest::workbook::package::{Named, Package, Size};
use crate::manifest::workbook::relationships::{each_relationship, resolved};
use crate::manifest::workbook::rows::Rows;
use crate::manifest::workbook::shared::Shared;
use crate::manifest::workbook::sheets::{Sheet, push_sheet};
use crate::manifest::workbook::texts::SharedTexts;
use crate::manifest::workbook::xlsb::records::{Records, kind};

/// An open workbook.
pub(super) struct Xlsb {
    package: Package,
    sheets: Vec<Sheet>,
    /// The part of each sheet.
    parts: Vec<String>,
    shared: Shared,
}

impl Xlsb {
    /// Opens the workbook whose main part has this name.
    pub(super) fn open(mut package: Package, part: &str) -> Result<Xlsb, WorkbookError> {
        let (named, epoch) = read_workbook(Records::new(package.needed(part, Size::Small)?))?;
        let (mut texts, mut styles) = (None, None);
        let (mut parts, mut is_table) = (vec![String::new(); named.len()], vec![true; named.len()]);
        each_relationship(&mut package, part, |relationship| {
            let target = || resolved(part, &relationship.target);
            match &*relationship.kind {
                "sharedStrings" => texts = Some(target()),
                "styles" => styles = Some(target()),
                kind => {
                    let ids = named.iter().enumerate().filter(|(_, (_, id))| *id == relationship.id);
                    for (at, _) in ids {
                        parts[at] = target();
                        is_table[at] = kind == "worksheet";
                    }
                }
            }
            Ok(())
        })?;
        let mut shared = Shared {
            epoch,
            ..Shared::default()
        };
        if let Some(part) = package.part_of(&texts, Size::Large)? {
            shared.texts = read_texts(Records::new(part))?;
        }
        if let Some(part) = package.part_of(&styles, Size::Small)? {
            shared.styles = read_styles(Records::new(part))?;
        }
        let sheets = named.into_iter().zip(is_table);
        Ok(Xlsb {
            package,
            sheets: sheets
                .map(|((sheet, _), is_table)| Sheet { is_table, ..sheet })
                .collect(),
            parts,
            shared,
        })
    }

    pub(super) fn sheets(&self) -> &[Sheet] {
        &self.sheets
    }

    /// Reads a sheet from its first row on. Ranges stand behind the last row.
    pub(super) fn read(&mut self, sheet: usize, with_ranges: bool, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        let part = self.parts.get(sheet).map_or("", String::as_str);
        if with_ranges {
            rows.know(ranges::read(&mut self.package, part)?);
        }
        let records = Records::new(self.package.needed(part, Size::Large)?);
        sheet::read(records, &self.shared, rows)
    }
}

/// The sheets with the reference to the part of each.
type NamedSheets = Vec<(Sheet, String)>;

fn read_workbook(mut records: Records<impl Named>) -> Result<(NamedSheets, Epoch), WorkbookError> {
    let (mut sheets, mut epoch) = (Vec::new(), Epoch::Of1900);
    while let Some(found) = records.next()? {
        let mut bytes = records.bytes();
        let mut read = || {
            match found {
                kind::WORKBOOK if bytes.u32()? & 1 != 0 => epoch = Epoch::Of1904,
                kind::SHEET => {
                    let state = bytes.u32()?;
                    let _number = bytes.u32()?;
                    let id = records::text(&mut bytes)?;
                    let name = records::text(&mut bytes)?;
                    let sheet = Sheet {
                        name: Arc::from(name),
                        is_visible: state == 0,
                        is_table: true,
                    };
                    return Ok(Some((sheet, id)));
                }
                _ => {}
            }
            Ok(None)
        };
        if let Some(sheet) = read().map_err(|error: TooShort| error.in_part(records.part()))? {
            push_sheet(&mut sheets, sheet)?;
        }
    }
    Ok((sheets, epoch))
}

fn read_texts(mut records: Records<impl Named>) -> Result<SharedTexts, WorkbookError> {
    let mut texts = SharedTexts::default();
    while let Some(found) = records.next()? {
        if found == kind::TEXT_ITEM {
            let text = records::rich_text(&mut records.bytes());
            texts.push(&text.map_err(|error| error.in_part(records.part()))?)?;
        }
    }
    Ok(texts)
}

fn read_styles(mut records: Records<impl Named>) -> Result<Vec<Shown>, WorkbookError> {
    let mut codes: HashMap<u16, Shown> = HashMap::new();
    let mut styles = Vec::new();
    // The same records describe named styles elsewhere, which cells do not refer to.
    let mut is_of_cells = false;
    while let Some(found) = records.next()? {
        let mut bytes = records.bytes();
        let mut read = || {
            match found {
                kind::FORMAT => {
                    let id = bytes.u16()?;
                    codes.insert(id, number_format::of_code(&records::text(&mut bytes)?));
                }
                kind::BEGIN_CELL_STYLES => is_of_cells = true,
                kind::END_CELL_STYLES => is_of_cells = false,
                kind::STYLE if is_of_cells => {
                    bytes.u16()?;
                    let id = bytes.u16()?;
                    let of_code = codes.get(&id).copied();
                    styles.push(of_code.unwrap_or_else(|| number_format::of_builtin(u32::from(id))));
                }
                _ => {}
            }
            Ok(())
        };
        read().map_err(|error: TooShort| error.in_part(records.part()))?;
    }
    Ok(styles)
}
