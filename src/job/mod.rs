//! (job)

pub mod duration;
pub mod until;
