//! From a finished task to a video on disk.
//!
//! [`names`] decides what a file is called, [`fetch`] brings it here. What is fetched, when, and how often it is tried is
//! decided by their caller. Imports `kie` and leaf types.

pub mod fetch;
pub mod names;
