//! Why rows did not make it: equal causes are counted together, in bounded memory.

use std::collections::HashMap;

use serde::Serialize;

use crate::escape;
use crate::row::RowState;

/// Causes that a summary tells; the results and the report have them all.
pub const MOST_CAUSES_TOLD: usize = 10;

/// Rows named for each cause; the results file has them all.
const ROWS_NAMED: usize = 5;

/// Causes told apart. A batch whose messages all differ (they may quote the prompt) would otherwise fill the memory.
const MOST_CAUSES: usize = 500;

/// Characters of a message that are kept.
const MESSAGE_CHARACTERS: usize = 200;

/// The message of what came after [`MOST_CAUSES`].
const OTHERS: &str = "other messages";

/// Whether there is something to say about a row in this state, with the code that is shown of it: the summary, the live
/// page and the report list the same rows.
pub fn is_troubled(state: RowState, code: Option<&str>) -> bool {
    match state {
        RowState::Invalid | RowState::Rejected | RowState::Unknown | RowState::Failed => true,
        // Its video could not be saved, or the row was changed.
        RowState::Succeeded => code.is_some(),
        // Others have codes of rows that are on their way, as `halted`.
        RowState::Queued | RowState::Sending | RowState::Accepted | RowState::Saved => code == Some("changed"),
    }
}

/// Rows in one state with the same code and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What the rows came to.
    pub state: RowState,
    /// The API's number, or one of our words; empty where there is none.
    pub code: String,
    /// The message, safe for a terminal, and short.
    pub message: String,
    /// How many rows.
    pub count: u64,
    /// The numbers of the first few, as in the column `row` of the results.
    pub first_rows: Vec<u32>,
}

/// Collects causes while rows pass by.
#[derive(Debug, Default)]
pub struct Causes {
    causes: Vec<Cause>,
    places: HashMap<(RowState, String, String), usize>,
}

impl Causes {
    /// Takes note of a row that is in trouble.
    pub fn add(&mut self, row: u32, state: RowState, code: Option<&str>, message: Option<&str>) {
        let code = escape::excerpt(code.unwrap_or_default(), MESSAGE_CHARACTERS);
        let message = escape::excerpt(message.unwrap_or_default(), MESSAGE_CHARACTERS);
        let mut key = (state, code, message);
        if self.causes.len() >= MOST_CAUSES && !self.places.contains_key(&key) {
            key = (state, String::new(), OTHERS.to_owned());
        }
        let place = *self.places.entry(key).or_insert_with_key(|(state, code, message)| {
            self.causes.push(Cause {
                state: *state,
                code: code.clone(),
                message: message.clone(),
                count: 0,
                first_rows: Vec::new(),
            });
            self.causes.len() - 1
        });
        if let Some(cause) = self.causes.get_mut(place) {
            cause.count += 1;
            if cause.first_rows.len() < ROWS_NAMED {
                cause.first_rows.push(row);
            }
        }
    }

    /// The `most` causes with the most rows; among equals those that came first.
    pub fn top(mut self, most: usize) -> Vec<Cause> {
        self.causes
            .sort_by_key(|cause| (std::cmp::Reverse(cause.count), urgency(cause.state)));
        self.causes.truncate(most);
        self.causes
    }
}

/// Of two causes of as many rows, which is told first: what may have been paid for, before what never was sent.
fn urgency(state: RowState) -> u8 {
    match state {
        RowState::Unknown => 0,
        RowState::Rejected | RowState::Failed => 1,
        RowState::Invalid => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_causes_are_one_and_the_most_frequent_comes_first() {
        let mut causes = Causes::default();
        causes.add(1, RowState::Unknown, Some("timeout"), None);
        for row in 2..900 {
            causes.add(row, RowState::Rejected, Some("422"), Some("bad\u{1b}[2J image"));
        }
        let top = causes.top(10);
        assert_eq!(top.len(), 2);
        assert_eq!(top[0].count, 898);
        assert_eq!(top[0].message, "bad\\u{1b}[2J image");
        assert_eq!(top[0].first_rows, [2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_row_is_troubled_by_its_state_or_by_what_came_with_it() {
        let troubled = |code| {
            let of_state = RowState::ALL.into_iter().filter(|state| is_troubled(*state, code));
            of_state.map(RowState::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(troubled(None), "invalid rejected unknown failed");
        assert_eq!(troubled(Some("halted")), "invalid rejected unknown succeeded failed");
        assert_eq!(
            troubled(Some("changed")),
            "invalid queued sending accepted rejected unknown succeeded failed saved"
        );
    }

    #[test]
    fn messages_that_all_differ_do_not_fill_the_memory() {
        let mut causes = Causes::default();
        for row in 0..10_000 {
            causes.add(row, RowState::Rejected, Some("500"), Some(&format!("no {row}")));
        }
        let all = causes.top(usize::MAX);
        assert_eq!(all.len(), MOST_CAUSES + 1);
        assert_eq!(all.iter().map(|cause| cause.count).sum::<u64>(), 10_000);
        assert_eq!(all[0].message, OTHERS);
    }
}
