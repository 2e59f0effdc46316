//! (kie)
