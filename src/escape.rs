//! Text from the manifest or the server, made harmless for the place it is shown in.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` on one line, without anything that drives a terminal or reorders what stands around it.
///
/// Control characters (C0, DEL, C1), line separators and the bidirectional controls are written as escapes.
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(drives_terminal) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            odd if drives_terminal(odd) => {
                write!(safe, "\\u{{{:x}}}", u32::from(odd)).expect("writing to a string cannot fail");
            }
            plain => safe.push(plain),
        }
    }
    Cow::Owned(safe)
}

/// [`for_terminal`] for text of several lines whose line ends are our own.
pub fn lines_for_terminal(text: &str) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|character| character != '\n' && drives_terminal(character))
    {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.split('\n').map(for_terminal).collect();
    Cow::Owned(lines.join("\n"))
}

/// [`for_terminal`] in JSON's own escapes, for a whole JSON text on one line: what needs it can only stand in strings.
pub fn for_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(drives_terminal) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 8);
    for character in json.chars() {
        if drives_terminal(character) {
            write!(safe, "\\u{:04x}", u32::from(character)).expect("writing to a string cannot fail");
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// `text` for HTML, where it stays text: as the content of an element, and between the quotes of an attribute.
///
/// What has a meaning there becomes an entity. What [`for_terminal`] makes visible is visible here, too, but for tabs and
/// line ends, which are white space in HTML and keep their meaning in a prompt of several lines.
pub fn for_html(text: &str) -> Cow<'_, str> {
    let is_plain = |character: char| !matches!(character, '<' | '>' | '&' | '"' | '\'') && !is_odd_in_html(character);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // A parser makes a line feed of it, too.
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => safe.push('\n'),
            odd if is_odd_in_html(odd) => {
                write!(safe, "\\u{{{:x}}}", u32::from(odd)).expect("writing to a string cannot fail");
            }
            plain => safe.push(plain),
        }
    }
    Cow::Owned(safe)
}

/// A whole JSON text for the content of a `<script>` element: the same JSON, which neither ends the element nor begins
/// a comment in it, whatever its strings are.
pub fn for_script(json: &str) -> Cow<'_, str> {
    let ends_scripts = |character: char| matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    if !json.contains(ends_scripts) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if ends_scripts(character) {
            write!(safe, "\\u{:04x}", u32::from(character)).expect("writing to a string cannot fail");
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// [`for_terminal`], cut to at most `most` characters with `…` where something is missing.
pub fn excerpt(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(most).collect();
    let mut safe = for_terminal(&head).into_owned();
    if characters.next().is_some() {
        safe.push('…');
    }
    safe
}

/// A cell for CSV or TSV that no spreadsheet takes for a formula: one `'` goes before text that begins with
/// `=`, `+`, `-`, `@`, tab or return (or with `'` before one of them). Plain numbers stay as they are.
///
/// [`from_spreadsheet`] undoes it, so that a results file is as good a manifest as the one it came from.
pub fn for_spreadsheet(cell: &str) -> Cow<'_, str> {
    if looks_like_formula(cell) && cell.parse::<f64>().is_err() {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// The cell behind [`for_spreadsheet`]'s. Only for files known to be written by it.
pub fn from_spreadsheet(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if looks_like_formula(rest) => rest,
        _ => cell,
    }
}

/// Keys of the API have 32 characters. What is shorter than this is a stand-in for one, and may be a part of words.
const SHORTEST_SECRET: usize = 8;

/// `text` with `[redacted]` wherever `secret` stood.
pub fn without_secret<'a>(text: &'a str, secret: &str) -> Cow<'a, str> {
    if secret.len() < SHORTEST_SECRET {
        return Cow::Borrowed(text);
    }
    let mut safe = Cow::Borrowed(text);
    if text.contains(secret) {
        safe = Cow::Owned(text.replace(secret, "[redacted]"));
    }
    // A text that was cut may end in the middle of it.
    let end = safe.trim_end_matches('…');
    let halves = (SHORTEST_SECRET..secret.len())
        .rev()
        .filter(|at| secret.is_char_boundary(*at));
    if let Some(head) = halves.map(|at| &secret[..at]).find(|head| end.ends_with(head)) {
        return Cow::Owned(format!("{}[redacted]", &end[..end.len() - head.len()]));
    }
    safe
}

fn looks_like_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Whether a character does something to the terminal that shows it, or reorders what stands around it.
pub(crate) fn drives_terminal(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Whether a character is neither to be seen in a page nor white space there.
fn is_odd_in_html(character: char) -> bool {
    drives_terminal(character) && !matches!(character, '\n' | '\t')
}

/// Words of a command that we suggest, quoted for a shell and escaped for the terminal that shows it.
pub fn for_shell(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| shell_word(word)).collect();
    for_terminal(&words.join(" ")).into_owned()
}

/// A word as a shell takes it for one argument.
fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |character: char| character.is_alphanumeric() || "-_./:=@%+,".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminal_text_cannot_leave_its_line_or_change_colours() {
        assert_eq!(
            for_terminal("a\u{1b}[31mred\r\nb\u{9b}x"),
            "a\\u{1b}[31mred\\r\\nb\\u{9b}x"
        );
        assert_eq!(for_terminal("safe \u{202e}txt.exe"), "safe \\u{202e}txt.exe");
        assert_eq!(for_terminal("一只小船 🛶"), "一只小船 🛶");
    }

    #[test]
    fn lines_of_our_own_stay_lines() {
        assert_eq!(
            lines_for_terminal("error: a\u{1b}[2J\r\n  help: b\n"),
            "error: a\\u{1b}[2J\\r\n  help: b\n"
        );
        assert!(matches!(lines_for_terminal("a\nb"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_json() {
        let json = serde_json::json!({ "a": "safe \u{202e}txt.exe\u{9b}2J 🛶" }).to_string();
        let safe = for_json(&json);
        assert!(safe.contains("\\u202etxt.exe\\u009b2J 🛶"), "{safe}");
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&safe), read(&json));
    }

    #[test]
    fn html_text_is_neither_markup_nor_out_of_sight() {
        assert_eq!(
            for_html("<img src=x onerror='a()'>&\"\u{202e}\0\u{feff}"),
            "&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;&quot;\\u{202e}\\u{0}\\u{feff}"
        );
        assert_eq!(for_html("one\r\ntwo\rthree\tfour"), "one\ntwo\nthree\tfour");
        assert!(matches!(for_html("一只小船 🛶\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_in_a_script_is_the_same_json_and_ends_nothing() {
        let json = serde_json::json!({ "</script>": "<!-- <script> ]]> & \u{2028}\u{2029}" }).to_string();
        let safe = for_script(&json);
        assert!(
            !safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) && safe.contains("\\u003c/script\\u003e"),
            "{safe}"
        );
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&safe), read(&json));
    }

    #[test]
    fn an_excerpt_says_that_it_is_one() {
        assert_eq!(excerpt("abcdef", 3), "abc…");
        assert_eq!(excerpt("abc", 3), "abc");
    }

    #[test]
    fn formulas_are_defused_and_numbers_left_alone() {
        assert_eq!(for_spreadsheet("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(for_spreadsheet("@cmd"), "'@cmd");
        assert_eq!(for_spreadsheet("-5"), "-5");
        assert_eq!(for_spreadsheet("a=b"), "a=b");
    }

    #[test]
    fn secrets_are_cut_out_and_stand_ins_garble_nothing() {
        assert_eq!(
            without_secret("key sk-12345678 is wrong", "sk-12345678"),
            "key [redacted] is wrong"
        );
        assert_eq!(without_secret("unknown task", "k"), "unknown task");
        assert_eq!(without_secret("cut in sk-1234567…", "sk-12345678"), "cut in [redacted]");
    }

    proptest! {
        #[test]
        fn every_cell_survives_being_defused(cell in "['=+@\\-\\ta-z0-9]{0,8}") {
            let defused = for_spreadsheet(&cell);
            prop_assert_eq!(from_spreadsheet(&defused), cell.as_str());
            prop_assert!(!defused.starts_with(['=', '@', '\t', '\r']));
        }
    }

    #[test]
    fn arguments_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell_word("jobs/任务.csv"), "jobs/任务.csv");
        assert_eq!(shell_word("my clips.csv"), "'my clips.csv'");
        assert_eq!(shell_word("it's.csv"), r"'it'\''s.csv'");
    }
}
