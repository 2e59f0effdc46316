//! What is a number, and what of a text a cell can hold.

use std::borrow::Cow;

use crate::escape;

/// The most that a cell holds, in UTF-16 units (Excel's specifications and limits).
const MOST_UNITS: usize = 32_767;

/// The most digits of which every number survives as a double.
const MOST_DIGITS: usize = 15;

/// The most characters of a number that the format `General` shows; it rounds what is longer, or shows an exponent.
const MOST_GENERAL: usize = 11;

/// A number and how it has to be formatted to look like the text that it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    pub(super) value: f64,
    /// How many decimals have to be asked for; `None` where it looks like that by itself.
    pub(super) decimals: Option<usize>,
}

/// The number that a text is, if it is spelt in the one way in which the number would be written again: `6`, `-0.25`,
/// not `6.0`, `007`, `+6`, `1e3` or `12345678901234567890`.
pub(super) fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_canonical = is_digits(whole)
        && is_digits(fraction)
        && (whole == "0" || !whole.is_empty() && !whole.starts_with('0'))
        && digits.contains('.') != fraction.is_empty()
        && !fraction.ends_with('0')
        && whole.len() + fraction.len() <= MOST_DIGITS
        && text != "-0";
    if !is_canonical {
        return None;
    }
    let is_general = digits.len() <= MOST_GENERAL && !digits.starts_with("0.0000");
    Some(Number {
        value: text.parse().ok()?,
        decimals: (!is_general).then_some(fraction.len()),
    })
}

/// A text of somebody's table, such that reading it as results are read gives it back. Readers of results take away the
/// `'` that defuses a formula in CSV; a workbook needs none, but a text that has one of its own gets a second.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    match escape::from_spreadsheet(text).len() == text.len() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{text}")),
    }
}

/// Whether a text would become a formula, if somebody went into its cell and out again.
pub(super) fn looks_like_formula(text: &str) -> bool {
    matches!(escape::for_spreadsheet(text), Cow::Owned(_))
}

/// What a cell holds of a text: all of it, or its head and a note; `None` if it holds it all.
pub(super) fn cut(text: &str) -> Option<String> {
    // No character has more units than bytes.
    if text.len() <= MOST_UNITS {
        return None;
    }
    let units = units(text);
    (units > MOST_UNITS).then(|| {
        let note = format!("… [cut: {units} characters are more than a cell of a workbook can hold]");
        format!("{}{note}", head(text, MOST_UNITS - self::units(&note)))
    })
}

/// The longest head of a text with at most so many UTF-16 units.
pub(super) fn head(text: &str, most: usize) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > most
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// The length of a text as Excel counts it.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_what_would_be_written_like_that_again() {
        for text in ["0", "6", "-6", "10", "0.8", "-0.25", "123456789012345", "0.00001"] {
            assert_eq!(number(text).unwrap().value.to_string(), text);
        }
        for text in [
            "",
            "-",
            ".",
            "6.0",
            "6.",
            ".5",
            "007",
            "00",
            "-0",
            "-0.0",
            "+6",
            "1e3",
            " 6",
            "6 ",
            "1,5",
            "٣",
            "0x10",
            "NaN",
            "inf",
            "1234567890123456",
            "0.1234567890123456",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_that_general_would_show_otherwise_gets_a_format() {
        for (text, decimals) in [
            ("6", None),
            ("12345678901", None),
            ("123456789012", Some(0)),
            ("-12345.67891", None),
            ("12345.678901", Some(6)),
            ("0.0001", None),
            ("0.00001", Some(5)),
        ] {
            assert_eq!(number(text).unwrap().decimals, decimals, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_says_so() {
        let fits = "長".repeat(MOST_UNITS);
        assert_eq!(cut(&fits), None);
        let text = format!("{fits}🛶");
        let held = cut(&text).unwrap();
        assert!(
            units(&held) <= MOST_UNITS && units(&held) > MOST_UNITS - 2,
            "{}",
            units(&held)
        );
        assert!(held.ends_with("長… [cut: 32769 characters are more than a cell of a workbook can hold]"));
        // A pair is never torn apart.
        assert_eq!(head("a🛶", 2), "a");
    }

    proptest! {
        #[test]
        fn every_number_survives(text in "-?[0-9]{0,16}\\.?[0-9]{0,16}") {
            if let Some(number) = number(&text) {
                prop_assert_eq!(number.value.to_string(), text);
            }
        }

        #[test]
        fn every_text_survives(text in "['=+@\\-\\ta-z0-9]{0,8}") {
            let kept = kept(&text);
            prop_assert_eq!(escape::from_spreadsheet(&kept), text.as_str());
        }
    }
}
