//! JSONL: one object a line.

use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value};

use super::{AtomicFile, Cell, Head};

/// Writes a row as an object with the names of the columns as its keys; what is empty is `null`.
#[derive(Debug)]
pub(super) struct Objects {
    file: BufWriter<AtomicFile>,
    keys: Vec<String>,
}

impl Objects {
    pub(super) fn new(file: AtomicFile, head: &Head) -> Objects {
        Objects {
            file: BufWriter::new(file),
            keys: head.columns.iter().map(|column| column.name.clone()).collect(),
        }
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let cells = cells.iter().map(value).chain(std::iter::repeat(Value::Null));
        let object: Map<String, Value> = self.keys.iter().cloned().zip(cells).collect();
        serde_json::to_writer(&mut self.file, &object)?;
        self.file.write_all(b"\n")
    }

    pub(super) fn finish(self) -> io::Result<AtomicFile> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

fn value(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) | Cell::Written(text) | Cell::Word(text, _) | Cell::Link(text, _) => Value::from(&**text),
        Cell::Whole(number) => Value::from(*number),
        Cell::Decimal(number) | Cell::Share(number) | Cell::Money(number) => Value::from(*number),
    }
}
