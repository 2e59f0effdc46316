//! XLSB: records put together by hand, as the standard describes them.

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::tests::{archive, read, read_sheet, way, ways_of};

/// One record.
fn record(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if kind < 0x80 {
        bytes.push(kind as u8);
    } else {
        bytes.extend([kind as u8 | 0x80, (kind >> 7) as u8]);
    }
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut bytes = (units.len() as u32).to_le_bytes().to_vec();
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn cell(kind: u16, column: u32, style: u32, value: &[u8]) -> Vec<u8> {
    record(kind, &[&words(&[column, style]), value].concat())
}

fn row(number: u32, is_hidden: bool) -> Vec<u8> {
    let mut content = words(&[number, 0]);
    // Height, and flags, of which one says that it has none.
    content.extend([0, 0, 0, if is_hidden { 0x10 } else { 0 }, 0]);
    content.extend(words(&[0]));
    record(0, &content)
}

/// A workbook with one sheet of these records between those around its rows.
pub(super) fn xlsb(rows: &[Vec<u8>], behind: &[Vec<u8>]) -> Vec<u8> {
    let sheet = [
        record(129, &[]),
        record(147, &[0; 23]),
        record(148, &words(&[0, 9, 0, 9])),
        record(145, &[]),
        rows.concat(),
        record(146, &[]),
        behind.concat(),
        record(130, &[]),
    ];
    let workbook = [
        record(131, &[]),
        record(153, &[words(&[0, 0]), wide("")].concat()),
        record(143, &[]),
        record(156, &[words(&[1, 1]), wide("rId9"), wide("Secret")].concat()),
        record(156, &[words(&[0, 2]), wide("rId1"), wide("Sheet1")].concat()),
        record(144, &[]),
        record(157, &[0; 26]),
        record(132, &[]),
    ];
    let styles = [
        record(278, &[]),
        record(615, &words(&[1])),
        record(44, &[&164_u16.to_le_bytes()[..], &wide("yyyy-mm-dd")].concat()),
        record(616, &[]),
        record(626, &words(&[1])),
        record(47, &[0xff, 0xff, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        record(627, &[]),
        record(617, &words(&[2])),
        record(47, &[0; 16]),
        record(47, &[0, 0, 164, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        record(618, &[]),
    ];
    let texts = [
        record(159, &words(&[2, 2])),
        record(19, &[&[0][..], &wide("first")].concat()),
        record(19, &[&[1][..], &wide("東京 🗼"), &words(&[0, 0])].concat()),
        record(160, &[]),
    ];
    let ways = [
        way("rId1", "worksheet", "worksheets/sheet1.bin"),
        way("rId9", "worksheet", "worksheets/sheet9.bin"),
        way("rId2", "styles", "styles.bin"),
        way("rId3", "sharedStrings", "sharedStrings.bin"),
    ];
    archive([
        (
            "_rels/.rels",
            ways_of(&way("rId1", "officeDocument", "xl/workbook.bin")).as_bytes(),
        ),
        ("xl/workbook.bin", workbook.concat().as_slice()),
        ("xl/_rels/workbook.bin.rels", ways_of(&ways.concat()).as_bytes()),
        ("xl/styles.bin", styles.concat().as_slice()),
        ("xl/sharedStrings.bin", texts.concat().as_slice()),
        ("xl/worksheets/sheet1.bin", sheet.concat().as_slice()),
        (
            "xl/worksheets/_rels/sheet1.bin.rels",
            ways_of(&way("rId5", "hyperlink", "https://x.example/a.png")).as_bytes(),
        ),
    ])
}

/// One row with a value of each kind.
pub(super) fn of_all_kinds() -> Vec<Vec<u8>> {
    let given = |value: &[u8]| [value, &[0, 0], &words(&[0, 0])].concat();
    vec![
        row(2, false),
        cell(1, 0, 0, &[]),
        cell(2, 1, 0, &words(&[6 << 2 | 2])),
        cell(2, 2, 0, &words(&[1_250 << 2 | 3])),
        cell(5, 3, 0, &(0.1_f64 + 0.2).to_le_bytes()),
        cell(5, 4, 1, &46_349_f64.to_le_bytes()),
        cell(4, 5, 0, &[1]),
        cell(6, 6, 0, &wide("in line")),
        cell(7, 7, 0, &words(&[1])),
        cell(8, 8, 0, &given(&wide("given"))),
        cell(9, 9, 0, &given(&2.5_f64.to_le_bytes())),
        cell(10, 10, 0, &given(&[0])),
        cell(3, 11, 0, &[0x2a]),
    ]
}

#[test]
fn values_of_all_kinds() {
    let mut rows = of_all_kinds();
    rows.extend([
        cell(11, 12, 0, &[0x07, 0, 0, 0, 0, 0, 0]),
        cell(62, 13, 0, &[&[1][..], &wide("rich")].concat()),
    ]);
    let reading = read(&xlsb(&rows, &[])).unwrap();
    assert_eq!(
        reading.rows,
        ["3: |6|12.5|0.3|2026-11-23|TRUE|in line|東京 🗼|given|2.5|FALSE|#N/A|#DIV/0!|rich [11 !#N/A] [12 !#DIV/0!]"]
    );
    assert_eq!(&*reading.remarks.sheet, "Sheet1");
    assert!(!reading.remarks.sheets[0].is_visible);
}

#[test]
fn hidden_rows_merged_cells_and_links() {
    let rows: Vec<Vec<u8>> = (0..4)
        .flat_map(|number| {
            [
                row(number, number == 1),
                cell(7, 0, 0, &words(&[0])),
                cell(6, 1, 0, &wide(&format!("b{number}"))),
            ]
        })
        .collect();
    let behind = [
        record(177, &words(&[1])),
        record(176, &words(&[0, 2, 1, 1])),
        record(178, &[]),
        record(
            494,
            &[words(&[3, 3, 0, 1]), wide("rId5"), wide(""), wide(""), wide("")].concat(),
        ),
        record(494, &words(&[3])),
    ];
    let bytes = xlsb(&rows, &behind);
    assert_eq!(
        read(&bytes).unwrap().rows,
        [
            "1: first|b0",
            "3: first|b0",
            "4: first|b3 [0 →https://x.example/a.png] [1 →https://x.example/a.png]"
        ]
    );
    assert_eq!(read_sheet(&bytes, None, true).unwrap().rows[1], "2: first|b0");
}

#[test]
fn damage_is_named() {
    let short = xlsb(&[row(0, false), record(5, &words(&[0, 0]))], &[]);
    let error = read(&short).unwrap_err().to_string();
    assert!(error.contains("sheet1.bin") && error.contains("too short"), "{error}");
    let lost = xlsb(&[row(0, false), cell(7, 0, 0, &words(&[77]))], &[]);
    let error = read(&lost).unwrap_err().to_string();
    assert!(
        error.contains("near row 1") && error.contains("table of texts"),
        "{error}"
    );
    // A record that claims 256 MB.
    let claims = xlsb(&[vec![0x06, 0xff, 0xff, 0xff, 0x7f]], &[]);
    assert!(matches!(read(&claims), Err(WorkbookError::TooLarge(_))));
}
