//! What the last sheet of a workbook says: how many rows are in which state, what they cost, and why some did not make
//! it.

use std::fmt::Write;

use super::ours;
use crate::row::RowState;
use crate::tables::{Block, Cell, Column, Page, Target};

/// What is to be said about the whole batch, by whoever knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Closing {
    /// What these are the results of.
    pub title: String,
    /// What is known of the batch, in the order in which it is told.
    pub facts: Vec<Fact>,
    /// Why rows are in trouble, the most frequent reason first.
    pub causes: Vec<Cause>,
}

/// Something that is known of the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What it is about.
    pub label: &'static str,
    /// What is known.
    pub value: FactValue,
}

/// What is known of something.
#[derive(Debug, Clone, PartialEq)]
pub enum FactValue {
    /// In words.
    Text(String),
    /// As a finite number, whose unit the label has.
    Number(f64),
    /// As a finite amount of money, whose currency the label has.
    Money(f64),
}

/// Rows in one state with the same code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What the rows came to.
    pub state: RowState,
    /// The API's number, or one of our words; empty where there is none.
    pub code: String,
    /// What was said about it.
    pub message: String,
    /// How many rows.
    pub rows: u64,
    /// The numbers of the first few of them.
    pub first_rows: Vec<u32>,
}

/// Rows by state, counted as they are written.
#[derive(Debug, Default)]
pub(super) struct Tally([u64; RowState::ALL.len()]);

impl Tally {
    pub(super) fn count(&mut self, state: RowState) {
        let place = RowState::ALL.iter().position(|known| *known == state);
        if let Some(count) = place.and_then(|place| self.0.get_mut(place)) {
            *count += 1;
        }
    }

    fn all(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The sheet that says it. `cut_cells` is how many cells the workbook could not hold whole.
pub(super) fn page<'a>(tally: &Tally, closing: &'a Closing, cut_cells: u64) -> Page<'a> {
    let mut blocks = vec![Block {
        heading: "Rows",
        header: &["status", "rows", "share", "what it means"],
        rows: states(tally),
    }];
    let mut facts: Vec<_> = closing.facts.iter().map(fact).collect();
    if cut_cells > 0 {
        let said = format!("{cut_cells}: a workbook has no room for them; results in CSV or JSONL are complete");
        facts.push(vec![Cell::text("cells that were cut"), Cell::text(said)]);
    }
    if !facts.is_empty() {
        blocks.push(Block {
            heading: "Batch",
            header: &[],
            rows: facts,
        });
    }
    if !closing.causes.is_empty() {
        blocks.push(Block {
            heading: "Problems",
            header: &["status", "rows", "code", "what happened", "first rows"],
            rows: closing.causes.iter().map(cause).collect(),
        });
    }
    Page {
        name: "Summary",
        title: match &*closing.title {
            "" => "Summary".to_owned(),
            title => title.to_owned(),
        },
        columns: vec![
            Column::new("").at_most(26),
            Column::new("").at_most(12),
            Column::new("").at_most(14),
            Column::new("").at_most(80).wrapped(),
            Column::new("").at_most(30),
        ],
        blocks,
    }
}

fn states(tally: &Tally) -> Vec<Vec<Cell<'static>>> {
    let all = tally.all();
    let mut rows = Vec::new();
    for (state, count) in RowState::ALL.into_iter().zip(tally.0) {
        if count > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a manifest has at most a million rows")]
            let share = count as f64 / all as f64;
            rows.push(vec![
                ours::status(state),
                Cell::Whole(count),
                Cell::Share(share),
                Cell::text(meaning(state)),
            ]);
        }
    }
    rows.push(vec![Cell::text("all rows"), Cell::Whole(all)]);
    rows
}

/// What a state means to somebody who sees only the word.
fn meaning(state: RowState) -> &'static str {
    match state {
        RowState::Invalid => "breaks a rule and was not sent: `error_message` says which",
        RowState::Queued => "waits to be sent: run the batch again to go on",
        RowState::Sending => "is being sent at this moment",
        RowState::Accepted => "the API has taken it; its task has not ended, or nobody has looked yet",
        RowState::Rejected => "the API refused it: `error_message` says why",
        RowState::Unknown => "sent, and no answer came: it may have been charged; decide with `settle`",
        RowState::Succeeded => "the video is made; it lies at `video_url` for a while and is not saved yet",
        RowState::Failed => "the API took it and could not make the video: `error_message` says why",
        RowState::Saved => "the video is on disk: `video_file` says where",
    }
}

fn fact(fact: &Fact) -> Vec<Cell<'_>> {
    let value = match &fact.value {
        FactValue::Text(text) => Cell::text(&**text),
        FactValue::Number(number) if number.is_finite() => Cell::Decimal(*number),
        FactValue::Money(amount) if amount.is_finite() => Cell::Money(*amount),
        FactValue::Number(_) | FactValue::Money(_) => Cell::text("not known"),
    };
    vec![Cell::text(fact.label), value]
}

fn cause(cause: &Cause) -> Vec<Cell<'_>> {
    let mut rows = String::new();
    for row in &cause.first_rows {
        let gap = if rows.is_empty() { "" } else { ", " };
        write!(rows, "{gap}{row}").expect("writing to a string cannot fail");
    }
    if cause.rows > cause.first_rows.len() as u64 {
        rows.push_str(", …");
    }
    let rows = match cause.first_rows.first() {
        Some(first) => Cell::Link(rows.into(), Target::Row(*first)),
        None => Cell::Empty,
    };
    vec![
        ours::status(cause.state),
        Cell::Whole(cause.rows),
        Cell::text(&*cause.code),
        Cell::text(&*cause.message),
        rows,
    ]
}
