//! The requests over time.

use crate::escape;
use crate::rate::Rate;
use crate::view::html::charts::stack::swatch;
use crate::view::html::charts::timeline::{KINDS, chart, sums, window_of};
use crate::view::html::markup::{Html, html, put};
use crate::view::html::moment;
use crate::view::wording::{counted, grouped, lasting};
use crate::view::{Overview, Timeline};

/// Pauses that are listed one by one.
const PAUSES: usize = 20;

/// Characters of a message.
const MESSAGE: usize = 200;

/// The latest run.
pub(super) fn latest(overview: &Overview) -> Html {
    let mut html = html!("<h2>Requests</h2>");
    match overview.history.timelines.first() {
        Some(timeline) => put!(html, "{}", figure(timeline, overview.rate)),
        None => nothing(&mut html),
    }
    html
}

/// The last runs, the latest first; those before it are folded up.
pub(in crate::view::html) fn timelines(overview: &Overview) -> Html {
    let history = &overview.history;
    let mut html = html!("<h2>Requests</h2>");
    let Some((latest, earlier)) = history.timelines.split_first() else {
        nothing(&mut html);
        return html;
    };
    put!(html, "{}", figure(latest, overview.rate));
    for timeline in earlier {
        let sum: u64 = sums(timeline).iter().sum();
        put!(
            html,
            r#"<details class="earlier"><summary>Run {}, {} UTC: {}</summary>{}</details>"#,
            timeline.run,
            moment::day_and_minute(timeline.started_at),
            counted(sum, "request"),
            figure(timeline, overview.rate)
        );
    }
    let shown = history.timelines.len() as u64;
    if history.runs > shown {
        let more = counted(history.runs - shown, "earlier run");
        put!(html, r#"<p class="note">And {}.</p>"#, more);
    }
    html
}

fn nothing(html: &mut Html) {
    put!(html, r#"<p class="nothing">No request yet.</p>"#);
}

fn figure(timeline: &Timeline, rate: Rate) -> Html {
    let ended = match timeline.ended_at {
        Some(ended) => {
            let millis = ended.millis_since(timeline.started_at);
            format!(", for {}", lasting(std::time::Duration::from_millis(millis)))
        }
        None => String::new(),
    };
    let mut html = html!(
        r#"<figure class="chart"><figcaption><span>Run {}, from {} UTC{}</span><ul class="legend">"#,
        timeline.run,
        moment::day_and_minute(timeline.started_at),
        ended,
    );
    for ((class, words, _), sum) in KINDS.iter().zip(sums(timeline)).filter(|(_, sum)| *sum > 0) {
        put!(html, "<li>{}{} <b>{}</b></li>", swatch(class), *words, grouped(sum));
    }
    if !timeline.pauses.is_empty() {
        put!(
            html,
            "<li>{}paused <b>{}</b></li>",
            swatch("pause"),
            grouped(timeline.pauses.len() as u64)
        );
    }
    put!(html, "</ul></figcaption>{}", chart(timeline, rate));
    put!(html, "{}{}</figure>", pauses(timeline), table(timeline, rate));
    html
}

fn pauses(timeline: &Timeline) -> Html {
    let mut html = Html::default();
    if timeline.pauses.is_empty() {
        return html;
    }
    put!(
        html,
        r#"<details data-key="pauses-{}"><summary>{}, and why</summary><ul class="pauses">"#,
        timeline.run,
        counted(timeline.pauses.len() as u64, "pause")
    );
    for pause in timeline.pauses.iter().take(PAUSES) {
        let millis = pause.until.millis_since(pause.from);
        put!(
            html,
            r#"<li><time datetime="{}">{}</time> for {}: <bdi>{}</bdi> <code><bdi>{}</bdi></code></li>"#,
            pause.from.to_rfc3339(),
            moment::clock(pause.from),
            lasting(std::time::Duration::from_millis(millis)),
            escape::excerpt(&pause.message, MESSAGE),
            escape::excerpt(&pause.code, 40),
        );
    }
    if let Some(more @ 1..) = timeline.pauses.len().checked_sub(PAUSES) {
        put!(html, "<li>and {} more</li>", more);
    }
    put!(html, "</ul></details>");
    html
}

/// The numbers behind the picture: slices in which nothing began are left out.
fn table(timeline: &Timeline, rate: Rate) -> Html {
    let sums = sums(timeline);
    let kinds: Vec<_> = KINDS
        .iter()
        .zip(sums)
        .filter(|(_, sum)| *sum > 0)
        .map(|(kind, _)| kind)
        .collect();
    let mut html = html!(
        r#"<details data-key="table-{}"><summary>As a table</summary><div class="scroll"><table class="figures"><thead><tr><th scope="col">UTC, for {}</th>"#,
        timeline.run,
        lasting(timeline.slice)
    );
    for (_, words, _) in &kinds {
        put!(html, r#"<th scope="col">{}</th>"#, *words);
    }
    put!(
        html,
        r#"<th scope="col">fullest {}</th></tr></thead><tbody>"#,
        lasting(window_of(rate))
    );
    let mut at = timeline.started_at;
    for slice in &timeline.slices {
        if slice.requests() > 0 {
            // The end tags may be left out, and there are many.
            put!(html, "<tr><td>{}", moment::clock(at));
            for (_, _, count) in &kinds {
                put!(html, "<td>{}", count(slice));
            }
            put!(html, "<td>{}", slice.peak);
        }
        at = at.after(timeline.slice);
    }
    put!(html, "</tbody></table></div></details>");
    html
}
