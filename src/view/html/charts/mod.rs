//! How numbers become pictures: SVG that needs no script, in a page as on paper.
//!
//! A chart is as wide as its place. What is measured along its width is in percent, and the shapes of a plot stand in an
//! inner picture that is stretched; text is in the outer one and keeps its size, so that it can be read on a phone.
//! Colours are classes of the style sheet; shapes that must be told apart have patterns, too (`document.rs` defines them).

pub(super) mod bars;
pub(super) mod histogram;
pub(super) mod scale;
pub(super) mod stack;
pub(super) mod timeline;
