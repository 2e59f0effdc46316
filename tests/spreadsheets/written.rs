//! What other programs see in the workbooks and lists that this one writes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::files::{look, made, saved_by_libreoffice};
use super::support::{Batch, Finished, SandboxProcess};
use super::{checked, run_in};

/// A manifest with everything that could become something else in a workbook.
const TRICKY: &str = "\
id,prompt,image_url,duration,shot,notes
sum,=1+1,https://img.example.org/1.png,6,1,007
link,\"=HYPERLINK(\"\"https://evil.example.org\"\",\"\"here\"\")\",https://img.example.org/2.png,10,2,-0.5
at,@SUM(A1),https://img.example.org/3.png,6,3,6.0
plus,+1 boat,https://img.example.org/4.png,6,12345678901234567890,'tis
seven,A clip of seven seconds,https://img.example.org/5.png,7,5,一只小船
";

/// The results of the tricky manifest as a workbook, seen by openpyxl.
fn results() -> Value {
    let sandbox = SandboxProcess::start(&["--generate", "0s"]);
    let batch = Batch::with_manifest("shots.csv", TRICKY, &sandbox.url);
    batch
        .run(&[
            "--results",
            batch.path("r.xlsx").to_str().unwrap(),
            "--download",
            "videos",
        ])
        .expect_code(1);
    assert!(batch.path("videos").join("00001-sum.mp4").exists());
    look(&batch.path("r.xlsx"))
}

/// The cells of a column, by its name.
fn column<'v>(sheet: &'v Value, name: &str) -> Vec<&'v Value> {
    let rows = sheet["rows"].as_array().unwrap();
    let header = rows[0].as_array().unwrap();
    let at = header.iter().position(|cell| cell["value"] == name).unwrap();
    rows[1..].iter().map(|row| &row[at]).collect()
}

fn of<'v>(cells: &[&'v Value], key: &str) -> Vec<&'v Value> {
    cells.iter().map(|cell| &cell[key]).collect()
}

#[test]
fn a_workbook_of_results_is_one_to_work_with() {
    let sheets = results();
    let rows = &sheets[0];
    assert_eq!((&rows["frozen"], &rows["filter"]), (&"A2".into(), &"A1:Q6".into()));
    // Text is never a formula, and numbers are numbers.
    for sheet in sheets.as_array().unwrap() {
        let all = sheet["rows"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap());
        assert!(all.into_iter().all(|cell| cell["type"] != "f"), "{sheet:#}");
    }
    let prompts = column(rows, "prompt");
    assert_eq!(prompts[0]["value"], "=1+1");
    assert_eq!(of(&prompts, "type"), ["s"; 5]);
    assert_eq!(of(&column(rows, "duration"), "type"), ["n"; 5]);
    assert_eq!(of(&column(rows, "shot"), "type"), ["n", "n", "n", "s", "n"]);
    assert_eq!(of(&column(rows, "shot"), "value")[3], "12345678901234567890");
    // What is not spelt as a number is spelt, is text.
    let notes = column(rows, "notes");
    assert_eq!(of(&notes, "type"), ["s", "n", "s", "s", "s"]);
    assert_eq!(
        of(&notes, "value")[..3],
        [&"007".into(), &Value::from(-0.5), &"6.0".into()]
    );
    assert_eq!(of(&column(rows, "credits"), "type")[..4], ["n"; 4]);
    // One click to the image, and to the video.
    assert_eq!(column(rows, "image_url")[0]["link"], "https://img.example.org/1.png");
    assert_eq!(column(rows, "video_file")[0]["link"], "videos/00001-sum.mp4");
    assert!(
        column(rows, "video_url")[0]["link"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    assert_eq!(of(&prompts, "link"), [&Value::Null; 5]);
    // Good news and bad news look different.
    let states = column(rows, "status");
    assert_eq!(of(&states, "value"), ["saved", "saved", "saved", "saved", "invalid"]);
    let fills = of(&states, "fill");
    assert!(
        fills[0].is_string() && fills[4].is_string() && fills[0] != fills[4],
        "{fills:?}"
    );
    let widths = rows["widths"].as_array().unwrap();
    assert!(
        widths
            .iter()
            .all(|width| (4.0..=64.0).contains(&width.as_f64().unwrap())),
        "{widths:?}"
    );
}

#[test]
fn its_second_sheet_sums_it_up() {
    let sheets = results();
    let summary = &sheets[1];
    assert_eq!(summary["name"], "Summary");
    let rows = summary["rows"].as_array().unwrap();
    let row_of = |label: &str| -> Vec<&Value> {
        let row = rows.iter().find(|row| row[0]["value"] == label);
        let row = row.unwrap_or_else(|| panic!("no {label} in {summary:#}"));
        row.as_array().unwrap().iter().map(|cell| &cell["value"]).collect()
    };
    assert_eq!(row_of("saved")[1], 4);
    assert_eq!(row_of("all rows")[1], 5);
    let problem = rows.iter().find(|row| row[2]["value"] == "invalid").unwrap();
    assert!(
        problem[3]["value"]
            .as_str()
            .unwrap()
            .contains("neither `6` nor `10`: 7"),
        "{problem:#}"
    );
}

#[test]
fn text_results_have_a_mark_if_there_is_more_than_ascii_in_them() {
    for (text, has_mark) in [
        ("prompt,image_url\na boat,https://img.example.org/1.png\n", false),
        ("prompt,image_url\n一只小船,https://img.example.org/1.png\n", true),
        ("\u{feff}prompt,image_url\na boat,https://img.example.org/1.png\n", true),
    ] {
        let sandbox = SandboxProcess::start(&[]);
        let batch = Batch::with_manifest("shots.csv", text, &sandbox.url);
        for name in ["r.csv", "r.tsv"] {
            batch
                .run(&["--results", batch.path(name).to_str().unwrap()])
                .expect_code(0);
            let written = fs::read(batch.path(name)).unwrap();
            assert_eq!(written.starts_with("\u{feff}".as_bytes()), has_mark, "{name}: {text:?}");
        }
    }
}

/// Every problem of a list, as text cells.
fn listed(path: &Path) -> Vec<Vec<String>> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match path.extension().unwrap().to_str().unwrap() {
        "xlsx" => {
            let rows = look(path)[0]["rows"].as_array().unwrap()[1..].to_vec();
            let cells = |row: &Value| {
                row.as_array()
                    .unwrap()
                    .iter()
                    .map(|cell| text(&cell["value"]))
                    .collect()
            };
            rows.iter().map(cells).collect()
        }
        "jsonl" => fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| {
                let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
                object.values().map(text).collect()
            })
            .collect(),
        _ => {
            let content = fs::read_to_string(path).unwrap();
            let mut reader = csv::Reader::from_reader(content.trim_start_matches('\u{feff}').as_bytes());
            let cells = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
            reader.records().map(|record| cells(record.unwrap())).collect()
        }
    }
}

#[test]
fn a_list_of_problems_is_complete_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for manifest in [
        Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/broken.csv"),
        made("pictures.xlsx"),
        saved_by_libreoffice("links", "ods"),
    ] {
        let mut lists = ["xlsx", "csv", "jsonl"].map(|format| {
            let path = folder.path().join(format!("problems.{format}"));
            let answer = checked(&manifest, &["--problems", path.to_str().unwrap()]);
            let list = listed(&path);
            let counted = &answer["problems"];
            let expected = counted["errors"].as_u64().unwrap() + counted["warnings"].as_u64().unwrap();
            assert_eq!(list.len() as u64, expected, "{path:?}");
            let rows: Vec<u32> = list.iter().map(|cells| cells[1].parse().unwrap_or(0)).collect();
            assert!(rows.is_sorted(), "{rows:?}");
            // Severity, place, problem and what to do.
            for place in [0, 2, 5, 6] {
                assert!(list.iter().all(|cells| !cells[place].is_empty()), "{list:#?}");
            }
            list
        });
        // In a list that a spreadsheet opens, formulas are defused; workbooks and objects need not.
        for list in &mut lists {
            for cell in list.iter_mut().flatten() {
                *cell = cell.trim_start_matches('\'').to_owned();
            }
        }
        assert_eq!(lists[0], lists[1]);
        assert_eq!(lists[0], lists[2]);
    }
}

#[test]
fn results_of_one_format_are_a_manifest_in_another_and_bring_their_outcomes() {
    let sandbox = SandboxProcess::start(&[]);
    let batch = Batch::with_manifest("shots.csv", TRICKY, &sandbox.url);
    batch.run(&[]).expect_code(1);
    let tasks = |results: &Path| -> Vec<String> {
        let answer = look(results);
        column(&answer[0], "task_id")
            .iter()
            .map(|cell| cell["value"].to_string())
            .collect()
    };
    let mut expected = None;
    // Each from the results before, with a ledger of its own.
    let mut manifest = "shots.results.csv".to_owned();
    for (number, format) in ["xlsx", "jsonl", "tsv", "xlsx", "csv", "xlsx"].into_iter().enumerate() {
        let results = format!("round-{number}.{format}");
        let other = Batch {
            manifest: batch.path(&manifest),
            ..Batch::with_manifest("unused.csv", "", &sandbox.url)
        };
        let again: Finished = other.run(&["--results", batch.path(&results).to_str().unwrap()]);
        again.expect_code(1);
        assert_eq!(
            (again.count("accepted"), again.count("invalid")),
            (4, 1),
            "{manifest}: {again:#?}"
        );
        assert_eq!(again.count("requests"), 0, "{manifest}");
        if format == "xlsx" {
            let tasks = tasks(&batch.path(&results));
            assert_eq!(expected.get_or_insert_with(|| tasks.clone()), &tasks, "{manifest}");
        }
        manifest = results;
    }
    assert_eq!(sandbox.count("requests"), 4);
    // And as LibreOffice's user saves them.
    run_in(batch.folder.path(), &["check", &manifest]).expect_code(1);
}
