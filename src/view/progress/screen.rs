//! The terminal as indicatif sees it: our writer, our width, and nobody to complain to.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::TermLike;

/// Asks for the width of a terminal in columns.
pub(super) type Width = Arc<dyn Fn() -> u16 + Send + Sync>;

/// The width of a terminal that does not tell.
pub(super) const USUAL_WIDTH: u16 = 80;

/// The width of the terminal behind standard error, in columns.
pub(super) fn width_of_stderr() -> u16 {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => size.ws_col,
        _ => USUAL_WIDTH,
    }
}

/// The one place that writes to standard error. An error of it (mostly a closed pipe) is dropped: the run goes on.
#[derive(Clone)]
pub(super) struct Outlet(Arc<Mutex<Box<dyn Write + Send>>>);

impl Outlet {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Outlet {
        Outlet(Arc::new(Mutex::new(writer)))
    }

    /// Writes `bytes` in one piece.
    pub(super) fn write(&self, bytes: &[u8]) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(bytes).and_then(|()| writer.flush()).ok();
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Outlet")
    }
}

/// A terminal that gathers what is drawn and writes it in one piece, so that nothing flickers.
#[derive(Clone)]
pub(super) struct Screen {
    outlet: Outlet,
    width: Width,
    pending: Arc<Mutex<String>>,
}

impl Screen {
    pub(super) fn new(outlet: Outlet, width: Width) -> Screen {
        Screen {
            outlet,
            width,
            pending: Arc::default(),
        }
    }

    /// Columns that a line may fill: the last stays free, because some terminals wrap when it is written to.
    pub(super) fn columns(&self) -> usize {
        usize::from(self.width()).saturating_sub(1)
    }

    fn push(&self, text: &str) -> io::Result<()> {
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(text);
        Ok(())
    }

    fn push_move(&self, steps: usize, direction: char) -> io::Result<()> {
        match steps {
            0 => Ok(()),
            _ => self.push(&format!("\u{1b}[{steps}{direction}")),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        (self.width)().max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.push_move(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.push(text)?;
        self.push("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.push(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.push("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.outlet.write(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Screen")
            .field("width", &self.width())
            .finish_non_exhaustive()
    }
}
