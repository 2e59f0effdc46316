//! Our own stand-in for the API: for trials without a key or a network, and as the witness of our tests.
//!
//! It keeps the API's manners (envelope, window, balance, the two ways of putting errors) and can be told to
//! misbehave, by chance ([`plan`]) or by a tag in a prompt (`script`); [`faults`] and [`trouble`] have the words for it.
//! It writes down every createTask request that reaches it, what it billed and what it billed twice ([`Books`]), so that
//! a test can ask the other side instead of believing our own counters.
//!
//! ```text
//! server (sockets) → routes → submit     createTask: create_task (what is asked) → account (what becomes of it)
//!                             polls      recordInfo, from the task's id and the clock
//!                             files      the videos, behind links that expire
//!                             uploads    images that become links
//!                             control    the witness and the screws
//!                             → reply (how an answer looks on the wire), body (one that breaks off or never ends)
//!          callbacks (when a task has ended)
//!
//! account = window + plan + script + billing + witness
//! ```
//!
//! It imports leaf types only: sharing code with the client it tests would hide mistakes in that code.

mod account;
mod billing;
mod body;
mod callbacks;
pub mod config;
mod control;
mod create_task;
pub mod faults;
mod files;
pub mod plan;
mod polls;
mod reply;
mod request;
mod routes;
mod script;
mod server;
mod submit;
mod task;
pub mod trouble;
mod uploads;
pub mod window;
pub mod witness;

pub use callbacks::{CallbackBooks, WebhookKey};
pub use config::{ErrorStyle, KeyPolicy, Latency, SandboxConfig};
pub use faults::{Fault, FaultError};
pub use files::FileBooks;
pub use plan::{FaultPlan, FaultRule};
pub use polls::PollBooks;
pub use server::{Sandbox, SandboxError, start};
pub use uploads::UploadBooks;
pub use witness::{Arrival, BilledTwice, Books};

#[cfg(test)]
mod tests;
