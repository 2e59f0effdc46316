//! How numbers are shown, by the style of a cell.

use std::collections::HashMap;

use quick_xml::events::Event;

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::number_format::{self, Shown};
use crate::manifest::workbook::package::Named;
use crate::manifest::workbook::xml::{Xml, attribute, local};

pub(super) fn read(mut xml: Xml<impl Named>) -> Result<Vec<Shown>, WorkbookError> {
    let mut codes: HashMap<u32, Shown> = HashMap::new();
    let mut styles = Vec::new();
    // The same elements describe named styles elsewhere, which cells do not refer to.
    let mut is_of_cells = false;
    loop {
        match xml.next()? {
            Event::Start(start) => match local(start.name()) {
                "numFmt" => {
                    let id = attribute(&start, "numFmtId").and_then(|id| id.parse().ok());
                    if let (Some(id), Some(code)) = (id, attribute(&start, "formatCode")) {
                        codes.insert(id, number_format::of_code(&code));
                    }
                }
                "cellXfs" => is_of_cells = true,
                "xf" if is_of_cells => {
                    let id = attribute(&start, "numFmtId").and_then(|id| id.parse().ok());
                    let id = id.unwrap_or_default();
                    let of_code = codes.get(&id).copied();
                    styles.push(of_code.unwrap_or_else(|| number_format::of_builtin(id)));
                }
                _ => {}
            },
            Event::End(end) if local(end.name()) == "cellXfs" => is_of_cells = false,
            Event::Eof => return Ok(styles),
            _ => {}
        }
    }
}
