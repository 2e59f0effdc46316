//! The loop's part in local images: which row can go next, and what becomes of one whose image cannot be used.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{LONGEST_RETRY_AFTER, Next, Run};
use crate::dispatch::halt::Halt;
use crate::dispatch::images::{Ended, ImageHost, ImageTrouble, Prepared};
use crate::kie::Api;
use crate::ledger::{Ledger, QueuedRow, Refusal};
use crate::row::RowState;

/// Rows whose images are prepared ahead of their turn: eight seconds' worth at the account's pace.
pub(super) const LOOK_AHEAD: usize = 16;

/// Tries of an upload, with the waits of rows between them: some 35 s, so that a host that is restarted costs no row.
/// More than a row has, as they cost nothing.
pub(super) const MOST_TRIES: u32 = 8;

/// Codes of rows whose image cannot be used: because of the file itself, or because of its upload.
const FILE: &str = "image";
const UPLOAD: &str = "upload";

/// Where the row to send next stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Among the rows that wait for another attempt.
    Waiting((Instant, u32)),
    /// At this index of the queue.
    Queue(usize),
}

/// A row that can be sent, and where its local image is.
pub(super) type Choice = (Place, Option<Arc<str>>);

impl<A: Api, L: Ledger, I: ImageHost> Run<A, L, I> {
    /// The row to send next, or what to wait for: first a row whose next attempt is due, then new ones in the manifest's
    /// order. A row that still waits for its image lets others pass.
    pub(super) async fn choose(&mut self, now: Instant) -> Result<Choice, Next> {
        let due = self.waiting.iter().take_while(|((at, _), _)| *at <= now);
        let due = due.map(|(key, waiting)| (Place::Waiting(*key), &waiting.row));
        if let Some(choice) = first_ready(&mut self.images, due.take(LOOK_AHEAD), self.has_local_images, now) {
            return Ok(choice);
        }
        let has_new = self.has_new_row().await;
        if self.ledger_error.is_some() {
            return Err(Next::Wait(None));
        }
        if has_new {
            let new = self.queue.iter().enumerate().take(self.most_ahead());
            let new = new.map(|(index, row)| (Place::Queue(index), row));
            if let Some(choice) = first_ready(&mut self.images, new, self.has_local_images, now) {
                return Ok(choice);
            }
        }
        let next_due = self.waiting.keys().map(|(at, _)| *at).find(|at| *at > now);
        match (self.waiting.is_empty() && !has_new, self.images.next_try(now)) {
            (true, _) => Err(Next::Nothing),
            (false, next_try) => Err(Next::Wait(next_due.into_iter().chain(next_try).min())),
        }
    }

    /// How many of the queue's rows may be prepared: not those that `--limit` leaves for another run.
    fn most_ahead(&self) -> usize {
        let left = self
            .config
            .limit
            .map(|limit| limit.saturating_sub(self.standing.started));
        left.map_or(LOOK_AHEAD, |left| {
            usize::try_from(left).map_or(LOOK_AHEAD, |left| left.min(LOOK_AHEAD))
        })
    }

    /// An image is ready, or is not.
    pub(super) async fn image_ended(&mut self, ended: Ended) {
        let Ended {
            row_id,
            number,
            sha256,
            tries,
            found,
        } = ended;
        match found {
            Ok(address) => self.images.found(sha256, address),
            Err(ImageTrouble::File(message)) => {
                self.images.forget(sha256);
                self.refuse(row_id, FILE, message).await;
            }
            Err(ImageTrouble::Refused { code, message }) => {
                self.images.never(sha256, code.clone(), message.clone());
                self.refuse(
                    row_id,
                    UPLOAD,
                    text_of("the upload of its image was refused with", &code, &message),
                )
                .await;
            }
            Err(ImageTrouble::Again {
                code,
                message,
                retry_after,
            }) => {
                let tries = tries + 1;
                tracing::info!(row = number, code, message, tries, "its image is not uploaded yet");
                self.last_trouble = Some((code.clone(), message.clone()));
                if tries < MOST_TRIES {
                    let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
                    let wait: Duration = self.retries.wait(tries, &mut self.rng).max(asked);
                    return self.images.later(sha256, tries, wait);
                }
                self.images.forget(sha256);
                let what = format!("{MOST_TRIES} uploads of its image failed, the last with");
                self.refuse(row_id, UPLOAD, text_of(&what, &code, &message)).await;
            }
            Err(ImageTrouble::Barred { code, message, remedy }) => self.halt(Halt::Refused {
                row: number,
                code,
                message,
                remedy,
            }),
            Err(ImageTrouble::Ledger(error)) => {
                self.ledger_error.get_or_insert(error);
            }
        }
    }

    /// Rejects a row that cannot be sent. It counts as begun: `--limit` is about rows that are dealt with.
    async fn refuse(&mut self, row_id: i64, code: &'static str, message: String) {
        let Some((number, is_new)) = self.take_out(row_id) else {
            return;
        };
        self.standing.started += u64::from(is_new);
        let refusal = Refusal {
            row_id,
            code: code.to_owned(),
            message: message.clone(),
        };
        match self.ledger.refuse(refusal).await {
            Ok(true) => {
                tracing::info!(row_id, code, message, "not sent: its image cannot be used");
                self.standing.rejected += 1;
                self.standing.incidents.add(number, RowState::Rejected, code, &message);
                // No sign of life of the API's, so patience does not begin anew.
                self.count_rejection(code, &message);
            }
            Ok(false) => tracing::info!(row_id, "taken already: a callback named its task"),
            Err(error) => {
                self.ledger_error.get_or_insert(error);
            }
        }
        self.publish();
    }

    /// Takes a row out of wherever it waits; gives its place in the manifest, and whether it was new in this run.
    fn take_out(&mut self, row_id: i64) -> Option<(u32, bool)> {
        if let Some(index) = self.queue.iter().position(|row| row.row_id == row_id) {
            return self.queue.remove(index).map(|row| (row.number, true));
        }
        let found = self.waiting.iter().find(|(_, waiting)| waiting.row.row_id == row_id);
        let key = *found?.0;
        self.waiting.remove(&key).map(|waiting| (waiting.row.number, false))
    }
}

/// The first of `rows` that can be sent. The images of the others are prepared, if there are any.
fn first_ready<'r, I: ImageHost>(
    images: &mut Prepared<I>,
    rows: impl Iterator<Item = (Place, &'r QueuedRow)>,
    has_local_images: bool,
    now: Instant,
) -> Option<Choice> {
    let mut first = None;
    for (place, row) in rows {
        match images.look(&row.submission) {
            Some(uploaded) if first.is_none() => first = Some((place, uploaded)),
            Some(_) => {}
            None => images.prepare(row, now),
        }
        if first.is_some() && !has_local_images {
            break;
        }
    }
    first
}

fn text_of(what: &str, code: &str, message: &str) -> String {
    match message {
        "" => format!("{what} {code}"),
        _ => format!("{what} {code}: {message}"),
    }
}

#[cfg(test)]
mod tests;
