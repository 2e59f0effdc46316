//! What a reader of results relies on, through the public interface.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use calamine::{Data, Range, Reader, Xlsx, open_workbook};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::escape;
use crate::row::RESULTS_COLUMNS;

fn queued(number: u32, cells: &str) -> ResultRow<'_> {
    ResultRow {
        number,
        cells,
        state: RowState::Queued,
        task_id: None,
        error_code: None,
        error_message: None,
        attempts: 0,
        submitted_at: None,
        completed_at: None,
        credits: None,
        video_url: None,
        video_file: None,
    }
}

fn saved(number: u32, cells: &str) -> ResultRow<'_> {
    ResultRow {
        state: RowState::Saved,
        task_id: Some("task_hailuo_1790000004242"),
        attempts: 2,
        submitted_at: Some(UnixMillis(1_790_000_000_042)),
        completed_at: Some(UnixMillis(1_790_000_090_000)),
        credits: Some(30.0),
        video_url: Some("https://tempfile.example.org/x7.mp4"),
        video_file: Some("videos/1.mp4"),
        ..queued(number, cells)
    }
}

fn named(names: &[&str]) -> Columns {
    Columns::Named(names.iter().map(ToString::to_string).collect())
}

fn objects(keys: &[&str]) -> Columns {
    Columns::Objects(keys.iter().map(ToString::to_string).collect())
}

/// The text of the results file `name` with these rows.
fn written(name: &str, columns: &Columns, rows: &[ResultRow<'_>]) -> String {
    let (_directory, path) = write_to_file(name, columns, rows);
    fs::read_to_string(path).unwrap()
}

fn write_to_file(name: &str, columns: &Columns, rows: &[ResultRow<'_>]) -> (TempDir, PathBuf) {
    write_with(name, &Layout::of(columns.clone()), rows, &Closing::default())
}

fn write_with(name: &str, layout: &Layout, rows: &[ResultRow<'_>], closing: &Closing) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let mut writer = ResultsWriter::create(&path, layout).unwrap();
    for row in rows {
        writer.write(row).unwrap();
    }
    writer.finish(closing).unwrap();
    (directory, path)
}

#[test]
fn a_table_comes_back_with_our_columns_after_its_own() {
    let rows = [
        saved(2, r#"["a boat","https://i.example.org/a.png"]"#),
        ResultRow {
            state: RowState::Rejected,
            error_code: Some("422"),
            error_message: Some("image_url, please"),
            attempts: 1,
            credits: Some(0.8),
            ..queued(3, r#"["line one\nline two",""]"#)
        },
    ];
    let columns = named(&["prompt", "image_url"]);
    insta::assert_snapshot!(written("r.csv", &columns, &rows), @r#"
    prompt,image_url,row,status,task_id,error_code,error_message,attempts,submitted_at,completed_at,credits,video_url,video_file
    a boat,https://i.example.org/a.png,2,saved,task_hailuo_1790000004242,,,2,2026-09-21T14:13:20.042Z,2026-09-21T14:14:50.000Z,30,https://tempfile.example.org/x7.mp4,videos/1.mp4
    "line one
    line two",,3,rejected,,422,"image_url, please",1,,,0.8,,
    "#);
    insta::assert_snapshot!(written("r.jsonl", &columns, &rows), @r#"
    {"prompt":"a boat","image_url":"https://i.example.org/a.png","row":2,"status":"saved","task_id":"task_hailuo_1790000004242","error_code":null,"error_message":null,"attempts":2,"submitted_at":"2026-09-21T14:13:20.042Z","completed_at":"2026-09-21T14:14:50.000Z","credits":30,"video_url":"https://tempfile.example.org/x7.mp4","video_file":"videos/1.mp4"}
    {"prompt":"line one\nline two","image_url":"","row":3,"status":"rejected","task_id":null,"error_code":"422","error_message":"image_url, please","attempts":1,"submitted_at":null,"completed_at":null,"credits":0.8,"video_url":null,"video_file":null}
    "#);
}

#[test]
fn objects_keep_their_types_in_jsonl_and_become_text_in_a_table() {
    let rows = [
        queued(
            1,
            r#"{"prompt":"a","duration":6.0,"input":{"x": [1]},"status":"saved"}"#,
        ),
        queued(2, "{\"note\":null,\r\"prompt\":\"b\"}"),
    ];
    let columns = objects(&["prompt", "duration", "input", "note"]);
    insta::assert_snapshot!(written("r.jsonl", &columns, &rows), @r#"
    {"prompt":"a","duration":6.0,"input":{"x": [1]},"row":1,"status":"queued","task_id":null,"error_code":null,"error_message":null,"attempts":0,"submitted_at":null,"completed_at":null,"credits":null,"video_url":null,"video_file":null}
    {"note":null,"prompt":"b","row":2,"status":"queued","task_id":null,"error_code":null,"error_message":null,"attempts":0,"submitted_at":null,"completed_at":null,"credits":null,"video_url":null,"video_file":null}
    "#);
    insta::assert_snapshot!(written("r.csv", &columns, &rows), @r#"
    prompt,duration,input,note,row,status,task_id,error_code,error_message,attempts,submitted_at,completed_at,credits,video_url,video_file
    a,6.0,"{""x"": [1]}",,1,queued,,,,0,,,,,
    b,,,,2,queued,,,,0,,,,,
    "#);
}

#[test]
fn our_columns_replace_those_of_the_same_name() {
    let columns = named(&["status", "prompt", "task_id"]);
    let text = written("r.tsv", &columns, &[queued(2, r#"["old","a boat","old"]"#)]);
    assert!(text.starts_with("prompt\trow\tstatus\ttask_id\t"), "{text}");
    assert!(text.contains("\na boat\t2\tqueued\t\t"), "{text}");
}

#[test]
fn a_ragged_or_unreadable_row_keeps_its_outcome() {
    let columns = named(&["prompt", "image_url"]);
    let rows = [
        queued(2, r#"["short"]"#),
        queued(3, r#"["a","b","too much"]"#),
        saved(4, "not JSON"),
    ];
    let text = written("r.csv", &columns, &rows);
    let starts: Vec<_> = text.lines().skip(1).map(|line| &line[..12]).collect();
    assert_eq!(starts, ["short,,2,que", "a,b,3,queued", ",,4,saved,ta"]);
}

#[test]
fn cells_beyond_the_header_have_a_column_of_their_own() {
    let rows = [
        queued(2, r#"["a","b"]"#),
        queued(3, r#"["a","b","too","=much"]"#),
        queued(4, r#"["short"]"#),
        queued(5, r#"["a","b",""]"#),
    ];
    let ragged = |names: &[&str], delimiter| Layout {
        dialect: Dialect {
            surplus: true,
            delimiter,
            ..Dialect::default()
        },
        ..Layout::of(named(names))
    };
    let written = |name: &str, layout: &Layout| {
        let (_directory, path) = write_with(name, layout, &rows, &Closing::default());
        fs::read_to_string(path).unwrap()
    };
    let text = written("r.csv", &ragged(&["prompt", "image_url"], Some(';')));
    insta::assert_snapshot!(text, @r#"
    prompt;image_url;surplus_cells;row;status;task_id;error_code;error_message;attempts;submitted_at;completed_at;credits;video_url;video_file
    a;b;;2;queued;;;;0;;;;;
    a;b;"too;=much";3;queued;;;;0;;;;;
    short;;;4;queued;;;;0;;;;;
    a;b;";";5;queued;;;;0;;;;;
    "#);
    let text = written("r.tsv", &ragged(&["status", "prompt"], None));
    assert!(text.contains("\nb\ttoo,=much\t3\tqueued"), "{text}");
    // Results of results: the column is there, and takes what is new beside what it has.
    let text = written("r.csv", &ragged(&["prompt", "surplus_cells"], None));
    assert!(text.starts_with("prompt,surplus_cells,row,"), "{text}");
    assert!(text.contains("\na,\"b,too,=much\",3,"), "{text}");
    for (names, object) in [
        (
            ["prompt", "image_url"],
            r#"{"prompt":"a","image_url":"b","surplus_cells":"too,=much","row":3"#,
        ),
        (
            ["prompt", "surplus_cells"],
            r#"{"prompt":"a","surplus_cells":"b,too,=much","row":3"#,
        ),
        (
            ["prompt", "status"],
            r#"{"prompt":"a","surplus_cells":"too,=much","row":3"#,
        ),
    ] {
        let text = written("r.jsonl", &ragged(&names, None));
        assert!(text.lines().nth(1).unwrap().starts_with(object), "{text}");
    }
    let text = written("r.jsonl", &ragged(&["prompt", "image_url"], None));
    assert!(
        text.starts_with(r#"{"prompt":"a","image_url":"b","surplus_cells":null,"row":2"#),
        "{text}"
    );
}

#[test]
fn a_csv_file_is_written_in_the_manifests_dialect() {
    let layout = |dialect| Layout {
        dialect,
        ..Layout::of(named(&["prompt"]))
    };
    let start = |name: &str, dialect: Dialect| {
        let (_directory, path) = write_with(name, &layout(dialect), &[], &Closing::default());
        fs::read_to_string(path).unwrap().chars().take(8).collect::<String>()
    };
    let semicolons = || Dialect {
        delimiter: Some(';'),
        ..Dialect::default()
    };
    let marked = || Dialect {
        byte_order_mark: true,
        ..Dialect::default()
    };
    assert_eq!(start("r.csv", Dialect::default()), "prompt,r");
    assert_eq!(start("r.csv", semicolons()), "prompt;r");
    assert_eq!(start("r.tsv", semicolons()), "prompt\tr");
    assert_eq!(start("r.csv", marked()), "\u{feff}prompt,");
}

/// A sheet of the workbook at `path`.
fn sheet(path: &Path, name: &str) -> Range<Data> {
    let mut workbook: Xlsx<_> = open_workbook(path).unwrap();
    workbook.worksheet_range(name).unwrap()
}

/// The sheet's cells as text, line by line, without blank lines.
fn lines_of(range: &Range<Data>) -> String {
    let line = |row: &[Data]| -> String {
        let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
        cells.join(" | ").trim_end_matches([' ', '|']).to_owned()
    };
    let lines: Vec<String> = range.rows().map(line).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// Ten rows: one in each state, and one more that is saved.
fn one_of_each() -> Vec<ResultRow<'static>> {
    let states = RowState::ALL.into_iter().chain([RowState::Saved]).zip(1..);
    states
        .map(|(state, number)| ResultRow {
            state,
            ..saved(number, r#"["a boat","https://i.example.org/a.png","007"]"#)
        })
        .collect()
}

#[test]
fn a_workbook_has_the_users_columns_ours_and_a_sheet_about_the_whole() {
    let layout = Layout {
        dialect: Dialect {
            sheet: Some("镜头".to_owned()),
            ..Dialect::default()
        },
        ..Layout::of(named(&["prompt", "image_url", "no"]))
    };
    let closing = Closing {
        title: "Results of clips.xlsx".to_owned(),
        facts: vec![
            Fact {
                label: "spent, in credits",
                value: FactValue::Number(1_480.5),
            },
            Fact {
                label: "the last run was halted",
                value: FactValue::Text("=no more credits (402)".to_owned()),
            },
            Fact {
                label: "spent, in US dollars",
                value: FactValue::Money(f64::NAN),
            },
        ],
        causes: vec![Cause {
            state: RowState::Rejected,
            code: "422".to_owned(),
            message: "no such image".to_owned(),
            rows: 6,
            first_rows: vec![2, 3, 4, 5, 9],
        }],
    };
    let (_directory, path) = write_with("r.xlsx", &layout, &one_of_each(), &closing);
    let workbook: Xlsx<_> = open_workbook(&path).unwrap();
    assert_eq!(workbook.sheet_names(), ["镜头", "Summary"]);
    let rows = sheet(&path, "镜头");
    assert_eq!(rows.get_size(), (11, 14));
    insta::assert_snapshot!(lines_of(&rows).lines().take(2).collect::<Vec<_>>().join("\n"), @"
    prompt | image_url | no | row | status | task_id | error_code | error_message | attempts | submitted_at | completed_at | credits | video_url | video_file
    a boat | https://i.example.org/a.png | 007 | 1 | invalid | task_hailuo_1790000004242 |  |  | 2 | 2026-09-21T14:13:20.042Z | 2026-09-21T14:14:50.000Z | 30 | https://tempfile.example.org/x7.mp4 | videos/1.mp4
    ");
    insta::assert_snapshot!(lines_of(&sheet(&path, "Summary")), @"
    Results of clips.xlsx
    Rows
    status | rows | share | what it means
    invalid | 1 | 0.1 | breaks a rule and was not sent: `error_message` says which
    queued | 1 | 0.1 | waits to be sent: run the batch again to go on
    sending | 1 | 0.1 | is being sent at this moment
    accepted | 1 | 0.1 | the API has taken it; its task has not ended, or nobody has looked yet
    rejected | 1 | 0.1 | the API refused it: `error_message` says why
    unknown | 1 | 0.1 | sent, and no answer came: it may have been charged; decide with `settle`
    succeeded | 1 | 0.1 | the video is made; it lies at `video_url` for a while and is not saved yet
    failed | 1 | 0.1 | the API took it and could not make the video: `error_message` says why
    saved | 2 | 0.2 | the video is on disk: `video_file` says where
    all rows | 10
    Batch
    spent, in credits | 1480.5
    the last run was halted | =no more credits (402)
    spent, in US dollars | not known
    Problems
    status | rows | code | what happened | first rows
    rejected | 6 | 422 | no such image | 2, 3, 4, 5, 9, …
    ");
}

/// A part of the workbook at `path`.
fn part(path: &Path, name: &str) -> String {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    std::io::read_to_string(archive.by_name(name).unwrap()).unwrap()
}

#[test]
fn every_state_has_a_colour_but_the_one_that_nothing_has_happened_to() {
    let layout = Layout::of(named(&["prompt", "image_url", "no"]));
    let (_directory, path) = write_with("r.xlsx", &layout, &one_of_each(), &Closing::default());
    let styles = part(&path, "xl/styles.xml");
    let formats: Vec<&str> = styles.split_once("<cellXfs").unwrap().1.split("<xf ").skip(1).collect();
    let sheet = part(&path, "xl/worksheets/sheet1.xml");
    for (row, state) in (2..).zip(RowState::ALL) {
        let cell = sheet.split_once(&format!(r#"<c r="E{row}" s=""#)).unwrap().1;
        let (style, rest) = cell.split_once('"').unwrap();
        assert!(rest.contains(state.as_str()), "{rest:.80}");
        let format = formats[style.parse::<usize>().unwrap()];
        assert_eq!(
            format.contains(r#"applyFill="1""#),
            state != RowState::Queued,
            "{state}: {format}"
        );
    }
}

#[test]
fn images_and_videos_are_links_and_the_users_other_addresses_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    fs::create_dir(&out).unwrap();
    let layout = Layout {
        dialect: Dialect {
            image_column: Some("图片".to_owned()),
            ..Dialect::default()
        },
        folder: directory.path().to_owned(),
        ..Layout::of(named(&["status", "prompt", "图片", "callback_url"]))
    };
    let path = out.join("r.xlsx");
    let mut writer = ResultsWriter::create(&path, &layout).unwrap();
    let callback = r#"["x","a boat","https://i.example.org/a.png","https://hook.example.org/"]"#;
    writer.write(&saved(1, callback)).unwrap();
    let local = r#"["x","a boat","images/boat.png",""]"#;
    let evil = ResultRow {
        video_url: Some("file:///etc/passwd"),
        video_file: None,
        ..saved(2, local)
    };
    writer.write(&evil).unwrap();
    writer.finish(&Closing::default()).unwrap();
    let links = part(&path, "xl/worksheets/_rels/sheet1.xml.rels");
    let targets: Vec<&str> = links
        .split("Target=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(
        targets,
        [
            "https://i.example.org/a.png",
            "https://tempfile.example.org/x7.mp4",
            "../videos/1.mp4"
        ]
    );
}

#[test]
fn objects_become_a_workbook_too() {
    let rows = [queued(
        1,
        r#"{"prompt":"a","duration":6,"input":{"x":[1]},"status":"saved"}"#,
    )];
    let columns = objects(&["prompt", "duration", "input"]);
    let (_directory, path) = write_to_file("r.xlsx", &columns, &rows);
    assert_eq!(
        lines_of(&sheet(&path, "Results")).lines().nth(1).unwrap(),
        r#"a | 6 | {"x":[1]} | 1 | queued |  |  |  | 0"#
    );
}

#[test]
fn formulas_are_defused_in_cells_of_the_user_and_of_the_server() {
    let row = ResultRow {
        error_message: Some("=HYPERLINK(\"https://evil.example.org\")"),
        video_url: Some("@SUM(A1)"),
        ..queued(2, r#"["=cmd|' /C calc'!A0","-5"]"#)
    };
    let text = written("r.csv", &named(&["+prompt", "offset"]), &[row]);
    assert!(
        text.starts_with("'+prompt,offset,row,") && text.contains("\n'=cmd|' /C calc'!A0,-5,2,"),
        "{text}"
    );
    assert!(text.contains(",\"'=HYPERLINK(\"\""), "{text}");
    assert!(text.contains(",'@SUM(A1),"), "{text}");
}

#[test]
fn an_error_names_the_path_the_cause_and_the_remedy() {
    let layout = Layout::of(named(&[]));
    let error = ResultsWriter::create(Path::new("/nowhere/at/all.csv"), &layout).unwrap_err();
    assert_eq!(error.to_string(), "cannot write the results to `/nowhere/at/all.csv`");
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(
        error.help(),
        "create the directory, or give another file with `--results`; the ledger still has every row"
    );
}

#[test]
fn a_reader_never_sees_half_a_file() {
    const ROWS: u32 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.csv");
    let rewrite = || {
        let mut writer = ResultsWriter::create(&path, &Layout::of(named(&["prompt"]))).unwrap();
        for number in 1..=ROWS {
            writer.write(&saved(number, r#"["a boat"]"#)).unwrap();
        }
        writer.finish(&Closing::default()).unwrap();
    };
    rewrite();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) || reads == 0 {
                let text = fs::read_to_string(&path).expect("there is a file at every moment");
                assert_eq!(text.lines().count(), ROWS as usize + 1);
                assert!(text.ends_with("videos/1.mp4\n"));
                reads += 1;
            }
        });
        for _ in 0..20 {
            rewrite();
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

/// A table of any text: a header, and rows of the same width.
fn tables() -> impl Strategy<Value = (Vec<String>, Vec<Vec<String>>)> {
    // Readers take U+FEFF at the start of a file for a byte order mark, so a header that begins with it is no text.
    let cell = || prop_oneof!["[^\u{feff}]{0,6}", "['=+@\\-\t\r\n\",;]{0,6}", "[0-9.eE+-]{0,5}"];
    (1_usize..5).prop_flat_map(move |width| (vec(cell(), width), vec(vec(cell(), width), 0..5)))
}

proptest! {
    #[test]
    fn any_table_survives_csv_and_tsv((header, rows) in tables(), tabs: bool) {
        let cells: Vec<_> = rows.iter().map(|row| json!(row).to_string()).collect();
        let results: Vec<_> = (1..).zip(&cells).map(|(number, cells)| queued(number, cells)).collect();
        let name = if tabs { "r.tsv" } else { "r.csv" };
        let (_directory, path) = write_to_file(name, &Columns::Named(header.clone()), &results);
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(if tabs { b'\t' } else { b',' })
            .from_path(path)
            .unwrap();
        let read: Vec<Vec<String>> = reader
            .records()
            .map(|record| {
                let record = record.unwrap();
                let own = record.len() - RESULTS_COLUMNS.len();
                record.iter().take(own).map(|cell| escape::from_spreadsheet(cell).to_owned()).collect()
            })
            .collect();
        let expected: Vec<_> = std::iter::once(header).chain(rows).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_table_survives_a_workbook((header, rows) in tables()) {
        let cells: Vec<_> = rows.iter().map(|row| json!(row).to_string()).collect();
        let results: Vec<_> = (1..).zip(&cells).map(|(number, cells)| queued(number, cells)).collect();
        let (_directory, path) = write_to_file("r.xlsx", &Columns::Named(header.clone()), &results);
        let sheet = sheet(&path, "Results");
        for (at, row) in (1..).zip(&rows) {
            for (column, cell) in (0..).zip(row) {
                let read = match sheet.get_value((at, column)) {
                    None | Some(Data::Empty) => String::new(),
                    Some(Data::String(text)) => escape::from_spreadsheet(text).to_owned(),
                    Some(Data::Float(number)) => number.to_string(),
                    Some(other) => format!("{other:?}"),
                };
                prop_assert_eq!(&read, cell);
            }
        }
        for (column, name) in (0..).zip(&header) {
            let read = sheet.get_value((0, column)).map(ToString::to_string).unwrap_or_default();
            prop_assert_eq!(escape::from_spreadsheet(&read), name);
        }
    }

    #[test]
    fn any_table_keeps_every_cell_in_jsonl((header, rows) in tables()) {
        let cells: Vec<_> = rows.iter().map(|row| json!(row).to_string()).collect();
        let results: Vec<_> = (1..).zip(&cells).map(|(number, cells)| queued(number, cells)).collect();
        let text = written("r.jsonl", &Columns::Named(header), &results);
        for (line, row) in text.split_terminator('\n').zip(&rows) {
            let object: Map<String, Value> = serde_json::from_str(line).unwrap();
            prop_assert_eq!(object.len(), row.len() + RESULTS_COLUMNS.len());
            for (value, cell) in object.values().zip(row) {
                prop_assert_eq!(value, &json!(cell));
            }
        }
    }

    #[test]
    fn any_object_survives_jsonl(object in json_objects()) {
        let cells = Value::Object(object.clone()).to_string();
        let columns = Columns::Objects(object.keys().cloned().collect());
        let text = written("r.jsonl", &columns, &[queued(7, &cells)]);
        prop_assert_eq!(text.matches('\n').count(), 1);
        let mut read: Map<String, Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.get("row"), Some(&json!(7)));
        for name in RESULTS_COLUMNS {
            read.remove(name);
        }
        prop_assert_eq!(read, object);
    }
}

fn json_objects() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Halves are exact in every notation; other fractions would test the parser, not us.
        any::<i32>().prop_map(|half| json!(f64::from(half) / 2.0)),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((any::<String>(), inner), 0..3).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    });
    vec((any::<String>(), value), 0..5).prop_map(|entries| entries.into_iter().collect())
}
