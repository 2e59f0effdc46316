//! Results are a good manifest, whatever is in them: any table, written as results in any format and read again, has the
//! same rows with the same cells that ask for the same videos; and so has what is written from that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use hailuo_batch::manifest::{
    Delimiter, Encoding, Format, Images, Manifest, Reading, Repeat, Repeats, Row, Survey, survey,
};
use hailuo_batch::results::{Closing, Columns, Dialect, Layout, ResultRow, ResultsWriter};
use hailuo_batch::row::{RowState, Submission};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// The formats that results are written in.
const FORMATS: [&str; 4] = ["csv", "tsv", "jsonl", "xlsx"];

// What people have in tables.

fn prompts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => cells(),
        4 => "[a-zA-Z,;' \"=+@一只船🐈\n]{1,40}",
        1 => (1_500_usize..5_100).prop_map(|length| "very long, ".repeat(length / 11)),
    ]
}

fn cells() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        3 => "[a-z0-9 ]{0,12}",
        // What spreadsheets take for formulas, and what defuses them.
        3 => "['=+@\t-]{1,3}[a-z0-9(),]{0,5}",
        3 => "[0-9.eE+-]{1,18}",
        1 => "0{1,3}[0-9]{1,6}",
        2 => "[\"',;|\t\r\n ]{0,8}[a-zé一🐈]{0,3}[\"',;|\t\r\n ]{0,8}",
        // How Office writes characters that XML has no place for.
        1 => "_x[0-9A-Fa-f]{4}_",
        1 => "(TRUE|FALSE|#N/A|NaN|1E5|2026-11-23|null|sep=;)",
        1 => "\\PC{0,12}",
        1 => (0_u32..0x20).prop_filter_map("no NUL", |code| char::from_u32(code.max(1)).map(String::from)),
    ]
}

fn images() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "https://img\\.example\\.org/[a-z0-9]{1,8}\\.png",
        1 => " ?http://img\\.example\\.org/[a-z]{1,4}\\.png ?",
        1 => cells(),
    ]
}

fn names_of_others() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,8}",
        2 => "(notes|备注|take, or shot|Shot \"no\"|=SUM\\(A1\\)|@home|'quoted|7|007|surplus_cells|row|status)",
        1 => " ?[a-z一=+'-]{0,4}\n?",
    ]
}

#[derive(Debug, Clone)]
struct Sample {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// What the first row has beyond the header, where a file can have that.
    surplus: Vec<String>,
}

/// A header with what a manifest needs under one of its names, other columns around it, and rows.
fn samples() -> impl Strategy<Value = Sample> {
    let prompt = prop::sample::select(vec!["prompt", "Prompt ", "提示词", "Video Prompt"]);
    let image = prop::sample::select(vec!["image_url", "图片链接", "Image URL"]);
    let settings = prop::sample::subsequence(vec!["id", "duration", "resolution"], 0..=3);
    (
        prompt,
        image,
        settings,
        vec(names_of_others(), 0..4),
        any::<prop::sample::Index>(),
    )
        .prop_flat_map(|(prompt, image, settings, others, turn)| {
            let mut header: Vec<String> = [prompt, image].into_iter().chain(settings).map(str::to_owned).collect();
            header.extend(others);
            let turn = turn.index(header.len());
            header.rotate_left(turn);
            let row = header.iter().map(|name| cell_of(name)).collect::<Vec<_>>();
            let surplus = prop_oneof![3 => Just(Vec::new()), 1 => vec(cells(), 1..3)];
            (vec(row, 0..6), surplus).prop_map(move |(rows, surplus)| Sample {
                header: header.clone(),
                rows,
                surplus,
            })
        })
}

fn cell_of(column: &str) -> BoxedStrategy<String> {
    match column.trim() {
        "prompt" | "Prompt" | "提示词" | "Video Prompt" => prompts().boxed(),
        "image_url" | "图片链接" | "Image URL" => images().boxed(),
        "duration" => prop_oneof![4 => "(6|10|6s|6\\.0|)", 1 => cells()].boxed(),
        "resolution" => prop_oneof![4 => "(768P|1080p|)", 1 => cells()].boxed(),
        _ => cells().boxed(),
    }
}

/// How the manifest is written by somebody.
#[derive(Debug, Clone, Copy)]
enum Writing {
    Text { delimiter: u8, marked: bool },
    Lines,
    Workbook,
}

fn writings() -> impl Strategy<Value = Writing> {
    let delimiters = prop::sample::select(vec![b',', b';', b'\t', b'|']);
    prop_oneof![
        3 => (delimiters, any::<bool>()).prop_map(|(delimiter, marked)| Writing::Text { delimiter, marked }),
        1 => Just(Writing::Lines),
        1 => Just(Writing::Workbook),
    ]
}

impl Sample {
    /// The same with the line breaks of workbooks, which know one kind only.
    fn with_plain_line_breaks(&self) -> Sample {
        let plain = |text: &String| text.replace("\r\n", "\n").replace('\r', "\n");
        Sample {
            header: self.header.clone(),
            rows: self.rows.iter().map(|row| row.iter().map(plain).collect()).collect(),
            surplus: self.surplus.iter().map(plain).collect(),
        }
    }

    /// Writes it as other programs do: nothing in it is defused.
    fn write(&self, folder: &Path, writing: Writing) -> PathBuf {
        match writing {
            Writing::Text { delimiter, marked } => {
                let path = folder.join(if delimiter == b'\t' { "clips.tsv" } else { "clips.csv" });
                let mut file = File::create(&path).unwrap();
                if marked {
                    file.write_all("\u{feff}".as_bytes()).unwrap();
                }
                let mut writer = csv::WriterBuilder::new()
                    .delimiter(delimiter)
                    .flexible(true)
                    .from_writer(file);
                writer.write_record(&self.header).unwrap();
                for (at, row) in self.rows.iter().enumerate() {
                    let surplus = if at == 0 { self.surplus.as_slice() } else { &[] };
                    writer.write_record(row.iter().chain(surplus)).unwrap();
                }
                writer.flush().unwrap();
                path
            }
            Writing::Lines => {
                let path = folder.join("clips.jsonl");
                let mut file = File::create(&path).unwrap();
                for row in &self.rows {
                    let object: Map<String, Value> = self
                        .header
                        .iter()
                        .cloned()
                        .zip(row.iter().cloned().map(Value::from))
                        .collect();
                    writeln!(file, "{}", Value::from(object)).unwrap();
                }
                path
            }
            Writing::Workbook => {
                let path = folder.join("clips.xlsx");
                let mut workbook = rust_xlsxwriter::Workbook::new();
                let sheet = workbook.add_worksheet();
                for (row, cells) in (0..).zip([&self.header].into_iter().chain(&self.rows)) {
                    for (column, cell) in (0..).zip(cells) {
                        if !cell.is_empty() {
                            sheet.write_string(row, column, cell).unwrap();
                        }
                    }
                }
                workbook.save(&path).unwrap();
                path
            }
        }
    }
}

// What this program makes of it.

#[derive(Debug, Clone, PartialEq)]
struct Read {
    id: Option<String>,
    submission: Option<Submission<'static>>,
    /// The user's own cells as JSON.
    cells: String,
}

/// The manifest, whose encoding and delimiter are known: finding them out is another matter.
fn read(path: &Path, reading: &Reading) -> (Survey, Vec<Read>) {
    let mut images = Images::beside(path, false);
    let found = survey(path, reading, &mut images, |_| {}).unwrap_or_else(|error| panic!("{error}: {path:?}"));
    let mut manifest = Manifest::open(path, reading, &mut images).unwrap();
    let (mut rows, mut row, mut cells) = (Vec::new(), Row::default(), String::new());
    while manifest.read(&mut row).unwrap() {
        row.cells_json(&mut cells);
        let repeat = Repeats::of(&found.repeats, row.number());
        let is_sent = !matches!(repeat, Repeat::SameId { .. });
        rows.push(Read {
            id: row.id().map(str::to_owned),
            submission: row.submission().filter(|_| is_sent).map(Submission::into_owned),
            cells: cells.clone(),
        });
    }
    manifest.expect_same(found.fingerprint).unwrap();
    (found, rows)
}

fn write_results(path: &Path, survey: &Survey, rows: &[Read]) {
    let columns = match survey.format {
        Format::Jsonl => Columns::Objects(survey.columns.clone()),
        Format::Csv | Format::Tsv | Format::Workbook => Columns::Named(survey.columns.clone()),
    };
    let delimiter = survey.read_as.delimiter.filter(|_| survey.format == Format::Csv);
    let dialect = Dialect {
        delimiter: delimiter.map(|mark| char::from(mark.byte())),
        byte_order_mark: survey.read_as.byte_order_mark,
        sheet: survey.read_as.sheet.clone(),
        surplus: survey.surplus,
        image_column: survey.image_column.clone(),
    };
    let layout = Layout {
        dialect,
        ..Layout::of(columns)
    };
    let mut writer = ResultsWriter::create(path, &layout).unwrap();
    for (number, row) in (1..).zip(rows) {
        writer
            .write(&ResultRow {
                number,
                cells: &row.cells,
                state: if row.submission.is_some() {
                    RowState::Accepted
                } else {
                    RowState::Invalid
                },
                task_id: row.submission.is_some().then_some("task_hailuo_1790000004242"),
                error_code: None,
                error_message: None,
                attempts: 1,
                submitted_at: None,
                completed_at: None,
                credits: None,
                video_url: None,
                video_file: None,
            })
            .unwrap();
    }
    writer.finish(&Closing::default()).unwrap();
}

/// How results are to be read that were written as CSV or TSV.
fn of_results(format: &str, survey: &Survey) -> Reading {
    let own = survey.read_as.delimiter.filter(|_| survey.format == Format::Csv);
    Reading {
        encoding: (format != "xlsx").then_some(Encoding::UTF_8),
        delimiter: match format {
            "csv" => Some(own.unwrap_or(Delimiter::Comma)),
            "tsv" => Some(Delimiter::Tab),
            _ => None,
        },
        ..Reading::default()
    }
}

/// The texts of a row's cells, whatever the shape in which they came: without what is nothing anyway.
fn texts(row: &Read) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let cells = match serde_json::from_str(&row.cells).unwrap() {
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>(),
        Value::Object(object) => object.values().map(text).collect(),
        other => panic!("{other}"),
    };
    cells.into_iter().filter(|text| !text.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn results_in_any_format_are_the_same_manifest(
        sample in samples(),
        writing in writings(),
        formats in (0_usize..4, 0_usize..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let formats = [FORMATS[formats.0], FORMATS[formats.1]];
        let has_workbook = formats.contains(&"xlsx") || matches!(writing, Writing::Workbook);
        let sample = if has_workbook { sample.with_plain_line_breaks() } else { sample };
        let path = sample.write(folder.path(), writing);
        let reading = Reading {
            encoding: (!matches!(writing, Writing::Workbook)).then_some(Encoding::UTF_8),
            delimiter: match writing {
                Writing::Text { delimiter, .. } => char::from(delimiter).to_string().parse().ok(),
                Writing::Lines | Writing::Workbook => None,
            },
            ..Reading::default()
        };
        // Names can make a header that is none: two columns of one meaning, or of one name where there are objects.
        if survey(&path, &reading, &mut Images::beside(&path, false), |_| {}).is_err() {
            return Err(TestCaseError::reject("no manifest"));
        }
        let (first_survey, first) = read(&path, &reading);
        let results = folder.path().join(format!("first.results.{}", formats[0]));
        write_results(&results, &first_survey, &first);
        let (second_survey, second) = read(&results, &of_results(formats[0], &first_survey));
        prop_assert_eq!(first.len(), second.len());
        for (first, second) in first.iter().zip(&second) {
            prop_assert_eq!(&first.submission, &second.submission);
            prop_assert_eq!(&first.id, &second.id);
            if first.submission.is_some() {
                prop_assert_eq!(texts(first), texts(second));
            }
        }
        // And once more: nothing is added or lost by going round.
        let again = folder.path().join(format!("second.results.{}", formats[1]));
        write_results(&again, &second_survey, &second);
        let (third_survey, third) = read(&again, &of_results(formats[1], &second_survey));
        for (second, third) in second.iter().zip(&third) {
            prop_assert_eq!(&second.submission, &third.submission);
            prop_assert_eq!(&second.id, &third.id);
            prop_assert_eq!(texts(second), texts(third));
        }
        prop_assert_eq!(second.len(), third.len());
        if formats[0] == formats[1] {
            prop_assert_eq!(&second_survey.columns, &third_survey.columns);
        }
    }
}
