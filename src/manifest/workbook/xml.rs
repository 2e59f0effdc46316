//! XML as workbooks have it, in bounded memory: no event is longer than a row may be, nothing is nested without end, and
//! a document type is refused, so that no entity is ever unfolded.

mod end_tag;

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;

use crate::escape;
use crate::manifest::MOST_ROW_BYTES;
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::{MOST_DEPTH, MOST_EVENTS, MOST_TOKEN_BYTES};
use crate::manifest::workbook::package::Named;

/// A part of a workbook as events. An empty element is a start and an end.
pub(super) struct Xml<R> {
    reader: Reader<Metered<R>>,
    buffer: Vec<u8>,
    depth: usize,
    events: u32,
    part: Arc<str>,
}

impl<R: Named> Xml<R> {
    pub(super) fn new(inner: R) -> Xml<R> {
        let part = inner.name();
        Xml::begin(inner, part)
    }

    /// The same from somewhere in the middle on, where elements end that did not begin.
    pub(super) fn from_the_middle(inner: R) -> Xml<R> {
        let mut xml = Xml::new(inner);
        xml.reader.config_mut().allow_unmatched_ends = true;
        xml
    }

    /// Goes past the end of an element that has just begun, without looking at what is in it. For elements that are
    /// never nested in their like.
    pub(super) fn skip_past(self, element: &str) -> Result<Xml<R>, WorkbookError> {
        let part = self.part;
        let mut inner = self.reader.into_inner().inner;
        end_tag::pass(&mut inner, element.as_bytes()).map_err(|error| WorkbookError::from_io(error, &part))?;
        Ok(Xml::from_the_middle(inner))
    }
}

impl<R: BufRead> Xml<R> {
    fn begin(inner: R, part: Arc<str>) -> Xml<R> {
        let mut reader = Reader::from_reader(Metered {
            inner,
            left: MOST_TOKEN_BYTES,
        });
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        // What would be wrong in elements that end under another name, the archive's checksums show as well.
        (config.check_comments, config.check_end_names) = (false, false);
        Xml {
            reader,
            buffer: Vec::new(),
            depth: 0,
            events: 0,
            part,
        }
    }

    /// The part's name.
    pub(super) fn part(&self) -> &Arc<str> {
        &self.part
    }

    /// The next event, up to [`Event::Eof`].
    pub(super) fn next(&mut self) -> Result<Event<'_>, WorkbookError> {
        self.buffer.clear();
        self.reader.get_mut().left = MOST_TOKEN_BYTES;
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => return Err(refused(error, &self.part)),
        };
        self.events += 1;
        if self.events > MOST_EVENTS {
            return Err(WorkbookError::TooLarge(Excess::Events(Arc::clone(&self.part))));
        }
        match event {
            Event::Start(_) => {
                self.depth += 1;
                if self.depth > MOST_DEPTH {
                    return Err(WorkbookError::TooLarge(Excess::Depth(Arc::clone(&self.part))));
                }
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => {
                return Err(WorkbookError::DocumentType {
                    part: Arc::clone(&self.part),
                });
            }
            _ => {}
        }
        Ok(event)
    }

    /// Goes on to the next start tag, which `visit` sees, until the end; for parts of which only attributes matter.
    pub(super) fn each_start(
        mut self,
        mut visit: impl FnMut(&BytesStart<'_>) -> Result<(), WorkbookError>,
    ) -> Result<(), WorkbookError> {
        loop {
            match self.next()? {
                Event::Start(start) => visit(&start)?,
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }
}

/// An element's name without its prefix.
pub(super) fn local<'e>(name: QName<'e>) -> &'e str {
    without_prefix(name.into_inner())
}

/// Names are a few bytes long, for which a loop is faster than a search.
fn without_prefix(name: &str) -> &str {
    match name.bytes().rposition(|byte| byte == b':') {
        Some(at) => &name[at + 1..],
        None => name,
    }
}

/// An attribute's value, whatever the prefix of its name.
pub(super) fn attribute<'e>(start: &'e BytesStart<'_>, name: &str) -> Option<Cow<'e, str>> {
    attributes(start).find_map(|(found, value)| (found == name).then(|| unescaped(value)))
}

/// The attributes' names without prefixes and their raw values, up to the first that is not written as one. Much the
/// same as the library's own iterator, which takes a tenth of the time of reading a sheet more.
pub(super) fn attributes<'e>(start: &'e BytesStart<'_>) -> impl Iterator<Item = (&'e str, &'e str)> {
    let mut rest = start.attributes_raw();
    std::iter::from_fn(move || {
        let (name, after) = rest.split_at(rest.bytes().position(|byte| byte == b'=')?);
        let value = after[1..].trim_ascii_start();
        let quote = *value.as_bytes().first().filter(|quote| matches!(quote, b'"' | b'\''))?;
        let value = &value[1..];
        let end = value.bytes().position(|byte| byte == quote)?;
        rest = &value[end + 1..];
        Some((without_prefix(name.trim_ascii()), &value[..end]))
    })
}

/// An attribute's value with its entities resolved; as it stands where that cannot be done.
pub(super) fn unescaped(value: &str) -> Cow<'_, str> {
    quick_xml::escape::unescape(value).unwrap_or(Cow::Borrowed(value))
}

/// What XML takes for true.
pub(super) fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true" | "on")
}

/// Adds an event's text, if it is text. What is longer than a row is cut, and refused where it is used.
pub(super) fn push_text(event: &Event<'_>, part: &Arc<str>, text: &mut String) -> Result<(), WorkbookError> {
    if text.len() > MOST_ROW_BYTES {
        return Ok(());
    }
    match event {
        Event::Text(piece) => text.push_str(&piece.xml10_content()),
        Event::CData(piece) => text.push_str(&piece.xml10_content()),
        Event::GeneralRef(reference) => match reference.resolve_char_ref() {
            Ok(Some(character)) => text.push(character),
            Ok(None) => {
                let Some(entity) = resolve_predefined_entity(reference) else {
                    let name = escape::excerpt(reference, 20);
                    return Err(WorkbookError::damaged(
                        part,
                        format!("the entity `{name}` is not known"),
                    ));
                };
                text.push_str(entity);
            }
            Err(error) => return Err(refused(error, part)),
        },
        _ => {}
    }
    Ok(())
}

fn refused(error: quick_xml::Error, part: &Arc<str>) -> WorkbookError {
    match error {
        quick_xml::Error::Io(error) => match Arc::try_unwrap(error) {
            Ok(error) => match WorkbookError::from_io(error, part) {
                WorkbookError::TooLarge(Excess::Token(_)) => WorkbookError::TooLarge(Excess::Token(Arc::clone(part))),
                other => other,
            },
            Err(shared) => WorkbookError::Read { source: shared },
        },
        quick_xml::Error::Encoding(_) => WorkbookError::damaged(part, "its text is not UTF-8"),
        other => WorkbookError::damaged(part, escape::excerpt(&other.to_string(), 120)),
    }
}

/// Passes bytes on until an event has had as many as one may.
struct Metered<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> BufRead for Metered<R> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            let excess = Excess::Token(Arc::from(""));
            return Err(io::Error::other(WorkbookError::TooLarge(excess)));
        }
        self.inner.fill_buf()
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
