//! What requests and tasks came to, by code.

use crate::escape;
use crate::view::html::charts::bars::{self, Bar};
use crate::view::html::markup::{Html, html, put};
use crate::view::{Outcome, Overview, Step};

/// Characters of a code.
const CODE: usize = 40;

pub(super) fn section(overview: &Overview) -> Html {
    let outcomes = &overview.history.outcomes;
    let mut html = html!("<h2>Outcomes</h2>");
    if outcomes.is_empty() {
        put!(html, r#"<p class="nothing">Nothing was answered yet.</p>"#);
    }
    for (caption, step) in [("Requests", Step::Request), ("Tasks", Step::Task)] {
        let of_step: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.of == step).collect();
        if of_step.is_empty() {
            continue;
        }
        let codes: Vec<String> = of_step
            .iter()
            .map(|outcome| escape::excerpt(&outcome.code, CODE))
            .collect();
        let bars: Vec<Bar<'_>> = of_step
            .iter()
            .zip(&codes)
            .map(|(outcome, code)| Bar {
                class: class(&outcome.result),
                name: name(&outcome.result),
                // An API that calls a success 200 says it twice.
                code: if code == "200" { "" } else { code },
                count: outcome.count,
            })
            .collect();
        put!(html, "{}", bars::chart(caption, &bars));
    }
    html
}

/// The class that stands for a result in the style sheet.
fn class(result: &str) -> &'static str {
    ["accepted", "again", "rejected", "unknown", "succeeded", "failed"]
        .into_iter()
        .find(|class| *class == result)
        .unwrap_or("other")
}

fn name(result: &str) -> &str {
    match result {
        "again" => "to be made again",
        "unknown" => "without an answer",
        other => other,
    }
}
