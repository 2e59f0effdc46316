//! From a finished task to a video on disk.
//!
//! [`names`] decides what a file is called. It imports leaf types only.

pub mod names;
