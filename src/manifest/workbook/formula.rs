//! What a formula shows that its stored value does not tell: the address behind a link or picture.

use std::sync::Arc;

use crate::manifest::workbook::rows::Note;

/// What to note about a cell because of its formula: a link with a literal address, or a picture of WPS Office.
pub(super) fn note_of(formula: &str) -> Option<Note> {
    // Cheap to rule out, and nearly every formula is ruled out.
    if !formula.contains('(') {
        return None;
    }
    if formula.contains("DISPIMG(") {
        return Some(Note::Picture);
    }
    address_in(formula).map(|address| Note::Link(Arc::from(address)))
}

/// The literal address in `HYPERLINK("…")` or `IMAGE("…")`, if the formula is nothing else.
///
/// LibreOffice writes `of:=` before it, Excel `_xlfn.` before functions that older versions do not know, and what Google
/// Sheets exports is wrapped: `IFERROR(__xludf.DUMMYFUNCTION("IMAGE(""https://…"")"),"…")`.
fn address_in(formula: &str) -> Option<&str> {
    let mut rest = formula.trim_start();
    let mut quote = "\"";
    loop {
        rest = if let Some(inner) = after(rest, "__xludf.DUMMYFUNCTION(\"") {
            quote = "\"\"";
            inner
        } else {
            let wrappers = ["of:", "msoxl:", "=", "+", "_xlfn.", "IFERROR("];
            let Some(inner) = wrappers.iter().find_map(|wrapper| after(rest, wrapper)) else {
                break;
            };
            inner
        }
        .trim_start();
    }
    let arguments = after(rest, "HYPERLINK(")
        .or_else(|| after(rest, "IMAGE("))?
        .trim_start();
    let (address, rest) = arguments.strip_prefix(quote)?.split_once(quote)?;
    // More text after the quote would make it a part of an address only.
    let is_whole = rest.trim_start().starts_with([',', ';', ')']);
    (is_whole && !address.is_empty() && !address.starts_with('#')).then_some(address)
}

/// What comes after a word at the beginning, in any case.
fn after<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let found = text.get(..word.len())?;
    found.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_address_is_found_and_nothing_else() {
        let address = Some("https://x.example/a.png");
        for (formula, found) in [
            (r#"HYPERLINK("https://x.example/a.png","cat")"#, address),
            (r#"=hyperlink( "https://x.example/a.png" )"#, address),
            (r#"of:=HYPERLINK("https://x.example/a.png";"cat")"#, address),
            (r#"_xlfn.IMAGE("https://x.example/a.png")"#, address),
            (r#"IFERROR(_xlfn.IMAGE("https://x.example/a.png"),"")"#, address),
            (
                r#"IFERROR(__xludf.DUMMYFUNCTION("IMAGE(""https://x.example/a.png"")"),"")"#,
                address,
            ),
            (
                r#"IFERROR(__xludf.DUMMYFUNCTION("=image(""https://x.example/a.png"", 1)"),"")"#,
                address,
            ),
            (r#"HYPERLINK("https://x.example/"&A2)"#, None),
            (r#"HYPERLINK("https://x.example/""a")"#, None),
            (r#"HYPERLINK("https://x.example/a.png"#, None),
            (r##"HYPERLINK("#Sheet2!A1")"##, None),
            (r#"HYPERLINK(A2)"#, None),
            (r#"HYPERLINK("")"#, None),
            (r#"IF(A2=1,HYPERLINK("https://x.example/a.png"),"")"#, None),
            (r#"MYHYPERLINK("https://x.example/a.png")"#, None),
            ("图片(1)", None),
            ("A1+1", None),
            ("", None),
        ] {
            let expected = found.map(|found| Note::Link(Arc::from(found)));
            assert_eq!(note_of(formula), expected, "{formula}");
        }
        assert_eq!(note_of(r#"_xlfn.DISPIMG("ID_1A",1)"#), Some(Note::Picture));
    }
}
