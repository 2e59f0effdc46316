//! hailuo-batch turns every row of a manifest into a Hailuo 2.3 video through Kie.ai's job API, at exactly the
//! speed the account allows, never paying for a row twice and never losing a task id.
//!
//! Data flows one way, and so do imports:
//!
//! ```text
//! main → cli → { page } → { preflight  dispatch  collect  results  view  notify  sandbox  template } → { job  kie  ledger  tables } → { manifest  server  web } → leaf types
//! ```
//!
//! Modules side by side do not know each other: they meet in [`cli`].

// Leaf types: values without I/O, shared by every layer.
pub mod address;
pub mod byte_range;
pub mod clock;
pub mod escape;
pub mod finding;
pub mod image;
pub mod incident;
pub mod pace;
pub mod page_token;
pub mod price;
pub mod rate;
pub mod row;
pub mod secret_url;
pub mod webhook_key;

pub mod job;
pub mod server;
pub mod web;

// The world: the file, the API, the durable record.
pub mod kie;
pub mod ledger;
pub mod manifest;
pub mod tables;

// The work.
pub mod collect;
pub mod dispatch;
pub mod notify;
pub mod page;
pub mod preflight;
pub mod results;
pub mod sandbox;
pub mod template;
pub mod view;

pub mod cli;
