//! What may be linked to: addresses on the web and files beside the table, and only those that arrive as they are.

use url::Url;

use super::text;

/// The most links that a sheet may have (Excel's specifications and limits).
pub(super) const MOST_LINKS: u32 = 65_530;

/// The longest link, in UTF-16 units.
const MOST_UNITS: usize = 2_079;

/// What rust_xlsxwriter writes in another way, unless it finds one of [`LEFT_ALONE`].
const REWRITTEN: [char; 11] = ['%', '"', ' ', '<', '>', '[', ']', '^', '`', '{', '}'];

/// What it takes for a sign that an address needs no escapes any more.
const LEFT_ALONE: [&str; 11] = [
    "%20", "%25", "%22", "%60", "%3c", "%3e", "%5b", "%5d", "%5e", "%7b", "%7d",
];

/// The link of a text that is an address on the web; `None` for any other text. Whatever wrote it: what is shown is where
/// it leads, and no program is started by it.
///
/// An address that the workbook's writer would change (`%2F` would become `%252F`) is no link either: a dead link is
/// worse than text to copy.
pub(super) fn web(address: &str) -> Option<String> {
    if !(address.starts_with("https://") || address.starts_with("http://")) || text::units(address) > MOST_UNITS {
        return None;
    }
    if address.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return None;
    }
    let (page, _) = address.split_once('#').unwrap_or((address, ""));
    let is_real = Url::parse(address).is_ok_and(|url| url.username().is_empty() && url.password().is_none());
    (is_real && (is_left_alone(page) || !page.contains(REWRITTEN))).then(|| address.to_owned())
}

/// The link of a file, by its path from the table's folder.
pub(super) fn file(path: &str) -> Option<String> {
    // These have a meaning of their own in an address, and are not escaped for us.
    let is_plain = !path.contains(['#', '?', '\\', ':']) && !path.contains(char::is_control);
    let is_relative = !path.is_empty() && !path.starts_with('/');
    let arrives = !is_left_alone(path) && text::units(path) <= MOST_UNITS / 3;
    (is_plain && is_relative && arrives).then(|| format!("file://{path}"))
}

/// The link of a cell in the first column of a sheet's row, counted from 1 without the header.
pub(super) fn inside(sheet: &str, row: u32) -> String {
    format!("internal:'{}'!A{}", sheet.replace('\'', "''"), row.saturating_add(1))
}

fn is_left_alone(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    LEFT_ALONE.iter().any(|escape| address.contains(escape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_on_the_web_are_links() {
        for address in [
            "https://img.example.org/1.png",
            "http://10.0.0.7:8080/a?b=c&d=e#f",
            "https://例子.example.org/图片/1.png",
            "https://img.example.org/my%20boat%2F1.png",
        ] {
            assert_eq!(web(address).as_deref(), Some(address));
        }
    }

    #[test]
    fn nothing_else_is_a_link() {
        let long = format!("https://img.example.org/{}", "a".repeat(MOST_UNITS));
        for text in [
            "",
            "boat.png",
            "https://",
            "see https://img.example.org",
            "https://img.example.org/a b.png",
            "https://img.example.org/\nb.png",
            "https://bank.example.org@evil.example.org/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "\\\\evil\\share\\a.png",
            "mailto:a@example.org",
            "internal:Summary!A1",
            &long,
        ] {
            assert_eq!(web(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_that_would_arrive_changed_is_no_link() {
        for address in [
            "https://img.example.org/a%2Fb.png?alt=media",
            "https://img.example.org/?q={}",
            "http://[::1]/a.png",
        ] {
            assert_eq!(web(address), None, "{address}");
        }
    }

    #[test]
    fn files_beside_the_table_are_links() {
        for path in ["clips.videos/1.mp4", "../out/a boat, 100%.mp4", "视频/一 只.mp4"] {
            assert_eq!(file(path), Some(format!("file://{path}")));
        }
        for path in [
            "",
            "/srv/1.mp4",
            "a#1.mp4",
            "why?.mp4",
            "c:/1.mp4",
            "a\\b.mp4",
            "a%20b.mp4",
        ] {
            assert_eq!(file(path), None, "{path}");
        }
    }

    #[test]
    fn a_row_is_found_below_the_header() {
        assert_eq!(inside("It's", 1), "internal:'It''s'!A2");
    }
}
