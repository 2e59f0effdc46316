//! XLSX and XLSM: a zip archive of XML, read cell by cell.
//!
//! Read by code of our own rather than a library's, for what such a file may do to a reader: a single attribute makes
//! one allocate what it likes, an unclosed element nests for ever, one text of 400 MB costs three times that, and one
//! error value that is newer than the library ends the reading. Here each of these has a bound, and rows that are hidden,
//! links, pictures and formulas without a value are seen in the same pass.

mod escapes;
mod ranges;
mod rich_values;
mod sheet;
mod strings;
mod styles;

use std::sync::Arc;

use crate::manifest::workbook::cell_text::Epoch;
use crate::manifest::workbook::error::{Foreign, WorkbookError};
use crate::manifest::workbook::package::{Package, Size};
use crate::manifest::workbook::relationships::{each_relationship, resolved};
use crate::manifest::workbook::rows::Rows;
use crate::manifest::workbook::shared::Shared;
use crate::manifest::workbook::sheets::{Sheet, push_sheet};
use crate::manifest::workbook::xml::{Xml, attribute, is_true, local};

/// An open workbook.
pub(super) struct Xlsx {
    package: Package,
    sheets: Vec<Sheet>,
    /// The part of each sheet.
    parts: Vec<String>,
    shared: Shared,
    /// Whether a value that cells refer to by number is a picture, by that number less 1.
    pictures: Vec<bool>,
}

impl Xlsx {
    /// Opens the workbook whose main part has this name.
    pub(super) fn open(mut package: Package, part: &str) -> Result<Xlsx, WorkbookError> {
        let (mut named, epoch) = read_workbook(&mut package, part)?;
        let mut other = OtherParts::default();
        each_relationship(&mut package, part, |relationship| {
            let target = || resolved(part, &relationship.target);
            match &*relationship.kind {
                "sharedStrings" => other.strings = Some(target()),
                "styles" => other.styles = Some(target()),
                "sheetMetadata" => other.metadata = Some(target()),
                "rdRichValue" => other.values = Some(target()),
                "rdRichValueStructure" => other.structures = Some(target()),
                kind => {
                    for sheet in named.iter_mut().filter(|sheet| sheet.id == relationship.id) {
                        sheet.part = Some(target());
                        sheet.sheet.is_table = kind == "worksheet";
                    }
                }
            }
            Ok(())
        })?;
        let mut shared = Shared {
            epoch,
            ..Shared::default()
        };
        if let Some(part) = package.part_of(&other.strings, Size::Large)? {
            shared.texts = strings::read(Xml::new(part))?;
        }
        if let Some(part) = package.part_of(&other.styles, Size::Small)? {
            shared.styles = styles::read(Xml::new(part))?;
        }
        let mut pictures = Vec::new();
        if let OtherParts {
            metadata: Some(metadata),
            values: Some(values),
            structures: Some(structures),
            ..
        } = &other
        {
            pictures = rich_values::read_pictures(&mut package, metadata, values, structures)?;
        }
        let parts = named.iter_mut().map(|sheet| sheet.part.take().unwrap_or_default());
        Ok(Xlsx {
            package,
            parts: parts.collect(),
            sheets: named.into_iter().map(|sheet| sheet.sheet).collect(),
            shared,
            pictures,
        })
    }

    pub(super) fn sheets(&self) -> &[Sheet] {
        &self.sheets
    }

    /// Reads a sheet from its first row on. Ranges stand behind the last row, so that knowing them costs a pass of its
    /// own, though a fast one.
    pub(super) fn read(&mut self, sheet: usize, with_ranges: bool, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        let part = self.parts.get(sheet).map_or("", String::as_str);
        if with_ranges {
            rows.know(ranges::read(&mut self.package, part)?);
        }
        let xml = Xml::new(self.package.needed(part, Size::Large)?);
        sheet::read(xml, &self.shared, &self.pictures, rows)
    }
}

/// A sheet as the workbook names it.
struct NamedSheet {
    sheet: Sheet,
    /// The reference to its part, and the part once that is known.
    id: String,
    part: Option<String>,
}

/// Parts beside the sheets.
#[derive(Default)]
struct OtherParts {
    strings: Option<String>,
    styles: Option<String>,
    metadata: Option<String>,
    values: Option<String>,
    structures: Option<String>,
}

fn read_workbook(package: &mut Package, part: &str) -> Result<(Vec<NamedSheet>, Epoch), WorkbookError> {
    let (mut sheets, mut epoch) = (Vec::new(), Epoch::Of1900);
    let mut foreign = None;
    let mut is_first = true;
    Xml::new(package.needed(part, Size::Small)?).each_start(|start| {
        match local(start.name()) {
            "workbookPr" if attribute(start, "date1904").is_some_and(|value| is_true(&value)) => {
                epoch = Epoch::Of1904;
            }
            "sheet" => {
                let text = |name| attribute(start, name).unwrap_or_default();
                let sheet = NamedSheet {
                    sheet: Sheet {
                        name: Arc::from(text("name")),
                        is_visible: !matches!(&*text("state"), "hidden" | "veryHidden"),
                        is_table: true,
                    },
                    id: text("id").into_owned(),
                    part: None,
                };
                push_sheet(&mut sheets, sheet)?;
            }
            "workbook" => {}
            "document" if is_first => foreign = Some(Foreign::TextDocument),
            "presentation" if is_first => foreign = Some(Foreign::Presentation),
            _ if is_first => foreign = Some(Foreign::OtherDocument),
            _ => {}
        }
        is_first = false;
        foreign.map_or(Ok(()), |foreign| Err(WorkbookError::Foreign(foreign)))
    })?;
    Ok((sheets, epoch))
}

/// A number in the text of an attribute or element. What is none counts as the first.
fn number(text: &str) -> usize {
    text.trim_ascii().parse().unwrap_or_default()
}
