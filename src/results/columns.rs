//! Which columns a results file has, and what stands in ours.

use std::borrow::Cow;
use std::collections::HashSet;

use super::ResultRow;
use crate::row::RESULTS_COLUMNS;

/// The manifest's own columns, and how a row's cells are stored. Names of ours among them are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// A table (CSV, TSV, XLSX): cells are a JSON array of strings in this order. Names may be empty or repeated, as
    /// people's headers are.
    Named(Vec<String>),
    /// JSONL: cells are a JSON object; these are the keys of all rows, in the order in which they first appear.
    Objects(Vec<String>),
}

/// A value in one of our columns.
pub(super) enum Cell<'a> {
    Empty,
    Text(Cow<'a, str>),
    Whole(u32),
    Decimal(f64),
}

/// What stands in [`RESULTS_COLUMNS`] for `row`, in that order.
pub(super) fn ours<'a>(row: &ResultRow<'a>) -> [Cell<'a>; RESULTS_COLUMNS.len()] {
    let text = |text: Option<&'a str>| text.map_or(Cell::Empty, |text| Cell::Text(Cow::Borrowed(text)));
    let time = |time: Option<crate::clock::UnixMillis>| {
        time.map_or(Cell::Empty, |moment| Cell::Text(Cow::Owned(moment.to_rfc3339())))
    };
    [
        Cell::Whole(row.number),
        Cell::Text(Cow::Borrowed(row.state.as_str())),
        text(row.task_id),
        text(row.error_code),
        text(row.error_message),
        Cell::Whole(row.attempts),
        time(row.submitted_at),
        time(row.completed_at),
        // Neither CSV nor JSON has a word for infinity, and no price is one.
        row.credits
            .filter(|credits| credits.is_finite())
            .map_or(Cell::Empty, Cell::Decimal),
        text(row.video_url),
        text(row.video_file),
    ]
}

/// Whether a column of the manifest has to make room for ours.
pub(super) fn is_ours(name: &str) -> bool {
    RESULTS_COLUMNS.contains(&name)
}

/// Object keys for a table's columns: the names, except that an empty one becomes `column_3` (its place, from 1) and
/// a repeated one `name_2`. `None` stands for a column that makes room for ours.
pub(super) fn object_keys(names: &[String]) -> Vec<Option<String>> {
    let given: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut taken: HashSet<String> = RESULTS_COLUMNS.iter().map(ToString::to_string).collect();
    let mut keys = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if is_ours(name) {
            keys.push(None);
            continue;
        }
        let wanted = match name.trim() {
            "" => format!("column_{}", index + 1),
            _ => name.clone(),
        };
        // An invented name keeps clear of the given ones too: those of later columns have the older right.
        let free = |key: &str| !taken.contains(key) && (key == name || !given.contains(key));
        let key = if free(&wanted) {
            wanted
        } else {
            (2..)
                .map(|copy| format!("{wanted}_{copy}"))
                .find(|key| free(key))
                .expect("there are more numbers than columns")
        };
        taken.insert(key.clone());
        keys.push(Some(key));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_for_empty_and_repeated_names_are_invented_and_unique() {
        let names = ["prompt", "", "prompt", "status", "prompt_2", " ", "column_2"].map(str::to_owned);
        let keys = object_keys(&names);
        let keys: Vec<_> = keys.iter().map(Option::as_deref).collect();
        assert_eq!(
            keys,
            [
                Some("prompt"),
                Some("column_2_2"),
                Some("prompt_3"),
                None,
                Some("prompt_2"),
                Some("column_6"),
                Some("column_2"),
            ]
        );
    }
}
