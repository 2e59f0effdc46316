//! JSONL: one object a line, either with the columns as keys or as the API's own request body.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memchr;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::escape;
use crate::manifest::columns::{ColumnMap, shown};
use crate::manifest::fingerprint::Fingerprint;
use crate::manifest::headers::is_results_column;
use crate::manifest::problem::grouped;
use crate::manifest::row::{Row, push_json};
use crate::manifest::text::{self, TextReadAs, Utf8Text, not_text};
use crate::manifest::validate::Cells;
use crate::manifest::{Field, MOST_COLUMNS, MOST_ROW_BYTES, ManifestError, Problem, Reading, Rule};
use crate::row::{MODEL, SURPLUS_COLUMN};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// How deep a value may nest: more than any row needs, and less than JSON readers give up at.
const MOST_DEPTH: usize = 64;

/// Most keys that are remembered from row to row, and the longest of them, in bytes.
const MOST_KNOWN_KEYS: usize = 64;
const LONGEST_KNOWN_KEY: usize = 256;

/// Longest value in a message, in characters.
const MOST_SHOWN: usize = 60;

/// The rows of a JSONL file.
#[derive(Debug)]
pub(super) struct JsonlRows {
    path: PathBuf,
    file: BufReader<Utf8Text<File>>,
    read_as: TextReadAs,
    keys: Keys,
    raw: Vec<u8>,
    /// Line of the next byte.
    line: u32,
    offset: u64,
    fingerprint: Fingerprint,
}

impl JsonlRows {
    pub(super) fn open(path: &Path, file: File, reading: &Reading) -> Result<JsonlRows, ManifestError> {
        let (text, read_as) = text::open_lines(path, file, reading.encoding)?;
        Ok(JsonlRows {
            path: path.to_owned(),
            file: BufReader::with_capacity(BUFFER_BYTES, text),
            offset: read_as.mark_bytes,
            read_as,
            keys: Keys::of(&reading.columns),
            raw: Vec::new(),
            line: 1,
            fingerprint: Fingerprint::default(),
        })
    }

    /// How the file is read.
    pub(super) fn read_as(&self) -> &TextReadAs {
        &self.read_as
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Reads the next line that is not blank into `row`; `false` at the end of the file.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, ManifestError> {
        row.written.kept = None;
        let object = &mut row.written.object;
        object.clear();
        loop {
            let offset = self.offset;
            if !self.next_line()? {
                return Ok(false);
            }
            row.line = self.line;
            self.line = self.line.saturating_add(1);
            let encoding = self.read_as.encoding;
            let text = std::str::from_utf8(&self.raw);
            if text.is_err() || !encoding.is_utf8() {
                let own = encoding.is_utf8().then_some(offset);
                if let Some(problem) = not_text(encoding, &self.raw, row.line, own) {
                    row.problems.push(problem);
                    row.is_illegible = true;
                    return Ok(true);
                }
            }
            let text = text.unwrap_or_default().trim_start_matches('\u{feff}').trim_ascii();
            if text.is_empty() {
                continue;
            }
            object.text.push_str(text);
            row.is_illegible = !object.read(&mut self.keys, &mut row.cells, &mut row.problems);
            return Ok(true);
        }
    }

    /// Reads a line with its end into `raw`.
    fn next_line(&mut self) -> Result<bool, ManifestError> {
        self.raw.clear();
        loop {
            let buffer = match self.file.fill_buf() {
                Ok(buffer) => buffer,
                Err(source) => {
                    return Err(ManifestError::Read {
                        path: self.path.clone(),
                        at: self.line.into(),
                        source,
                    });
                }
            };
            let end = memchr(b'\n', buffer);
            let length = end.map_or(buffer.len(), |at| at + 1);
            self.raw.extend_from_slice(&buffer[..length]);
            self.file.consume(length);
            if self.raw.len() > MOST_ROW_BYTES {
                return Err(ManifestError::RowTooLong {
                    path: self.path.clone(),
                    at: self.line.into(),
                });
            }
            if end.is_some() || length == 0 {
                break;
            }
        }
        self.fingerprint.add(&self.raw);
        self.offset += self.raw.len() as u64;
        Ok(!self.raw.is_empty())
    }
}

/// What keys mean in this file.
#[derive(Debug)]
struct Keys {
    columns: ColumnMap,
    /// The first keys that were met, in their order: rows of one file tend to have the same ones in the same places,
    /// and finding out what a key means costs more than seeing that it is known.
    known: Vec<(String, Meaning)>,
}

/// What a key is to this program.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Field(Field),
    /// The API's own key for the model.
    Model,
    None,
}

impl Keys {
    fn of(columns: &ColumnMap) -> Keys {
        Keys {
            columns: columns.clone(),
            known: Vec::new(),
        }
    }

    /// What the row's key at this place means.
    fn meaning_of(&mut self, at: usize, key: &str) -> Meaning {
        let is_it = |(known, _): &&(String, Meaning)| known == key;
        let known = self.known.get(at).filter(is_it);
        if let Some((_, meaning)) = known.or_else(|| self.known.iter().find(is_it)) {
            return *meaning;
        }
        let meaning = meaning_in(&self.columns, key);
        if self.known.len() < MOST_KNOWN_KEYS && key.len() <= LONGEST_KNOWN_KEY {
            self.known.push((key.to_owned(), meaning));
        }
        meaning
    }
}

fn meaning_in(columns: &ColumnMap, key: &str) -> Meaning {
    if is_results_column(key) {
        return Meaning::None;
    }
    match columns.field_of(key) {
        Some(field) => Meaning::Field(field),
        None if key == "model" => Meaning::Model,
        None => Meaning::None,
    }
}

/// A line that is an object: its text, and where in the text the values are.
#[derive(Debug, Default)]
pub(super) struct Object {
    text: String,
    entries: Vec<(String, Range<usize>)>,
}

impl Object {
    fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
    }

    /// The user's own keys.
    pub(super) fn kept_keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.entries.iter().map(|(key, _)| key.as_str());
        keys.filter(|key| !is_results_column(key))
    }

    /// The text under `key`; empty for `null`.
    pub(super) fn text_of(&self, key: &str) -> Option<String> {
        let (_, value) = self.entries.iter().find(|(name, _)| name == key)?;
        let text: Option<String> = serde_json::from_str(&self.text[value.clone()]).ok()?;
        Some(text.unwrap_or_default())
    }

    /// The value under `key`, as text without its quotes or as JSON; empty if there is none.
    pub(super) fn value_of(&self, key: &str) -> String {
        let found = self.entries.iter().find(|(name, _)| name == key);
        let Some(json) = found.map(|(_, value)| &self.text[value.clone()]) else {
            return String::new();
        };
        serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
    }

    /// Appends the object without the keys that results add. A line that is no object gives an empty one.
    pub(super) fn write_kept(&self, out: &mut String) {
        out.push('{');
        let kept = self.entries.iter().filter(|(key, _)| !is_results_column(key));
        for (at, (key, value)) in kept.enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_json(out, key);
            out.push(':');
            // Outside of strings JSON allows a `\r` between two values.
            out.extend(self.text[value.clone()].chars().filter(|character| *character != '\r'));
        }
        out.push('}');
    }

    /// Takes the values out of the text; `false` if they are not to be trusted.
    fn read(&mut self, keys: &mut Keys, cells: &mut Cells, problems: &mut Vec<Problem>) -> bool {
        let entries = match entries_of(&self.text) {
            Ok(entries) => entries,
            Err(problem) => {
                problems.push(problem);
                return false;
            }
        };
        if entries.len() > MOST_COLUMNS {
            let found = grouped(entries.len());
            problems.push(Problem::of_row(Rule::TooManyKeys, found));
            return false;
        }
        let before = problems.len();
        report_repeated_keys(&entries, "", problems);
        for (key, value) in &entries {
            check_value(key, value, problems);
        }
        if problems.len() > before {
            return false;
        }
        let begin = self.text.as_ptr() as usize;
        self.entries.extend(entries.iter().map(|(key, value)| {
            let at = value.get().as_ptr() as usize - begin;
            (key.clone().into_owned(), at..at + value.get().len())
        }));
        // A row of results whose table had cells beyond its header: which value is which is not known.
        if self
            .text_of(SURPLUS_COLUMN)
            .is_some_and(|cells| !cells.trim_ascii().is_empty())
        {
            problems.push(Problem::of_surplus_cells());
            return false;
        }
        let input = entries
            .iter()
            .find(|(key, value)| key == "input" && value.get().starts_with('{'));
        let mut reading = ObjectReading {
            cells,
            problems,
            seen: [None; 6],
        };
        for (at, (key, value)) in entries.iter().enumerate() {
            match keys.meaning_of(at, key) {
                Meaning::Field(field) => reading.take(field, key, value),
                Meaning::Model => reading.take_model(value),
                Meaning::None => {}
            }
        }
        if let Some((_, input)) = input {
            reading.take_input(input);
        }
        true
    }
}

/// What one object says, as far as it was read.
struct ObjectReading<'a, 'k> {
    cells: &'a mut Cells,
    problems: &'a mut Vec<Problem>,
    /// The key that gave each field.
    seen: [Option<&'k str>; 6],
}

impl<'k> ObjectReading<'_, 'k> {
    fn take(&mut self, field: Field, key: &'k str, value: &RawValue) {
        if let Some(first) = self.seen[field as usize].replace(key) {
            let found = format!("as `{}` and as `{}`", shown(first), shown(key));
            let problem = Problem::of_column(Rule::RepeatedKey, field.as_str(), found);
            return self.problems.push(problem);
        }
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(text) {
                Ok(text) => self.cells.set(field, &text),
                Err(error) => self.problems.push(not_json(&error)),
            },
            Some(b'n') => {}
            Some(b'-' | b'0'..=b'9') if field != Field::Prompt => self.cells.set(field, text),
            _ => self.wrong_type(field.as_str(), "text", text),
        }
    }

    fn take_model(&mut self, value: &RawValue) {
        match serde_json::from_str::<Option<String>>(value.get()) {
            Ok(None) => {}
            Ok(Some(model)) if model == MODEL => {}
            Ok(Some(model)) => {
                let found = escape::excerpt(&model, MOST_SHOWN);
                self.problems.push(Problem::of_column(Rule::WrongModel, "model", found));
            }
            Err(_) => self.wrong_type("model", "text", value.get()),
        }
    }

    /// The `input` of the API's own request body, whose keys have exactly one spelling.
    fn take_input(&mut self, input: &'k RawValue) {
        let entries = match entries_of(input.get()) {
            Ok(entries) => entries,
            Err(problem) => return self.problems.push(problem),
        };
        report_repeated_keys(&entries, "input.", self.problems);
        for (key, value) in &entries {
            let field = match key.as_ref() {
                "prompt" => Field::Prompt,
                "image_url" => Field::ImageUrl,
                "duration" => Field::Duration,
                "resolution" => Field::Resolution,
                "nsfw_checker" => {
                    match serde_json::from_str(value.get()) {
                        Ok(checked) => self.cells.nsfw_checker = checked,
                        Err(_) => self.wrong_type("nsfw_checker", "`true` or `false`", value.get()),
                    }
                    continue;
                }
                unknown => {
                    let problem = Problem::of_column(Rule::UnknownInputKey, "input", shown(unknown));
                    self.problems.push(problem);
                    continue;
                }
            };
            self.take(field, field.as_str(), value);
        }
    }

    fn wrong_type(&mut self, column: &'static str, wanted: &str, found: &str) {
        let found = format!("{} instead of {wanted}", escape::excerpt(found, MOST_SHOWN));
        self.problems.push(Problem::of_column(Rule::WrongType, column, found));
    }
}

fn report_repeated_keys(entries: &[(Cow<'_, str>, &RawValue)], prefix: &str, problems: &mut Vec<Problem>) {
    let mut keys = HashSet::with_capacity(entries.len());
    for (key, _) in entries {
        if !keys.insert(key) {
            let column = format!("{prefix}{}", shown(key));
            problems.push(Problem::of_column(Rule::RepeatedKey, column, ""));
        }
    }
}

/// Whatever is kept is read again when results are written, so it has to be JSON to its depths: a raw value may hold
/// half a surrogate pair or a number beyond all bounds.
fn check_value(key: &str, value: &RawValue, problems: &mut Vec<Problem>) {
    let text = value.get();
    let is_plain = match text.as_bytes().first() {
        Some(b'"') => !text.contains('\\'),
        Some(b'[' | b'{') => false,
        _ => text.len() < 20,
    };
    if is_plain {
        return;
    }
    if depth_of(text) > MOST_DEPTH {
        problems.push(Problem::of_column(Rule::TooDeep, shown(key), ""));
    } else if let Err(error) = serde_json::from_str::<Value>(text) {
        problems.push(not_json(&error));
    }
}

/// How deep brackets nest in a text that is known to be JSON.
fn depth_of(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

fn not_json(error: &serde_json::Error) -> Problem {
    // The crate's message ends with a place that counts lines of this one line.
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    Problem::of_row(Rule::NotJson, format!("{message}, at column {}", error.column()))
}

/// The keys and values of a text that ought to be one object.
fn entries_of(text: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Problem> {
    if text.starts_with('{') {
        let entries: Entries<'_> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        return Ok(entries.0);
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Err(Problem::of_row(Rule::NotAnObject, escape::excerpt(text, MOST_SHOWN))),
        Err(error) => Err(not_json(&error)),
    }
}

/// An object with its keys in their order, also repeated ones, and its values as they are written.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((key.0, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;
