//! Decides when a request may leave, and what follows from its answer.
//!
//! [`run()`] is one loop that owns all the state of a run: the queue, the [`Limiter`], the [`Gate`] (pauses and the
//! breaker), the retries, the budget. Each attempt is a task of its own that commits its intent, sends, and commits its
//! ending; the loop hears of it when that is durable. Joins `kie` and `ledger`, prints nothing: whoever watches gets
//! [`Standing`] and [`Notice`].

mod attempt;
mod config;
mod gate;
mod halt;
mod images;
mod limiter;
mod retry;
mod run;
#[cfg(test)]
mod simulation;
mod slots;
mod watch;

pub use config::{CostOf, DispatchConfig, TokenSource};
pub use gate::{Gate, PauseReason};
pub use halt::Halt;
pub use images::{Address, ImageHost, ImageTrouble, LIFE, LocalImage, ReadImage, UploadedImages};
pub use limiter::{Limiter, Permit};
pub use retry::{RetryConfig, RetrySchedule};
pub use run::{RunReport, run};
pub use watch::{Notice, Standing, Watch};
