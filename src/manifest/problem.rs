//! What can be wrong with a row, and how it is said.
//!
//! A problem is said in two parts, so that 900 equal ones can be told together: the heading, which rows share, and what
//! was found in this one.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::image;
use crate::manifest::{Field, MOST_CELL_BYTES, MOST_COLUMNS};
use crate::row::{MODEL, SURPLUS_COLUMN};

/// Whether a row can be sent all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The row is invalid: it is never sent, or, where only a look at the web shows it, its task would fail.
    Error,
    /// The row is sent, and money may be lost on it.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// The rule a row breaks. The serialised names are for scripts: they do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "`heading` and `help` say it, and are what the user reads")]
pub enum Rule {
    // The row as a line of the file.
    FieldCount,
    RepeatedHeader,
    NotUtf8,
    NulByte,
    CellTooLong,
    NotJson,
    NotAnObject,
    TooManyKeys,
    TooDeep,
    RepeatedKey,
    UnknownInputKey,
    WrongType,
    WrongModel,
    // Its cells as a workbook has them.
    CellError,
    NoStoredValue,
    PictureInCell,
    LinkElsewhere,
    BesideTable,
    // What its cells say.
    Missing,
    PromptTooLong,
    PromptLongInUtf16,
    PromptLongForModel,
    LocalFile,
    NotAbsolute,
    WrongScheme,
    Credentials,
    SpaceInUrl,
    NotAUrl,
    UnreachableHost,
    ImageMissing,
    ImageOutside,
    ImageNotAFile,
    ImageUnreadable,
    NotAnImage,
    ImageTooLarge,
    ImageTooSmall,
    ImageTooNarrow,
    ImageUnmeasured,
    ImageNotThere,
    ImageIsAPage,
    ImageUnreachable,
    ImagePrivate,
    Duration,
    Resolution,
    LongAndSharp,
    // The row among the others.
    RepeatedId,
    RepeatedRow,
    UnusedColumn,
}

impl Rule {
    /// Whether a row that breaks the rule can be sent all the same.
    pub fn severity(self) -> Severity {
        match self {
            Rule::PromptLongInUtf16
            | Rule::PromptLongForModel
            | Rule::UnreachableHost
            | Rule::ImageUnmeasured
            | Rule::ImageUnreachable
            | Rule::ImagePrivate
            | Rule::RepeatedRow
            | Rule::LinkElsewhere
            | Rule::BesideTable
            | Rule::UnusedColumn => Severity::Warning,
            Rule::FieldCount
            | Rule::RepeatedHeader
            | Rule::NotUtf8
            | Rule::NulByte
            | Rule::CellTooLong
            | Rule::NotJson
            | Rule::NotAnObject
            | Rule::TooManyKeys
            | Rule::TooDeep
            | Rule::RepeatedKey
            | Rule::UnknownInputKey
            | Rule::WrongType
            | Rule::WrongModel
            | Rule::CellError
            | Rule::NoStoredValue
            | Rule::PictureInCell
            | Rule::Missing
            | Rule::PromptTooLong
            | Rule::LocalFile
            | Rule::NotAbsolute
            | Rule::WrongScheme
            | Rule::Credentials
            | Rule::SpaceInUrl
            | Rule::NotAUrl
            | Rule::ImageMissing
            | Rule::ImageOutside
            | Rule::ImageNotAFile
            | Rule::ImageUnreadable
            | Rule::NotAnImage
            | Rule::ImageTooLarge
            | Rule::ImageTooSmall
            | Rule::ImageTooNarrow
            | Rule::ImageNotThere
            | Rule::ImageIsAPage
            | Rule::Duration
            | Rule::Resolution
            | Rule::LongAndSharp
            | Rule::RepeatedId => Severity::Error,
        }
    }

    /// What is wrong, in words that hold for every row that breaks the rule in this column.
    pub(super) fn heading(self, column: Option<&str>) -> String {
        let column = column.unwrap_or("the row");
        match self {
            Rule::FieldCount => "the row has another number of cells than the header".into(),
            Rule::RepeatedHeader => "the row repeats the header".into(),
            Rule::NotUtf8 => "the row is not text in the file's encoding".into(),
            Rule::NulByte => "the row contains a NUL byte".into(),
            Rule::CellTooLong => format!("`{column}` has more than {} bytes", grouped(MOST_CELL_BYTES)),
            Rule::NotJson => "the line is not JSON".into(),
            Rule::NotAnObject => "the line is not a JSON object".into(),
            Rule::TooManyKeys => format!("the object has more than {} keys", grouped(MOST_COLUMNS)),
            Rule::TooDeep => format!("`{column}` is nested too deeply"),
            Rule::RepeatedKey => format!("`{column}` is given more than once"),
            Rule::UnknownInputKey => "`input` has a key that the model does not know".into(),
            Rule::WrongType => format!("`{column}` has the wrong type"),
            Rule::WrongModel => "`model` is another model".into(),
            Rule::CellError => format!("`{column}` shows an error"),
            Rule::NoStoredValue => format!("`{column}` is a formula whose value is not stored"),
            Rule::PictureInCell => format!("`{column}` is a picture inside the workbook"),
            Rule::LinkElsewhere => format!("the link of `{column}` leads elsewhere than its text, which is used"),
            Rule::BesideTable => "text beside the table is left out".into(),
            Rule::Missing => format!("`{column}` is empty"),
            Rule::PromptTooLong => format!("`{column}` has more than 5,000 characters"),
            Rule::PromptLongInUtf16 => format!("`{column}` may be too long as the API counts"),
            Rule::PromptLongForModel => format!("`{column}` has more than 2,000 characters"),
            Rule::LocalFile => format!("`{column}` is a file on this computer"),
            Rule::NotAbsolute => format!("`{column}` does not begin with `https://`"),
            Rule::WrongScheme => format!("`{column}` is neither an http nor an https URL"),
            Rule::Credentials => format!("`{column}` contains a user name or password"),
            Rule::SpaceInUrl => format!("`{column}` has a space or line break inside"),
            Rule::NotAUrl => format!("`{column}` is not a URL"),
            Rule::UnreachableHost => format!("`{column}` cannot be reached from the internet"),
            Rule::ImageMissing => format!("`{column}` is neither a web address nor a file that is there"),
            Rule::ImageOutside => format!("`{column}` leads out of the manifest's folder"),
            Rule::ImageNotAFile => format!("`{column}` is not a file"),
            Rule::ImageUnreadable => format!("the file of `{column}` cannot be read"),
            Rule::NotAnImage => format!("`{column}` is not a JPEG, PNG or WebP image"),
            Rule::ImageTooLarge => format!("`{column}` has more than {} bytes", grouped(image::MOST_BYTES)),
            Rule::ImageTooSmall => format!("`{column}` has a side of {} pixels or less", image::TOO_SHORT),
            Rule::ImageTooNarrow => format!("`{column}` is narrower than 2:5 or wider than 5:2"),
            Rule::ImageUnmeasured => format!("width and height of `{column}` cannot be made out"),
            Rule::ImageNotThere => format!("`{column}` leads to nothing"),
            Rule::ImageIsAPage => format!("`{column}` leads to a web page, not to an image"),
            Rule::ImageUnreachable => format!("`{column}` could not be looked at from here"),
            Rule::ImagePrivate => format!("`{column}` is in a private network, and was not looked at"),
            Rule::Duration => format!("`{column}` is neither `6` nor `10`"),
            Rule::Resolution => format!("`{column}` is neither `768P` nor `1080P`"),
            Rule::LongAndSharp => "10 seconds are not offered with `1080P`".into(),
            Rule::RepeatedId => format!("`{column}` was already used"),
            Rule::RepeatedRow => "the row asks for the same video as an earlier one".into(),
            Rule::UnusedColumn => format!("column `{column}` is kept but not used"),
        }
    }

    /// What to write instead.
    pub(super) fn help(self) -> Option<Cow<'static, str>> {
        let help = match self {
            Rule::FieldCount => {
                "put quotes around a cell that contains the separator, and look for a quote that is missing"
            }
            Rule::RepeatedHeader => "delete the line: it comes from joining two files",
            Rule::NotUtf8 => "save the file as UTF-8, or say with `--encoding` what it is in",
            Rule::NulByte => "delete the byte: it belongs in no text",
            Rule::CellTooLong => "shorten the cell, or look for a quote that is missing",
            Rule::NotJson => "write one complete JSON object on each line",
            Rule::NotAnObject => "write an object, like `{\"prompt\": \"…\", \"image_url\": \"https://…\"}`",
            Rule::TooManyKeys => "leave out the keys that nobody needs",
            Rule::TooDeep => "flatten it, or write it as text",
            Rule::RepeatedKey => "keep one of them",
            Rule::UnknownInputKey => {
                "the keys of `input` are `prompt`, `image_url`, `duration`, `resolution` and `nsfw_checker`"
            }
            Rule::WrongType => return None,
            Rule::WrongModel => return Some(format!("this program submits to `{MODEL}` only").into()),
            Rule::CellError => "mend the formula, or write the value itself",
            Rule::NoStoredValue => "open the workbook in a spreadsheet program and save it: that stores the values",
            Rule::PictureInCell => {
                "save the picture as a file and write its path from the manifest's folder on, or the address it has on \
                 the web"
            }
            Rule::LinkElsewhere => "see which is right, and remove the link or correct the text",
            Rule::BesideTable => "give its column a name in the header to keep it",
            Rule::Missing => "every row needs it: fill it in, or delete the row",
            Rule::PromptTooLong => "shorten it",
            Rule::PromptLongInUtf16 => {
                "the API allows 5,000 characters and may count an emoji as two: shorten it to be sure"
            }
            Rule::PromptLongForModel => {
                "the maker of the model documents 2,000, and what happens to the rest is not known: shorten it to be sure"
            }
            Rule::LocalFile => "write the `https://` address of a server that the API can reach",
            Rule::NotAbsolute => "write the whole address, like `https://img.example.org/1.png`",
            Rule::WrongScheme => "write an `https://` address: the API fetches no other",
            Rule::Credentials => "take them out of the address, and use a link that needs none",
            Rule::SpaceInUrl => "write one address, and `%20` for a space in it",
            Rule::NotAUrl => "copy the address from a browser that shows the image",
            Rule::UnreachableHost => "the API's servers are elsewhere on the internet: use a public address",
            Rule::ImageMissing => "write its path from the manifest's folder on, or the `https://` address of an image",
            Rule::ImageOutside => "move the image into the folder, or allow such paths with `--allow-outside`",
            Rule::ImageNotAFile => "write the path of one image",
            Rule::ImageUnreadable => "give yourself the right to read it, and see that nothing is writing to it",
            Rule::NotAnImage => "export it as JPEG, PNG or WebP: what counts is the content, not the name",
            Rule::ImageTooLarge => "export it smaller, or as JPEG: the API takes 10 MB",
            Rule::ImageTooSmall => "use a larger one: the model wants more than 300 pixels on the short side",
            Rule::ImageTooNarrow => "crop it: the clip takes the shape of its image, and the model makes no such clips",
            Rule::ImageUnmeasured => "it may be damaged, and the API may refuse it: open it and export it again",
            Rule::ImageNotThere => "correct the address, or put the image back: the API would find nothing, either",
            Rule::ImageIsAPage => {
                "write the address of the image itself: links for sharing (Google Drive, Dropbox and the like) lead to a \
                 page around it"
            }
            Rule::ImageUnreachable => {
                "the API may reach it all the same: to be sure, open the address in a private window of a browser, or \
                 check again later"
            }
            Rule::ImagePrivate => {
                "the API's servers cannot get there: use a public address, or look all the same with `--allow-private-hosts`"
            }
            Rule::Duration => "write `6` or `10`, or leave the cell empty for `6`",
            Rule::Resolution => "write `768P` or `1080P`, or leave the cell empty for `768P`",
            Rule::LongAndSharp => "write `768P` for 10 seconds, or `6` for `1080P`",
            Rule::RepeatedId => "give each row its own `id`, or drop the column to tell rows apart by their content",
            Rule::RepeatedRow => "delete the row unless you want to pay for both",
            Rule::UnusedColumn => "rename the column if it was meant",
        };
        Some(help.into())
    }
}

/// One thing that is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The rule that is broken.
    pub rule: Rule,
    /// The column it is broken in, if it is one: the field's own name, or the user's, made safe to show.
    pub column: Option<Cow<'static, str>>,
    /// What the row has instead, made safe to show; may be empty.
    pub found: String,
    /// Where the column stands in the table, counted from 0, if the row is one of a table.
    pub at: Option<u32>,
}

impl Problem {
    pub(super) fn of_row(rule: Rule, found: impl Into<String>) -> Problem {
        Problem {
            rule,
            column: None,
            found: found.into(),
            at: None,
        }
    }

    /// That of a row of results which had more cells than the header when they were written.
    pub(super) fn of_surplus_cells() -> Problem {
        let found = "the row had more cells than the header when the results were written";
        Problem::of_column(Rule::FieldCount, SURPLUS_COLUMN, found)
    }

    pub(super) fn of_column(rule: Rule, column: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Problem {
        Problem {
            rule,
            column: Some(column.into()),
            found: found.into(),
            at: None,
        }
    }

    /// Whether the row can be sent all the same.
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }

    /// What to write instead.
    pub fn help(&self) -> Option<Cow<'static, str>> {
        self.rule.help()
    }

    /// Whether it is about this field.
    pub(super) fn is_of(&self, field: Field) -> bool {
        self.column.as_deref() == Some(field.as_str())
    }
}

/// One line, without a place and without help.
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.rule.heading(self.column.as_deref()))?;
        if !self.found.is_empty() {
            write!(formatter, ": {}", self.found)?;
        }
        Ok(())
    }
}

/// A number as people read it: `1,048,576`.
pub(super) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_is_wrong_and_what_was_found() {
        let problem = Problem::of_column(Rule::Duration, "duration", "7");
        assert_eq!(problem.to_string(), "`duration` is neither `6` nor `10`: 7");
        let problem = Problem::of_column(Rule::Missing, "prompt", "");
        assert_eq!(problem.to_string(), "`prompt` is empty");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (1_048_576, "1,048,576")] {
            assert_eq!(grouped(number), text);
        }
    }
}
