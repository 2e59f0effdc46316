//! How the parts of an Office package refer to each other.

use std::borrow::Cow;

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::{Package, Size};
use crate::manifest::workbook::xml::{Xml, attributes, local, unescaped};

/// One reference of a part.
pub(super) struct Relationship<'r> {
    pub(super) id: Cow<'r, str>,
    /// The last word of its type, which is the same in all editions of the standard: `worksheet`, `hyperlink`.
    pub(super) kind: Cow<'r, str>,
    /// What it leads to, as written.
    pub(super) target: Cow<'r, str>,
}

/// Shows `visit` all references of a part; none if it has none. The package as a whole is the part without a name.
pub(super) fn each_relationship(
    package: &mut Package,
    part: &str,
    mut visit: impl FnMut(Relationship<'_>) -> Result<(), WorkbookError>,
) -> Result<(), WorkbookError> {
    let (folder, name) = split(part);
    let Some(part) = package.part(&format!("{folder}_rels/{name}.rels"), Size::Small)? else {
        return Ok(());
    };
    Xml::new(part).each_start(|start| {
        if local(start.name()) != "Relationship" {
            return Ok(());
        }
        let (mut id, mut kind, mut target) = Default::default();
        for (name, value) in attributes(start) {
            match name {
                "Id" => id = unescaped(value),
                "Type" => kind = unescaped(value),
                "Target" => target = unescaped(value),
                _ => {}
            }
        }
        let last_word = kind.rfind('/').map_or(0, |at| at + 1);
        visit(Relationship {
            id,
            kind: match kind {
                Cow::Borrowed(kind) => Cow::Borrowed(&kind[last_word..]),
                Cow::Owned(mut kind) => Cow::Owned(kind.split_off(last_word)),
            },
            target,
        })
    })
}

/// The name in the package of what a part refers to as `target`.
pub(super) fn resolved(part: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let folder = if target.starts_with('/') { "" } else { split(part).0 };
    let mut way: Vec<&str> = Vec::new();
    for step in folder.split('/').chain(target.split('/')) {
        match step {
            "" | "." => {}
            ".." => drop(way.pop()),
            name => way.push(name),
        }
    }
    way.join("/")
}

/// A part's folder, with the slash, and its name in there.
fn split(part: &str) -> (&str, &str) {
    part.split_at(part.rfind('/').map_or(0, |at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_relative_to_their_part_or_to_the_package() {
        for (part, target, name) in [
            ("", "xl/workbook.xml", "xl/workbook.xml"),
            ("", "/xl/workbook.xml", "xl/workbook.xml"),
            ("xl/workbook.xml", "worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            (
                "xl/workbook.xml",
                "/xl/worksheets/sheet1.xml",
                "xl/worksheets/sheet1.xml",
            ),
            (
                "xl/worksheets/sheet1.xml",
                "../drawings/drawing1.xml",
                "xl/drawings/drawing1.xml",
            ),
            (
                "xl/worksheets/sheet1.xml",
                "..\\drawings\\.\\d.xml",
                "xl/drawings/d.xml",
            ),
            ("xl/workbook.xml", "../../../etc/passwd", "etc/passwd"),
        ] {
            assert_eq!(resolved(part, target), name, "{part} {target}");
        }
    }
}
