//! The columns of a template: what is said about each, and the example row.

use crate::image;
use crate::manifest::{Field, MOST_PROMPT_CHARACTERS};
use crate::row::{ClipLength, Resolution};

/// The columns, in the order of the sheet. Few rows need another callback address than the job's, so that column is only
/// explained.
pub(super) const COLUMNS: [Field; 5] = [
    Field::Id,
    Field::Prompt,
    Field::ImageUrl,
    Field::Duration,
    Field::Resolution,
];

/// What the example row has in a column. Its image is on a host that is reserved for examples: the sandbox takes it, and
/// whoever sends it by mistake sends no picture of anybody.
pub(super) fn example_of(field: Field) -> &'static str {
    match field {
        Field::Id => "harbour",
        Field::Prompt => {
            "A small wooden boat leaves the harbour at dawn, gulls circle above, the camera follows slowly"
        }
        Field::ImageUrl => "https://img.example.org/harbour.jpg",
        Field::Duration => ClipLength::Six.as_str(),
        Field::Resolution => Resolution::P768.as_str(),
        Field::CallbackUrl => "https://hooks.example.org/kie",
    }
}

/// What to write into a column.
pub(super) fn meaning_of(field: Field) -> String {
    let (six, ten) = (ClipLength::Six.as_str(), ClipLength::Ten.as_str());
    let (p768, p1080) = (Resolution::P768.as_str(), Resolution::P1080.as_str());
    match field {
        Field::Id => {
            "Your own name for the row, each only once. It is how a row is recognised when you edit it later: \
                      give every row one, and nothing is paid for twice by mistake."
                .to_owned()
        }
        Field::Prompt => format!(
            "What happens in the video: at most {MOST_PROMPT_CHARACTERS} characters. The maker of the model documents 2000."
        ),
        Field::ImageUrl => format!(
            "The first frame: a public https:// address, or the path of an image from this file's folder on, like \
             images/boat.png. JPEG, PNG or WebP of at most {} MB, more than {} pixels on the short side, and a shape \
             between 2:5 and 5:2. A picture that is pasted into the sheet is not seen: write its address or path.",
            image::MOST_BYTES / 1_000_000,
            image::TOO_SHORT
        ),
        Field::Duration => format!("Seconds of video: {six} or {ten}. {ten} only at {p768}."),
        Field::Resolution => format!("{p768} or {p1080}. {p1080} only with {six} seconds."),
        Field::CallbackUrl => "Where the API reports the end of this row's task. Not in this table: add the column if \
                               rows need addresses of their own."
            .to_owned(),
    }
}

/// What an empty cell means.
pub(super) fn default_of(field: Field) -> &'static str {
    match field {
        Field::Prompt | Field::ImageUrl => "every row needs it",
        Field::Id => "the row is known by what it sends",
        Field::Duration => ClipLength::Six.as_str(),
        Field::Resolution => Resolution::P768.as_str(),
        Field::CallbackUrl => "nobody is called",
    }
}
