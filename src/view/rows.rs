//! The rows of a batch as the live page and the report list them. The serialized form is what their scripts read.

use serde::{Serialize, Serializer};

use crate::clock::UnixMillis;
use crate::row::RowState;

/// A part of the rows that a filter lets through.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RowsPage {
    /// How many rows the filter lets through in all.
    pub total: u64,
    /// The place of the first of [`rows`](Self::rows) among them, from 0.
    pub offset: u64,
    /// In the manifest's order.
    pub rows: Vec<RowCard>,
}

/// Which rows to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowsQuery {
    /// In one of these states; empty: in any.
    pub states: Vec<RowState>,
    /// With this error code.
    pub code: Option<String>,
    /// Whose id, cells, task id or message has this text, without regard to case (of ASCII letters); or whose number it is.
    pub search: Option<String>,
    /// Leave out so many.
    pub offset: u64,
    /// List at most so many.
    pub limit: u32,
}

/// A row in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowCard {
    /// Its place in the manifest, from 1.
    pub row: u32,
    /// Where it stands in the file, in words: `line 7`, `Shots!8`.
    pub place: String,
    /// The manifest's own id.
    pub id: Option<String>,
    /// Where it stands.
    #[serde(serialize_with = "state_word")]
    pub status: RowState,
    /// What is to be seen. May be cut; empty where the row is invalid and has none.
    pub prompt: String,
    /// The last trouble's code.
    pub code: Option<String>,
    /// The last trouble's text, that of the manifest included.
    pub message: Option<String>,
    /// Requests made for it.
    pub attempts: u32,
    /// When it was accepted, milliseconds since 1970.
    #[serde(serialize_with = "millis")]
    pub submitted_at: Option<UnixMillis>,
    /// When its task ended, milliseconds since 1970.
    #[serde(serialize_with = "millis")]
    pub completed_at: Option<UnixMillis>,
    /// What its task cost.
    pub credits: Option<f64>,
    /// Length in seconds and resolution: `6 s 768P`.
    pub kind: Option<String>,
    /// Its source image.
    pub image: Option<Media>,
    /// Its video.
    pub video: Option<Media>,
}

/// Where a picture or a video is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Media {
    /// A file on disk; relative paths are relative to the manifest's folder, in the report to the report's.
    pub file: Option<String>,
    /// A web address. The API's own expire.
    pub url: Option<String>,
}

/// Everything about one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowStory {
    /// As in the list, with the whole prompt.
    #[serde(flatten)]
    pub card: RowCard,
    /// Its task.
    pub task_id: Option<String>,
    /// What to do about its trouble, if we know.
    pub remedy: Option<String>,
    /// The manifest's own cells: name and text, in its order.
    pub cells: Vec<(String, String)>,
    /// Every request made for it, the first first.
    pub requests: Vec<RequestStory>,
}

/// A request made for a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestStory {
    /// When its intent was recorded, milliseconds since 1970.
    #[serde(serialize_with = "millis")]
    pub began_at: Option<UnixMillis>,
    /// When its answer came, milliseconds since 1970.
    #[serde(serialize_with = "millis")]
    pub answered_at: Option<UnixMillis>,
    /// `accepted`, `again`, `rejected`, `unknown`; `None` while in flight.
    pub result: Option<String>,
    /// HTTP status.
    pub http_status: Option<u16>,
    /// The API's code or our word.
    pub code: Option<String>,
    /// The text.
    pub message: Option<String>,
    /// The task it made.
    pub task_id: Option<String>,
    /// What the task cost, or will by its price.
    pub credits: Option<f64>,
    /// `succeeded`, `failed`; `None` while its task is not known to have ended.
    pub ended: Option<String>,
}

fn state_word<S: Serializer>(state: &RowState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
fn millis<S: Serializer>(at: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(UnixMillis(millis)) => serializer.serialize_some(millis),
        None => serializer.serialize_none(),
    }
}
