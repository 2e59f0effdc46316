//! How long the API took to answer, and its tasks to end.

use crate::view::html::charts::histogram;
use crate::view::html::markup::{Html, html, put};
use crate::view::wording::grouped;
use crate::view::{Distribution, Overview};

pub(super) fn section(overview: &Overview) -> Html {
    let history = &overview.history;
    let mut html = html!("<h2>Times</h2>");
    let figures: Vec<Html> = [
        ("Until a request was answered", &history.latency),
        ("From acceptance to the video", &history.generation),
    ]
    .into_iter()
    .filter_map(|(name, distribution)| figure(name, distribution))
    .collect();
    if figures.is_empty() {
        put!(html, r#"<p class="nothing">No answer yet.</p>"#);
        return html;
    }
    put!(html, r#"<div class="side-by-side">"#);
    for figure in figures {
        put!(html, "{}", figure);
    }
    put!(html, "</div>");
    html
}

fn figure(name: &str, distribution: &Distribution) -> Option<Html> {
    let chart = histogram::chart(name, distribution)?;
    Some(html!(
        r#"<figure class="chart"><figcaption><span>{}</span><span class="aside">{} measured</span></figcaption>{}</figure>"#,
        name,
        grouped(distribution.count()),
        chart
    ))
}
