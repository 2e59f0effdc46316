//! Results as JSONL: one object a line, the manifest's values first and with their own types.

use std::io::{self, BufWriter, Write};

use serde_json::value::RawValue;

use super::grid::{Surplus, surplus_of};
use super::keys::object_keys;
use super::ours::is_ours;
use super::{Columns, Layout, ResultRow, cells, ours};
use crate::row::{RESULTS_COLUMNS, SURPLUS_COLUMN};
use crate::tables::Cell;

/// Bytes gathered before they go to the file: a few hundred rows.
const BUFFER_BYTES: usize = 128 * 1024;

/// Writes a row as an object; what is not known is `null`.
#[derive(Debug)]
pub(super) struct JsonlWriter<W: Write> {
    file: BufWriter<W>,
    keys: Keys,
    /// The line that is being built; kept for its memory.
    line: Vec<u8>,
}

#[derive(Debug)]
enum Keys {
    Array {
        /// The key of each place in the array; `None` for those that are not written.
        keys: Vec<Option<String>>,
        surplus: Option<Surplus>,
    },
    /// The row brings its own keys.
    Object,
}

impl<W: Write> JsonlWriter<W> {
    pub(super) fn new(file: W, layout: &Layout) -> JsonlWriter<W> {
        JsonlWriter {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            keys: match &layout.columns {
                Columns::Named(names) => {
                    let surplus = surplus_of(layout, names);
                    let mut keys = object_keys(names);
                    if surplus.as_ref().is_some_and(|surplus| surplus.column == names.len()) {
                        keys.push(Some(SURPLUS_COLUMN.to_owned()));
                    }
                    Keys::Array { keys, surplus }
                }
                Columns::Objects(_) => Keys::Object,
            },
            line: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        match &self.keys {
            Keys::Array { keys, surplus } => {
                let values = cells::array(row.cells);
                for (place, key) in keys.iter().enumerate() {
                    let Some(key) = key else { continue };
                    push_key(line, key)?;
                    match surplus.as_ref().filter(|surplus| surplus.column == place) {
                        Some(surplus) => {
                            let own = values.get(place).filter(|_| place < surplus.from);
                            let mut text = own.map(|value| cells::text(value)).unwrap_or_default();
                            surplus.append(&values, &mut text);
                            push_text(line, &text)?;
                        }
                        None => push_raw(line, values.get(place).copied()),
                    }
                }
            }
            Keys::Object => {
                for (key, value) in cells::object(row.cells) {
                    if !is_ours(&key) {
                        push_key(line, &key)?;
                        push_raw(line, Some(value));
                    }
                }
            }
        }
        for (key, cell) in RESULTS_COLUMNS.into_iter().zip(ours::cells(row, None)) {
            push_key(line, key)?;
            match cell {
                Cell::Empty => push_raw(line, None),
                Cell::Text(text) | Cell::Written(text) | Cell::Word(text, _) | Cell::Link(text, _) => {
                    serde_json::to_writer(&mut *line, &text)?;
                }
                Cell::Whole(number) => write!(line, "{number}")?,
                Cell::Decimal(number) | Cell::Share(number) | Cell::Money(number) => write!(line, "{number}")?,
            }
        }
        line.extend_from_slice(b"}\n");
        self.file.write_all(line)
    }

    /// The file, with everything written to it.
    pub(super) fn into_inner(self) -> io::Result<W> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

fn push_key(line: &mut Vec<u8>, key: &str) -> io::Result<()> {
    line.push(if line.is_empty() { b'{' } else { b',' });
    serde_json::to_writer(&mut *line, key)?;
    line.push(b':');
    Ok(())
}

/// What is not there is `null`, in these keys as in the others.
fn push_text(line: &mut Vec<u8>, text: &str) -> io::Result<()> {
    match text {
        "" => push_raw(line, None),
        text => serde_json::to_writer(line, text)?,
    }
    Ok(())
}

fn push_raw(line: &mut Vec<u8>, value: Option<&RawValue>) {
    let json = value.map_or("null", RawValue::get);
    // Line ends in JSON text are always white space between tokens, never part of a string, but they would end our line.
    line.extend(json.bytes().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => other,
    }));
}
