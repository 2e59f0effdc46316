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

/// `has` or `have`, to agree with `number`.
pub(super) fn has(number: u64) -> &'static str {
    if number == 1 { "has" } else { "have" }
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
    let seconds = whole_seconds(duration);
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

/// Up, so that something that is still to come never takes 0 s.
fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// A time that nobody knows to the second: `about 40 s`, `about 12 min`, `about 2 h 10 min`.
pub(super) fn about(duration: Duration) -> String {
    format!("about {}", lasting(roughly(duration)))
}

/// `duration` as exactly as an estimate can be: up to the next step of a size that goes with it.
pub(super) fn roughly(duration: Duration) -> Duration {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = whole_seconds(duration);
    let step = match seconds {
        ..MINUTE => 10,
        MINUTE..1_200 => MINUTE,
        1_200..HOUR => 5 * MINUTE,
        HOUR..36_000 => 10 * MINUTE,
        36_000..172_800 => HOUR,
        _ => DAY,
    };
    Duration::from_secs(seconds.max(1).div_ceil(step).saturating_mul(step))
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

    #[test]
    fn estimates_are_no_more_exact_than_they_can_be() {
        let texts = [0, 8, 41, 59, 61, 715, 1_201, 3_599, 7_805, 40_000, 200_000]
            .map(|seconds| about(Duration::from_secs(seconds)));
        assert_eq!(
            texts,
            [
                "about 10 s",
                "about 10 s",
                "about 50 s",
                "about 1 min",
                "about 2 min",
                "about 12 min",
                "about 25 min",
                "about 1 h",
                "about 2 h 20 min",
                "about 12 h",
                "about 3 d"
            ]
        );
        assert!(roughly(Duration::MAX) > Duration::from_secs(u64::MAX / 2));
    }
}
