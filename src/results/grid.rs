//! How the cells of a manifest find their places in the table that results are.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::files::Files;
use super::ours::is_ours;
use super::{Columns, Layout, ResultRow, cells, ours};
use crate::row::{RESULTS_COLUMNS, SURPLUS_COLUMN};
use crate::tables::{Cell, Column, Target};

/// The columns of the results, in their order: the manifest's own, surplus cells, ours.
#[derive(Debug)]
pub(super) struct Grid {
    names: Vec<String>,
    places: Places,
    /// The place of the column with the images.
    image: Option<usize>,
    files: Files,
}

/// How a row's cells find their columns.
#[derive(Debug)]
enum Places {
    Array {
        /// The places in the array that are written, in order.
        kept: Vec<usize>,
        surplus: Option<Surplus>,
    },
    /// The column of each key.
    Object(HashMap<String, usize>),
}

/// Where cells go that a row has beyond the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Surplus {
    /// The first place in the array that the header has no name for.
    pub(super) from: usize,
    /// The column among those that are written. It is one of the manifest's own if that has one of this name.
    pub(super) column: usize,
    pub(super) delimiter: char,
}

impl Grid {
    pub(super) fn of(layout: &Layout, files: Files) -> Grid {
        let (Columns::Named(all) | Columns::Objects(all)) = &layout.columns;
        let kept: Vec<usize> = (0..all.len()).filter(|place| !is_ours(&all[*place])).collect();
        let mut names: Vec<String> = kept.iter().map(|place| all[*place].clone()).collect();
        let image = layout.dialect.image_column.as_ref();
        let image = image.and_then(|image| names.iter().position(|name| name == image));
        let places = match layout.columns {
            Columns::Named(_) => {
                let surplus = surplus_of(layout, &names);
                if surplus.as_ref().is_some_and(|surplus| surplus.column == names.len()) {
                    names.push(SURPLUS_COLUMN.to_owned());
                }
                Places::Array { kept, surplus }
            }
            Columns::Objects(_) => Places::Object(names.iter().cloned().zip(0..).collect()),
        };
        Grid {
            names,
            places,
            image,
            files,
        }
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        self.names.iter().map(Column::new).chain(ours::columns()).collect()
    }

    /// What stands in the columns for `row`.
    pub(super) fn cells<'a>(&self, row: &ResultRow<'a>) -> Vec<Cell<'a>> {
        let mut own = vec![Cow::Borrowed(""); self.names.len()];
        match &self.places {
            Places::Array { kept, surplus } => {
                let values = cells::array(row.cells);
                for (cell, place) in own.iter_mut().zip(kept) {
                    // A ragged row may be short.
                    *cell = values.get(*place).map(|value| cells::text(value)).unwrap_or_default();
                }
                if let Some(surplus) = surplus
                    && let Some(cell) = own.get_mut(surplus.column)
                {
                    surplus.append(&values, cell);
                }
            }
            Places::Object(places) => {
                for (key, value) in cells::object(row.cells) {
                    if let Some(cell) = places.get(&*key).and_then(|&place| own.get_mut(place)) {
                        *cell = cells::text(value);
                    }
                }
            }
        }
        let mut written = Vec::with_capacity(own.len() + RESULTS_COLUMNS.len());
        for (place, text) in own.into_iter().enumerate() {
            written.push(match self.image == Some(place) {
                true => Cell::Link(text, Target::Itself),
                false => Cell::Written(text),
            });
        }
        let video_file = row.video_file.and_then(|file| self.files.link_of(file));
        written.extend(ours::cells(row, video_file));
        written
    }
}

/// Where the surplus cells of `layout` go, if its manifest has any.
pub(super) fn surplus_of(layout: &Layout, names: &[String]) -> Option<Surplus> {
    let Columns::Named(all) = &layout.columns else {
        return None;
    };
    layout.dialect.surplus.then(|| Surplus {
        from: all.len(),
        column: names
            .iter()
            .position(|name| name.trim() == SURPLUS_COLUMN)
            .unwrap_or(names.len()),
        delimiter: layout.dialect.delimiter.unwrap_or(','),
    })
}

impl Surplus {
    /// Adds what `values` has beyond the header to the text of the surplus column.
    pub(super) fn append<'a>(&self, values: &[&'a RawValue], cell: &mut Cow<'a, str>) {
        for (index, value) in values.iter().skip(self.from).enumerate() {
            if index > 0 || !cell.is_empty() {
                cell.to_mut().push(self.delimiter);
            }
            cell.to_mut().push_str(&cells::text(value));
        }
        // Also a cell too many that is empty spoils its row: something has to show that there was one.
        if values.len() > self.from && cell.is_empty() {
            cell.to_mut().push(self.delimiter);
        }
    }
}
