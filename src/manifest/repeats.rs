//! Which rows repeat an earlier one: the same `id`, or the same content.
//!
//! Each row leaves 16 bytes for each of the two questions, and no more. Sorting them brings equal ones together. At the
//! limit of a million rows that is 32 MB, which is less trouble than a temporary file and leaves half of the memory a
//! run may take.

mod entry;

use std::collections::BinaryHeap;
use std::thread;

use crate::manifest::quick_hash::Keys;
use crate::manifest::repeats::entry::Entry;
use crate::manifest::survey::KindCounts;
use crate::manifest::{MOST_ROWS, Row};

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
    /// Sorted by row. If the row is marked, the other number tells its first row, else which copy it is.
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

    /// The first rows of repeated `id`s, by number until [`Repeats::place`] turns them into lines.
    pub(super) fn first_rows(&self) -> impl Iterator<Item = u32> {
        let marked = self.found.iter().filter(|(row, _)| row & SAME_ID != 0);
        marked.map(|(_, first)| *first)
    }

    /// Replaces the numbers of first rows by their lines.
    pub(super) fn place(&mut self, line_of: impl Fn(u32) -> u32) {
        for (_, first) in self.found.iter_mut().filter(|(row, _)| row & SAME_ID != 0) {
            *first = line_of(*first);
        }
    }
}

/// Collects what is needed to find repetitions.
#[derive(Debug)]
pub(super) struct RepeatFinder {
    keys: Keys,
    ids: Vec<Entry>,
    contents: Vec<Entry>,
}

/// What was found, with numbers of rows where there will be lines.
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
    pub(super) first_row: u32,
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

impl RepeatFinder {
    pub(super) fn new() -> RepeatFinder {
        RepeatFinder {
            keys: Keys::random(),
            ids: Vec::new(),
            contents: Vec::new(),
        }
    }

    /// Takes in a row. Invalid rows count only by their `id`, which the ledger knows them by.
    pub(super) fn add(&mut self, row: &Row) {
        if let Some(submission) = row.submission() {
            let hash = self.keys.hash(submission.content_parts());
            self.contents.push(Entry::new(hash, row));
        }
        if let Some(id) = row.id() {
            let hash = self.keys.hash([id.as_bytes()]);
            self.ids.push(Entry::new(hash, row));
        }
    }

    /// Compares everything with everything.
    pub(super) fn finish(self) -> Found {
        let RepeatFinder {
            mut ids, mut contents, ..
        } = self;
        thread::scope(|scope| {
            scope.spawn(|| ids.sort_unstable());
            contents.sort_unstable();
        });
        let mut found = Found::default();
        each_group(&ids, |first, later| found.add_same_id(first, later));
        each_group(&contents, |first, later| found.add_same_content(first, later));
        found.repeats.found.sort_unstable_by_key(|(row, _)| row & !SAME_ID);
        found
    }
}

/// Shows those of the sorted entries whose hash occurs more than once, in the order of the file.
fn each_group(entries: &[Entry], mut take: impl FnMut(Entry, &[Entry])) {
    for group in entries.chunk_by(|one, next| one.has_hash_of(*next)) {
        if let [first, later @ ..] = group
            && !later.is_empty()
        {
            take(*first, later);
        }
    }
}

impl Found {
    fn add_same_id(&mut self, first: Entry, later: &[Entry]) {
        let first_row = first.row();
        for entry in later {
            let row = entry.row();
            self.same_id.add(Repetition { row, first_row });
            self.repeats.found.push((row | SAME_ID, first_row));
            if let Some((length, resolution)) = entry.kind() {
                self.spoiled.add(length, resolution);
            }
        }
    }

    fn add_same_content(&mut self, first: Entry, later: &[Entry]) {
        let first_row = first.row();
        let mut copies = u32::from(!first.has_id());
        for entry in later {
            let row = entry.row();
            self.same_content.add(Repetition { row, first_row });
            if !entry.has_id() {
                if copies > 0 {
                    self.repeats.found.push((row, copies));
                }
                copies += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::manifest::Field;
    use crate::row::{ClipLength, Resolution};
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
        row.settle(None);
        row
    }

    fn find(cases: &[Case]) -> Found {
        let mut finder = RepeatFinder::new();
        for (number, case) in (1..).zip(cases) {
            finder.add(&row(number, *case));
        }
        let mut found = finder.finish();
        found.repeats.place(|row| row * 3);
        found
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
        let found = find(&[(1, 1, true), (2, 2, true), (1, 3, true), (1, 4, false)]);
        assert_eq!(found.repeats.of(1), Repeat::First);
        assert_eq!(found.repeats.of(3), Repeat::SameId { first_line: 3 });
        assert_eq!(found.spoiled.of(ClipLength::Ten, Resolution::P768), 1);
        let places: Vec<u32> = found.same_id.into_places().iter().map(|place| place.row).collect();
        assert_eq!((places, found.same_content.count), (vec![3, 4], 0));
    }

    #[test]
    fn equal_content_is_noticed_also_under_different_ids() {
        let found = find(&[(1, 1, true), (2, 1, true), (0, 1, true), (0, 1, true)]);
        assert_eq!(found.same_content.count, 3);
        assert_eq!(found.repeats.of(2), Repeat::First);
        assert_eq!(found.repeats.of(3), Repeat::First);
        assert_eq!(found.repeats.of(4), Repeat::Copy(1));
    }

    #[test]
    fn only_the_first_places_are_kept_and_all_are_counted() {
        let found = find(&vec![(0, 1, true); 3_000]);
        assert_eq!(found.same_content.count, 2_999);
        let places = found.same_content.into_places();
        assert_eq!((places.len(), places[0].row, places[999].row), (MOST_PLACES, 2, 1_001));
        assert_eq!(found.repeats.of(3_000), Repeat::Copy(2_999));
    }

    proptest! {
        #[test]
        fn a_hash_map_finds_the_same(
            cases in proptest::collection::vec((0u8..6, 0u8..4, any::<bool>()), 0..60),
        ) {
            let found = find(&cases);
            let said: Vec<Repeat> = (1..).zip(&cases).map(|(number, _)| found.repeats.of(number)).collect();
            prop_assert_eq!(said, naive(&cases));
        }
    }
}
