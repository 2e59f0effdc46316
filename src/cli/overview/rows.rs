//! Rows as a page lists them, and everything about one.

use serde_json::Value;

use crate::job::Job;
use crate::ledger::{AttemptRow, LedgerError, Reader, StoredRow};
use crate::manifest::{ColumnMap, Field, Ground};
use crate::results::Columns;
use crate::row::{RowState, SURPLUS_COLUMN, Submission};
use crate::view::{self, Media, RequestStory, RowCard, RowStory, RowsPage, RowsQuery};

use super::search::Search;
use crate::cli::outputs::{ground_of, layout_of};
use crate::cli::shown::{settled, trouble_of};

/// Characters of a prompt in a list; the whole one may have 5,000.
const PROMPT_CHARACTERS: usize = 280;

/// Most rows in one answer, whatever was asked for.
const MOST_ROWS: u32 = 500;

/// What is the same for all rows of a batch while they are looked at.
pub(super) struct Rows<'a> {
    reader: &'a Reader,
    /// Somebody works on the ledger.
    at_work: bool,
    /// Code and message of the last run's halt.
    halt: Option<(String, String)>,
    ground: Ground,
    columns: Columns,
    /// Which columns the user says hold which fields.
    mapped: &'a ColumnMap,
    image_column: Option<String>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(job: &'a Job, reader: &'a Reader, at_work: bool) -> Result<Rows<'a>, LedgerError> {
        let layout = layout_of(job, reader)?;
        Ok(Rows {
            at_work,
            halt: reader.last_halt()?,
            ground: ground_of(reader)?,
            columns: layout.columns,
            mapped: &job.reading.columns,
            image_column: layout.dialect.image_column,
            reader,
        })
    }

    /// A part of the rows.
    pub(super) fn page(&self, query: &RowsQuery) -> Result<RowsPage, LedgerError> {
        let limit = query.limit.min(MOST_ROWS);
        let search = Search::of(query.search.as_deref());
        let code = query.code.as_deref().filter(|code| !code.is_empty());
        let mut page = RowsPage {
            offset: query.offset,
            ..RowsPage::default()
        };
        let mut list = |row: &StoredRow<'_>| {
            let card = self.card(row, PROMPT_CHARACTERS)?;
            page.rows.push(card);
            Ok::<_, LedgerError>(())
        };
        if query.states.is_empty() && code.is_none() && search.is_none() {
            // Numbers have no gaps, so that the rows before these need not be counted.
            self.reader.for_each_row_behind(query.offset, limit, list)?;
            page.total = self.reader.last_number()?;
            return Ok(page);
        }
        let mut total = 0;
        let end = query.offset.saturating_add(u64::from(limit));
        self.reader.for_each_row_in(&recorded(&query.states), |row| {
            let (shown_code, message) = trouble_of(row, self.halt.as_ref());
            let is_wanted = (query.states.is_empty() || query.states.contains(&settled(row.state, self.at_work)))
                && code.is_none_or(|code| shown_code == Some(code))
                && search.as_ref().is_none_or(|search| search.finds(row, message));
            if is_wanted {
                if (query.offset..end).contains(&total) {
                    list(row)?;
                }
                total += 1;
            }
            Ok::<_, LedgerError>(())
        })?;
        page.total = total;
        Ok(page)
    }

    /// Every row in the manifest's order, with so much of its prompt.
    pub(super) fn each(&self, prompt_characters: usize, visit: &mut dyn FnMut(&RowCard)) -> Result<(), LedgerError> {
        self.reader.for_each_row(|row| {
            visit(&self.card(row, prompt_characters)?);
            Ok(())
        })
    }

    /// Everything about the row with this number in the manifest.
    pub(super) fn story(&self, number: u32) -> Result<Option<RowStory>, LedgerError> {
        let Some(before) = number.checked_sub(1) else {
            return Ok(None);
        };
        let mut story = None;
        self.reader.for_each_row_behind(u64::from(before), 1, |row| {
            if row.number != number {
                return Ok(());
            }
            let card = self.card(row, usize::MAX)?;
            let attempts = row.row_id.map(|row_id| self.reader.attempts(row_id)).transpose()?;
            story = Some(RowStory {
                task_id: row.task_id.map(str::to_owned),
                remedy: view::row_remedy(card.status, card.code.as_deref().unwrap_or_default()).map(str::to_owned),
                cells: self.cells(row.cells),
                requests: attempts
                    .into_iter()
                    .flatten()
                    .map(|attempt| self.request(attempt))
                    .collect(),
                card,
            });
            Ok::<_, LedgerError>(())
        })?;
        Ok(story)
    }

    fn card(&self, row: &StoredRow<'_>, prompt_characters: usize) -> Result<RowCard, LedgerError> {
        let submission = row.row_id.map(|row_id| self.reader.submission(row_id)).transpose()?;
        let submission = submission.flatten();
        let (code, message) = trouble_of(row, self.halt.as_ref());
        let (prompt, image) = match &submission {
            Some(submission) => (submission.prompt.to_string(), Some(image_of(submission))),
            None => self.prompt_and_image(row.cells),
        };
        Ok(RowCard {
            row: row.number,
            place: self.ground.position(row.line, None).in_words(),
            id: row.id.map(str::to_owned),
            status: settled(row.state, self.at_work),
            prompt: cut(prompt, prompt_characters),
            code: code.map(str::to_owned),
            message: message.map(str::to_owned),
            attempts: row.attempts,
            submitted_at: row.submitted_at,
            completed_at: row.completed_at,
            credits: row.credits,
            kind: submission.as_ref().map(kind_of),
            image,
            video: (row.video_file.is_some() || row.video_url.is_some()).then(|| Media {
                file: row.video_file.map(str::to_owned),
                url: row.video_url.map(str::to_owned),
            }),
        })
    }

    /// What can be shown of a row that was never sent: its cells say so much.
    fn prompt_and_image(&self, cells: &str) -> (String, Option<Media>) {
        let (mut prompt, mut image) = (String::new(), None);
        for (name, text) in self.cells(cells) {
            let is_image = self.image_column.as_ref().is_some_and(|column| *column == name);
            match self.mapped.field_of(&name) {
                Some(Field::Prompt) if prompt.is_empty() => prompt = text,
                field if is_image || field == Some(Field::ImageUrl) => {
                    // A path may be what is wrong with the row: only addresses are shown of it.
                    let is_address =
                        url::Url::parse(text.trim()).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
                    image = image.or(is_address.then(|| Media {
                        file: None,
                        url: Some(text.trim().to_owned()),
                    }));
                }
                _ => {}
            }
        }
        (prompt, image)
    }

    /// Name and text of each cell. Objects in the API's own form have those of their `input` beside their own.
    fn cells(&self, cells: &str) -> Vec<(String, String)> {
        match (serde_json::from_str(cells), &self.columns) {
            (Ok(Value::Array(cells)), Columns::Named(names)) => {
                let names = names
                    .iter()
                    .map(String::as_str)
                    .chain(std::iter::repeat(SURPLUS_COLUMN));
                names
                    .zip(&cells)
                    .map(|(name, cell)| (name.to_owned(), text_of(cell)))
                    .collect()
            }
            (Ok(Value::Object(cells)), _) => {
                let mut named = Vec::new();
                for (name, cell) in &cells {
                    match cell {
                        Value::Object(inner) if name == "input" => {
                            named.extend(inner.iter().map(|(name, cell)| (name.clone(), text_of(cell))));
                        }
                        cell => named.push((name.clone(), text_of(cell))),
                    }
                }
                named
            }
            _ => Vec::new(),
        }
    }

    fn request(&self, attempt: AttemptRow) -> RequestStory {
        let (result, code) = match attempt.result {
            // Left so by a run that died: what the next one will call it.
            None if !self.at_work => (Some("unknown".to_owned()), Some("interrupted".to_owned())),
            result => (result, attempt.code),
        };
        RequestStory {
            began_at: Some(attempt.began_at),
            answered_at: attempt.answered_at,
            result,
            http_status: attempt.http_status,
            code: code.filter(|code| !code.is_empty()),
            message: attempt.message.filter(|message| !message.is_empty()),
            credits: attempt.credits.or(attempt.cost.filter(|_| attempt.task_id.is_some())),
            task_id: attempt.task_id,
            ended: attempt.ended,
        }
    }
}

/// The states that rows may be recorded in which are shown in one of `shown`; all, if that is empty.
fn recorded(shown: &[RowState]) -> Vec<RowState> {
    let may_be_shown = |state: &RowState| {
        shown.is_empty()
            || [true, false]
                .into_iter()
                .any(|at_work| shown.contains(&settled(*state, at_work)))
    };
    RowState::ALL.into_iter().filter(may_be_shown).collect()
}

/// The image as the user wrote it, not where it was uploaded.
fn image_of(submission: &Submission<'_>) -> Media {
    let written = Some(submission.image_url.to_string());
    match submission.image_sha256 {
        Some(_) => Media {
            file: written,
            url: None,
        },
        None => Media {
            file: None,
            url: written,
        },
    }
}

fn kind_of(submission: &Submission<'_>) -> String {
    format!("{} s {}", submission.length.as_str(), submission.resolution.as_str())
}

fn text_of(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn cut(mut text: String, most: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.push('…');
    }
    text
}
