//! Why rows did not make it, and what to do about it.

use crate::escape;
use crate::view::causes::MOST_CAUSES_TOLD;
use crate::view::hints::{self, row_remedy};
use crate::view::html::charts::stack::swatch;
use crate::view::html::markup::{Html, capital, html, put, sentence};
use crate::view::wording::{counted, grouped};
use crate::view::{Cause, Overview};

pub(super) fn section(overview: &Overview) -> Html {
    let summary = &overview.summary;
    let mut html = html!("<h2>Problems</h2>");
    if summary.causes.is_empty() {
        put!(html, r#"<p class="nothing good">Nothing has gone wrong.</p>"#);
    } else {
        put!(html, r#"<ul class="causes">"#);
        for cause in &summary.causes {
            put!(html, "<li>{}{}</li>", heading(cause), rows(cause));
        }
        put!(html, "</ul>");
        if summary.causes.len() == MOST_CAUSES_TOLD {
            put!(
                html,
                r#"<p class="note">These are the most frequent; the list of rows has every one.</p>"#
            );
        }
    }
    put!(html, "{}", next(overview));
    html
}

/// What went wrong, how often, and what to do about it.
pub(in crate::view::html) fn heading(cause: &Cause) -> Html {
    let Cause {
        state,
        code,
        message,
        count,
        ..
    } = cause;
    let mut html = html!(
        r#"<p class="cause"><span class="what">{}<b>{} {}</b></span>"#,
        swatch(state.as_str()),
        grouped(*count),
        state.as_str(),
    );
    // An invalid row's code says `invalid` once more.
    if !code.is_empty() && code != state.as_str() {
        put!(html, r#" <code><bdi>{}</bdi></code>"#, escape::excerpt(code, 40));
    }
    if !message.is_empty() {
        put!(html, r#" <bdi class="message">{}</bdi>"#, sentence(message));
    }
    put!(html, "</p>");
    if let Some(remedy) = row_remedy(*state, code) {
        put!(html, r#"<p class="remedy">{}.</p>"#, sentence(&capital(remedy)));
    }
    html
}

/// The first rows it concerns, and a way to all of them.
fn rows(cause: &Cause) -> Html {
    let mut html = html!(r#"<p class="rows">"#);
    for (index, row) in cause.first_rows.iter().enumerate() {
        let gap = if index == 0 { "" } else { ", " };
        let name = if index == 0 { "row " } else { "" };
        put!(html, r##"{}<a href="#row={}">{}{}</a>"##, gap, row, name, row);
    }
    let more = cause.count.saturating_sub(cause.first_rows.len() as u64);
    if more > 0 {
        let code = match cause.code.as_str() {
            code if code == cause.state.as_str() => String::new(),
            code => format!("&code={}", in_hash(code)),
        };
        put!(
            html,
            r##" <a href="#status={}{}">and {}</a>"##,
            cause.state.as_str(),
            code,
            counted(more, "other")
        );
    }
    put!(html, "</p>");
    html
}

/// A value in the address of a view of the rows.
fn in_hash(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What there is to do, the most pressing first; nothing while somebody is at work, or where nothing is left.
pub(in crate::view::html) fn next(overview: &Overview) -> Html {
    let hints = hints::hints(&overview.summary);
    if overview.live.is_some() || hints.is_empty() {
        return Html::default();
    }
    let mut html = html!(r#"<h3>What to do next</h3><ul class="next">"#);
    for hint in &hints {
        put!(html, "<li>{}.</li>", sentence(&capital(hint)));
    }
    put!(html, "</ul>");
    html
}
