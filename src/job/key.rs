//! The API key: read once, sent in one header, and shown nowhere.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reqwest::header::HeaderValue;

/// The environment variable that holds the key. It is never an option: a flag shows in the process list.
pub const KEY_VARIABLE: &str = "KIE_API_KEY";

/// Stands where the key stood in a text.
const REDACTED: &str = "[API key]";

/// Longest key taken, in bytes. Known keys have 32; a longer file is some other file.
const LONGEST_KEY: usize = 1024;

/// A key that cannot be printed: not by `{}`, not by `{:?}`, not by serde.
///
/// It leaves this type only as the header of a request, in [`ApiKey::authorization_header`].
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(…)")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl ApiKey {
    /// The key in `text`, without the white space around it.
    pub fn new(text: &str) -> Result<ApiKey, Malformed> {
        let key = text.trim();
        let reason = if key.is_empty() {
            Malformed::Empty
        } else if key.lines().nth(1).is_some() {
            Malformed::SeveralLines
        } else if key.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
            Malformed::Bearer
        } else if key.starts_with(['"', '\'']) {
            Malformed::Quoted
        } else if key.contains(char::is_whitespace) {
            Malformed::Whitespace
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Malformed::OddCharacters
        } else if key.len() > LONGEST_KEY {
            Malformed::TooLong
        } else {
            return Ok(ApiKey(key.to_owned()));
        };
        Err(reason)
    }

    /// `Bearer …`, marked as sensitive so that HTTP libraries neither print nor index it.
    pub fn authorization_header(&self) -> HeaderValue {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", self.0))
            .expect("a key of printable ASCII characters is a header value");
        header.set_sensitive(true);
        header
    }

    /// Shows the key to `hide`, which is to keep it out of what it writes.
    pub fn hide_in(&self, hide: impl FnOnce(&str)) {
        hide(&self.0);
    }

    /// `text` without the key: for everything a server sends back, which may echo the request.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, REDACTED)
    }
}

/// Where the key may be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPlace {
    /// A file that holds nothing but the key.
    pub file: Option<PathBuf>,
    /// The setting that named the file, in words.
    pub named_by: String,
    /// The file was named on the command line, so it wins over the environment.
    pub file_wins: bool,
}

impl KeyPlace {
    /// The key, and a warning about the way it is kept. `environment` is what [`KEY_VARIABLE`] holds.
    pub fn read(&self, environment: Option<OsString>) -> Result<(ApiKey, Option<String>), KeyError> {
        // Set but empty is how an unset secret looks in many schedulers.
        let environment = environment.filter(|value| !value.is_empty());
        match (&self.file, environment) {
            (Some(file), environment) if self.file_wins || environment.is_none() => self.read_file(file),
            (_, Some(value)) => from_environment(&value).map(|key| (key, None)),
            (_, None) => Err(KeyError::Missing),
        }
    }

    fn read_file(&self, path: &Path) -> Result<(ApiKey, Option<String>), KeyError> {
        // The path is not shown: someone may have given the key itself in its place.
        let named_by = &self.named_by;
        let unreadable = |source| KeyError::Unreadable {
            named_by: named_by.clone(),
            source,
        };
        let malformed = |reason| KeyError::Malformed {
            place: format!("the file that {named_by} names"),
            reason,
        };
        let file = File::open(path).map_err(unreadable)?;
        let is_open = !is_system_credential(path) && is_open_to_others(&file).map_err(unreadable)?;
        let warning = is_open.then(|| {
            format!("others on this machine can read the file that {named_by} names: `chmod 600` keeps the key yours")
        });
        let mut bytes = Vec::new();
        file.take(LONGEST_KEY as u64 * 4)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let text = str::from_utf8(&bytes).map_err(|_| malformed(Malformed::OddCharacters))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let key = ApiKey::new(text).map_err(malformed)?;
        Ok((key, warning))
    }
}

fn from_environment(value: &OsStr) -> Result<ApiKey, KeyError> {
    value
        .to_str()
        .ok_or(Malformed::OddCharacters)
        .and_then(ApiKey::new)
        .map_err(|reason| KeyError::Malformed {
            place: format!("`{KEY_VARIABLE}`"),
            reason,
        })
}

/// systemd's `LoadCredential=` lets one service in with an access list, which shows as rights of the group.
fn is_system_credential(path: &Path) -> bool {
    std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder))
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    // A pipe (`<(pass show kie)`) has a mode too, but nothing in it stays.
    Ok(metadata.is_file() && metadata.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Why there is no key to use. No variant holds the text that was found.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Neither the environment nor a file has one.
    #[error("no API key is set")]
    Missing,
    /// The file cannot be read.
    #[error("cannot read the file that {named_by} names")]
    Unreadable {
        /// The setting that named the file, in words.
        named_by: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was found cannot be a key.
    #[error("the API key in {place} {reason}")]
    Malformed {
        /// Where it was found, in words.
        place: String,
        /// What is wrong with it.
        reason: Malformed,
    },
}

impl KeyError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            KeyError::Missing => format!(
                "set `{KEY_VARIABLE}` to your key from kie.ai/api-key, or name a file that holds it with \
                 `--api-key-file`; `--sandbox` needs no key"
            ),
            KeyError::Unreadable { .. } => {
                "give the path of a file that holds the key and nothing else, and that this user may read".to_owned()
            }
            KeyError::Malformed { .. } => {
                "copy the key again from kie.ai/api-key; it is one line of letters and digits".to_owned()
            }
        }
    }
}

/// What is wrong with a text that should be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// A key and something else.
    #[error("has more than one line")]
    SeveralLines,
    /// The header's word was copied too.
    #[error("begins with `Bearer`, which is not part of a key")]
    Bearer,
    /// The quotes of a shell or a spreadsheet.
    #[error("begins with a quotation mark")]
    Quoted,
    /// White space in the middle.
    #[error("has white space in it")]
    Whitespace,
    /// Control characters, or letters no key has.
    #[error("has characters in it that no key has")]
    OddCharacters,
    /// Some other text.
    #[error("is too long to be a key")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn file_with(content: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    fn place(file: Option<&Path>, file_wins: bool) -> KeyPlace {
        KeyPlace {
            file: file.map(Path::to_owned),
            named_by: "`--api-key-file`".to_owned(),
            file_wins,
        }
    }

    #[test]
    fn a_key_shows_nowhere_but_in_its_header() {
        let key = ApiKey::new(&format!(" {KEY}\n")).unwrap();
        let header = key.authorization_header();
        assert_eq!(header.to_str().unwrap(), format!("Bearer {KEY}"));
        for shown in [format!("{key:?}"), format!("{key}"), format!("{header:?}")] {
            assert!(!shown.contains("0123"), "{shown}");
        }
        assert_eq!(
            key.redact(&format!("bad key {KEY}, `{KEY}`")),
            "bad key [API key], `[API key]`"
        );
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", Malformed::Empty),
            (" \n", Malformed::Empty),
            ("abc\ndef", Malformed::SeveralLines),
            ("Bearer abc", Malformed::Bearer),
            ("\"abc\"", Malformed::Quoted),
            ("abc def", Malformed::Whitespace),
            ("abc\u{7}def", Malformed::OddCharacters),
            ("schlüssel", Malformed::OddCharacters),
            (&"x".repeat(LONGEST_KEY + 1), Malformed::TooLong),
        ] {
            assert_eq!(ApiKey::new(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn a_file_named_by_flag_wins_over_the_environment_and_the_environment_over_a_job_file() {
        let file = file_with("from-file\n");
        let environment = || Some(OsString::from("from-environment"));
        for (file, file_wins, environment, expected) in [
            (Some(file.path()), true, environment(), "from-file"),
            (Some(file.path()), false, environment(), "from-environment"),
            (Some(file.path()), false, None, "from-file"),
            (Some(file.path()), false, Some(OsString::new()), "from-file"),
            (None, false, environment(), "from-environment"),
        ] {
            let (key, _) = place(file, file_wins).read(environment).unwrap();
            assert_eq!(key.0, expected);
        }
    }

    #[test]
    fn complaints_help_and_never_show_the_key() {
        let missing = place(None, false).read(Some(OsString::new())).unwrap_err();
        insta::assert_snapshot!(missing, @"no API key is set");
        insta::assert_snapshot!(missing.help(), @"set `KIE_API_KEY` to your key from kie.ai/api-key, or name a file that holds it with `--api-key-file`; `--sandbox` needs no key");

        let key_as_path = place(Some(Path::new(KEY)), true).read(None).unwrap_err();
        insta::assert_snapshot!(key_as_path, @"cannot read the file that `--api-key-file` names");
        assert!(!format!("{key_as_path:?}").contains(KEY));

        let two_lines = file_with(&format!("{KEY}\nsecond"));
        let error = place(Some(two_lines.path()), true).read(None).unwrap_err();
        insta::assert_snapshot!(error, @"the API key in the file that `--api-key-file` names has more than one line");
        let error = place(None, false)
            .read(Some(OsString::from(format!("Bearer {KEY}"))))
            .unwrap_err();
        insta::assert_snapshot!(error, @"the API key in `KIE_API_KEY` begins with `Bearer`, which is not part of a key");
        assert!(!format!("{error:?}").contains(KEY));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_warned_of() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt;
        let file = file_with(KEY);
        for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let (_, warning) = place(Some(file.path()), true).read(None).unwrap();
            assert_eq!(warning.is_some(), warned, "{mode:o}");
        }
    }
}
