//! The lines of a file that tell its encoding: those with bytes beyond ASCII, wherever they are.
//!
//! An English sheet may have its one Chinese note in row 50,000. Looking for such lines is nearly free, because whole
//! blocks are asked at once whether they are ASCII.

use std::io::{self, Read, Seek, SeekFrom};

use memchr::memchr2;

/// Bytes read at a time: few calls, and small enough for the second cache.
const BLOCK_BYTES: usize = 128 << 10;

/// Where to stop when one line follows the other: some 8,000 Chinese characters, and a tenth of that settles the question.
const FROM_BEGINNING_BYTES: usize = 16 << 10;

/// How often and how much is looked at in the rest of a longer file, the last of it included.
const WINDOWS: u64 = 8;
const WINDOW_BYTES: u64 = 4 << 10;

/// A longer line is cut. The longest prompt that the API takes has 20,000 bytes.
const MOST_LINE_BYTES: usize = 64 << 10;

/// Lines with bytes beyond ASCII.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// The lines, each with a line feed after it.
    pub(super) text: Vec<u8>,
    /// The last line was cut, perhaps within a character.
    pub(super) is_cut: bool,
    /// What they say about UTF-8.
    pub(super) utf8: Utf8Evidence,
}

impl Sample {
    /// Looks through `file` from `begin` on. Where it is left is not defined.
    pub(super) fn of(file: &mut (impl Read + Seek), begin: u64) -> io::Result<Sample> {
        let mut collector = Collector::default();
        file.seek(SeekFrom::Start(begin))?;
        let mut block = vec![0; BLOCK_BYTES];
        let mut at = begin;
        loop {
            let count = read_full(file, &mut block)?;
            at += count as u64;
            if count == 0 {
                collector.end_line();
                return Ok(collector.sample);
            }
            if collector.take(&block[..count]) {
                break;
            }
        }
        if !collector.sample.utf8.is_certain() {
            collector.look_into_the_rest(file, at, &mut block)?;
        }
        Ok(collector.sample)
    }
}

#[derive(Debug, Default)]
struct Collector {
    sample: Sample,
    /// A line whose end is still to come, if it is worth keeping.
    open: Vec<u8>,
}

impl Collector {
    /// Takes the next stretch of the file in; whether that is enough.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        // What was dropped of a line is ASCII, and tells nothing.
        if self.open.is_empty() && bytes.is_ascii() {
            return false;
        }
        while !bytes.is_empty() {
            let end = memchr2(b'\n', b'\r', bytes);
            let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if !self.open.is_empty() || !line.is_ascii() {
                let room = MOST_LINE_BYTES.saturating_sub(self.open.len());
                self.open.extend_from_slice(&line[..line.len().min(room)]);
                if line.len() > room {
                    self.sample.is_cut = true;
                    self.end_line();
                    return true;
                }
            }
            if end.is_some() {
                self.end_line();
                if self.sample.text.len() >= FROM_BEGINNING_BYTES || self.sample.utf8.is_certain() {
                    return true;
                }
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        false
    }

    fn end_line(&mut self) {
        if self.open.is_empty() {
            return;
        }
        if !self.sample.is_cut {
            self.sample.utf8.weigh(&self.open);
        }
        self.sample.text.append(&mut self.open);
        self.sample.text.push(b'\n');
    }

    /// Takes whole lines from places that are spread evenly over the file from `at` to its end.
    fn look_into_the_rest(&mut self, file: &mut (impl Read + Seek), at: u64, block: &mut [u8]) -> io::Result<()> {
        let length = file.seek(SeekFrom::End(0))?;
        let Some(span) = length.checked_sub(at + WINDOW_BYTES) else {
            return Ok(());
        };
        let window = &mut block[..usize::try_from(WINDOW_BYTES).unwrap_or(0)];
        for number in 0..WINDOWS {
            file.seek(SeekFrom::Start(at + span * number / (WINDOWS - 1)))?;
            let count = read_full(file, window)?;
            let bytes = &window[..count];
            // Lines that begin or end elsewhere may do so within a character.
            let Some(first) = memchr2(b'\n', b'\r', bytes) else {
                continue;
            };
            let last = memchr::memrchr2(b'\n', b'\r', bytes).unwrap_or(first);
            for line in bytes[first..last].split(|byte| matches!(byte, b'\n' | b'\r')) {
                if !line.is_ascii() {
                    self.open.extend_from_slice(line);
                    self.end_line();
                }
            }
        }
        Ok(())
    }
}

/// Reads until `block` is full or the file ends.
pub(in crate::manifest::text) fn read_full(file: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < block.len() {
        match file.read(&mut block[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// How sure it is that lines are in UTF-8, in bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utf8Evidence {
    /// For it: how unlikely it is that the lines are valid by chance.
    pro: u32,
    /// Lines that are not valid.
    pub(super) invalid_lines: u32,
}

/// What a line that is not valid weighs against the others. Not more: files of which one row was cut within a character
/// are common, and reading such a file as anything else would spoil all the others.
const INVALID_LINE_BITS: u32 = 10;

/// Enough to be sure: a chance of one in a million.
const SURE_BITS: u32 = 20;

/// Enough to look no further.
const CERTAIN_BITS: u32 = 2 * SURE_BITS;

impl Utf8Evidence {
    fn weigh(&mut self, line: &[u8]) {
        // How often bytes of the common double-byte encodings are by chance such a sequence: a lead byte has to be
        // followed by bytes of a quarter of all values, and most encodings have few pairs there.
        let bits = |character: char| match character.len_utf8() {
            1 => 0,
            2 => 2,
            3 => 4,
            _ => 8,
        };
        match std::str::from_utf8(line) {
            Ok(text) => self.pro = self.pro.saturating_add(text.chars().map(bits).sum()),
            Err(_) => self.invalid_lines += 1,
        }
    }

    fn net(&self) -> u32 {
        self.pro
            .saturating_sub(self.invalid_lines.saturating_mul(INVALID_LINE_BITS))
    }

    /// Whether the lines are UTF-8, but for some that are broken.
    pub(super) fn is_sure(&self) -> bool {
        self.net() >= SURE_BITS
    }

    fn is_certain(&self) -> bool {
        self.net() >= CERTAIN_BITS
    }

    /// Whether any line with more than ASCII is valid.
    pub(super) fn has_valid_lines(&self) -> bool {
        self.pro > 0
    }

    /// Whether some lines are UTF-8 for sure, whatever the others are.
    pub(super) fn is_mixed(&self) -> bool {
        self.pro >= SURE_BITS && self.invalid_lines > 0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sample(bytes: &[u8]) -> Sample {
        Sample::of(&mut Cursor::new(bytes), 0).unwrap()
    }

    #[test]
    fn lines_beyond_ascii_are_found_wherever_they_are() {
        for end in ["\n", "\r\n", "\r"] {
            let ascii = format!("a boat in the harbour{end}").repeat(50_000);
            let mut bytes = ascii.clone().into_bytes();
            bytes.extend_from_slice(b"caf\xe9");
            bytes.extend_from_slice(end.as_bytes());
            bytes.extend_from_slice(ascii.as_bytes());
            bytes.extend_from_slice(b"the last one: na\xefve");
            let found = sample(&bytes);
            assert_eq!(found.text, b"caf\xe9\nthe last one: na\xefve\n", "{end:?}");
            assert!(!found.is_cut && !found.utf8.is_sure());
        }
        assert!(sample(b"").text.is_empty() && sample(b"a\nb").text.is_empty());
    }

    #[test]
    fn a_line_over_two_blocks_is_one_line() {
        for shift in 0..8 {
            let mut bytes = vec![b'x'; BLOCK_BYTES - shift];
            bytes[BLOCK_BYTES - 20] = b'\n';
            bytes.extend_from_slice(b"\xc9\xcf\xba\xa3\nyy\n\xc9\xcf");
            let found = sample(&bytes);
            let text = String::from_utf8_lossy(&found.text).replace('x', "");
            let expected = String::from_utf8_lossy(b"\xc9\xcf\xba\xa3\n\xc9\xcf\n").into_owned();
            assert_eq!(text, expected, "{shift}");
        }
    }

    #[test]
    fn long_files_are_looked_at_to_their_end_and_little_is_kept() {
        let mut bytes = b"\xc9\xcf\xba\xa3,x\n".repeat(200_000);
        bytes.extend_from_slice(b"\xca\xaf\n");
        let found = sample(&bytes);
        assert!(!found.is_cut);
        assert!(found.text.ends_with(b"\xca\xaf\n"));
        let most = FROM_BEGINNING_BYTES + 8 * 4 * 1024;
        assert!(found.text.len() > FROM_BEGINNING_BYTES + 30_000 && found.text.len() < most + 100);
        // Every line is complete.
        assert!(
            found
                .text
                .split(|byte| *byte == b'\n')
                .all(|line| matches!(line.len(), 0 | 2 | 6))
        );
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let found = sample(&b"\xc9\xcf\xba".repeat(1 << 20));
        assert!(found.is_cut);
        assert_eq!(found.text.len(), MOST_LINE_BYTES + 1);
    }

    #[test]
    fn text_in_utf8_is_known_at_once_and_in_spite_of_a_broken_row() {
        let mut bytes = "一只小船驶出清晨的港口\n".repeat(1_000).into_bytes();
        bytes.insert(4, b'x');
        let found = sample(&bytes);
        assert_eq!(found.utf8.invalid_lines, 1);
        assert!(found.utf8.is_sure() && found.utf8.is_mixed());
        assert!(found.text.len() < 200);
        let found = sample("café\n".as_bytes());
        assert!(!found.utf8.is_sure() && found.utf8.invalid_lines == 0);
    }
}
