//! What came, and what of it is worth a line: at most one a minute for each kind, however much comes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::refusal::Refusal;
use crate::escape;
use crate::ledger::Announced;
use crate::row::TaskId;

/// How long a kind of notice is held back after it was given.
const QUIET: Duration = Duration::from_secs(60);

/// How many signed calls are remembered, to judge this machine's clock by.
const STAMPS: usize = 16;

/// How many have to come before it is judged.
const FEWEST_STAMPS: usize = 5;

/// What a receiver got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiverCounts {
    /// Callbacks that made their row due.
    pub taken: u64,
    /// Callbacks for rows whose end was known.
    pub known: u64,
    /// Callbacks about a task that their row does not have.
    pub extra: u64,
    /// Callbacks that were not taken, by the reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Connections closed before their request was whole, to make room for others.
    pub evicted: u64,
    /// Connections that brought nothing that could be read as a request.
    pub broken: u64,
}

/// Something worth a line; [`fmt::Display`] has the line. A notice stands for all of its kind since the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A row's callback named a task that is not the row's: a request that was answered with an error was taken after
    /// all, and may be charged.
    Extra {
        /// The row's place in the manifest; `None` if the manifest no longer has it.
        row: Option<u32>,
        /// The task.
        task_id: TaskId,
        /// How many such callbacks.
        count: u64,
    },
    /// Callbacks were not taken.
    Refused {
        /// Why.
        refusal: Refusal,
        /// How many.
        count: u64,
    },
    /// Connections were closed to make room for others.
    Crowded {
        /// How many.
        count: u64,
    },
    /// Most of the calls that Kie.ai signed lie outside the window.
    ClockOff {
        /// How far the latest was from this machine's clock.
        by: Duration,
    },
    /// The system gives no more connections.
    NoConnection {
        /// Its words.
        error: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = |count: u64, one: &str, many: &str| match count {
            1 => format!("a {one}"),
            _ => format!("{count} {many}"),
        };
        match self {
            Notice::Extra { row, task_id, count } => {
                match row {
                    Some(row) => write!(formatter, "row {row}")?,
                    None => formatter.write_str("a row that left the manifest")?,
                }
                write!(
                    formatter,
                    " has a second task, of a request that was answered with an error, and it may be charged: {task_id}"
                )?;
                match count {
                    0 | 1 => Ok(()),
                    _ => write!(formatter, " (and {} more like it)", count - 1),
                }
            }
            Notice::Refused { refusal, count } => {
                let calls = calls(*count, "callback was", "callbacks were");
                let why = refusal.for_user().unwrap_or_else(|| refusal.message());
                write!(formatter, "{calls} refused: {why}")
            }
            Notice::Crowded { count } => {
                let connections = calls(*count, "connection was", "connections were");
                write!(
                    formatter,
                    "{connections} closed to make room: somebody keeps many open without sending a callback"
                )
            }
            Notice::ClockOff { by } => write!(
                formatter,
                "this machine's clock is probably wrong: most callbacks of Kie.ai lie outside the window, the latest by \
                 {} s; until it is set they are refused, and tasks are looked at now and then instead",
                by.as_secs()
            ),
            Notice::NoConnection { error } => {
                write!(formatter, "no callback can come in: {}", escape::for_terminal(error))
            }
        }
    }
}

/// Keeps the counts and gives the notices.
pub(super) struct News {
    books: Mutex<Books>,
    notice: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl fmt::Debug for News {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("News")
            .field("books", &self.books)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Books {
    counts: ReceiverCounts,
    quiet: HashMap<Kind, Quiet>,
    /// Of the latest signed calls, whether they lay outside the window.
    stamps: VecDeque<bool>,
}

/// What is told apart when notices are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Extra,
    Refused(Refusal),
    Crowded,
    ClockOff,
    NoConnection,
}

/// One kind's notices that were held back.
#[derive(Debug, Default)]
struct Quiet {
    told_at: Option<Instant>,
    untold: u64,
}

impl Books {
    /// How many of this kind to tell of now; `None`: not now.
    fn due(&mut self, kind: Kind) -> Option<u64> {
        let quiet = self.quiet.entry(kind).or_default();
        quiet.untold += 1;
        if quiet.told_at.is_some_and(|told_at| told_at.elapsed() < QUIET) {
            return None;
        }
        quiet.told_at = Some(Instant::now());
        Some(std::mem::take(&mut quiet.untold))
    }
}

impl News {
    pub(super) fn new(notice: Arc<dyn Fn(Notice) + Send + Sync>) -> News {
        News {
            books: Mutex::default(),
            notice,
        }
    }

    pub(super) fn counts(&self) -> ReceiverCounts {
        self.books().counts.clone()
    }

    /// A callback about `task_id` was taken.
    pub(super) fn taken(&self, announced: Announced, task_id: TaskId) {
        let due = {
            let mut books = self.books();
            match announced {
                Announced::Due => books.counts.taken += 1,
                Announced::Known => books.counts.known += 1,
                Announced::Extra { .. } => books.counts.extra += 1,
                Announced::NoSuchRequest => {}
            }
            match announced {
                Announced::Extra { number } => books.due(Kind::Extra).map(|count| (number, count)),
                _ => None,
            }
        };
        if let Some((row, count)) = due {
            (self.notice)(Notice::Extra { row, task_id, count });
        }
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        let due = {
            let mut books = self.books();
            *books.counts.refused.entry(refusal).or_default() += 1;
            refusal.for_user().and_then(|_| books.due(Kind::Refused(refusal)))
        };
        if let Some(count) = due {
            (self.notice)(Notice::Refused { refusal, count });
        }
    }

    /// A call came that Kie.ai did sign, `outside` the window by so much.
    pub(super) fn stamped(&self, outside: Option<Duration>) {
        let due = {
            let mut books = self.books();
            books.stamps.truncate(STAMPS - 1);
            books.stamps.push_front(outside.is_some());
            let out = books.stamps.iter().filter(|outside| **outside).count();
            let judged = books.stamps.len() >= FEWEST_STAMPS && 2 * out > books.stamps.len();
            outside.filter(|_| judged && books.due(Kind::ClockOff).is_some())
        };
        if let Some(by) = due {
            (self.notice)(Notice::ClockOff { by });
        }
    }

    pub(super) fn evicted(&self) {
        let due = {
            let mut books = self.books();
            books.counts.evicted += 1;
            books.due(Kind::Crowded)
        };
        if let Some(count) = due {
            (self.notice)(Notice::Crowded { count });
        }
    }

    pub(super) fn broken(&self) {
        self.books().counts.broken += 1;
    }

    pub(super) fn no_connection(&self, error: &io::Error) {
        let due = self.books().due(Kind::NoConnection);
        if due.is_some() {
            (self.notice)(Notice::NoConnection {
                error: error.to_string(),
            });
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("nothing panics while it holds the books")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that `act` leads to.
    fn lines(act: impl AsyncFnOnce(&News)) -> String {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let news = News::new(Arc::new(move |notice: Notice| {
            telling.lock().unwrap().push(notice.to_string());
        }));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(act(&news));
        told.lock().unwrap().join("\n")
    }

    #[test]
    fn trouble_is_told_at_once_and_then_once_a_minute_with_its_count() {
        let told = lines(async |news| {
            for _ in 0..1_000 {
                news.refused(Refusal::Forged);
                news.refused(Refusal::NoSuchPath);
            }
            news.refused(Refusal::NotRecorded);
            tokio::time::advance(QUIET).await;
            news.refused(Refusal::Forged);
            news.evicted();
            assert_eq!(news.counts().refused[&Refusal::Forged], 1_001);
            assert_eq!(news.counts().refused[&Refusal::NoSuchPath], 1_000);
        });
        insta::assert_snapshot!(told, @"
        a callback was refused: not signed with this webhook key
        a callback was refused: the ledger failed
        1000 callbacks were refused: not signed with this webhook key
        a connection was closed to make room: somebody keeps many open without sending a callback
        ");
    }

    #[test]
    fn a_second_task_is_told_with_its_row() {
        let told = lines(async |news| {
            let task_id = TaskId::new("t2").unwrap();
            news.taken(Announced::Due, task_id.clone());
            for number in [Some(7), Some(8), None] {
                news.taken(Announced::Extra { number }, task_id.clone());
                tokio::time::advance(QUIET / 2).await;
            }
            let counts = news.counts();
            assert_eq!((counts.taken, counts.known, counts.extra), (1, 0, 3));
        });
        insta::assert_snapshot!(told, @"
        row 7 has a second task, of a request that was answered with an error, and it may be charged: t2
        a row that left the manifest has a second task, of a request that was answered with an error, and it may be charged: t2 (and 1 more like it)
        ");
    }

    #[test]
    fn a_clock_is_doubted_when_most_signed_calls_lie_outside_the_window() {
        let by = Some(Duration::from_secs(3_720));
        let told = lines(async |news| {
            for outside in [None, None, by, by] {
                news.stamped(outside);
            }
        });
        assert_eq!(told, "", "half is not most");
        let told = lines(async |news| {
            for outside in [None, None, by, by, by] {
                news.stamped(outside);
            }
        });
        insta::assert_snapshot!(told, @"this machine's clock is probably wrong: most callbacks of Kie.ai lie outside the window, the latest by 3720 s; until it is set they are refused, and tasks are looked at now and then instead");
        let told = lines(async |news| {
            for _ in 0..1_000 {
                news.stamped(None);
            }
            for _ in 0..=STAMPS / 2 {
                assert_eq!(news.books().quiet.len(), 0);
                news.stamped(by);
            }
        });
        assert!(told.contains("by 3720 s"), "what was long ago does not count: {told}");
    }

    #[test]
    fn the_systems_words_are_escaped() {
        let told = lines(async |news| news.no_connection(&io::Error::other("no\u{1b}[2J")));
        assert_eq!(told, "no callback can come in: no\\u{1b}[2J");
    }
}
