//! A JSON object of the API's, read with all the tolerance its records need: a field is text now and a number then,
//! holds JSON in a string or the object itself, is `null`, empty or not there at all.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// An object's fields, unread: a field that nobody asks for may be as odd as it likes. Of a repeated name the last counts.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// The fields of the object that `json` is; `None` for any other JSON, and for what is none.
    pub(super) fn read(json: &[u8]) -> Option<Fields> {
        serde_json::from_slice(json).ok()
    }

    /// The text of a field. A number stands for its digits; blank text is as good as absent, and so is anything else.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let json = self.0.get(name)?.get();
        let text = match json.as_bytes().first()? {
            b'"' => serde_json::from_str(json).ok()?,
            b'-' | b'0'..=b'9' => json.to_owned(),
            _ => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// A field whose text, or which itself, is a number.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.trim().parse().ok()
    }

    /// The object in a field: in its text, or the field itself.
    pub(super) fn object(&self, name: &str) -> Option<Fields> {
        let json = self.0.get(name)?.get();
        if json.starts_with('"') {
            let inner: String = serde_json::from_str(json).ok()?;
            Fields::read(inner.as_bytes())
        } else {
            Fields::read(json.as_bytes())
        }
    }

    /// The strings in a field's list; other elements are left out.
    pub(super) fn strings(&self, name: &str) -> Vec<String> {
        let list: Option<Vec<Box<RawValue>>> = self.0.get(name).and_then(|list| serde_json::from_str(list.get()).ok());
        let strings = list.unwrap_or_default().into_iter();
        strings
            .filter_map(|json| serde_json::from_str(json.get()).ok())
            .collect()
    }
}
