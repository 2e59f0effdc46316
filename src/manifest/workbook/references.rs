//! Links and pictures of a sheet, which it names by references to other parts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::drawings;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::{Package, Size};
use crate::manifest::workbook::relationships::{each_relationship, resolved};
use crate::manifest::workbook::rows::Ranges;
use crate::manifest::workbook::xml::Xml;

/// What a sheet refers to, by the names of the references.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) links: Vec<(CellRange, String)>,
    pub(super) drawing: Option<String>,
}

impl References {
    /// Adds to the ranges of the sheet what its references lead to.
    pub(super) fn follow(self, package: &mut Package, part: &str, ranges: &mut Ranges) -> Result<(), WorkbookError> {
        if self.links.is_empty() && self.drawing.is_none() {
            return Ok(());
        }
        // A file may list more of them than it uses.
        let mut targets: HashMap<String, Option<Arc<str>>> = HashMap::new();
        targets.extend(self.links.iter().map(|(_, id)| (id.clone(), None)));
        let mut drawing = None;
        each_relationship(package, part, |relationship| {
            match &*relationship.kind {
                "hyperlink" => {
                    if let Some(target) = targets.get_mut(&*relationship.id) {
                        *target = Some(Arc::from(relationship.target));
                    }
                }
                "drawing" if self.drawing.as_deref() == Some(&*relationship.id) => {
                    drawing = Some(resolved(part, &relationship.target));
                }
                _ => {}
            }
            Ok(())
        })?;
        for (range, id) in self.links {
            if let Some(Some(target)) = targets.get(&id) {
                ranges.links.push((range, Arc::clone(target)));
            }
        }
        if let Some(drawing) = package.part_of(&drawing, Size::Small)? {
            ranges.pictures = drawings::pictures_of(Xml::new(drawing))?;
        }
        Ok(())
    }
}
