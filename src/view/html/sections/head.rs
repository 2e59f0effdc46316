//! What batch this is, and where it stands in one word.

use crate::view::Overview;
use crate::view::html::markup::{Html, html, put};
use crate::view::html::moment::moment;
use crate::view::html::standing::{Standing, progress};
use crate::view::wording::counted;

pub(super) fn section(overview: &Overview) -> Html {
    let standing = Standing::of(overview).word();
    let summary = &overview.summary;
    let far = progress(&summary.counts);
    // What the script makes the title of the window.
    let title = match &far {
        Some(far) => format!("{far} · {standing} · {}", overview.name),
        None => format!("{standing} · {}", overview.name),
    };
    let mut html = html!(
        r#"<div class="masthead" data-title="{}"><h1><bdi>{}</bdi></h1><span class="badge is-{}">{}</span>"#,
        title,
        overview.name,
        standing,
        standing,
    );
    if summary.sandbox {
        put!(html, r#"<span class="badge is-trial">trial</span>"#);
    }
    put!(
        html,
        r#"</div><p class="byline">{}"#,
        counted(summary.counts.rows(), "row")
    );
    if let Some(far) = far {
        put!(html, ", {}", far);
    }
    if overview.history.runs > 0 {
        put!(html, " · {}", counted(overview.history.runs, "run"));
    }
    if let Some(owner) = &summary.at_work {
        put!(html, " · at work: <bdi>{}</bdi>", owner);
    }
    put!(html, " · as of {}</p>", moment(overview.at));
    html
}
