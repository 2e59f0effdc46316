//! Texts that cells share: a table at the workbook's side, in which cells look theirs up by number.

use crate::manifest::MOST_ROW_BYTES;
use crate::manifest::workbook::error::{Excess, WorkbookError};
use crate::manifest::workbook::limits::{MOST_SHARED_BYTES, MOST_SHARED_TEXTS};

/// Bytes taken from the system at a time. A table that grew in one piece would at times be held twice.
const BLOCK_BYTES: usize = 4 << 20;

/// The table: 8 bytes a text beside its own.
#[derive(Debug, Default)]
pub(super) struct SharedTexts {
    /// A text lies in one of them as a whole, and each is far larger than a text.
    blocks: Vec<String>,
    /// Where each text begins, as if all blocks were full and in a row, and its length.
    places: Vec<(u32, u32)>,
    bytes: usize,
}

impl SharedTexts {
    /// Adds the next text. One that is longer than a row is cut, and refused where it is used.
    pub(super) fn push(&mut self, text: &str) -> Result<(), WorkbookError> {
        let excess = || WorkbookError::TooLarge(Excess::SharedTexts);
        let text = &text[..text.floor_char_boundary(MOST_ROW_BYTES + 4)];
        self.bytes += text.len();
        if self.bytes > MOST_SHARED_BYTES || self.places.len() >= MOST_SHARED_TEXTS {
            return Err(excess());
        }
        let fits = self
            .blocks
            .last()
            .is_some_and(|block| block.len() < BLOCK_BYTES && block.len() + text.len() <= BLOCK_BYTES);
        if !fits {
            // The first one grows, since most tables are small.
            let capacity = if self.blocks.is_empty() { 0 } else { BLOCK_BYTES };
            self.blocks.push(String::with_capacity(capacity));
        }
        let last = self.blocks.len() - 1;
        let block = &mut self.blocks[last];
        let place = last * BLOCK_BYTES + block.len();
        let place = u32::try_from(place).map_err(|_| excess())?;
        let length = u32::try_from(text.len()).map_err(|_| excess())?;
        block.push_str(text);
        self.places.push((place, length));
        Ok(())
    }

    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let (place, length) = *self.places.get(number)?;
        let (place, length) = (place as usize, length as usize);
        let begin = place % BLOCK_BYTES;
        self.blocks.get(place / BLOCK_BYTES)?.get(begin..begin + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_found_by_its_number() {
        let mut texts = SharedTexts::default();
        let of = |number: usize| format!("{number}é{}", "x".repeat(number * 331 % 90_000));
        (0..400).for_each(|number| texts.push(&of(number)).unwrap());
        assert!(texts.blocks.len() > 3, "texts lie in several blocks");
        for number in 0..400 {
            assert_eq!(texts.get(number), Some(of(number).as_str()));
        }
        assert_eq!(texts.get(400), None);
    }

    #[test]
    fn a_full_block_is_followed_by_another() {
        let mut texts = SharedTexts::default();
        let half = "x".repeat(BLOCK_BYTES / 2);
        for text in [half.as_str(), half.as_str(), ""] {
            texts.push(text).unwrap();
        }
        assert_eq!(texts.get(1), Some(half.as_str()));
        assert_eq!(texts.get(2), Some(""));
        texts.push("y").unwrap();
        assert_eq!(texts.get(3), Some("y"));
    }

    #[test]
    fn more_than_a_million_prompts_can_need_is_refused() {
        let mut texts = SharedTexts::default();
        let long = "x".repeat(MOST_ROW_BYTES);
        let mut pushed = 0;
        while texts.push(&long).is_ok() {
            pushed += 1;
        }
        assert_eq!(pushed, MOST_SHARED_BYTES / MOST_ROW_BYTES);
    }
}
