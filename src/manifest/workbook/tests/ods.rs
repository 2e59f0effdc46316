//! ODS: what LibreOffice and others write, and what people see of it.

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::tests::{archive, read, read_sheet};

const MEDIA_TYPE: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";

/// A workbook with these sheets, and styles before them.
pub(super) fn ods_with(styles: &str, tables: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><office:document-content><office:automatic-styles>{styles}\
         </office:automatic-styles><office:body><office:spreadsheet><table:tracked-changes><table:table-cell>\
         <text:p>gone</text:p></table:table-cell></table:tracked-changes>{tables}</office:spreadsheet></office:body>\
         </office:document-content>"
    );
    let listing = b"<manifest:manifest><manifest:file-entry manifest:full-path=\"content.xml\"/></manifest:manifest>";
    archive([
        ("mimetype", MEDIA_TYPE),
        ("META-INF/manifest.xml", listing),
        ("content.xml", content.as_bytes()),
    ])
}

/// A workbook with one sheet of these rows.
pub(super) fn ods(rows: &str) -> Vec<u8> {
    ods_with("", &format!("<table:table table:name=\"Sheet1\">{rows}</table:table>"))
}

fn rows_of(rows: &str) -> Vec<String> {
    read(&ods(rows)).unwrap().rows
}

fn row(cells: &str) -> String {
    format!("<table:table-row>{cells}</table:table-row>")
}

fn cell(attributes: &str, text: &str) -> String {
    format!("<table:table-cell {attributes}>{text}</table:table-cell>")
}

fn text(text: &str) -> String {
    cell("office:value-type=\"string\"", &format!("<text:p>{text}</text:p>"))
}

#[test]
fn values_of_all_kinds() {
    let cells = [
        cell("office:value-type='float' office:value='6'", "<text:p>6.00</text:p>"),
        cell(
            "office:value-type='percentage' office:value='0.5'",
            "<text:p>50 %</text:p>",
        ),
        cell(
            "office:value-type='currency' office:currency='EUR' office:value='1.50'",
            "<text:p>1,50 €</text:p>",
        ),
        cell(
            "office:value-type='date' office:date-value='2026-11-23'",
            "<text:p>23.11.26</text:p>",
        ),
        cell(
            "office:value-type='date' office:date-value='2026-11-23T14:05:00'",
            "<text:p>x</text:p>",
        ),
        cell(
            "office:value-type='time' office:time-value='PT36H05M00S'",
            "<text:p>x</text:p>",
        ),
        cell(
            "office:value-type='boolean' office:boolean-value='true'",
            "<text:p>WAHR</text:p>",
        ),
        cell("office:value-type='string' office:string-value='kept'", ""),
        cell(
            "table:formula='of:=NA()' office:value-type='string' office:string-value='' calcext:value-type='error'",
            "<text:p>#N/A</text:p>",
        ),
        cell(
            "table:formula='of:=1/0' office:value-type='float' office:value='0'",
            "<text:p>#DIV/0!</text:p>",
        ),
        cell(
            "table:formula='of:=[.A1]+1' office:value-type='float' office:value='7'",
            "<text:p>7</text:p>",
        ),
        cell("table:formula='of:=[.A1]+1'", ""),
        cell(
            "table:formula='of:=TRUE()' office:value-type='float' office:value='1'",
            "<text:p>TRUE</text:p>",
        ),
    ];
    assert_eq!(
        rows_of(&row(&cells.concat())),
        [
            "1: 6|0.5|1.5|2026-11-23|2026-11-23 14:05:00|36:05:00|TRUE|kept|#N/A|#DIV/0!|7||TRUE [8 !#N/A] \
          [9 !#DIV/0!] [11 no value]"
        ]
    );
}

#[test]
fn text_is_what_is_seen_and_nothing_that_stands_beside_it() {
    let cells = [
        text("one</text:p><text:p>two<text:line-break/>three"),
        text("a<text:s/>b<text:s text:c=\"3\"/>c<text:tab/>d"),
        text("  pretty\n   printed &amp; <text:span>in <text:span>parts</text:span></text:span>"),
        text("<text:ruby><text:ruby-base>東京</text:ruby-base><text:ruby-text>トウキョウ</text:ruby-text></text:ruby>"),
        cell(
            "office:value-type='string'",
            "<office:annotation><dc:creator>me</dc:creator><text:p>a comment</text:p></office:annotation><text:p>seen</text:p>",
        ),
        text("<text:a xlink:href=\"https://x.example/?a&amp;b\">cat</text:a>"),
    ];
    assert_eq!(
        rows_of(&row(&cells.concat())),
        ["1: one\ntwo\nthree|a b   c\td|pretty printed & in parts|東京|seen|cat [5 →https://x.example/?a&b]"]
    );
}

#[test]
fn repetitions_merged_cells_and_hidden_rows() {
    let blank = cell("table:number-columns-repeated='16384'", "");
    let rows = [
        row(&format!(
            "{}{blank}",
            cell(
                "office:value-type='string' table:number-columns-repeated='2'",
                "<text:p>x</text:p>"
            )
        )),
        format!("<table:table-row table:number-rows-repeated='3'>{blank}</table:table-row>"),
        format!(
            "<table:table-row table:number-rows-repeated='2'>{}{}</table:table-row>",
            cell("", ""),
            text("twice")
        ),
        format!(
            "<table:table-row table:visibility='filter'>{}</table:table-row>",
            text("filtered")
        ),
        format!(
            "<table:table-row table:visibility='collapse'>{}</table:table-row>",
            text("hidden")
        ),
        "<table:table-row-group><table:table-header-rows>".to_owned(),
        row(&[
            cell(
                "table:number-columns-spanned='2' table:number-rows-spanned='2' office:value-type='string'",
                "<text:p>lent</text:p>",
            ),
            "<table:covered-table-cell office:value-type='string'><text:p>behind</text:p></table:covered-table-cell>"
                .to_owned(),
            text("c"),
        ]
        .concat()),
        "</table:table-header-rows></table:table-row-group>".to_owned(),
        row(&format!(
            "<table:covered-table-cell table:number-columns-repeated='2'/>{}",
            text("d")
        )),
        format!("<table:table-row table:number-rows-repeated='1048565'>{blank}</table:table-row>"),
    ];
    let bytes = ods(&rows.concat());
    let reading = read(&bytes).unwrap();
    assert_eq!(
        reading.rows,
        ["1: x|x", "5: |twice", "6: |twice", "9: lent||c", "10: lent||d"]
    );
    assert_eq!(
        (
            reading.remarks.tally.hidden.count,
            reading.remarks.tally.hidden.first_row
        ),
        (2, 7)
    );
    let all = read_sheet(&bytes, None, true).unwrap().rows;
    assert_eq!(all[3..5], ["7: filtered", "8: hidden"]);
}

#[test]
fn pictures_in_cells() {
    let picture = "<draw:image xlink:href='Pictures/1.png'><text:p/></draw:image>";
    let rows = [
        row(&[
            text("a"),
            cell(
                "",
                &format!("<draw:frame table:end-cell-address=\"'My shots'.C2\">{picture}</draw:frame>"),
            ),
        ]
        .concat()),
        row(&text("b")),
        row(&[
            text("c"),
            cell(
                "",
                &format!("<draw:frame><draw:object xlink:href='./Object 1'/>{picture}</draw:frame>"),
            ),
        ]
        .concat()),
        row(&[
            text("d"),
            cell(
                "office:value-type='string'",
                &format!("<draw:frame>{picture}</draw:frame><text:p>under</text:p>"),
            ),
        ]
        .concat()),
        row(&[
            text("e"),
            cell("", "<draw:custom-shape><text:p>drawn</text:p></draw:custom-shape>"),
        ]
        .concat()),
    ];
    assert_eq!(
        rows_of(&rows.concat()),
        [
            "1: a| [1 picture] (picture 1)",
            "2: b (picture 1)",
            "3: c",
            "4: d|under (picture 1)",
            "5: e"
        ]
    );
}

#[test]
fn sheets_are_listed_with_those_that_are_hidden() {
    let styles = "<style:style style:name='ta1' style:family='table'><style:table-properties table:display='true'/>\
                  </style:style><style:style style:name='ta2' style:family='table'><style:table-properties \
                  table:display='false'/></style:style>";
    let table = |name: &str, style: &str, first: &str| {
        format!(
            "<table:table table:name='{name}' table:style-name='{style}'>{}</table:table>",
            row(&text(first))
        )
    };
    let tables = [
        table("Hidden", "ta2", "prompt"),
        table("Notes", "ta1", "notes"),
        table("Clips", "ta1", "prompt"),
        table("More", "ta1", "prompt"),
    ];
    let bytes = ods_with(styles, &tables.concat());
    let reading = read(&bytes).unwrap();
    assert_eq!(
        (&*reading.remarks.sheet, reading.rows.as_slice()),
        ("Clips", &["1: prompt".to_owned()][..])
    );
    assert_eq!(reading.remarks.also.len(), 1);
    let visible: Vec<bool> = reading.remarks.sheets.iter().map(|sheet| sheet.is_visible).collect();
    assert_eq!(visible, [false, true, true, true]);
    assert_eq!(&*read_sheet(&bytes, Some("1"), false).unwrap().remarks.sheet, "Hidden");
}

#[test]
fn a_million_blank_rows_end_at_once_and_too_many_rows_in_an_error() {
    let repeated = |times: u32, content: &str| {
        ods(&format!(
            "<table:table-row table:number-rows-repeated='{times}'>{content}</table:table-row>"
        ))
    };
    let reading = read(&repeated(u32::MAX, "<table:table-cell/>")).unwrap();
    assert!(reading.rows.is_empty());
    assert_eq!(reading.remarks.tally.blank.count, u64::from(u32::MAX));
    let error = read(&repeated(2_000_000, &text("x"))).unwrap_err().to_string();
    assert!(error.contains("1,048,576 rows"), "{error}");
    let wide = cell(
        "office:value-type='string' table:number-columns-repeated='4000000000'",
        "<text:p>x</text:p>",
    );
    let reading = read(&ods(&row(&wide))).unwrap();
    assert_eq!(reading.rows[0].matches('x').count(), 1_024);
    assert_eq!(reading.remarks.tally.far_cells.count, 1);
}

#[test]
fn a_file_that_says_what_it_is_only_in_its_list_of_parts() {
    let listing = b"<manifest:file-entry manifest:full-path='/' \
        manifest:media-type='application/vnd.oasis.opendocument.spreadsheet'/>";
    let content = format!("<x><table:table>{}</table:table></x>", row(&text("a")));
    let bytes = archive([
        ("META-INF/manifest.xml", &listing[..]),
        ("content.xml", content.as_bytes()),
    ]);
    assert_eq!(read(&bytes).unwrap().rows, ["1: a"]);
}

#[test]
fn encrypted_and_truncated_files_are_named_so() {
    let listing = b"<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>";
    let bytes = archive([
        ("mimetype", MEDIA_TYPE),
        ("META-INF/manifest.xml", listing),
        ("content.xml", b"\x01\x02\x03"),
    ]);
    assert!(matches!(read(&bytes), Err(WorkbookError::Protected)));
    let bytes = archive([
        ("mimetype", MEDIA_TYPE),
        ("content.xml", b"<office:x><table:table><table:table-row>"),
    ]);
    assert!(matches!(read(&bytes), Err(WorkbookError::Damaged { .. })));
    let bytes = archive([("mimetype", MEDIA_TYPE)]);
    let error = read(&bytes).unwrap_err().to_string();
    assert_eq!(error, "the workbook is damaged in `content.xml`: this part is missing");
}
