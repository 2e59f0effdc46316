//! What goes on at this moment: the rate, what is under way, a pause, a halt. Nothing, where nothing goes on.

use std::time::Duration;

use crate::escape;
use crate::rate::Rate;
use crate::view::collected::size;
use crate::view::hints;
use crate::view::html::markup::{Html, capital, html, put, sentence};
use crate::view::html::standing::Standing;
use crate::view::wording::{counted, grouped, lasting};
use crate::view::{Halt, Overview, Snapshot, Summary};

/// Characters of a message.
const MESSAGE: usize = 500;

pub(super) fn section(overview: &Overview) -> Html {
    let mut html = Html::default();
    let standing = Standing::of(overview);
    if let (Standing::Halted, Some(halt)) = (standing, &overview.summary.halted) {
        halted(&mut html, halt, &overview.summary);
    }
    if let Some(live) = &overview.live {
        paused(&mut html, live);
        figures(&mut html, live, overview);
    }
    html
}

/// Why the last run stopped, what to do, and the command that goes on.
fn halted(html: &mut Html, halt: &Halt, summary: &Summary) {
    put!(
        html,
        r#"<div class="banner is-halted" role="status"><h2>Halted <code><bdi>{}</bdi></code></h2><p><bdi>{}</bdi></p>"#,
        escape::excerpt(&halt.code, 40),
        capital(&escape::excerpt(&halt.message, MESSAGE)),
    );
    let queued = summary.counts.queued;
    if queued > 0 {
        let rows = counted(queued, "row");
        let are = crate::view::wording::are(queued);
        put!(
            html,
            r#"<p class="note">{} {} still queued; nothing was lost.</p>"#,
            rows,
            are
        );
    }
    put!(
        html,
        r#"<p><b>What to do:</b> {}:</p>{}</div>"#,
        sentence(hints::remedy(halt)),
        command(&hints::same(summary))
    );
}

/// A command to be copied.
pub(super) fn command(text: &str) -> Html {
    let text = text.trim_matches('`');
    html!(
        r#"<p class="command"><code>{}</code><button type="button" class="copy" data-copy="{}">Copy</button></p>"#,
        text,
        text
    )
}

fn paused(html: &mut Html, live: &Snapshot) {
    let Some(pause) = &live.pause else {
        return;
    };
    put!(
        html,
        r#"<div class="banner is-paused" role="status"><h2>Paused</h2><p><bdi>{}</bdi>; it goes on in {}.</p></div>"#,
        capital(&escape::excerpt(&pause.reason, MESSAGE)),
        lasting(pause.remaining)
    );
}

fn figures(html: &mut Html, live: &Snapshot, overview: &Overview) {
    let mut figures: Vec<(&str, String, String)> = Vec::new();
    let sending = live.tasks.is_none() || live.done < live.total;
    if sending {
        if let Some((now, limit)) = rate_now(overview) {
            figures.push(("rate", now, limit));
        }
        figures.push(("in flight", grouped(live.in_flight), "requests".to_owned()));
        figures.push(("to be sent", grouped(live.queued), "rows".to_owned()));
        let eta = live.eta.map_or_else(|| "–".to_owned(), lasting);
        figures.push(("all sent in", eta, "pauses reckoned in".to_owned()));
    }
    if let Some(tasks) = live.tasks {
        figures.push(("generating", grouped(tasks.at_work), "tasks".to_owned()));
        if tasks.to_save + tasks.saved > 0 {
            let note = match tasks.to_save + tasks.saving {
                0 => size(tasks.bytes),
                _ => format!(
                    "{} to save, {} under way",
                    grouped(tasks.to_save),
                    grouped(tasks.saving)
                ),
            };
            figures.push(("saved", grouped(tasks.saved), note));
        }
    }
    figures.push(("at work for", lasting(live.elapsed), counted(live.requests, "request")));
    put!(html, r#"<h2 class="unseen">Now</h2><dl class="figures-now">"#);
    for (name, value, note) in figures {
        put!(
            html,
            r#"<div><dt>{}</dt><dd><strong>{}</strong> <span>{}</span></dd></div>"#,
            name,
            value,
            note
        );
    }
    put!(html, "</dl>");
}

/// How full the latest window was, and what it may hold: `18`, `of 20 in 10 s`.
fn rate_now(overview: &Overview) -> Option<(String, String)> {
    let timeline = overview.history.timelines.first()?;
    let peak = timeline.slices.last()?.peak;
    Some(match overview.rate {
        Rate::Limited { requests, window } => (grouped(peak.into()), format!("of {requests} in {}", lasting(window))),
        Rate::Off => (
            grouped(peak.into()),
            format!("in {}, no limit", lasting(Duration::from_secs(10))),
        ),
    })
}
