//! From an accepted task to a video on disk, and from a task id to the row that it belongs to.
//!
//! [`names`] decides what a file is called. For `settle --from`, [`pasted`] finds the task ids in a text, [`look_up`] asks
//! for their records, and [`matching`] says whose they are.

pub mod look_up;
pub mod matching;
pub mod names;
pub mod pasted;
