//! Bars with names and numbers: a table that can be seen at a glance.

use crate::view::html::charts::stack::{pattern, swatch};
use crate::view::html::markup::{Html, html, put};
use crate::view::wording::grouped;

/// A bar.
#[derive(Debug, Clone, Copy)]
pub(in crate::view::html) struct Bar<'a> {
    /// The class it is drawn with.
    pub class: &'a str,
    /// What it counts.
    pub name: &'a str,
    /// Told apart from others of its name by this; empty where there is nothing to tell.
    pub code: &'a str,
    /// How many.
    pub count: u64,
}

/// One bar below the other, as long as they are many.
pub(in crate::view::html) fn chart(caption: &str, bars: &[Bar<'_>]) -> Html {
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let mut html = html!(
        r#"<table class="bars"><caption>{}</caption><thead class="unseen"><tr><th scope="col">outcome</th><td></td><th scope="col">how many</th></tr></thead><tbody>"#,
        caption
    );
    for bar in bars {
        #[expect(clippy::cast_precision_loss, reason = "a picture has a few thousand points")]
        let width = (bar.count as f64 / most as f64 * 100.0).max(0.6);
        put!(html, r#"<tr><th scope="row">{}{}"#, swatch(bar.class), bar.name,);
        if !bar.code.is_empty() {
            put!(html, r#" <code><bdi>{}</bdi></code>"#, bar.code);
        }
        put!(
            html,
            r#"</th><td><svg class="bar" height="10" aria-hidden="true"><rect class="s-{}" width="{:.1}%" height="10" rx="2"/>"#,
            bar.class,
            width
        );
        if let Some(pattern) = pattern(bar.class) {
            put!(
                html,
                r#"<rect fill="url(#{})" width="{:.1}%" height="10" rx="2"/>"#,
                pattern,
                width
            );
        }
        put!(
            html,
            r#"</svg></td><td class="number">{}</td></tr>"#,
            grouped(bar.count)
        );
    }
    put!(html, "</tbody></table>");
    html
}
