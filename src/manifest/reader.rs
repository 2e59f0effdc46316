//! A manifest as it is read: one row after the other, into memory that is used again.

use std::path::{Path, PathBuf};

use crate::manifest::jsonl::JsonlRows;
use crate::manifest::table::TableRows;
use crate::manifest::{
    Field, Fingerprint, Format, Ground, Images, MOST_ROWS, ManifestError, Problem, ReadAs, Reading, Row, source,
};

/// An open manifest.
#[derive(Debug)]
pub struct Manifest<'i> {
    path: PathBuf,
    format: Format,
    columns: Vec<String>,
    rows: Rows,
    number: u32,
    images: Option<&'i mut Images>,
    /// What the user said that shows in no cell: which column means what.
    said: Fingerprint,
}

#[derive(Debug)]
enum Rows {
    Table(Box<TableRows>),
    Lines(Box<JsonlRows>),
}

impl<'i> Manifest<'i> {
    /// Opens the file and reads its header, if the format has one. Each pass over a manifest is given the same `reading`
    /// and `images`.
    pub fn open(path: &Path, reading: &Reading, images: &'i mut Images) -> Result<Manifest<'i>, ManifestError> {
        images.begin();
        let manifest = Manifest::open_without_images(path, reading)?;
        Ok(Manifest {
            images: Some(images),
            ..manifest
        })
    }

    /// The same for a reading that only asks what stands where: rows with local images are invalid in it.
    pub(super) fn open_without_images(path: &Path, reading: &Reading) -> Result<Manifest<'static>, ManifestError> {
        let format = Format::of_path(path)?;
        let file = source::open(path, format)?;
        let rows = match format {
            Format::Csv | Format::Tsv | Format::Workbook => {
                Rows::Table(Box::new(TableRows::open(path, file, format, reading)?))
            }
            Format::Jsonl => Rows::Lines(Box::new(JsonlRows::open(path, file, reading)?)),
        };
        let columns = match &rows {
            Rows::Table(table) => table.columns(),
            Rows::Lines(_) => Vec::new(),
        };
        Ok(Manifest {
            path: path.to_owned(),
            format,
            columns,
            rows,
            number: 0,
            images: None,
            said: reading.fingerprint(),
        })
    }

    /// The format, by the file's extension.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The user's own columns in their order, named as in the header: all but those that results add. Empty for JSONL,
    /// whose rows name their own (see [`Survey::columns`](crate::manifest::Survey::columns)).
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// What the places of the manifest are.
    pub fn ground(&self) -> Ground {
        match &self.rows {
            Rows::Table(table) => table.ground().clone(),
            Rows::Lines(_) => Ground::default(),
        }
    }

    /// How it was read. What it says of the rows is true once [`Manifest::read`] has returned `false`.
    pub fn read_as(&self) -> ReadAs {
        match &self.rows {
            Rows::Table(table) => table.read_as(),
            Rows::Lines(lines) => ReadAs::of_lines(self.format, lines.read_as()),
        }
    }

    /// The name of the table's column that holds `field`, as the header spells it.
    pub fn column_name(&self, field: Field) -> Option<String> {
        match &self.rows {
            Rows::Table(table) => table.column_name(field),
            Rows::Lines(_) => None,
        }
    }

    /// Where in the table the column is in which `problem` is, counted from 0.
    pub(super) fn column_of(&self, problem: &Problem) -> Option<u32> {
        match &self.rows {
            Rows::Table(table) => table.column_of(problem),
            Rows::Lines(_) => None,
        }
    }

    /// What is odd about the header, and on which line it stands.
    pub fn header_problems(&self) -> (u32, Vec<Problem>) {
        match &self.rows {
            Rows::Table(table) => table.header_problems(),
            Rows::Lines(_) => (1, Vec::new()),
        }
    }

    /// Reads the next row into `row`; `false` at the end of the file, which leaves `row` in no particular state.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, ManifestError> {
        row.clear(self.number + 1);
        let more = match &mut self.rows {
            Rows::Table(table) => table.read(row)?,
            Rows::Lines(lines) => lines.read(row)?,
        };
        if !more {
            return Ok(false);
        }
        if self.number == MOST_ROWS {
            return Err(ManifestError::TooManyRows {
                path: self.path.clone(),
                at: self.ground().position(row.line, None),
            });
        }
        self.number += 1;
        row.settle(self.images.as_deref_mut());
        for problem in &mut row.problems {
            problem.at = problem.at.or_else(|| self.column_of(problem));
        }
        Ok(true)
    }

    /// What was read up to now, local images included. Once [`Manifest::read`] has returned `false` it stands for the
    /// whole file.
    pub fn fingerprint(&self) -> Fingerprint {
        let rows = match &self.rows {
            Rows::Table(table) => table.fingerprint(),
            Rows::Lines(lines) => lines.fingerprint(),
        };
        let rows = if self.said == Fingerprint::default() {
            rows
        } else {
            rows.with(self.said)
        };
        match self.images.as_ref().and_then(|images| images.fingerprint()) {
            Some(images) => rows.with(images),
            None => rows,
        }
    }

    /// At the end of a second reading: whether it met what the first one met.
    pub fn expect_same(&self, first: Fingerprint) -> Result<(), ManifestError> {
        if self.fingerprint() == first {
            Ok(())
        } else {
            Err(ManifestError::Changed {
                path: self.path.clone(),
            })
        }
    }
}
