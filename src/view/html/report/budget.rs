//! How much of a row a report holds, so that one with thousands of rows still opens at once and can be mailed.

/// Bytes for all rows together, by which five thousand rows with everything else stay below 5 MB.
const ROWS: u64 = 3_400_000;

/// A row gets so many bytes even where there are too many rows for [`ROWS`].
const LEAST: u64 = 260;

/// More than that helps nobody: the longest prompt has 5,000 characters.
const MOST: u64 = 24_000;

/// So much of a prompt is kept, whatever else there is in its row.
const LEAST_PROMPT: usize = 48;

/// Bytes for one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget(u64);

impl Budget {
    /// The share of one of `rows` rows.
    pub(super) fn of(rows: u64) -> Budget {
        Budget((ROWS / rows.max(1)).clamp(LEAST, MOST))
    }

    /// More characters of a prompt there is never room for.
    pub(super) fn prompt_characters(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// What of `prompt` there is room for, in a row whose other things take so many bytes.
    pub(super) fn prompt(self, prompt: &str, others: usize) -> &str {
        let room = usize::try_from(self.0).unwrap_or(usize::MAX).saturating_sub(others);
        beginning(prompt, room.max(LEAST_PROMPT))
    }

    /// An address, if it takes no more than a third of the row: signed ones can be very long, and half of one is none.
    pub(super) fn address(self, address: Option<&str>) -> Option<&str> {
        let room = usize::try_from(self.0 / 3).unwrap_or(usize::MAX);
        address.filter(|address| cost_of(address) <= room)
    }
}

/// The beginning of `text` that takes at most so many bytes in JSON within HTML.
fn beginning(text: &str, most: usize) -> &str {
    let mut bytes = 0;
    for (at, character) in text.char_indices() {
        bytes += cost(character);
        if bytes > most {
            return &text[..at];
        }
    }
    text
}

/// How many bytes a text takes in JSON within HTML.
pub(super) fn cost_of(text: &str) -> usize {
    text.chars().map(cost).sum()
}

fn cost(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\u{20}' => 6,
        plain => plain.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::for_script;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_costs_what_it_takes(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(cost_of(&text), for_script(&json).len() - 2);
        }
    }

    #[test]
    fn a_few_rows_are_whole_and_many_are_cut() {
        let prompt = "a <b> 一只小船 ".repeat(400);
        assert_eq!(Budget::of(100).prompt(&prompt, 300), prompt);
        let cut = Budget::of(5_000).prompt(&prompt, 300);
        assert!(
            prompt.starts_with(cut) && (300..=380).contains(&cost_of(cut)),
            "{}",
            cost_of(cut)
        );
        assert!(cost_of(Budget::of(1_000_000).prompt(&prompt, 300)) <= LEAST_PROMPT);
    }

    #[test]
    fn an_address_is_whole_or_not_there() {
        let long = format!("https://img.example.org/{}", "a".repeat(1_000));
        assert_eq!(Budget::of(5_000).address(Some(&long)), None);
        assert_eq!(Budget::of(10).address(Some(&long)), Some(&*long));
    }
}
