//! (kie)

pub mod price;
