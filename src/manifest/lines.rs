//! Line numbers as an editor shows them.
//!
//! The csv crate's own count is no use here: it forgets blank lines before a record.

use memchr::{memchr_iter, memchr2};

/// Counts the line ends (`\n`, `\r\n` or a lone `\r`) of the bytes that went by.
#[derive(Debug, Clone, Default)]
pub(super) struct LineCounter {
    ended: u64,
    /// The last byte was a `\r`, and whether it ends a line of its own depends on the next one.
    after_return: bool,
}

impl LineCounter {
    /// A counter that stands at the beginning of `line`.
    pub(super) fn from_line(line: u32) -> LineCounter {
        LineCounter {
            ended: u64::from(line.saturating_sub(1)),
            after_return: false,
        }
    }

    /// Takes in the next bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let Some(&first) = bytes.first() else { return };
        if self.after_return && first != b'\n' {
            self.ended += 1;
        }
        self.after_return = false;
        // Nearly every row is one line, and finding the first end is cheaper than counting all.
        match memchr2(b'\n', b'\r', bytes) {
            None => return,
            Some(at) if &bytes[at..] == b"\n" || &bytes[at..] == b"\r\n" => {
                self.ended += 1;
                return;
            }
            Some(_) => {}
        }
        self.ended += memchr_iter(b'\n', bytes).count() as u64;
        for at in memchr_iter(b'\r', bytes) {
            match bytes.get(at + 1) {
                None => self.after_return = true,
                Some(b'\n') => {}
                Some(_) => self.ended += 1,
            }
        }
    }

    /// The line, counted from 1, on which the next byte stands, unless it is the `\n` of a `\r\n`.
    pub(super) fn line(&self) -> u32 {
        let line = self.ended + 1 + u64::from(self.after_return);
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// The line of the byte that follows `ahead`, which has not been passed yet.
    pub(super) fn line_after(&self, ahead: &[u8]) -> u32 {
        let mut counter = self.clone();
        counter.pass(ahead);
        counter.line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_line_end_counts_once() {
        for (text, line) in [
            ("", 1),
            ("a", 1),
            ("a\n", 2),
            ("a\r\n", 2),
            ("a\r", 2),
            ("\n\n\n", 4),
            ("\r\n\r\n", 3),
            ("\r\r", 3),
            ("\n\r", 3),
            ("a\rb\nc\r\nd", 4),
        ] {
            assert_eq!(LineCounter::default().line_after(text.as_bytes()), line, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn cutting_the_text_anywhere_changes_nothing(text in "[ab\r\n]{0,20}", cut in any::<proptest::sample::Index>()) {
            let whole = LineCounter::default().line_after(text.as_bytes());
            let (head, tail) = text.as_bytes().split_at(cut.index(text.len() + 1));
            let mut counter = LineCounter::default();
            counter.pass(head);
            counter.pass(tail);
            prop_assert_eq!(counter.line(), whole);
        }
    }
}
