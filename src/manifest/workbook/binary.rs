//! What Excel's two binary formats have in common: numbers in little endian, packed numbers, codes of errors.
//!
//! Every read is checked: a record that is too short is damage, never a panic.

use crate::manifest::workbook::error::WorkbookError;

/// The bytes of a record, read from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'b> {
    left: &'b [u8],
}

/// A record ended before what it had to hold.
#[derive(Debug)]
pub(super) struct TooShort;

impl TooShort {
    pub(super) fn in_part(self, part: &std::sync::Arc<str>) -> WorkbookError {
        WorkbookError::damaged(part, "a record is too short")
    }
}

impl<'b> Bytes<'b> {
    pub(super) fn new(left: &'b [u8]) -> Bytes<'b> {
        Bytes { left }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'b [u8], TooShort> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(TooShort)?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TooShort> {
        let (taken, left) = self.left.split_first_chunk().ok_or(TooShort)?;
        self.left = left;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, TooShort> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, TooShort> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, TooShort> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, TooShort> {
        self.array().map(f64::from_le_bytes)
    }

    /// Text in UTF-16, by its number of units.
    pub(super) fn utf16(&mut self, units: usize) -> Result<String, TooShort> {
        let bytes = self.take(units.checked_mul(2).ok_or(TooShort)?)?;
        Ok(encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0.into_owned())
    }

    pub(super) fn rest(&self) -> &'b [u8] {
        self.left
    }
}

/// A number in four bytes: the upper half of one in eight, or an integer of 30 bits, perhaps in hundredths.
pub(super) fn packed_number(packed: u32) -> f64 {
    let value = if packed & 2 != 0 {
        f64::from(packed.cast_signed() >> 2)
    } else {
        f64::from_bits(u64::from(packed & !3) << 32)
    };
    if packed & 1 != 0 { value / 100.0 } else { value }
}

/// An error as it is shown.
pub(super) fn error_text(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0f => "#VALUE!",
        0x17 => "#REF!",
        0x1d => "#NAME?",
        0x24 => "#NUM!",
        0x2a => "#N/A",
        0x2b => "#GETTING_DATA",
        _ => "#ERROR!",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unpacked() {
        for (packed, number) in [
            (6_u32 << 2 | 2, 6.0),
            ((-6_i32).cast_unsigned() << 2 | 2, -6.0),
            (1_250 << 2 | 3, 12.5),
            ((0.5_f64.to_bits() >> 32) as u32, 0.5),
            ((50.0_f64.to_bits() >> 32) as u32 | 1, 0.5),
        ] {
            assert_eq!(packed_number(packed), number);
        }
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        let mut bytes = Bytes::new(&[1, 2, 3, 4, 5]);
        assert_eq!(bytes.u16().unwrap(), 0x0201);
        assert!(bytes.u32().is_err());
        assert_eq!(bytes.u8().unwrap(), 3);
        assert!(bytes.utf16(2).is_err() && bytes.utf16(usize::MAX).is_err());
        assert_eq!(bytes.rest(), [4, 5]);
    }
}
