//! From an accepted task to a video on disk.
//!
//! [`run()`] is the loop: it looks at tasks when they are due (`cadence.rs`), lets `judge.rs` say what a look means, and has
//! videos saved in a folder (`folder.rs`): [`names`] decides what a file is called, [`fetch`] brings it here. [`receiver`] takes
//! callbacks, each of which makes a task due. Everything it has to remember is in the ledger.
//!
//! From a task id to its row: for `settle --from`, [`pasted`] finds the task ids in a text, [`look_up`] asks for their
//! records, and [`matching`] says whose they are.
//!
//! Imports `kie`, `ledger` and leaf types.

mod agenda;
mod cadence;
pub mod fetch;
mod folder;
mod generation;
mod judge;
pub mod look_up;
mod looks;
pub mod matching;
pub mod names;
pub mod pasted;
pub mod receiver;
mod run;
mod saves;
mod watch;

pub use cadence::STALE;
pub use folder::{FILES_LIVE, Folder};
pub use run::{Signals, run};
pub use saves::{Saver, Stored, Then, Trouble};
pub use watch::{Barred, CollectConfig, CollectReport, Notice, Standing, Watch};
