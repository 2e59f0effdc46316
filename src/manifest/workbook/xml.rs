//! XML as workbooks have it, in bounded memory: no event is longer than a row may be, nothing is nested without end, and
//! a document type is refused, so that no entity is ever unfolded.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;

use crate::escape;
use crate::manifest::MOST_ROW_BYTES;
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::{MOST_DEPTH, MOST_TOKEN_BYTES};
use crate::manifest::workbook::package::Named;

/// A part of a workbook as events. An empty element is a start and an end.
pub(super) struct Xml<R> {
    reader: Reader<Metered<R>>,
    buffer: Vec<u8>,
    depth: usize,
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
        pass_end_of(&mut inner, element.as_bytes()).map_err(|error| WorkbookError::from_io(error, &part))?;
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

    /// Goes past the end of the element whose start was the last event.
    pub(super) fn skip_element(&mut self) -> Result<(), WorkbookError> {
        let outside = self.depth.saturating_sub(1);
        loop {
            match self.next()? {
                Event::End(_) => {}
                Event::Eof => return Err(WorkbookError::damaged(&self.part, "it ends too early")),
                _ => continue,
            }
            if self.depth <= outside {
                return Ok(());
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
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            let excess = Excess::Token(Arc::from(""));
            return Err(io::Error::other(WorkbookError::TooLarge(excess)));
        }
        self.inner.fill_buf()
    }

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

/// Longest end tag that is recognised: a prefix has a few letters.
const MOST_TAG_BYTES: usize = 64;

/// Reads up to the end of `</element>`, whatever its prefix, or up to the end of everything.
fn pass_end_of(reader: &mut impl BufRead, element: &[u8]) -> io::Result<()> {
    let pattern = [element, b">"].concat();
    let finder = memmem::Finder::new(&pattern);
    // The last bytes of what went by, in which an end tag may have begun.
    let mut carried: Vec<u8> = Vec::with_capacity(2 * MOST_TAG_BYTES);
    loop {
        let bytes = match reader.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let before = carried.len();
        carried.extend_from_slice(&bytes[..bytes.len().min(MOST_TAG_BYTES)]);
        // A tag over the border ends in the first bytes of the new ones, one within them is seen with what precedes it.
        let over_border = finder
            .find_iter(&carried)
            .map(|at| (at, at + pattern.len()))
            .find(|(at, end)| *end > before && closes(&carried[..*at]))
            .map(|(_, end)| end - before);
        let found = over_border.or_else(|| {
            finder
                .find_iter(bytes)
                .find(|at| closes(&bytes[..*at]))
                .map(|at| at + pattern.len())
        });
        if let Some(end) = found {
            reader.consume(end);
            return Ok(());
        }
        let count = bytes.len();
        if count >= MOST_TAG_BYTES {
            carried.clear();
            carried.extend_from_slice(&bytes[count - MOST_TAG_BYTES..]);
        } else {
            let surplus = carried.len().saturating_sub(MOST_TAG_BYTES);
            carried.drain(..surplus);
        }
        reader.consume(count);
    }
}

/// Whether what stands before an element's name makes it an end tag: `</` and perhaps a prefix.
fn closes(before: &[u8]) -> bool {
    let prefix = before.iter().rev().take(MOST_TAG_BYTES);
    let mut length = 0;
    for byte in prefix {
        match byte {
            b'/' => return before.len() >= length + 2 && before[before.len() - length - 2] == b'<',
            b':' if length == 0 => {}
            byte if length > 0 && (byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) => {}
            _ => return false,
        }
        length += 1;
    }
    false
}

#[cfg(test)]
mod tests {
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
}
