//! What a terminal can show: colours, and characters beyond ASCII.

/// How text is put on a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ink {
    /// Colours are wanted.
    pub colour: bool,
    /// Characters beyond ASCII are understood.
    pub unicode: bool,
}

impl Ink {
    /// By the variables of the environment, which only the command line reads. Colours are left out where `NO_COLOR` is
    /// anything but empty (no-color.org) and where `CLICOLOR` is 0 (bixense.com/clicolors). The locale is that of POSIX:
    /// the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is not empty.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Ink {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Ink {
            colour: variable("NO_COLOR").is_none() && variable("CLICOLOR").as_deref() != Some("0"),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// What stands where text was cut off.
    pub(super) fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }
}

/// What a piece of text says, as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing of the kind.
    Plain,
    /// What has come to a good end.
    Good,
    /// What has gone wrong.
    Bad,
    /// What holds everything up for a while.
    Waiting,
    /// What is only there for the eye to rest on.
    Faint,
}

impl Tone {
    /// The number of the control sequence that begins it: of the eight colours that every theme has its own idea of.
    pub(super) fn code(self) -> Option<u8> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some(32),
            Tone::Bad => Some(31),
            Tone::Waiting => Some(33),
            Tone::Faint => Some(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_what_is_shown() {
        let ink = |pairs: &[(&str, &str)]| {
            let found = Ink::of(|name| {
                let pair = pairs.iter().find(|(key, _)| *key == name)?;
                Some(pair.1.to_owned())
            });
            (found.colour, found.unicode)
        };
        let table: [(&[(&str, &str)], _); 9] = [
            (&[], (true, false)),
            (&[("LANG", "de_CH.UTF-8")], (true, true)),
            (&[("LANG", "C.utf8"), ("LC_CTYPE", ""), ("LC_ALL", "")], (true, true)),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], (true, false)),
            (&[("LANG", "zh_CN.GB18030"), ("LC_CTYPE", "zh_CN.UTF-8")], (true, true)),
            (&[("NO_COLOR", "1")], (false, false)),
            (&[("NO_COLOR", "")], (true, false)),
            (&[("CLICOLOR", "0")], (false, false)),
            (&[("CLICOLOR", "1"), ("NO_COLOR", "0")], (false, false)),
        ];
        for (pairs, expected) in table {
            assert_eq!(ink(pairs), expected, "{pairs:?}");
        }
    }
}
