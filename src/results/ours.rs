//! What stands in our columns.

use std::borrow::Cow;

use super::ResultRow;
use crate::clock::UnixMillis;
use crate::row::{RESULTS_COLUMNS, RowState};
use crate::tables::{Cell, Column, Target, Tone};

/// Our columns as a workbook shows them.
pub(super) fn columns() -> impl Iterator<Item = Column> {
    RESULTS_COLUMNS.into_iter().map(|name| {
        let column = Column::new(name).added();
        match name {
            "error_message" => column.at_most(60),
            "video_url" | "video_file" => column.at_most(40),
            _ => column,
        }
    })
}

/// What stands in [`RESULTS_COLUMNS`] for `row`, in that order. `video_file` is where its link leads.
pub(super) fn cells<'a>(row: &ResultRow<'a>, video_file: Option<String>) -> [Cell<'a>; RESULTS_COLUMNS.len()] {
    let text = |text: Option<&'a str>| text.map_or(Cell::Empty, Cell::text);
    let time = |time: Option<UnixMillis>| time.map_or(Cell::Empty, |moment| Cell::text(moment.to_rfc3339()));
    let link = |text: Option<&'a str>, target: Target| {
        text.map_or(Cell::Empty, |text| Cell::Link(Cow::Borrowed(text), target))
    };
    [
        Cell::Whole(row.number.into()),
        status(row.state),
        text(row.task_id),
        text(row.error_code),
        text(row.error_message),
        Cell::Whole(row.attempts.into()),
        time(row.submitted_at),
        time(row.completed_at),
        // Neither CSV nor JSON has a word for infinity, and no price is one.
        row.credits
            .filter(|credits| credits.is_finite())
            .map_or(Cell::Empty, Cell::Decimal),
        link(row.video_url, Target::Itself),
        match video_file {
            Some(path) => link(row.video_file, Target::File(path)),
            None => text(row.video_file),
        },
    ]
}

/// A state in its colour.
pub(super) fn status(state: RowState) -> Cell<'static> {
    let tone = match state {
        RowState::Saved => Tone::Done,
        RowState::Succeeded => Tone::Good,
        RowState::Accepted => Tone::Busy,
        RowState::Queued => Tone::Plain,
        RowState::Sending | RowState::Unknown => Tone::Doubtful,
        RowState::Invalid | RowState::Rejected | RowState::Failed => Tone::Bad,
    };
    Cell::Word(Cow::Borrowed(state.as_str()), tone)
}

/// Whether a column of the manifest has to make room for ours.
pub(super) fn is_ours(name: &str) -> bool {
    RESULTS_COLUMNS.contains(&name)
}
