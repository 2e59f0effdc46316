//! Files that want more than a manifest can need, and broken ones.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::manifest::MOST_ROW_BYTES;
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::MOST_RANGES;
use crate::manifest::workbook::tests::{Xlsx, read, way, ways_of};

fn failure(xlsx: &Xlsx) -> WorkbookError {
    read(&xlsx.bytes()).unwrap_err()
}

fn excess(xlsx: &Xlsx) -> Excess {
    match failure(xlsx) {
        WorkbookError::TooLarge(excess) => excess,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_text_of_many_megabytes() {
    let long = "x".repeat(MOST_ROW_BYTES + 1_000_000);
    let in_cell = format!(r#"<row r="1"><c r="A1" t="inlineStr"><is><t>{long}</t></is></c></row>"#);
    assert!(matches!(excess(&Xlsx::with_rows(&in_cell, "")), Excess::Token(_)));
    let of_number = |number: usize| format!(r#"<row r="1"><c r="A1" t="s"><v>{number}</v></c></row>"#);
    let shared = |text: &str| Xlsx::with_rows(&of_number(1), "").texts(&[text, "<t>short</t>"]);
    assert!(matches!(excess(&shared(&format!("<t>{long}</t>"))), Excess::Token(_)));
    // In pieces, of which each is allowed: harmless where nobody looks, and an error in a row.
    let piece = "x".repeat(MOST_ROW_BYTES / 4);
    let pieces = format!("<r><t>{piece}</t></r>").repeat(9);
    assert_eq!(shared(&pieces).read().rows, ["1: short"]);
    let used = Xlsx::with_rows(&of_number(0), "").texts(&[&pieces]);
    assert_eq!(
        failure(&used).to_string(),
        format!("row 1 of sheet `Sheet1` has more than {MOST_ROW_BYTES} bytes")
    );
}

#[test]
fn a_text_that_stands_in_every_cell() {
    let text = "x".repeat(1 << 20);
    let rows: String = (1..=1_100)
        .map(|row| format!(r#"<row r="{row}"><c t="s"><v>0</v></c></row>"#))
        .collect();
    let xlsx = Xlsx::with_rows(&rows, "").texts(&[&format!("<t>{text}</t>")]);
    assert_eq!(excess(&xlsx), Excess::Text);
}

#[test]
fn elements_without_end() {
    let nested = "<a>".repeat(100_000);
    for (part, content) in [
        ("xl/workbook.xml", nested.clone()),
        ("xl/sharedStrings.xml", format!("<sst><si><t>{nested}")),
        (
            "xl/worksheets/sheet1.xml",
            format!("<worksheet><sheetData><row>{nested}"),
        ),
        ("xl/worksheets/sheet1.xml", format!("<worksheet><sheetData/>{nested}")),
        ("_rels/.rels", nested.clone()),
    ] {
        let xlsx = Xlsx::with_rows("", "").part(part, &content);
        // A workbook that does not even begin as one is found out earlier.
        let error = failure(&xlsx);
        assert!(
            matches!(
                error,
                WorkbookError::TooLarge(Excess::Depth(_)) | WorkbookError::Foreign(_)
            ),
            "{part}: {error:?}"
        );
    }
}

#[test]
fn entities_that_unfold() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]>";
    for part in [
        "_rels/.rels",
        "xl/workbook.xml",
        "xl/sharedStrings.xml",
        "xl/worksheets/sheet1.xml",
    ] {
        let rows = "<row r='1'><c r='A1' t='s'><v>0</v></c></row>";
        let xlsx = Xlsx::with_rows(rows, "").texts(&["<t>@</t>"]);
        let content = &xlsx.parts.iter().find(|(name, _)| name == part).unwrap().1;
        let content = format!("{bomb}{}", content.replace('@', "&b;"));
        let error = failure(&xlsx.part(part, &content));
        assert!(
            matches!(&error, WorkbookError::DocumentType { part: found } if &**found == part),
            "{part}: {error:?}"
        );
    }
}

#[test]
fn cells_far_away_are_harmless() {
    let rows = r#"<row r="1"><c r="A1"><v>1</v></c><c r="XFD1" s="3"/></row>
                  <row r="1048576"><c r="XFD1048576" s="1"/></row>"#;
    let reading = Xlsx::with_rows(rows, "").read();
    assert_eq!(reading.rows, ["1: 1"]);
    let rows = r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="ZZZZZZ1048576"><v>2</v></c></row>"#;
    assert_eq!(Xlsx::with_rows(rows, "").read().rows, ["1: 1"]);
    assert_eq!(
        excess(&Xlsx::with_rows(
            "<row r='1048577'><c r='A1048577'><v>1</v></c></row>",
            ""
        )),
        Excess::Rows
    );
    assert_eq!(
        excess(&Xlsx::with_rows("<row r='4294967295'><c><v>1</v></c></row>", "")),
        Excess::Rows
    );
    for (rows, place) in [
        (
            "<row r='99999999999'><c><v>1</v></c></row>",
            "no row can be at `99999999999`",
        ),
        ("<row r='1'><c r='A0'><v>1</v></c></row>", "no cell can be at `A0`"),
        ("<row r='1'><c r='R1C1'><v>1</v></c></row>", "no cell can be at `R1C1`"),
        ("<row r='0'><c><v>1</v></c></row>", "row 0 comes after row 0"),
    ] {
        let error = failure(&Xlsx::with_rows(rows, "")).to_string();
        assert!(error.ends_with(place), "{error}");
    }
}

#[test]
fn empty_rows_with_styles_are_blank() {
    let rows: String = (2..=200_000)
        .map(|row| format!(r#"<row r="{row}" s="4" customFormat="1"><c r="A{row}" s="4"/></row>"#))
        .collect();
    let reading = Xlsx::with_rows(&format!("<row r='1'><c><v>1</v></c></row>{rows}"), "").read();
    assert_eq!(reading.rows, ["1: 1"]);
    assert_eq!(reading.remarks.tally.blank.count, 199_999);
}

#[test]
fn what_a_file_says_about_its_size_is_not_believed() {
    let rows = "<row r='1' spans='1:999999'><c r='A1' t='s'><v>0</v></c></row>";
    let xlsx = Xlsx::with_rows(rows, "<mergeCells count='4294967295'/><hyperlinks count='-1'/>").part(
        "xl/sharedStrings.xml",
        "<sst count='18446744073709551615' uniqueCount='18446744073709551615'><si><t>a</t></si></sst>",
    );
    assert_eq!(xlsx.read().rows, ["1: a"]);
}

#[test]
fn more_ranges_than_any_program_writes() {
    let rows = "<row r='1'><c><v>1</v></c></row>";
    let behind = "<mergeCell ref=\"A1:B9\"/>".repeat(MOST_RANGES + 1);
    assert_eq!(excess(&Xlsx::with_rows(rows, &behind)), Excess::Ranges);
    let behind = "<hyperlink ref=\"A1:XFD1048576\" r:id=\"a\"/>".repeat(5_000);
    let ways = ways_of(&way("a", "hyperlink", "https://x.example"));
    let xlsx = Xlsx::with_rows(rows, &behind).part("xl/worksheets/_rels/sheet1.xml.rels", &ways);
    assert_eq!(xlsx.read().rows, ["1: 1 [0 →https://x.example]"]);
}

#[test]
fn broken_files_are_damaged() {
    let xlsx = Xlsx::with_rows("<row r='1'><c r='A1' t='s'><v>0</v></c></row>", "").texts(&["<t>a</t>"]);
    for part in ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"] {
        let error = failure(&xlsx.clone().without(part));
        assert!(matches!(error, WorkbookError::Damaged { .. }), "{part}: {error:?}");
    }
    for (part, content) in [
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet><sheetData><row r='1'><c r='A1'><v>1",
        ),
        ("xl/worksheets/sheet1.xml", "<worksheet><dimension/></worksheet>"),
        ("xl/worksheets/sheet1.xml", "<worksheet><sheetData><row <c>"),
        ("xl/worksheets/sheet1.xml", ""),
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet><sheetData><row r='1'><c t='s'><v>x</v></c></row></sheetData>",
        ),
        ("xl/sharedStrings.xml", "<sst><si><t>&unknown;</t></si></sst>"),
        ("xl/sharedStrings.xml", "<sst><si><t>&#xD800;</t></si></sst>"),
    ] {
        let error = failure(&xlsx.clone().part(part, content));
        assert!(matches!(error, WorkbookError::Damaged { .. }), "{content}: {error:?}");
    }
    let whole = xlsx.bytes();
    for length in [4, 30, whole.len() / 2, whole.len() - 30, whole.len() - 1] {
        let error = read(&whole[..length]).unwrap_err();
        assert!(matches!(error, WorkbookError::Damaged { .. }), "{length}: {error:?}");
        assert!(error.help().unwrap().contains("save it anew"));
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let bytes = Xlsx::with_rows("<row r='1'><c t='str'><v>@@</v></c></row>", "").bytes();
    // Parts are stored as they are, to be changed below the checksum's eyes.
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut part, &mut content).unwrap();
        if let Some(at) = memchr::memmem::find(&content, b"@@") {
            content[at..at + 2].copy_from_slice(b"\xc3\x28");
        }
        zip.start_file(part.name().unwrap(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(&content).unwrap();
    }
    let error = read(zip.finish().unwrap().get_ref()).unwrap_err().to_string();
    assert!(error.contains("not UTF-8"), "{error}");
}

#[test]
fn a_checksum_that_does_not_fit() {
    let mut bytes = Xlsx::with_rows("<row r='1'><c><v>1</v></c></row>", "").bytes();
    // The checksum stands in the directory, twelve bytes before the length of the name there is one.
    let name = b"xl/worksheets/sheet1.xml";
    let at = memchr::memmem::rfind(&bytes, name).unwrap() - 46 + 16;
    bytes[at] ^= 1;
    let error = read(&bytes).unwrap_err();
    assert!(matches!(error, WorkbookError::Damaged { .. }), "{error:?}");
}

#[test]
fn encrypted_parts_need_a_password() {
    let mut bytes = Xlsx::with_rows("<row r='1'><c><v>1</v></c></row>", "").bytes();
    let headers: Vec<usize> = [&b"PK\x03\x04"[..], b"PK\x01\x02"]
        .iter()
        .flat_map(|signature| memchr::memmem::find_iter(&bytes, signature).collect::<Vec<_>>())
        .collect();
    for at in headers {
        let flags = if bytes[at + 2] == 3 { at + 6 } else { at + 8 };
        bytes[flags] |= 1;
    }
    let error = read(&bytes).unwrap_err();
    assert!(matches!(error, WorkbookError::Protected), "{error:?}");
    assert_eq!(error.to_string(), "the workbook is protected with a password");
}
