//! Reads `multipart/form-data` (RFC 7578) as it arrives, without keeping more than a piece of it.

use memchr::memmem;

/// Longest head of a part.
const LONGEST_HEAD_BYTES: usize = 8 * 1024;

/// What happens in a body, in this order for each of its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A part begins.
    Begin(Part),
    /// Some of its content.
    Data(&'a [u8]),
    /// It is complete.
    End,
}

/// The head of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The field it fills.
    pub(super) name: String,
    /// The name of the file in it, if it is one.
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MultipartError {
    #[error("the request is not multipart/form-data with a boundary")]
    NoBoundary,
    #[error("a part's head is longer than {LONGEST_HEAD_BYTES} bytes")]
    HeadTooLong,
    #[error("a part's head cannot be read")]
    BadHead,
    #[error("a boundary is followed by neither a line break nor two dashes")]
    BadBoundary,
    #[error("the body ends before its last boundary")]
    Unfinished,
}

/// A parser that is fed piece by piece.
#[derive(Debug)]
pub(super) struct Multipart {
    /// `\r\n--boundary`.
    delimiter: Vec<u8>,
    pending: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary.
    Boundary,
    Head,
    Content,
    /// Behind the last boundary: what follows is ignored.
    Done,
}

impl Multipart {
    /// A parser for a body with this `Content-Type`.
    pub(super) fn new(content_type: Option<&str>) -> Result<Multipart, MultipartError> {
        let (kind, parameters) = content_type
            .and_then(|value| value.split_once(';'))
            .ok_or(MultipartError::NoBoundary)?;
        let boundary = parameter(parameters, "boundary").filter(|text| (1..=70).contains(&text.len()));
        match boundary {
            Some(boundary) if kind.trim().eq_ignore_ascii_case("multipart/form-data") => Ok(Multipart {
                delimiter: format!("\r\n--{boundary}").into_bytes(),
                // The first boundary may stand at the very beginning, without a line break before it.
                pending: b"\r\n".to_vec(),
                state: State::Preamble,
            }),
            Some(_) | None => Err(MultipartError::NoBoundary),
        }
    }

    /// Takes the next piece and tells what is in it.
    pub(super) fn feed(&mut self, piece: &[u8], mut tell: impl FnMut(Event<'_>)) -> Result<(), MultipartError> {
        if self.state == State::Done {
            return Ok(());
        }
        self.pending.extend_from_slice(piece);
        let mut at = 0;
        while let Some(used) = self.step(at, &mut tell)? {
            at += used;
        }
        // What is left is shorter than a boundary or a head.
        self.pending.drain(..at);
        Ok(())
    }

    /// Says whether the body was complete.
    pub(super) fn finish(self) -> Result<(), MultipartError> {
        if self.state == State::Done {
            Ok(())
        } else {
            Err(MultipartError::Unfinished)
        }
    }

    /// Reads on from `at` and returns how many bytes it used; `None` when more are needed first.
    fn step(&mut self, at: usize, tell: &mut impl FnMut(Event<'_>)) -> Result<Option<usize>, MultipartError> {
        let rest = &self.pending[at..];
        match self.state {
            State::Preamble | State::Content => {
                let in_content = self.state == State::Content;
                let found = memmem::find(rest, &self.delimiter);
                // The end of what is there may be the beginning of a boundary.
                let sure = found.unwrap_or((rest.len() + 1).saturating_sub(self.delimiter.len()));
                if in_content && sure > 0 {
                    tell(Event::Data(&rest[..sure]));
                }
                match found {
                    Some(_) => {
                        if in_content {
                            tell(Event::End);
                        }
                        self.state = State::Boundary;
                        Ok(Some(sure + self.delimiter.len()))
                    }
                    None => Ok((sure > 0).then_some(sure)),
                }
            }
            State::Boundary => match rest {
                [b'-', b'-', ..] => {
                    self.state = State::Done;
                    Ok(Some(rest.len()))
                }
                [b'\r', b'\n', ..] => {
                    self.state = State::Head;
                    Ok(Some(2))
                }
                [] | [b'-' | b'\r'] => Ok(None),
                _ => Err(MultipartError::BadBoundary),
            },
            State::Head => match memmem::find(rest, b"\r\n\r\n") {
                Some(length) if length <= LONGEST_HEAD_BYTES => {
                    tell(Event::Begin(part_of(&rest[..length])?));
                    self.state = State::Content;
                    Ok(Some(length + 4))
                }
                None if rest.len() <= LONGEST_HEAD_BYTES => Ok(None),
                Some(_) | None => Err(MultipartError::HeadTooLong),
            },
            State::Done => Ok(None),
        }
    }
}

fn part_of(head: &[u8]) -> Result<Part, MultipartError> {
    let head = std::str::from_utf8(head).map_err(|_| MultipartError::BadHead)?;
    let mut part = Part::default();
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(MultipartError::BadHead)?;
        if name.eq_ignore_ascii_case("content-disposition") {
            let (_, parameters) = value.split_once(';').ok_or(MultipartError::BadHead)?;
            part.name = parameter(parameters, "name").ok_or(MultipartError::BadHead)?;
            part.file_name = parameter(parameters, "filename");
        } else if name.eq_ignore_ascii_case("content-type") {
            part.content_type = Some(value.trim().to_owned());
        }
    }
    if part.name.is_empty() {
        Err(MultipartError::BadHead)
    } else {
        Ok(part)
    }
}

/// A parameter of a header's value, like `name="file"`. Quotes may hold semicolons, and `\"` or `%22` for a quote.
fn parameter(mut parameters: &str, wanted: &str) -> Option<String> {
    loop {
        let (key, behind) = parameters.split_once('=')?;
        let (value, rest) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, rest) = behind.split_once(';').unwrap_or((behind, ""));
                (value.trim().to_owned(), rest)
            }
        };
        if key.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        parameters = rest;
    }
}

/// The text up to the closing quote, and what follows it.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((text.replace("%22", "\""), &quoted[at + 1..])),
            '\\' => text.push(characters.next()?.1),
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    /// Each part with its content.
    fn parts(content_type: &str, body: &[u8], piece: usize) -> Result<Vec<(Part, Vec<u8>)>, MultipartError> {
        let mut parser = Multipart::new(Some(content_type))?;
        let (mut parts, mut open) = (Vec::new(), None);
        for piece in body.chunks(piece) {
            parser.feed(piece, |event| match event {
                Event::Begin(part) => assert!(open.replace((part, Vec::new())).is_none()),
                Event::Data(data) => open.as_mut().unwrap().1.extend_from_slice(data),
                Event::End => parts.push(open.take().unwrap()),
            })?;
        }
        parser.finish()?;
        Ok(parts)
    }

    fn part(name: &str, file_name: Option<&str>, content_type: Option<&str>) -> Part {
        Part {
            name: name.to_owned(),
            file_name: file_name.map(str::to_owned),
            content_type: content_type.map(str::to_owned),
        }
    }

    #[test]
    fn parts_are_read_whatever_the_pieces() {
        let body = b"a preamble\r\n--xyz\r\nContent-Disposition: form-data; name=\"uploadPath\"\r\n\r\nimages\r\n--xyz\r\n\
            content-disposition: form-data; filename=\"a;\\\"b\\\".png\"; name=file\r\nContent-Type: image/png\r\n\r\n\
            \r\n--xy\0\r\n--\r\n--xyz\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xyz--\r\nan epilogue";
        let expected = vec![
            (part("uploadPath", None, None), b"images".to_vec()),
            (
                part("file", Some("a;\"b\".png"), Some("image/png")),
                b"\r\n--xy\0\r\n--".to_vec(),
            ),
            (part("empty", None, None), Vec::new()),
        ];
        for piece in [1, 2, 3, 7, 16, 10_000] {
            assert_eq!(parts(TYPE, body, piece).unwrap(), expected, "in pieces of {piece}");
        }
        assert_eq!(parts(TYPE, b"--xyz--", 3), Ok(Vec::new()));
        assert_eq!(
            parts("Multipart/Form-Data; charset=utf-8; Boundary=\"xyz\"", body, 5).unwrap(),
            expected
        );
    }

    #[test]
    fn broken_bodies_are_refused() {
        let head = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n";
        for (body, error) in [
            (String::new(), MultipartError::Unfinished),
            ("--abc\r\n".to_owned(), MultipartError::Unfinished),
            (format!("{head}\r\ntext"), MultipartError::Unfinished),
            (format!("{head}\r\ntext\r\n--xyz"), MultipartError::Unfinished),
            (format!("{head}\r\ntext\r\n--xyzzy"), MultipartError::BadBoundary),
            (
                "--xyz\r\nContent-Disposition: form-data\r\n\r\n".to_owned(),
                MultipartError::BadHead,
            ),
            ("--xyz\r\nContent-Type: a/b\r\n\r\n".to_owned(), MultipartError::BadHead),
            ("--xyz\r\nnonsense\r\n\r\n".to_owned(), MultipartError::BadHead),
            (
                format!("{head}X: {}\r\n\r\n", "x".repeat(9_000)),
                MultipartError::HeadTooLong,
            ),
            (format!("{head}X: {}", "x".repeat(9_000)), MultipartError::HeadTooLong),
        ] {
            assert_eq!(parts(TYPE, body.as_bytes(), 1_000), Err(error), "{body:.80}");
        }
        for content_type in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "text/plain; boundary=xyz",
        ] {
            assert_eq!(parts(content_type, b"--xyz--", 9), Err(MultipartError::NoBoundary));
        }
    }

    proptest! {
        #[test]
        fn any_content_comes_out_as_it_went_in(
            content in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'x'), any::<u8>()], 0..200),
            piece in 1usize..50,
        ) {
            prop_assume!(memmem::find(&content, b"\r\n--xyz").is_none());
            let head = b"--xyz\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".as_slice();
            let body = [head, &content, b"\r\n--xyz--\r\n"].concat();
            prop_assert_eq!(parts(TYPE, &body, piece).unwrap(), vec![(part("file", None, None), content)]);
        }

        #[test]
        fn no_body_is_kept_in_memory(body in prop::collection::vec(any::<u8>(), 0..40_000)) {
            let mut parser = Multipart::new(Some(TYPE)).unwrap();
            for piece in body.chunks(1_000) {
                if parser.feed(piece, |_| {}).is_err() {
                    break;
                }
                prop_assert!(parser.pending.len() <= LONGEST_HEAD_BYTES + 1_000);
            }
        }
    }
}
