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
        while written < out.len() && !(self.finished && !self.owes_mark) {
            if self.owes_mark {
                out[written] = NO_TEXT;
                written += 1;
                self.owes_mark = false;
                continue;
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
