//! What all viewers see: read and rendered once, whoever looks, and not at all while nobody does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant as RealInstant};

use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::{Live, Sections, Source};
use crate::ledger::LedgerError;
use crate::view::Overview;

/// How often the board is renewed while somebody looks, as far as the process itself knows.
const EVERY: Duration = Duration::from_secs(1);

/// The ledger is left alone for so many times as long as it took to read it: two parts in a hundred of the time.
const SHARE: u32 = 50;

/// The longest it is left alone while somebody looks.
const RAREST: Duration = Duration::from_secs(30);

/// How long the end waits for viewers to be told of it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long whoever was told of the end may ask for what it brought: the rows in their last states, pictures, videos.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// What viewers see.
pub(super) struct Board {
    source: Arc<dyn Source>,
    live: Live,
    sections: Sections,
    /// The last reading of the ledger. Held while it is read, by whoever reads: those who come meanwhile wait for it.
    reading: Arc<Mutex<Option<Reading>>>,
    /// What was seen of the ledger last, for whoever must not wait.
    frames: watch::Sender<Option<Arc<Frame>>>,
    /// Of the last frame.
    number: AtomicU64,
    /// What the last question about rows cost, in microseconds.
    rows_cost: AtomicU64,
    /// Notified when somebody begins to look.
    wanted: Notify,
    /// There will be no more frames, and nobody is to wait for them.
    is_over: AtomicBool,
}

/// The ledger at one moment.
#[derive(Clone)]
struct Reading {
    overview: Arc<Overview>,
    /// Grows whenever any row may have changed.
    rows: u64,
    stale_at: Instant,
}

/// The board at one moment.
#[derive(Debug)]
pub(super) struct Frame {
    /// From 1, rising.
    pub(super) number: u64,
    pub(super) sections: Vec<Section>,
    /// Grows whenever any row may have changed, though not before it is worth asking again.
    pub(super) rows: u64,
    /// Since when it is what it is.
    pub(super) rows_since: Instant,
    /// A run is at work in this process.
    pub(super) live: bool,
    /// This was the last one.
    pub(super) ended: bool,
}

impl Frame {
    /// The number of the rows that viewers are told behind this frame: the old one, if a question about them costs so
    /// much that they have to wait.
    fn rows_after(&self, rows: u64, cost: Duration) -> u64 {
        match self.rows_since.elapsed() < left_alone(cost) {
            true => self.rows,
            false => rows,
        }
    }
}

/// A part of the board.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) html: String,
    /// The number of the first frame that had it like this.
    pub(super) since: u64,
}

impl Board {
    pub(super) fn new(source: Arc<dyn Source>, live: Live, sections: Sections) -> Board {
        Board {
            source,
            live,
            sections,
            reading: Arc::default(),
            frames: watch::Sender::new(None),
            number: AtomicU64::new(0),
            rows_cost: AtomicU64::new(0),
            wanted: Notify::new(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Frames from now on; a viewer is counted until this is dropped.
    pub(super) fn frames(&self) -> watch::Receiver<Option<Arc<Frame>>> {
        let frames = self.frames.subscribe();
        self.wanted.notify_one();
        frames
    }

    /// The batch as it is, at most half a minute old; what the process itself knows is new.
    pub(super) async fn overview(&self) -> Result<Overview, LedgerError> {
        Ok(self.current(false).await?.0)
    }

    /// Notes what a question about rows has cost: viewers ask it again when they hear of changes, and so they hear of
    /// them the more rarely.
    pub(super) fn note_rows_cost(&self, cost: Duration) {
        let micros = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
        self.rows_cost.store(micros, Ordering::Relaxed);
    }

    async fn current(&self, anew: bool) -> Result<(Overview, u64), LedgerError> {
        let mut last = Arc::clone(&self.reading).lock_owned().await;
        let fresh = last.clone().filter(|last| !anew && Instant::now() < last.stale_at);
        let reading = match fresh {
            Some(fresh) => {
                drop(last);
                fresh
            }
            None => {
                let source = Arc::clone(&self.source);
                // The reading goes on where nobody waits for it any more: it keeps the place that it read for, so that
                // whoever hangs up and asks again begins no second one.
                blocking(move || {
                    let reading = read(&*source, last.as_ref())?;
                    *last = Some(reading.clone());
                    Ok::<_, LedgerError>(reading)
                })
                .await?
            }
        };
        let overview = Overview {
            live: (self.live)(),
            ..Overview::clone(&reading.overview)
        };
        Ok((overview, reading.rows))
    }

    /// Renews the board as long as somebody looks. Never returns.
    pub(super) async fn keep(&self) {
        loop {
            if self.frames.receiver_count() == 0 {
                // Whoever comes next must not see the past first.
                self.frames.send_replace(None);
                self.wanted.notified().await;
                continue;
            }
            self.renew(false).await;
            sleep(EVERY).await;
        }
    }

    /// Shows the end to whoever looks, waits shortly until they have it, and then until they have asked for what it
    /// brought. Returns at once if nobody looks. Not beside [`Board::keep`].
    pub(super) async fn end(&self) {
        if self.frames.receiver_count() == 0 {
            return;
        }
        self.renew(true).await;
        let _in_time = timeout(LAST_WORDS, self.frames.closed()).await;
        self.leave();
        sleep(AFTERWARDS).await;
    }

    /// Ends every stream without a word: browsers come again, and find whoever serves the batch then.
    pub(super) fn leave(&self) {
        self.is_over.store(true, Ordering::Release);
        self.frames.send_modify(|_| {});
    }

    /// Whether [`Board::leave`] was called. To be asked before the last frame is waited for to change.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    async fn renew(&self, ended: bool) {
        let before = self.frames.borrow().clone();
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let frame = match self.current(ended).await {
            Ok((overview, rows)) => {
                let cost = Duration::from_micros(self.rows_cost.load(Ordering::Relaxed));
                let told = before
                    .as_ref()
                    .filter(|_| !ended)
                    .map(|before| before.rows_after(rows, cost));
                let rows = told.unwrap_or(rows);
                let sections = self.sections;
                let before = before.clone();
                blocking(move || {
                    let live = overview.live.is_some();
                    frame_of(number, sections(&overview), rows, live, before.as_deref())
                })
                .await
            }
            Err(error) => {
                // It may pass, and the run itself says what it cannot do without the ledger.
                tracing::debug!(%error, "the page could not be renewed");
                match &before {
                    Some(before) if ended => repeated(number, before),
                    _ => return,
                }
            }
        };
        let frame = Frame { ended, ..frame };
        if before.is_none_or(|before| differs(&before, &frame)) {
            self.frames.send_replace(Some(Arc::new(frame)));
        }
    }
}

/// The ledger as it is now. May block.
fn read(source: &dyn Source, before: Option<&Reading>) -> Result<Reading, LedgerError> {
    let began = RealInstant::now();
    let overview = source.overview()?;
    let cost = began.elapsed();
    let seen_at = overview.at.0.unsigned_abs();
    let rows = match before {
        Some(before) if is_same(&before.overview, &overview) => before.rows,
        Some(before) => seen_at.max(before.rows + 1),
        None => seen_at,
    };
    Ok(Reading {
        overview: Arc::new(overview),
        rows,
        stale_at: Instant::now() + left_alone(cost),
    })
}

/// Whether nothing happened to the batch between two readings.
fn is_same(one: &Overview, other: &Overview) -> bool {
    one.summary == other.summary && one.history == other.history && one.rate == other.rate
}

/// How long the ledger is left alone by whatever took so long.
fn left_alone(cost: Duration) -> Duration {
    (cost * SHARE).clamp(EVERY, RAREST)
}

fn frame_of(
    number: u64,
    rendered: Vec<(&'static str, String)>,
    rows: u64,
    live: bool,
    before: Option<&Frame>,
) -> Frame {
    let since = |id, html: &str| {
        let known = before.and_then(|before| before.sections.iter().find(|section| section.id == id));
        known
            .filter(|known| known.html == html)
            .map_or(number, |known| known.since)
    };
    let sections = rendered.into_iter().map(|(id, html)| Section {
        id,
        since: since(id, &html),
        html,
    });
    let known = before.filter(|before| before.rows == rows);
    Frame {
        number,
        sections: sections.collect(),
        rows,
        rows_since: known.map_or_else(Instant::now, |before| before.rows_since),
        live,
        ended: false,
    }
}

/// The same once more.
fn repeated(number: u64, before: &Frame) -> Frame {
    let rendered = before.sections.iter().map(|section| (section.id, section.html.clone()));
    frame_of(number, rendered.collect(), before.rows, false, Some(before))
}

fn differs(before: &Frame, after: &Frame) -> bool {
    let facts = |frame: &Frame| (frame.rows, frame.live, frame.ended, frame.sections.len());
    facts(before) != facts(after) || after.sections.iter().any(|section| section.since == after.number)
}

/// Runs `work` where it may block. A panic in it ends the caller's connection as visibly.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_two_parts_in_a_hundred_of_the_time() {
        for (cost_ms, pause_ms) in [(0, 1_000), (20, 1_000), (30, 1_500), (400, 20_000), (5_000, 30_000)] {
            let pause = left_alone(Duration::from_millis(cost_ms));
            assert_eq!(pause, Duration::from_millis(pause_ms), "{cost_ms} ms");
        }
    }

    #[test]
    fn a_section_is_as_old_as_its_text() {
        let first = frame_of(1, vec![("head", "a".into()), ("now", "1".into())], 7, true, None);
        let second = frame_of(
            2,
            vec![("head", "a".into()), ("now", "2".into())],
            7,
            true,
            Some(&first),
        );
        let ages = |frame: &Frame| frame.sections.iter().map(|section| section.since).collect::<Vec<_>>();
        assert_eq!((ages(&first), ages(&second)), (vec![1, 1], vec![1, 2]));
        assert!(differs(&first, &second));
        let third = repeated(3, &second);
        assert_eq!(ages(&third), [1, 2]);
        let still = Frame { live: true, ..third };
        assert!(!differs(&second, &still));
        for after in [
            Frame {
                rows: 8,
                ..repeated(3, &second)
            },
            Frame {
                ended: true,
                live: true,
                ..repeated(3, &second)
            },
            repeated(3, &second),
            frame_of(3, vec![("head", "a".into())], 7, true, Some(&second)),
        ] {
            assert!(differs(&second, &after), "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn viewers_hear_of_changed_rows_as_often_as_asking_for_them_is_cheap() {
        let first = frame_of(1, Vec::new(), 7, true, None);
        let (cheap, dear) = (Duration::from_millis(1), Duration::from_millis(200));
        tokio::time::advance(EVERY).await;
        assert_eq!((first.rows_after(8, cheap), first.rows_after(8, dear)), (8, 7));
        let second = frame_of(2, Vec::new(), 7, true, Some(&first));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(second.rows_after(9, dear), 9, "ten seconds after they were told last");
        let third = frame_of(3, Vec::new(), 9, true, Some(&second));
        assert_eq!(third.rows_after(10, cheap), 9, "told this moment");
    }
}
