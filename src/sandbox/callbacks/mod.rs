//! Callbacks: what the API posts to a task's `callBackUrl` when the task has ended.
//!
//! They go to loopback addresses and nowhere else: a sandbox never calls out into the world. Others are counted as
//! undeliverable.

mod body;
mod postman;
mod signature;

pub use postman::CallbackBooks;
pub(super) use postman::{Callbacks, deliver_callbacks};
pub use signature::WebhookKey;
