//! Our own stand-in for the API: for trials without a key or a network, and as the witness of our tests.
//!
//! It keeps the API's manners (envelope, window, balance, the two ways of putting errors) and can be told to
//! misbehave, by chance ([`faults`]) or by a tag in a prompt (`script`). It writes down every createTask request that
//! reaches it, what it billed and what it billed twice ([`Books`]), so that a test can ask the other side instead of
//! believing our own counters.
//!
//! ```text
//! server (sockets) → create_task (what is asked) → account (what becomes of it) → reply (how that looks on the wire)
//!                                                  account = window + faults + script + billing + witness
//! ```
//!
//! It imports leaf types only: sharing code with the client it tests would hide mistakes in that code.

mod account;
mod billing;
pub mod config;
mod control;
mod create_task;
pub mod faults;
mod reply;
mod script;
mod server;
pub mod window;
pub mod witness;

pub use config::{ErrorStyle, KeyPolicy, Latency, SandboxConfig};
pub use faults::{Fault, FaultError, FaultPlan, FaultRule};
pub use server::{Sandbox, SandboxError, start};
pub use witness::{Arrival, BilledTwice, Books};

#[cfg(test)]
mod tests;
