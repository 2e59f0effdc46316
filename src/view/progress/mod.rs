//! Progress on standard error: a block of lines on a terminal, a line now and then elsewhere.
//!
//! Everything that goes to standard error during a run goes through one [`Progress`], also notices and log lines: it writes
//! them above the block, and it hides [`Secrets`]. A standard error that nobody reads any more is no reason to end a run:
//! errors of writing to it are dropped.
//!
//! | file | decides |
//! | --- | --- |
//! | `snapshot.rs` | what there is to show |
//! | `stages.rs` | how far each stage of a run has come |
//! | `block.rs`, `line.rs` | the lines on a terminal of a given size |
//! | `plain.rs` | the line where there is no terminal |
//! | `ink.rs` | colours, and characters beyond ASCII |
//! | `screen.rs` | how the block is drawn over itself |

mod block;
mod ink;
mod line;
mod plain;
mod screen;
mod snapshot;
mod stages;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Secrets, wrapped};
use crate::escape;
use crate::job::ProgressMode;
use screen::{AskSize, Outlet, Over};

pub use block::Size;
pub use ink::Ink;
pub use snapshot::{Budget, ImageCounts, MeasuredRate, Pause, Snapshot, TaskCounts};

/// The block is redrawn at most this often: ten times a second looks smooth and costs nothing.
const REDRAW: Duration = Duration::from_millis(100);

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Where progress is written: standard error, or a stand-in for it.
pub struct Target {
    writer: Box<dyn Write + Send>,
    /// `None`: no terminal.
    terminal: Option<(AskSize, Ink)>,
}

impl Target {
    /// Standard error, which is a terminal if it is one and `TERM` is not `dumb`. `variable` reads the environment, which
    /// only the command line does.
    pub fn stderr(variable: impl Fn(&str) -> Option<String>) -> Target {
        let is_terminal = io::stderr().is_terminal() && variable("TERM").as_deref() != Some("dumb");
        Target {
            writer: Box::new(io::stderr()),
            terminal: is_terminal.then(|| (Arc::new(screen::size_of_stderr) as AskSize, Ink::of(variable))),
        }
    }

    /// A writer that is no terminal.
    pub fn writer(writer: impl Write + Send + 'static) -> Target {
        Target {
            writer: Box::new(writer),
            terminal: None,
        }
    }

    /// A writer that is a terminal of this size.
    pub fn terminal(
        writer: impl Write + Send + 'static,
        size: impl Fn() -> Size + Send + Sync + 'static,
        ink: Ink,
    ) -> Target {
        Target {
            writer: Box::new(writer),
            terminal: Some((Arc::new(size), ink)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terminal = self.terminal.is_some();
        formatter
            .debug_struct("Target")
            .field("terminal", &terminal)
            .finish_non_exhaustive()
    }
}

/// What shows how a run goes. Clones show the same.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outlet: Outlet,
    secrets: Secrets,
    display: Display,
    line_every: Duration,
    /// Locked before the outlet is, and never while that is held.
    shown: Mutex<Shown>,
    /// Nothing is to be drawn for a while. Not behind the lock, which a stopped terminal may hold.
    is_aside: AtomicBool,
}

enum Display {
    Block { size: AskSize, ink: Ink },
    Plain,
    None,
}

impl fmt::Debug for Display {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Display::Block { .. } => "Block",
            Display::Plain => "Plain",
            Display::None => "None",
        })
    }
}

/// What was shown last.
#[derive(Debug, Default)]
struct Shown {
    /// When, on the clock of [`Snapshot::elapsed`].
    at: Option<Duration>,
    /// Why the run was pausing then.
    pause: Option<String>,
    complete: bool,
    /// The block on the terminal; empty while there is none.
    block: Vec<String>,
    /// The size of the terminal it was made for.
    size: Option<Size>,
    finished: bool,
}

impl Progress {
    /// Shows progress on `target`, without any of the `secrets`.
    pub fn new(mode: ProgressMode, target: Target, secrets: Secrets) -> Progress {
        Progress::with_lines_every(LINE_EVERY, mode, target, secrets)
    }

    /// [`new`](Progress::new), with another pace for plain lines.
    pub fn with_lines_every(line_every: Duration, mode: ProgressMode, target: Target, secrets: Secrets) -> Progress {
        let display = match (mode, target.terminal) {
            (ProgressMode::Auto | ProgressMode::Bar, Some((size, ink))) => Display::Block { size, ink },
            // Asked for, although nobody knows what will show it.
            (ProgressMode::Bar, None) => Display::Block {
                size: Arc::new(|| Size::USUAL),
                ink: Ink::default(),
            },
            (ProgressMode::Auto | ProgressMode::Plain, _) => Display::Plain,
            (ProgressMode::None, _) => Display::None,
        };
        Progress(Arc::new(Shared {
            outlet: Outlet::new(target.writer),
            secrets,
            display,
            line_every,
            shown: Mutex::default(),
            is_aside: AtomicBool::new(false),
        }))
    }

    /// Shows `snapshot`, or not, if something was shown a moment ago. Call it on every event and at least once a
    /// second, so that clocks and pauses count down.
    ///
    /// Plain lines announce the beginning of a pause at once: it needs no notice of its own.
    pub fn update(&self, snapshot: &Snapshot) {
        let shared = &*self.0;
        let mut shown = shared.shown();
        if shown.finished || shared.is_aside.load(Ordering::Relaxed) {
            return;
        }
        let pause = snapshot.pause.as_ref().map(|pause| &pause.reason);
        let (total, done) = snapshot.measure();
        let complete = done >= total;
        match &shared.display {
            Display::Block { size, ink } => {
                let urgent = pause != shown.pause.as_ref() || complete != shown.complete;
                if !urgent && shown.at.is_some_and(|at| snapshot.elapsed.saturating_sub(at) < REDRAW) {
                    return;
                }
                let size = size();
                let block = block::block(&shared.without_secrets(snapshot), size, *ink);
                let over = match shown.size == Some(size) {
                    true if block == shown.block => return,
                    true => Over::Itself,
                    false => Over::Anything,
                };
                shared.outlet.write(&screen::drawn(&block, over));
                (shown.block, shown.size) = (block, Some(size));
            }
            Display::Plain => {
                let new_pause = snapshot.pause.as_ref().filter(|_| pause != shown.pause.as_ref());
                if let Some(pause) = new_pause {
                    shared.write_lines(&plain::pause(pause), &[]);
                }
                let due = snapshot.elapsed.saturating_sub(shown.at.unwrap_or_default()) >= shared.line_every;
                if !due {
                    shown.pause = pause.cloned();
                    return;
                }
                shared.write_lines(&plain::line(snapshot), &[]);
            }
            Display::None => return,
        }
        shown.at = Some(snapshot.elapsed);
        shown.pause = pause.cloned();
        shown.complete = complete;
    }

    /// Says something now: `halted: …`. Text from outside is escaped here.
    pub fn notice(&self, text: &str) {
        match self.0.display {
            Display::Block { .. } | Display::Plain => self.paragraph(&escape::for_terminal(text)),
            Display::None => {}
        }
    }

    /// [`lines`](Progress::lines), broken between words where a terminal is too narrow for them.
    pub fn paragraph(&self, text: &str) {
        match &self.0.display {
            Display::Block { size, .. } => self.lines(&wrapped(text, usize::from(size().columns))),
            Display::Plain | Display::None => self.lines(text),
        }
    }

    /// Writes lines above the block, whatever the mode. The caller has escaped them.
    pub fn lines(&self, lines: &str) {
        let shown = self.0.shown();
        self.0.write_lines(lines, &shown.block);
    }

    /// Takes the block away, so that the summary stands alone. Lines can still be written.
    pub fn finish(&self) {
        let mut shown = self.0.shown();
        self.0.clear(&mut shown);
        shown.finished = true;
    }

    /// Whether there is a block on a terminal that others may want for a while.
    pub fn has_block(&self) -> bool {
        matches!(self.0.display, Display::Block { .. })
    }

    /// Takes the block away until [`show_again`](Progress::show_again): the terminal is somebody else's.
    pub fn put_aside(&self) {
        self.0.is_aside.store(true, Ordering::Relaxed);
        self.0.clear(&mut self.0.shown());
    }

    /// Has the next update show the block again.
    pub fn show_again(&self) {
        self.0.is_aside.store(false, Ordering::Relaxed);
    }
}

impl Shared {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secrets have to go before a line is cut: half a secret would not be recognised.
    fn without_secrets(&self, snapshot: &Snapshot) -> Snapshot {
        let mut safe = snapshot.clone();
        for text in safe.texts_mut() {
            if let std::borrow::Cow::Owned(redacted) = self.secrets.redact(text) {
                *text = redacted;
            }
        }
        safe
    }

    fn clear(&self, shown: &mut Shown) {
        if !std::mem::take(&mut shown.block).is_empty() {
            self.outlet.write(&screen::cleared());
        }
        shown.size = None;
    }

    fn write_lines(&self, lines: &str, block: &[String]) {
        let lines = self.secrets.redact(lines);
        self.outlet.write(&match block {
            [] => format!("{}\n", lines.strip_suffix('\n').unwrap_or(&lines)),
            block => screen::above(&lines, block),
        });
    }
}

#[cfg(test)]
mod tests;
