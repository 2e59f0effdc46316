//! What a number format makes of a number: a date, a time, a length of time, or a number.

/// How people see a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shown {
    /// As a number: also as money, per cent or with a colour, which say nothing about its value.
    #[default]
    Number,
    /// As a day, or a day and a time, whichever the value is.
    Date,
    /// As a time of day.
    Time,
    /// As hours, minutes or seconds that may be more than a day.
    Duration,
}

/// What the formats that need no code in the file show. 27 to 36 and 50 to 58 belong to the East Asian editions, where
/// they are days in one and times in another: [`Shown::Date`] lets the value decide.
pub(super) fn of_builtin(id: u32) -> Shown {
    match id {
        14..=17 | 22 | 27..=36 | 50..=58 => Shown::Date,
        18..=21 | 45 | 47 => Shown::Time,
        46 => Shown::Duration,
        _ => Shown::Number,
    }
}

/// What a format's code shows: `yyyy-mm-dd`, `[h]:mm`, `0.00 "m"`. Only its first section counts, which is the one for
/// positive numbers.
pub(super) fn of_code(code: &str) -> Shown {
    let mut shown = Shown::Number;
    let mut has_month_or_minute = false;
    let mut has_day_or_year = false;
    let mut has_time = false;
    let mut rest = code;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        rest = match character {
            ';' => break,
            '"' => after.split_once('"').map_or("", |(_, rest)| rest),
            // The character after these is shown as it is, or only its width or repetition counts.
            '\\' | '_' | '*' => {
                let mut characters = after.chars();
                characters.next();
                characters.as_str()
            }
            '[' => {
                let (inside, rest) = after.split_once(']').unwrap_or((after, ""));
                let elapsed = |letter: char| inside.chars().all(|inside| inside.eq_ignore_ascii_case(&letter));
                if !inside.is_empty() && ['h', 'm', 's'].into_iter().any(elapsed) {
                    shown = Shown::Duration;
                }
                rest
            }
            _ => {
                let word = |word: &str| {
                    let found = rest.get(..word.len())?;
                    found.eq_ignore_ascii_case(word).then_some(&rest[word.len()..])
                };
                if let Some(rest) = word("general") {
                    rest
                } else if let Some(rest) = word("am/pm").or_else(|| word("a/p")) {
                    has_time = true;
                    rest
                } else if let Some(rest) = word("e+").or_else(|| word("e-")) {
                    rest
                } else {
                    match character.to_ascii_lowercase() {
                        'y' | 'd' | 'e' | 'g' | 'b' => has_day_or_year = true,
                        'h' | 's' => has_time = true,
                        'm' => has_month_or_minute = true,
                        _ => {}
                    }
                    after
                }
            }
        };
    }
    match shown {
        Shown::Duration => Shown::Duration,
        _ if has_day_or_year => Shown::Date,
        _ if has_time => Shown::Time,
        _ if has_month_or_minute => Shown::Date,
        _ => Shown::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_it_shows() {
        use Shown::{Date, Duration, Number, Time};
        for (code, shown) in [
            ("General", Number),
            ("0", Number),
            ("#,##0.00", Number),
            ("0.00E+00", Number),
            ("##0.0e-0", Number),
            ("0%", Number),
            ("@", Number),
            ("", Number),
            ("[Red]#,##0;[Red]-#,##0", Number),
            ("0.0 \"days\"", Number),
            ("0\\d", Number),
            ("_-* #,##0.00\\ \"€\"_-;-* #,##0.00", Number),
            ("_d0", Number),
            ("[$$-409]#,##0.00", Number),
            ("[$-409]General;yyyy", Number),
            ("\"yyyy", Number),
            ("yyyy-mm-dd", Date),
            ("m/d/yy h:mm", Date),
            ("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", Date),
            ("yyyy\"年\"m\"月\"d\"日\"", Date),
            ("[$-411]ggge\"年\"m\"月\"d\"日\"", Date),
            ("mmm", Date),
            ("[DBNum1][$-804]yyyy\"年\"", Date),
            ("[$-409]h:mm AM/PM;@", Time),
            ("hh:mm:ss", Time),
            ("mm:ss.0", Time),
            ("[h]:mm", Duration),
            ("[HH]:MM:SS", Duration),
            ("[mm]:ss", Duration),
            ("[s]", Duration),
            ("[h", Duration),
        ] {
            assert_eq!(of_code(code), shown, "{code}");
        }
        assert_eq!(of_builtin(0), Number);
        assert_eq!(of_builtin(9), Number);
        assert_eq!(of_builtin(14), Date);
        assert_eq!(of_builtin(20), Time);
        assert_eq!(of_builtin(46), Duration);
        assert_eq!(of_builtin(49), Number);
        assert_eq!(of_builtin(164), Number);
    }
}
