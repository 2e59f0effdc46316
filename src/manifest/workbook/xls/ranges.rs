//! What stands behind the last row of a sheet: merged ranges, links and pictures.

use std::sync::Arc;

use crate::manifest::workbook::binary::{Bytes, TooShort};
use crate::manifest::workbook::cells::CellRange;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::rows::Ranges;
use crate::manifest::workbook::xls::biff::{Records, kind};

/// Reads the ranges of the sheet that begins here.
pub(super) fn read(records: &mut Records) -> Result<Ranges, WorkbookError> {
    let mut ranges = Ranges::default();
    let mut depth = 0_u32;
    // Where the object lies that is named next.
    let mut anchor = None;
    while let Some(found) = records.next()? {
        match found {
            kind::BEGIN => depth += 1,
            kind::END if depth <= 1 => break,
            kind::END => depth -= 1,
            _ if depth > 1 => {}
            // What is too short is left out: rows can be read without it.
            kind::MERGED => drop(read_merged(records.bytes(), &mut ranges)),
            kind::LINK => ranges.links.extend(read_link(records.bytes()).ok().flatten()),
            kind::DRAWING => anchor = read_anchor(records.bytes()).ok().flatten(),
            kind::OBJECT => {
                let anchor = anchor
                    .take()
                    .filter(|_| is_picture(records.bytes()).unwrap_or_default());
                ranges.pictures.extend(anchor.map(|range| (range, ())));
            }
            _ => {}
        }
        ranges.refuse_too_many(ranges.links.len())?;
    }
    Ok(ranges)
}

fn read_range(bytes: &mut Bytes<'_>) -> Result<CellRange, TooShort> {
    Ok(CellRange {
        first_row: u32::from(bytes.u16()?) + 1,
        last_row: u32::from(bytes.u16()?) + 1,
        first_column: u32::from(bytes.u16()?),
        last_column: u32::from(bytes.u16()?),
    })
}

fn read_merged(mut bytes: Bytes<'_>, ranges: &mut Ranges) -> Result<(), TooShort> {
    for _ in 0..bytes.u16()? {
        ranges.merged.push((read_range(&mut bytes)?, ()));
    }
    Ok(())
}

/// The class of addresses on the web, as Windows names it.
const WEB_ADDRESS: [u8; 16] = [
    0xe0, 0xc9, 0xea, 0x79, 0xf9, 0xba, 0xce, 0x11, 0x8c, 0x82, 0x00, 0xaa, 0x00, 0x4b, 0xa9, 0x0b,
];

/// A link to an address; those to files and places in the workbook are left out.
fn read_link(mut bytes: Bytes<'_>) -> Result<Option<(CellRange, Arc<str>)>, TooShort> {
    let range = read_range(&mut bytes)?;
    bytes.take(20)?;
    let flags = bytes.u32()?;
    for is_named in [flags & 0x10 != 0, flags & 0x80 != 0] {
        if is_named {
            let units = bytes.u32()?;
            bytes.utf16(units as usize)?;
        }
    }
    let has_target = flags & 1 != 0;
    let target = if !has_target {
        return Ok(None);
    } else if flags & 0x100 != 0 {
        let units = bytes.u32()?;
        bytes.utf16(units as usize)?
    } else if bytes.take(16)? == WEB_ADDRESS {
        let length = bytes.u32()? as usize;
        bytes.utf16(length / 2)?
    } else {
        return Ok(None);
    };
    let target = target.split('\0').next().unwrap_or_default();
    Ok(Some((range, Arc::from(target))))
}

/// Where the last shape of a drawing record lies. Shapes are nested records of their own kind.
fn read_anchor(mut bytes: Bytes<'_>) -> Result<Option<CellRange>, TooShort> {
    const CONTAINER: u16 = 0xf;
    const ANCHOR: u16 = 0xf010;
    let mut anchor = None;
    while !bytes.rest().is_empty() {
        let (version, kind, length) = (bytes.u16()?, bytes.u16()?, bytes.u32()?);
        if version & CONTAINER == CONTAINER {
            continue;
        }
        let Ok(content) = bytes.take(length as usize) else {
            break;
        };
        if kind == ANCHOR {
            let mut content = Bytes::new(content);
            // Two bytes each: flags, then column, offset, row, offset, of one corner and of the other.
            let mut next = || content.u16().map(u32::from);
            let (_, column, _, first_row, _) = (next()?, next()?, next()?, next()?, next()?);
            let (_, _, last_row, offset) = (next()?, next()?, next()?, next()?);
            let last_row = if offset == 0 {
                last_row.saturating_sub(1)
            } else {
                last_row
            };
            anchor = Some(CellRange {
                first_row: first_row + 1,
                last_row: last_row.max(first_row) + 1,
                first_column: column,
                last_column: column,
            });
        }
    }
    Ok(anchor)
}

fn is_picture(mut bytes: Bytes<'_>) -> Result<bool, TooShort> {
    const PICTURE: u16 = 8;
    bytes.take(4)?;
    Ok(bytes.u16()? == PICTURE)
}
