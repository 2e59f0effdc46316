//! Which rows repeat an earlier one: the same `id`, or the same content.
//!
//! Each row leaves one entry per question, 24 bytes long. Sorting them brings equal ones together; what does not fit in
//! memory is sorted in chunks, spilled to temporary files and merged.

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use crate::manifest::survey::KindCounts;
use crate::manifest::{MOST_ROWS, Row};
use crate::row::{ClipLength, Resolution, RowKey};

/// Entries sorted in memory at once: 12 MiB of them.
const CHUNK_ENTRIES: usize = 512 << 10;

/// How many repetitions of each kind are kept with their places, for the report.
const MOST_PLACES: usize = 1_000;

/// What a row is among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// No earlier row has its `id`, or, if it has none, its content.
    First,
    /// The row has no `id`, and this many earlier rows without one have the same content: at least 1.
    Copy(u32),
    /// An earlier row has the same `id`: the row is invalid.
    SameId {
        /// Line on which the first row with this `id` begins.
        first_line: u32,
    },
}

/// The rows that repeat earlier ones. Eight bytes for each of them and none for the others.
#[derive(Debug, Default)]
pub struct Repeats {
    /// Sorted by row; the value is the line of the first row if the mark is set, else the number of the copy.
    found: Vec<(u32, u32)>,
}

/// In a row number of [`Repeats`]: the row repeats an `id`.
const SAME_ID: u32 = 1 << 31;
const _: () = assert!(MOST_ROWS < SAME_ID);

impl Repeats {
    /// What the row of this number is.
    pub fn of(&self, row: u32) -> Repeat {
        match self.found.binary_search_by_key(&row, |(found, _)| found & !SAME_ID) {
            Err(_) => Repeat::First,
            Ok(at) => match self.found[at] {
                (marked, first_line) if marked & SAME_ID != 0 => Repeat::SameId { first_line },
                (_, copy) => Repeat::Copy(copy),
            },
        }
    }

    /// Whether no row repeats another, apart from rows with different `id`s.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Collects what is needed to find repetitions.
#[derive(Debug)]
pub(super) struct RepeatFinder {
    chunk: Vec<Entry>,
    chunk_entries: usize,
    spilled: Vec<File>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) repeats: Repeats,
    /// Rows whose `id` was already used.
    pub(super) same_id: Repetitions,
    /// Rows whose content was already asked for, with or without `id`s.
    pub(super) same_content: Repetitions,
    /// The rows, by kind, that would be valid if their `id` were not used already.
    pub(super) spoiled: KindCounts,
}

/// The first of the repetitions of a kind, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Repetitions {
    pub(super) count: u64,
    earliest: BinaryHeap<Repetition>,
}

/// A row and the first row that it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Repetition {
    pub(super) row: u32,
    pub(super) line: u32,
    pub(super) first_line: u32,
}

impl Repetitions {
    fn add(&mut self, repetition: Repetition) {
        self.count += 1;
        self.earliest.push(repetition);
        if self.earliest.len() > MOST_PLACES {
            self.earliest.pop();
        }
    }

    /// The kept ones in the order of the file.
    pub(super) fn into_places(self) -> Vec<Repetition> {
        self.earliest.into_sorted_vec()
    }
}

/// One row's answer to "which `id`" or "which content".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// 128 bits as two words: one `u128` would take 32 bytes for the entry.
    hash: [u64; 2],
    /// The row in the high bits, so that entries of one hash sort by row; the marks in the low ones.
    row_and_marks: u32,
    line: u32,
}

const MARK_BITS: u32 = 8;
const _: () = assert!(MOST_ROWS < 1 << (32 - MARK_BITS));

/// The entry is about the row's `id`, not its content.
const OF_ID: u32 = 1;
/// The row has an `id`.
const HAS_ID: u32 = 2;
/// The row is valid, and the marks above say of which kind.
const VALID: u32 = 4;
const TEN: u32 = 8;
const P1080: u32 = 16;

impl Entry {
    const BYTES: usize = 24;

    fn new(hash: [u8; 16], row: &Row, marks: u32) -> Entry {
        let bits = u128::from_be_bytes(hash);
        Entry {
            hash: [(bits >> 64) as u64, bits as u64],
            row_and_marks: row.number() << MARK_BITS | marks,
            line: row.line(),
        }
    }

    fn row(self) -> u32 {
        self.row_and_marks >> MARK_BITS
    }

    fn has(self, mark: u32) -> bool {
        self.row_and_marks & mark != 0
    }

    fn kind(self) -> (ClipLength, Resolution) {
        let length = if self.has(TEN) {
            ClipLength::Ten
        } else {
            ClipLength::Six
        };
        let resolution = if self.has(P1080) {
            Resolution::P1080
        } else {
            Resolution::P768
        };
        (length, resolution)
    }

    fn to_bytes(self) -> [u8; Entry::BYTES] {
        let mut bytes = [0; Entry::BYTES];
        bytes[..8].copy_from_slice(&self.hash[0].to_le_bytes());
        bytes[8..16].copy_from_slice(&self.hash[1].to_le_bytes());
        bytes[16..20].copy_from_slice(&self.row_and_marks.to_le_bytes());
        bytes[20..].copy_from_slice(&self.line.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; Entry::BYTES]) -> Entry {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        Entry {
            hash: [word(0), word(8)],
            row_and_marks: half(16),
            line: half(20),
        }
    }
}

impl RepeatFinder {
    pub(super) fn new() -> RepeatFinder {
        RepeatFinder::with_chunks_of(CHUNK_ENTRIES)
    }

    fn with_chunks_of(chunk_entries: usize) -> RepeatFinder {
        RepeatFinder {
            chunk: Vec::new(),
            chunk_entries,
            spilled: Vec::new(),
        }
    }

    /// Takes in a row. Invalid rows count only by their `id`, which the ledger knows them by.
    pub(super) fn add(&mut self, row: &Row) -> io::Result<()> {
        let id = row.id();
        let submission = row.submission();
        let mut marks = 0;
        if id.is_some() {
            marks |= HAS_ID;
        }
        if let Some(submission) = &submission {
            marks |= VALID;
            marks |= if submission.length == ClipLength::Ten { TEN } else { 0 };
            marks |= if submission.resolution == Resolution::P1080 {
                P1080
            } else {
                0
            };
            self.push(Entry::new(submission.content().0, row, marks))?;
        }
        match id {
            Some(id) => self.push(Entry::new(RowKey::of_id(id).0, row, marks | OF_ID)),
            None => Ok(()),
        }
    }

    fn push(&mut self, entry: Entry) -> io::Result<()> {
        if self.chunk.len() == self.chunk_entries {
            self.spill()?;
        }
        self.chunk.push(entry);
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.chunk.sort_unstable();
        let mut file = BufWriter::with_capacity(64 << 10, tempfile::tempfile()?);
        for entry in self.chunk.drain(..) {
            file.write_all(&entry.to_bytes())?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.spilled.push(file);
        Ok(())
    }

    /// Compares everything with everything.
    pub(super) fn finish(mut self) -> io::Result<Found> {
        self.chunk.sort_unstable();
        let mut sources: Vec<Source> = self.spilled.into_iter().map(Source::file).collect();
        sources.push(Source::Memory(self.chunk.into_iter()));
        let mut heads: Vec<(Entry, Source)> = Vec::with_capacity(sources.len());
        for mut source in sources {
            if let Some(entry) = source.next()? {
                heads.push((entry, source));
            }
        }
        let mut found = Found::default();
        let mut group: Option<(Entry, u32)> = None;
        // There are at most four chunks, so looking at every head is as quick as a heap.
        while let Some(least) = (0..heads.len()).min_by_key(|at| heads[*at].0) {
            let (entry, source) = &mut heads[least];
            let entry = std::mem::replace(entry, *entry);
            match source.next()? {
                Some(next) => heads[least].0 = next,
                None => drop(heads.swap_remove(least)),
            }
            match &mut group {
                Some((first, copies)) if first.hash == entry.hash => found.add(*first, entry, copies),
                _ => group = Some((entry, u32::from(!entry.has(HAS_ID)))),
            }
        }
        found.repeats.found.sort_unstable_by_key(|(row, _)| row & !SAME_ID);
        Ok(found)
    }
}

impl Found {
    /// Takes in an entry that equals an earlier one; `copies` is how many rows without `id` the group had before.
    fn add(&mut self, first: Entry, entry: Entry, copies: &mut u32) {
        let repetition = Repetition {
            row: entry.row(),
            line: entry.line,
            first_line: first.line,
        };
        if entry.has(OF_ID) {
            self.same_id.add(repetition);
            self.repeats.found.push((entry.row() | SAME_ID, first.line));
            if entry.has(VALID) {
                let (length, resolution) = entry.kind();
                self.spoiled.add(length, resolution);
            }
            return;
        }
        self.same_content.add(repetition);
        if !entry.has(HAS_ID) {
            if *copies > 0 {
                self.repeats.found.push((entry.row(), *copies));
            }
            *copies += 1;
        }
    }
}

/// A sorted chunk, in memory or on disk.
enum Source {
    Memory(std::vec::IntoIter<Entry>),
    File(BufReader<File>),
}

impl Source {
    fn file(file: File) -> Source {
        Source::File(BufReader::with_capacity(64 << 10, file))
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Source::Memory(entries) => Ok(entries.next()),
            Source::File(file) => {
                let mut bytes = [0; Entry::BYTES];
                match file.read_exact(&mut bytes) {
                    Ok(()) => Ok(Some(Entry::from_bytes(&bytes))),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::manifest::Field;
    use proptest::prelude::*;

    /// A row by what matters here: its `id` (0 for none), its prompt, and whether it is valid.
    type Case = (u8, u8, bool);

    fn row(number: u32, (id, prompt, valid): Case) -> Row {
        let mut row = Row {
            number,
            line: number * 3,
            ..Row::default()
        };
        if id > 0 {
            row.cells.set(Field::Id, &format!("a-{id}"));
        }
        row.cells.set(Field::Prompt, &format!("a boat, take {prompt}"));
        row.cells.set(Field::ImageUrl, "https://img.example.org/1.png");
        row.cells.set(Field::Duration, if valid { "10" } else { "7" });
        row.settle();
        row
    }

    fn find(cases: &[Case], chunk: usize) -> Found {
        let mut finder = RepeatFinder::with_chunks_of(chunk);
        for (number, case) in (1..).zip(cases) {
            finder.add(&row(number, *case)).unwrap();
        }
        finder.finish().unwrap()
    }

    fn naive(cases: &[Case]) -> Vec<Repeat> {
        let mut ids = HashMap::new();
        let mut contents: HashMap<u8, u32> = HashMap::new();
        let repeat = |(number, (id, prompt, valid)): (u32, &Case)| {
            if *id > 0 {
                let first_line = *ids.entry(*id).or_insert(number * 3);
                return if first_line == number * 3 {
                    Repeat::First
                } else {
                    Repeat::SameId { first_line }
                };
            }
            if !valid {
                return Repeat::First;
            }
            let copies = contents.entry(*prompt).or_default();
            *copies += 1;
            if *copies == 1 {
                Repeat::First
            } else {
                Repeat::Copy(*copies - 1)
            }
        };
        (1..).zip(cases).map(repeat).collect()
    }

    #[test]
    fn a_repeated_id_spoils_the_later_rows() {
        let found = find(&[(1, 1, true), (2, 2, true), (1, 3, true), (1, 4, false)], 100);
        assert_eq!(found.repeats.of(1), Repeat::First);
        assert_eq!(found.repeats.of(3), Repeat::SameId { first_line: 3 });
        assert_eq!(found.spoiled.of(ClipLength::Ten, Resolution::P768), 1);
        let places: Vec<u32> = found.same_id.into_places().iter().map(|place| place.line).collect();
        assert_eq!((places, found.same_content.count), (vec![9, 12], 0));
    }

    #[test]
    fn equal_content_is_noticed_also_under_different_ids() {
        let found = find(&[(1, 1, true), (2, 1, true), (0, 1, true), (0, 1, true)], 100);
        assert_eq!(found.same_content.count, 3);
        assert_eq!(found.repeats.of(2), Repeat::First);
        assert_eq!(found.repeats.of(3), Repeat::First);
        assert_eq!(found.repeats.of(4), Repeat::Copy(1));
    }

    #[test]
    fn only_the_first_places_are_kept_and_all_are_counted() {
        let found = find(&vec![(0, 1, true); 3_000], 512);
        assert_eq!(found.same_content.count, 2_999);
        let places = found.same_content.into_places();
        assert_eq!((places.len(), places[0].row, places[999].row), (MOST_PLACES, 2, 1_001));
        assert_eq!(found.repeats.of(3_000), Repeat::Copy(2_999));
    }

    proptest! {
        #[test]
        fn a_hash_map_finds_the_same(
            cases in proptest::collection::vec((0u8..6, 0u8..4, any::<bool>()), 0..60),
            chunk in 1usize..40,
        ) {
            let found = find(&cases, chunk);
            let said: Vec<Repeat> = (1..).zip(&cases).map(|(number, _)| found.repeats.of(number)).collect();
            prop_assert_eq!(said, naive(&cases));
        }
    }
}
