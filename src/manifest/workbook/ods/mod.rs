//! ODS, LibreOffice's own format: a zip archive with all sheets in one part, read as it streams by.

mod table;

use std::collections::HashSet;
use std::sync::Arc;

use memchr::memmem;
use quick_xml::events::Event;

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::limits::MOST_SHEETS;
use crate::manifest::workbook::package::{Package, Part, Size};
use crate::manifest::workbook::rows::Rows;
use crate::manifest::workbook::sheets::{Sheet, push_sheet};
use crate::manifest::workbook::xml::{Xml, attribute, local};

const CONTENT: &str = "content.xml";

/// An open workbook.
pub(super) struct Ods {
    package: Package,
    sheets: Vec<Sheet>,
}

impl Ods {
    pub(super) fn open(mut package: Package) -> Result<Ods, WorkbookError> {
        // What is encrypted is listed, with how.
        let listing = package.beginning("META-INF/manifest.xml", 1 << 20)?;
        if memmem::find(&listing, b"encryption-data").is_some() || package.has("encrypted-package") {
            return Err(WorkbookError::Protected);
        }
        let sheets = read_sheets(Xml::new(package.needed(CONTENT, Size::Large)?))?;
        Ok(Ods { package, sheets })
    }

    pub(super) fn sheets(&self) -> &[Sheet] {
        &self.sheets
    }

    /// Reads a sheet from its first row on. Its ranges are said by the cells themselves.
    pub(super) fn read(&mut self, sheet: usize, rows: &mut Rows<'_>) -> Result<(), WorkbookError> {
        let mut xml = Xml::new(self.package.needed(CONTENT, Size::Large)?);
        let part = Arc::clone(xml.part());
        for at in 0.. {
            let Some(table) = next_table(xml, &mut HashSet::new())? else {
                break;
            };
            if at == sheet {
                return table::read(table.xml, rows);
            }
            xml = table.xml.skip_past("table")?;
        }
        Err(WorkbookError::damaged(
            &part,
            "a sheet is gone from one reading to the next",
        ))
    }
}

/// Names the sheets, without looking at what is in them.
fn read_sheets(mut xml: Xml<Part<'_>>) -> Result<Vec<Sheet>, WorkbookError> {
    let mut sheets = Vec::new();
    let mut hidden_styles = HashSet::new();
    while let Some(table) = next_table(xml, &mut hidden_styles)? {
        let sheet = Sheet {
            name: Arc::from(table.name),
            is_visible: !hidden_styles.contains(&table.style),
            is_table: true,
        };
        push_sheet(&mut sheets, sheet)?;
        xml = table.xml.skip_past("table")?;
    }
    Ok(sheets)
}

/// A sheet that has just begun.
struct Table<'p> {
    xml: Xml<Part<'p>>,
    name: String,
    style: String,
}

/// Goes to the next sheet, and learns on the way which styles hide one.
fn next_table<'p>(
    mut xml: Xml<Part<'p>>,
    hidden_styles: &mut HashSet<String>,
) -> Result<Option<Table<'p>>, WorkbookError> {
    let mut style = String::new();
    let (name, style) = loop {
        match xml.next()? {
            Event::Start(start) => {
                let text = |name| attribute(&start, name).unwrap_or_default();
                match local(start.name()) {
                    "style" => style = text("name").into_owned(),
                    "table-properties" if text("display") == "false" && hidden_styles.len() < MOST_SHEETS => {
                        hidden_styles.insert(style.clone());
                    }
                    "table" => break (text("name").into_owned(), text("style-name").into_owned()),
                    _ => {}
                }
            }
            Event::Eof => return Ok(None),
            _ => {}
        }
    };
    Ok(Some(Table { xml, name, style }))
}
