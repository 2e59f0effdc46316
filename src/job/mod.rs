//! (job)
