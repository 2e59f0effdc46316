//! What a workbook may ask of the machine before any of it is believed.
//!
//! Everything is counted while it is read, never taken from what a file says about itself. Together they keep the
//! memory of a reading below 512 MB whatever the file is, and its time below half a minute. They bound amounts, not how
//! well something was compressed: a sheet whose prompts are much alike shrinks to a hundredth and more, as a bomb does,
//! so that a bound on the ratio would refuse honest files, while one on the amount meets every bomb.

use crate::manifest::{MOST_COLUMNS, MOST_ROW_BYTES};

/// Most bytes of a zip archive's directory. An entry has some 100, and each costs 400 in memory.
pub(super) const MOST_DIRECTORY_BYTES: u64 = 16 << 20;

/// Most parts of a workbook: one for each picture in it, and a dozen others.
pub(super) const MOST_PARTS: usize = 100_000;

/// Most bytes of all parts that are read, inflated, each counted once. A million rows of six columns are 500 MB.
pub(super) const MOST_INFLATED_BYTES: u64 = 1 << 30;

/// How often that much may be inflated. Two passes over the sheet that is read, and the beginnings of others.
pub(super) const MOST_PASSES: u64 = 4;

/// Most bytes of a part other than sheets and shared strings, inflated. 65,530 links, Excel's most, are 10 MB.
pub(super) const MOST_PART_BYTES: u64 = 64 << 20;

/// Longest piece of markup or text between two pieces of markup, in bytes: what would not fit in a row is of no use.
pub(super) const MOST_TOKEN_BYTES: usize = MOST_ROW_BYTES;

/// Most pieces of markup and text in a part: what as many bytes of cells, as short as they are written, come to.
pub(super) const MOST_EVENTS: u32 = 150_000_000;

/// How deep elements may be nested. Workbooks that programs write stay below 30.
pub(super) const MOST_DEPTH: usize = 256;

/// Most bytes of text that cells share, which is held in memory. A million prompts of 250 bytes.
pub(super) const MOST_SHARED_BYTES: usize = 256 << 20;

/// Most texts that cells share: eight for each of a million rows.
pub(super) const MOST_SHARED_TEXTS: usize = 8_000_000;

/// Most text of all rows, in bytes: a shared text is stored once and may stand in every cell.
pub(super) const MOST_TEXT_BYTES: u64 = 1 << 30;

/// Most links, merged ranges or pictures of a sheet. Excel allows 65,530 links.
pub(super) const MOST_RANGES: usize = 500_000;

/// Last row of a sheet, in all programs.
pub(super) const MOST_SHEET_ROWS: u32 = 1_048_576;

/// Columns of a sheet that are read: [`MOST_COLUMNS`] as columns are counted here.
pub(super) const READ_COLUMNS: u32 = 1_024;
const _: () = assert!(READ_COLUMNS as usize == MOST_COLUMNS);

/// Most sheets of a workbook.
pub(super) const MOST_SHEETS: usize = 10_000;

/// How many sheets are looked at for a header.
pub(super) const MOST_SHEETS_LOOKED_AT: usize = 64;

/// How many rows are looked at for a header.
pub(super) const HEAD_ROWS: usize = 20;
