use std::fs;
use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::manifest::text::open_lines;
use crate::manifest::{Field, MOST_ROW_BYTES, Position};

/// The fields that a record names; nothing counts like all that a manifest needs.
fn header_score(record: &ByteRecord) -> u32 {
    let fields: Vec<Field> = record
        .iter()
        .filter_map(|cell| Field::of_name(std::str::from_utf8(cell).ok()?))
        .collect();
    if Field::REQUIRED.iter().all(|field| fields.contains(field)) {
        u32::MAX
    } else {
        u32::try_from(fields.len()).unwrap()
    }
}

fn choice() -> TextChoice<'static> {
    TextChoice {
        encoding: None,
        delimiter: None,
        usual: Delimiter::Comma,
        header_score: &header_score,
    }
}

fn open(bytes: &[u8], choice: TextChoice<'_>) -> Result<TextRecords, ManifestError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.csv");
    fs::write(&path, bytes).unwrap();
    TextRecords::open(&path, File::open(&path).unwrap(), choice)
}

/// Line, cells and what is wrong with each record, as far as it can be read; then how it ends.
type Told = (Vec<(u32, Vec<String>, Option<String>)>, Result<(), ManifestError>);

fn tell(bytes: &[u8], choice: TextChoice<'_>) -> Told {
    let mut told = Vec::new();
    let mut records = match open(bytes, choice) {
        Ok(records) => records,
        Err(error) => return (told, Err(error)),
    };
    let mut record = ByteRecord::new();
    loop {
        match records.next(&mut record) {
            Ok(true) => {}
            Ok(false) => return (told, Ok(())),
            Err(error) => return (told, Err(error)),
        }
        let text = std::str::from_utf8(record.as_slice()).unwrap_or_default();
        let problem = records.unreadable(&record, text).map(|problem| problem.to_string());
        let cells = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
        assert_eq!(records.line(), records.found().line);
        told.push((records.line(), cells.collect(), problem));
    }
}

/// The cells of all records, which have to be readable.
fn cells(bytes: &[u8]) -> Vec<Vec<String>> {
    let (told, end) = tell(bytes, choice());
    end.unwrap();
    told.into_iter()
        .map(|(_, cells, problem)| {
            assert_eq!(problem, None);
            cells
        })
        .collect()
}

fn lines(text: &str) -> Vec<u32> {
    tell(text.as_bytes(), choice())
        .0
        .iter()
        .map(|(line, ..)| *line)
        .collect()
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

fn encoded(text: &str, name: &str) -> Vec<u8> {
    match name {
        "utf-16le" => utf16(text, u16::to_le_bytes),
        "utf-16be" => utf16(text, u16::to_be_bytes),
        _ => {
            let encoding: Encoding = name.parse().unwrap();
            let (bytes, _, has_unmappable) = encoding.inner().encode(text);
            assert!(!has_unmappable, "{text:?} in {name}");
            bytes.into_owned()
        }
    }
}

const GOOD: &str = "a boat,https://img.example.org/1.png";

#[test]
fn lines_are_those_of_an_editor() {
    for (text, expected) in [
        (format!("prompt,image_url\n{GOOD}\n{GOOD}"), vec![1, 2, 3]),
        (
            format!("\u{feff}prompt,image_url\r\n{GOOD}\r\n\r\n\r\n{GOOD}\r\n"),
            vec![1, 2, 5],
        ),
        (
            format!("\n\nprompt,image_url\n\n{GOOD}\n   \n,\n{GOOD}\n\n"),
            vec![3, 5, 8],
        ),
        (format!("\u{feff}\nprompt,image_url\n{GOOD}"), vec![2, 3]),
        (format!("\u{feff}\u{feff}prompt,image_url\n{GOOD}"), vec![1, 2]),
        (
            format!("prompt,image_url\n\"a\nboat\",x\n\"a\r\nboat\r\n\",y\n{GOOD}"),
            vec![1, 2, 4, 7],
        ),
        (format!("prompt,image_url\r{GOOD}\r\r{GOOD}\r"), vec![1, 2, 4]),
        ("prompt,image_url\n".to_owned(), vec![1]),
        ("\r\n,,\r\n  ".to_owned(), vec![]),
    ] {
        assert_eq!(lines(&text), expected, "{text:?}");
    }
}

#[test]
fn the_place_of_a_record_is_that_in_the_file() {
    for mark in ["", "\u{feff}"] {
        let text = format!("{mark}\nprompt,image_url\n\n{GOOD}\n");
        let mut records = open(text.as_bytes(), choice()).unwrap();
        let mut record = ByteRecord::new();
        for (raw, line) in [("prompt,image_url\n", 2), (&format!("{GOOD}\n"), 4)] {
            assert!(records.next(&mut record).unwrap());
            let found = records.found();
            let at = usize::try_from(found.offset.unwrap()).unwrap();
            assert_eq!((found.raw, found.line), (raw.as_bytes(), line));
            assert_eq!(&text.as_bytes()[at..at + raw.len()], raw.as_bytes());
        }
    }
    // The bytes of a decoded text are not the file's.
    let mut records = open(&utf16(&format!("prompt,image_url\n{GOOD}"), u16::to_le_bytes), choice()).unwrap();
    assert!(records.next(&mut ByteRecord::new()).unwrap());
    assert_eq!(records.found().raw, b"prompt,image_url\n");
    assert_eq!(records.found().offset, None);
}

#[test]
fn the_delimiter_is_found_whatever_the_extension_says() {
    let expected = [["prompt", "image_url"], ["a, b; c", "x"]];
    for (text, delimiter) in [
        ("prompt,image_url\n\"a, b; c\",x\n", Delimiter::Comma),
        ("prompt;image_url\n\"a, b; c\";x\n", Delimiter::Semicolon),
        ("prompt\timage_url\na, b; c\tx\n", Delimiter::Tab),
        ("prompt|image_url\na, b; c|x\n", Delimiter::Pipe),
    ] {
        for usual in [Delimiter::Comma, Delimiter::Tab] {
            let records = open(text.as_bytes(), TextChoice { usual, ..choice() }).unwrap();
            let found = records.read_as().delimiter.unwrap();
            assert_eq!(
                (found.delimiter, found.is_sure, found.sep_line),
                (delimiter, true, None)
            );
        }
        assert_eq!(cells(text.as_bytes()), expected);
    }
    // The user knows better.
    let chosen = TextChoice {
        delimiter: Some(Delimiter::Pipe),
        ..choice()
    };
    let (told, _) = tell(b"prompt,image_url\n", chosen);
    assert_eq!(told[0].1, ["prompt,image_url"]);
}

#[test]
fn a_line_for_excel_is_no_record_in_any_encoding() {
    let text = "sep=;\r\nprompt;image_url\r\na, b;x\r\n";
    for name in ["utf-8", "utf-16le", "utf-16be", "windows-1252"] {
        for mark in ["", "\u{feff}"] {
            if name == "windows-1252" && !mark.is_empty() {
                continue;
            }
            let bytes = encoded(&format!("{mark}{text}"), name);
            let (told, end) = tell(&bytes, choice());
            end.unwrap();
            let found: Vec<_> = told.iter().map(|(line, cells, _)| (*line, cells.len())).collect();
            assert_eq!(found, [(2, 2), (3, 2)], "{name} {mark:?}");
        }
    }
    // Whatever the user says about the delimiter: the line is no title.
    let chosen = TextChoice {
        delimiter: Some(Delimiter::Comma),
        ..choice()
    };
    let mut records = open(b"\"sep=;\"\nprompt,image_url\n", chosen).unwrap();
    let read_as = records.read_as().delimiter.unwrap();
    assert_eq!(
        (read_as.delimiter, read_as.sep_line),
        (Delimiter::Comma, Some(Delimiter::Semicolon))
    );
    let mut record = ByteRecord::new();
    assert!(records.next(&mut record).unwrap() && &record[0] == b"prompt");
    assert!(!records.next(&mut record).unwrap());
}

#[test]
fn quotes_count_at_the_beginning_of_a_cell_only() {
    for (row, expected) in [
        (r#""a ""big"" boat",x"#, ["a \"big\" boat", "x"]),
        (r#"a "big" boat,x"#, ["a \"big\" boat", "x"]),
        (r#"a boat," x""#, ["a boat", " x"]),
        (r#"a boat, "x""#, ["a boat", " \"x\""]),
        ("“a boat”,x", ["“a boat”", "x"]),
    ] {
        let text = format!("prompt,image_url\n{row}\n");
        assert_eq!(cells(text.as_bytes())[1], expected, "{row}");
    }
}

#[test]
fn an_unclosed_quote_is_found_where_it_opens() {
    let rows = |count| format!("{GOOD}\n").repeat(count);
    for (text, line) in [
        (format!("prompt,image_url\n{GOOD}\n{GOOD}\n\"a boat,https\n{GOOD}\n"), 4),
        (format!("prompt,image_url\n\"a\nb\",\"https\n{GOOD}"), 3),
        (format!("prompt,image_url\n{GOOD}\n\"a \"\"boat\"\",x"), 3),
        (format!("prompt;image_url\n\"a\nb\";\"https\n{GOOD}"), 3),
        (format!("prompt,image_url\n\"{GOOD}\n{}", rows(80_000)), 2),
        (format!("prompt,image_url\n\"{GOOD}\n{}\",x\n{GOOD}", rows(30_000)), 2),
        ("prompt,\"image_url\n".to_owned(), 1),
    ] {
        for name in ["utf-8", "utf-16le"] {
            let error = tell(&encoded(&text, name), choice()).1.unwrap_err();
            let ManifestError::UnclosedQuote { at: found, .. } = error else {
                panic!("{error}")
            };
            assert_eq!(found, Position::Line(line), "{}", &text[..40.min(text.len())]);
        }
    }
}

#[test]
fn a_row_without_end_stops_the_reading() {
    let text = format!("prompt,image_url\n{GOOD}\n{}", "x,".repeat(MOST_ROW_BYTES));
    let (told, end) = tell(text.as_bytes(), choice());
    assert_eq!(told.len(), 2);
    assert!(matches!(
        end,
        Err(ManifestError::RowTooLong {
            at: Position::Line(3),
            ..
        })
    ));
}

#[test]
fn bytes_that_are_no_text_spoil_their_own_row_only() {
    let heading = "the row is not text in the file's encoding";
    let asked = |name: &str| TextChoice {
        encoding: Some(name.parse().unwrap()),
        ..choice()
    };
    for (name, row, said) in [
        (
            "utf-8",
            &b"\"a\nb\xe9t\",x"[..],
            "byte 27 of the file, on line 4, is 0xe9, not UTF-8",
        ),
        ("gb18030", b"\"\xc9\xcf\n\xba\xa3\xff\",x", "on line 4, not GB18030"),
        ("gb18030", b"\xc9,x", "on line 3, not GB18030"),
        ("big5", b"\"\n\n\xa4\",x", "on line 5, not Big5"),
        ("shift-jis", b"\xfd,x", "on line 3, not Shift-JIS"),
        ("euc-kr", b"x,\xff", "on line 3, not EUC-KR"),
        // Nothing stands for this byte, so the encoding is another one.
        ("windows-1252", b"M\x81nchen,x", "on line 3, not Windows-1252"),
    ] {
        let bytes = [b"prompt,image_url\none,x\n", row, b"\ntwo,x\n"].concat();
        let (told, end) = tell(&bytes, asked(name));
        end.unwrap();
        let problems: Vec<_> = told.iter().map(|(.., problem)| problem.as_deref()).collect();
        assert_eq!(
            problems,
            [None, None, Some(&*format!("{heading}: {said}")), None],
            "{name}"
        );
        assert!(name != "utf-8" || bytes[27] == 0xe9);
    }
    // A pair of half characters is no text, though it is when the cells are put together.
    let (told, _) = tell(b"prompt,image_url\n\xe4\xb8,\x8a\n", asked("utf-8"));
    assert!(told[1].2.is_some());
    // An odd byte at the end, and half of a pair.
    let mut bytes = encoded("prompt,image_url\na,x\n\u{5e8},y\n", "utf-16le");
    bytes.extend_from_slice(b"z\0,\0\x00\xd8!");
    let (told, _) = tell(&bytes, asked("utf-16le"));
    assert_eq!(told[2].2, None);
    assert_eq!(
        told[3].2.as_deref(),
        Some(&*format!("{heading}: on line 4, not UTF-16LE"))
    );
}

#[test]
fn nul_bytes_are_placed() {
    for name in ["utf-8", "gb18030", "utf-16le"] {
        let bytes = encoded("prompt,image_url\na,x\n\"一\n\0\",x\nb,y\n", name);
        let chosen = TextChoice {
            encoding: Some(name.parse().unwrap()),
            ..choice()
        };
        let (told, _) = tell(&bytes, chosen);
        let problems: Vec<_> = told.iter().map(|(.., problem)| problem.as_deref()).collect();
        assert_eq!(
            problems,
            [None, None, Some("the row contains a NUL byte: on line 4"), None],
            "{name}"
        );
    }
}

#[test]
fn a_guess_is_told_and_a_wish_obeyed() {
    let bytes = encoded("prompt,image_url\n海边,x\n", "gb18030");
    let records = open(&bytes, choice()).unwrap();
    let read_as = records.read_as();
    assert_eq!((read_as.encoding, read_as.is_sure), (Encoding::GB18030, false));
    assert_eq!(read_as.sample.as_deref(), Some("海边,x"));
    let asked = TextChoice {
        encoding: Some(Encoding::BIG5),
        ..choice()
    };
    let records = open(&bytes, asked).unwrap();
    assert_eq!(
        (records.read_as().encoding, records.read_as().is_sure),
        (Encoding::BIG5, true)
    );
    let marked = TextChoice {
        encoding: Some(Encoding::BIG5),
        ..choice()
    };
    let records = open("\u{feff}prompt,image_url\n".as_bytes(), marked).unwrap();
    assert_eq!(records.read_as().overruled, Some(Encoding::BIG5));
    assert_eq!(
        (records.read_as().encoding, records.read_as().mark_bytes),
        (Encoding::UTF_8, 3)
    );
}

#[test]
fn names_of_columns_tell_encoding_and_delimiter_together() {
    let text = "春季短片;;\n提示词;图片链接;备注\n猫;https://img.example.org/1.png;\n";
    let bytes = encoded(text, "gb18030");
    let records = open(&bytes, choice()).unwrap();
    let read_as = records.read_as();
    assert_eq!((read_as.encoding, read_as.is_sure), (Encoding::GB18030, true));
    assert!(matches!(read_as.delimiter, Some(found) if found.delimiter == Delimiter::Semicolon && found.is_sure));
    assert_eq!(cells(&bytes)[1], ["提示词", "图片链接", "备注"]);
}

#[test]
fn utf32_is_refused_with_its_name() {
    let bytes: Vec<u8> = "prompt,image_url"
        .chars()
        .flat_map(|unit| u32::from(unit).to_be_bytes())
        .collect();
    let error = open(&bytes, choice()).unwrap_err();
    assert!(error.to_string().contains("text in UTF-32"), "{error}");
}

fn fingerprint(bytes: &[u8], choice: TextChoice<'_>) -> Fingerprint {
    let mut records = open(bytes, choice).unwrap();
    while records.next(&mut ByteRecord::new()).unwrap() {}
    records.fingerprint()
}

#[test]
fn two_readings_are_alike_unless_something_changed() {
    let text = "prompt,image_url\n一只小船;红色,x\n";
    let bytes = encoded(text, "gb18030");
    let first = fingerprint(&bytes, choice());
    assert_eq!(fingerprint(&bytes, choice()), first);
    let semicolon = TextChoice {
        delimiter: Some(Delimiter::Semicolon),
        ..choice()
    };
    assert_ne!(fingerprint(&bytes, semicolon), first);
    let other = TextChoice {
        encoding: Some(Encoding::BIG5),
        ..choice()
    };
    assert_ne!(fingerprint(&bytes, other), first);
    assert_ne!(
        fingerprint(&encoded(&text.replace("红", "蓝"), "gb18030"), choice()),
        first
    );
}

#[test]
fn files_of_lines_are_decoded_alike() {
    let text = "{\"prompt\":\"一只小船\"}\n{\"prompt\":\"海边\"}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.jsonl");
    for (name, mark, asked) in [
        ("utf-8", "", false),
        ("utf-8", "\u{feff}", false),
        ("utf-16le", "\u{feff}", false),
        ("utf-16be", "", false),
        ("gb18030", "", true),
    ] {
        fs::write(&path, encoded(&format!("{mark}{text}"), name)).unwrap();
        let encoding: Encoding = name.parse().unwrap();
        let file = File::open(&path).unwrap();
        let (mut reader, read_as) = open_lines(&path, file, asked.then_some(encoding)).unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, text, "{name}");
        assert_eq!(
            (read_as.encoding, read_as.is_sure, read_as.delimiter),
            (encoding, true, None)
        );
    }
}

/// Cells that are hard on a reader, but none blank: a row of blank cells is a blank line.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,5}", "[a\",\r\n\t' =]{0,6}x", "[一-十海船猫光]{0,4}x"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// In any encoding, with any delimiter and line end: the same cells on the same lines.
    #[test]
    fn every_table_is_read_as_it_was_written(
        table in proptest::collection::vec((proptest::collection::vec(cell(), 3), 0usize..3), 0..12),
        crlf in any::<bool>(),
        mark in any::<bool>(),
        delimiter in prop::sample::select(&Delimiter::ALL[..]),
        name in prop::sample::select(&["utf-8", "utf-16le", "utf-16be", "gb18030"][..]),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut bytes = if mark { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
        let mut expected = Vec::new();
        // Its names are in Chinese, so that one row is enough to know the encoding.
        let header = ["提示词", "图片链接", "notes"].map(str::to_owned).to_vec();
        for (cells, blank_lines) in std::iter::once(&(header, 0)).chain(&table) {
            for _ in 0..*blank_lines {
                bytes.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
            }
            let before = String::from_utf8(bytes.clone()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
            let line = 1 + before.matches('\n').count();
            expected.push((u32::try_from(line).unwrap(), cells.clone(), None));
            let mut writer = csv::WriterBuilder::new()
                .terminator(terminator)
                .delimiter(delimiter.byte())
                .from_writer(&mut bytes);
            writer.write_record(cells).unwrap();
            writer.flush().unwrap();
        }
        let bytes = encoded(&String::from_utf8(bytes).unwrap(), name);
        let (told, end) = tell(&bytes, choice());
        prop_assert!(end.is_ok());
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(
        prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'\0'), Just(b'a'), any::<u8>()], 0..60,
    ), with_header in any::<bool>()) {
        let mut file = if with_header { b"prompt,image_url\n".to_vec() } else { Vec::new() };
        file.extend(bytes);
        let first = tell(&file, choice());
        // Both readings come to the same, whatever it is.
        let second = tell(&file, choice());
        prop_assert_eq!(first.0, second.0);
        prop_assert_eq!(first.1.is_ok(), second.1.is_ok());
    }
}
