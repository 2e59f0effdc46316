//! Results as JSONL: one object a line, the manifest's values first and with their own types.

use std::io::{self, BufWriter, Write};

use serde_json::value::RawValue;

use super::columns::{Cell, Columns, is_ours, object_keys, ours};
use super::{ResultRow, cells};
use crate::row::RESULTS_COLUMNS;

/// Bytes gathered before they go to the file: a few hundred rows.
const BUFFER_BYTES: usize = 128 * 1024;

/// Writes a row as an object; what is not known is `null`.
#[derive(Debug)]
pub(super) struct JsonlWriter<W: Write> {
    file: BufWriter<W>,
    layout: Layout,
    /// The line that is being built; kept for its memory.
    line: Vec<u8>,
}

#[derive(Debug)]
enum Layout {
    /// The key of each place in the array; `None` for those that are not written.
    Array(Vec<Option<String>>),
    /// The row brings its own keys.
    Object,
}

impl<W: Write> JsonlWriter<W> {
    pub(super) fn new(file: W, columns: &Columns) -> JsonlWriter<W> {
        JsonlWriter {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            layout: match columns {
                Columns::Named(names) => Layout::Array(object_keys(names)),
                Columns::Objects(_) => Layout::Object,
            },
            line: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        match &self.layout {
            Layout::Array(keys) => {
                let mut values = cells::array(row.cells).into_iter();
                for key in keys {
                    let value = values.next();
                    if let Some(key) = key {
                        push_key(line, key)?;
                        push_raw(line, value);
                    }
                }
            }
            Layout::Object => {
                for (key, value) in cells::object(row.cells) {
                    if !is_ours(&key) {
                        push_key(line, &key)?;
                        push_raw(line, Some(value));
                    }
                }
            }
        }
        for (key, cell) in RESULTS_COLUMNS.into_iter().zip(ours(row)) {
            push_key(line, key)?;
            match cell {
                Cell::Empty => push_raw(line, None),
                Cell::Text(text) => serde_json::to_writer(&mut *line, &text)?,
                Cell::Whole(number) => write!(line, "{number}")?,
                Cell::Decimal(number) => write!(line, "{number}")?,
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

fn push_raw(line: &mut Vec<u8>, value: Option<&RawValue>) {
    let json = value.map_or("null", RawValue::get);
    // Line ends in JSON text are always white space between tokens, never part of a string, but they would end our line.
    line.extend(json.bytes().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => other,
    }));
}
