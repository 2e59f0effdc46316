//! Kie.ai's job API: what a request looks like, how it is sent, and what its answer means.
//!
//! The traits are the seams: [`Client`] speaks to a server, simulations answer from memory. What an answer means is decided
//! by pure functions, one for each request: [`outcome_of`] for createTask, and for requests that create nothing (looks,
//! links, the balance, uploads) those of their own files, on the same table of codes and texts. Imports leaf types, and
//! [`crate::web`] for the client.

pub mod balance;
pub mod callback;
pub mod client;
mod envelope;
mod fields;
pub mod link;
pub mod outcome;
mod question;
pub mod record;
pub mod request;
pub mod signature;
mod texts;
pub mod upload;

use std::future::Future;

pub use balance::BalanceError;
pub use callback::Callback;
pub use client::{Client, ClientConfig, ClientError};
pub use link::LinkError;
pub use outcome::{Answer, Effect, Lost, Outcome, Remedy, Reply, Verdict, outcome_of};
pub use record::{EchoedRequest, Look, TaskRecord, TaskState, look_of};
pub use request::CreateTask;
pub use upload::{Upload, UploadAnswer};

use crate::row::TaskId;

/// Whoever speaks to the API with a key, and knows it when the server repeats it.
pub trait Discreet: Send + Sync + 'static {
    /// `text` of the server, before it is stored or shown. It may repeat the key.
    fn without_secrets(&self, text: String) -> String;
}

/// One createTask request and whatever came of it.
pub trait Api: Discreet {
    /// Sends `request` once. Every way this can end is an [`Answer`]; implementations never send it a second time.
    fn create_task(&self, request: CreateTask<'_>) -> impl Future<Output = Answer> + Send;
}

/// What may be asked about tasks, files and the account, as often as the caller's own limit allows: nothing of it
/// creates or costs anything. What comes back is without the key already.
pub trait TaskApi: Discreet {
    /// Looks once at the API's record of a task.
    fn look(&self, task: &TaskId) -> impl Future<Output = Look> + Send;

    /// A fresh link to the file behind `url`, an address from a task's record: http or https, without credentials, and
    /// good for 20 minutes.
    fn fresh_link(&self, url: &str) -> impl Future<Output = Result<String, LinkError>> + Send;

    /// The account's balance in credits: finite, often fractional, negative when it is overdrawn.
    fn balance(&self) -> impl Future<Output = Result<f64, BalanceError>> + Send;
}

/// Where local images go before their rows are sent.
pub trait Uploads: Discreet {
    /// Stores a file for the API to fetch. Storing the same file again changes nothing.
    fn upload(&self, upload: Upload<'_>) -> impl Future<Output = UploadAnswer> + Send;
}
