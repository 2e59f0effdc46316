//! Tasks: an id that says everything about a task, the record it has at any moment, and the requests they came from.
//!
//! A sandbox that starts tomorrow must answer for the tasks of today, and a batch of a million rows must not fill the
//! memory. So nothing is kept of a task: its id says when it began, how long it takes and how it ends, and its record is
//! computed from the id and the clock. Only the requests of the newest tasks are remembered ([`Echoes`]).

mod echo;
mod id;
mod record;

pub(super) use echo::Echoes;
pub(super) use id::{Task, TaskId};
pub(super) use record::{Finished, Phase, record};
