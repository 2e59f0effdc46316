//! Files that are no workbooks, whatever their names say.

use crate::manifest::workbook::error::{Foreign, WorkbookError};
use crate::manifest::workbook::tests::{archive, read, way, ways_of};

#[test]
fn what_a_file_is_instead_is_said() {
    let office = |part: &str, root: &str| {
        archive([
            ("_rels/.rels", ways_of(&way("rId1", "officeDocument", part)).as_bytes()),
            (part, format!("<?xml version='1.0'?><w:{root}/>").as_bytes()),
        ])
    };
    let open_document = |kind: &str| {
        let media_type = format!("application/vnd.oasis.opendocument.{kind}");
        archive([("mimetype", media_type.as_bytes()), ("content.xml", &b"<x/>"[..])])
    };
    let cases: &[(&[u8], Foreign)] = &[
        (b"", Foreign::Empty),
        (b"prompt,image_url\na,b\n", Foreign::Text),
        ("提示\t图片\r\n".as_bytes(), Foreign::Text),
        (b"\xff\xfep\0r\0", Foreign::Text),
        (b"\xef\xbb\xbf  <html><body><table>", Foreign::WebPage),
        (b"<!DOCTYPE HTML PUBLIC>\n<HTML>", Foreign::WebPage),
        (b"<table border=1><tr><td>prompt", Foreign::WebPage),
        (
            b"<?xml version=\"1.0\"?><?mso-application progid=\"Excel.Sheet\"?><Workbook>",
            Foreign::FlatXml,
        ),
        (b"{\\rtf1\\ansi prompt}", Foreign::TextDocument),
        (b"%PDF-1.7\n", Foreign::OtherDocument),
        (b"\x09\x08\x10\x00\x00\x06\x05\x00", Foreign::AncientExcel),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", Foreign::Unknown),
        (&archive([("photos/1.jpg", &b"x"[..])]), Foreign::Archive),
        (
            &archive([("Index/Document.iwa", &b"x"[..]), ("Data/x.png", b"x")]),
            Foreign::Numbers,
        ),
        (&office("word/document.xml", "document"), Foreign::TextDocument),
        (&office("ppt/presentation.xml", "presentation"), Foreign::Presentation),
        (&office("visio/document.xml", "VisioDocument"), Foreign::OtherDocument),
        (&open_document("text"), Foreign::TextDocument),
        (&open_document("presentation"), Foreign::Presentation),
        (&open_document("graphics"), Foreign::OtherDocument),
    ];
    for (bytes, foreign) in cases {
        let error = read(bytes).unwrap_err();
        assert!(
            matches!(error, WorkbookError::Foreign(found) if found == *foreign),
            "{foreign:?}: {error:?}"
        );
        assert!(error.to_string().ends_with(", not a workbook") && error.help().is_some());
    }
}
