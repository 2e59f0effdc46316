//! The manifest's cells, read back from the JSON text in which they are kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The values of an array; none if `cells` is not one.
pub(super) fn array(cells: &str) -> Vec<&RawValue> {
    serde_json::from_str(cells).unwrap_or_default()
}

/// The keys and values of an object in their order; none if `cells` is not one.
pub(super) fn object(cells: &str) -> Vec<(Cow<'_, str>, &RawValue)> {
    serde_json::from_str(cells).map_or_else(|_| Vec::new(), |Entries(entries)| entries)
}

/// A value as the text of a table's cell: a string's content, nothing for `null`, else the JSON text itself.
pub(super) fn text(value: &RawValue) -> Cow<'_, str> {
    let json = value.get();
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // Nearly every cell of a real manifest is a string without escapes: its content is a part of the JSON text.
        Some(content) if !content.contains('\\') => Cow::Borrowed(content),
        // The fallback keeps what is no Unicode text, such as half of a surrogate pair, in its escaped form.
        Some(content) => serde_json::from_str(json).map_or(Cow::Borrowed(content), Cow::Owned),
        None if json == "null" => Cow::Borrowed(""),
        None => Cow::Borrowed(json),
    }
}

/// An object that keeps its order, its repeated keys and the spelling of its numbers, which a map of values would not.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Entries(entries))
    }
}

/// A key that borrows where it has no escapes; serde's own `Cow` always copies.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_becomes_the_text_of_a_cell() {
        let cells = r#"["plain","tab\t \"q\" 任务","",null,1.50,true,{"a":[1]},"half \ud800"]"#;
        let texts: Vec<_> = array(cells).into_iter().map(text).collect();
        assert_eq!(
            texts,
            [
                "plain",
                "tab\t \"q\" 任务",
                "",
                "",
                "1.50",
                "true",
                "{\"a\":[1]}",
                "half \\ud800"
            ]
        );
    }

    #[test]
    fn an_object_keeps_its_order_its_repetitions_and_its_spelling() {
        let entries = object(r#"{"b":1.0,"a\t":12345678901234567890123,"b":2}"#);
        let entries: Vec<_> = entries.iter().map(|(key, value)| (&**key, value.get())).collect();
        assert_eq!(entries, [("b", "1.0"), ("a\t", "12345678901234567890123"), ("b", "2")]);
    }

    #[test]
    fn cells_of_another_shape_are_blank() {
        for odd in ["", "{", "7", "\"text\""] {
            assert!(array(odd).is_empty() && object(odd).is_empty(), "{odd:?}");
        }
    }
}
