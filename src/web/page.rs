//! What a host sent in place of the file that was asked for: nearly always a page that says why.

use crate::escape;

/// Most bytes of a beginning that there is use for here. Titles of pages stand in the first kilobytes.
pub const HEAD_BYTES: usize = 4096;

/// Longest excerpt of a page, in characters.
const MOST_SHOWN: usize = 80;

/// What something is that begins like this, for people: `a web page: Access denied`, `a file of type image/gif`.
pub fn looks_like(head: &[u8]) -> String {
    let head = &head[..head.len().min(HEAD_BYTES)];
    if let Some(page) = web_page(head) {
        return page;
    }
    let text = String::from_utf8_lossy(head);
    let text = text.trim();
    if text.is_empty() {
        "nothing at all".to_owned()
    } else if let Some(kind) = infer::get(head) {
        format!("a file of type {}", kind.mime_type())
    } else if is_text(text) {
        format!("text: {}", excerpt(text))
    } else {
        let bytes: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("unknown bytes: {}", bytes.join(" "))
    }
}

/// `a web page: TITLE`, or `a web page` where it has none; `None` if that is not what begins like this.
pub fn web_page(head: &[u8]) -> Option<String> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    let text = String::from_utf8_lossy(head);
    let text = text.trim();
    if !is_text(text) || !is_html(text) {
        return None;
    }
    Some(match title_of(text) {
        Some(title) => format!("a web page: {}", excerpt(title)),
        None => "a web page".to_owned(),
    })
}

/// A character may be cut in two where the beginning ends, and pages do hold a NUL now and then.
fn is_text(text: &str) -> bool {
    text.chars().filter(|c| *c == '\u{fffd}' || *c == '\0').count() <= 1
}

fn is_html(text: &str) -> bool {
    let start: String = text.chars().take(200).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.contains("<html") || start.contains("<head")
}

fn title_of(page: &str) -> Option<&str> {
    // ASCII lower case keeps every position.
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let begin = open + lower[open..].find('>')? + 1;
    let end = begin + lower[begin..].find("</title")?;
    Some(page[begin..end].trim()).filter(|title| !title.is_empty())
}

/// The beginning of a text of the server's, on one line.
fn excerpt(text: &str) -> String {
    escape::excerpt(&text.split_whitespace().collect::<Vec<_>>().join(" "), MOST_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_named() {
        for (bytes, expected) in [
            (&b""[..], "nothing at all"),
            (
                b"\n<!DOCTYPE html><html><head><TITLE class=a> Access\n denied\x1b[2J </title>",
                "a web page: Access denied\\u{1b}[2J",
            ),
            (b"<html><body>Sorry", "a web page"),
            (
                b"{\"code\":404,\"msg\":\"gone\"}",
                "text: {\"code\":404,\"msg\":\"gone\"}",
            ),
            (b"error code: 1010", "text: error code: 1010"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0", "a file of type image/png"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "a file of type application/gzip"),
            (b"RIFF\x10\0\0\0AVI LIST", "a file of type video/x-msvideo"),
            (
                b"\xff\xfe\xfd\0\x01\x02\x03\xaa\xbb",
                "unknown bytes: ff fe fd 00 01 02 03 aa",
            ),
        ] {
            assert_eq!(looks_like(bytes), expected);
            assert_eq!(
                web_page(bytes).is_some(),
                expected.starts_with("a web page"),
                "{expected}"
            );
        }
        assert!(looks_like("ä".repeat(3_000).as_bytes()).len() < 200);
    }
}
