//! What the user says about columns: `prompt=描述`, where the table of names knows nothing or the wrong thing.

use std::fmt;
use std::str::FromStr;

use crate::escape;
use crate::manifest::Field;
use crate::manifest::spelling::{self, Suggestion};
use crate::row::RESULTS_COLUMNS;

/// Longest name in a message, in characters.
const MOST_SHOWN: usize = 40;

/// One field and the column it is in, written `FIELD=COLUMN`.
///
/// The field goes by any of its names. The column is everything behind the first `=`, so that it may hold a comma or
/// another `=`; white space around it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    field: Field,
    column: String,
    folded: String,
}

impl Mapping {
    /// The field.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The name of its column or key, without surrounding white space; never empty.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// The column as messages show it.
    pub(super) fn shown_column(&self) -> String {
        shown(&self.column)
    }

    /// Whether the user spelt the column exactly so.
    pub(super) fn is_exactly(&self, name: &str) -> bool {
        name.trim_matches(is_edge) == self.column
    }

    /// Whether it is the same name but for case, spaces and marks.
    pub(super) fn is_roughly(&self, name: &str) -> bool {
        self.is_exactly(name) || (!self.folded.is_empty() && spelling::folded(name) == self.folded)
    }
}

/// The mapping as it can be written on the command line, made safe to show.
impl fmt::Display for Mapping {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.field, self.shown_column())
    }
}

/// Which columns the user says hold which fields; empty if nothing was said.
///
/// A field in it is only in that column: others that go by one of its names are columns like any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap {
    mappings: Vec<Mapping>,
}

/// Why a mapping, or several together, cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// There is no `=` in it.
    #[error("`{0}` maps no column to a field: write the field, `=` and the column's name, like `prompt=Description`")]
    NoColumn(String),
    /// Nothing stands behind the `=`.
    #[error("`{0}` has no column behind the `=`: write its name, like `prompt=Description`")]
    EmptyColumn(String),
    /// What stands before the `=` is no field.
    #[error("`{written}` is no field: {}", .near.as_ref().map_or_else(
        || format!("there are {}", Field::listed()),
        |near| format!("did you mean {near}?"),
    ))]
    UnknownField {
        /// What stands there, made safe to show.
        written: String,
        /// What was perhaps meant.
        near: Option<String>,
    },
    /// The column is one that results write and no row may bring.
    #[error("`{0}` is one of the columns that results add: its cells are this program's, not the row's")]
    ResultsColumn(&'static str),
    /// One field is given two columns.
    #[error("`{field}` cannot be both `{first}` and `{second}`: keep one of them")]
    TwoColumns {
        /// The field.
        field: Field,
        /// The column that was given first.
        first: String,
        /// The other.
        second: String,
    },
    /// One column is given to two fields.
    #[error("the column `{column}` cannot be both `{first}` and `{second}`: keep one of them")]
    TwoFields {
        /// The column.
        column: String,
        /// The field that was given first.
        first: Field,
        /// The other.
        second: Field,
    },
}

impl FromStr for Mapping {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Mapping, MappingError> {
        // The wide sign is what some keyboards write between two words of Chinese.
        let (written, column) = text
            .split_once(['=', '＝'])
            .ok_or_else(|| MappingError::NoColumn(shown(text)))?;
        let (written, column) = (written.trim_matches(is_edge), column.trim_matches(is_edge));
        let field = Field::of_name(written).ok_or_else(|| MappingError::UnknownField {
            written: shown(written),
            near: Suggestion::near(written, |_| true).map(|near| near.to_string()),
        })?;
        if column.is_empty() {
            return Err(MappingError::EmptyColumn(shown(text)));
        }
        if let Some(ours) = RESULTS_COLUMNS.into_iter().find(|ours| *ours == column) {
            return Err(MappingError::ResultsColumn(ours));
        }
        Ok(Mapping {
            field,
            column: column.to_owned(),
            folded: spelling::folded(column),
        })
    }
}

impl ColumnMap {
    /// All that the user says, each field and each column at most once.
    pub fn new(mappings: impl IntoIterator<Item = Mapping>) -> Result<ColumnMap, MappingError> {
        let mut map = ColumnMap::default();
        for new in mappings {
            if let Some(known) = map.mapping_of(new.field) {
                return Err(MappingError::TwoColumns {
                    field: new.field,
                    first: shown(&known.column),
                    second: shown(&new.column),
                });
            }
            if let Some(known) = map.mappings.iter().find(|known| known.column == new.column) {
                return Err(MappingError::TwoFields {
                    column: shown(&new.column),
                    first: known.field,
                    second: new.field,
                });
            }
            map.mappings.push(new);
        }
        Ok(map)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// What was said, in its order.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// What a key of this name means, here: first what the user says, then the table of names.
    pub fn field_of(&self, name: &str) -> Option<Field> {
        let said = self.mappings.iter().find(|mapping| mapping.is_exactly(name));
        let said = said.or_else(|| self.mappings.iter().find(|mapping| mapping.is_roughly(name)));
        said.map(|mapping| mapping.field).or_else(|| self.field_by_name(name))
    }

    /// What the table of names makes of a name that the user said nothing about.
    pub(super) fn field_by_name(&self, name: &str) -> Option<Field> {
        Field::of_name(name).filter(|field| self.mapping_of(*field).is_none())
    }

    /// What was said about a field.
    pub(super) fn mapping_of(&self, field: Field) -> Option<&Mapping> {
        self.mappings.iter().find(|mapping| mapping.field == field)
    }
}

/// A name as messages show it.
pub(super) fn shown(name: &str) -> String {
    escape::excerpt(name.trim_matches(is_edge), MOST_SHOWN)
}

/// White space, and what a file begins with instead of a name's first letter.
fn is_edge(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[&str]) -> Result<ColumnMap, MappingError> {
        let mappings: Result<Vec<Mapping>, _> = entries.iter().map(|entry| entry.parse()).collect();
        ColumnMap::new(mappings?)
    }

    #[test]
    fn a_field_goes_by_any_name_and_a_column_by_its_own() {
        for (entry, field, column) in [
            ("prompt=描述", Field::Prompt, "描述"),
            (" image = Frame 1, left ", Field::ImageUrl, "Frame 1, left"),
            ("提示词=a=b", Field::Prompt, "a=b"),
            ("时长＝秒", Field::Duration, "秒"),
            ("id=\u{feff}Clip", Field::Id, "Clip"),
        ] {
            let mapping: Mapping = entry.parse().unwrap();
            assert_eq!((mapping.field(), mapping.column()), (field, column), "{entry}");
        }
    }

    #[test]
    fn what_cannot_be_says_what_to_write() {
        let said: Vec<String> = [
            &["描述"][..],
            &["prompt="],
            &["promt=描述"],
            &["提示司=描述"],
            &["notes=描述"],
            &["prompt=status"],
            &["prompt=描述", "提示词=画面"],
            &["prompt=描述", "id= 描述 "],
        ]
        .map(|entries| map(entries).unwrap_err().to_string())
        .into();
        insta::assert_snapshot!(said.join("\n"), @"
        `描述` maps no column to a field: write the field, `=` and the column's name, like `prompt=Description`
        `prompt=` has no column behind the `=`: write its name, like `prompt=Description`
        `promt` is no field: did you mean `prompt`?
        `提示司` is no field: did you mean `提示词` (`prompt`)?
        `notes` is no field: there are `id`, `prompt`, `image_url`, `duration`, `resolution` and `callback_url`
        `status` is one of the columns that results add: its cells are this program's, not the row's
        `prompt` cannot be both `描述` and `画面`: keep one of them
        the column `描述` cannot be both `prompt` and `id`: keep one of them
        ");
    }

    #[test]
    fn what_the_user_says_comes_before_what_names_mean() {
        let map = map(&["prompt=描述", "id=Clip No."]).unwrap();
        for (name, field) in [
            ("描述", Some(Field::Prompt)),
            (" 描述 ", Some(Field::Prompt)),
            ("clip_no", Some(Field::Id)),
            ("prompt", None),
            ("提示词", None),
            ("id", None),
            ("image", Some(Field::ImageUrl)),
            ("notes", None),
        ] {
            assert_eq!(map.field_of(name), field, "{name}");
        }
        assert_eq!(ColumnMap::default().field_of("提示词"), Some(Field::Prompt));
    }

    #[test]
    fn a_name_of_marks_alone_is_compared_as_it_stands() {
        let map = map(&["prompt=#", "image=--"]).unwrap();
        assert_eq!(map.field_of("#"), Some(Field::Prompt));
        assert_eq!(map.field_of("--"), Some(Field::ImageUrl));
        assert_eq!(
            (map.field_of(""), map.field_of("__"), map.field_of("##")),
            (None, None, None)
        );
    }
}
