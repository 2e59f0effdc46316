//! One row's answer to "which `id`?" or "which content?", in one number.

use crate::manifest::{MOST_ROWS, Row};
use crate::row::{ClipLength, Resolution};

/// From the highest bit down: 104 bits of hash, the row, and what has to be known of it. Sorting entries as numbers
/// brings equal hashes together, in the order of their rows.
///
/// Among the million rows a manifest may have, two different texts share a hash once in 10^19 files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

const MARK_BITS: u32 = 4;
const ROW_BITS: u32 = 20;
const _: () = assert!(MOST_ROWS < 1 << ROW_BITS);

const HAS_ID: u32 = 1;
const VALID: u32 = 2;
const TEN: u32 = 4;
const P1080: u32 = 8;

impl Entry {
    pub(super) fn new(hash: u128, row: &Row) -> Entry {
        let mark = |mark: u32, is_set: bool| if is_set { mark } else { 0 };
        let kind = row.choice.map(|choice| (choice.length, choice.resolution));
        let (length, resolution) = kind.unwrap_or_default();
        let marks = mark(HAS_ID, row.id().is_some())
            | mark(VALID, kind.is_some())
            | mark(TEN, length == ClipLength::Ten)
            | mark(P1080, resolution == Resolution::P1080);
        let low = row.number() << MARK_BITS | marks;
        let hash = hash >> (ROW_BITS + MARK_BITS) << (ROW_BITS + MARK_BITS);
        Entry(hash | u128::from(low))
    }

    pub(super) fn has_hash_of(self, other: Entry) -> bool {
        (self.0 ^ other.0) >> (ROW_BITS + MARK_BITS) == 0
    }

    pub(super) fn row(self) -> u32 {
        self.low() >> MARK_BITS
    }

    /// Whether the row has an `id`.
    pub(super) fn has_id(self) -> bool {
        self.low() & HAS_ID != 0
    }

    /// What the row asks for; `None` if it is invalid.
    pub(super) fn kind(self) -> Option<(ClipLength, Resolution)> {
        let has = |mark: u32| self.low() & mark != 0;
        let length = if has(TEN) { ClipLength::Ten } else { ClipLength::Six };
        let resolution = if has(P1080) {
            Resolution::P1080
        } else {
            Resolution::P768
        };
        has(VALID).then_some((length, resolution))
    }

    fn low(self) -> u32 {
        (self.0 & ((1 << (ROW_BITS + MARK_BITS)) - 1)) as u32
    }
}
