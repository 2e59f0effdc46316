//! Text on a terminal that is narrower than its lines: broken between words, and indented where it goes on.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

/// Where a line goes on, it is indented by so much more than where it began.
const HANGING: usize = 2;

/// `text` with no line wider than `columns`, as far as its words allow. What stands in backticks is one word: a command
/// that is copied from the terminal must come out whole, so the terminal has to wrap it by itself. Lines that are narrow
/// enough stay as they are.
pub fn wrapped(text: &str, columns: usize) -> Cow<'_, str> {
    if text.lines().all(|line| line.width() <= columns) {
        return Cow::Borrowed(text);
    }
    let mut broken = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive('\n') {
        match line.width() <= columns {
            true => broken.push_str(line),
            false => break_line(line, columns, &mut broken),
        }
    }
    Cow::Owned(broken)
}

fn break_line(line: &str, columns: usize, broken: &mut String) {
    let start = line.len() - line.trim_start_matches(' ').len();
    let (indent, rest) = line.split_at(start);
    broken.push_str(indent);
    let mut used = indent.len();
    let mut words = 0;
    for word in words_of(rest) {
        let width = word.trim_end().width();
        // A word alone on its line would be a label without what it is about.
        if words > 1 && used + width > columns {
            while broken.ends_with(' ') {
                broken.pop();
            }
            broken.push('\n');
            broken.push_str(indent);
            broken.push_str(&" ".repeat(HANGING));
            used = indent.len() + HANGING;
            words = 1;
        }
        broken.push_str(word);
        used += word.width();
        words += 1;
    }
}

/// The words of `text`, each with the spaces after it.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, after) = rest.split_at(end_of_word(rest)?);
        rest = after;
        Some(word)
    })
}

fn end_of_word(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    let mut in_gap = false;
    for (at, character) in text.char_indices() {
        match character {
            ' ' if !is_quoted => in_gap = true,
            _ if in_gap => return Some(at),
            '`' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    Some(text.len()).filter(|end| *end > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_between_words_and_commands_stay_whole() {
        let text = "12 rows\n  accepted         11\n\nthis run: 11 accepted with 13 requests, 2 of them repeated, in 28 s\n  1 \
                    rejected: 422: the prompt contains prohibited content (row 4)\n\nledger: \
                    /home/somebody/batches/of/november/shots.csv.ledger\nhelp: correct the invalid row in the manifest, \
                    then `hailuo-batch run shots.csv --download videos/`\n";
        insta::assert_snapshot!(wrapped(text, 40), @"
            12 rows
              accepted         11

            this run: 11 accepted with 13 requests,
              2 of them repeated, in 28 s
              1 rejected: 422: the prompt contains
                prohibited content (row 4)

            ledger: /home/somebody/batches/of/november/shots.csv.ledger
            help: correct the invalid row in the
              manifest, then
              `hailuo-batch run shots.csv --download videos/`
            ");
        assert_eq!(wrapped(text, 200), text);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_where_it_was_broken(text in "[a-d`一 ,\n]{0,80}", columns in 1_usize..60) {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let broken = wrapped(&text, columns);
            prop_assert_eq!(words(&broken), words(&text));
            prop_assert_eq!(broken.ends_with('\n'), text.ends_with('\n'));
        }
    }
}
