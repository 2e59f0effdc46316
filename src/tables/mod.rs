//! Tables written for people: CSV, TSV, JSONL or a workbook, whole or not at all.
//!
//! A [`Table`] takes a [`Head`] and then rows of [`Cell`]s, one at a time and in bounded memory, and puts the file in its
//! place in one step. Cells say what they mean (text, a number, a link, a good or a bad word), and each format shows as
//! much of it as it can. Text is never a formula, whoever wrote it.
//!
//! This folder knows nothing of rows, manifests or settings. The results are written with it, and so is the list of a
//! manifest's problems.
//!
//! | file | decides |
//! | --- | --- |
//! | `format.rs`, `error.rs` | which formats there are, and what is said when a file cannot be written |
//! | `atomic.rs` | how a file is replaced |
//! | `recognise.rs` | what was written by us before, and may be |
//! | `cell.rs`, `head.rs`, `page.rs` | what a table is made of |
//! | `separated.rs`, `objects.rs` | CSV and TSV; JSONL |
//! | `workbook/` | XLSX |

mod atomic;
mod cell;
mod error;
mod format;
mod head;
mod objects;
mod page;
mod recognise;
mod separated;
mod table;
mod workbook;

pub use atomic::{AtomicFile, directory_of, make_entry_durable};
pub use cell::{Cell, Target, Tone};
pub use error::{Purpose, TableError};
pub use format::Format;
pub use head::{Column, Head};
pub use page::{Block, Page};
pub use recognise::{may_be_replaced, opens_at_once};
pub use table::Table;
pub use workbook::panics_are_caught;

#[cfg(test)]
mod tests;
