//! Workbooks of all kinds, read from end to end.

mod ends;
mod foreign;
mod formats;
mod hostile;
mod like_calamine;
mod mutations;
mod ods;
mod sheets;
#[expect(clippy::cast_possible_truncation, reason = "what is put together here is small")]
mod xls;
#[expect(clippy::cast_possible_truncation, reason = "what is put together here is small")]
mod xlsb;
mod xlsx;

use std::fs::File;
use std::io::{Cursor, Seek, Write};

use csv::ByteRecord;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::manifest::Fingerprint;
use crate::manifest::workbook::choose::Choice;
use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::records::{CellNote, Remarks, SheetRecords};

/// A zip archive of parts with names and content.
fn archive<'p>(parts: impl IntoIterator<Item = (&'p str, &'p [u8])>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// An XLSX file in the making: its parts as XML.
#[derive(Debug, Clone)]
struct Xlsx {
    parts: Vec<(String, String)>,
}

const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

impl Xlsx {
    /// One sheet with these rows, and what stands behind them.
    fn with_rows(rows: &str, behind: &str) -> Xlsx {
        Xlsx::with_sheets(&[("Sheet1", "", &format!("<sheetData>{rows}</sheetData>{behind}"))])
    }

    /// Sheets by name, the attributes with which the workbook lists them, and content.
    fn with_sheets(sheets: &[(&str, &str, &str)]) -> Xlsx {
        let (mut list, mut ways) = (String::new(), String::new());
        let mut xlsx = Xlsx { parts: Vec::new() };
        for (number, (name, attributes, content)) in (1..).zip(sheets) {
            list.push_str(&format!(
                r#"<sheet name="{name}" sheetId="{number}" {attributes} r:id="rId{number}"/>"#
            ));
            ways.push_str(&way(
                &format!("rId{number}"),
                "worksheet",
                &format!("worksheets/sheet{number}.xml"),
            ));
            xlsx = xlsx.part(
                &format!("xl/worksheets/sheet{number}.xml"),
                &format!("<worksheet xmlns:r=\"{RELATIONSHIPS}\">{content}</worksheet>"),
            );
        }
        for (id, kind) in [("strings", "sharedStrings"), ("styles", "styles")] {
            ways.push_str(&way(id, kind, &format!("{kind}.xml")));
        }
        xlsx.part(
            "_rels/.rels",
            &ways_of(&way("rId1", "officeDocument", "xl/workbook.xml")),
        )
        .part(
            "xl/workbook.xml",
            &format!("<workbook xmlns:r=\"{RELATIONSHIPS}\"><workbookPr/><sheets>{list}</sheets></workbook>"),
        )
        .part("xl/_rels/workbook.xml.rels", &ways_of(&ways))
    }

    /// Adds a part, or puts another in its place.
    fn part(mut self, name: &str, content: &str) -> Xlsx {
        self.parts.retain(|(other, _)| other != name);
        self.parts.push((name.to_owned(), content.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Xlsx {
        self.parts.retain(|(other, _)| other != name);
        self
    }

    /// The table of shared texts, each as the content of its element.
    fn texts(self, texts: &[&str]) -> Xlsx {
        let items: String = texts.iter().map(|text| format!("<si>{text}</si>")).collect();
        self.part("xl/sharedStrings.xml", &format!("<sst>{items}</sst>"))
    }

    /// Styles of cells by the numbers of their formats, and formats of one's own.
    fn styles(self, ids: &[u32], codes: &[(u32, &str)]) -> Xlsx {
        let codes: String = codes
            .iter()
            .map(|(id, code)| format!(r#"<numFmt numFmtId="{id}" formatCode="{code}"/>"#))
            .collect();
        let styles: String = ids.iter().map(|id| format!(r#"<xf numFmtId="{id}"/>"#)).collect();
        let named = r#"<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>"#;
        self.part(
            "xl/styles.xml",
            &format!("<styleSheet><numFmts>{codes}</numFmts>{named}<cellXfs>{styles}</cellXfs></styleSheet>"),
        )
    }

    fn bytes(&self) -> Vec<u8> {
        archive(
            self.parts
                .iter()
                .map(|(name, content)| (name.as_str(), content.as_bytes())),
        )
    }

    fn read(&self) -> Reading {
        read(&self.bytes()).unwrap()
    }
}

/// One reference from a part to another.
fn way(id: &str, kind: &str, target: &str) -> String {
    format!(r#"<Relationship Id="{id}" Type="{RELATIONSHIPS}/{kind}" Target="{target}"/>"#)
}

fn ways_of(ways: &str) -> String {
    format!("<Relationships>{ways}</Relationships>")
}

/// What came out of a workbook.
#[derive(Debug)]
struct Reading {
    /// Each row with its number and its cells, and what is noted about them.
    rows: Vec<String>,
    remarks: Remarks,
    fingerprint: Fingerprint,
}

/// Reads a workbook as a manifest is read whose header names a column `prompt`.
fn read(bytes: &[u8]) -> Result<Reading, WorkbookError> {
    read_sheet(bytes, None, false)
}

fn read_sheet(bytes: &[u8], sheet: Option<&str>, hidden_rows: bool) -> Result<Reading, WorkbookError> {
    let choice = Choice {
        sheet,
        hidden_rows,
        is_header: &|record| record.iter().any(|cell| cell == b"prompt"),
    };
    let mut records = SheetRecords::open(file_of(bytes), choice)?;
    assert_eq!(
        (records.line(), records.note(0), records.picture_in_row()),
        (0, None, None)
    );
    let mut rows = Vec::new();
    let mut record = ByteRecord::new();
    while records.next(&mut record)? {
        rows.push(shown(&records, &record));
    }
    assert!(!records.next(&mut record)?, "the end stays the end");
    Ok(Reading {
        rows,
        remarks: records.remarks(),
        fingerprint: records.fingerprint(),
    })
}

fn shown(records: &SheetRecords, record: &ByteRecord) -> String {
    let cells: Vec<&str> = record.iter().map(|cell| std::str::from_utf8(cell).unwrap()).collect();
    let mut text = format!("{}: {}", records.line(), cells.join("|"));
    for column in 0..record.len() + 3 {
        let note = match records.note(column) {
            Some(CellNote::Link(target)) => format!("→{target}"),
            Some(CellNote::Error(error)) => format!("!{error}"),
            Some(CellNote::NoStoredValue) => "no value".to_owned(),
            Some(CellNote::Picture) => "picture".to_owned(),
            None => continue,
        };
        text.push_str(&format!(" [{column} {note}]"));
    }
    if let Some(column) = records.picture_in_row() {
        text.push_str(&format!(" (picture {column})"));
    }
    text
}
