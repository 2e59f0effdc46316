//! Progress on standard error: a bar on a terminal, a line now and then elsewhere.
//!
//! Everything that goes to standard error goes through one [`Progress`], also notices and log lines: it lifts the bar
//! out of their way, and it hides [`Secrets`]. A standard error that nobody reads any more is no reason to end a run:
//! errors of writing to it are dropped.

mod lines;
mod screen;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Secrets;
use crate::escape;
use crate::job::ProgressMode;
use screen::{Outlet, Screen, Width};

/// A bar is redrawn at most this often: ten times a second looks smooth and costs nothing.
const REDRAW: Duration = Duration::from_millis(100);

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Where a run stands. Text in it may come from the server: it is escaped when it is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Rows of this run.
    pub total: u64,
    /// Rows of this run that need no more requests.
    pub done: u64,
    /// Rows of this run that the API took.
    pub accepted: u64,
    /// Rows of this run that it refused.
    pub rejected: u64,
    /// Rows of this run that were sent and not answered.
    pub unknown: u64,
    /// Requests that are waiting for their answer.
    pub in_flight: u64,
    /// Rows that wait to be sent.
    pub queued: u64,
    /// Requests so far.
    pub requests: u64,
    /// Those of them that were answered 429.
    pub rate_limited: u64,
    /// Time since the run began; also the clock that decides when something is shown again.
    pub elapsed: Duration,
    /// Credits for the rows taken in this run; `None` where the price is not known.
    pub spent_credits: Option<f64>,
    /// The pause that holds everything up, if there is one.
    pub pause: Option<Pause>,
    /// Time until the last row is sent; `None` while nobody can tell.
    pub eta: Option<Duration>,
    /// Where the tasks stand, if somebody waits for them.
    pub tasks: Option<TaskCounts>,
    /// What was found, if this is not about rows at all but about images that are looked at: then `total` and `done` count
    /// those.
    pub images: Option<ImageCounts>,
}

/// What looks at images have found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageCounts {
    /// Images of which no video can come.
    pub bad: u64,
    /// Images that could not be looked at.
    pub not_reached: u64,
}

/// Tasks and videos that somebody waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Tasks that have not ended.
    pub at_work: u64,
    /// Tasks seen to end with a video.
    pub succeeded: u64,
    /// Tasks seen to end without one.
    pub failed: u64,
    /// Videos being fetched.
    pub saving: u64,
    /// Videos saved.
    pub saved: u64,
    /// Videos still to be saved.
    pub to_save: u64,
    /// Bytes of the saved ones.
    pub bytes: u64,
}

impl Snapshot {
    /// Whether rows are still being sent: until then progress is about them, then about their tasks.
    fn is_sending(&self) -> bool {
        self.tasks.is_none() || self.done < self.total
    }

    /// What progress is measured in: how much of it there is, and how much is done.
    fn measure(&self) -> (u64, u64) {
        match self.tasks {
            Some(tasks) if !self.is_sending() => {
                let open = tasks.at_work + tasks.to_save;
                let done = tasks.failed
                    + if tasks.to_save + tasks.saved > 0 {
                        tasks.saved
                    } else {
                        tasks.succeeded
                    };
                (open + done, done)
            }
            _ => (self.total, self.done),
        }
    }
}

/// A time in which nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// How much of it is left.
    pub remaining: Duration,
    /// Why, as a clause: `the API answered 429`.
    pub reason: String,
}

/// Where progress is written: standard error, or a stand-in for it.
pub struct Target {
    writer: Box<dyn Write + Send>,
    /// The width of the terminal in columns, asked before each drawing because windows change; `None`: no terminal.
    width: Option<Width>,
}

impl Target {
    /// Standard error, which is a terminal if it is one and `TERM` (passed in: only the job reads the environment) is
    /// not `dumb`.
    pub fn stderr(term: Option<&str>) -> Target {
        let terminal = io::stderr().is_terminal() && term != Some("dumb");
        Target {
            writer: Box::new(io::stderr()),
            width: terminal.then(|| Arc::new(screen::width_of_stderr) as Width),
        }
    }

    /// A writer that is no terminal.
    pub fn writer(writer: impl Write + Send + 'static) -> Target {
        Target {
            writer: Box::new(writer),
            width: None,
        }
    }

    /// A writer that is a terminal of this width.
    pub fn terminal(writer: impl Write + Send + 'static, width: impl Fn() -> u16 + Send + Sync + 'static) -> Target {
        Target {
            writer: Box::new(writer),
            width: Some(Arc::new(width)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terminal = self.width.is_some();
        formatter
            .debug_struct("Target")
            .field("terminal", &terminal)
            .finish_non_exhaustive()
    }
}

/// What shows how a run goes. Clones show the same.
///
/// Colours are not used at all, so `NO_COLOR` has nothing to switch off.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outlet: Outlet,
    secrets: Secrets,
    display: Display,
    line_every: Duration,
    /// Locked before the bar and the outlet are, and never while one of them is held.
    shown: Mutex<Shown>,
}

#[derive(Debug)]
enum Display {
    Bar { bar: ProgressBar, screen: Screen },
    Plain,
    None,
}

/// What was shown last.
#[derive(Debug, Default)]
struct Shown {
    /// When, on the clock of [`Snapshot::elapsed`]; `None` until there is a bar to lift.
    at: Option<Duration>,
    /// Why the run was pausing then.
    pause: Option<String>,
    complete: bool,
    finished: bool,
}

impl Progress {
    /// Shows progress on `target`, without any of the `secrets`.
    pub fn new(mode: ProgressMode, target: Target, secrets: Secrets) -> Progress {
        Progress::with_lines_every(LINE_EVERY, mode, target, secrets)
    }

    /// [`new`](Progress::new), with another pace for plain lines.
    pub fn with_lines_every(line_every: Duration, mode: ProgressMode, target: Target, secrets: Secrets) -> Progress {
        let outlet = Outlet::new(target.writer);
        let bar = |width: Option<Width>| {
            let screen = Screen::new(
                outlet.clone(),
                width.unwrap_or_else(|| Arc::new(|| screen::USUAL_WIDTH)),
            );
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(screen.clone())));
            let style = ProgressStyle::with_template("{msg}").expect("the template is valid");
            Display::Bar {
                bar: bar.with_style(style),
                screen,
            }
        };
        let display = match (mode, target.width) {
            (ProgressMode::Auto, Some(width)) => bar(Some(width)),
            (ProgressMode::Bar, width) => bar(width),
            (ProgressMode::Auto | ProgressMode::Plain, _) => Display::Plain,
            (ProgressMode::None, _) => Display::None,
        };
        Progress(Arc::new(Shared {
            outlet,
            secrets,
            display,
            line_every,
            shown: Mutex::default(),
        }))
    }

    /// Shows `snapshot`, or not, if something was shown a moment ago. Call it on every event and at least once a
    /// second, so that clocks and pauses count down.
    ///
    /// Plain lines announce the beginning of a pause at once: it needs no notice of its own.
    pub fn update(&self, snapshot: &Snapshot) {
        let shared = &*self.0;
        let mut shown = self.shown();
        if shown.finished {
            return;
        }
        let pause = snapshot.pause.as_ref().map(|pause| &pause.reason);
        let new_pause = snapshot
            .pause
            .as_ref()
            .filter(|pause| Some(&pause.reason) != shown.pause.as_ref());
        let (total, done) = snapshot.measure();
        let complete = done >= total;
        match &shared.display {
            Display::Bar { bar, screen } => {
                let urgent = pause != shown.pause.as_ref() || complete != shown.complete;
                if !urgent && shown.at.is_some_and(|at| snapshot.elapsed.saturating_sub(at) < REDRAW) {
                    return;
                }
                let lines = lines::bar(&shared.without_secrets(snapshot), screen.columns());
                bar.set_message(lines.join("\n"));
            }
            Display::Plain => {
                if let Some(pause) = new_pause {
                    shared.write_line(&lines::pause(pause));
                }
                let due = snapshot.elapsed.saturating_sub(shown.at.unwrap_or_default()) >= shared.line_every;
                if !due {
                    shown.pause = pause.cloned();
                    return;
                }
                shared.write_line(&lines::plain(snapshot));
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
            Display::Bar { .. } | Display::Plain => self.line(&escape::for_terminal(text)),
            Display::None => {}
        }
    }

    /// Writes a line above the bar, whatever the mode. The caller has escaped it.
    pub(super) fn line(&self, line: &str) {
        let shared = &*self.0;
        let shown = self.shown();
        match &shared.display {
            Display::Bar { bar, .. } if shown.at.is_some() && !shown.finished => {
                bar.suspend(|| shared.write_line(line));
            }
            Display::Bar { .. } | Display::Plain | Display::None => shared.write_line(line),
        }
    }

    /// Takes the bar away, so that the summary stands alone. Lines can still be written.
    pub fn finish(&self) {
        let mut shown = self.shown();
        if let Display::Bar { bar, .. } = &self.0.display
            && !shown.finished
        {
            bar.finish_and_clear();
        }
        shown.finished = true;
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.0.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The secrets have to go before a line is cut: half a secret would not be recognised.
    fn without_secrets<'a>(&self, snapshot: &'a Snapshot) -> Cow<'a, Snapshot> {
        match snapshot.pause.as_ref().map(|pause| self.secrets.redact(&pause.reason)) {
            Some(Cow::Owned(reason)) => {
                let mut safe = snapshot.clone();
                safe.pause = safe.pause.map(|pause| Pause { reason, ..pause });
                Cow::Owned(safe)
            }
            Some(Cow::Borrowed(_)) | None => Cow::Borrowed(snapshot),
        }
    }

    fn write_line(&self, line: &str) {
        let mut line: Cow<'_, str> = self.secrets.redact(line);
        line.to_mut().push('\n');
        self.outlet.write(line.as_bytes());
    }
}

#[cfg(test)]
mod tests;
