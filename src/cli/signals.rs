//! Ctrl-C and its relatives: the first asks a run to finish what is in flight, the second leaves at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::view::{Ending, Signal};

use super::failure::Failure;

/// What the signals have asked for.
#[derive(Clone)]
pub(super) struct Signals {
    /// True from the first signal on.
    pub stop: watch::Receiver<bool>,
    first: Arc<Mutex<Option<Signal>>>,
}

impl Signals {
    /// Listens from now on. `on_first` is called once, with the signal.
    pub(super) fn listen(on_first: impl FnOnce(Signal) + Send + 'static) -> Result<Signals, Failure> {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Signals)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Signals)?;
        // A terminal that is closed: nobody is left to press a key twice, but what is in flight can still be finished.
        let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::Signals)?;
        let (stop, stopped) = watch::channel(false);
        let first = Arc::new(Mutex::new(None));
        let signals = Signals {
            stop: stopped,
            first: Arc::clone(&first),
        };
        tokio::spawn(async move {
            let mut on_first = Some(on_first);
            loop {
                let received = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                    _ = hang_up.recv() => Signal::Terminate,
                };
                match on_first.take() {
                    Some(tell) => {
                        *first.lock().unwrap_or_else(PoisonError::into_inner) = Some(received);
                        tell(received);
                        stop.send_replace(true);
                    }
                    // As if killed: rows in flight are `sending` in the ledger, and the next run calls them unknown.
                    None => std::process::exit(i32::from(ending_of(received).code())),
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

fn ending_of(signal: Signal) -> Ending {
    match signal {
        Signal::Interrupt => Ending::Interrupted,
        Signal::Terminate => Ending::Terminated,
    }
}
