//! A cell's value as the text that people see.
//!
//! Stated once for all formats: numbers without a fraction that is not there, and with at most 15 significant digits,
//! which is what spreadsheet programs count with; days as `2026-11-23`, with a time as `2026-11-23 14:05:00`; `TRUE` and
//! `FALSE`. Currencies, per cent signs, thousands separators and leading zeros that a format adds are left out: they are
//! not part of the value.

use std::fmt::Write;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::manifest::workbook::number_format::Shown;

/// A value as files store it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'v> {
    Text(&'v str),
    /// A number as the file writes it, and how it is shown.
    Written(&'v str, Shown),
    Number(f64, Shown),
    Bool(bool),
    /// `2026-11-23T14:05:00`
    IsoDate(&'v str),
    /// `PT14H05M00S`
    IsoDuration(&'v str),
}

/// The day from which a workbook counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Epoch {
    /// Day 1 is 1900-01-01, and day 60 is 1900-02-29, which never was.
    #[default]
    Of1900,
    /// Day 0 is 1904-01-01, as on the first Macs.
    Of1904,
}

/// The text of a value; `buffer` is where it is made if it has to be.
pub(super) fn cell_text<'v>(value: Value<'v>, epoch: Epoch, buffer: &'v mut String) -> &'v str {
    buffer.clear();
    match value {
        Value::Text(text) => return text,
        Value::Bool(true) => return "TRUE",
        Value::Bool(false) => return "FALSE",
        Value::Written(text, shown) => {
            let text = text.trim_ascii();
            if shown == Shown::Number && is_plain(text) {
                return text;
            }
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => push_number(number, shown, epoch, buffer),
                _ => return text,
            }
        }
        Value::Number(number, shown) if number.is_finite() => push_number(number, shown, epoch, buffer),
        Value::Number(..) => return "#NUM!",
        Value::IsoDate(text) => push_iso_date(text, buffer),
        Value::IsoDuration(text) => push_iso_duration(text, buffer),
    }
    buffer
}

/// Whether a number's text is already as it is shown: most are, and need not become numbers.
fn is_plain(text: &str) -> bool {
    if text == "-0" {
        return false;
    }
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_whole = match whole.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_fraction = fraction.is_none_or(|fraction| {
        let digits = fraction.as_bytes();
        matches!(digits, [rest @ .., b'1'..=b'9'] if rest.len() < 8 && rest.iter().all(u8::is_ascii_digit))
    });
    is_whole && is_fraction && text.len() <= 15
}

fn push_number(number: f64, shown: Shown, epoch: Epoch, text: &mut String) {
    let is_pushed = match shown {
        Shown::Number => false,
        Shown::Date => push_moment(number, epoch, text),
        Shown::Time => push_time(number, text),
        Shown::Duration => push_duration(number * SECONDS_OF_DAY, text),
    };
    if !is_pushed {
        push_plain(number, text);
    }
}

const SECONDS_OF_DAY: f64 = 86_400.0;

/// More digits than this, or smaller numbers, are written with an exponent.
const PLAIN_EXPONENTS: std::ops::Range<i32> = -9..21;

/// Fifteen significant digits, without zeros that say nothing: `6`, `0.3`, `1E+21`.
fn push_plain(number: f64, text: &mut String) {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        // Also what makes -0 a 0.
        push(text, format_args!("{}", whole(number)));
        return;
    }
    let scientific = format!("{:.14e}", number.abs());
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if number < 0.0 {
        text.push('-');
    }
    if !PLAIN_EXPONENTS.contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        push(text, format_args!("{first}{point}{rest}E{exponent:+03}"));
    } else if exponent < 0 {
        text.push_str("0.");
        (1..-exponent).for_each(|_| text.push('0'));
        text.push_str(digits);
    } else {
        let whole = exponent as usize + 1;
        let (before, after) = digits.split_at(digits.len().min(whole));
        text.push_str(before);
        (before.len()..whole).for_each(|_| text.push('0'));
        if !after.is_empty() {
            text.push('.');
            text.push_str(after);
        }
    }
}

/// A day, with its time if it has one; `false` if there is no such day.
fn push_moment(serial: f64, epoch: Epoch, text: &mut String) -> bool {
    if (0.0..1.0).contains(&serial) && epoch == Epoch::Of1900 {
        // No day at all: a time under a format that would show one.
        return push_time(serial, text);
    }
    let Some((days, seconds)) = days_and_seconds(serial) else {
        return false;
    };
    let Some(day) = day_of(days, epoch) else {
        return false;
    };
    push(text, format_args!("{day}"));
    if seconds > 0 {
        text.push(' ');
        push_clock(seconds, text);
    }
    true
}

/// Rounded to seconds, so that a time survives being stored as a fraction of a day.
fn days_and_seconds(serial: f64) -> Option<(i64, i64)> {
    // Beyond the year 9999, or before the first day.
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    let seconds = whole((serial.fract() * SECONDS_OF_DAY).round());
    let days = whole(serial.trunc());
    Some(if seconds >= whole(SECONDS_OF_DAY) {
        (days + 1, 0)
    } else {
        (days, seconds)
    })
}

/// A number without a fraction, small enough to be exact: callers have seen to both.
#[expect(clippy::cast_possible_truncation, reason = "there is nothing to cut off")]
fn whole(number: f64) -> i64 {
    number as i64
}

fn day_of(days: i64, epoch: Epoch) -> Option<Date> {
    let first = match epoch {
        Epoch::Of1904 => date(1904, 1, 1),
        Epoch::Of1900 if days == 60 => return None,
        Epoch::Of1900 if days < 60 => date(1899, 12, 31),
        Epoch::Of1900 => date(1899, 12, 30),
    };
    first.checked_add(days.days()).ok()
}

fn push_time(serial: f64, text: &mut String) -> bool {
    let Some((_, seconds)) = days_and_seconds(serial) else {
        return false;
    };
    push_clock(seconds, text);
    true
}

fn push_clock(seconds: i64, text: &mut String) {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    push(text, format_args!("{hours:02}:{minutes:02}:{:02}", seconds % 60));
}

/// Hours, which may be more than a day has, minutes and seconds.
fn push_duration(seconds: f64, text: &mut String) -> bool {
    // As far as seconds can be counted exactly, and farther than any program goes.
    if seconds.abs() > 1e12 {
        return false;
    }
    let length = whole(seconds.abs().round());
    let sign = if seconds < 0.0 && length > 0 { "-" } else { "" };
    let (hours, minutes) = (length / 3_600, length / 60 % 60);
    push(text, format_args!("{sign}{hours}:{minutes:02}:{:02}", length % 60));
    true
}

/// `2026-11-23T14:05:00.000` with a space, and without what is zero anyway. What is no date is passed on as it is.
fn push_iso_date(text: &str, buffer: &mut String) {
    let text = text.trim_ascii();
    let (day, clock) = text.split_once('T').unwrap_or((text, ""));
    let clock = clock.trim_end_matches('Z');
    let clock = clock.split_once('.').map_or(clock, |(clock, _)| clock);
    // The day before the first: a time under a format that would show a day.
    if day == "1899-12-30" && !clock.is_empty() {
        buffer.push_str(clock);
        return;
    }
    buffer.push_str(day);
    if !matches!(clock, "" | "00:00" | "00:00:00") {
        buffer.push(' ');
        buffer.push_str(clock);
    }
}

/// `PT36H05M00S` as `36:05:00`; a time below a day as one of day. What is no duration is passed on as it is.
fn push_iso_duration(text: &str, buffer: &mut String) {
    match seconds_of(text.trim_ascii()) {
        Some(seconds) if (0.0..SECONDS_OF_DAY).contains(&seconds) => push_clock(whole(seconds), buffer),
        Some(seconds) if push_duration(seconds, buffer) => {}
        _ => buffer.push_str(text),
    }
}

fn seconds_of(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let (mut seconds, mut number) = (0.0, String::new());
    for character in text.strip_prefix('P')?.chars() {
        let unit = match character {
            'T' => continue,
            'D' => SECONDS_OF_DAY,
            'H' => 3_600.0,
            'M' => 60.0,
            'S' => 1.0,
            digit => {
                number.push(digit);
                continue;
            }
        };
        seconds += number.parse::<f64>().ok().filter(|number| number.is_finite())? * unit;
        number.clear();
    }
    number.is_empty().then(|| sign * seconds.round())
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value<'_>) -> String {
        cell_text(value, Epoch::Of1900, &mut String::new()).to_owned()
    }

    #[test]
    fn numbers_are_as_people_see_them() {
        for (number, shown) in [
            (6.0, "6"),
            (-6.0, "-6"),
            (0.0, "0"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.333333333333333"),
            (2.0 / 3.0, "0.666666666666667"),
            (0.999_999_999_999_999_9, "1"),
            (9.999_999_999_999_999, "10"),
            (1.005, "1.005"),
            (12.5, "12.5"),
            (1e-5, "0.00001"),
            (1.5e-9, "0.0000000015"),
            (1e-10, "1E-10"),
            (-1.25e-12, "-1.25E-12"),
            (123_456_789_012_345.0, "123456789012345"),
            (1_234_567_890_123_456.0, "1234567890123460"),
            (1e20, "100000000000000000000"),
            (1e21, "1E+21"),
            (1.25e300, "1.25E+300"),
            (f64::MIN_POSITIVE, "2.2250738585072E-308"),
            (f64::NAN, "#NUM!"),
            (f64::INFINITY, "#NUM!"),
        ] {
            assert_eq!(text(Value::Number(number, Shown::Number)), shown, "{number:e}");
        }
        for (written, shown) in [
            ("6", "6"),
            ("6.0", "6"),
            (" 10 ", "10"),
            ("007", "7"),
            ("-0", "0"),
            ("0", "0"),
            ("0.5", "0.5"),
            ("-0.25", "-0.25"),
            ("0.50", "0.5"),
            ("00.5", "0.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("0.0", "0"),
            ("0.000000000001", "1E-12"),
            ("1.23456789", "1.23456789"),
            ("+5", "5"),
            ("1E3", "1000"),
            ("0.30000000000000004", "0.3"),
            ("123456789012345", "123456789012345"),
            ("12345678901234567", "12345678901234600"),
            ("1e999", "1e999"),
            ("six", "six"),
            ("", ""),
        ] {
            assert_eq!(text(Value::Written(written, Shown::Number)), shown, "{written}");
        }
    }

    #[test]
    fn days_and_times_are_as_stated() {
        use Shown::{Date, Duration, Time};
        for (serial, shown, expected) in [
            (46_349.0, Date, "2026-11-23"),
            (46_349.586_805_555_56, Date, "2026-11-23 14:05:00"),
            (46_349.999_999_9, Date, "2026-11-24"),
            (1.0, Date, "1900-01-01"),
            (59.0, Date, "1900-02-28"),
            (60.0, Date, "60"),
            (61.0, Date, "1900-03-01"),
            (0.25, Date, "06:00:00"),
            (2_958_465.0, Date, "9999-12-31"),
            (2_958_466.0, Date, "2958466"),
            (-1.0, Date, "-1"),
            (0.5, Time, "12:00:00"),
            (46_349.586_805_555_56, Time, "14:05:00"),
            (-0.5, Time, "-0.5"),
            (1.5, Duration, "36:00:00"),
            (1.0 / 24.0 + 1.0 / 1_440.0, Duration, "1:01:00"),
            (-0.5, Duration, "-12:00:00"),
            (1e30, Duration, "1E+30"),
        ] {
            assert_eq!(text(Value::Number(serial, shown)), expected, "{serial} {shown:?}");
        }
        let mac = |serial| cell_text(Value::Number(serial, Date), Epoch::Of1904, &mut String::new()).to_owned();
        assert_eq!(mac(44_887.0), "2026-11-23");
        assert_eq!(mac(0.0), "1904-01-01");
        assert_eq!(text(Value::Written("46349", Date)), "2026-11-23");
    }

    #[test]
    fn what_is_stored_as_text_is_shown_alike() {
        for (value, expected) in [
            (Value::IsoDate("2026-11-23"), "2026-11-23"),
            (Value::IsoDate("2026-11-23T00:00:00"), "2026-11-23"),
            (Value::IsoDate("2026-11-23T14:05:00.000"), "2026-11-23 14:05:00"),
            (Value::IsoDate("2026-11-23T14:05:00Z"), "2026-11-23 14:05:00"),
            (Value::IsoDate("1899-12-30T08:30:00"), "08:30:00"),
            (Value::IsoDuration("PT14H05M00S"), "14:05:00"),
            (Value::IsoDuration("PT36H05M00S"), "36:05:00"),
            (Value::IsoDuration("P2DT1H"), "49:00:00"),
            (Value::IsoDuration("-PT1H"), "-1:00:00"),
            (Value::IsoDuration("PT14H05M00.4999S"), "14:05:00"),
            (Value::IsoDuration("soon"), "soon"),
            (Value::IsoDuration("PT5"), "PT5"),
            (Value::IsoDuration("PTinfH"), "PTinfH"),
            (Value::Bool(true), "TRUE"),
            (Value::Bool(false), "FALSE"),
            (Value::Text("6.0"), "6.0"),
        ] {
            assert_eq!(text(value), expected, "{value:?}");
        }
    }
}
