//! What stands behind the last row of a sheet: merged ranges, links and the way to its drawing.

use quick_xml::events::Event;

use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::{Named, Package, Size};
use crate::manifest::workbook::references::References;
use crate::manifest::workbook::rows::Ranges;
use crate::manifest::workbook::xml::{Xml, attribute, local};

pub(super) fn read(package: &mut Package, part: &str) -> Result<Ranges, WorkbookError> {
    let (mut ranges, mut references) = (Ranges::default(), References::default());
    if let Some(rest) = past_rows(Xml::new(package.needed(part, Size::Large)?))? {
        read_rest(rest, &mut ranges, &mut references)?;
    }
    references.follow(package, part, &mut ranges)?;
    Ok(ranges)
}

/// Goes past all rows; `None` if the part ends before them.
fn past_rows<R: Named>(mut xml: Xml<R>) -> Result<Option<Xml<R>>, WorkbookError> {
    loop {
        match xml.next()? {
            Event::Start(start) if local(start.name()) == "sheetData" => break,
            Event::Eof => return Ok(None),
            _ => {}
        }
    }
    // An empty element has its end already.
    if matches!(xml.next()?, Event::End(_)) {
        return Ok(Some(xml));
    }
    xml.skip_past("sheetData").map(Some)
}

fn read_rest(rest: Xml<impl Named>, ranges: &mut Ranges, references: &mut References) -> Result<(), WorkbookError> {
    rest.each_start(|start| {
        let range = || CellRange::read(&attribute(start, "ref")?);
        match local(start.name()) {
            "mergeCell" => ranges.merged.extend(range().map(|range| (range, ()))),
            "hyperlink" => {
                // One without a reference leads to a place in the workbook.
                let id = attribute(start, "id").filter(|id| !id.is_empty());
                if let (Some(range), Some(id)) = (range(), id) {
                    references.links.push((range, id.into_owned()));
                }
            }
            "drawing" => references.drawing = attribute(start, "id").map(|id| id.into_owned()),
            _ => {}
        }
        ranges.refuse_too_many(references.links.len())
    })
}
