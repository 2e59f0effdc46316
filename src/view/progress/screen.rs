//! Standard error as a terminal: a block of lines at its end that is drawn over and over, and lines above it.
//!
//! After a drawing the cursor stands at the *beginning* of the block, and the next drawing goes over it line by line and
//! clears whatever is below. So nothing has to be known about how many lines the last drawing takes now: where a window
//! got narrower, most terminals have wrapped its lines (and keep the cursor at the character it stood at), some have cut
//! them. A line of the block never wraps as it is drawn, whatever the terminal thinks of its width: wrapping is off while
//! it is. Each drawing is one write, so that nothing flickers and nothing is left half done.
//!
//! What is out of reach is what a window pushes out at its top before the next drawing: the block is kept so low that this
//! takes a window of less than half the width, or one that gets lower at the same time.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::block::Size;

/// Asks for the size of a terminal, before each drawing because windows change.
pub(super) type AskSize = Arc<dyn Fn() -> Size + Send + Sync>;

/// The size of the terminal behind standard error.
pub(super) fn size_of_stderr() -> Size {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) => Size {
            columns: Some(size.ws_col)
                .filter(|columns| *columns > 0)
                .unwrap_or(Size::USUAL.columns),
            rows: Some(size.ws_row).filter(|rows| *rows > 0).unwrap_or(Size::USUAL.rows),
        },
        Err(_) => Size::USUAL,
    }
}

/// The one place that writes to standard error. An error of it (mostly a closed pipe) is dropped: the run goes on.
#[derive(Clone)]
pub(super) struct Outlet(Arc<Mutex<Box<dyn Write + Send>>>);

impl Outlet {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Outlet {
        Outlet(Arc::new(Mutex::new(writer)))
    }

    /// Writes `text` in one piece.
    pub(super) fn write(&self, text: &str) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).ok();
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outlet")
    }
}

const CLEAR_LINE: &str = "\u{1b}[2K";
const CLEAR_REST_OF_LINE: &str = "\u{1b}[K";
const CLEAR_ALL_BELOW: &str = "\u{1b}[J";
const WRAP_OFF: &str = "\u{1b}[?7l";
const WRAP_ON: &str = "\u{1b}[?7h";

/// How a line goes over what stood in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Over a line of the same place: nothing of what stays the same is cleared before it is written again.
    Itself,
    /// Over anything. A terminal that has wrapped a line anew takes its parts for one line until they are cleared, and
    /// would join whatever is written there.
    Anything,
}

/// What draws `block` over whatever stood at the cursor and below, and leaves the cursor at its beginning.
pub(super) fn drawn(block: &[String], over: Over) -> String {
    let mut text = format!("{WRAP_OFF}\r");
    for (index, line) in block.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        match over {
            Over::Itself => write!(text, "{line}{CLEAR_REST_OF_LINE}"),
            Over::Anything => write!(text, "{CLEAR_LINE}{line}"),
        }
        .expect("a string takes text");
    }
    text.push_str(CLEAR_ALL_BELOW);
    text.push('\r');
    if block.len() > 1 {
        write!(text, "\u{1b}[{}A", block.len() - 1).expect("a string takes text");
    }
    text.push_str(WRAP_ON);
    text
}

/// What writes `lines` where the block stood, and the block below.
pub(super) fn above(lines: &str, block: &[String]) -> String {
    let mut text = "\r".to_owned();
    for line in lines.lines() {
        writeln!(text, "{CLEAR_LINE}{line}{CLEAR_REST_OF_LINE}").expect("a string takes text");
    }
    text.push_str(&drawn(block, Over::Anything));
    text
}

/// What takes the block away.
pub(super) fn cleared() -> String {
    format!("\r{CLEAR_ALL_BELOW}")
}
