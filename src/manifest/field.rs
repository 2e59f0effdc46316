//! What a column can mean to this program.

use std::fmt;

use serde::Serialize;

use crate::manifest::spelling;

/// What a column can mean to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What the row is known by, if the user wants to say so.
    Id,
    /// What happens in the video.
    Prompt,
    /// Where the first frame is.
    ImageUrl,
    /// Seconds of video.
    Duration,
    /// Lines of video.
    Resolution,
    /// Who is told when the task ends.
    CallbackUrl,
}

impl Field {
    /// Every field, in the order of the [`Field`] enum: a field is an index into tables of this length.
    pub const ALL: [Field; 6] = [
        Field::Id,
        Field::Prompt,
        Field::ImageUrl,
        Field::Duration,
        Field::Resolution,
        Field::CallbackUrl,
    ];

    /// What a row cannot do without.
    pub const REQUIRED: [Field; 2] = [Field::Prompt, Field::ImageUrl];

    /// The field's own name.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Id => "id",
            Field::Prompt => "prompt",
            Field::ImageUrl => "image_url",
            Field::Duration => "duration",
            Field::Resolution => "resolution",
            Field::CallbackUrl => "callback_url",
        }
    }

    /// The field that a column or key of this name means if nobody says otherwise: by its own name or one of the others
    /// people give it, in nine scripts and languages, however it is spaced, capitalised and accented.
    pub fn of_name(name: &str) -> Option<Field> {
        let own = Field::ALL.into_iter().find(|field| field.as_str() == name);
        own.or_else(|| spelling::field_named(name))
    }

    /// The fields' own names, as messages list them.
    pub(super) fn listed() -> String {
        let (last, others) = Field::ALL.split_last().expect("there are fields");
        let others: Vec<String> = others.iter().map(|field| format!("`{field}`")).collect();
        format!("{} and `{last}`", others.join(", "))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
