//! What is said about a batch, section by section. Each is the inside of an element that the document has for it.

mod counts;
mod head;
mod money;
mod now;
mod outcomes;
mod problems;
mod timeline;
mod times;

use crate::view::Overview;

use super::markup::Html;

pub(super) use problems::{heading, next};
pub(super) use timeline::timelines;

/// A part of the page or the report that can be replaced by a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The `id` of its element.
    pub id: &'static str,
    /// What is inside of that element; empty where there is nothing to say. Everything in it is escaped.
    pub html: String,
}

/// All sections, in the order of the page.
pub fn sections(overview: &Overview) -> Vec<Section> {
    in_order(overview, timeline::latest)
}

/// The sections with these time lines.
pub(super) fn in_order(overview: &Overview, timelines: impl Fn(&Overview) -> Html) -> Vec<Section> {
    let section = |id, html: Html| Section {
        id,
        html: html.into_string(),
    };
    vec![
        section("head", head::section(overview)),
        section("now", now::section(overview)),
        section("counts", counts::section(overview)),
        section("timeline", timelines(overview)),
        section("money", money::section(overview)),
        section("outcomes", outcomes::section(overview)),
        section("times", times::section(overview)),
        section("problems", problems::section(overview)),
    ]
}
