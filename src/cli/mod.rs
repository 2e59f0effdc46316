//! (cli)
pub mod sandbox;
