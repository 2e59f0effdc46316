//! Which column of a table holds which field, and what to say when that cannot be told.

use crate::escape;
use crate::manifest::Field;
use crate::manifest::columns::{ColumnMap, Mapping, shown};
use crate::manifest::spelling::Suggestion;
use crate::row::{RESULTS_COLUMNS, SURPLUS_COLUMN};

/// Most names that a message lists.
const MOST_LISTED: usize = 12;

/// How alike a column must be to the one the user named to be suggested instead (Jaro-Winkler, 1 is the same).
const ALIKE: f64 = 0.8;

/// Whether a column of this name is one of ours and not the user's.
pub(super) fn is_results_column(name: &str) -> bool {
    RESULTS_COLUMNS.contains(&name.trim())
}

/// What the columns of a table mean.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Every column's name, as written.
    pub(super) names: Vec<String>,
    /// The column of each field.
    pub(super) columns: [Option<usize>; 6],
    /// The columns that are the user's own, in their order.
    pub(super) kept: Vec<usize>,
    /// The columns of status and task id, if this program wrote the file; then formulas in it are defused, too.
    pub(super) outcome: Option<(usize, usize)>,
    /// The column in which results keep what a row had too much.
    pub(super) surplus: Option<usize>,
}

/// Why a header will not do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Fields without a column, and what to do about it. The line may be no header at all.
    Missing(Vec<Field>, String),
    /// A column that the user gave to a field, and that is not there, and what to do about it. Here, too, the line may be
    /// no header at all.
    Unmapped(Mapping, String),
    /// A field with two columns.
    Twice(Field, String, String),
    /// A column that the user gave to two fields, in two spellings.
    Shared(String, Field, Field),
}

impl Header {
    /// Reads the names of the columns; `map` is what the user says about them.
    pub(super) fn of(names: Vec<String>, map: &ColumnMap) -> Result<Header, HeaderFault> {
        let kept: Vec<usize> = (0..names.len()).filter(|at| !is_results_column(&names[*at])).collect();
        let mut columns = mapped_columns(&names, &kept, map)?;
        for at in &kept {
            let Some(field) = map.field_by_name(&names[*at]) else {
                continue;
            };
            if columns.contains(&Some(*at)) {
                // It is named like one field, and the user gave it to another.
                continue;
            }
            if let Some(first) = columns[field as usize].replace(*at) {
                return Err(HeaderFault::Twice(field, shown(&names[first]), shown(&names[*at])));
            }
        }
        let missing: Vec<Field> = Field::REQUIRED
            .into_iter()
            .filter(|field| columns[*field as usize].is_none())
            .collect();
        if !missing.is_empty() {
            let help = help_for_missing(&missing, &names, &kept, map);
            return Err(HeaderFault::Missing(missing, help));
        }
        // The ones a manifest of the user's own has least reason to have together; others may have been deleted.
        let at = |ours: &str| names.iter().position(|name| name.trim() == ours);
        let outcome = match (at("row"), at("status"), at("task_id")) {
            (Some(_), Some(status), Some(task_id)) => Some((status, task_id)),
            _ => None,
        };
        let surplus = at(SURPLUS_COLUMN);
        Ok(Header {
            names,
            columns,
            kept,
            outcome,
            surplus,
        })
    }

    /// How many of these names are known: how much a row looks like a header.
    pub(super) fn known_names<'a>(names: impl Iterator<Item = &'a [u8]>, columns: &ColumnMap) -> usize {
        let is_known = |name: &&[u8]| std::str::from_utf8(name).is_ok_and(|name| columns.field_of(name).is_some());
        names.filter(is_known).count()
    }

    /// Columns that look like a slip of the pen for a field that has no column.
    pub(super) fn near_misses(&self) -> impl Iterator<Item = (usize, &str, Suggestion)> {
        let absent = |field: Field| self.columns[field as usize].is_none();
        let unused = self.kept.iter().filter(|at| !self.columns.contains(&Some(**at)));
        unused.filter_map(move |at| {
            Some((
                *at,
                self.names[*at].as_str(),
                Suggestion::near(&self.names[*at], absent)?,
            ))
        })
    }
}

/// The columns of the fields that the user gave one.
fn mapped_columns(names: &[String], kept: &[usize], map: &ColumnMap) -> Result<[Option<usize>; 6], HeaderFault> {
    let mut columns = [None; 6];
    for mapping in map.mappings() {
        let found = |is_meant: fn(&Mapping, &str) -> bool| -> Vec<usize> {
            let meant = kept.iter().filter(|at| is_meant(mapping, &names[**at]));
            meant.copied().take(2).collect()
        };
        let mut meant = found(Mapping::is_exactly);
        if meant.is_empty() {
            meant = found(Mapping::is_roughly);
        }
        let field = mapping.field();
        let at = match meant[..] {
            [at] => at,
            [first, second, ..] => return Err(HeaderFault::Twice(field, shown(&names[first]), shown(&names[second]))),
            [] => {
                let help = help_for_no_header(names)
                    .unwrap_or_else(|| help_for_unmapped(mapping, kept.iter().map(|at| names[*at].as_str())));
                return Err(HeaderFault::Unmapped(mapping.clone(), help));
            }
        };
        if let Some(other) = Field::ALL
            .into_iter()
            .find(|other| columns[*other as usize] == Some(at))
        {
            return Err(HeaderFault::Shared(shown(&names[at]), other, field));
        }
        columns[field as usize] = Some(at);
    }
    Ok(columns)
}

fn help_for_missing(missing: &[Field], names: &[String], kept: &[usize], map: &ColumnMap) -> String {
    let near = |field: &Field| {
        let unused = kept
            .iter()
            .map(|at| &names[*at])
            .filter(|name| map.field_of(name).is_none());
        let near = |name: &String| Some((Suggestion::near(name, |wanted| wanted == *field)?, shown(name)));
        let (suggestion, name) = unused.into_iter().find_map(near)?;
        Some(format!("did you mean {suggestion} where the header says `{name}`?"))
    };
    let near: Vec<String> = missing.iter().filter_map(near).collect();
    if !near.is_empty() {
        return near.join(" ");
    }
    if let Some(help) = help_for_no_header(names) {
        return help;
    }
    let field = missing.first().copied().unwrap_or(Field::Prompt);
    let found = listed(names.iter().map(String::as_str));
    format!("{found}; `--map {field}=COLUMN` says which of them is `{field}`")
}

/// What to do about a mapping to a column that is not among the `names` found.
pub(super) fn help_for_unmapped<'n>(mapping: &Mapping, names: impl Iterator<Item = &'n str> + Clone) -> String {
    let meant = mapping.column().to_lowercase();
    let nearest = names
        .clone()
        .map(|name| (strsim::jaro_winkler(&name.trim().to_lowercase(), &meant), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let found = listed(names);
    match nearest {
        Some((_, name)) => format!("did you mean `{}`? {found}", shown(name)),
        None => found,
    }
}

/// What to do if the line is no header, or its cells were not told apart.
fn help_for_no_header(names: &[String]) -> Option<String> {
    let is_address =
        |name: &String| name.trim_start().starts_with("http://") || name.trim_start().starts_with("https://");
    if names.iter().any(is_address) {
        return Some("the first line has to name the columns, like `prompt,image_url`".to_owned());
    }
    let [only] = names else { return None };
    let other = [';', '\t', '|', ','].into_iter().find(|mark| only.contains(*mark))?;
    let name = if other == '\t' {
        "tab".to_owned()
    } else {
        escape::for_shell(&[other.to_string()])
    };
    Some(format!(
        "the columns seem to be separated by {other:?}: `--delimiter {name}` says so"
    ))
}

/// The names that were found, as many as a message takes.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names = names.map(|name| format!("`{}`", shown(name)));
    let found: Vec<String> = names.by_ref().take(MOST_LISTED).collect();
    let more = if names.next().is_some() { ", …" } else { "" };
    format!("the columns found are {}{more}", found.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str) -> Result<Header, HeaderFault> {
        mapped(line, &[])
    }

    fn mapped(line: &str, mappings: &[&str]) -> Result<Header, HeaderFault> {
        let mappings = mappings.iter().map(|mapping| mapping.parse().unwrap());
        let map = ColumnMap::new(mappings).unwrap();
        Header::of(line.split(',').map(str::to_owned).collect(), &map)
    }

    #[test]
    fn a_missing_column_is_named_with_what_may_be_meant() {
        for (line, missing, said) in [
            (
                "prompt,imge_url",
                Field::ImageUrl,
                "did you mean `image_url` where the header says `imge_url`?",
            ),
            (
                "提示司,图片",
                Field::Prompt,
                "did you mean `提示词` (`prompt`) where the header says `提示司`?",
            ),
            (
                "prompt,enlace de la imagn",
                Field::ImageUrl,
                "did you mean `enlace de la imagen` (`image_url`) where",
            ),
            ("prompt;image_url", Field::Prompt, "separated by ';'"),
            (
                "a boat,https://img.example.org/1.png",
                Field::Prompt,
                "first line has to name",
            ),
            (
                "title,notes",
                Field::Prompt,
                "found are `title`, `notes`; `--map prompt=COLUMN` says which",
            ),
        ] {
            let Err(HeaderFault::Missing(fields, help)) = header(line) else {
                panic!("{line}")
            };
            assert_eq!(fields[0], missing, "{line}");
            assert!(help.contains(said), "{help}");
        }
    }

    #[test]
    fn two_columns_of_one_meaning_are_named() {
        assert_eq!(
            header("prompt,image,图片链接").unwrap_err(),
            HeaderFault::Twice(Field::ImageUrl, "image".into(), "图片链接".into())
        );
    }

    #[test]
    fn the_columns_of_results_are_not_the_users() {
        let some = header("status,prompt,notes,image_url,row").unwrap();
        assert_eq!((some.kept, some.outcome), (vec![1, 2, 3], None));
        let all = header(&format!("prompt,image_url,{}", RESULTS_COLUMNS.join(","))).unwrap();
        assert_eq!((all.kept, all.outcome), (vec![0, 1], Some((3, 4))));
    }

    #[test]
    fn a_column_that_is_almost_a_field_is_noticed_unless_the_field_is_there() {
        let near = |line| -> Vec<String> {
            let header = header(line).unwrap();
            header
                .near_misses()
                .map(|(_, name, near)| format!("{name}: {near}"))
                .collect()
        };
        assert_eq!(near("prompt,image_url,duraton"), ["duraton: `duration`"]);
        assert_eq!(near("提示词,图片,视频时常"), ["视频时常: `视频时长` (`duration`)"]);
        assert_eq!(near("prompt,image_url,duration,duraton,imge"), [""; 0]);
    }

    #[test]
    fn a_column_that_the_user_names_is_the_only_one_of_its_field() {
        let header = mapped("prompt,描述,image,id", &["prompt=描述", "id=prompt"]).unwrap();
        let column = |field: Field| header.columns[field as usize];
        assert_eq!(column(Field::Prompt), Some(1));
        assert_eq!(column(Field::Id), Some(0));
        assert_eq!(column(Field::ImageUrl), Some(2));
        assert_eq!(header.kept, [0, 1, 2, 3]);
        assert_eq!(header.near_misses().count(), 0);
    }

    #[test]
    fn the_users_spelling_comes_before_one_that_is_alike() {
        let at = |line: &str, mapping: &str| mapped(line, &[mapping]).unwrap().columns[Field::Prompt as usize];
        assert_eq!(at("image,TEXT,Text", "prompt=Text"), Some(2));
        assert_eq!(at("image, the-TEXT ", "prompt=The text"), Some(1));
        assert_eq!(
            mapped("image,TEXT,te-xt", &["prompt=Text"]).unwrap_err(),
            HeaderFault::Twice(Field::Prompt, "TEXT".into(), "te-xt".into())
        );
        assert_eq!(
            mapped("image,Text,Text", &["prompt=Text"]).unwrap_err(),
            HeaderFault::Twice(Field::Prompt, "Text".into(), "Text".into())
        );
        assert_eq!(
            mapped("image,Text", &["prompt=Text", "id=text"]).unwrap_err(),
            HeaderFault::Shared("Text".into(), Field::Prompt, Field::Id)
        );
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_those_that_are() {
        let help = |line: &str, mapping: &str| match mapped(line, &[mapping]) {
            Err(HeaderFault::Unmapped(mapping, help)) => format!("{mapping}: {help}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            help("Descriptoin,image,notes", "prompt=Description"),
            "prompt=Description: did you mean `Descriptoin`? the columns found are `Descriptoin`, `image`, `notes`"
        );
        assert_eq!(
            help("a,image", "prompt=描述"),
            "prompt=描述: the columns found are `a`, `image`"
        );
        assert!(help("描述;图片", "prompt=描述").contains("separated by ';'"));
        // What results write is never a row's own.
        assert!(help("prompt,image,status", "id=Status").contains("the columns found"));
    }
}
