use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::manifest::{Images, MOST_CELL_BYTES, MOST_ROW_BYTES, Manifest, ManifestError, Problem, Reading, Row, Rule};

/// What a reader tells of each row: its line, its cells as JSON, its problems.
type Told = Vec<(u32, String, Vec<Problem>)>;

fn read_as(name: &str, bytes: &[u8]) -> Result<Told, ManifestError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    read_path(&path)
}

fn read_path(path: &Path) -> Result<Told, ManifestError> {
    let mut images = Images::beside(path, false);
    let mut manifest = Manifest::open(path, &Reading::default(), &mut images)?;
    let (mut row, mut cells, mut told) = (Row::default(), String::new(), Vec::new());
    while manifest.read(&mut row)? {
        assert_eq!(row.number() as usize, told.len() + 1);
        row.cells_json(&mut cells);
        told.push((row.line(), cells.clone(), row.problems().to_vec()));
    }
    Ok(told)
}

fn read(text: &str) -> Result<Told, ManifestError> {
    read_as("clips.csv", text.as_bytes())
}

fn lines(text: &str) -> Vec<u32> {
    read(text).unwrap().iter().map(|(line, ..)| *line).collect()
}

fn rules(bytes: &[u8]) -> Vec<Vec<Rule>> {
    let told = read_as("clips.csv", bytes).unwrap();
    let rules = |problems: &Vec<Problem>| problems.iter().map(|problem| problem.rule).collect();
    told.iter().map(|(_, _, problems)| rules(problems)).collect()
}

fn failure(text: &str) -> String {
    read(text)
        .unwrap_err()
        .to_string()
        .rsplit_once("clips.csv:")
        .unwrap()
        .1
        .to_owned()
}

const GOOD: &str = "a boat,https://img.example.org/1.png";

#[test]
fn lines_are_those_of_an_editor() {
    for (text, expected) in [
        (format!("prompt,image_url\n{GOOD}\n{GOOD}"), vec![2, 3]),
        (
            format!("\u{feff}prompt,image_url\r\n{GOOD}\r\n\r\n\r\n{GOOD}\r\n"),
            vec![2, 5],
        ),
        (
            format!("\n\nprompt,image_url\n\n{GOOD}\n   \n,\n{GOOD}\n\n"),
            vec![5, 8],
        ),
        (format!("\u{feff}\nprompt,image_url\n{GOOD}"), vec![3]),
        (
            format!("prompt,image_url\n\"a\nboat\",x\n\"a\r\nboat\r\n\",y\n{GOOD}"),
            vec![2, 4, 7],
        ),
        (format!("prompt,image_url\r{GOOD}\r\r{GOOD}\r"), vec![2, 4]),
        ("prompt,image_url\n".to_owned(), vec![]),
    ] {
        assert_eq!(lines(&text), expected, "{text:?}");
    }
}

#[test]
fn the_users_columns_are_kept_in_their_order() {
    let text = format!(
        "notes,prompt,status,图片链接,row\nhello,{},x,https://img.example.org/1.png,y\n",
        "\"a \"\"boat\"\"\""
    );
    let told = read(&text).unwrap();
    assert_eq!(told[0].1, r#"["hello","a \"boat\"","https://img.example.org/1.png"]"#);
    assert_eq!(told[0].2, []);
}

#[test]
fn tabs_separate_the_cells_of_a_tsv_file() {
    let told = read_as(
        "clips.TSV",
        b"prompt\timage_url\na boat, red\thttps://img.example.org/1.png\n",
    )
    .unwrap();
    assert_eq!(told[0].1, r#"["a boat, red","https://img.example.org/1.png"]"#);
}

#[test]
fn a_ragged_row_does_not_stop_the_others() {
    let text = format!("prompt,image_url\none\n{GOOD},more\n{GOOD}\n\"a\n\"\n");
    let told = read(&text).unwrap();
    let found: Vec<String> = told
        .iter()
        .flat_map(|(.., problems)| problems)
        .map(Problem::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "the row has another number of cells than the header: 1 cell instead of 2",
            "the row has another number of cells than the header: 3 cells instead of 2",
            "the row has another number of cells than the header: 1 cell instead of 2, on lines 5 to 6",
        ]
    );
    assert_eq!(told[0].1, r#"["one",""]"#);
    assert_eq!(told[1].1, r#"["a boat","https://img.example.org/1.png","more"]"#);
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    // The mark is what makes it UTF-8: without it the odd byte would be taken for a letter of another encoding.
    let bytes = b"\xef\xbb\xbfprompt,image_url,notes\n\"a\nb\xe9t\",https://img.example.org/1.png,x\na boat,https://img.example.org/1.png,\0\n";
    let told = read_as("clips.csv", bytes).unwrap();
    assert_eq!(
        told[0].2[0].to_string(),
        "the row is not text in the file's encoding: byte 30 of the file, on line 3, is 0xe9, not UTF-8"
    );
    assert_eq!(bytes[30], 0xe9);
    assert_eq!(
        told[0].1,
        "[\"a\\nb\u{fffd}t\",\"https://img.example.org/1.png\",\"x\"]"
    );
    assert_eq!(told[1].2[0].to_string(), "the row contains a NUL byte: on line 4");
}

#[test]
fn a_header_in_the_middle_is_no_video() {
    let text = format!("\u{feff}prompt,image_url\n{GOOD}\n\u{feff}prompt,image_url\nprompt,other\n");
    assert_eq!(
        rules(text.as_bytes()),
        [vec![], vec![Rule::RepeatedHeader], vec![Rule::NotAbsolute]]
    );
}

#[test]
fn an_unclosed_quote_is_found_where_it_opens() {
    for (text, line) in [
        (format!("prompt,image_url\n{GOOD}\n{GOOD}\n\"a boat,https\n{GOOD}\n"), 4),
        (format!("prompt,image_url\n\"a\nb\",\"https\n{GOOD}"), 3),
        (format!("prompt,image_url\n{GOOD}\n\"a \"\"boat\"\",x"), 3),
        (
            format!("prompt,image_url\n\"{GOOD}\n{}", format!("{GOOD}\n").repeat(80_000)),
            2,
        ),
        (
            format!(
                "prompt,image_url\n\"{GOOD}\n{}\",x\n{GOOD}",
                format!("{GOOD}\n").repeat(30_000)
            ),
            2,
        ),
        ("prompt,\"image_url\n".to_owned(), 1),
    ] {
        let said = format!("{line}: the quote that opens on this line is not closed");
        assert_eq!(failure(&text), said, "{}", &text[..40.min(text.len())]);
    }
    for text in [
        "\"a boat\",https\n",
        "a \"boat,https",
        "a \"boat\",\"https\"",
        "\"a \"\"boat\"\"\",x\n\n",
    ] {
        assert!(read(&format!("prompt,image_url\n{text}")).is_ok(), "{text}");
    }
}

#[test]
fn cells_and_rows_have_limits() {
    let most = "x".repeat(MOST_CELL_BYTES);
    let text = format!("prompt,image_url,notes\n{GOOD},{most}\n{GOOD},{most}x\n{GOOD},\n");
    assert_eq!(rules(text.as_bytes()), [vec![], vec![Rule::CellTooLong], vec![]]);
    let text = format!("prompt,image_url\n{GOOD}\n{}", "x,".repeat(MOST_ROW_BYTES));
    assert!(failure(&text).starts_with("3: the row that begins on this line"));
    let text = format!("prompt,image_url{}\n", ",".repeat(1_023));
    assert!(failure(&text).starts_with("1: the header has 1025 columns"));
}

#[test]
fn a_file_without_rows_is_read_and_one_without_a_header_is_not() {
    assert_eq!(read("prompt,image_url").unwrap().len(), 0);
    for text in ["", "\u{feff}", "\r\n\r\n", "  \n,,\n"] {
        assert!(matches!(read(text), Err(ManifestError::Empty { .. })), "{text:?}");
    }
    let error = read_as("clips.csv", b"p\0r\0,\0").unwrap_err();
    assert!(error.to_string().contains("NUL"), "{error}");
    let error = read_as("clips.csv", b"\xef\xbb\xbf\nprompt,image_url,\xb1\xe0\n").unwrap_err();
    assert!(error.to_string().contains("byte 21 of the file"), "{error}");
}

#[test]
fn formulas_of_a_results_file_are_armed_again() {
    let ours = crate::row::RESULTS_COLUMNS.join(",");
    let text = format!("prompt,image_url,notes,{ours}\n'=a boat,https://img.example.org/1.png,'@x,1,failed,,,,,,,,,\n");
    let told = read(&text).unwrap();
    assert_eq!(told[0].1, r#"["=a boat","https://img.example.org/1.png","@x"]"#);
    let told = read("prompt,image_url\n'=a boat,https://img.example.org/1.png\n").unwrap();
    assert_eq!(told[0].1, r#"["'=a boat","https://img.example.org/1.png"]"#);
}

/// Cells that are hard on a reader, but none blank: a row of blank cells is a blank line.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,5}", "[a\",\r\n\t' =]{0,6}x", "\\PC{0,4}x"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_table_is_read_as_it_was_written(
        table in proptest::collection::vec((proptest::collection::vec(cell(), 3), 0usize..3), 0..12),
        crlf in any::<bool>(),
        mark in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut bytes = if mark { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
        let mut expected = Vec::new();
        let header = ["prompt", "image_url", "notes"].map(str::to_owned).to_vec();
        for (at, (cells, blank_lines)) in std::iter::once(&(header, 0)).chain(&table).enumerate() {
            for _ in 0..*blank_lines {
                bytes.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
            }
            let before = String::from_utf8(bytes.clone()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
            if at > 0 {
                let line = 1 + before.matches('\n').count();
                expected.push((u32::try_from(line).unwrap(), serde_json::to_string(cells).unwrap()));
            }
            let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(&mut bytes);
            writer.write_record(cells).unwrap();
            writer.flush().unwrap();
        }
        let told = read_as("clips.csv", &bytes).unwrap();
        let told: Vec<_> = told.into_iter().map(|(line, cells, _)| (line, cells)).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(
        prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..60,
    )) {
        let mut file = b"prompt,image_url\n".to_vec();
        file.extend(bytes);
        // Any answer will do.
        drop(read_as("clips.csv", &file));
    }
}
