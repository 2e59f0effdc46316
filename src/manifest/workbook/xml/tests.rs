use std::io::{BufReader, Cursor};

use super::*;

type Bytes<'b> = BufReader<Cursor<&'b [u8]>>;

impl Named for Bytes<'_> {
    fn name(&self) -> Arc<str> {
        Arc::from("part.xml")
    }
}

fn xml(text: &[u8]) -> Xml<Bytes<'_>> {
    Xml::new(BufReader::with_capacity(7, Cursor::new(text)))
}

fn text_of(source: &str) -> Result<String, WorkbookError> {
    let mut xml = xml(source.as_bytes());
    let part = Arc::clone(xml.part());
    let mut text = String::new();
    loop {
        let event = xml.next()?;
        if matches!(event, Event::Eof) {
            return Ok(text);
        }
        push_text(&event, &part, &mut text)?;
    }
}

#[test]
fn text_is_what_the_standard_says() {
    assert_eq!(
        text_of("<t>a &lt;b&gt; &amp;amp; &#x4e2d;&#65;<![CDATA[<&>]]>\r\n.</t>").unwrap(),
        "a <b> &amp; 中A<&>\n."
    );
}

#[test]
fn entities_of_its_own_are_refused() {
    let bomb = "<!DOCTYPE t [<!ENTITY a \"aaaa\">]><t>&a;</t>";
    assert!(matches!(text_of(bomb), Err(WorkbookError::DocumentType { .. })));
    let error = text_of("<t>&a;</t>").unwrap_err().to_string();
    assert!(error.contains("entity `a`"), "{error}");
}

#[test]
fn what_is_too_long_or_too_deep_ends() {
    for long in [
        format!("<t>{}</t>", "x".repeat(MOST_TOKEN_BYTES + 100)),
        format!("<!--{}-->", "<".repeat(MOST_TOKEN_BYTES + 100)),
        format!("<t a='{}'/>", "x".repeat(MOST_TOKEN_BYTES + 100)),
    ] {
        let error = text_of(&long).unwrap_err();
        assert!(
            matches!(&error, WorkbookError::TooLarge(Excess::Token(part)) if &**part == "part.xml"),
            "{error:?}"
        );
    }
    let error = text_of(&"<a>".repeat(MOST_DEPTH + 1)).unwrap_err();
    assert!(matches!(error, WorkbookError::TooLarge(Excess::Depth(_))), "{error:?}");
    let mut xml = xml(b"<t/>");
    xml.events = MOST_EVENTS - 1;
    assert!(xml.next().is_ok());
    let error = xml.next().map(drop).unwrap_err();
    assert!(matches!(error, WorkbookError::TooLarge(Excess::Events(_))), "{error:?}");
    let error = text_of("<t>\u{0}</t").unwrap_err();
    assert!(matches!(error, WorkbookError::Damaged { .. }), "{error:?}");
}

#[test]
fn an_element_is_skipped_wherever_the_buffer_ends() {
    for prefix in ["", "x:", "some-prefix.1:"] {
        for padding in 0..40 {
            let inside = format!("sheetData><sheetData> {}", "-".repeat(padding));
            let source = format!("<w><{prefix}sheetData>{inside}</{prefix}sheetData><after n='1'/></w>");
            for capacity in [1, 7, 16, 100] {
                let mut xml = Xml::new(BufReader::with_capacity(capacity, Cursor::new(source.as_bytes())));
                xml.next().unwrap();
                xml.next().unwrap();
                let mut seen = Vec::new();
                let rest = xml.skip_past("sheetData").unwrap();
                rest.each_start(|start| {
                    seen.push(local(start.name()).to_owned());
                    Ok(())
                })
                .unwrap();
                assert_eq!(seen, ["after"], "{source} {capacity}");
            }
        }
    }
}

#[test]
fn attributes_are_found_in_both_quotes_and_under_a_prefix() {
    let mut xml = xml(b"<c r='A1' x:id=\"&quot;1&quot;\" s = \"2\"/>");
    let Event::Start(start) = xml.next().unwrap() else {
        panic!("a start")
    };
    assert_eq!(attribute(&start, "r").as_deref(), Some("A1"));
    assert_eq!(attribute(&start, "id").as_deref(), Some("\"1\""));
    assert_eq!(attribute(&start, "s").as_deref(), Some("2"));
    assert_eq!(attribute(&start, "t"), None);
}
