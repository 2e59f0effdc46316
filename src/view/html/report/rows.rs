//! The rows as data for the report's script.
//!
//! Each is a list of values rather than an object, as the names of its fields would take more room than what they name;
//! texts that many rows share (messages, folders of addresses) stand in it once. `assets/report.js` reads it.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::escape;
use crate::view::hints::row_remedy;
use crate::view::{Media, RowCard};

use super::Counted;
use super::budget::{Budget, cost_of};

/// Characters of a message.
const MESSAGE: usize = 300;

/// The list while it is written.
pub(super) struct List<'a, 'o> {
    out: &'a mut Counted<'o>,
    budget: Budget,
    rows: u64,
    cut: u64,
    /// Texts that rows share, and the number each goes by.
    texts: HashMap<String, usize>,
    /// What to do about rows of a state with a code.
    remedies: serde_json::Map<String, Value>,
    /// Why nothing more is written.
    failed: Option<io::Error>,
}

impl<'a, 'o> List<'a, 'o> {
    pub(super) fn begin(out: &'a mut Counted<'o>, budget: Budget) -> io::Result<List<'a, 'o>> {
        out.write_all(b"<script type=\"application/json\" id=\"data\">{\"rows\":[\n")?;
        Ok(List {
            out,
            budget,
            rows: 0,
            cut: 0,
            texts: HashMap::new(),
            remedies: serde_json::Map::new(),
            failed: None,
        })
    }

    /// A failure to write is told at the end.
    pub(super) fn add(&mut self, card: &RowCard) {
        if self.failed.is_some() {
            return;
        }
        let text = self.values(card);
        let gap = if self.rows == 0 { "" } else { ",\n" };
        self.rows += 1;
        self.failed = write!(self.out, "{gap}{}", escape::for_script(&text)).err();
    }

    /// Ends the list. How many rows it has, and how many prompts were cut.
    pub(super) fn end(self) -> io::Result<(u64, u64)> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut texts: Vec<(String, usize)> = self.texts.into_iter().collect();
        texts.sort_by_key(|(_, number)| *number);
        let texts: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
        let rest = json!({ "texts": texts, "remedies": self.remedies }).to_string();
        // Without its opening brace it goes on with the object that the rows have begun.
        let rest = rest.trim_start_matches('{');
        writeln!(self.out, "\n],{}</script>", escape::for_script(rest))?;
        Ok((self.rows, self.cut))
    }

    /// A row as JSON. The order is that of `FIELDS` in `assets/report.js`.
    fn values(&mut self, card: &RowCard) -> String {
        let message = card
            .message
            .as_deref()
            .map(|message| self.shared(&escape::excerpt(message, MESSAGE)));
        if message.is_some() || card.code.is_some() {
            let code = card.code.as_deref().unwrap_or_default();
            if let Some(remedy) = row_remedy(card.status, code) {
                self.remedies.insert(format!("{} {code}", card.status), remedy.into());
            }
        }
        let image = self.media(card.image.as_ref());
        let video = self.media(card.video.as_ref());
        let mut values = vec![
            json!(card.row),
            json!(card.place),
            json!(card.id),
            json!(card.status.as_str()),
            json!(""),
            json!(card.attempts),
            json!(card.submitted_at.map(|at| at.0)),
            json!(card.completed_at.map(|at| at.0)),
            json!(card.credits),
            json!(card.kind.as_deref().map(|kind| self.shared(kind))),
            json!(card.code),
            json!(message),
            image,
            video,
        ];
        let others: usize = values.iter().map(|value| cost_of(&value.to_string()) + 1).sum();
        let prompt = self.budget.prompt(&card.prompt, others);
        if prompt.len() == card.prompt.len() {
            values[4] = json!(prompt);
        } else {
            self.cut += 1;
            values[4] = json!(format!("{prompt}…"));
        }
        while values.last().is_some_and(Value::is_null) {
            values.pop();
        }
        Value::Array(values).to_string()
    }

    /// Where a picture or a video is: its file, and its address in two parts, the first of which others have, too.
    fn media(&mut self, media: Option<&Media>) -> Value {
        let Some(Media { file, url }) = media else {
            return Value::Null;
        };
        match self.budget.address(url.as_deref()).and_then(|url| url.rsplit_once('/')) {
            Some((folder, name)) => json!([file, self.shared(folder), name]),
            None => json!([file]),
        }
    }

    fn shared(&mut self, text: &str) -> usize {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let number = self.texts.len();
        self.texts.insert(text.to_owned(), number);
        number
    }
}
