//! What stands behind the last row of a sheet: merged ranges, links and the way to its drawing.

use std::collections::HashMap;
use std::sync::Arc;

use quick_xml::events::Event;

use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::drawings;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::{Named, Package, Size};
use crate::manifest::workbook::relationships::{each_relationship, resolved};
use crate::manifest::workbook::rows::Ranges;
use crate::manifest::workbook::xml::{Xml, attribute, local};

pub(super) fn read(package: &mut Package, part: &str) -> Result<Ranges, WorkbookError> {
    let mut ranges = Ranges::default();
    let references = read_references(package, part, &mut ranges)?;
    if references.links.is_empty() && references.drawing.is_none() {
        return Ok(ranges);
    }
    // A file may list more of them than it uses.
    let mut targets: HashMap<String, Option<Arc<str>>> = HashMap::new();
    targets.extend(references.links.iter().map(|(_, id)| (id.clone(), None)));
    let mut drawing = None;
    each_relationship(package, part, |relationship| {
        match &*relationship.kind {
            "hyperlink" => {
                if let Some(target) = targets.get_mut(&*relationship.id) {
                    *target = Some(Arc::from(relationship.target));
                }
            }
            "drawing" if references.drawing.as_deref() == Some(&*relationship.id) => {
                drawing = Some(resolved(part, &relationship.target));
            }
            _ => {}
        }
        Ok(())
    })?;
    for (range, id) in references.links {
        if let Some(Some(target)) = targets.get(&id) {
            ranges.links.push((range, Arc::clone(target)));
        }
    }
    if let Some(drawing) = package.part_of(&drawing, Size::Small)? {
        ranges.pictures = drawings::pictures_of(Xml::new(drawing))?;
    }
    Ok(ranges)
}

/// What leads to other parts, by the number of the reference.
#[derive(Default)]
struct References {
    links: Vec<(CellRange, String)>,
    drawing: Option<String>,
}

fn read_references(package: &mut Package, part: &str, ranges: &mut Ranges) -> Result<References, WorkbookError> {
    let mut references = References::default();
    let Some(rest) = past_rows(Xml::new(package.needed(part, Size::Large)?))? else {
        return Ok(references);
    };
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
    })?;
    Ok(references)
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
