//! One row of a manifest, whatever the format.

use std::borrow::Cow;
use std::sync::Arc;

use csv::ByteRecord;
use serde_json::Value;

use crate::escape;
use crate::manifest::jsonl::Object;
use crate::manifest::validate::{Cells, Choice, validate};
use crate::manifest::{Field, Images, Problem, Rule, Severity, web_url};
use crate::row::{RowState, Submission};

/// A row as [`Manifest::read`](crate::manifest::Manifest::read) leaves it. It is meant to be used again for the next
/// row: its memory is kept.
#[derive(Debug, Default)]
pub struct Row {
    pub(super) number: u32,
    pub(super) line: u32,
    pub(super) cells: Cells,
    pub(super) problems: Vec<Problem>,
    /// `None` if the row is invalid.
    pub(super) choice: Option<Choice>,
    pub(super) written: Written,
    /// Whether the cells cannot be told apart, so that what they say is not judged.
    pub(super) is_illegible: bool,
}

/// The row as the user wrote it, for writing it back.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) record: ByteRecord,
    pub(super) object: Object,
    /// The columns whose cells lead to what the row says in their fields, whatever their text is.
    pub(super) links: Vec<(usize, Field)>,
    /// Where the user's own cells are; `None` if the row is an object.
    pub(super) kept: Option<Arc<Kept>>,
}

/// Which cells of a table's rows are the user's own.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) columns: Vec<usize>,
    /// How many cells a row should have.
    pub(super) width: usize,
    /// The columns of status and task id of a results file.
    pub(super) outcome: Option<(usize, usize)>,
    /// Whether cells that look like formulas were made harmless when this program wrote the file.
    pub(super) defused: bool,
}

impl Row {
    /// Which row of the manifest it is, counted from 1. The header is no row, nor is a line without text in any cell.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The line of the file on which the row begins, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// What the user calls the row, without surrounding white space. Also invalid rows may have one, but not those
    /// whose cells cannot be told apart.
    pub fn id(&self) -> Option<&str> {
        let id = self.cells.get(Field::Id);
        (!id.is_empty()).then_some(id)
    }

    /// What is to be sent; `None` if the row is invalid.
    ///
    /// A repeated `id` does not show here: ask [`Repeats`](crate::manifest::Repeats).
    pub fn submission(&self) -> Option<Submission<'_>> {
        Some(self.cells.submission(self.choice.as_ref()?))
    }

    /// The address of the row's image, if it is one on the web: http or https, and without a login. Also an invalid row may
    /// have one; whether its host can be reached is not said.
    pub fn web_image(&self) -> Option<&str> {
        let address = self.cells.get(Field::ImageUrl);
        match web_url::broken_rule(address) {
            None | Some(Rule::UnreachableHost) => Some(address),
            Some(_) => None,
        }
    }

    /// What is wrong with the row, warnings included.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What the row came to, if the manifest is a results file that says so: its status and its task id, which may be
    /// empty.
    pub fn outcome(&self) -> Option<(RowState, Cow<'_, str>)> {
        let (status, task_id) = match &self.written.kept {
            Some(kept) => {
                let (status, task_id) = kept.outcome?;
                let cell = |at| String::from_utf8_lossy(self.written.record.get(at).unwrap_or_default());
                (cell(status), cell(task_id))
            }
            None => (
                self.written.object.text_of("status")?.into(),
                self.written.object.text_of("task_id")?.into(),
            ),
        };
        Some((status.parse().ok()?, task_id))
    }

    /// Replaces `out` by the user's own cells in one line of JSON, with the address in the place of a link's text: for a table an array as long as
    /// [`Manifest::columns`](crate::manifest::Manifest::columns), and longer if the row [has more cells than the
    /// header](Row::has_surplus); for JSONL the object without the keys that results add.
    pub fn cells_json(&self, out: &mut String) {
        out.clear();
        let Some(kept) = &self.written.kept else {
            self.written.object.write_kept(out);
            return;
        };
        out.push('[');
        let surplus = if self.has_surplus() {
            kept.width..self.written.record.len()
        } else {
            0..0
        };
        for (at, column) in kept.columns.iter().copied().chain(surplus).enumerate() {
            if at > 0 {
                out.push(',');
            }
            // A table of text has no links, and without the address nobody could go on from the results.
            if let Some((_, field)) = self.written.links.iter().find(|(at, _)| *at == column) {
                push_json(out, self.cells.get(*field));
                continue;
            }
            let cell = self.written.record.get(column).unwrap_or_default();
            let cell = String::from_utf8_lossy(cell);
            push_json(
                out,
                if kept.defused {
                    escape::from_spreadsheet(&cell)
                } else {
                    &cell
                },
            );
        }
        out.push(']');
    }

    /// The text of the cell in which `problem` is; empty if it is in none.
    pub(super) fn value_of(&self, problem: &Problem) -> Cow<'_, str> {
        let Some(column) = &problem.column else {
            return Cow::Borrowed("");
        };
        match (&self.written.kept, problem.at) {
            (Some(_), Some(at)) => {
                let cell = usize::try_from(at).ok().and_then(|at| self.written.record.get(at));
                String::from_utf8_lossy(cell.unwrap_or_default())
            }
            (Some(_), None) => Cow::Borrowed(""),
            (None, _) => match Field::ALL.into_iter().find(|field| field.as_str() == column) {
                Some(field) => Cow::Borrowed(self.cells.get(field)),
                None => Cow::Owned(self.written.object.value_of(column)),
            },
        }
    }

    /// Whether the row is invalid because it has more cells than the header.
    pub fn has_surplus(&self) -> bool {
        let width = self.written.kept.as_ref().map(|kept| kept.width);
        self.is_illegible && width.is_some_and(|width| self.written.record.len() > width)
    }

    pub(super) fn clear(&mut self, number: u32) {
        self.number = number;
        self.cells.clear();
        self.problems.clear();
        self.choice = None;
        self.is_illegible = false;
        self.written.links.clear();
    }

    /// Judges the cells, unless the row's line could not be made out.
    pub(super) fn settle(&mut self, images: Option<&mut Images>) {
        let found = self.problems.len();
        let is_error = |problem: &Problem| problem.severity() == Severity::Error;
        let has_error = self.problems.iter().any(is_error);
        if self.is_illegible {
            return;
        }
        self.choice = validate(&self.cells, images, &mut self.problems);
        if has_error {
            self.choice = None;
            // A value that cannot be used counts as absent, but saying so would be saying it twice.
            let known: Vec<_> = self.problems[..found]
                .iter()
                .map(|problem| problem.column.clone())
                .collect();
            let is_new = |problem: &Problem| problem.rule != Rule::Missing || !known.contains(&problem.column);
            self.problems.retain(is_new);
        }
    }

    /// The keys of the object that the row is, without those that results add; none for CSV and TSV.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let object = self.written.kept.is_none().then_some(&self.written.object);
        object.into_iter().flat_map(Object::kept_keys)
    }
}

/// Appends `text` as a JSON string.
pub(super) fn push_json(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}
