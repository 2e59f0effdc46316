//! Why a record may have fallen into the wrong number of cells.

use memchr::memchr;
use memchr::memmem;

use crate::manifest::text::Delimiter;

/// The fault of quoting that `raw`, a record with another number of cells than the header, most likely has.
pub(in crate::manifest) fn hint(raw: &[u8], delimiter: Delimiter) -> Option<&'static str> {
    let wide = match delimiter {
        Delimiter::Comma => Some("，"),
        Delimiter::Semicolon => Some("；"),
        Delimiter::Tab | Delimiter::Pipe => None,
    };
    let delimiter = delimiter.byte();
    let mut rest = raw;
    loop {
        let cell = rest.trim_ascii_start();
        // In a file with tabs between cells a tab is no space.
        let spaces = &rest[..rest.len() - cell.len()];
        let is_spaced = !spaces.is_empty() && spaces.iter().all(|byte| *byte == b' ');
        if is_spaced && cell.starts_with(b"\"") {
            return Some("a space before the opening quote makes the quote part of the text");
        }
        if TYPOGRAPHIC.iter().any(|quote| cell.starts_with(quote.as_bytes())) {
            return Some("typographic quotes like “ and ” are part of the text: only \" encloses a cell");
        }
        if rest.starts_with(b"\"") {
            rest = after_quoted(rest);
            if !matches!(rest.first(), None | Some(b'\r' | b'\n')) && rest.first() != Some(&delimiter) {
                return Some("a quote inside a quoted cell has to be written twice: \"\"");
            }
        }
        match memchr(delimiter, rest) {
            Some(at) => rest = &rest[at + 1..],
            None => break,
        }
    }
    let is_wide = |wide: &str| memchr(delimiter, raw).is_none() && memmem::find(raw, wide.as_bytes()).is_some();
    match wide {
        Some("，") if is_wide("，") => Some("the wide comma ， separates no cells: write the plain one"),
        Some("；") if is_wide("；") => Some("the wide semicolon ； separates no cells: write the plain one"),
        _ => None,
    }
}

/// Quotes that programs put in place of `"`.
const TYPOGRAPHIC: [&str; 6] = ["“", "”", "„", "«", "‟", "＂"];

/// What follows the quoted cell that `rest` begins with.
fn after_quoted(rest: &[u8]) -> &[u8] {
    let mut at = 1;
    while let Some(quote) = memchr(b'"', &rest[at..]) {
        at += quote + 1;
        if rest.get(at) != Some(&b'"') {
            return &rest[at..];
        }
        at += 1;
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_faults_are_named() {
        for (raw, delimiter, said) in [
            (
                r#"one, "a, b",x"#,
                Delimiter::Comma,
                Some("a space before the opening quote"),
            ),
            (
                r#"  "a, b",x"#,
                Delimiter::Comma,
                Some("a space before the opening quote"),
            ),
            ("“a, b”,x", Delimiter::Comma, Some("typographic quotes")),
            ("x; „a; b“", Delimiter::Semicolon, Some("typographic quotes")),
            (
                r#""a "big, red" boat",x"#,
                Delimiter::Comma,
                Some("has to be written twice"),
            ),
            (
                "一只小船，https://img.example.org/1.png",
                Delimiter::Comma,
                Some("wide comma"),
            ),
            (
                "一只小船；https://img.example.org/1.png",
                Delimiter::Semicolon,
                Some("wide semicolon"),
            ),
            ("一只小船，红色,x,y", Delimiter::Comma, None),
            (r#""a, b",x,y"#, Delimiter::Comma, None),
            ("\"a \"\"big\"\" boat\",\"x\"\r\n", Delimiter::Comma, None),
            ("a 5\" pipe,x,y", Delimiter::Comma, None),
            ("a\t\t\"b\tc\"\td", Delimiter::Tab, None),
            ("a, b, c", Delimiter::Comma, None),
            ("\"never closed,x", Delimiter::Comma, None),
            ("", Delimiter::Comma, None),
        ] {
            let found = hint(raw.as_bytes(), delimiter);
            assert_eq!(found.is_some(), said.is_some(), "{raw}: {found:?}");
            assert!(
                said.is_none_or(|said| found.unwrap().contains(said)),
                "{raw}: {found:?}"
            );
        }
    }
}
