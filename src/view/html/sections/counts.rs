//! How many rows are in which state.

use crate::row::RowState;
use crate::view::html::charts::stack::{self, Part};
use crate::view::html::markup::{Html, html, put};
use crate::view::wording::{counted, grouped};
use crate::view::{Counts, Overview};

/// The states as a row passes through them, then those it can get stuck in; what waits to be sent comes last, so that
/// the bar fills from the left.
const ORDER: [RowState; 9] = [
    RowState::Saved,
    RowState::Succeeded,
    RowState::Accepted,
    RowState::Sending,
    RowState::Failed,
    RowState::Rejected,
    RowState::Unknown,
    RowState::Invalid,
    RowState::Queued,
];

pub(super) fn section(overview: &Overview) -> Html {
    let summary = &overview.summary;
    let counts = &summary.counts;
    let rows = counts.rows();
    let mut html = html!(r#"<h2>Rows</h2>"#);
    if rows == 0 {
        put!(
            html,
            r#"<p class="nothing">No row yet. They are here as soon as a command has read the manifest.</p>"#
        );
        return html;
    }
    let parts: Vec<Part> = ORDER
        .into_iter()
        .map(|state| Part {
            class: state.as_str(),
            count: counts.of(state),
        })
        .collect();
    put!(html, "{}", stack::chart(&parts, &in_words(counts)));
    put!(html, r#"<ul class="tiles">"#);
    for state in ORDER.into_iter().filter(|state| counts.of(*state) > 0) {
        let count = counts.of(state);
        put!(
            html,
            r##"<li><a href="#status={}" title="{} ({}) that {}"><span class="tile-name">{}{}</span><strong>{}</strong></a></li>"##,
            state.as_str(),
            counted(count, "row"),
            share(count, rows),
            meaning(state, count),
            stack::swatch(state.as_str()),
            state.as_str(),
            grouped(count),
        );
    }
    put!(html, "</ul>");
    notes(&mut html, overview);
    html
}

/// What no count by state tells.
fn notes(html: &mut Html, overview: &Overview) {
    let summary = &overview.summary;
    let mut notes = Vec::new();
    if summary.changed > 0 {
        notes.push(format!("{} changed after being sent", counted(summary.changed, "row")));
    }
    if summary.unknown_elsewhere > 0 {
        let rows = counted(summary.unknown_elsewhere, "unknown row");
        notes.push(format!("{rows} no longer in the manifest"));
    }
    if !summary.extra_tasks.is_empty() {
        let tasks = counted(summary.extra_tasks.len() as u64, "task");
        notes.push(format!("{tasks} that no row has, perhaps charged"));
    }
    if !notes.is_empty() {
        put!(html, r#"<p class="note">Beside these: {}.</p>"#, notes.join("; "));
    }
}

fn in_words(counts: &Counts) -> String {
    let parts: Vec<String> = ORDER
        .into_iter()
        .filter(|state| counts.of(*state) > 0)
        .map(|state| format!("{} {state}", grouped(counts.of(state))))
        .collect();
    format!("{}: {}", counted(counts.rows(), "row"), parts.join(", "))
}

/// What a state means, to follow `12 rows that …`.
fn meaning(state: RowState, count: u64) -> &'static str {
    let (one, several) = match state {
        RowState::Invalid => ("breaks a rule and is never sent", "break a rule and are never sent"),
        RowState::Queued => ("waits to be sent", "wait to be sent"),
        RowState::Sending => ("is being sent", "are being sent"),
        RowState::Accepted => (
            "the API took; its task has not ended",
            "the API took; their tasks have not ended",
        ),
        RowState::Rejected => ("the API refused, or you gave up", "the API refused, or you gave up"),
        RowState::Unknown => ("got no clear answer: decide", "got no clear answer: decide"),
        RowState::Succeeded => ("has a video that is not on disk", "have a video that is not on disk"),
        RowState::Failed => ("ended without a video", "ended without a video"),
        RowState::Saved => ("has its video on disk", "have their videos on disk"),
    };
    if count == 1 { one } else { several }
}

/// `12%`, `<1%`, `>99%`.
fn share(count: u64, rows: u64) -> String {
    match count * 100 / rows {
        0 => "<1%".to_owned(),
        99 if count < rows => ">99%".to_owned(),
        percent => format!("{percent}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_place_and_shares_do_not_lie() {
        let mut order = ORDER;
        order.sort_unstable();
        let mut all = RowState::ALL;
        all.sort_unstable();
        assert_eq!(order, all);
        let shares = [(1, 1_000), (999, 1_000), (1, 1), (1, 3), (990, 1_000)].map(|(count, rows)| share(count, rows));
        assert_eq!(shares, ["<1%", ">99%", "100%", "33%", ">99%"]);
    }
}
