//! The live page and the report: values in, HTML out.
//!
//! Both are made of the same [`sections`](fn@sections), charts among them, which need no script to be read; a script only lists the
//! rows, plays the videos and, in the page, puts new sections in the place of old ones. Nothing here is fetched from
//! elsewhere: no font, no library.
//!
//! Whatever comes from a manifest or a server is escaped by the one way there is to make HTML (`markup.rs`).
//!
//! | file | decides |
//! | --- | --- |
//! | `markup.rs`, `moment.rs` | how HTML is made and values are escaped; how moments are written |
//! | `standing.rs` | in one word, where a batch stands |
//! | `sections/` | what is said about a batch, one file a section |
//! | `charts/` | how numbers become pictures |
//! | `document.rs` | the live page and its door |
//! | `report/` | the report: one file that can be mailed |
//! | `assets.rs`, `assets/` | style, scripts and the icon |

mod assets;
mod charts;
mod document;
mod markup;
mod moment;
mod report;
mod sections;
mod standing;

pub use assets::{Asset, asset};
pub use document::{login, page};
pub use report::{REPORT_MARK, ReportError, Rows, Written, report, report_policy};
pub use sections::{Section, sections};

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
