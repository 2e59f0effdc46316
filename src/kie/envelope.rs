//! The API's envelope, `{"code":…,"msg":…,"data":…}`: read in one place for every endpoint.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Longest server text we keep, in characters: enough for any message of the API, not for a page of HTML.
pub(super) const MESSAGE_CHARACTERS: usize = 500;

/// The API's own answer, which counts whatever the HTTP status above it.
pub(super) struct Envelope<'a> {
    /// The API's code, from 200 (it worked) to 5xx.
    pub(super) code: i64,
    /// `msg`, or `message` as older pages of the vendor print it; empty when there is neither. Not cut, not escaped.
    pub(super) text: String,
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// `None` unless the body is one JSON object with a whole-number `code` (or a string of digits).
    pub(super) fn read(body: &'a [u8]) -> Option<Envelope<'a>> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            code: &'a RawValue,
            #[serde(borrow)]
            msg: Option<&'a RawValue>,
            #[serde(borrow)]
            message: Option<&'a RawValue>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        let wire: Wire = serde_json::from_slice(body).ok()?;
        let code = wire.code.get().trim_matches('"').parse().ok()?;
        let text = |raw: Option<&RawValue>| {
            raw.map(RawValue::get).filter(|json| *json != "null").map(|json| {
                // A text that is not a string is still shown, as the JSON it came as.
                serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
            })
        };
        Some(Envelope {
            code,
            text: text(wire.msg).or_else(|| text(wire.message)).unwrap_or_default(),
            data: wire.data,
        })
    }

    /// What the API sends beside code and text; `None` when it is absent, `null` or of another shape.
    pub(super) fn data<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.data?.get()).ok()
    }
}

/// The head of a body on one line, for a message; of a page of HTML only its title.
pub(super) fn excerpt(body: &[u8]) -> String {
    let head = &body[..body.len().min(4 * MESSAGE_CHARACTERS)];
    let text = String::from_utf8_lossy(head);
    let text = title_of(&text).unwrap_or(&text);
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn title_of(page: &str) -> Option<&str> {
    // Only ASCII letters change, so that places in one are places in the other.
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    Some(page[start..end].trim()).filter(|title| !title.is_empty())
}

/// `text`, at most [`MESSAGE_CHARACTERS`] of it.
pub(super) fn cut(text: &str) -> String {
    cut_to(text, MESSAGE_CHARACTERS)
}

/// `text`, at most `most` characters of it, with `…` where something is missing. Not escaped.
pub(super) fn cut_to(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
