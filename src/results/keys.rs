//! The keys of a table's columns, where its rows become objects.

use std::collections::HashSet;

use super::ours::is_ours;
use crate::row::RESULTS_COLUMNS;

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
