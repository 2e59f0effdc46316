//! Which sheet is read.

use std::ops::ControlFlow;
use std::sync::Arc;

use csv::ByteRecord;

use crate::escape;
use crate::manifest::workbook::book::Book;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::limits::{HEAD_ROWS, MOST_SHEETS_LOOKED_AT};
use crate::manifest::workbook::rows::{Rows, SheetRow, Sink, Tally};
use crate::manifest::workbook::sheets::Sheet;

/// What to read of a workbook.
pub(in crate::manifest) struct Choice<'a> {
    /// A sheet by name, or by its number from 1; `None` for the first visible one with a header.
    pub(in crate::manifest) sheet: Option<&'a str>,
    /// Whether rows that are hidden, also by a filter, are handed out.
    pub(in crate::manifest) hidden_rows: bool,
    /// Whether cells are a header of a manifest.
    pub(in crate::manifest) is_header: &'a dyn Fn(&ByteRecord) -> bool,
}

/// The sheet that is read.
pub(super) struct Chosen {
    pub(super) index: usize,
    /// Other visible sheets with a header, if nobody asked for this one.
    pub(super) also: Vec<Arc<str>>,
}

pub(super) fn choose(book: &mut Book, choice: &Choice<'_>) -> Result<Chosen, WorkbookError> {
    if let Some(wanted) = choice.sheet {
        let index = find(book.sheets(), wanted)?;
        return Ok(Chosen {
            index,
            also: Vec::new(),
        });
    }
    let is_candidate = |sheet: &Sheet| sheet.is_visible && sheet.is_table;
    let mut candidates: Vec<(usize, Arc<str>)> = Vec::new();
    for (index, sheet) in book.sheets().iter().enumerate() {
        if is_candidate(sheet) && candidates.len() < MOST_SHEETS_LOOKED_AT {
            candidates.push((index, Arc::clone(&sheet.name)));
        }
    }
    let Some((first, _)) = candidates.first().cloned() else {
        let hidden = book.sheets().iter().filter(|sheet| sheet.is_table);
        return Err(WorkbookError::NoVisibleSheet { hidden: listed(hidden) });
    };
    let mut chosen: Option<Chosen> = None;
    let mut first_with_rows = None;
    for (index, name) in candidates {
        let looked = look(book, index, &name, choice);
        match &mut chosen {
            // What is wrong with a sheet that is not read is nobody's concern.
            Some(chosen) => chosen
                .also
                .extend(looked.is_ok_and(|head| head.has_header).then_some(name)),
            None => {
                let head = looked?;
                if head.has_header {
                    let also = Vec::new();
                    chosen = Some(Chosen { index, also });
                } else if head.rows > 0 {
                    first_with_rows.get_or_insert(index);
                }
            }
        }
    }
    // Without any header, whoever reads on says so, with what stands there in its place.
    Ok(chosen.unwrap_or(Chosen {
        index: first_with_rows.unwrap_or(first),
        also: Vec::new(),
    }))
}

/// The sheet of that name, in any case if need be, or of that number.
fn find(sheets: &[Sheet], wanted: &str) -> Result<usize, WorkbookError> {
    let folded = wanted.trim().to_lowercase();
    let number = || wanted.trim().parse::<usize>().ok()?.checked_sub(1);
    let index = sheets
        .iter()
        .position(|sheet| &*sheet.name == wanted)
        .or_else(|| {
            sheets
                .iter()
                .position(|sheet| sheet.name.trim().to_lowercase() == folded)
        })
        .or_else(|| number().filter(|index| *index < sheets.len()));
    let Some(index) = index else {
        return Err(WorkbookError::NoSuchSheet {
            wanted: wanted.to_owned(),
            sheets: listed(sheets.iter()),
        });
    };
    let sheet = &sheets[index];
    if !sheet.is_table {
        return Err(WorkbookError::NotATable {
            sheet: Arc::clone(&sheet.name),
        });
    }
    Ok(index)
}

/// How many sheets a message names.
const MOST_LISTED: usize = 12;

fn listed<'s>(sheets: impl Iterator<Item = &'s Sheet>) -> String {
    let mut sheets = sheets.map(|sheet| {
        let name = escape::excerpt(&sheet.name, 40);
        let hidden = if sheet.is_visible { "" } else { " (hidden)" };
        format!("`{name}`{hidden}")
    });
    let mut list: Vec<String> = sheets.by_ref().take(MOST_LISTED).collect();
    match sheets.count() {
        0 => {}
        more => list.push(format!("and {more} more")),
    }
    list.join(", ")
}

/// The first rows of a sheet.
struct Head<'c> {
    is_header: &'c dyn Fn(&ByteRecord) -> bool,
    has_header: bool,
    rows: usize,
    idle: usize,
}

/// How often a sheet may say that it has nothing but blank and hidden rows, each time after a thousand of them.
const MOST_IDLE: usize = 100;

/// Looks for a header. The ranges of a sheet are read only if there is none without what merged cells lend each other.
fn look<'c>(book: &mut Book, index: usize, name: &Arc<str>, choice: &'c Choice<'_>) -> Result<Head<'c>, WorkbookError> {
    let mut head = Head {
        is_header: choice.is_header,
        has_header: false,
        rows: 0,
        idle: 0,
    };
    let with_ranges = [false, true]
        .into_iter()
        .take(if book.has_ranges_apart() { 2 } else { 1 });
    for with_ranges in with_ranges {
        (head.rows, head.idle) = (0, 0);
        book.read(index, with_ranges, &mut Rows::new(name, choice.hidden_rows, &mut head))?;
        if head.has_header {
            break;
        }
    }
    Ok(head)
}

impl Sink for Head<'_> {
    fn row(&mut self, row: &mut SheetRow, _: &Tally) -> ControlFlow<()> {
        self.rows += 1;
        self.has_header = (self.is_header)(&row.record);
        if self.has_header || self.rows == HEAD_ROWS {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn idle(&mut self, _: &Tally) -> ControlFlow<()> {
        self.idle += 1;
        if self.idle == MOST_IDLE {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
