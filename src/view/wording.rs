//! How numbers, amounts and durations are written for people.

use std::borrow::Cow;
use std::time::Duration;

/// `3412` as `3,412`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `3,412 rows`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// `is` or `are`, to agree with `number`.
pub(super) fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// An amount of credits with at most two decimals: `95,400 credits`, `0.8 credits`.
pub fn credits(amount: f64) -> String {
    let text = decimal(amount);
    let unit = if text == "1" { "credit" } else { "credits" };
    format!("{text} {unit}")
}

/// A number with at most two decimals: `95,400`, `0.8`.
pub(super) fn decimal(amount: f64) -> String {
    // Adding a zero makes a positive one of -0.
    let text = format!("{:.2}", (amount * 100.0).round() / 100.0 + 0.0);
    let (sign, digits) = text.strip_prefix('-').map_or(("", &*text), |rest| ("-", rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    // Beyond 64 bits, as for infinity, the digits stay as they are.
    let whole = whole
        .parse()
        .map_or(Cow::Borrowed(whole), |number| grouped(number).into());
    match decimals.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        decimals => format!("{sign}{whole}.{decimals}"),
    }
}

/// An amount of money in US dollars, to the cent: `477.00 USD`.
pub(super) fn dollars(amount: f64) -> String {
    let text = format!("{amount:.2}");
    match text
        .split_once('.')
        .and_then(|(whole, cents)| Some((whole.parse().ok()?, cents)))
    {
        Some((whole, cents)) => format!("{}.{cents} USD", grouped(whole)),
        None => format!("{text} USD"),
    }
}

/// A duration in its two largest units: `8 s`, `2 min 20 s`, `1 h 5 min`, `3 d 2 h`.
pub(super) fn lasting(duration: Duration) -> String {
    // Up, so that something that is still to come never takes 0 s.
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let (large, large_unit, small, small_unit) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    };
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        let texts = [0, 1, 999, 1_000, 12_345_678].map(|number| counted(number, "row"));
        assert_eq!(texts, ["0 rows", "1 row", "999 rows", "1,000 rows", "12,345,678 rows"]);
    }

    #[test]
    fn amounts_have_no_needless_decimals() {
        let texts = [0.0, -0.001, 1.0, 0.8, 95_400.0, 1234.5, -3.25, 1e30].map(credits);
        assert_eq!(
            texts,
            [
                "0 credits",
                "0 credits",
                "1 credit",
                "0.8 credits",
                "95,400 credits",
                "1,234.5 credits",
                "-3.25 credits",
                "1000000000000000019884624838656 credits"
            ]
        );
        assert_eq!(dollars(1234.5), "1,234.50 USD");
        assert_eq!(dollars(0.15), "0.15 USD");
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let texts = [0, 8, 60, 140, 3_600, 3_900, 90_000].map(|seconds| lasting(Duration::from_secs(seconds)));
        assert_eq!(
            texts,
            ["0 s", "8 s", "1 min", "2 min 20 s", "1 h", "1 h 5 min", "1 d 1 h"]
        );
        assert_eq!(lasting(Duration::from_millis(7_001)), "8 s");
    }
}
