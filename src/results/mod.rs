//! (results)
