//! What the repository hands out to begin with: every sample, and what `init` writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{check, checked, problems, run_in};
use crate::files::look;

/// Every manifest in `samples`, how many rows of it can be sent and how many cannot, and what is said about how it was read.
const SAMPLES: [(&str, u64, u64, &str); 15] = [
    ("broken.csv", 6, 19, ""),
    ("chinese-headers.csv", 3, 0, ""),
    ("gb18030-semicolon.csv", 3, 0, "read as GB18030"),
    ("german-semicolon.csv", 3, 0, "read as Windows-1252"),
    ("local-images.csv", 5, 0, ""),
    ("prompts.tsv", 4, 0, ""),
    ("quickstart.csv", 11, 1, ""),
    ("quickstart.jsonl", 11, 1, ""),
    ("quickstart.ods", 11, 1, ""),
    ("quickstart.tsv", 11, 1, ""),
    ("quickstart.xls", 11, 1, ""),
    ("quickstart.xlsx", 11, 1, ""),
    ("requests.jsonl", 5, 0, ""),
    ("storyboard.xlsx", 4, 0, "1 hidden row is left out"),
    ("title-rows.csv", 4, 0, "the 2 rows above it are left out"),
];

#[test]
fn every_sample_is_what_its_readme_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut expected: BTreeMap<String, (u64, u64, &str)> = SAMPLES
        .into_iter()
        .map(|(name, queued, invalid, said)| (name.to_owned(), (queued, invalid, said)))
        .collect();
    expected.insert("utf-16.tsv".to_owned(), (3, 0, "read as UTF-16LE"));
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_manifest = [".csv", ".tsv", ".jsonl", ".xlsx", ".xls", ".ods"]
            .iter()
            .any(|end| name.ends_with(end));
        if !is_manifest || name.contains(".results.") {
            continue;
        }
        let (queued, invalid, said) = expected
            .remove(&name)
            .unwrap_or_else(|| panic!("{name} is new: say what is in it"));
        let path = folder.join(&name);
        let answer = checked(&path, &[]);
        assert_eq!(answer["queued"], queued, "{name}: {:?}", problems(&answer));
        assert_eq!(answer["invalid"], invalid, "{name}: {:?}", problems(&answer));
        let told = check(&path, &[]);
        told.expect_code(i32::from(invalid > 0));
        assert!(told.stderr.contains(said), "{told:#?}");
    }
    assert!(expected.is_empty(), "not there any more: {expected:?}");
}

#[test]
fn what_init_writes_is_a_manifest_and_its_job_runs() {
    for name in ["shots.xlsx", "shots.csv", "shots.tsv", "shots.jsonl"] {
        let folder = tempfile::tempdir().unwrap();
        run_in(folder.path(), &["init", name, "--job"]).expect_code(0);
        let answer = checked(&folder.path().join(name), &[]);
        assert_eq!(answer["exit_code"], 0, "{name}");
        assert_eq!(problems(&answer), [""; 0], "{name}");
        let run = run_in(folder.path(), &["run", "--job", "shots.toml", "--sandbox", "--json"]);
        run.expect_code(0);
        assert_eq!(run.count("accepted"), answer["queued"].as_u64().unwrap(), "{name}");
    }
}

#[test]
fn a_new_workbook_offers_what_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), &["init", "shots.xlsx"]).expect_code(0);
    let sheets = look(&folder.path().join("shots.xlsx"));
    let first = &sheets[0];
    assert_eq!(first["frozen"], "A2");
    let lists = first["lists"].to_string();
    for choices in [r#"["D2:D1001","IF($E2="#, r#"["E2:E1001","IF($D2"#] {
        assert!(lists.contains(choices), "{lists}");
    }
    let help = sheets[1]["rows"].to_string();
    for choice in ["768P", "1080P"] {
        assert!(help.contains(choice), "{help}");
    }
    assert_eq!(sheets.as_array().unwrap().len(), 2, "the table, and a sheet of help");
}
