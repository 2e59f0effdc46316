//! What whoever opens a table relies on, through the public interface; workbooks are read back with another package.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::slice;

use calamine::{Data, Range, Reader, Xlsx, open_workbook};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use zip::ZipArchive;

use super::*;
use crate::escape;

const PURPOSE: Purpose = Purpose {
    noun: "problems",
    option: "--problems",
    remains: "",
};

fn head(names: &[&str]) -> Head {
    Head {
        columns: names.iter().map(|name| Column::new(*name)).collect(),
        ..Head::default()
    }
}

fn write(name: &str, head: &Head, rows: &[Vec<Cell<'_>>], pages: &[Page<'_>]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    let mut table = Table::create(&path, PURPOSE, head).unwrap();
    for row in rows {
        table.row(row).unwrap();
    }
    table.finish(pages).unwrap();
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the table is left: {left:?}");
    (directory, path)
}

fn text_of(name: &str, head: &Head, rows: &[Vec<Cell<'_>>]) -> String {
    let (_directory, path) = write(name, head, rows, &[]);
    fs::read_to_string(path).unwrap()
}

/// The parts of a workbook by their names.
fn parts_of(path: &Path) -> BTreeMap<String, String> {
    let mut archive = ZipArchive::new(File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut part = archive.by_index(index).unwrap();
            let mut text = String::new();
            part.read_to_string(&mut text).unwrap();
            (part.name().unwrap().into_owned(), text)
        })
        .collect()
}

/// The parts of a workbook with one sheet of these rows.
fn workbook(head: &Head, rows: &[Vec<Cell<'_>>]) -> BTreeMap<String, String> {
    let (_directory, path) = write("t.xlsx", head, rows, &[]);
    parts_of(&path)
}

fn sheet(path: &Path, name: &str) -> Range<Data> {
    let mut workbook: Xlsx<_> = open_workbook(path).unwrap();
    workbook.worksheet_range(name).unwrap()
}

/// The values of the cells below the header, as they are.
fn read_back(head: &Head, rows: &[Vec<Cell<'_>>]) -> Vec<Vec<Data>> {
    let head = Head {
        sheet: "Data".to_owned(),
        ..head.clone()
    };
    let (_directory, path) = write("t.xlsx", &head, rows, &[]);
    let range = sheet(&path, "Data");
    let value = |row, column| range.get_value((row, column)).cloned().unwrap_or_default();
    let columns = u32::try_from(head.columns.len()).unwrap();
    (1..=u32::try_from(rows.len()).unwrap())
        .map(|row| (0..columns).map(|column| value(row, column)).collect())
        .collect()
}

#[test]
fn a_table_says_the_same_in_every_format() {
    let head = head(&["severity", "row", "problem", "share"]);
    let rows = [
        vec![
            Cell::Word("error".into(), Tone::Bad),
            Cell::Whole(3),
            Cell::text("`duration` is 7, \"not\" 6"),
            Cell::Share(0.25),
        ],
        vec![
            Cell::Word("warning".into(), Tone::Doubtful),
            Cell::Empty,
            Cell::Written("=1+1".into()),
        ],
    ];
    insta::assert_snapshot!(text_of("t.csv", &head, &rows), @r#"
    severity,row,problem,share
    error,3,"`duration` is 7, ""not"" 6",0.25
    warning,,'=1+1,
    "#);
    insta::assert_snapshot!(text_of("t.jsonl", &head, &rows), @r#"
    {"severity":"error","row":3,"problem":"`duration` is 7, \"not\" 6","share":0.25}
    {"severity":"warning","row":null,"problem":"=1+1","share":null}
    "#);
    let text = |text: &str| Data::String(text.to_owned());
    assert_eq!(
        read_back(&head, &rows),
        [
            [
                text("error"),
                Data::Float(3.0),
                text("`duration` is 7, \"not\" 6"),
                Data::Float(0.25)
            ],
            [text("warning"), Data::Empty, text("=1+1"), Data::Empty],
        ]
    );
}

#[test]
fn cells_stand_between_the_delimiters_that_were_asked_for() {
    let head = Head {
        delimiter: Some(b';'),
        ..head(&["a", "b"])
    };
    let rows = [vec![Cell::text("1,5"), Cell::text("x;y\tz")]];
    assert_eq!(text_of("t.csv", &head, &rows), "a;b\n1,5;\"x;y\tz\"\n");
    assert_eq!(text_of("t.tsv", &head, &rows), "a\tb\n1,5\t\"x;y\tz\"\n");
}

#[test]
fn a_byte_order_mark_is_there_if_something_needs_it_and_otherwise_if_it_is_wanted() {
    let ascii = vec![Cell::text("a boat")];
    let other = vec![Cell::text("一只小船")];
    // Far more than is gathered before the file is begun.
    let late: Vec<_> = std::iter::repeat_n(ascii.clone(), 100_000)
        .chain([other.clone()])
        .collect();
    for (wanted, name, rows, has_mark) in [
        (false, "prompt", slice::from_ref(&ascii), false),
        (true, "prompt", slice::from_ref(&ascii), true),
        (false, "prompt", slice::from_ref(&other), true),
        (false, "提示词", slice::from_ref(&ascii), true),
        (false, "prompt", &late, true),
        (true, "prompt", &late, true),
    ] {
        let head = Head {
            byte_order_mark: wanted,
            ..head(&[name])
        };
        for file in ["t.csv", "t.tsv"] {
            let text = text_of(file, &head, rows);
            let rest = text.strip_prefix('\u{feff}');
            assert_eq!(rest.is_some(), has_mark, "{wanted} {name} {}", rows.len());
            let rest = rest.unwrap_or(&text);
            assert!(!rest.contains('\u{feff}'));
            assert_eq!(rest.lines().count(), rows.len() + 1);
            assert!(rest.starts_with(name));
        }
        assert!(!text_of("t.jsonl", &head, rows).contains('\u{feff}'));
    }
}

#[test]
fn text_is_never_a_formula_whoever_wrote_it() {
    for formula in [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "{=1+1}",
        "\t=1+1",
        "'=1+1",
        "=HYPERLINK(\"https://a.example\")",
    ] {
        let head = head(&[formula, "b", "c", "d"]);
        let row = vec![
            Cell::text(formula),
            Cell::Written(formula.into()),
            Cell::Word(formula.into(), Tone::Bad),
            Cell::Link(formula.into(), Target::Itself),
        ];
        let parts = workbook(&head, std::slice::from_ref(&row));
        for (name, part) in &parts {
            assert!(!part.contains("<f>") && !part.contains("<f "), "{name} of {formula}");
        }
        for data in read_back(&head, &[row]).concat() {
            let Data::String(text) = data else {
                panic!("{formula} became {data:?}")
            };
            assert_eq!(text.trim_start_matches('\''), formula.trim_start_matches('\''));
        }
    }
}

#[test]
fn text_like_a_formula_stays_text_when_somebody_edits_its_cell() {
    let parts = workbook(&head(&["a", "b"]), &[vec![Cell::text("=1+1"), Cell::text("1+1")]]);
    let styles = &parts["xl/styles.xml"];
    let formats = styles.split_once("<cellXfs").unwrap().1.split("<xf ").skip(1);
    let quoted: Vec<_> = (0..)
        .zip(formats)
        .filter(|(_, format)| format.contains("quotePrefix=\"1\""))
        .map(|(place, _)| format!("s=\"{place}\""))
        .collect();
    let sheet = &parts["xl/worksheets/sheet1.xml"];
    let cell = |name: &str| {
        sheet
            .split_once(&format!("r=\"{name}\" "))
            .unwrap()
            .1
            .split('>')
            .next()
            .unwrap()
    };
    assert!(
        quoted.iter().any(|style| cell("A2").contains(style)),
        "{quoted:?} {sheet}"
    );
    assert!(
        !quoted.iter().any(|style| cell("B2").contains(style)),
        "{quoted:?} {sheet}"
    );
}

#[test]
fn what_is_spelt_like_a_number_is_one_and_everything_else_is_text() {
    let written = |text: &'static str| Cell::Written(text.into());
    let row = vec![
        written("6"),
        written("-0.25"),
        written("007"),
        written("1234567890123456"),
        written("TRUE"),
        Cell::text("422"),
        Cell::Whole(u64::from(u32::MAX)),
        Cell::Decimal(0.8),
    ];
    let text = |text: &str| Data::String(text.to_owned());
    assert_eq!(
        read_back(&head(&["a"; 8]), &[row])[0],
        [
            Data::Float(6.0),
            Data::Float(-0.25),
            text("007"),
            text("1234567890123456"),
            text("TRUE"),
            text("422"),
            Data::Float(4_294_967_295.0),
            Data::Float(0.8),
        ]
    );
}

#[test]
fn the_header_stays_in_sight_and_is_a_filter_over_all_rows() {
    let rows = vec![vec![Cell::text("x")]; 41];
    let parts = workbook(&head(&["", "b", "b"]), &rows);
    let sheet = &parts["xl/worksheets/sheet1.xml"];
    assert!(sheet.contains(r#"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>"#));
    assert!(sheet.contains(r#"<autoFilter ref="A1:C42"/>"#), "{sheet}");
    assert!(
        sheet.contains(r#"<ignoredError sqref="A2:C42" numberStoredAsText="1"/>"#),
        "{sheet}"
    );
    // On paper it stands on every page.
    assert!(parts["xl/workbook.xml"].contains("_xlnm.Print_Titles"));
    let empty = workbook(&head(&["a"]), &[]);
    assert!(empty["xl/worksheets/sheet1.xml"].contains(r#"<autoFilter ref="A1"/>"#));
}

#[test]
fn columns_are_as_wide_as_their_text_and_rows_as_high_as_a_line() {
    let mut head = head(&["a", "prompt", "说明", "help"]);
    head.columns[3] = Column::new("help").at_most(20).wrapped();
    let row = vec![
        Cell::text("short"),
        Cell::text("a long story ".repeat(200)),
        Cell::text("雾中的一只小船"),
        Cell::text("several lines, as it is long"),
    ];
    let sheet = workbook(&head, &[row, vec![Cell::text("x\ny")]])["xl/worksheets/sheet1.xml"].clone();
    for column in [
        r#"<col min="1" max="1" width="8.7109375""#,
        r#"<col min="2" max="2" width="52.7109375""#,
        r#"<col min="3" max="3" width="16.7109375""#,
        r#"<col min="4" max="4" width="22.7109375""#,
    ] {
        assert!(sheet.contains(column), "{column}: {:.1500}", sheet);
    }
    assert!(sheet.contains(r#"<row r="2" ht="30.75" customHeight="1">"#));
    assert!(sheet.contains(r#"<row r="3" ht="15.75" customHeight="1">"#));
}

#[test]
fn links_lead_where_their_text_says() {
    let link = |text: &'static str, target| Cell::Link(text.into(), target);
    let rows = [vec![
        link("https://img.example.org/1.png?a=b&c=d", Target::Itself),
        link("clips.videos/1.mp4", Target::File("../clips.videos/1 a.mp4".to_owned())),
        link("file:///etc/passwd", Target::Itself),
        link("7", Target::Row(7)),
    ]];
    let parts = workbook(&head(&["a", "b", "c", "d"]), &rows);
    let links = &parts["xl/worksheets/_rels/sheet1.xml.rels"];
    assert_eq!(links.matches("<Relationship ").count(), 2, "{links}");
    assert!(links.contains(r#"Target="https://img.example.org/1.png?a=b&amp;c=d" TargetMode="External""#));
    assert!(links.contains(r#"Target="../clips.videos/1%20a.mp4" TargetMode="External""#));
    let sheet = &parts["xl/worksheets/sheet1.xml"];
    assert!(sheet.contains("<t>clips.videos/1.mp4</t>") && sheet.contains("<t>file:///etc/passwd</t>"));
}

#[test]
fn links_beyond_what_a_sheet_may_have_are_text() {
    let rows: Vec<_> = (1..=65_531)
        .map(|row| {
            vec![Cell::Link(
                format!("https://img.example.org/{row}.png").into(),
                Target::Itself,
            )]
        })
        .collect();
    let parts = workbook(&head(&["image_url"]), &rows);
    let sheet = &parts["xl/worksheets/sheet1.xml"];
    assert_eq!(sheet.matches("<hyperlink ").count(), 65_530);
    assert!(sheet.contains("<t>https://img.example.org/65531.png</t>"));
}

#[test]
fn a_text_that_no_cell_can_hold_is_cut_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.xlsx");
    let mut table = Table::create(&path, PURPOSE, &head(&["a", "b"])).unwrap();
    let long = "長い話".repeat(20_000);
    table
        .row(&[Cell::Written((&*long).into()), Cell::text("short")])
        .unwrap();
    table.row(&[Cell::Link((&*long).into(), Target::Itself)]).unwrap();
    assert_eq!(table.cut_cells(), 2);
    table.finish(&[]).unwrap();
    let range = sheet(&path, "Sheet1");
    let Some(Data::String(text)) = range.get_value((1, 0)) else {
        panic!("no text")
    };
    assert!(text.starts_with("長い話長い話") && text.ends_with("more than a cell of a workbook can hold]"));
    assert!(text.chars().count() <= 32_767);
}

#[test]
fn pages_stand_behind_the_table_and_may_point_into_it() {
    let page = Page {
        name: "Shots",
        title: "What came of it".to_owned(),
        columns: vec![Column::new("").at_most(20), Column::new("").at_most(40).wrapped()],
        blocks: vec![Block {
            heading: "Problems",
            header: &["rows", "why"],
            rows: vec![vec![Cell::Link("2, 3".into(), Target::Row(2)), Cell::text("=no")]],
        }],
    };
    let head = Head {
        sheet: "shots".to_owned(),
        ..head(&["prompt"])
    };
    let (_directory, path) = write("t.xlsx", &head, &[vec![Cell::text("a boat")]], &[page]);
    let workbook: Xlsx<_> = open_workbook(&path).unwrap();
    assert_eq!(workbook.sheet_names(), ["shots", "Shots (2)"]);
    let range = sheet(&path, "Shots (2)");
    let texts: Vec<String> = range.used_cells().map(|(_, _, data)| data.to_string()).collect();
    assert_eq!(texts, ["What came of it", "Problems", "rows", "why", "2, 3", "=no"]);
    let parts = parts_of(&path);
    assert!(parts["xl/worksheets/sheet2.xml"].contains(r#"location="'shots'!A3""#));
}

#[test]
fn what_is_the_same_is_written_the_same() {
    let bytes = || {
        let rows = [vec![
            Cell::text("a boat"),
            Cell::Link("https://a.example/1.png".into(), Target::Itself),
        ]];
        let (_directory, path) = write("t.xlsx", &head(&["a", "b"]), &rows, &[Page::default()]);
        fs::read(path).unwrap()
    };
    let first = bytes();
    // Long enough for a time stamp of a second's precision to change.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert!(first == bytes());
}

#[test]
fn a_workbook_that_is_given_up_leaves_the_old_one_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.xlsx");
    fs::write(&path, "old").unwrap();
    let mut table = Table::create(&path, PURPOSE, &head(&["a"])).unwrap();
    for _ in 0..10_000 {
        table.row(&[Cell::text("more than is kept in memory")]).unwrap();
    }
    drop(table);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn more_rows_than_a_sheet_has_are_an_error_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.xlsx");
    let mut table = Table::create(&path, PURPOSE, &head(&["a"])).unwrap();
    let error = (0..1_048_576).find_map(|_| table.row(&[Cell::Whole(1)]).err()).unwrap();
    let TableError::Write { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(source.to_string().contains("limits"), "{source}");
    drop(table);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

proptest! {
    /// As whoever reads results reads a workbook: numbers as they are shown, texts without what defuses them.
    #[test]
    fn whatever_somebody_wrote_survives_a_workbook(
        rows in vec(vec(prop_oneof!["\\PC{0,6}", "[\u{0}-\u{7f}]{0,8}", "['=+@\\-\t\r\n ,;_x0D]{0,9}", "-?[0-9]{0,9}\\.?[0-9]{0,9}", any::<String>()], 3), 1..5)
    ) {
        let cells: Vec<Vec<Cell<'_>>> = rows
            .iter()
            .map(|row| row.iter().map(|text| Cell::Written(text.into())).collect())
            .collect();
        let read: Vec<Vec<String>> = read_back(&head(&["a", "b", "c"]), &cells)
            .into_iter()
            .map(|row| row.into_iter().map(|data| match data {
                Data::Empty => String::new(),
                Data::String(text) => escape::from_spreadsheet(&text).to_owned(),
                Data::Float(number) => number.to_string(),
                other => format!("{other:?}"),
            }).collect())
            .collect();
        prop_assert_eq!(read, rows);
    }
}
