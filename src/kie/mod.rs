//! Kie.ai's job API: what a request looks like, how it is sent, and what its answer means.
//!
//! [`Api`] is the seam: [`Client`] speaks to a server, the simulation of `dispatch` answers from memory. What an answer
//! means is decided in one place, [`outcome::outcome_of`], from the texts in `texts.rs`. Imports leaf types only.

pub mod client;
mod envelope;
pub mod outcome;
pub mod request;
pub mod retry_after;
mod texts;

use std::future::Future;

pub use client::{Client, ClientConfig, ClientError};
pub use outcome::{Answer, Effect, Lost, Outcome, Remedy, Reply, Verdict, outcome_of};
pub use request::CreateTask;

/// One createTask request and whatever came of it.
pub trait Api: Send + Sync + 'static {
    /// Sends `request` once. Every way this can end is an [`Answer`]; implementations never send it a second time.
    fn create_task(&self, request: CreateTask<'_>) -> impl Future<Output = Answer> + Send;

    /// `text` of the server, before it is stored or shown. It may repeat the key.
    fn without_secrets(&self, text: String) -> String;
}
