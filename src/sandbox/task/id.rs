//! Task ids: in the API's form, 32 hexadecimal digits, and with everything in them that a task is.
//!
//! ```text
//! bits  127……86   85……62       61…54     53…49    48…45  44……24     23…0
//!       created   generation   credits   ending   file   sequence   check
//!       ms        ms
//! ```

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::UnixMillis;
use crate::sandbox::trouble::{Ending, FileTrouble};

const CREATED: Field = Field { at: 86, bits: 42 };
const GENERATION: Field = Field { at: 62, bits: 24 };
const CREDITS: Field = Field { at: 54, bits: 8 };
const ENDING: Field = Field { at: 49, bits: 5 };
const FILE: Field = Field { at: 45, bits: 4 };
const SEQUENCE: Field = Field { at: 24, bits: 21 };
const CHECK: Field = Field { at: 0, bits: 24 };

/// Where a number stands in an id.
#[derive(Clone, Copy)]
struct Field {
    at: u32,
    bits: u32,
}

impl Field {
    const fn largest(self) -> u128 {
        (1 << self.bits) - 1
    }

    /// The number in its place; one that is too large becomes the largest there is.
    fn put(self, number: u128) -> u128 {
        number.min(self.largest()) << self.at
    }

    fn of(self, id: u128) -> u64 {
        let number = (id >> self.at) & self.largest();
        u64::try_from(number).expect("no field has more than 64 bits")
    }
}

/// A task's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sandbox) struct TaskId(u128);

impl TaskId {
    /// Reads an id; `None` for one that no sandbox gave.
    pub(in crate::sandbox) fn read(text: &str) -> Option<TaskId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return None;
        }
        let id = u128::from_str_radix(text, 16).ok()?;
        (u128::from(CHECK.of(id)) == check_of(id)).then_some(TaskId(id))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// What an id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Task {
    pub(in crate::sandbox) id: TaskId,
    pub(in crate::sandbox) created: UnixMillis,
    /// How long it takes from its creation to its end, in whole milliseconds, at most 4 h 39 min.
    pub(in crate::sandbox) generation: Duration,
    pub(in crate::sandbox) credits: u8,
    pub(in crate::sandbox) ending: Ending,
    pub(in crate::sandbox) file: FileTrouble,
}

impl Task {
    /// A task with an id that no task had before.
    pub(in crate::sandbox) fn new(
        created: UnixMillis,
        generation: Duration,
        credits: u8,
        ending: Ending,
        file: FileTrouble,
    ) -> Task {
        let fields = CREATED.put(u128::try_from(created.0).unwrap_or(0))
            | GENERATION.put(generation.as_millis())
            | CREDITS.put(credits.into())
            | ENDING.put(ending.number().into())
            | FILE.put(file.number().into())
            | (u128::from(next_in_sequence()) & SEQUENCE.largest()) << SEQUENCE.at;
        Task::of(TaskId(fields | check_of(fields))).expect("the id was made from an ending and a trouble")
    }

    /// Reads a task from the text of its id; `None` for an id that no sandbox gave.
    pub(in crate::sandbox) fn read(text: &str) -> Option<Task> {
        Task::of(TaskId::read(text)?)
    }

    fn of(id: TaskId) -> Option<Task> {
        let small = |field: Field| u8::try_from(field.of(id.0)).ok();
        Some(Task {
            id,
            created: UnixMillis(i64::try_from(CREATED.of(id.0)).ok()?),
            generation: Duration::from_millis(GENERATION.of(id.0)),
            credits: small(CREDITS)?,
            ending: Ending::numbered(small(ENDING)?)?,
            file: FileTrouble::numbered(small(FILE)?)?,
        })
    }

    /// When it ends; `None` for a task that never does.
    pub(in crate::sandbox) fn completed(&self) -> Option<UnixMillis> {
        match self.ending {
            Ending::Never => None,
            Ending::Video
            | Ending::Failure { .. }
            | Ending::OddState
            | Ending::NoUrl
            | Ending::LateRecord
            | Ending::NoRecord => {
                let millis = i64::try_from(self.generation.as_millis()).unwrap_or(i64::MAX);
                Some(UnixMillis(self.created.0.saturating_add(millis)))
            }
        }
    }

    /// Tells half of the tasks from the other half.
    pub(in crate::sandbox) fn is_odd(&self) -> bool {
        SEQUENCE.of(self.id.0) % 2 == 1
    }
}

/// Tells apart the tasks of one millisecond. It is never seeded, and starts somewhere else in each process, so that an
/// id does not come back in the next sandbox.
fn next_in_sequence() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static START: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| fastrand::u32(..));
    START.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The check value of an id's other fields.
fn check_of(id: u128) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update(b"a task of the sandbox");
    hasher.update((id >> CHECK.bits).to_be_bytes());
    let hash = hasher.finalize();
    u128::from(u32::from_be_bytes([0, hash[0], hash[1], hash[2]]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn task(ending: Ending, file: FileTrouble) -> Task {
        Task::new(
            UnixMillis(1_790_000_000_123),
            Duration::from_millis(4_567),
            30,
            ending,
            file,
        )
    }

    #[test]
    fn an_id_says_everything_about_its_task() {
        for (ending, file) in [
            (Ending::Video, FileTrouble::None),
            (Ending::NO_IMAGE, FileTrouble::Elsewhere),
            (Ending::NoRecord, FileTrouble::Cut),
        ] {
            let task = task(ending, file);
            let text = task.id.to_string();
            assert_eq!(text.len(), 32);
            assert_eq!(Task::read(&text), Some(task));
            assert_eq!((task.ending, task.file, task.credits), (ending, file, 30));
            assert_eq!(task.created, UnixMillis(1_790_000_000_123));
            assert_eq!(task.completed(), Some(UnixMillis(1_790_000_004_690)));
        }
        assert_eq!(task(Ending::Never, FileTrouble::None).completed(), None);
    }

    /// Ledgers hold ids: a newer program must read them as this one does.
    #[test]
    fn the_form_of_an_id_does_not_change() {
        let task = Task::read("6831141b1ec00475c78e60000570226a").unwrap();
        assert_eq!(task.created, UnixMillis(1_790_000_000_123));
        assert_eq!((task.generation, task.credits), (Duration::from_millis(4_567), 30));
        assert_eq!(
            (task.ending, task.file, task.is_odd()),
            (Ending::OddState, FileTrouble::Cut, true)
        );
    }

    #[test]
    fn numbers_without_room_stop_at_the_largest() {
        let long = Task::new(UnixMillis(-5), Duration::MAX, 255, Ending::Video, FileTrouble::None);
        assert_eq!((long.created, long.credits), (UnixMillis(0), 255));
        assert_eq!(long.generation, Duration::from_millis((1 << 24) - 1));
    }

    #[test]
    fn the_tasks_of_one_moment_differ() {
        let ids: HashSet<TaskId> = (0..10_000).map(|_| task(Ending::Video, FileTrouble::None).id).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn other_peoples_ids_are_not_ours() {
        let ours = task(Ending::Video, FileTrouble::None).id.to_string();
        for foreign in [
            "",
            "7d3f5a90c1b84e6fa2d4078b9e61c35f",
            "task_hailuo_1790000004242",
            "00000000000000000000000000000000",
            &ours.to_uppercase(),
            &ours[1..],
            &format!("{ours}0"),
            &format!("+{}", &ours[1..]),
        ] {
            assert_eq!(Task::read(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn an_id_with_one_wrong_digit_is_not_ours(place in 0usize..32, digit in 0u32..16) {
            let text = task(Ending::Video, FileTrouble::None).id.to_string();
            let mut digits: Vec<char> = text.chars().collect();
            digits[place] = char::from_digit(digit, 16).unwrap();
            let changed: String = digits.into_iter().collect();
            // One in 16 million changes passes the check, by design.
            prop_assert!(changed == text || Task::read(&changed).is_none());
        }
    }
}
