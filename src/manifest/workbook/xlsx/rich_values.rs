//! Pictures placed in cells: values of a kind of their own, to which a cell refers by number.
//!
//! The way to one is long: the number leads to a record of the metadata, that to another, that to a value, and that to a
//! structure, whose name says what it is. Shares, places and errors of newer kinds are stored the same way.

use quick_xml::events::Event;

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::{Package, Size};
use crate::manifest::workbook::xlsx::number;
use crate::manifest::workbook::xml::{Xml, attribute, local};

/// Whether each rich value is a picture, in the order in which cells number them.
pub(super) fn read_pictures(
    package: &mut Package,
    metadata: &str,
    values: &str,
    structures: &str,
) -> Result<Vec<bool>, WorkbookError> {
    let mut is_picture = Vec::new();
    each_start_in(package, structures, |name, read| {
        if name == "s" {
            let kind = read("t");
            is_picture.push(matches!(kind.as_str(), "_localImage" | "_webimage"));
        }
    })?;
    let mut structure_of = Vec::new();
    each_start_in(package, values, |name, read| {
        if name == "rv" {
            structure_of.push(number(&read("s")));
        }
    })?;
    let (types, records, cells) = read_metadata(package, metadata)?;
    let is_picture = |(kind, record): &(usize, usize)| {
        let is_rich = kind
            .checked_sub(1)
            .and_then(|kind| types.get(kind))
            .is_some_and(|is_rich| *is_rich);
        let value = records.get(*record).filter(|_| is_rich);
        let structure = value.and_then(|value| structure_of.get(*value));
        structure
            .and_then(|structure| is_picture.get(*structure))
            .is_some_and(|is_picture| *is_picture)
    };
    Ok(cells.iter().map(is_picture).collect())
}

/// Which types of metadata are rich values, the value of each record of that type, and the type and record of each
/// number that a cell may give.
type Metadata = (Vec<bool>, Vec<usize>, Vec<(usize, usize)>);

fn read_metadata(package: &mut Package, part: &str) -> Result<Metadata, WorkbookError> {
    const RICH: &str = "XLRICHVALUE";
    let (mut types, mut records, mut cells) = Metadata::default();
    let Some(part) = package.part(part, Size::Small)? else {
        return Ok((types, records, cells));
    };
    let mut xml = Xml::new(part);
    let (mut is_rich, mut is_of_cells) = (false, false);
    loop {
        match xml.next()? {
            Event::Start(start) => {
                let text = |name| attribute(&start, name).unwrap_or_default();
                match local(start.name()) {
                    "metadataType" => types.push(text("name") == RICH),
                    "futureMetadata" => is_rich = text("name") == RICH,
                    "valueMetadata" => is_of_cells = true,
                    "rvb" if is_rich => records.push(number(&text("i"))),
                    "rc" if is_of_cells => cells.push((number(&text("t")), number(&text("v")))),
                    _ => {}
                }
            }
            Event::End(end) => match local(end.name()) {
                "futureMetadata" => is_rich = false,
                "valueMetadata" => is_of_cells = false,
                _ => {}
            },
            Event::Eof => return Ok((types, records, cells)),
            _ => {}
        }
    }
}

/// Shows `visit` the name of each element, and a way to read its attributes.
fn each_start_in(
    package: &mut Package,
    part: &str,
    mut visit: impl FnMut(&str, &dyn Fn(&str) -> String),
) -> Result<(), WorkbookError> {
    let Some(part) = package.part(part, Size::Small)? else {
        return Ok(());
    };
    Xml::new(part).each_start(|start| {
        let read = |name: &str| attribute(start, name).unwrap_or_default().into_owned();
        visit(local(start.name()), &read);
        Ok(())
    })
}
