//! Tables: a header, and under it a record for each row, wherever the records come from.

mod records;
mod sheet_cells;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::ByteRecord;

use crate::escape;
use crate::manifest::columns::{ColumnMap, shown};
use crate::manifest::fingerprint::Fingerprint;
use crate::manifest::headers::{Header, HeaderFault};
use crate::manifest::lines::LineCounter;
use crate::manifest::place::{Ground, Position};
use crate::manifest::problem::grouped;
use crate::manifest::row::{Kept, Row};
use crate::manifest::spelling::Suggestion;
use crate::manifest::text::{self, TextRecords, hint};
use crate::manifest::{Field, Format, MOST_CELL_BYTES, MOST_COLUMNS, ManifestError, Problem, ReadAs, Reading, Rule};

pub(super) use records::Source;

use records::Records;

/// How many rows the header is looked for in: titles, a date and a remark may stand above it.
const HEADER_ROWS: u32 = 20;

/// The rows of a table, after its header.
#[derive(Debug)]
pub(super) struct TableRows {
    format: Format,
    records: Records,
    ground: Ground,
    header: Header,
    header_line: u32,
    /// How many rows with text stand above the header.
    above_header: u32,
    /// The header's cells, to recognise it when it comes again.
    header_record: ByteRecord,
    kept: Arc<Kept>,
}

impl TableRows {
    pub(super) fn open(path: &Path, file: File, format: Format, reading: &Reading) -> Result<TableRows, ManifestError> {
        let mut records = match format.delimiter() {
            Some(usual) => Records::of_text(path, file, usual, reading)?,
            None => Records::of_workbook(path, file, reading)?,
        };
        let ground = records.ground();
        let Found {
            header,
            record: header_record,
            above,
        } = find_header(path, &ground, &mut records, &reading.columns)?;
        let kept = Arc::new(Kept {
            columns: header.kept.clone(),
            width: header.names.len(),
            outcome: header.outcome,
            // Also a workbook: it may be CSV results that somebody saved as one, and those that we write are spelt alike.
            defused: header.outcome.is_some(),
        });
        Ok(TableRows {
            format,
            header_line: records.line(),
            above_header: above,
            records,
            ground,
            header,
            header_record,
            kept,
        })
    }

    /// The names of the user's own columns.
    pub(super) fn columns(&self) -> Vec<String> {
        self.kept.columns.iter().map(|at| self.name_of(*at)).collect()
    }

    /// The column's name as the user has it: results defuse names, too.
    fn name_of(&self, column: usize) -> String {
        let name = &self.header.names[column];
        if self.kept.defused {
            escape::from_spreadsheet(name).to_owned()
        } else {
            name.clone()
        }
    }

    /// The name of the column that holds `field`.
    pub(super) fn column_name(&self, field: Field) -> Option<String> {
        self.header.columns[field as usize].map(|column| self.name_of(column))
    }

    /// What the places of the table are.
    pub(super) fn ground(&self) -> &Ground {
        &self.ground
    }

    /// How the table was read, up to now.
    pub(super) fn read_as(&self) -> ReadAs {
        ReadAs::of_table(
            self.format,
            &self.records.source,
            &self.ground,
            self.header_line,
            self.above_header,
        )
    }

    /// What is odd about the header, and its line.
    pub(super) fn header_problems(&self) -> (u32, Vec<Problem>) {
        let problem = |(column, name, near): (usize, &str, Suggestion)| Problem {
            at: u32::try_from(column).ok(),
            ..Problem::of_column(Rule::UnusedColumn, shown(name), format!("did you mean {near}?"))
        };
        (self.header_line, self.header.near_misses().map(problem).collect())
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.records.fingerprint()
    }

    /// Reads the next row's cells into `row`; `false` at the end of the file.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, ManifestError> {
        if !self.records.next(&mut row.written.record)? {
            return Ok(false);
        }
        row.line = self.records.line();
        let is_same = |kept: &Arc<Kept>| Arc::ptr_eq(kept, &self.kept);
        if !row.written.kept.as_ref().is_some_and(is_same) {
            row.written.kept = Some(Arc::clone(&self.kept));
        }
        let record = &row.written.record;
        // All cells at once, in one piece: cutting them out of valid text is cheaper than validating each.
        let text = std::str::from_utf8(record.as_slice()).unwrap_or_default();
        if let Some(problem) = self.unreadable(record, text) {
            row.problems.push(problem);
            row.is_illegible = true;
            return Ok(true);
        }
        for (field, column) in Field::ALL.into_iter().zip(self.header.columns) {
            let Some(cell) = column.and_then(|column| text.get(record.range(column)?)) else {
                continue;
            };
            let cell = if self.kept.defused {
                escape::from_spreadsheet(cell)
            } else {
                cell
            };
            row.cells.set(field, cell);
        }
        if let Source::Sheet(sheet) = &self.records.source {
            let links = &mut row.written.links;
            sheet_cells::judge(sheet, record, &self.header, &mut row.cells, links, &mut row.problems);
        }
        Ok(true)
    }

    /// The column of the table in which `problem` is.
    pub(super) fn column_of(&self, problem: &Problem) -> Option<u32> {
        let name = problem.column.as_deref()?;
        let field = Field::ALL.into_iter().find(|field| field.as_str() == name)?;
        u32::try_from(self.header.columns[field as usize]?).ok()
    }

    /// Why the record's cells, which are `text` in one piece, are not to be trusted.
    fn unreadable(&self, record: &ByteRecord, cells: &str) -> Option<Problem> {
        if self.repeats_header(record) {
            return Some(Problem::of_row(Rule::RepeatedHeader, ""));
        }
        if let Source::Text(text) = &self.records.source {
            if let Some(problem) = text.unreadable(record, cells) {
                return Some(problem);
            }
            // Also if what is too much is empty: a comma that lacks its quotes shifts all cells after it.
            if record.len() != self.header.names.len() {
                return Some(Problem::of_row(Rule::FieldCount, self.counted(record.len(), text)));
            }
        }
        if let Some(at) = self.header.surplus
            && record.get(at).is_some_and(|cell| !self.is_blank(cell))
        {
            return Some(Problem {
                at: u32::try_from(at).ok(),
                ..Problem::of_surplus_cells()
            });
        }
        if record.as_slice().len() > MOST_CELL_BYTES {
            let at = record.iter().position(|cell| cell.len() > MOST_CELL_BYTES)?;
            let found = format!("{} bytes", grouped(record[at].len()));
            return Some(Problem {
                at: u32::try_from(at).ok(),
                ..Problem::of_column(Rule::CellTooLong, shown(&self.header.names[at]), found)
            });
        }
        None
    }

    /// Whether there is no text in a cell, also none that was defused.
    fn is_blank(&self, cell: &[u8]) -> bool {
        let is_defused = |cell: &[u8]| {
            let cell = std::str::from_utf8(cell).unwrap_or_default();
            escape::from_spreadsheet(cell).len() < cell.len()
        };
        let own = match cell {
            [b'\'', own @ ..] if self.kept.defused && is_defused(cell) => own,
            own => own,
        };
        own.trim_ascii().is_empty()
    }

    fn counted(&self, cells: usize, text: &TextRecords) -> String {
        let plural = if cells == 1 { "" } else { "s" };
        let columns = self.header.names.len();
        let mut words = format!("{} cell{plural} instead of {}", grouped(cells), grouped(columns));
        let found = text.found();
        if let Some(last) = last_line(&found) {
            words.push_str(&format!(", on lines {} to {last}", found.line));
        }
        let delimiter = text.read_as().delimiter.map(|found| found.delimiter);
        if let Some(hint) = delimiter.and_then(|delimiter| hint(found.raw, delimiter)) {
            words.push_str(&format!(" ({hint})"));
        }
        words
    }

    fn repeats_header(&self, record: &ByteRecord) -> bool {
        let strip = |cell| <[u8]>::strip_prefix(cell, "\u{feff}".as_bytes()).unwrap_or(cell);
        let first = record.get(0).map(strip).unwrap_or_default();
        Some(first) == self.header_record.get(0)
            && record.len() == self.header_record.len()
            && record.iter().skip(1).eq(self.header_record.iter().skip(1))
    }
}

/// Reads up to the header: the first of the first rows that names all that a row cannot do without.
fn find_header(
    path: &Path,
    ground: &Ground,
    records: &mut Records,
    columns: &ColumnMap,
) -> Result<Found, ManifestError> {
    let mut record = ByteRecord::new();
    // The row that comes nearest: it is the one to speak of if there is no header.
    let mut nearest: Option<(usize, ManifestError)> = None;
    for above in 0..HEADER_ROWS {
        if !records.next(&mut record)? {
            break;
        }
        let path = PathBuf::from(path);
        let at = ground.position(records.line(), None);
        if let Source::Text(text) = &records.source
            && let Some(problem) = text.unreadable(&record, std::str::from_utf8(record.as_slice()).unwrap_or_default())
        {
            let problem = problem.to_string();
            return Err(ManifestError::HeaderUnreadable { path, at, problem });
        }
        if record.len() > MOST_COLUMNS {
            let columns = record.len();
            return Err(ManifestError::TooManyColumns { path, at, columns });
        }
        let names = record.iter().map(|name| String::from_utf8_lossy(name).into_owned());
        match Header::of(names.collect(), columns) {
            Ok(header) => return Ok(Found { header, record, above }),
            Err(fault @ (HeaderFault::Twice(..) | HeaderFault::Shared(..))) => return Err(fault.at(path, at)),
            Err(fault) => {
                let known = Header::known_names(record.iter(), columns);
                if nearest.as_ref().is_none_or(|(most, _)| known > *most) {
                    nearest = Some((known, fault.at(path, at)));
                }
            }
        }
    }
    Err(nearest.map_or_else(|| ManifestError::Empty { path: path.into() }, |(_, error)| error))
}

/// A header and what stands above it.
struct Found {
    header: Header,
    /// Its cells.
    record: ByteRecord,
    /// How many rows with text.
    above: u32,
}

/// The last line of a record, if it has more than one.
fn last_line(found: &text::Found<'_>) -> Option<u32> {
    let ends = found
        .raw
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    let text = &found.raw[..found.raw.len() - ends];
    let last = LineCounter::from_line(found.line).line_after(text);
    (last > found.line).then_some(last)
}

impl HeaderFault {
    fn at(self, path: PathBuf, at: Position) -> ManifestError {
        match self {
            HeaderFault::Missing(missing, help) => ManifestError::MissingColumns {
                path,
                at,
                missing,
                help,
            },
            HeaderFault::Unmapped(mapping, help) => ManifestError::NoMappedColumn {
                path,
                at,
                mapping: Box::new(mapping),
                help,
            },
            HeaderFault::Shared(column, first, second) => ManifestError::SharedColumn {
                path,
                at,
                column,
                first,
                second,
            },
            HeaderFault::Twice(field, first, second) => ManifestError::TwoColumns {
                path,
                at,
                field,
                first,
                second,
            },
        }
    }
}

#[cfg(test)]
mod tests;
