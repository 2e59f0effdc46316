//! The table of shared texts.

use std::sync::Arc;

use quick_xml::events::Event;

use crate::manifest::workbook::error::WorkbookError;
use crate::manifest::workbook::package::Named;
use crate::manifest::workbook::texts::SharedTexts;
use crate::manifest::workbook::xlsx::escapes;
use crate::manifest::workbook::xml::{Xml, local, push_text};

pub(super) fn read(mut xml: Xml<impl Named>) -> Result<SharedTexts, WorkbookError> {
    let part = Arc::clone(xml.part());
    let mut texts = SharedTexts::default();
    let mut text = String::new();
    let mut is_text = false;
    // How people read the characters aloud, which Japanese editions store beside them, is not part of the text.
    let mut is_reading_aid = false;
    loop {
        let event = xml.next()?;
        match &event {
            Event::Start(start) => match local(start.name()) {
                "si" => text.clear(),
                "rPh" => is_reading_aid = true,
                "t" => is_text = !is_reading_aid,
                _ => {}
            },
            Event::End(end) => match local(end.name()) {
                "t" => is_text = false,
                "rPh" => is_reading_aid = false,
                "si" => {
                    escapes::resolve(&mut text);
                    texts.push(&text)?;
                }
                _ => {}
            },
            Event::Eof => return Ok(texts),
            piece if is_text => push_text(piece, &part, &mut text)?,
            _ => {}
        }
    }
}
