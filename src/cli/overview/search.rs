//! Which rows a search finds.

use memchr::{memchr, memchr2};
use serde_json::Value;

use crate::ledger::StoredRow;

/// A text that is looked for, without regard to the case of ASCII letters. It is taken as it is: no character in it stands
/// for others.
#[derive(Debug)]
pub(super) struct Search {
    text: String,
    /// The row it is the number of, if it is a number.
    number: Option<u32>,
}

impl Search {
    /// `None`: nothing is looked for.
    pub(super) fn of(text: Option<&str>) -> Option<Search> {
        let text = text?.trim();
        (!text.is_empty()).then(|| Search {
            text: text.to_owned(),
            number: text.parse().ok(),
        })
    }

    /// Whether it finds the row, which is shown with this message.
    pub(super) fn finds(&self, row: &StoredRow<'_>, message: Option<&str>) -> bool {
        let texts = [row.id, row.task_id, message];
        self.number == Some(row.number)
            || texts.into_iter().flatten().any(|text| self.is_in(text))
            || self.is_in_cells(row.cells)
    }

    fn is_in_cells(&self, cells: &str) -> bool {
        // Without an escape in it, JSON has its texts as they are.
        if memchr(b'\\', cells.as_bytes()).is_none() && !self.is_in(cells) {
            return false;
        }
        serde_json::from_str(cells).is_ok_and(|cells| self.is_in_value(&cells))
    }

    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::Bool(value) => self.is_in(if *value { "true" } else { "false" }),
            Value::Number(number) => self.is_in(&number.to_string()),
            Value::String(text) => self.is_in(text),
            Value::Array(values) => values.iter().any(|value| self.is_in_value(value)),
            Value::Object(values) => values.values().any(|value| self.is_in_value(value)),
        }
    }

    fn is_in(&self, text: &str) -> bool {
        let (text, wanted) = (text.as_bytes(), self.text.as_bytes());
        let Some(first) = wanted.first() else { return true };
        let mut rest = text;
        while let Some(at) = memchr2(first.to_ascii_lowercase(), first.to_ascii_uppercase(), rest) {
            let Some(found) = rest.get(at..at + wanted.len()) else {
                return false;
            };
            if found.eq_ignore_ascii_case(wanted) {
                return true;
            }
            rest = &rest[at + 1..];
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::RowState;

    fn row(cells: &str) -> StoredRow<'_> {
        StoredRow {
            row_id: Some(1),
            number: 17,
            line: 18,
            id: Some("clip-A"),
            cells,
            state: RowState::Accepted,
            problem: None,
            task_id: Some("t0abc"),
            error_code: None,
            error_message: None,
            attempts: 1,
            submitted_at: None,
            completed_at: None,
            credits: None,
            video_url: None,
            video_file: None,
        }
    }

    fn finds(text: &str, cells: &str) -> bool {
        Search::of(Some(text)).unwrap().finds(&row(cells), Some("bad image"))
    }

    #[test]
    fn id_task_message_cells_and_number_are_looked_through() {
        for text in ["CLIP-a", "T0ABC", "Image", "boat", " 17 ", "17"] {
            assert!(finds(text, r#"["a small BOAT"]"#), "{text}");
        }
        for text in ["18", "boats", "%", "b_at", "a.small"] {
            assert!(!finds(text, r#"["a small BOAT"]"#), "{text}");
        }
    }

    #[test]
    fn the_text_of_a_cell_counts_and_not_how_json_writes_it() {
        let cells = r#"["say \"hi\"","one\ntwo","\u56fe","50%"]"#;
        for text in ["\"HI\"", "one\nTWO", "图", "50%"] {
            assert!(finds(text, cells), "{text}");
        }
        for text in ["\",\"", "\\n", "u56fe", "hi\\"] {
            assert!(!finds(text, cells), "{text}");
        }
    }

    #[test]
    fn of_objects_the_values_are_looked_through_at_any_depth() {
        let cells = r#"{"input":{"prompt":"A boat","duration":6}}"#;
        assert!(finds("a BOAT", cells) && finds("6", cells));
        assert!(!finds("prompt", cells));
    }

    #[test]
    fn a_blank_search_is_none() {
        assert!(Search::of(Some(" \t")).is_none() && Search::of(None).is_none());
    }

    proptest! {
        #[test]
        fn a_text_is_found_wherever_it_stands(text in "[aAbBé%\"]{0,12}", wanted in "[aAbBé%\"]{1,4}") {
            let expected = text.to_ascii_lowercase().contains(&wanted.to_ascii_lowercase());
            let search = Search { text: wanted, number: None };
            prop_assert_eq!(search.is_in(&text), expected);
        }
    }
}
