//! The first reading of a manifest: everything that can be said about it before money is spent.

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;

use crate::escape;
use crate::manifest::columns::shown;
use crate::manifest::headers::help_for_unmapped;
use crate::manifest::images::LocalImage;
use crate::manifest::repeats::{Found, RepeatFinder, Repetition};
use crate::manifest::spelling::Suggestion;
use crate::manifest::{
    ColumnMap, Field, Fingerprint, Format, Ground, Images, MOST_COLUMNS, Manifest, ManifestError, Problem,
    ProblemReport, ReadAs, Reading, Repeats, Row, Rule,
};
use crate::row::{ClipLength, Resolution};

/// Longest `id` in a message, in characters.
const MOST_SHOWN: usize = 60;

/// What a manifest holds.
#[derive(Debug)]
pub struct Survey {
    /// Its format.
    pub format: Format,
    /// How it was read.
    pub read_as: ReadAs,
    /// What its places are.
    pub ground: Ground,
    /// How many rows it has; never 0.
    pub rows: u32,
    /// How many of them cannot be sent, repeated `id`s included.
    pub invalid: u32,
    /// The others, by what they cost.
    pub valid_by_kind: KindCounts,
    /// What they take from this computer.
    pub local_images: LocalImages,
    /// Every problem with its place.
    pub report: ProblemReport,
    /// Which rows repeat earlier ones.
    pub repeats: Repeats,
    /// The name of the table's column with the images' addresses.
    pub image_column: Option<String>,
    /// Whether any row has more cells than the header, and is invalid for it.
    pub surplus: bool,
    /// For the second reading, to prove that it read the same.
    pub fingerprint: Fingerprint,
    /// The user's own columns in their order; for JSONL every key of any row in the order of first appearance, of which
    /// there are at most [`MOST_COLUMNS`].
    pub columns: Vec<String>,
}

/// The local images that can be sent. A row whose only fault is a repeated `id` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LocalImages {
    /// How many rows have one.
    pub rows: u32,
    /// How many different ones there are, by content: each is uploaded once.
    pub uploads: u32,
    /// Size of the different ones together.
    pub bytes: u64,
}

/// How many valid rows there are of each length and resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindCounts([[u32; 2]; 2]);

impl KindCounts {
    /// How many rows are of this kind.
    pub fn of(&self, length: ClipLength, resolution: Resolution) -> u32 {
        self.0[length as usize][resolution as usize]
    }

    /// Every kind that occurs, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (ClipLength, Resolution, u32)> {
        let lengths = [ClipLength::Six, ClipLength::Ten];
        let kinds = lengths.map(|length| [(length, Resolution::P768), (length, Resolution::P1080)]);
        let counts = *self;
        let counted = kinds
            .into_iter()
            .flatten()
            .map(move |(length, resolution)| (length, resolution, counts.of(length, resolution)));
        counted.filter(|(_, _, count)| *count > 0)
    }

    /// How many rows there are of all kinds.
    pub fn total(&self) -> u32 {
        self.0.iter().flatten().sum()
    }

    pub(super) fn add(&mut self, length: ClipLength, resolution: Resolution) {
        self.0[length as usize][resolution as usize] += 1;
    }

    pub(super) fn remove(&mut self, length: ClipLength, resolution: Resolution) {
        self.0[length as usize][resolution as usize] -= 1;
    }

    fn subtract(&mut self, others: KindCounts) {
        for (count, other) in self.0.iter_mut().flatten().zip(others.0.iter().flatten()) {
            *count -= other;
        }
    }
}

/// Reads the manifest and its `images` once, showing every row to `visit`.
pub fn survey(
    path: &Path,
    reading: &Reading,
    images: &mut Images,
    mut visit: impl FnMut(&Row),
) -> Result<Survey, ManifestError> {
    let mut manifest = Manifest::open(path, reading, images)?;
    let ground = manifest.ground();
    let mut report = ProblemReport::on(ground.clone());
    let (header_line, problems) = manifest.header_problems();
    problems
        .iter()
        .for_each(|problem| report.add(None, header_line, problem));

    let mut valid_by_kind = KindCounts::default();
    let mut keys = Keys::of(&reading.columns);
    let mut finder = RepeatFinder::new();
    let mut uploads = Uploads::default();
    let (mut rows, mut surplus) = (0, false);
    let mut row = Row::default();
    while manifest.read(&mut row)? {
        rows = row.number();
        for problem in row.problems() {
            report.add(Some(rows), row.line(), problem);
        }
        if let Some(choice) = row.choice {
            valid_by_kind.add(choice.length, choice.resolution);
            uploads.add(choice.image);
        }
        surplus |= row.has_surplus();
        keys.add(&row);
        finder.add(&row);
        visit(&row);
    }
    if rows == 0 {
        return Err(ManifestError::NoRows { path: path.into() });
    }
    if manifest.format() == Format::Jsonl {
        keys.expect_mapped(path)?;
        keys.report_near_misses(&mut report);
    }
    let found = finder.finish();
    valid_by_kind.subtract(found.spoiled);
    let fingerprint = manifest.fingerprint();
    let format = manifest.format();
    let read_as = manifest.read_as();
    let columns = match format {
        Format::Csv | Format::Tsv | Format::Workbook => manifest.columns().to_vec(),
        Format::Jsonl => keys.names.into_iter().map(|(name, _)| name).collect(),
    };
    let repeats = report_repeats((path, reading), found, &ground, &mut report)?;
    report.sort();
    Ok(Survey {
        format,
        read_as,
        ground,
        rows,
        invalid: rows - valid_by_kind.total(),
        valid_by_kind,
        local_images: uploads.counts,
        report,
        repeats,
        image_column: manifest.column_name(Field::ImageUrl),
        surplus,
        fingerprint,
        columns,
    })
}

/// Counts local images.
#[derive(Debug, Default)]
struct Uploads {
    counts: LocalImages,
    /// The beginnings of their hashes: enough to count by, and at most 18 MB if each of a million rows has its own.
    known: HashSet<u64>,
}

impl Uploads {
    fn add(&mut self, image: Option<LocalImage>) {
        let Some(LocalImage { sha256, bytes }) = image else {
            return;
        };
        self.counts.rows += 1;
        let begin = sha256.0.as_chunks::<8>().0[0];
        if self.known.insert(u64::from_le_bytes(begin)) {
            self.counts.uploads += 1;
            self.counts.bytes += bytes;
        }
    }
}

/// The keys of JSONL rows.
#[derive(Debug)]
struct Keys {
    columns: ColumnMap,
    /// Each key and the place of the first row that has it.
    names: Vec<(String, (u32, u32))>,
    /// The fields that any row has.
    fields: [bool; 6],
}

impl Keys {
    fn of(columns: &ColumnMap) -> Keys {
        Keys {
            columns: columns.clone(),
            names: Vec::new(),
            fields: [false; 6],
        }
    }

    fn add(&mut self, row: &Row) {
        // Rows of one file tend to have the same keys in the same order.
        for (likely, key) in row.keys().enumerate() {
            let known = self.names.get(likely).is_some_and(|(name, _)| name == key);
            if known || self.names.len() == MOST_COLUMNS || self.names.iter().any(|(name, _)| name == key) {
                continue;
            }
            self.names.push((key.to_owned(), (row.number(), row.line())));
            if let Some(field) = self.columns.field_of(key) {
                self.fields[field as usize] = true;
            }
        }
    }

    /// Refuses a file no row of which has a key that the user gave to a field.
    fn expect_mapped(&self, path: &Path) -> Result<(), ManifestError> {
        let is_there =
            |field: Field| self.names.is_empty() || self.fields[field as usize] || self.names.len() == MOST_COLUMNS;
        let Some(mapping) = self
            .columns
            .mappings()
            .iter()
            .find(|mapping| !is_there(mapping.field()))
        else {
            return Ok(());
        };
        Err(ManifestError::NoMappedKey {
            path: path.into(),
            mapping: Box::new(mapping.clone()),
            help: help_for_unmapped(mapping, self.names.iter().map(|(name, _)| name.as_str())),
        })
    }

    /// Reports keys that look like a slip of the pen for a field that no row has.
    fn report_near_misses(&self, report: &mut ProblemReport) {
        let absent = |field: Field| !self.fields[field as usize];
        for (name, (row, line)) in &self.names {
            if self.columns.field_of(name).is_none()
                && let Some(near) = Suggestion::near(name, absent)
            {
                let problem = Problem::of_column(Rule::UnusedColumn, shown(name), format!("did you mean {near}?"));
                report.add(Some(*row), *line, &problem);
            }
        }
    }
}

fn report_repeats(
    file: (&Path, &Reading),
    found: Found,
    ground: &Ground,
    report: &mut ProblemReport,
) -> Result<Repeats, ManifestError> {
    let mut repeats = found.repeats;
    let (same_ids, same_contents) = (found.same_id.count, found.same_content.count);
    let (with_same_id, with_same_content) = (found.same_id.into_places(), found.same_content.into_places());
    let mut wanted: Vec<u32> = repeats.first_rows().collect();
    for place in with_same_id.iter().chain(&with_same_content) {
        wanted.extend([place.row, place.first_row]);
    }
    let places = Places::look_up(file, wanted, &with_same_id)?;
    repeats.place(|row| places.line_of(row));

    let id = Field::Id.as_str();
    report.add_unplaced(Rule::RepeatedId, Some(id.into()), same_ids - with_same_id.len() as u64);
    for (place, text) in with_same_id.iter().zip(&places.ids) {
        let text = format!("{text}, {}", ground.within(places.line_of(place.first_row)));
        let problem = Problem::of_column(Rule::RepeatedId, id, text);
        report.add(Some(place.row), places.line_of(place.row), &problem);
    }
    report.add_unplaced(Rule::RepeatedRow, None, same_contents - with_same_content.len() as u64);
    for place in with_same_content {
        let text = ground.within(places.line_of(place.first_row));
        let problem = Problem::of_row(Rule::RepeatedRow, text);
        report.add(Some(place.row), places.line_of(place.row), &problem);
    }
    Ok(repeats)
}

/// What has to be known of rows that repeat others, and was not kept of all rows: the file is read again for it, up to
/// the last of them.
struct Places {
    /// Sorted by row.
    rows: Vec<u32>,
    lines: Vec<u32>,
    ids: Vec<String>,
}

impl Places {
    fn look_up(
        (path, reading): (&Path, &Reading),
        mut rows: Vec<u32>,
        with_same_id: &[Repetition],
    ) -> Result<Places, ManifestError> {
        rows.sort_unstable();
        rows.dedup();
        let (mut lines, mut ids) = (Vec::with_capacity(rows.len()), Vec::new());
        if rows.is_empty() {
            return Ok(Places { rows, lines, ids });
        }
        let mut manifest = Manifest::open_without_images(path, reading)?;
        let mut row = Row::default();
        while lines.len() < rows.len() && manifest.read(&mut row)? {
            if row.number() != rows[lines.len()] {
                continue;
            }
            lines.push(row.line());
            if with_same_id
                .get(ids.len())
                .is_some_and(|place| place.row == row.number())
            {
                ids.push(escape::excerpt(row.id().unwrap_or_default(), MOST_SHOWN));
            }
        }
        if lines.len() < rows.len() {
            return Err(ManifestError::Changed { path: path.into() });
        }
        Ok(Places { rows, lines, ids })
    }

    fn line_of(&self, row: u32) -> u32 {
        let at = self
            .rows
            .binary_search(&row)
            .expect("every row that is asked for was looked up");
        self.lines[at]
    }
}

#[cfg(test)]
mod tests;
