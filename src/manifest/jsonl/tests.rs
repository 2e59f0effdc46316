use std::fs;

use proptest::prelude::*;

use super::{JsonlRows, depth_of};
use crate::manifest::{
    ColumnMap, Field, Images, MOST_ROW_BYTES, Manifest, ManifestError, Position, Problem, Reading, Row,
};
use crate::row::{ClipLength, MODEL, Resolution, Submission};

#[derive(Debug)]
struct Told {
    line: u32,
    id: Option<String>,
    submission: Option<Submission<'static>>,
    problems: Vec<String>,
    kept: String,
}

fn read(bytes: &[u8]) -> Result<Vec<Told>, ManifestError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.jsonl");
    fs::write(&path, bytes).unwrap();
    let mut images = Images::beside(&path, false);
    let mut manifest = Manifest::open(&path, &Reading::default(), &mut images)?;
    let (mut row, mut told) = (Row::default(), Vec::new());
    while manifest.read(&mut row)? {
        let mut kept = String::new();
        row.cells_json(&mut kept);
        told.push(Told {
            line: row.line(),
            id: row.id().map(str::to_owned),
            submission: row.submission().map(Submission::into_owned),
            problems: row.problems().iter().map(Problem::to_string).collect(),
            kept,
        });
    }
    Ok(told)
}

fn one(line: &str) -> Told {
    let mut told = read(line.as_bytes()).unwrap();
    assert_eq!(told.len(), 1);
    told.remove(0)
}

/// A row whose prompt and image are in order, with `more` after them.
fn with(more: &str) -> Told {
    one(&format!(
        r#"{{"prompt":"a boat","image_url":"https://img.example.org/1.png"{more}}}"#
    ))
}

#[test]
fn a_row_that_had_surplus_cells_stays_invalid_and_keeps_them() {
    let told = with(r#","surplus_cells":"too,much","status":"invalid","task_id":null"#);
    assert_eq!((&told.submission, &told.id), (&None, &None));
    assert!(
        told.problems[0].contains("had more cells than the header"),
        "{:?}",
        told.problems
    );
    assert!(told.kept.ends_with(r#""surplus_cells":"too,much"}"#), "{}", told.kept);
    assert!(
        with(r#","surplus_cells":null,"status":"queued","task_id":null"#)
            .submission
            .is_some()
    );
}

#[test]
fn both_forms_make_the_same_submission() {
    let flat = with(r#","duration":10,"resolution":768,"callback_url":"https://me.example.org/cb","id":7"#);
    let body = one(&format!(
        r#"{{"model":"{MODEL}","id":"7","callBackUrl":"https://me.example.org/cb","input":{{"prompt":"a boat","image_url":"https://img.example.org/1.png","duration":"10","resolution":"768P"}}}}"#
    ));
    let submission = flat.submission.unwrap();
    assert_eq!(
        (submission.length, submission.resolution),
        (ClipLength::Ten, Resolution::P768)
    );
    assert_eq!(submission.callback_url.as_deref(), Some("https://me.example.org/cb"));
    assert_eq!(Some(submission), body.submission);
    assert_eq!((flat.id.as_deref(), body.id.as_deref()), (Some("7"), Some("7")));
}

#[test]
fn only_the_apis_own_form_says_whether_the_checker_runs() {
    let of = |value: &str| {
        one(&format!(
            r#"{{"input":{{"prompt":"a boat","image_url":"https://img.example.org/1.png","nsfw_checker":{value}}}}}"#
        ))
    };
    assert_eq!(of("true").submission.unwrap().nsfw_checker, Some(true));
    assert_eq!(of("null").submission.unwrap().nsfw_checker, None);
    assert_eq!(
        of("1").problems,
        ["`nsfw_checker` has the wrong type: 1 instead of `true` or `false`"]
    );
    assert_eq!(with(r#","nsfw_checker":true"#).submission.unwrap().nsfw_checker, None);
}

#[test]
fn keys_have_the_same_names_as_columns() {
    let told = one(r#"{"提示词":"a boat","图片链接":"https://img.example.org/1.png","时长":"6秒","ID":"a"}"#);
    assert!(told.submission.is_some(), "{:?}", told.problems);
    assert_eq!(told.id.as_deref(), Some("a"));
}

#[test]
fn the_prompt_is_what_the_string_means() {
    let told = one(r#"{"prompt":"a \"boat\"\n\u5c0f\ud83d\udef6","image_url":"https:\/\/img.example.org\/1.png"}"#);
    let submission = told.submission.unwrap();
    assert_eq!(
        (&*submission.prompt, &*submission.image_url),
        ("a \"boat\"\n小🛶", "https://img.example.org/1.png")
    );
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    for (line, expected) in [
        ("nonsense", vec!["the line is not JSON: expected ident, at column 2"]),
        (
            r#"{"prompt":"a boat""#,
            vec!["the line is not JSON: EOF while parsing an object, at column 18"],
        ),
        (
            r#"{"prompt":"a boat"} {}"#,
            vec!["the line is not JSON: trailing characters, at column 21"],
        ),
        ("[1, 2]", vec!["the line is not a JSON object: [1, 2]"]),
        ("17", vec!["the line is not a JSON object: 17"]),
        ("{}", vec!["`prompt` is empty", "`image_url` is empty"]),
        (r#"{"prompt":null}"#, vec!["`prompt` is empty", "`image_url` is empty"]),
        (
            r#"{"prompt":"a","prompt":"b"}"#,
            vec!["`prompt` is given more than once"],
        ),
        (
            r#"{"prompt":5,"duration":true,"image_url":["https://img.example.org/1.png"]}"#,
            vec![
                "`prompt` has the wrong type: 5 instead of text",
                "`duration` has the wrong type: true instead of text",
                "`image_url` has the wrong type: [\"https://img.example.org/1.png\"] instead of text",
            ],
        ),
        (
            r#"{"model":"kling/v2","input":{"prompt":"a","image_urls":"x","image_url":"https://img.example.org/1.png","duration":7}}"#,
            vec![
                "`model` is another model: kling/v2",
                "`input` has a key that the model does not know: image_urls",
                "`duration` is neither `6` nor `10`: 7",
            ],
        ),
        (
            r#"{"prompt":"a","input":{"prompt":"b","image_url":"https://img.example.org/1.png"}}"#,
            vec!["`prompt` is given more than once: as `prompt` and as `prompt`"],
        ),
        (
            r#"{"prompt":"\ud83d"}"#,
            vec!["the line is not JSON: unexpected end of hex escape, at column 8"],
        ),
    ] {
        assert_eq!(one(line).problems, expected, "{line}");
    }
    let deep = format!(r#","notes":{}{}"#, "[".repeat(65), "]".repeat(65));
    assert_eq!(with(&deep).problems, ["`notes` is nested too deeply"]);
    let deepest = format!(r#","notes":{}{}"#, "[".repeat(64), "]".repeat(64));
    assert!(with(&deepest).submission.is_some());
    assert!(with(r#","notes":"\ud800""#).problems[0].starts_with("the line is not JSON"));
    let keys: String = (0..1_100).map(|key| format!(",\"k{key}\":1")).collect();
    assert_eq!(with(&keys).problems, ["the object has more than 1,024 keys: 1,102"]);
}

#[test]
fn the_users_object_is_kept_without_what_results_add() {
    let told = with(",\"notes\" : { \"a\" :\r [1.50, \"\\u5c0f\"] } , \"status\":\"failed\",\"row\":3,\"k\\n\":null");
    assert_eq!(
        told.kept,
        "{\"prompt\":\"a boat\",\"image_url\":\"https://img.example.org/1.png\",\
         \"notes\":{ \"a\" : [1.50, \"\\u5c0f\"] },\"k\\n\":null}"
    );
    assert_eq!(one("nonsense").kept, "{}");
}

#[test]
fn marks_blank_lines_and_missing_ends_do_no_harm() {
    let good = r#"{"prompt":"a boat","image_url":"https://img.example.org/1.png"}"#;
    let text = format!("\u{feff}{good}\r\n\r\n  \n{good}\n\n\u{feff}{good}");
    let told = read(text.as_bytes()).unwrap();
    assert_eq!(told.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 4, 6]);
    assert!(told.iter().all(|row| row.submission.is_some()));
    assert_eq!(read(b"").unwrap().len(), 0);
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    let told = read(b"\xef\xbb\xbf{}\n{\"prompt\":\"b\xe9t\"}\n{}").unwrap();
    assert_eq!(
        told[1].problems,
        ["the row is not text in the file's encoding: byte 18 of the file, on line 2, is 0xe9, not UTF-8"]
    );
    assert_eq!((told[1].kept.as_str(), told.len()), ("{}", 3));
}

#[test]
fn a_line_without_end_is_refused() {
    let error = read(&[b"{}\n", "x".repeat(MOST_ROW_BYTES + 1).as_bytes()].concat()).unwrap_err();
    assert!(
        matches!(
            error,
            ManifestError::RowTooLong {
                at: Position::Line(2),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn brackets_in_strings_do_not_nest() {
    for (json, depth) in [("1", 0), ("[]", 1), (r#"{"a":[{}]}"#, 3), (r#"["[[\"[[","]"]"#, 1)] {
        assert_eq!(depth_of(json), depth, "{json}");
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in "[{}\\[\\]\":,a\\\\u0-9 ]{0,40}") {
        for told in read(line.as_bytes()).unwrap() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&told.kept).is_ok());
        }
    }

    #[test]
    fn every_object_is_kept(
        cells in proptest::collection::btree_map("[a-z\"\\n]{3}", "\\PC{0,8}", 0..6),
    ) {
        let line = serde_json::to_string(&cells).unwrap();
        prop_assert_eq!(one(&line).kept, line);
    }
}

/// What the fields of each line are, if the user says something about the keys.
fn fields_of(text: &str, mappings: &[&str]) -> Vec<Vec<(Field, String)>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.jsonl");
    fs::write(&path, text).unwrap();
    let map = ColumnMap::new(mappings.iter().map(|mapping| mapping.parse().unwrap())).unwrap();
    let reading = Reading {
        columns: map,
        ..Reading::default()
    };
    let mut rows = JsonlRows::open(&path, fs::File::open(&path).unwrap(), &reading).unwrap();
    let (mut row, mut told) = (Row::default(), Vec::new());
    while rows.read(&mut row).unwrap() {
        assert_eq!(row.problems, []);
        let cell = |field: Field| (field, row.cells.get(field).to_owned());
        told.push(
            Field::ALL
                .into_iter()
                .map(cell)
                .filter(|(_, cell)| !cell.is_empty())
                .collect(),
        );
        row.clear(2);
    }
    told
}

#[test]
fn what_the_user_says_about_keys_holds_for_every_row_in_whatever_order() {
    let text = "{\"prompt\":\"not this\",\"描述\":\"a boat\",\"图片\":\"1.png\"}\n\
                {\"描述\":\"a ship\",\"prompt\":\"nor this\",\"model\":\"7\",\"图片\":\"2.png\",\"notes\":1}\n\
                {\"图片\":\"3.png\"}\n";
    let cells = |prompt: &str, image: &str, id: &str| {
        let all = [(Field::Id, id), (Field::Prompt, prompt), (Field::ImageUrl, image)];
        let given = all.into_iter().filter(|(_, cell)| !cell.is_empty());
        given.map(|(field, cell)| (field, cell.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(
        fields_of(text, &["prompt=描述", "id=model"]),
        [
            cells("a boat", "1.png", ""),
            cells("a ship", "2.png", "7"),
            cells("", "3.png", "")
        ]
    );
}

/// The API's own form has one spelling for each key, whatever the user calls theirs.
#[test]
fn the_keys_of_input_are_the_apis() {
    let text = "{\"描述\":\"left alone\",\"input\":{\"prompt\":\"a boat\"}}\n";
    assert_eq!(fields_of(text, &[]), [[(Field::Prompt, "a boat".to_owned())]]);
    let told = fields_of("{\"input\":{\"prompt\":\"a boat\"}}\n", &["prompt=描述"]);
    assert_eq!(told, [[(Field::Prompt, "a boat".to_owned())]]);
}
