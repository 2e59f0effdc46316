//! UTF-16 and UTF-32 without a byte order mark: known by the zero bytes of their ASCII characters.

use encoding_rs::DecoderResult;
use memchr::memchr;

use crate::manifest::text::Encoding;

/// Fewer ASCII characters are no manifest: the names of two columns have more, or the address of one image.
const LEAST_ASCII: usize = 8;

/// One character in so many has to be ASCII: addresses of images and line ends are, in whatever language the prompts are.
const LEAST_SHARE: usize = 64;

/// The order of the bytes if `head`, the beginning of a file, is text in UTF-16.
pub(super) fn order_of(head: &[u8]) -> Option<Encoding> {
    memchr(0, head)?;
    // Read in the wrong order, 一 (U+4E00) is an `N`; but what would have to be there for a comma or a line end is in no
    // text. So these tell the order.
    let is_break = |byte| matches!(byte, b'\t' | b'\n' | b'\r' | b',' | b';');
    let (little, big) = (units(head, 1, is_break), units(head, 0, is_break));
    let (encoding, zero) = if little > 4 * big {
        (Encoding::UTF_16LE, 1)
    } else if big > 4 * little {
        (Encoding::UTF_16BE, 0)
    } else {
        return None;
    };
    let ascii = units(head, zero, |byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    // Zeros may stand in a text of bytes, too, but there they are few.
    let share = if is_utf8(head) { 2 } else { LEAST_SHARE };
    let is_likely = ascii >= LEAST_ASCII && ascii * share >= head.len() / 2;
    (is_likely && is_text(head, encoding)).then_some(encoding)
}

/// Whether `head` is text in UTF-32, which nothing writes that is meant to be opened in a spreadsheet.
pub(super) fn is_utf32(head: &[u8]) -> bool {
    let units = head.as_chunks::<4>().0;
    let little = |unit: &[u8; 4]| unit[3] == 0 && unit[2] <= 0x10;
    let big = |unit: &[u8; 4]| unit[0] == 0 && unit[1] <= 0x10;
    let is_some = |unit: &[u8; 4]| *unit != [0; 4];
    units.len() >= 2 && units.iter().all(is_some) && (units.iter().all(little) || units.iter().all(big))
}

/// Whether the bytes are UTF-8, but for a character that is cut at the end.
fn is_utf8(head: &[u8]) -> bool {
    match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// How many pairs have their zero at `zero`, and such a byte beside it.
fn units(head: &[u8], zero: usize, is_such: impl Fn(u8) -> bool) -> usize {
    let units = head.as_chunks::<2>().0.iter();
    units.filter(|unit| unit[zero] == 0 && is_such(unit[1 - zero])).count()
}

/// Whether the bytes can be decoded to something without control characters.
fn is_text(head: &[u8], encoding: Encoding) -> bool {
    let mut decoder = encoding.inner().new_decoder_without_bom_handling();
    let mut text = String::with_capacity(head.len() * 2);
    // Where the head was cut is no fault of the text's.
    let (result, _) = decoder.decode_to_string_without_replacement(head, &mut text, false);
    let is_odd = |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    result == DecoderResult::InputEmpty && !text.chars().any(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn text_in_utf16_is_known_without_a_mark() {
        for text in [
            "prompt,image_url\n".to_owned(),
            "提示词,图片链接\n一只小船,https://img.example.org/1.png\n".to_owned(),
            format!(
                "提示词\t图片链接\r\n{}\thttps://img.example.org/1.png\r\n",
                "一只小船一一".repeat(300)
            ),
            "ñandú;été;🛶;x\n".to_owned(),
        ] {
            for (big, encoding) in [(false, Encoding::UTF_16LE), (true, Encoding::UTF_16BE)] {
                let bytes = utf16(&text, big);
                assert_eq!(order_of(&bytes), Some(encoding), "{text}");
                assert_eq!(order_of(&bytes[..bytes.len() - 1]), Some(encoding));
                assert!(!is_utf32(&bytes));
            }
        }
    }

    #[test]
    fn a_zero_byte_alone_makes_no_utf16() {
        for bytes in [
            &b"prompt,image_url\na,b,\0\nc,d,\0\n"[..],
            b"prompt,image_url\na\0,b\nc,d\0\n",
            b"prompt,image_url\n\xd2\xbb\xd6\xbb\xd0\xa1,\0\n",
            b"a,b\0\nc,d\0\ne,f\0\ng,h\0\n",
            b"p\0\0\0a\0\0\0",
            b"\0",
            b"",
            "提示词,图片链接\n一,二\0".as_bytes(),
            &[b'\0', b'a', b'\0', 1, b'\0', b'b'],
        ] {
            assert_eq!(order_of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn utf32_is_known() {
        let little: Vec<u8> = "prompt,提示词"
            .chars()
            .flat_map(|unit| u32::from(unit).to_le_bytes())
            .collect();
        let big: Vec<u8> = "prompt,提示词"
            .chars()
            .flat_map(|unit| u32::from(unit).to_be_bytes())
            .collect();
        assert!(is_utf32(&little) && is_utf32(&big));
        assert!(!is_utf32(b"prompt,image_url\n") && !is_utf32(&[0; 8]) && !is_utf32(b"\0\0\0a"));
        assert_eq!(order_of(&little), None);
    }
}
