//! The settings of a batch: flags, environment and a TOML job file fill the same all-optional [`Settings`]; merged in
//! that order, they are resolved once into a [`Job`] in which nothing with a default is left open.
//!
//! Only this folder and `cli` know of clap and of environment variables. It imports leaf types and the price table.

pub mod duration;
pub mod file;
pub mod key;
pub mod notices;
pub mod options;
pub mod origin;
pub mod paths;
pub mod resolve;
pub mod settings;
pub mod until;

mod error;

pub use error::{FileProblem, JobError};
pub use key::{ApiKey, KeyError, PageToken, WebhookKey};
pub use notices::{NoticeFormat, NoticeOn, Notices};
pub use resolve::{Collect, Job, Output, Viewing};
pub use settings::{
    Access, Checking, CodeFilter, Collecting, Files, Intake, LogFormat, Monitoring, Notifying, OnUnknown, Place,
    Planning, Presenting, ProgressMode, Receiving, Reporting, Sending, Settings,
};
pub use until::Moment;
