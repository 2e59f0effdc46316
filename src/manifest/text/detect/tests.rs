use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::io::Cursor;

use csv::ByteRecord;

use super::*;
use crate::manifest::text::delimiter::{Head, best_header_score};

/// Forty prompts each, written for this purpose, and what they are usually saved in.
const CORPUS: [(&str, &str, &[&str]); 9] = [
    ("zh-hans", include_str!("corpus/zh-hans.txt"), &["gb18030"]),
    ("zh-hant", include_str!("corpus/zh-hant.txt"), &["big5", "gb18030"]),
    ("ja", include_str!("corpus/ja.txt"), &["shift-jis", "euc-jp"]),
    ("ko", include_str!("corpus/ko.txt"), &["euc-kr"]),
    ("es", include_str!("corpus/es.txt"), &["windows-1252", "macintosh"]),
    ("de", include_str!("corpus/de.txt"), &["windows-1252", "macintosh"]),
    ("fr", include_str!("corpus/fr.txt"), &["windows-1252", "macintosh"]),
    ("pt", include_str!("corpus/pt.txt"), &["windows-1252", "macintosh"]),
    ("en", include_str!("corpus/en.txt"), &["windows-1252", "macintosh"]),
];

/// Languages that only the browser's detector knows.
const OTHERS: [(&str, &str, &[&str]); 7] = [
    (
        "cs",
        include_str!("corpus/others/cs.txt"),
        &["windows-1250", "iso-8859-2"],
    ),
    ("el", include_str!("corpus/others/el.txt"), &["windows-1253"]),
    (
        "hu",
        include_str!("corpus/others/hu.txt"),
        &["windows-1250", "iso-8859-2"],
    ),
    (
        "pl",
        include_str!("corpus/others/pl.txt"),
        &["windows-1250", "iso-8859-2"],
    ),
    ("ro", include_str!("corpus/others/ro.txt"), &["windows-1250"]),
    (
        "ru",
        include_str!("corpus/others/ru.txt"),
        &["windows-1251", "koi8-u", "ibm866"],
    ),
    ("tr", include_str!("corpus/others/tr.txt"), &["windows-1254"]),
];

/// What holds every language.
const UNIVERSAL: [&str; 3] = ["utf-8", "utf-16le", "gb18030"];

/// The bytes of a text in an encoding that can hold it.
fn encode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    if encoding == Encoding::UTF_16LE {
        return Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }
    if encoding == Encoding::UTF_16BE {
        return Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    let (bytes, _, has_unmappable) = encoding.inner().encode(text);
    (!has_unmappable).then(|| bytes.into_owned())
}

fn found(bytes: &[u8]) -> Detected {
    found_with(bytes, &[])
}

/// With a header of which these names are known.
fn found_with(bytes: &[u8], names: &[&str]) -> Detected {
    let score = |record: &ByteRecord| {
        let is_known = |cell: &&[u8]| names.iter().any(|name| name.as_bytes() == *cell);
        u32::try_from(record.iter().filter(is_known).count()).unwrap()
    };
    let header_score = |text: &str| {
        let head = Head {
            bytes: text.as_bytes(),
            is_whole: false,
        };
        best_header_score(&head, &score)
    };
    detect(&mut Cursor::new(bytes), None, &header_score).unwrap().unwrap()
}

fn manifest<'a>(header: &str, prompts: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = format!("{header}\n");
    for (number, prompt) in prompts.into_iter().enumerate() {
        writeln!(text, "\"{prompt}\",https://img.example.org/{number}.jpg").unwrap();
    }
    text
}

/// Pieces of a text that are as short as a title: a word, or some characters of a language without spaces.
fn words(text: &str) -> BTreeSet<String> {
    let is_break = |character: char| character.is_whitespace() || "，。、：,.;:¿?¡!“”…–".contains(character);
    let mut words = BTreeSet::new();
    for word in text.split(is_break).filter(|word| !word.is_ascii()) {
        let characters: Vec<char> = word.chars().collect();
        let is_spaced =
            characters.iter().any(char::is_ascii) || word.chars().any(|letter| ('가'..='힣').contains(&letter));
        let length = if is_spaced || characters.iter().all(|letter| *letter < '\u{2e80}') {
            usize::MAX
        } else {
            3
        };
        words.extend(
            characters
                .chunks(length.min(characters.len()))
                .map(|piece| piece.iter().collect::<String>()),
        );
    }
    words
}

/// Manifests of one length: a word, or so many rows.
fn manifests(text: &str, rows: usize) -> Vec<String> {
    const HEADER: &str = "prompt,image_url";
    let lines: Vec<&str> = text.lines().collect();
    match rows {
        0 => {
            let words = words(text);
            let some = words.iter().step_by(1 + words.len() / 100);
            some.map(|word| manifest(HEADER, [word.as_str()])).collect()
        }
        1..40 => lines
            .chunks_exact(rows.min(lines.len()))
            .map(|lines| manifest(HEADER, lines.iter().copied()))
            .collect(),
        _ => vec![manifest(HEADER, lines.iter().copied().cycle().take(rows))],
    }
}

#[derive(Default)]
struct Tally {
    tried: u32,
    right: u32,
    sure: u32,
    sure_and_wrong: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |count: u32| count * 100 / self.tried.max(1);
        write!(
            formatter,
            "{:>5}   {:>3} %  {:>3} %  {}",
            self.tried,
            share(self.right),
            share(self.sure),
            self.sure_and_wrong
        )
    }
}

impl Tally {
    fn add(&mut self, text: &str, encoding: Encoding) {
        let Some(bytes) = encode(text, encoding) else { return };
        let found = found(&bytes);
        assert_eq!(found.is_sure, found.sample.is_none());
        // Another encoding in which the bytes are the same text is as good.
        let (decoded, has_errors) = found.encoding.inner().decode_without_bom_handling(&bytes);
        let is_right = !has_errors && decoded == text;
        self.tried += 1;
        self.right += u32::from(is_right);
        self.sure += u32::from(found.is_sure);
        self.sure_and_wrong += u32::from(found.is_sure && !is_right);
    }
}

/// What is found, in how many cases, for each language, encoding and length. The figures are there for people who change
/// the evidence; what must not change is that the last column has zeros only.
#[test]
fn the_corpus_is_read_right_and_never_wrong_when_sure() {
    let mut table = String::from("language encoding     rows  tried   right   sure  sure and wrong\n");
    for (language, text, encodings) in CORPUS.iter().chain(&OTHERS) {
        let is_ours = CORPUS.iter().any(|(name, ..)| name == language);
        let universal = UNIVERSAL.iter().filter(|name| is_ours && !encodings.contains(name));
        for name in encodings.iter().chain(universal) {
            let encoding: Encoding = name.parse().unwrap();
            for rows in [0, 1, 10, 1_000].into_iter().filter(|rows| is_ours || *rows < 100) {
                let mut tally = Tally::default();
                for text in manifests(text, rows) {
                    tally.add(&text, encoding);
                }
                let length = if rows == 0 { "word".to_owned() } else { rows.to_string() };
                writeln!(table, "{language:8} {:12} {length:>4}  {tally}", encoding.to_string()).unwrap();
                assert_eq!(tally.sure_and_wrong, 0, "{table}");
                assert!(
                    tally.tried > 0 && (!is_ours || rows < 10 || tally.right == tally.tried),
                    "{table}"
                );
            }
        }
    }
    insta::assert_snapshot!(table);
}

/// The names of the columns are a better witness than any statistics: one row of one word is enough.
#[test]
fn a_header_that_is_known_settles_it() {
    for (header, word, encoding) in [
        ("时长,prompt,image_url", "猫", "gb18030"),
        ("時長,prompt,image_url", "海邊", "big5"),
        ("時長,prompt,image_url", "海邊", "gb18030"),
        ("プロンプト,画像", "海辺", "shift-jis"),
        ("説明,画像", "海辺", "euc-jp"),
        ("프롬프트,이미지", "바다", "euc-kr"),
        ("descripción,imagen", "niño", "windows-1252"),
        ("descripción,imagen", "niño", "macintosh"),
        ("durée;image;prompt", "été", "windows-1252"),
        ("prompt\timage\tauflösung", "Möwe", "windows-1252"),
        ("时长,prompt,image_url", "猫", "utf-8"),
    ] {
        let encoding: Encoding = encoding.parse().unwrap();
        let names: Vec<&str> = header.split([',', ';', '\t']).collect();
        // A title may stand above it, and the text may have a broken row.
        for title in ["", "my clips,\n\n"] {
            let mut bytes = encode(
                &format!("{title}{header}\n{word},https://img.example.org/1.jpg\n"),
                encoding,
            )
            .unwrap();
            let detected = found_with(&bytes, &names);
            assert_eq!(
                (detected.encoding, detected.is_sure),
                (encoding, true),
                "{header} {encoding}"
            );
            if !encoding.is_utf8() {
                let letters = header
                    .chars()
                    .chain(word.chars())
                    .filter(|letter| !letter.is_ascii())
                    .count();
                let unknown = found(&bytes);
                assert!(!unknown.is_sure || letters >= 8, "{header} {encoding}: {unknown:?}");
                bytes.extend_from_slice(b"\xff,https://img.example.org/2.jpg\n");
                let detected = found_with(&bytes, &names);
                assert_eq!(
                    (detected.encoding, detected.is_sure),
                    (encoding, true),
                    "{header} {encoding}"
                );
            }
        }
    }
}

#[test]
fn a_mark_decides_whatever_the_user_says() {
    let gb18030 = Some(Encoding::GB18030);
    for (bytes, asked, encoding, mark_bytes, overruled) in [
        (&b"\xef\xbb\xbfprompt"[..], None, Encoding::UTF_8, 3, None),
        (b"\xef\xbb\xbfprompt", gb18030, Encoding::UTF_8, 3, gb18030),
        (b"\xef\xbb\xbf\xff", Some(Encoding::UTF_8), Encoding::UTF_8, 3, None),
        (b"\xff\xfep\0", None, Encoding::UTF_16LE, 2, None),
        (b"\xfe\xff\0p", None, Encoding::UTF_16BE, 2, None),
        (b"\xfe\xff\0p", Some(Encoding::UTF_16LE), Encoding::UTF_16BE, 2, None),
        (b"\xfe\xff\0p", gb18030, Encoding::UTF_16BE, 2, gb18030),
        (b"\x84\x31\x95\x33\xb9\xfa", None, Encoding::GB18030, 4, None),
        (b"\xb9\xfa", Some(Encoding::BIG5), Encoding::BIG5, 0, None),
        (b"p\0r\0o\0", gb18030, Encoding::GB18030, 0, None),
    ] {
        let detected = detect(&mut Cursor::new(bytes), asked, &|_| 0).unwrap().unwrap();
        let expected = Detected {
            mark_bytes,
            overruled,
            ..Detected::sure(encoding)
        };
        assert_eq!(detected, expected, "{bytes:?}");
    }
}

#[test]
fn what_needs_no_guess_is_sure() {
    for (bytes, encoding) in [
        (&b""[..], Encoding::UTF_8),
        (b"prompt,image_url\n", Encoding::UTF_8),
        (b"prompt,image_url\na boat \0,x\n", Encoding::UTF_8),
        (b"prompt\n\x1b$B3$\x1b(B\n", Encoding::of(ISO_2022_JP)),
        (b"prompt\n\x1b[31mred\n", Encoding::UTF_8),
    ] {
        assert_eq!(found(bytes), Detected::sure(encoding), "{bytes:?}");
    }
    for bytes in [
        &b"\xff\xfe\0\0p\0\0\0"[..],
        b"\0\0\xfe\xff\0\0\0p",
        b"p\0\0\0,\0\0\0",
        b"\0\0\0p\0\0\0,",
    ] {
        assert!(
            detect(&mut Cursor::new(bytes), None, &|_| 0).unwrap().is_none(),
            "{bytes:?}"
        );
    }
}

#[test]
fn one_foreign_note_at_the_end_of_a_long_sheet_is_found() {
    let english = manifest(
        "prompt,image_url",
        ["A boat leaves the harbour, slow pan"].repeat(50_000),
    );
    for encoding in [Encoding::GB18030, Encoding::UTF_8, Encoding::BIG5] {
        let mut bytes = english.clone().into_bytes();
        bytes.extend(encode("風平浪靜的海面上有一艘小船，夕陽西下", encoding).unwrap());
        let detected = found(&bytes);
        assert_eq!((detected.encoding, detected.is_sure), (encoding, true));
    }
}

/// Cut in the middle of a character by a program that counts bytes, or pasted from another file.
#[test]
fn broken_rows_do_not_change_the_reading_of_the_others() {
    for (language, name) in [
        ("zh-hans", "gb18030"),
        ("zh-hant", "big5"),
        ("ja", "shift-jis"),
        ("ko", "euc-kr"),
        ("zh-hans", "utf-8"),
    ] {
        let (_, text, _) = CORPUS.iter().find(|(known, ..)| *known == language).unwrap();
        let encoding: Encoding = name.parse().unwrap();
        let mut bytes = encode(&manifest("prompt,image_url", text.lines()), encoding).unwrap();
        let broken = encode(&text[..3], encoding).unwrap();
        bytes.extend_from_slice(&broken[..1]);
        bytes.extend_from_slice(b",https://img.example.org/40.jpg\n");
        let detected = found(&bytes);
        assert_eq!((detected.encoding, detected.is_sure), (encoding, true), "{name}");
    }
}

#[test]
fn files_that_were_joined_are_never_read_wrong_without_a_warning() {
    let (_, text, _) = CORPUS[0];
    let in_utf8 = manifest("prompt,image_url", text.lines().take(20)).into_bytes();
    let in_gb18030 = encode(&manifest("prompt,image_url", text.lines().skip(20)), Encoding::GB18030).unwrap();
    // In UTF-8 the other rows are errors; the other way round they would be mere nonsense.
    for bytes in [
        [&in_utf8[..], &in_gb18030].concat(),
        [&in_gb18030[..], &in_utf8].concat(),
    ] {
        assert_eq!(found(&bytes), Detected::sure(Encoding::UTF_8));
    }
    // One row in UTF-8 among many makes no file in UTF-8, and is reason enough to doubt.
    let row = "一只小船缓缓驶出薄雾,https://img.example.org/1.jpg\n".as_bytes();
    let mostly = [&in_gb18030[..], row].concat();
    let detected = found(&mostly);
    assert_eq!((detected.encoding, detected.is_sure), (Encoding::GB18030, false));
}

#[test]
fn a_guess_comes_with_a_sample_that_is_safe_to_show() {
    let english = "a boat \u{1b}[31m in the harbour of a town that nobody knows, ".repeat(3);
    let bytes = encode(
        &format!("{english}\nprompt\n{english}Cádiz \u{1b}[0m{english}\n"),
        Encoding::WINDOWS_1252,
    )
    .unwrap();
    let detected = found(&bytes);
    assert!(!detected.is_sure);
    let sample = detected.sample.unwrap();
    assert!(
        sample.starts_with("…ody knows, Cádiz \\u{1b}[0ma boat") && sample.ends_with('…'),
        "{sample}"
    );
    assert!(sample.chars().count() < 80);
}
