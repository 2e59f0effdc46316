//! Bytes that nobody meant: reading ends, in rows or in an error, and never in a panic.

use std::io::{Cursor, Read};

use proptest::prelude::*;
use proptest::sample::Index;

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::tests::{Xlsx, archive, ods, read_sheet, way, ways_of, xls, xlsb};

/// A small workbook of each format, with something of everything.
fn workbooks() -> Vec<Vec<u8>> {
    let rows = concat!(
        r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>url</t></is></c></row>"#,
        r#"<row r="2" hidden="1"><c r="A2" s="1"><v>46349.5</v></c><c r="B2" t="b"><v>1</v></c></row>"#,
        r#"<row r="3"><c r="A3" t="e"><v>#N/A</v></c><c r="C3"><f t="shared" si="0">HYPERLINK("x")</f></c></row>"#,
        r#"<row><c><v>1e300</v></c><c t="str"><f>A1&amp;""</f><v>&#65;_x000D_</v></c></row>"#,
    );
    let behind = concat!(
        r#"<mergeCells><mergeCell ref="A1:A3"/></mergeCells><hyperlinks><hyperlink ref="B1:B4" r:id="rId1"/>"#,
        r#"</hyperlinks><drawing r:id="rId2"/>"#
    );
    let ways = [
        way("rId1", "hyperlink", "https://x"),
        way("rId2", "drawing", "../drawings/d.xml"),
    ];
    let drawing =
        "<d><twoCellAnchor><from><col>1</col><row>1</row></from><to><row>4</row></to><blip/></twoCellAnchor></d>";
    let xlsx = Xlsx::with_rows(rows, behind)
        .texts(&["<t>prompt</t>", "<r><t>a</t></r><rPh><t>b</t></rPh>"])
        .styles(&[0, 164], &[(164, "[h]:mm")])
        .part("xl/worksheets/_rels/sheet1.xml.rels", &ways_of(&ways.concat()))
        .part("xl/drawings/d.xml", drawing);
    let ods = ods::ods(concat!(
        r#"<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="3" "#,
        r#"table:number-rows-spanned="2" office:value-type="float" office:value="1.5"><text:p>1<text:s text:c="2"/></text:p>"#,
        r#"<draw:frame table:end-cell-address="A.B9"><draw:image/></draw:frame></table:table-cell></table:table-row>"#,
        r#"<table:table-row table:visibility="filter"><table:table-cell office:value-type="time" "#,
        r#"office:time-value="PT1H"><text:p><text:a xlink:href="x">y</text:a></text:p></table:table-cell></table:table-row>"#,
    ));
    vec![
        xlsx.bytes(),
        ods,
        xls::of_all_kinds(),
        xlsb::xlsb(&xlsb::of_all_kinds(), &[]),
    ]
}

fn changed(bytes: &mut Vec<u8>, changes: &[(Index, Change)]) {
    for (at, change) in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
        let at = at.index(bytes.len());
        match change {
            Change::To(byte) => bytes[at] = *byte,
            Change::Bit(bit) => bytes[at] ^= 1 << bit,
            Change::Insert(text) => drop(bytes.splice(at..at, text.bytes())),
            Change::Cut(count) => drop(bytes.drain(at..bytes.len().min(at + count))),
            Change::Repeat(count) => {
                let end = bytes.len().min(at + count);
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    To(u8),
    Bit(u32),
    Insert(&'static str),
    Cut(usize),
    Repeat(usize),
}

fn any_change() -> impl Strategy<Value = Change> {
    let words = [
        "<",
        ">",
        "/>",
        "\"",
        "'",
        "&",
        ";",
        "<!--",
        "<![CDATA[",
        "<?x",
        "-1",
        "99999999999",
        "é",
        "<row>",
        "\0",
    ];
    prop_oneof![
        any::<u8>().prop_map(Change::To),
        prop_oneof![Just(0), Just(0xff)].prop_map(Change::To),
        (0..8_u32).prop_map(Change::Bit),
        proptest::sample::select(words.to_vec()).prop_map(Change::Insert),
        (1..40_usize).prop_map(Change::Cut),
        (1..200_usize).prop_map(Change::Repeat),
    ]
}

/// Reads all of it; an error is as good as rows.
fn read_in_any_way(bytes: &[u8]) -> Result<(), TestCaseError> {
    for hidden_rows in [false, true] {
        if let Err(error) = read_sheet(bytes, None, hidden_rows) {
            prop_assert!(!matches!(error, WorkbookError::BrokeOff), "a panic");
            prop_assert!(!error.to_string().is_empty());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn of_the_file_as_it_is(
        which in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any_change()), 1..6),
    ) {
        let workbooks = workbooks();
        let mut bytes = workbooks[which.index(workbooks.len())].clone();
        changed(&mut bytes, &changes);
        read_in_any_way(&bytes)?;
    }

    /// Below the checksums, where the parts are.
    #[test]
    fn of_one_part_of_the_archive(
        which in any::<Index>(),
        part in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any_change()), 1..6),
    ) {
        let workbooks: Vec<Vec<u8>> = workbooks().into_iter().filter(|bytes| bytes.starts_with(b"PK")).collect();
        let bytes = &workbooks[which.index(workbooks.len())];
        let mut parts = parts_of(bytes);
        let part = part.index(parts.len());
        changed(&mut parts[part].1, &changes);
        let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
        read_in_any_way(&archive(parts))?;
    }
}

fn parts_of(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut parts = Vec::new();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).unwrap();
        let mut content = Vec::new();
        part.read_to_end(&mut content).unwrap();
        parts.push((part.name().unwrap().into_owned(), content));
    }
    parts
}
