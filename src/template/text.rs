//! The template as text. It is ASCII, so that it needs no byte order mark: whatever saves it again chooses the encoding.

use csv::{QuoteStyle, WriterBuilder};
use serde_json::{Map, Value};

use crate::template::columns::{COLUMNS, example_of};

/// A header and the example row.
pub(super) fn separated(delimiter: u8) -> Vec<u8> {
    let mut writer = WriterBuilder::new()
        .delimiter(delimiter)
        .quote_style(QuoteStyle::Necessary)
        .from_writer(Vec::new());
    let in_memory = "a vector takes every byte, and both records have the same length";
    writer
        .write_record(COLUMNS.map(|field| field.as_str()))
        .expect(in_memory);
    writer.write_record(COLUMNS.map(example_of)).expect(in_memory);
    writer.into_inner().expect(in_memory)
}

/// The example row as an object. Its length is a number, as one writes it in JSON.
pub(super) fn object() -> Vec<u8> {
    let value = |text: &str| match text.parse::<u64>() {
        Ok(number) => Value::from(number),
        Err(_) => Value::from(text),
    };
    let entries = COLUMNS.map(|field| (field.as_str().to_owned(), value(example_of(field))));
    let mut line = Value::Object(Map::from_iter(entries)).to_string();
    line.push('\n');
    line.into_bytes()
}
