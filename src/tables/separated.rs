//! CSV and TSV: quotes where they are needed, `\n` at the end of a row, and every cell safe for a spreadsheet.

use std::io::{self, Write};

use csv::{IntoInnerError, Terminator, Writer, WriterBuilder};

use super::{AtomicFile, Cell, Head};
use crate::escape;

/// Bytes gathered before they go to the file: a few hundred rows.
const BUFFER_BYTES: usize = 128 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Writes rows of text.
#[derive(Debug)]
pub(super) struct Separated {
    csv: Writer<Marked>,
    columns: usize,
}

impl Separated {
    /// A writer that has written the header.
    pub(super) fn new(file: AtomicFile, delimiter: u8, head: &Head) -> io::Result<Separated> {
        let mut csv = WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(BUFFER_BYTES)
            .from_writer(Marked::new(file, head.byte_order_mark));
        csv.write_record(head.columns.iter().map(|column| &*column.name).map(defused))?;
        Ok(Separated {
            csv,
            columns: head.columns.len(),
        })
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for column in 0..self.columns {
            let text = cells.get(column).and_then(Cell::shown).unwrap_or_default();
            self.csv.write_field(&*escape::for_spreadsheet(&text))?;
        }
        self.csv.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// The file, with everything written to it.
    pub(super) fn finish(self) -> io::Result<AtomicFile> {
        self.csv.into_inner().map_err(IntoInnerError::into_error)?.finish()
    }
}

fn defused(name: &str) -> String {
    escape::for_spreadsheet(name).into_owned()
}

/// A file that begins with a byte order mark if there is anything but ASCII in it, which is known at its end. The first
/// buffer decides as far as it can; if it was wrong, the file is copied once.
#[derive(Debug)]
struct Marked {
    file: AtomicFile,
    /// It gets a mark whatever is in it.
    always: bool,
    has_begun: bool,
    has_mark: bool,
    is_ascii: bool,
}

impl Marked {
    fn new(file: AtomicFile, always: bool) -> Marked {
        Marked {
            file,
            always,
            has_begun: false,
            has_mark: false,
            is_ascii: true,
        }
    }

    fn finish(self) -> io::Result<AtomicFile> {
        match self.has_mark || self.is_ascii {
            true => Ok(self.file),
            false => self.file.prepended(BYTE_ORDER_MARK),
        }
    }
}

impl Write for Marked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.has_begun {
            self.has_begun = true;
            self.has_mark = self.always || !bytes.is_ascii();
            if self.has_mark {
                self.file.write_all(BYTE_ORDER_MARK)?;
            }
        }
        let written = self.file.write(bytes)?;
        self.is_ascii &= bytes[..written].is_ascii();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
