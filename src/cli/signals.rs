//! Ctrl-C and its relatives: the first asks a run to finish what is in flight, the second leaves at once.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{getpid, kill_process};
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;

use crate::view::{Ending, Progress, Signal};

use super::console::Console;
use super::failure::Failure;

/// What the signals have asked for.
#[derive(Clone)]
pub(super) struct Signals {
    /// True from the first signal on.
    pub stop: watch::Receiver<bool>,
    first: Arc<Mutex<Option<Signal>>>,
}

impl Signals {
    /// Listens from now on. `tell` says on the console what the first signal does.
    pub(super) fn listen(console: &Console, tell: fn(&Console, Signal)) -> Result<Signals, Failure> {
        let listen = |kind| unix::signal(kind).map_err(Failure::Signals);
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hang_up = HangUp::listen().map_err(Failure::Signals)?;
        let (stop, stopped) = watch::channel(false);
        let first = Arc::new(Mutex::new(None));
        let signals = Signals {
            stop: stopped,
            first: Arc::clone(&first),
        };
        let console = console.clone();
        let suspend = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
        if console.progress.has_block() && !is_ignored(suspend) {
            let suspensions = listen(suspend)?;
            tokio::spawn(make_room_when_suspended(console.clone(), suspensions));
        }
        tokio::spawn(async move {
            let mut on_first = Some(tell);
            loop {
                let received = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                    () = hang_up.recv() => Signal::Terminate,
                };
                match on_first.take() {
                    Some(tell) => {
                        *first.lock().unwrap_or_else(PoisonError::into_inner) = Some(received);
                        tell(&console, received);
                        stop.send_replace(true);
                    }
                    // As if killed: rows in flight are `sending` in the ledger, and the next run calls them unknown.
                    None => {
                        on_terminal(&console, Progress::finish);
                        std::process::exit(i32::from(ending_of(received).code()));
                    }
                }
            }
        });
        Ok(signals)
    }

    /// The first signal that came, if any has.
    pub(super) fn first(&self) -> Option<Signal> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the next SIGINT or SIGTERM, whoever else hears of it. Forever, if there is no hearing of signals.
pub(super) async fn next() {
    let listen = |kind| unix::signal(kind).ok();
    let (Some(mut interrupt), Some(mut terminate)) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Ctrl-Z: progress leaves the terminal to the shell, and comes back with `fg`.
async fn make_room_when_suspended(console: Console, mut suspensions: unix::Signal) {
    while suspensions.recv().await.is_some() {
        on_terminal(&console, Progress::put_aside);
        // Stops every thread; the next line runs when the process goes on.
        if let Err(error) = kill_process(getpid(), rustix::process::Signal::STOP) {
            tracing::warn!(%error, "the process could not be suspended");
        }
        console.progress.show_again();
    }
}

/// Does something with progress, so that a shell finds its place on the terminal; but waits for none that is stopped
/// (Ctrl-S).
fn on_terminal(console: &Console, work: fn(&Progress)) {
    const AT_MOST: Duration = Duration::from_millis(200);
    let progress = console.progress.clone();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        work(&progress);
        done.send(()).ok();
    });
    is_done.recv_timeout(AT_MOST).ok();
}

/// A terminal that is closed: nobody is left to press a key twice, but what is in flight can still be finished. Under
/// `nohup` the run is to go on instead.
struct HangUp(Option<unix::Signal>);

impl HangUp {
    fn listen() -> io::Result<HangUp> {
        let kind = SignalKind::hangup();
        Ok(HangUp(if is_ignored(kind) {
            None
        } else {
            Some(unix::signal(kind)?)
        }))
    }

    async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}

/// Whether this process was started with the signal ignored.
fn is_ignored(kind: SignalKind) -> bool {
    (ignored_from_the_start() >> (kind.as_raw_value() - 1)) & 1 == 1
}

/// The signals this process was started with ignored, one bit each; none where the system does not tell.
fn ignored_from_the_start() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

pub(super) fn ending_of(signal: Signal) -> Ending {
    match signal {
        Signal::Interrupt => Ending::Interrupted,
        Signal::Terminate => Ending::Terminated,
    }
}
