//! What a video's file is called: a template of the user's, filled with a row, made safe for every file system.
//!
//! Ids and prompts come from the manifest and task ids from the server, so none of them is trusted: whatever they hold,
//! the name is one path component of at most [`MOST_BYTES`] bytes that no system treats specially.

mod safe;

use std::fmt;
use std::str::FromStr;

pub use safe::MOST_BYTES;

/// The template used unless the user gives another.
pub const DEFAULT_TEMPLATE: &str = "{row:05}-{id}.mp4";

/// The model yields MP4 and nothing else.
const EXTENSION: &str = ".mp4";

/// Most bytes one field brings into a name, so that a long id does not push out the row's number behind it.
const MOST_FIELD_BYTES: usize = 100;

/// Most bytes of a prompt: some six words, enough to recognize a clip by.
const MOST_PROMPT_BYTES: usize = 40;

/// Widest `{row:0N}`. More digits than this no row's number has.
const WIDEST: usize = 19;

/// What stands between fields. A field that is empty takes the separators before it away.
const SEPARATORS: [char; 4] = ['-', '_', '.', ' '];

/// How the files are to be named, such as `{row:05}-{id}.mp4`.
///
/// Fields: `{row}` the row's number, `{row:05}` the same in five digits; `{id}` the row's id; `{task}` the task id;
/// `{prompt}` the first words of the prompt. `{{` and `}}` are braces. At least one of row, id and task must be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// With leading zeros up to so many digits.
    Row(usize),
    Id,
    Task,
    Prompt,
}

/// What the fields of a template stand for in one row.
#[derive(Debug, Clone, Copy)]
pub struct NameParts<'a> {
    /// The row's number in the manifest, from 1.
    pub row: u64,
    /// The row's id, where it has one.
    pub id: Option<&'a str>,
    /// The id of the task that made the video.
    pub task: &'a str,
    /// The row's prompt.
    pub prompt: &'a str,
}

impl NameTemplate {
    /// The file's name for a row: safe, and ending in `.mp4`.
    ///
    /// A field that is empty (the id of a row without one) takes the separators before it away: the default gives
    /// `00007.mp4`. Where nothing is left at all, the name is the row's number. Different rows can have the same name,
    /// where ids differ only in what no name may hold; [`numbered`] gives the next best.
    pub fn render(&self, parts: &NameParts<'_>) -> String {
        let mut stem = String::new();
        let mut follows_nothing = false;
        for piece in &self.pieces {
            let value = piece.value(parts);
            if let Piece::Text(text) = piece {
                let text = if follows_nothing {
                    text.trim_start_matches(SEPARATORS)
                } else {
                    text
                };
                stem.push_str(text);
                follows_nothing = false;
            } else if value.is_empty() {
                stem.truncate(stem.trim_end_matches(SEPARATORS).len());
                follows_nothing = stem.is_empty();
            } else {
                stem.push_str(&value);
                follows_nothing = false;
            }
        }
        match safe::stem(&stem, MOST_BYTES - EXTENSION.len()) {
            Some(stem) => stem + EXTENSION,
            None => format!("{}{EXTENSION}", parts.row),
        }
    }
}

impl Default for NameTemplate {
    fn default() -> NameTemplate {
        DEFAULT_TEMPLATE
            .parse()
            .expect("the default is a template, as a test shows")
    }
}

impl Piece {
    /// What a field brings in; nothing for plain text.
    fn value(&self, parts: &NameParts<'_>) -> String {
        match *self {
            Piece::Text(_) => String::new(),
            Piece::Row(width) => format!("{:0width$}", parts.row),
            Piece::Id => safe::part(parts.id.unwrap_or_default(), MOST_FIELD_BYTES),
            Piece::Task => safe::part(parts.task, MOST_FIELD_BYTES),
            Piece::Prompt => safe::words(parts.prompt, MOST_PROMPT_BYTES),
        }
    }
}

/// What a task's file is called until it is complete.
pub fn part_of(task: &str) -> String {
    let task = safe::stem(task, MOST_FIELD_BYTES);
    format!(".{}.part", task.as_deref().unwrap_or("task"))
}

/// Another name for the file that cannot be called `name`: `boat.mp4` becomes `boat-2.mp4`.
pub fn numbered(name: &str, number: u32) -> String {
    let stem = name.strip_suffix(EXTENSION).unwrap_or(name);
    let ending = format!("-{number}{EXTENSION}");
    let stem = safe::cut(stem, MOST_BYTES - ending.len());
    format!("{stem}{ending}")
}

impl fmt::Display for NameTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Why a text is no template. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace that opens no field or closes none.
    #[error("the `{brace}` at character {at} has no partner: write `{brace}{brace}` for the brace itself")]
    Brace {
        /// `{` or `}`.
        brace: char,
        /// Where it is.
        at: usize,
    },
    /// No field of that name.
    #[error(
        "there is no field `{{{field}}}` (character {at}): use `{{row}}`, `{{row:05}}`, `{{id}}`, `{{task}}` or \
         `{{prompt}}`"
    )]
    Field {
        /// What stands between the braces, cut and made harmless.
        field: String,
        /// Where its brace is.
        at: usize,
    },
    /// Nothing in it tells one row from another.
    #[error("every video would have the same name: put `{{row}}`, `{{id}}` or `{{task}}` into it")]
    NotUnique,
    /// A character that no file's name may have.
    #[error("{character:?} at character {at} cannot be in the name of a file{}", hint_for(*character))]
    Character {
        /// The character.
        character: char,
        /// Where it is.
        at: usize,
    },
}

fn hint_for(character: char) -> &'static str {
    match character {
        '/' | '\\' => ": the folder is another setting",
        _ => "",
    }
}

impl FromStr for NameTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let end = text.len() - if ends_with_extension(text) { EXTENSION.len() } else { 0 };
        let mut characters = text[..end].chars().zip(1..).peekable();
        while let Some((character, at)) = characters.next() {
            match character {
                '{' | '}' if characters.next_if(|(next, _)| *next == character).is_some() => plain.push(character),
                '{' => {
                    let mut field = String::new();
                    loop {
                        match characters.next() {
                            Some(('}', _)) => break,
                            None | Some(('{', _)) => return Err(TemplateError::Brace { brace: '{', at }),
                            Some((character, _)) => field.push(character),
                        }
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::read(&field, at)?);
                }
                '}' => return Err(TemplateError::Brace { brace: '}', at }),
                odd if !safe::may_be_in_a_name(odd) => return Err(TemplateError::Character { character: odd, at }),
                plain_one => plain.push(plain_one),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        let tells_rows_apart = |piece: &Piece| matches!(piece, Piece::Row(_) | Piece::Id | Piece::Task);
        if !pieces.iter().any(tells_rows_apart) {
            return Err(TemplateError::NotUnique);
        }
        Ok(NameTemplate {
            text: text.to_owned(),
            pieces,
        })
    }
}

impl Piece {
    fn read(field: &str, at: usize) -> Result<Piece, TemplateError> {
        let width = |digits: &str| {
            let is_plain = digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            let width = digits.parse().ok().filter(|width| (1..=WIDEST).contains(width));
            width.filter(|_| is_plain)
        };
        match field.split_once(':') {
            None if field == "row" => Some(Piece::Row(0)),
            None if field == "id" => Some(Piece::Id),
            None if field == "task" => Some(Piece::Task),
            None if field == "prompt" => Some(Piece::Prompt),
            Some(("row", digits)) => width(digits).map(Piece::Row),
            _ => None,
        }
        .ok_or_else(|| TemplateError::Field {
            field: crate::escape::excerpt(field, 40),
            at,
        })
    }
}

/// Whether the extension is written out; it is added otherwise.
fn ends_with_extension(text: &str) -> bool {
    text.len()
        .checked_sub(EXTENSION.len())
        .and_then(|at| text.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(EXTENSION))
}

#[cfg(test)]
mod tests;
