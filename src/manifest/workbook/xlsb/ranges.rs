//! What stands behind the last row of a sheet: merged ranges, links and the way to its drawing.

use crate::manifest::workbook::binary::{Bytes, TooShort};
use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::{Package, Size};
use crate::manifest::workbook::references::References;
use crate::manifest::workbook::rows::Ranges;
use crate::manifest::workbook::xlsb::records::{self, Records, kind};

pub(super) fn read(package: &mut Package, part: &str) -> Result<Ranges, WorkbookError> {
    let (mut ranges, mut references) = (Ranges::default(), References::default());
    let mut records = Records::new(package.needed(part, Size::Large)?);
    while let Some(found) = records.next()? {
        let mut bytes = records.bytes();
        // What is too short is left out: rows can be read without it.
        match found {
            kind::MERGED => ranges
                .merged
                .extend(read_range(&mut bytes).ok().map(|range| (range, ()))),
            kind::LINK => references.links.extend(read_link(&mut bytes).ok()),
            kind::DRAWING => references.drawing = records::text(&mut bytes).ok(),
            _ => {}
        }
        ranges.refuse_too_many(references.links.len())?;
    }
    drop(records);
    references.follow(package, part, &mut ranges)?;
    Ok(ranges)
}

fn read_range(bytes: &mut Bytes<'_>) -> Result<CellRange, TooShort> {
    Ok(CellRange {
        first_row: bytes.u32()?.saturating_add(1),
        last_row: bytes.u32()?.saturating_add(1),
        first_column: bytes.u32()?,
        last_column: bytes.u32()?,
    })
}

fn read_link(bytes: &mut Bytes<'_>) -> Result<(CellRange, String), TooShort> {
    Ok((read_range(bytes)?, records::text(bytes)?))
}
