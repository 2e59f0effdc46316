//! Results as CSV and TSV.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

use csv::{IntoInnerError, Terminator, Writer, WriterBuilder};

use super::columns::{Cell, Columns, is_ours, ours};
use super::{ResultRow, cells};
use crate::escape;
use crate::row::RESULTS_COLUMNS;

/// Bytes gathered before they go to the file: a few hundred rows.
const BUFFER_BYTES: usize = 128 * 1024;

/// Writes rows with quotes where they are needed, `\n` at the end, and every cell safe for a spreadsheet.
#[derive(Debug)]
pub(super) struct SeparatedWriter<W: Write> {
    csv: Writer<W>,
    layout: Layout,
}

/// How a row's cells find their columns.
#[derive(Debug)]
enum Layout {
    /// The places in the array that are written, in order.
    Array(Vec<usize>),
    /// The column of each key.
    Object(HashMap<String, usize>),
}

impl<W: Write> SeparatedWriter<W> {
    /// A writer that has written the header.
    pub(super) fn new(file: W, delimiter: u8, columns: &Columns) -> io::Result<SeparatedWriter<W>> {
        let mut csv = WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(BUFFER_BYTES)
            .from_writer(file);
        let (Columns::Named(names) | Columns::Objects(names)) = columns;
        let kept = names.iter().enumerate().filter(|(_, name)| !is_ours(name));
        let layout = match columns {
            Columns::Named(_) => Layout::Array(kept.clone().map(|(index, _)| index).collect()),
            Columns::Objects(_) => {
                let places = kept.clone().enumerate();
                Layout::Object(places.map(|(place, (_, name))| (name.clone(), place)).collect())
            }
        };
        let header = kept.map(|(_, name)| name.as_str()).chain(RESULTS_COLUMNS);
        csv.write_record(header.map(|name| escape::for_spreadsheet(name).into_owned()))?;
        Ok(SeparatedWriter { csv, layout })
    }

    pub(super) fn write(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        match &self.layout {
            Layout::Array(places) => {
                let values = cells::array(row.cells);
                for &place in places {
                    // A ragged row may be short; what it has beyond the header has no column to stand in.
                    let value = values.get(place).map(|value| cells::text(value));
                    write_field(&mut self.csv, &value.unwrap_or_default())?;
                }
            }
            Layout::Object(places) => {
                let mut values = vec![Cow::Borrowed(""); places.len()];
                for (key, value) in cells::object(row.cells) {
                    if let Some(slot) = places.get(&*key).and_then(|&place| values.get_mut(place)) {
                        *slot = cells::text(value);
                    }
                }
                for value in &values {
                    write_field(&mut self.csv, value)?;
                }
            }
        }
        for cell in ours(row) {
            match cell {
                Cell::Empty => write_field(&mut self.csv, "")?,
                Cell::Text(text) => write_field(&mut self.csv, &text)?,
                Cell::Whole(number) => write_field(&mut self.csv, &number.to_string())?,
                Cell::Decimal(number) => write_field(&mut self.csv, &number.to_string())?,
            }
        }
        self.csv.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// The file, with everything written to it.
    pub(super) fn into_inner(self) -> io::Result<W> {
        self.csv.into_inner().map_err(IntoInnerError::into_error)
    }
}

fn write_field<W: Write>(csv: &mut Writer<W>, cell: &str) -> io::Result<()> {
    Ok(csv.write_field(&*escape::for_spreadsheet(cell))?)
}
