//! The file host: the videos of the tasks, behind links that expire.
//!
//! `GET /files/<task id>.mp4?…` needs no key, and the books count the requests that bring one all the same. Like the
//! tasks, links and files are functions of the task's id and the clock: nothing is kept but which transfers were cut.

mod clip;
mod link;
mod serve;

pub(super) use link::Link;
pub use serve::FileBooks;
pub(super) use serve::{Files, PATH, download_url, serve};
