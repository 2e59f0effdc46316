//! Places on a sheet: rows counted from 1, columns from 0.

/// A rectangle of cells, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellRange {
    pub(super) first_row: u32,
    pub(super) last_row: u32,
    pub(super) first_column: u32,
    pub(super) last_column: u32,
}

impl CellRange {
    /// Reads `B2` or `$B$2:C9`. `None` for what names no cells, as a whole column does.
    pub(super) fn read(text: &str) -> Option<CellRange> {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let (first_row, first_column) = read_cell(first)?;
        let (last_row, last_column) = read_cell(last)?;
        Some(CellRange {
            first_row,
            last_row,
            first_column,
            last_column,
        })
    }
}

/// Row and column of `B2` or `$B$2`.
pub(super) fn read_cell(text: &str) -> Option<(u32, u32)> {
    let mut column = 0_u32;
    let mut row = 0_u32;
    let mut digits = 0;
    for byte in text.bytes() {
        match byte {
            b'$' => {}
            b'A'..=b'Z' | b'a'..=b'z' if digits == 0 => {
                let letter = u32::from(byte.to_ascii_uppercase() - b'A');
                column = column.checked_mul(26)?.checked_add(letter + 1)?;
            }
            b'0'..=b'9' => {
                row = row.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?;
                digits += 1;
            }
            _ => return None,
        }
    }
    Some((row.checked_sub(1)? + 1, column.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for (text, place) in [
            ("A1", Some((1, 0))),
            ("$C$41", Some((41, 2))),
            ("xfd1048576", Some((1_048_576, 16_383))),
            ("AMJ7", Some((7, 1_023))),
            ("A0", None),
            ("A", None),
            ("7", None),
            ("1A", None),
            ("", None),
            ("ZZZZZZZZZZ1", None),
            ("A99999999999", None),
            ("é1", None),
        ] {
            assert_eq!(read_cell(text), place, "{text}");
        }
        let range = CellRange::read("B2:D9").unwrap();
        assert_eq!((range.first_row, range.last_row), (2, 9));
        assert_eq!((range.first_column, range.last_column), (1, 3));
        assert_eq!(CellRange::read("B2"), CellRange::read("B2:B2"));
        assert_eq!(CellRange::read("A:A"), None);
    }
}
