//! XLSX: what programs write, and what people see of it.

use crate::manifest::workbook::tests::{RELATIONSHIPS, Xlsx, read, read_sheet, way, ways_of};

/// Cells of one row, as XML.
fn row(cells: &str) -> Xlsx {
    Xlsx::with_rows(&format!(r#"<row r="1">{cells}</row>"#), "")
}

#[test]
fn values_of_all_kinds() {
    let xlsx = row(concat!(
        r#"<c r="A1"><v>6</v></c><c r="B1" t="n"><v>6.0</v></c><c r="C1"><v>0.30000000000000004</v></c>"#,
        r#"<c r="D1" t="b"><v>1</v></c><c r="E1" t="b"><v>false</v></c>"#,
        r#"<c r="F1" t="s"><v>1</v></c><c r="G1" t="inlineStr"><is><t>in &amp; line</t></is></c>"#,
        r#"<c r="H1" t="str"><f>A1&amp;"x"</f><v>6x</v></c><c r="I1" t="d"><v>2026-11-23T14:05:00</v></c>"#,
        r#"<c r="J1" s="1"><v>46349</v></c><c r="K1" s="2"><v>1.5</v></c><c r="L1" s="3"><v>0.5</v></c>"#,
        r#"<c r="M1" t="e"><v>#SPILL!</v></c><c r="N1" t="x"><v>odd</v></c><c r="O1" s="99"><v>5</v></c>"#,
        r#"<c r="P1" t="inlineStr"><v>twice</v><is><t>once</t></is></c>"#,
    ))
    .texts(&["<t>zero</t>", "<t xml:space=\"preserve\"> one </t>"])
    .styles(&[0, 14, 164, 20], &[(164, "[h]:mm")]);
    assert_eq!(
        xlsx.read().rows,
        [
            "1: 6|6|0.3|TRUE|FALSE| one |in & line|6x|2026-11-23 14:05:00|2026-11-23|36:00:00|12:00:00|#SPILL!|odd|5|once \
          [12 !#SPILL!]"
        ]
    );
}

#[test]
fn days_are_counted_from_1904_where_the_workbook_says_so() {
    let xlsx = row(r#"<c r="A1" s="0"><v>44887</v></c>"#).styles(&[14], &[]);
    assert_eq!(xlsx.read().rows, ["1: 2022-11-22"]);
    let workbook = xlsx.parts.iter().find(|(name, _)| name == "xl/workbook.xml").unwrap();
    for (value, day) in [("1", "2026-11-23"), ("true", "2026-11-23"), ("0", "2022-11-22")] {
        let of_mac = workbook
            .1
            .replace("<workbookPr/>", &format!("<workbookPr date1904='{value}'/>"));
        let xlsx = xlsx.clone().part("xl/workbook.xml", &of_mac);
        assert_eq!(xlsx.read().rows, [format!("1: {day}")]);
    }
}

#[test]
fn text_is_what_is_seen_and_nothing_that_stands_beside_it() {
    let xlsx = row(concat!(
        r#"<c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c>"#,
        r#"<c r="D1" t="s"><v>3</v></c><c r="E1" t="s"><v>4</v></c>"#,
        r#"<c r="F1" t="inlineStr"><is><r><t>in</t></r><r><rPr><b/></rPr><t>line</t></r><rPh><t>x</t></rPh></is></c>"#,
    ))
    .texts(&[
        // Parts of a text in several formats.
        "<r><rPr><b/></rPr><t>rich</t></r><r><t xml:space=\"preserve\"> text</t></r>",
        // How the characters are read aloud.
        "<t>東京</t><rPh sb=\"0\" eb=\"2\"><t>トウキョウ</t></rPh><phoneticPr fontId=\"1\"/>",
        // Line breaks as Excel and as others write them.
        "<t>a_x000D_\nb\r\nc&#13;&#10;d</t>",
        // An empty one keeps its number.
        "",
        "<t><![CDATA[<last>]]></t>",
    ]);
    assert_eq!(xlsx.read().rows, ["1: rich text|東京|a\nb\nc\nd||<last>|inline"]);
}

#[test]
fn formulas_by_their_stored_value() {
    let xlsx = row(concat!(
        r#"<c r="A1"><f>1+1</f><v>2</v></c>"#,
        // Never computed, as Python's openpyxl leaves them.
        r#"<c r="B1"><f>A1+1</f><v></v></c><c r="C1"><f>A1+1</f></c><c r="D1"><f>A1+1</f><v/></c>"#,
        // Computed to an empty text.
        r#"<c r="E1" t="str"><f>IF(TRUE,"","x")</f><v></v></c>"#,
        r#"<c r="F1" t="e"><f>NA()</f><v>#N/A</v></c>"#,
        r#"<c r="G1"><f t="shared" si="0" ref="G1:H1">A1*2</f><v>4</v></c><c r="H1"><f t="shared" si="0"/></c>"#,
    ));
    assert_eq!(
        xlsx.read().rows,
        ["1: 2|||||#N/A|4| [1 no value] [2 no value] [3 no value] [5 !#N/A] [7 no value]"]
    );
    // A table that was filled in beforehand: its rows are there, but nobody can say what is in them.
    let rows = r#"<row r="1"><c r="A1"><f>B1</f></c></row><row r="2"><c r="A2" t="str"><f>B2</f><v></v></c></row>"#;
    let reading = Xlsx::with_rows(rows, "").read();
    assert_eq!(reading.rows, ["1:  [0 no value]"]);
    assert_eq!(reading.remarks.tally.blank.count, 1);
}

#[test]
fn addresses_behind_formulas() {
    let xlsx = row(concat!(
        r#"<c r="A1" t="str"><f>HYPERLINK("https://x.example/a.png","a")</f><v>a</v></c>"#,
        r#"<c r="B1" t="e" vm="1"><f>_xlfn.IMAGE("https://x.example/b.png")</f><v>#VALUE!</v></c>"#,
        r#"<c r="C1"><f>IFERROR(__xludf.DUMMYFUNCTION("IMAGE(""https://x.example/c.png"")"),"")</f></c>"#,
        r#"<c r="D1" t="str"><f>_xlfn.DISPIMG("ID_1",1)</f><v>=DISPIMG("ID_1",1)</v></c>"#,
        r#"<c r="E1" t="str"><v>=DISPIMG("ID_2",1)</v></c>"#,
        r#"<c r="F1" t="str"><f t="shared" si="3">HYPERLINK("https://x.example/f.png")</f><v>f</v></c>"#,
        r#"<c r="G1" t="str"><f t="shared" si="3"></f><v>g</v></c>"#,
        r#"<c r="H1" t="str"><f>HYPERLINK("https://x.example/"&amp;A1)</f><v>h</v></c>"#,
    ));
    assert_eq!(
        xlsx.read().rows,
        [
            "1: a|#VALUE!||||f|g|h [0 →https://x.example/a.png] [1 →https://x.example/b.png] \
          [2 →https://x.example/c.png] [3 picture] [4 picture] [5 →https://x.example/f.png] \
          [6 →https://x.example/f.png] (picture 3)"
        ]
    );
}

#[test]
fn links_and_merged_ranges_stand_behind_the_rows() {
    let rows: String = (1..=4)
        .map(|row| {
            format!(r#"<row r="{row}"><c r="A{row}" t="str"><v>a{row}</v></c><c r="B{row}" t="str"><v>b</v></c></row>"#)
        })
        .collect();
    let behind = concat!(
        r#"<sheetProtection/><mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells><phoneticPr/>"#,
        r#"<hyperlinks><hyperlink ref="B1" r:id="rId1"/><hyperlink ref="B3:C4" r:id="rId2" location="part"/>"#,
        r#"<hyperlink ref="B2" location="Sheet2!A1"/><hyperlink ref="A1" r:id="gone"/></hyperlinks>"#,
    );
    let ways = format!(
        "{}{}{}",
        way("rId2", "hyperlink", "https://x.example/?a=1&amp;b=2"),
        way("rId1", "hyperlink", "mailto:a@x.example"),
        way("rId9", "hyperlink", "https://unused.example")
    );
    let xlsx = Xlsx::with_rows(&rows, behind).part("xl/worksheets/_rels/sheet1.xml.rels", &ways_of(&ways));
    let expected = [
        "1: a1|b [1 →mailto:a@x.example]",
        "2: a2|b",
        "3: a2|b [1 →https://x.example/?a=1&b=2]",
        "4: a4|b [1 →https://x.example/?a=1&b=2]",
    ];
    assert_eq!(xlsx.read().rows, expected);
    // The same as some programs write it: every name under a prefix, every value in single quotes.
    let prefixed = |text: &str| {
        let text = text.replace("</", "\u{1}").replace('<', "<x:").replace('\u{1}', "</x:");
        text.replace('"', "'")
    };
    let mut other = xlsx.clone();
    for (name, content) in xlsx.parts.iter().filter(|(name, _)| !name.ends_with(".rels")) {
        other = other.part(name, &prefixed(content));
    }
    assert_eq!(other.read().rows, expected);
    assert_eq!(other.read().fingerprint, xlsx.read().fingerprint);
}

#[test]
fn hidden_rows_whatever_hid_them() {
    let cell = |row: u32| format!(r#"<c r="A{row}"><v>{row}</v></c>"#);
    let rows: String = (1..=6)
        .zip([
            "",
            "hidden='1'",
            "ht='0' customHeight='1'",
            "hidden='true'",
            "hidden='0' ht='15'",
            "collapsed='1'",
        ])
        .map(|(row, attributes)| format!("<row r='{row}' {attributes}>{}</row>", cell(row)))
        .collect();
    let xlsx = Xlsx::with_rows(&rows, "<autoFilter ref='A1:A6'/>");
    let reading = xlsx.read();
    assert_eq!(reading.rows, ["1: 1", "5: 5", "6: 6"]);
    assert_eq!(
        (
            reading.remarks.tally.hidden.count,
            reading.remarks.tally.hidden.first_row
        ),
        (3, 2)
    );
    let reading = read_sheet(&xlsx.bytes(), None, true).unwrap();
    assert_eq!(reading.rows.len(), 6);
    assert_eq!(reading.remarks.tally.hidden.count, 0);
}

#[test]
fn pictures_over_cells() {
    let anchor = |kind: &str, from: (u32, u32), to: Option<(u32, u32, u32)>, content: &str| {
        let corner = |name: &str, column: u32, row: u32, offset: u32| {
            format!(
                "<xdr:{name}><xdr:col>{column}</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>{row}</xdr:row>\
                 <xdr:rowOff>{offset}</xdr:rowOff></xdr:{name}>"
            )
        };
        let to = to.map_or_else(String::new, |(column, row, offset)| corner("to", column, row, offset));
        format!(
            "<xdr:{kind}>{}{to}{content}<xdr:clientData/></xdr:{kind}>",
            corner("from", from.0, from.1, 9)
        )
    };
    let picture = "<xdr:pic><xdr:blipFill><a:blip r:embed='rId1'/></xdr:blipFill></xdr:pic>";
    let drawing = [
        anchor("twoCellAnchor", (3, 0), Some((4, 1, 500)), picture),
        anchor("twoCellAnchor", (2, 3), Some((3, 4, 0)), picture),
        anchor("oneCellAnchor", (5, 4), None, picture),
        anchor("twoCellAnchor", (0, 0), Some((9, 9, 1)), "<xdr:graphicFrame/>"),
        anchor(
            "twoCellAnchor",
            (0, 0),
            Some((9, 9, 1)),
            "<xdr:sp><xdr:txBody><a:t>7</a:t></xdr:txBody></xdr:sp>",
        ),
    ];
    let rows: String = (1..=6)
        .map(|row| format!("<row r='{row}'><c r='A{row}'><v>{row}</v></c></row>"))
        .collect();
    let xlsx = Xlsx::with_rows(
        &rows,
        "<pageMargins/><drawing r:id='rId7'/><legacyDrawing r:id='rId8'/>",
    )
    .part(
        "xl/worksheets/_rels/sheet1.xml.rels",
        &ways_of(&way("rId7", "drawing", "../drawings/drawing1.xml")),
    )
    .part(
        "xl/drawings/drawing1.xml",
        &format!("<xdr:wsDr>{}</xdr:wsDr>", drawing.concat()),
    );
    assert_eq!(
        xlsx.read().rows,
        [
            "1: 1 (picture 3)",
            "2: 2 (picture 3)",
            "3: 3",
            "4: 4 (picture 2)",
            "5: 5 (picture 5)",
            "6: 6"
        ]
    );
}

#[test]
fn pictures_placed_in_cells() {
    let cells = concat!(
        r#"<c r="A1" t="e" vm="1"><v>#VALUE!</v></c><c r="B1" t="e" vm="2"><v>#VALUE!</v></c>"#,
        r#"<c r="C1" t="e" vm="3"><v>#VALUE!</v></c><c r="D1" t="e" vm="77"><v>#VALUE!</v></c>"#,
        r#"<c r="E1" t="e"><v>#VALUE!</v></c>"#,
    );
    let way_of_2022 = |id: &str, kind: &str, target: &str| {
        format!(
            r#"<Relationship Id="{id}" Type="http://schemas.microsoft.com/office/2017/06/relationships/{kind}" Target="{target}"/>"#
        )
    };
    let ways = [
        way("rId1", "worksheet", "worksheets/sheet1.xml"),
        way("rId2", "sheetMetadata", "metadata.xml"),
        way_of_2022("rId3", "rdRichValue", "richData/rdrichvalue.xml"),
        way_of_2022("rId4", "rdRichValueStructure", "richData/rdrichvaluestructure.xml"),
    ];
    let xlsx = row(cells)
        .part("xl/_rels/workbook.xml.rels", &ways_of(&ways.concat()))
        .part(
            "xl/metadata.xml",
            concat!(
                r#"<metadata><metadataTypes><metadataType name="XLDAPR"/><metadataType name="XLRICHVALUE"/></metadataTypes>"#,
                r#"<futureMetadata name="XLDAPR"><bk><ext><xda:dynamicArrayProperties/></ext></bk></futureMetadata>"#,
                r#"<futureMetadata name="XLRICHVALUE"><bk><ext><xlrd:rvb i="0"/></ext></bk>"#,
                r#"<bk><ext><xlrd:rvb i="1"/></ext></bk></futureMetadata>"#,
                r#"<cellMetadata><bk><rc t="1" v="0"/></bk></cellMetadata>"#,
                r#"<valueMetadata><bk><rc t="2" v="0"/></bk><bk><rc t="2" v="1"/></bk><bk><rc t="1" v="0"/></bk>"#,
                r#"</valueMetadata></metadata>"#,
            ),
        )
        .part(
            "xl/richData/rdrichvalue.xml",
            r#"<rvData><rv s="1"><v>0</v><v>5</v></rv><rv s="0"><v>9</v></rv></rvData>"#,
        )
        .part(
            "xl/richData/rdrichvaluestructure.xml",
            r#"<rvStructures><s t="_error"><k n="errorType" t="i"/></s><s t="_localImage"><k n="x"/></s></rvStructures>"#,
        );
    assert_eq!(
        xlsx.read().rows,
        [
            "1: |#VALUE!|#VALUE!|#VALUE!|#VALUE! [0 picture] [1 !#VALUE!] [2 !#VALUE!] [3 !#VALUE!] [4 !#VALUE!] (picture 0)"
        ]
    );
}

#[test]
fn rows_and_cells_need_not_say_where_they_are() {
    let xlsx = Xlsx::with_rows(
        "<row><c><v>1</v></c><c><v>2</v></c></row><row r='4'><c r='B4'><v>3</v></c><c><v>4</v></c></row>\
         <row><c r='A9'><v>5</v></c></row><row><c><v>6</v></c></row><row/>",
        "",
    );
    assert_eq!(xlsx.read().rows, ["1: 1|2", "4: |3|4", "9: 5", "10: 6"]);
}

#[test]
fn parts_are_found_by_reference_and_not_by_name() {
    let xlsx = Xlsx::with_rows("<row r='1'><c r='A1' t='s'><v>0</v></c></row>", "").texts(&["<t>found</t>"]);
    let sheet = xlsx.parts.iter().find(|(name, _)| name.contains("sheet1")).unwrap();
    let moved = Xlsx { parts: Vec::new() }
        .part("_rels/.rels", &ways_of(&way("x", "officeDocument", "/Main/Book.xml")))
        .part(
            "main/book.xml",
            &format!("<workbook xmlns:r='{RELATIONSHIPS}'><sheets><sheet name='S' r:id='a'/></sheets></workbook>"),
        )
        .part(
            "Main/_rels/Book.xml.rels",
            &ways_of(
                &[
                    way("a", "worksheet", "/tables/One.XML"),
                    way("b", "sharedStrings", "..\\texts.xml"),
                ]
                .concat(),
            ),
        )
        .part("TABLES\\one.xml", &sheet.1)
        .part("texts.xml", "<sst><si><t>found</t></si></sst>");
    assert_eq!(moved.read().rows, xlsx.read().rows);
    // Without the way to its main part.
    assert_eq!(xlsx.clone().without("_rels/.rels").read().rows, ["1: found"]);
}

#[test]
fn the_fingerprint_is_of_all_that_is_handed_out() {
    let of = |cells: &str| row(cells).read().fingerprint;
    let one = of(r#"<c r="A1"><v>12</v></c><c r="B1"><v>3</v></c>"#);
    assert_eq!(
        one,
        of(r#"<c r="A1" t="str"><v>12</v></c><c r="B1" s="0"><v>3</v></c>"#)
    );
    for other in [
        r#"<c r="A1"><v>1</v></c><c r="B1"><v>23</v></c>"#,
        r#"<c r="A1"><v>12</v></c><c r="B1"><v>3</v></c><c r="C1" t="e"><v>#N/A</v></c>"#,
        r#"<c r="A1"><v>12</v></c><c r="B1" t="str"><f>HYPERLINK("https://x.example")</f><v>3</v></c>"#,
    ] {
        assert_ne!(one, of(other), "{other}");
    }
    let below = Xlsx::with_rows(r#"<row r="2"><c r="A2"><v>12</v></c><c r="B2"><v>3</v></c></row>"#, "");
    assert_ne!(one, below.read().fingerprint);
}

#[test]
fn an_empty_sheet_is_no_error() {
    for content in [
        "<sheetData/>",
        "<sheetData></sheetData>",
        "<sheetData> <!-- none --> </sheetData>",
    ] {
        let xlsx = Xlsx::with_sheets(&[("Sheet1", "", content)]);
        let reading = read(&xlsx.bytes()).unwrap();
        assert!(reading.rows.is_empty(), "{content}");
    }
}
