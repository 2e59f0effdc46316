//! What goes on at this moment: the rate, what is under way, a pause, a halt. Nothing, where nothing goes on.

use crate::escape;
use crate::rate::Rate;
use crate::view::collected::size;
use crate::view::hints;
use crate::view::html::markup::{Html, capital, html, put, sentence};
use crate::view::html::standing::Standing;
use crate::view::wording::{counted, grouped, lasting};
use crate::view::{Halt, MeasuredRate, Overview, Pause, Snapshot, Summary};

/// Characters of a message.
const MESSAGE: usize = 500;

pub(super) fn section(overview: &Overview) -> Html {
    let mut html = Html::default();
    let standing = Standing::of(overview);
    let live = overview.live.as_ref();
    let halt = live.and_then(|live| live.halt.as_ref());
    if let (Standing::Halted, Some(halt)) = (standing, halt.or(overview.summary.halted.as_ref())) {
        halted(&mut html, halt, &overview.summary);
    }
    if let Some(pause) = pause_of(overview) {
        paused(&mut html, &pause);
    }
    if let Some(live) = live {
        figures(&mut html, live);
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

/// The pause under way: of a run in another process the ledger knows what an answer asked for.
fn pause_of(overview: &Overview) -> Option<Pause> {
    if let Some(live) = &overview.live {
        return live.pause.clone();
    }
    let remaining = overview.pause_left()?;
    let latest = overview.history.timelines.first()?.pauses.last()?;
    let reason = match (&*latest.code, &*latest.message) {
        (code, "") => format!("the API answered {code}"),
        (code, message) => format!("the API answered {code}: {message}"),
    };
    Some(Pause { remaining, reason })
}

fn paused(html: &mut Html, pause: &Pause) {
    let then = match pause.remaining.is_zero() {
        true => "it is trying again with one request".to_owned(),
        false => format!("it goes on in {}", lasting(pause.remaining)),
    };
    put!(
        html,
        r#"<div class="banner is-paused" role="status"><h2>Paused</h2><p><bdi>{}</bdi>; {}.</p></div>"#,
        capital(&escape::excerpt(&pause.reason, MESSAGE)),
        then
    );
}

fn figures(html: &mut Html, live: &Snapshot) {
    let mut figures: Vec<(&str, String, String)> = Vec::new();
    if live.is_sending() && live.halt.is_none() {
        if let Some((now, limit)) = live.rate.map(rate_now) {
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

/// The rate of the last whole windows, and what it may be: `18.5`, `of 20 in 10 s`.
fn rate_now(rate: MeasuredRate) -> (String, String) {
    let requests = format!("{:.1}", rate.requests);
    match rate.limit {
        Rate::Limited { requests: most, window } => (requests, format!("of {most} in {}", lasting(window))),
        Rate::Off => (requests, "a second, no limit".to_owned()),
    }
}
