use std::fs;
use std::path::PathBuf;

use super::*;
use crate::manifest::Repeat;

struct File {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn file(name: &str, text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    File { path, _folder: folder }
}

fn of(name: &str, text: &str) -> Result<Survey, ManifestError> {
    survey_of(&file(name, text).path)
}

fn survey_of(path: &Path) -> Result<Survey, ManifestError> {
    survey(path, &Reading::default(), &mut Images::beside(path, false), |_| {})
}

fn told(survey: &Survey) -> String {
    let mut text = String::new();
    survey.report.render(Path::new("clips.csv"), &mut text);
    text
}

#[test]
fn every_row_is_counted_once() {
    let survey = of(
        "clips.csv",
        "id,prompt,image_url,duration,resolution\n\
         a,a boat,https://img.example.org/1.png,,\n\
         b,a boat,https://img.example.org/2.png,10,\n\
         c,a boat,https://img.example.org/3.png,,1080p\n\
         a,a boat,https://img.example.org/4.png,10,\n\
         a,,https://img.example.org/5.png,,\n\
         \n\
         ,a ship,https://img.example.org/6.png,7,\n",
    )
    .unwrap();
    assert_eq!((survey.rows, survey.invalid), (6, 3));
    let kinds: Vec<_> = survey.valid_by_kind.iter().collect();
    assert_eq!(
        kinds,
        [
            (ClipLength::Six, Resolution::P768, 1),
            (ClipLength::Six, Resolution::P1080, 1),
            (ClipLength::Ten, Resolution::P768, 1),
        ]
    );
    assert_eq!(survey.repeats.of(5), Repeat::SameId { first_line: 2 });
    insta::assert_snapshot!(told(&survey), @r"
    error: `id` was already used (2 times)
      clips.csv:5: a, on line 2
      clips.csv:6: a, on line 2
      help: give each row its own `id`, or drop the column to tell rows apart by their content

    error: clips.csv:6: `prompt` is empty
      help: every row needs it: fill it in, or delete the row

    error: clips.csv:8: `duration` is neither `6` nor `10`: 7
      help: write `6` or `10`, or leave the cell empty for `6`

    4 errors
    ");
}

#[test]
fn copies_are_told_before_they_are_paid_for() {
    let survey = of(
        "clips.csv",
        "prompt,image_url\na boat,https://img.example.org/1.png\na boat, https://img.example.org/1.png\n",
    )
    .unwrap();
    assert_eq!((survey.invalid, survey.repeats.of(2)), (0, Repeat::Copy(1)));
    insta::assert_snapshot!(told(&survey), @r"
    warning: clips.csv:3: the row asks for the same video as an earlier one: on line 2
      help: delete the row unless you want to pay for both

    1 warning
    ");
}

#[test]
fn a_column_that_is_almost_a_field_is_told() {
    let survey = of(
        "clips.csv",
        "prompt,image_url,duraton\na boat,https://img.example.org/1.png,10\n",
    )
    .unwrap();
    assert!(told(&survey).contains("clips.csv:1: column `duraton` is kept but not used: did you mean `duration`?"));
    let line = r#"{"prompt":"a boat","image_url":"https://img.example.org/1.png","notes":1}"#;
    let slip = r#"{"prompt":"a boat","image_url":"https://img.example.org/2.png","duraton":10}"#;
    let survey = of("clips.jsonl", &format!("{line}\n{slip}\n")).unwrap();
    assert!(
        told(&survey).contains("clips.csv:2: column `duraton` is kept"),
        "{}",
        told(&survey)
    );
    assert_eq!(survey.columns, ["prompt", "image_url", "notes", "duraton"]);
}

#[test]
fn a_manifest_without_rows_is_refused() {
    for (name, text) in [
        ("clips.csv", "prompt,image_url\n\n"),
        ("clips.jsonl", ""),
        ("clips.jsonl", "\n\n"),
    ] {
        assert!(matches!(of(name, text), Err(ManifestError::NoRows { .. })), "{text:?}");
    }
}

#[test]
fn a_second_reading_knows_whether_it_met_the_same() {
    for (name, head) in [("clips.csv", "prompt,image_url\n"), ("clips.jsonl", "")] {
        let rows: String = (0..50).map(|at| format!("{{\"a\":{at}}},x\n")).collect();
        let file = file(name, &format!("{head}{rows}"));
        let first = survey_of(&file.path).unwrap().fingerprint;
        let again = |text: String| {
            fs::write(&file.path, text).unwrap();
            let mut images = Images::beside(&file.path, false);
            let mut manifest = Manifest::open(&file.path, &Reading::default(), &mut images).unwrap();
            let mut row = Row::default();
            while manifest.read(&mut row).unwrap() {}
            manifest.expect_same(first)
        };
        assert!(again(format!("{head}{rows}")).is_ok());
        assert!(again(format!("{head}{rows}\n")).is_err());
        assert!(again(format!("{head}{}", rows.replace("7}", "8}"))).is_err());
    }
}

#[test]
fn text_from_the_manifest_cannot_drive_the_terminal() {
    let survey = of(
        "clips.csv",
        "id,prompt,image_url,duration\n\u{1b}[31ma,a boat,\u{202e}x,\u{7}7\n\u{1b}[31ma,a boat,ftp://\u{9b}x,\"6\n7\"\n",
    )
    .unwrap();
    let text = told(&survey);
    assert!(text.contains("\\u{1b}[31ma"), "{text}");
    assert!(
        text.chars()
            .all(|character| character == '\n' || !character.is_control()),
        "{text}"
    );
    assert!(!text.contains('\u{202e}'));
}

#[test]
fn the_samples_are_what_they_claim_to_be() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let sample = |name: &str| survey_of(&samples.join(name)).unwrap();
    let quickstart = sample("quickstart.csv");
    assert_eq!(
        (quickstart.rows, quickstart.invalid, quickstart.report.warnings),
        (12, 1, 0)
    );
    for name in ["quickstart.tsv", "quickstart.jsonl"] {
        let same = sample(name);
        assert_eq!(
            (same.rows, same.invalid),
            (quickstart.rows, quickstart.invalid),
            "{name}"
        );
        assert_eq!(same.valid_by_kind, quickstart.valid_by_kind, "{name}");
    }
    for name in ["prompts.tsv", "requests.jsonl", "chinese-headers.csv"] {
        let survey = sample(name);
        assert!(survey.rows > 2 && survey.report.is_empty(), "{name}: {}", told(&survey));
    }
    let local = sample("local-images.csv");
    assert_eq!((local.rows, local.report.is_empty()), (5, true), "{}", told(&local));
    assert_eq!((local.local_images.rows, local.local_images.uploads), (4, 3));
    insta::assert_snapshot!(told(&sample("broken.csv")));
}

/// What a survey says of the keys of these rows, with what the user says about them.
fn keys_of(text: &str, mapping: &str) -> Result<(), ManifestError> {
    let file = file("clips.jsonl", text);
    let mut manifest = Manifest::open_without_images(&file.path, &Reading::default()).unwrap();
    let mut keys = Keys::of(&ColumnMap::new([mapping.parse().unwrap()]).unwrap());
    let mut row = Row::default();
    while manifest.read(&mut row).unwrap() {
        keys.add(&row);
    }
    keys.expect_mapped(Path::new("clips.jsonl"))
}

#[test]
fn a_key_that_no_row_has_cannot_be_mapped() {
    let rows = "{\"prompt\":\"a\"}\n{\"描述\":\"b\",\"Notes\":1}\n";
    assert!(keys_of(rows, "prompt=描述").is_ok());
    let error = keys_of(rows, "prompt=Note").unwrap_err();
    assert_eq!(
        error.to_string(),
        "clips.jsonl: no row has the key `Note` to be `prompt`"
    );
    assert_eq!(
        error.help().unwrap(),
        "did you mean `Notes`? the columns found are `prompt`, `描述`, `Notes`"
    );
    // Rows that are no objects have problems of their own.
    assert!(keys_of("[]\n", "prompt=Note").is_ok());
}
