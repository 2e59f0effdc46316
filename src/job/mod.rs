//! The settings of a batch: from flags, environment and a TOML job file to one [`Job`] in which nothing is open.

pub mod duration;
mod error;
pub mod file;
pub mod key;
pub mod origin;
pub mod settings;
pub mod until;
pub use error::{FileProblem, JobError};
