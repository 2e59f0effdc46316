//! XLS: records in a compound file, both put together by hand.

use crate::manifest::workbook::error::{Foreign, WorkbookError};
use crate::manifest::workbook::tests::{read, read_sheet};

const FREE: u32 = 0xffff_ffff;
const END: u32 = 0xffff_fffe;

/// A compound file with streams by name, each in sectors of its own, the shorter ones in small sectors.
pub(super) fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    const SECTOR: usize = 512;
    const SMALL: usize = 64;
    let mut small: Vec<u8> = Vec::new();
    let mut small_chains: Vec<u32> = Vec::new();
    let mut sectors: Vec<u8> = Vec::new();
    let mut chains: Vec<u32> = Vec::new();
    let chain = |chains: &mut Vec<u32>, count: usize| {
        let first = chains.len() as u32;
        chains.extend((1..count as u32).map(|next| first + next));
        chains.push(END);
        first
    };
    let padded = |content: &[u8], size: usize| {
        let mut content = content.to_vec();
        content.resize(content.len().next_multiple_of(size).max(size), 0);
        content
    };
    let mut places = Vec::new();
    for (_, content) in streams {
        places.push(if content.len() < 4_096 {
            let content = padded(content, SMALL);
            small.extend_from_slice(&content);
            chain(&mut small_chains, content.len() / SMALL)
        } else {
            let content = padded(content, SECTOR);
            sectors.extend_from_slice(&content);
            chain(&mut chains, content.len() / SECTOR)
        });
    }
    let mut add = |content: &[u8]| {
        let content = padded(content, SECTOR);
        sectors.extend_from_slice(&content);
        chain(&mut chains, content.len() / SECTOR)
    };
    let small_first = add(&small);
    small_chains.resize(small_chains.len().next_multiple_of(SECTOR / 4), FREE);
    let small_table: Vec<u8> = small_chains.iter().flat_map(|next| next.to_le_bytes()).collect();
    let small_table_first = add(&small_table);
    let entry = |name: &str, kind: u8, right: u32, child: u32, first: u32, bytes: usize| {
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        entry.resize(64, 0);
        entry.extend((name.len() as u16 * 2 + 2).to_le_bytes());
        entry.extend([kind, 1]);
        entry.extend([FREE, right, child].into_iter().flat_map(u32::to_le_bytes));
        entry.resize(116, 0);
        entry.extend(first.to_le_bytes());
        entry.extend((bytes as u64).to_le_bytes());
        entry
    };
    let mut directory = entry("Root Entry", 5, FREE, 1, small_first, small.len());
    for (at, ((name, content), first)) in streams.iter().zip(places).enumerate() {
        let right = if at + 1 < streams.len() { at as u32 + 2 } else { FREE };
        directory.extend(entry(name, 2, right, FREE, first, content.len()));
    }
    let directory_first = add(&directory);
    let table_sectors = (chains.len() + 8).div_ceil(SECTOR / 4);
    let table_first = chains.len() as u32;
    chains.extend(vec![0xffff_fffd; table_sectors]);
    chains.resize(table_sectors * SECTOR / 4, FREE);
    sectors.extend(chains.iter().flat_map(|next| next.to_le_bytes()));

    let mut header = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    header.resize(24, 0);
    header.extend([0x3e, 0, 3, 0, 0xfe, 0xff, 9, 0, 6, 0]);
    header.resize(44, 0);
    for word in [table_sectors as u32, directory_first, 0, 4_096, small_table_first] {
        header.extend(word.to_le_bytes());
    }
    header.extend(((small_table.len() / SECTOR) as u32).to_le_bytes());
    header.extend([END, 0].into_iter().flat_map(u32::to_le_bytes));
    header.extend((table_first..table_first + table_sectors as u32).flat_map(u32::to_le_bytes));
    while header.len() < SECTOR {
        header.extend(FREE.to_le_bytes());
    }
    header.extend(sectors);
    header
}

fn record(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = [kind.to_le_bytes(), (content.len() as u16).to_le_bytes()].concat();
    bytes.extend_from_slice(content);
    bytes
}

fn halves(halves: &[u16]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).collect()
}

/// Text in one byte a character if it can be, else in two.
fn text(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut bytes = (units.len() as u16).to_le_bytes().to_vec();
    if units.iter().all(|unit| *unit < 0x100) {
        bytes.push(0);
        bytes.extend(units.iter().map(|unit| *unit as u8));
    } else {
        bytes.push(1);
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    }
    bytes
}

fn cell(kind: u16, row: u16, column: u16, style: u16, value: &[u8]) -> Vec<u8> {
    record(kind, &[&halves(&[row, column, style]), value].concat())
}

fn row(number: u16, is_hidden: bool) -> Vec<u8> {
    let flags = if is_hidden { 0x120 } else { 0x100 };
    record(0x0208, &halves(&[number, 0, 9, 255, 0, 0, flags, 15]))
}

/// Eight bytes in the place of a formula's number.
fn given(kind: u8, value: u8) -> Vec<u8> {
    vec![kind, 0, value, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]
}

const BEGIN_WORKBOOK: [u16; 4] = [0x0600, 5, 0x1234, 1997];
const BEGIN_SHEET: [u16; 4] = [0x0600, 0x10, 0x1234, 1997];

/// The stream of a workbook of one sheet, with these records of its own before the table of texts.
pub(super) fn stream(globals: &[Vec<u8>], texts: &[Vec<u8>], sheet: &[Vec<u8>]) -> Vec<u8> {
    let before = [
        record(0x0809, &halves(&BEGIN_WORKBOOK)),
        record(0x0042, &halves(&[1200])),
        globals.concat(),
        record(0x041e, &[halves(&[164]), text("yyyy-mm-dd")].concat()),
        record(0x00e0, &[0; 20]),
        record(0x00e0, &[halves(&[0, 164]), vec![0; 16]].concat()),
    ]
    .concat();
    let after = [texts.concat(), record(0x000a, &[])].concat();
    let name = "Clips 中";
    let units: Vec<u16> = name.encode_utf16().collect();
    let bound = |place: u32| {
        let mut content = place.to_le_bytes().to_vec();
        content.extend([0, 0, units.len() as u8, 1]);
        content.extend(halves(&units));
        record(0x0085, &content)
    };
    let place = before.len() + bound(0).len() + after.len();
    let sheet = [
        record(0x0809, &halves(&BEGIN_SHEET)),
        sheet.concat(),
        record(0x000a, &[]),
    ];
    [before, bound(place as u32), after, sheet.concat()].concat()
}

/// A table of texts, with how many times they are used.
fn texts(texts: &[Vec<u8>]) -> Vec<u8> {
    let count = (texts.len() as u32).to_le_bytes();
    record(0x00fc, &[&count[..], &count, &texts.concat()].concat())
}

pub(super) fn of_all_kinds() -> Vec<u8> {
    let sheet = [
        row(2, false),
        cell(0x0201, 2, 0, 0, &[]),
        cell(0x0203, 2, 1, 0, &(0.1_f64 + 0.2).to_le_bytes()),
        cell(0x0203, 2, 2, 1, &46_349_f64.to_le_bytes()),
        cell(0x027e, 2, 3, 0, &(6_u32 << 2 | 2).to_le_bytes()),
        record(
            0x00bd,
            &[
                halves(&[2, 4, 0]),
                (1_250_u32 << 2 | 3).to_le_bytes().to_vec(),
                halves(&[0]),
                vec![0x0a, 0, 0, 0],
                halves(&[5]),
            ]
            .concat(),
        ),
        cell(0x00fd, 2, 6, 0, &1_u32.to_le_bytes()),
        cell(0x0204, 2, 7, 0, &text("in line")),
        cell(0x0205, 2, 8, 0, &[1, 0]),
        cell(0x0205, 2, 9, 0, &[0x2a, 1]),
        cell(0x0006, 2, 10, 0, &[&2.5_f64.to_le_bytes()[..], &[0; 8]].concat()),
        cell(0x0006, 2, 11, 0, &given(0, 0)),
        record(0x0207, &text("given 文")),
        cell(0x0006, 2, 12, 0, &given(1, 0)),
        cell(0x0006, 2, 13, 0, &given(2, 0x07)),
        cell(0x0006, 2, 14, 0, &given(3, 0)),
    ];
    compound(&[(
        "Workbook",
        &stream(&[], &[texts(&[text("first"), text("東京 🗼")])], &sheet),
    )])
}

#[test]
fn values_of_all_kinds() {
    let reading = read(&of_all_kinds()).unwrap();
    assert_eq!(
        reading.rows,
        ["3: |0.3|2026-11-23|6|12.5|2|東京 🗼|in line|TRUE|#N/A|2.5|given 文|FALSE|#DIV/0! [9 !#N/A] [13 !#DIV/0!]"]
    );
    assert_eq!(&*reading.remarks.sheet, "Clips 中");
}

#[test]
fn texts_go_on_in_further_records() {
    // The first goes on in a record that says anew how wide its characters are; the second, with formats and reading
    // aids behind it, is cut where they begin; the third where its length is.
    let rich = [
        halves(&[4]),
        vec![0x0d],
        halves(&[1]),
        6_u32.to_le_bytes().to_vec(),
        halves(&[0x6771, 0x4eac, 0x0e, 0x0f]),
    ];
    let pieces = [
        record(
            0x00fc,
            &[
                3_u32.to_le_bytes().to_vec(),
                3_u32.to_le_bytes().to_vec(),
                halves(&[6]),
                vec![0],
                b"abc".to_vec(),
            ]
            .concat(),
        ),
        record(
            0x003c,
            &[vec![1], halves(&[0x4e2d, 0x6587, 0x21]), rich.concat()].concat(),
        ),
        record(0x003c, &[vec![0; 4 + 6], vec![3]].concat()),
        record(0x003c, &[&[0, 0][..], b"end"].concat()),
    ];
    let sheet = [
        cell(0x00fd, 0, 0, 0, &0_u32.to_le_bytes()),
        cell(0x00fd, 0, 1, 0, &1_u32.to_le_bytes()),
        cell(0x00fd, 0, 2, 0, &2_u32.to_le_bytes()),
    ];
    let bytes = compound(&[("Workbook", &stream(&[], &pieces, &sheet))]);
    assert_eq!(read(&bytes).unwrap().rows, ["1: abc中文!|東京\u{e}\u{f}|end"]);
}

#[test]
fn hidden_rows_merged_cells_links_and_pictures() {
    let url: Vec<u8> = halves(&"https://x.example/a.png\0".encode_utf16().collect::<Vec<_>>());
    let moniker = [
        0xe0, 0xc9, 0xea, 0x79, 0xf9, 0xba, 0xce, 0x11, 0x8c, 0x82, 0, 0xaa, 0, 0x4b, 0xa9, 0x0b,
    ];
    let caption = halves(&"cat\0".encode_utf16().collect::<Vec<_>>());
    let link = [
        halves(&[3, 3, 1, 1]),
        vec![0; 16],
        2_u32.to_le_bytes().to_vec(),
        0x17_u32.to_le_bytes().to_vec(),
        4_u32.to_le_bytes().to_vec(),
        caption,
        moniker.to_vec(),
        (url.len() as u32).to_le_bytes().to_vec(),
        url,
    ];
    let anchor = [halves(&[2, 4, 0, 2, 0, 5, 0, 3, 9])];
    let shape = [
        vec![0x0f, 0, 0x04, 0xf0],
        26_u32.to_le_bytes().to_vec(),
        vec![0, 0, 0x10, 0xf0],
        18_u32.to_le_bytes().to_vec(),
        anchor.concat(),
    ];
    let object = |kind: u16| record(0x005d, &halves(&[0x15, 0x12, kind, 1, 0, 0, 0, 0, 0, 0, 0]));
    let mut sheet: Vec<Vec<u8>> = (0..4).map(|number| row(number, number == 1)).collect();
    for number in 0..4 {
        sheet.push(cell(0x0204, number, 0, 0, &text(&format!("a{number}"))));
        sheet.push(cell(0x0204, number, 1, 0, &text("b")));
    }
    sheet.extend([
        record(0x00ec, &shape.concat()),
        object(8),
        record(0x00ec, &shape.concat()),
        object(5),
        // A chart, whose records are its own.
        record(0x0809, &halves(&[0x0600, 0x20])),
        cell(0x0203, 9, 9, 0, &1_f64.to_le_bytes()),
        record(0x000a, &[]),
        record(0x00e5, &halves(&[1, 0, 2, 0, 0])),
        record(0x01b8, &link.concat()),
        record(0x01b8, &[1, 2, 3]),
    ]);
    let bytes = compound(&[("Workbook", &stream(&[], &[], &sheet))]);
    assert_eq!(
        read(&bytes).unwrap().rows,
        [
            "1: a0|b",
            "3: a0|b (picture 4)",
            "4: a3|b [1 →https://x.example/a.png] (picture 4)"
        ]
    );
    assert_eq!(read_sheet(&bytes, None, true).unwrap().rows[1], "2: a0|b");
}

#[test]
fn files_of_excel_95_are_read_in_their_code_page() {
    let bytes_of = |text: &str| encoding_rs::SHIFT_JIS.encode(text).0.into_owned();
    let sized = |text: &str| [halves(&[bytes_of(text).len() as u16]), bytes_of(text)].concat();
    let name = bytes_of("表");
    let before = [
        record(0x0809, &halves(&[0x0500, 5, 0, 0])),
        record(0x0042, &halves(&[932])),
        record(0x0022, &halves(&[1])),
    ]
    .concat();
    let bound = |place: u32| {
        record(
            0x0085,
            &[place.to_le_bytes().to_vec(), vec![0, 0, name.len() as u8], name.clone()].concat(),
        )
    };
    let after = record(0x000a, &[]);
    let place = before.len() + bound(0).len() + after.len();
    let sheet = [
        record(0x0809, &halves(&[0x0500, 0x10, 0, 0])),
        cell(0x0204, 0, 0, 0, &sized("海辺の朝")),
        cell(0x0006, 0, 1, 0, &given(0, 0)),
        record(0x0207, &sized("夜")),
        record(0x000a, &[]),
    ];
    let book = [before, bound(place as u32), after, sheet.concat()].concat();
    let reading = read(&compound(&[("Book", &book)])).unwrap();
    assert_eq!(reading.rows, ["1: 海辺の朝|夜"]);
    assert_eq!(&*reading.remarks.sheet, "表");
}

#[test]
fn large_streams_lie_in_large_sectors() {
    let sheet: Vec<Vec<u8>> = (0..2_000)
        .map(|number| cell(0x0204, number, 0, 0, &text(&format!("row {number} "))))
        .collect();
    let bytes = compound(&[
        ("Other", b"small"),
        ("Workbook", &stream(&[], &[], &sheet)),
        ("Third", &[7; 9_000]),
    ]);
    let rows = read(&bytes).unwrap().rows;
    assert_eq!((rows.len(), rows[1_999].as_str()), (2_000, "2000: row 1999 "));
}

#[test]
fn what_is_locked_foreign_or_damaged_is_named_so() {
    let protected = stream(&[record(0x002f, &[1, 0, 1, 0])], &[], &[]);
    assert!(matches!(
        read(&compound(&[("Workbook", &protected)])),
        Err(WorkbookError::Protected)
    ));
    let encrypted = compound(&[("EncryptionInfo", b"x"), ("EncryptedPackage", b"x")]);
    assert!(matches!(read(&encrypted), Err(WorkbookError::Protected)));
    for (name, foreign) in [
        ("WordDocument", Foreign::TextDocument),
        ("PowerPoint Document", Foreign::Presentation),
        ("VisioDocument", Foreign::OtherDocument),
    ] {
        let error = read(&compound(&[(name, b"x")])).unwrap_err();
        assert!(
            matches!(error, WorkbookError::Foreign(found) if found == foreign),
            "{name}: {error}"
        );
    }
    let whole = of_all_kinds();
    for length in [8, 100, 511, 600, whole.len() / 2] {
        let error = read(&whole[..length]).unwrap_err();
        assert!(matches!(error, WorkbookError::Damaged { .. }), "{length}: {error}");
    }
    let back = [cell(0x0204, 5, 0, 0, &text("a")), cell(0x0204, 3, 0, 0, &text("b"))];
    let error = read(&compound(&[("Workbook", &stream(&[], &[], &back))]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("row 4 comes after row 6"), "{error}");
}

#[test]
fn a_chain_that_leads_back_to_itself_ends() {
    let bytes = of_all_kinds();
    let header = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let table = (header(76) + 1) * 512;
    for sector in 0..20 {
        let mut looped = bytes.clone();
        let number = (sector as u32).to_le_bytes();
        looped[table + sector * 4..table + sector * 4 + 4].copy_from_slice(&number);
        // It ends, in whatever way.
        drop(read(&looped));
    }
    let mut looped = bytes.clone();
    looped[68..72].copy_from_slice(&0_u32.to_le_bytes());
    drop(read(&looped));
}
