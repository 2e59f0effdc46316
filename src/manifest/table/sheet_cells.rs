//! What is special about the cells of a sheet: links, errors, formulas without a value, pictures, text beside the table.

use std::path::Path;

use csv::ByteRecord;

use crate::escape;
use crate::manifest::headers::Header;
use crate::manifest::validate::Cells;
use crate::manifest::workbook::{CellNote, SheetRecords};
use crate::manifest::{Field, Problem, Rule, web_url};

/// Longest text of a cell in a message, in characters.
const MOST_SHOWN: usize = 60;

/// Puts what the last row's cells lead to or lack into `cells`, which of them were followed into `links`, and what is wrong
/// with them into `problems`.
pub(super) fn judge(
    sheet: &SheetRecords,
    record: &ByteRecord,
    header: &Header,
    cells: &mut Cells,
    links: &mut Vec<(usize, Field)>,
    problems: &mut Vec<Problem>,
) {
    for (field, column) in Field::ALL.into_iter().zip(header.columns) {
        let Some(column) = column else { continue };
        match sheet.note(column) {
            Some(CellNote::Link(target)) => {
                let is_followed = follow(field, target, cells, problems);
                links.extend(is_followed.then_some((column, field)));
            }
            Some(CellNote::Error(shown)) => {
                problems.push(Problem::of_column(Rule::CellError, field.as_str(), shown));
                cells.set(field, "");
            }
            Some(CellNote::NoStoredValue) => {
                problems.push(Problem::of_column(Rule::NoStoredValue, field.as_str(), ""));
            }
            Some(CellNote::Picture) => problems.push(Problem::of_column(Rule::PictureInCell, field.as_str(), "")),
            None => {}
        }
    }
    let has_said = |field: Field| {
        problems
            .iter()
            .any(|problem| problem.column.as_deref() == Some(field.as_str()))
    };
    if cells.get(Field::ImageUrl).is_empty() && sheet.picture_in_row().is_some() && !has_said(Field::ImageUrl) {
        problems.push(Problem::of_column(Rule::PictureInCell, Field::ImageUrl.as_str(), ""));
    }
    let beside = record.iter().enumerate().skip(header.names.len());
    if let Some((column, text)) = beside.into_iter().find(|(_, cell)| !cell.trim_ascii().is_empty()) {
        let text = escape::excerpt(&String::from_utf8_lossy(text), MOST_SHOWN);
        problems.push(Problem {
            at: u32::try_from(column).ok(),
            ..Problem::of_row(Rule::BesideTable, text)
        });
    }
}

/// An address is what the cell says, or else where it leads: an edited text often keeps the link it had. The name of a file
/// is an address, too, and a link to a file is of some other computer. Gives back whether it is where it leads.
fn follow(field: Field, target: &str, cells: &mut Cells, problems: &mut Vec<Problem>) -> bool {
    if !matches!(field, Field::ImageUrl | Field::CallbackUrl) {
        return false;
    }
    let text = cells.get(field);
    let stands_by_itself = is_address(text) || (field == Field::ImageUrl && names_a_file(text));
    if !stands_by_itself {
        cells.set(field, target);
        return true;
    }
    if is_address(target) && !is_same_address(text, target) {
        let found = format!("it leads to {}", web_url::shown(target));
        problems.push(Problem::of_column(Rule::LinkElsewhere, field.as_str(), found));
    }
    false
}

/// Whether a text ends like the name of an image.
fn names_a_file(text: &str) -> bool {
    let extension = Path::new(text).extension().unwrap_or_default();
    [
        "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic",
    ]
    .iter()
    .any(|known| extension.eq_ignore_ascii_case(known))
}

fn is_address(text: &str) -> bool {
    let begins = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    };
    begins("https://") || begins("http://")
}

/// Whether two addresses differ in nothing but how spreadsheet programs spell them. What stands behind a `#` is no part
/// of what a server is asked for, and workbooks keep it apart from the link.
fn is_same_address(one: &str, other: &str) -> bool {
    let parsed = |text: &str| {
        let mut url = url::Url::parse(text).ok()?;
        url.set_fragment(None);
        Some(url)
    };
    one == other || (parsed(one).is_some() && parsed(one) == parsed(other))
}

#[cfg(test)]
mod tests;
