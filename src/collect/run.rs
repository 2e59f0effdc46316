//! The collector: one loop that looks at every open task when it is due, and fetches every video there is.
//!
//! What is due stands in the ledger, so the loop holds no more than a page of tasks and what is in flight, however many
//! are open. Looks (`looks.rs`) have a limiter of their own; fetches (`saves.rs`) wait for nobody. Nothing here can change
//! a task's fate but its record: a look that brings nothing is made again later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};

use crate::collect::looks::Looks;
use crate::collect::saves::{Saver, Saves};
use crate::collect::watch::{CollectConfig, CollectReport, Notice, Standing, Watch};
use crate::kie::TaskApi;
use crate::ledger::{LedgerError, Tasks};

/// How long the callback of a request without an answer is waited for: tasks take a minute or two, the longest on record
/// took 13 minutes.
const CALLBACKS_COME_WITHIN: Duration = Duration::from_secs(15 * 60);

/// While rows are still being sent, new tasks appear in the ledger without a word.
const LOOK_FOR_NEW: Duration = Duration::from_secs(1);

/// What a collector listens to.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Turns true when it is to end at once.
    pub stop: watch::Receiver<bool>,
    /// True as long as rows are being sent.
    pub feeding: watch::Receiver<bool>,
    /// Notified when a callback has made a task due.
    pub wake: Arc<Notify>,
}

/// Collects until nothing is left that is worth waiting for, the time to wait is over, or it is told to stop. Without a
/// `saver` videos are left where they are.
pub async fn run<A: TaskApi, L: Tasks, S: Saver>(
    api: Arc<A>,
    ledger: L,
    saver: Option<Arc<S>>,
    config: CollectConfig,
    signals: Signals,
    watch: Watch,
) -> CollectReport {
    let collector = Collector {
        looks: Looks::new(api, ledger.clone(), &config),
        saves: saver.map(|saver| Saves::new(saver, ledger.clone(), &config)),
        ledger,
        awaits_callbacks: false,
        config,
        watch,
        standing: Standing::default(),
        ledger_error: None,
    };
    collector.run(signals).await
}

struct Collector<A, L, S> {
    ledger: L,
    /// Somebody has been told that callbacks are waited for.
    awaits_callbacks: bool,
    looks: Looks<A, L>,
    saves: Option<Saves<L, S>>,
    config: CollectConfig,
    watch: Watch,
    standing: Standing,
    ledger_error: Option<LedgerError>,
}

impl<A: TaskApi, L: Tasks, S: Saver> Collector<A, L, S> {
    async fn run(mut self, mut signals: Signals) -> CollectReport {
        let mut time_is_up = false;
        let mut deadline = None;
        loop {
            if *signals.stop.borrow() || self.ledger_error.is_some() {
                break;
            }
            let feeding = *signals.feeding.borrow();
            if deadline.is_none() && !feeding {
                deadline = self.config.wait_for.map(|wait| Instant::now() + wait);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                (self.watch.notice)(Notice::TimeIsUp);
                time_is_up = true;
                break;
            }
            let at = match self.start_what_is_due(feeding).await {
                Ok(at) => at,
                Err(error) => {
                    self.ledger_error = Some(error);
                    break;
                }
            };
            let stays = feeding || self.config.forever;
            let mut callback_by = None;
            if self.is_idle() && at.is_none() && !stays {
                callback_by = match self.callbacks_come_by().await {
                    Ok(callback_by) => callback_by,
                    Err(error) => {
                        self.ledger_error = Some(error);
                        break;
                    }
                };
                if callback_by.is_none() {
                    break;
                }
            }
            let wake_at = [at, deadline, callback_by].into_iter().flatten().min();
            let timer = async {
                match wake_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let next_save = async {
                match &mut self.saves {
                    Some(saves) => saves.join_next().await,
                    None => None,
                }
            };
            tokio::select! {
                Some(ended) = self.looks.join_next() => {
                    if let Some(looked) = self.unwrap(ended)
                        && self.looks.ended(looked, &mut self.standing, &self.watch)
                        && let Some(saves) = &mut self.saves
                    {
                        saves.ask_again();
                    }
                }
                Some(ended) = next_save => {
                    if let Some(saved) = self.unwrap(ended)
                        && let Some(saves) = &mut self.saves
                    {
                        saves.ended(saved, &mut self.standing, &self.watch);
                    }
                }
                () = signals.wake.notified() => self.looks.ask_again(),
                () = timer => {}
                Ok(()) = signals.stop.changed() => {}
                changed = signals.feeding.changed(), if feeding => {
                    // Whoever was sending has gone: what it left is in the ledger.
                    if changed.is_err() {
                        signals.feeding = watch::channel(false).1;
                    }
                    self.looks.ask_again();
                }
            }
        }
        self.looks.give_up().await;
        if let Some(saves) = &mut self.saves {
            saves.give_up().await;
        }
        self.publish();
        CollectReport {
            standing: self.standing,
            barred: self.looks.barred().cloned(),
            last_trouble: self.looks.last_trouble().map(str::to_owned),
            saving_stopped: self.saves.and_then(|saves| saves.stopped().map(str::to_owned)),
            ledger_error: self.ledger_error,
            time_is_up,
        }
    }

    /// Starts looks and fetches as far as they are due and allowed. Returns when to come back without an event; `None`:
    /// nothing is planned that is worth waiting for.
    async fn start_what_is_due(&mut self, feeding: bool) -> Result<Option<Instant>, LedgerError> {
        let look_at = self.looks.start(&mut self.standing).await?;
        let save_at = match &mut self.saves {
            Some(saves) => saves.start().await?,
            None => None,
        };
        self.publish();
        let new_at = feeding.then(|| {
            self.looks.ask_again();
            Instant::now() + LOOK_FOR_NEW
        });
        Ok([look_at, save_at, new_at].into_iter().flatten().min())
    }

    /// Until when a callback may settle a row whose answer was lost; `None` if nobody waits for one.
    async fn callbacks_come_by(&mut self) -> Result<Option<Instant>, LedgerError> {
        if !self.config.callbacks || self.looks.barred().is_some() {
            return Ok(None);
        }
        let now = self.config.wall.now();
        let awaited = self.ledger.awaited(now.before(CALLBACKS_COME_WITHIN), now).await?;
        let Some(began_at) = awaited.last_began_at else {
            return Ok(None);
        };
        let left = began_at.after(CALLBACKS_COME_WITHIN).millis_since(now);
        if !self.awaits_callbacks {
            self.awaits_callbacks = true;
            (self.watch.notice)(Notice::AwaitingCallbacks {
                rows: awaited.rows,
                wait: Duration::from_millis(left),
            });
        }
        Ok((left > 0).then(|| Instant::now() + Duration::from_millis(left)))
    }

    fn is_idle(&self) -> bool {
        self.looks.is_idle() && self.saves.as_ref().is_none_or(|saves| saves.in_flight() == 0)
    }

    fn unwrap<T>(&mut self, ended: Result<Result<T, LedgerError>, JoinError>) -> Option<T> {
        match ended {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => {
                self.ledger_error.get_or_insert(error);
                None
            }
            // A panic in a task is a bug: end visibly, with the ledger as it stands.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn publish(&mut self) {
        self.standing.saving = self.saves.as_ref().map_or(0, |saves| saves.in_flight() as u64);
        self.watch.standing.send_replace(self.standing.clone());
    }
}

#[cfg(test)]
mod tests;
