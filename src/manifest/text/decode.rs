//! A file's text as UTF-8, whatever its encoding.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};

use crate::manifest::text::Encoding;

/// Stands in the decoded text where the file has bytes that are none: a byte that no UTF-8 contains.
///
/// A row with such a byte is refused as one of a file in UTF-8 is, and a `U+FFFD` that somebody wrote stays text.
pub(super) const NO_TEXT: u8 = 0xff;

/// Bytes of the file decoded at a time: a few calls for each megabyte, and small enough for the second cache.
const BLOCK_BYTES: usize = 64 << 10;

/// Less room than this is not handed to the decoder, which has to be able to write a whole character.
const LEAST_ROOM: usize = 64;

/// Reads a text from its first byte after the byte order mark on, as UTF-8.
///
/// A file in UTF-8 is handed through as it is, unchecked.
#[derive(Debug)]
pub(in crate::manifest) enum Utf8Text<R> {
    Plain(R),
    Decoded(Box<Decoded<R>>),
}

impl<R: Read> Utf8Text<R> {
    pub(super) fn new(inner: R, encoding: Encoding) -> Utf8Text<R> {
        if encoding.is_utf8() {
            Utf8Text::Plain(inner)
        } else {
            Utf8Text::Decoded(Box::new(Decoded::new(inner, encoding)))
        }
    }
}

impl<R: Read> Read for Utf8Text<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Utf8Text::Plain(inner) => inner.read(out),
            Utf8Text::Decoded(decoded) => decoded.read(out),
        }
    }
}

/// A text that is decoded while it is read.
pub(in crate::manifest) struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    /// What was read and not decoded yet.
    block: Box<[u8]>,
    begin: usize,
    end: usize,
    ended: bool,
    finished: bool,
    /// Bytes that are no text were met, and the mark for it has not been handed out yet.
    owes_mark: bool,
    /// For readers that ask for less than [`LEAST_ROOM`]: what is decoded and not handed out yet.
    spare: Vec<u8>,
}

impl<R> std::fmt::Debug for Decoded<R> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let encoding = self.decoder.encoding().name();
        formatter
            .debug_struct("Decoded")
            .field("encoding", &encoding)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Decoded<R> {
    fn new(inner: R, encoding: Encoding) -> Decoded<R> {
        Decoded {
            inner,
            decoder: encoding.inner().new_decoder_without_bom_handling(),
            block: vec![0; BLOCK_BYTES].into(),
            begin: 0,
            end: 0,
            ended: false,
            finished: false,
            owes_mark: false,
            spare: Vec::new(),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        (self.begin, self.end) = (0, self.inner.read(&mut self.block)?);
        self.ended = self.end == 0;
        Ok(())
    }

    /// Decodes into `out`, which has [`LEAST_ROOM`]; nothing at the end only.
    fn decode(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < out.len() {
            if self.owes_mark {
                out[written] = NO_TEXT;
                written += 1;
                self.owes_mark = false;
                continue;
            }
            if self.finished {
                break;
            }
            if self.begin == self.end && !self.ended {
                // Rather hand out what there is than wait for more.
                if written > 0 {
                    break;
                }
                self.fill()?;
            }
            let source = &self.block[self.begin..self.end];
            let (result, read, wrote) =
                self.decoder
                    .decode_to_utf8_without_replacement(source, &mut out[written..], self.ended);
            self.begin += read;
            written += wrote;
            match result {
                DecoderResult::InputEmpty => self.finished = self.ended,
                DecoderResult::OutputFull => break,
                DecoderResult::Malformed(..) => self.owes_mark = true,
            }
        }
        Ok(written)
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.spare.is_empty() {
            if out.len() >= LEAST_ROOM || out.is_empty() {
                return self.decode(out);
            }
            let mut spare = [0; LEAST_ROOM];
            let count = self.decode(&mut spare)?;
            self.spare.extend_from_slice(&spare[..count]);
        }
        let count = out.len().min(self.spare.len());
        out[..count].copy_from_slice(&self.spare[..count]);
        self.spare.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp;

    use proptest::prelude::*;

    use super::*;

    /// Gives at most so many bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = cmp::min(out.len(), self.1).min(self.0.len());
            let (given, rest) = self.0.split_at(count);
            out[..count].copy_from_slice(given);
            self.0 = rest;
            Ok(count)
        }
    }

    /// The text, read in pieces of these sizes.
    fn read(bytes: &[u8], encoding: Encoding, given: usize, asked: usize) -> Vec<u8> {
        let mut text = Utf8Text::new(Slow(bytes, given), encoding);
        let mut all = Vec::new();
        let mut piece = vec![0; asked];
        loop {
            match text.read(&mut piece).unwrap() {
                0 => return all,
                count => all.extend_from_slice(&piece[..count]),
            }
        }
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn what_is_no_text_is_marked_and_never_replaced() {
        for (encoding, bytes, text) in [
            (
                Encoding::GB18030,
                &b"\xc9\xcf\xff,\xba\xa3"[..],
                &b"\xe4\xb8\x8a\xff,\xe6\xb5\xb7"[..],
            ),
            (Encoding::GB18030, b"a\xc9", b"a\xff"),
            (Encoding::GB18030, b"\xc9\n,x", b"\xff\n,x"),
            (Encoding::SHIFT_JIS, b"\xfd\xfe\xff", b"\xff\xff\xff"),
            (Encoding::UTF_16LE, b"a\0\x00\xd8b\0", b"a\xffb"),
            (Encoding::UTF_16BE, b"\0a\0", b"a\xff"),
            // What somebody wrote stays text.
            (Encoding::UTF_16BE, b"\xff\xfd", "\u{fffd}".as_bytes()),
            // In UTF-8 the bytes speak for themselves.
            (Encoding::UTF_8, b"a\xffb", b"a\xffb"),
        ] {
            for (given, asked) in [(1, 1), (100, 1), (1, 100), (100, 100)] {
                assert_eq!(read(bytes, encoding, given, asked), text, "{encoding} {bytes:?}");
            }
        }
    }

    proptest! {
        /// In every encoding that can hold it, and however it is cut while it is read.
        #[test]
        fn every_text_is_decoded_as_it_was_written(
            text in "[a-z,\"\r\n]{0,5}(\\PC{0,6}|[一-龥あ-んア-ン]{0,9}|[가-힣]{0,9}|[à-ÿ]{0,9}|[а-я]{0,9}){0,3}",
            given in 1_usize..200,
            asked in 1_usize..200,
        ) {
            let mut held_by = 2;
            let little = utf16(&text, u16::to_le_bytes);
            prop_assert_eq!(read(&little, Encoding::UTF_16LE, given, asked), text.as_bytes());
            let big = utf16(&text, u16::to_be_bytes);
            prop_assert_eq!(read(&big, Encoding::UTF_16BE, given, asked), text.as_bytes());
            for name in ["utf-8", "gb18030", "big5", "shift-jis", "euc-jp", "euc-kr", "windows-1252", "windows-1251", "macintosh"] {
                let encoding: Encoding = name.parse().unwrap();
                let (bytes, _, has_unmappable) = encoding.inner().encode(&text);
                // A few characters are written like others that they resemble.
                let is_its_own = encoding.inner().decode_without_bom_handling(&bytes).0 == text;
                if !has_unmappable && is_its_own {
                    held_by += 1;
                    prop_assert_eq!(read(&bytes, encoding, given, asked), text.as_bytes(), "{}", name);
                }
            }
            // GB18030 has all of Unicode but what its standard moved about.
            prop_assert!(held_by >= 3);
        }

        #[test]
        fn any_bytes_are_read_alike_in_pieces_of_any_size(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            given in 1_usize..200,
            asked in 1_usize..200,
        ) {
            for name in ["utf-16le", "gb18030", "big5", "shift-jis", "euc-kr", "windows-1252", "iso-2022-jp"] {
                let encoding: Encoding = name.parse().unwrap();
                let whole = read(&bytes, encoding, 1 << 20, 1 << 20);
                prop_assert_eq!(read(&bytes, encoding, given, asked), &whole[..], "{}", name);
                // It is UTF-8 but for the marks, and these stand where the decoder found nothing.
                let marked = String::from_utf8_lossy(&whole).into_owned();
                prop_assert_eq!(marked, encoding.inner().decode_without_bom_handling(&bytes).0);
            }
        }
    }
}
