//! Which column means what: the one table of names, and what to say when a name is almost one of them.

use std::fmt;

use serde::Serialize;
use strsim::damerau_levenshtein;

use crate::escape;
use crate::row::RESULTS_COLUMNS;

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

/// The names of the fields. The first of each is the one this program writes; [`normalised`] says how they are compared.
///
/// Only names that cannot well mean something else: a wrong guess costs money.
#[rustfmt::skip]
const NAMES: [(Field, &[&str]); 6] = [
    (Field::Id, &["id", "rowid", "编号", "編號"]),
    (Field::Prompt, &["prompt", "prompts", "prompttext", "videoprompt", "提示词", "提示詞", "提示语", "提示語"]),
    (Field::ImageUrl, &[
        "imageurl", "image", "imagelink", "imageuri", "img", "imgurl", "imgsrc", "picture", "pictureurl", "photourl",
        "图片链接", "圖片連結", "圖片鏈接", "图片", "圖片", "图片地址", "圖片地址", "图片网址", "圖片網址", "图片url",
        "圖片url", "图像链接", "圖像連結",
    ]),
    (Field::Duration, &[
        "duration", "durationseconds", "durations", "seconds", "length", "cliplength", "videolength",
        "时长", "時長", "视频时长", "影片時長", "秒数", "秒數",
    ]),
    (Field::Resolution, &["resolution", "videoresolution", "分辨率", "解析度", "清晰度"]),
    (Field::CallbackUrl, &[
        "callbackurl", "callback", "webhook", "webhookurl",
        "回调地址", "回調地址", "回调链接", "回調鏈接", "回呼網址", "回调url", "回調url",
    ]),
];

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

    /// The field that a column or key of this name means.
    pub fn of_name(name: &str) -> Option<Field> {
        let own = Field::ALL.into_iter().find(|field| field.as_str() == name);
        own.or_else(|| {
            let name = normalised(name);
            let known = NAMES.iter().find(|(_, names)| names.contains(&name.as_str()));
            known.map(|(field, _)| *field)
        })
    }

    /// Whether `name` looks like a slip of the pen for this field.
    pub(super) fn is_near(self, name: &str) -> bool {
        let name = normalised(name);
        let length = name.chars().count();
        let slips = |known: &&str| {
            // One slip for four letters: `imge` is near `image`, `img` is not near `id`.
            let most = known.chars().count().min(length) / 4;
            damerau_levenshtein(&name, known) <= most.min(3)
        };
        length <= 40 && NAMES[self as usize].1.iter().any(slips)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether a column of this name is one of ours and not the user's.
pub(super) fn is_results_column(name: &str) -> bool {
    RESULTS_COLUMNS.contains(&name.trim())
}

/// The column that results have beside ours if a row has more cells than the header: what was too much.
pub(super) const SURPLUS_COLUMN: &str = "surplus_cells";

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
    /// Fields without a column, and what to do about it.
    Missing(Vec<Field>, String),
    /// A field with two columns.
    Twice(Field, String, String),
}

impl Header {
    /// Reads the names of the columns.
    pub(super) fn of(names: Vec<String>) -> Result<Header, HeaderFault> {
        let mut columns = [None; 6];
        let mut kept = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if is_results_column(name) {
                continue;
            }
            kept.push(at);
            let Some(field) = Field::of_name(name) else { continue };
            if let Some(first) = columns[field as usize].replace(at) {
                return Err(HeaderFault::Twice(field, shown(&names[first]), shown(name)));
            }
        }
        let missing: Vec<Field> = Field::REQUIRED
            .into_iter()
            .filter(|field| columns[*field as usize].is_none())
            .collect();
        if !missing.is_empty() {
            let help = help_for_missing(&missing, &names);
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
    pub(super) fn known_names<'a>(names: impl Iterator<Item = &'a [u8]>) -> usize {
        let is_known = |name: &&[u8]| std::str::from_utf8(name).is_ok_and(|name| Field::of_name(name).is_some());
        names.filter(is_known).count()
    }

    /// Columns that look like a slip of the pen for a field that has no column.
    pub(super) fn near_misses(&self) -> impl Iterator<Item = (usize, &str, Field)> {
        let absent = |field: &Field| self.columns[*field as usize].is_none();
        self.kept.iter().filter_map(move |at| {
            let name = &self.names[*at];
            let near = |field: &Field| absent(field) && Field::of_name(name).is_none() && field.is_near(name);
            let field = Field::ALL.into_iter().find(near)?;
            Some((*at, name.as_str(), field))
        })
    }
}

fn help_for_missing(missing: &[Field], names: &[String]) -> String {
    let is_address =
        |name: &String| name.trim_start().starts_with("http://") || name.trim_start().starts_with("https://");
    if names.iter().any(is_address) {
        return "the first line has to name the columns, like `prompt,image_url`".to_owned();
    }
    let near = |field: &Field| {
        let name = names
            .iter()
            .find(|name| Field::of_name(name).is_none() && field.is_near(name))?;
        Some(format!(
            "did you mean `{field}` where the header says `{}`?",
            shown(name)
        ))
    };
    let near: Vec<String> = missing.iter().filter_map(near).collect();
    if !near.is_empty() {
        return near.join(" ");
    }
    if let [only] = names
        && let Some(other) = [';', '\t', '|', ','].into_iter().find(|mark| only.contains(*mark))
    {
        return format!(
            "the columns seem to be separated by {other:?}: a `.csv` file takes commas, a `.tsv` file tabs"
        );
    }
    let found: Vec<String> = names.iter().take(12).map(|name| format!("`{}`", shown(name))).collect();
    let more = if names.len() > 12 { ", …" } else { "" };
    format!("the columns found are {}{more}", found.join(", "))
}

/// A column's name as messages show it.
pub(super) fn shown(name: &str) -> String {
    escape::excerpt(name.trim(), 40)
}

/// A name without case, spaces, `_`, `-` or a byte order mark in front.
fn normalised(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_whitespace() && !matches!(character, '_' | '-' | '\u{feff}'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str) -> Result<Header, HeaderFault> {
        Header::of(line.split(',').map(str::to_owned).collect())
    }

    #[test]
    fn names_are_matched_without_case_spaces_and_marks() {
        for (name, field) in [
            ("prompt", Field::Prompt),
            (" Prompt ", Field::Prompt),
            ("提示词", Field::Prompt),
            ("提示詞", Field::Prompt),
            ("Image URL", Field::ImageUrl),
            ("image-url", Field::ImageUrl),
            ("IMAGE", Field::ImageUrl),
            ("图片链接", Field::ImageUrl),
            ("圖片連結", Field::ImageUrl),
            ("图片 URL", Field::ImageUrl),
            ("时长", Field::Duration),
            ("時長", Field::Duration),
            ("Duration_Seconds", Field::Duration),
            ("分辨率", Field::Resolution),
            ("解析度", Field::Resolution),
            ("callBackUrl", Field::CallbackUrl),
            ("回调地址", Field::CallbackUrl),
            ("回調地址", Field::CallbackUrl),
            ("编号", Field::Id),
            ("編號", Field::Id),
            ("ID", Field::Id),
        ] {
            assert_eq!(Field::of_name(name), Some(field), "{name}");
        }
        for name in ["", "description", "notes", "title", "name", "identity"] {
            assert_eq!(Field::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_table_is_in_the_order_of_the_fields_and_says_nothing_twice() {
        let mut all = Vec::new();
        for (at, (field, names)) in NAMES.iter().enumerate() {
            assert_eq!((*field as usize, Field::ALL[at]), (at, *field));
            for name in *names {
                assert_eq!(normalised(name), *name);
                assert!(!all.contains(name), "{name}");
                all.push(name);
            }
        }
    }

    #[test]
    fn slips_of_the_pen_are_seen_and_other_words_are_not() {
        assert!(Field::ImageUrl.is_near("imge_url"));
        assert!(Field::Prompt.is_near("promt"));
        assert!(Field::Duration.is_near("duraton"));
        assert!(Field::Resolution.is_near("Resoluton"));
        for name in ["notes", "title", "imp", "in", "no", "", "motion"] {
            let near = Field::ALL.into_iter().find(|field| field.is_near(name));
            assert_eq!(near, None, "{name}");
        }
    }

    #[test]
    fn a_missing_column_is_named_with_what_may_be_meant() {
        let Err(HeaderFault::Missing(missing, help)) = header("prompt,imge_url") else {
            panic!("the header lacks a column")
        };
        assert_eq!(missing, [Field::ImageUrl]);
        assert_eq!(help, "did you mean `image_url` where the header says `imge_url`?");
        for (line, said) in [
            ("prompt;image_url", "separated by ';'"),
            ("a boat,https://img.example.org/1.png", "first line has to name"),
            ("title,notes", "`title`, `notes`"),
        ] {
            let Err(HeaderFault::Missing(_, help)) = header(line) else {
                panic!("{line}")
            };
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
        let near = |line| -> Vec<Field> { header(line).unwrap().near_misses().map(|(_, _, field)| field).collect() };
        assert_eq!(near("prompt,image_url,duraton"), [Field::Duration]);
        assert_eq!(near("prompt,image_url,duration,duraton,images"), []);
    }
}
