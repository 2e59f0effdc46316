//! The keys: read once, used in one place each, and shown nowhere.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use reqwest::header::HeaderValue;

pub use crate::page_token::PageToken;
pub use crate::webhook_key::WebhookKey;

/// The environment variable that holds the API key. It is never an option: a flag shows in the process list.
pub const KEY_VARIABLE: &str = "KIE_API_KEY";

/// The environment variable that holds the key callbacks are signed with.
pub const WEBHOOK_KEY_VARIABLE: &str = "KIE_WEBHOOK_KEY";

/// Stands where the key stood in a text.
const REDACTED: &str = "[API key]";

/// Longest key taken, in bytes. Known keys have 32; a longer file is some other file.
const LONGEST_KEY: usize = 1024;

/// The API key, which cannot be printed: not by `{}`, not by `{:?}`, not by serde.
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
        well_formed(text).map(|key| ApiKey(key.to_owned()))
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

/// The one line in `text` that looks like a key, without the white space around it.
fn well_formed(text: &str) -> Result<&str, Malformed> {
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
        return Ok(key);
    };
    Err(reason)
}

/// The token of the page as it was given. It is judged where it is used, since whoever reads an option shows what it
/// refuses.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenToken(String);

impl FromStr for GivenToken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<GivenToken, Infallible> {
        Ok(GivenToken(text.trim().to_owned()))
    }
}

impl fmt::Debug for GivenToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GivenToken(…)")
    }
}

impl GivenToken {
    /// Set but empty is how an unset secret looks in many schedulers.
    pub(super) fn is_blank(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where the token of the page may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// It was given, by the setting of this name.
    Given {
        /// As it was given.
        token: GivenToken,
        /// The setting, in words.
        named_by: String,
    },
    /// In a file.
    File(KeyPlace),
}

impl TokenPlace {
    /// The token, and a warning about the way it is kept.
    pub fn read(&self) -> Result<(PageToken, Option<String>), KeyError> {
        match self {
            TokenPlace::Given { token, named_by } => Ok((page_token(&token.0, named_by)?, None)),
            TokenPlace::File(place) => {
                let (text, warning) = place.find(KeyKind::Page, None)?.ok_or(KeyError::Missing)?;
                let named_by = format!("the file that {} names", place.named_by);
                Ok((page_token(&text, &named_by)?, warning))
            }
        }
    }
}

fn page_token(text: &str, place: &str) -> Result<PageToken, KeyError> {
    let malformed = |reason| KeyError::Malformed {
        kind: KeyKind::Page,
        place: place.to_owned(),
        reason,
    };
    let text = well_formed(text).map_err(malformed)?;
    PageToken::new(text).ok_or_else(|| malformed(Malformed::TooShort))
}

/// Which of the keys is meant, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The key that requests carry.
    Api,
    /// The key that callbacks are signed with.
    Webhook,
    /// The token that the page asks for.
    Page,
}

impl KeyKind {
    /// What to do about one that cannot be used.
    fn remedy(self) -> String {
        let copy = |page: &str| format!("copy the key again from {page}; it is one line without spaces");
        match self {
            KeyKind::Api => copy("kie.ai/api-key"),
            KeyKind::Webhook => copy("kie.ai/settings"),
            KeyKind::Page => format!(
                "make one with `openssl rand -hex 16`: one line of at least {} characters without spaces",
                PageToken::FEWEST
            ),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            KeyKind::Api => "API key",
            KeyKind::Webhook => "webhook key",
            KeyKind::Page => "page's token",
        })
    }
}

/// Where a key may be found.
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
    /// The API key, and a warning about the way it is kept. `environment` is what [`KEY_VARIABLE`] holds.
    pub fn api_key(&self, environment: Option<OsString>) -> Result<(ApiKey, Option<String>), KeyError> {
        let environment = environment.map(|value| (KEY_VARIABLE, value));
        let (key, warning) = self.find(KeyKind::Api, environment)?.ok_or(KeyError::Missing)?;
        Ok((ApiKey(key), warning))
    }

    /// The key that callbacks are signed with, if there is one, and a warning about the way it is kept. `environment` is
    /// what [`WEBHOOK_KEY_VARIABLE`] holds.
    pub fn webhook_key(&self, environment: Option<OsString>) -> Result<Option<(WebhookKey, Option<String>)>, KeyError> {
        let environment = environment.map(|value| (WEBHOOK_KEY_VARIABLE, value));
        let found = self.find(KeyKind::Webhook, environment)?;
        let key_of = |text: String| WebhookKey::new(&text).expect("a well-formed key is not empty");
        Ok(found.map(|(text, warning)| (key_of(text), warning)))
    }

    /// The text of a key and a warning about its file; `None` if no place has one. `environment` is a variable and what
    /// it holds.
    fn find(
        &self,
        kind: KeyKind,
        environment: Option<(&str, OsString)>,
    ) -> Result<Option<(String, Option<String>)>, KeyError> {
        // Set but empty is how an unset secret looks in many schedulers.
        let environment = environment.filter(|(_, value)| !value.is_empty());
        match (&self.file, environment) {
            (Some(file), environment) if self.file_wins || environment.is_none() => {
                self.read_file(kind, file).map(Some)
            }
            (_, Some((variable, value))) => from_environment(kind, variable, &value).map(|key| Some((key, None))),
            (_, None) => Ok(None),
        }
    }

    fn read_file(&self, kind: KeyKind, path: &Path) -> Result<(String, Option<String>), KeyError> {
        // The path is not shown: someone may have given the key itself in its place.
        let named_by = &self.named_by;
        let unreadable = |source| KeyError::Unreadable {
            kind,
            named_by: named_by.clone(),
            source,
        };
        let malformed = |reason| KeyError::Malformed {
            kind,
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
        let key = well_formed(text).map_err(malformed)?;
        Ok((key.to_owned(), warning))
    }
}

fn from_environment(kind: KeyKind, variable: &str, value: &OsStr) -> Result<String, KeyError> {
    let text = value.to_str().ok_or(Malformed::OddCharacters);
    let malformed = |reason| KeyError::Malformed {
        kind,
        place: format!("`{variable}`"),
        reason,
    };
    text.and_then(well_formed).map(str::to_owned).map_err(malformed)
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
    /// Neither the environment nor a file has an API key. The webhook key is nobody's duty.
    #[error("no API key is set")]
    Missing,
    /// The file cannot be read.
    #[error("cannot read the file that {named_by} names")]
    Unreadable {
        /// Which key it should hold.
        kind: KeyKind,
        /// The setting that named the file, in words.
        named_by: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was found cannot be a key.
    #[error("the {kind} in {place} {reason}")]
    Malformed {
        /// Which key it should be.
        kind: KeyKind,
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
            KeyError::Unreadable { kind, .. } => {
                format!("give the path of a file that holds the {kind} and nothing else, and that this user may read")
            }
            KeyError::Malformed { kind, .. } => kind.remedy(),
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
    /// One that could be guessed.
    #[error("has fewer than {} characters", PageToken::FEWEST)]
    TooShort,
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
            let (key, _) = place(file, file_wins).api_key(environment).unwrap();
            assert_eq!(key.0, expected);
        }
    }

    #[test]
    fn complaints_help_and_never_show_the_key() {
        let missing = place(None, false).api_key(Some(OsString::new())).unwrap_err();
        insta::assert_snapshot!(missing, @"no API key is set");
        insta::assert_snapshot!(missing.help(), @"set `KIE_API_KEY` to your key from kie.ai/api-key, or name a file that holds it with `--api-key-file`; `--sandbox` needs no key");

        let key_as_path = place(Some(Path::new(KEY)), true).api_key(None).unwrap_err();
        insta::assert_snapshot!(key_as_path, @"cannot read the file that `--api-key-file` names");
        assert!(!format!("{key_as_path:?}").contains(KEY));

        let two_lines = file_with(&format!("{KEY}\nsecond"));
        let error = place(Some(two_lines.path()), true).api_key(None).unwrap_err();
        insta::assert_snapshot!(error, @"the API key in the file that `--api-key-file` names has more than one line");
        let error = place(None, false)
            .api_key(Some(OsString::from(format!("Bearer {KEY}"))))
            .unwrap_err();
        insta::assert_snapshot!(error, @"the API key in `KIE_API_KEY` begins with `Bearer`, which is not part of a key");
        assert!(!format!("{error:?}").contains(KEY));
    }

    #[test]
    fn the_webhook_key_is_found_like_the_other_and_may_be_missing() {
        let text = |key: WebhookKey| {
            let mut text = String::new();
            key.hide_in(|secret| text = secret.to_owned());
            text
        };
        let file = file_with("from-file\n");
        let environment = || Some(OsString::from("from-environment"));
        for (file, file_wins, environment, expected) in [
            (Some(file.path()), true, environment(), Some("from-file")),
            (Some(file.path()), false, environment(), Some("from-environment")),
            (None, false, environment(), Some("from-environment")),
            (None, false, Some(OsString::new()), None),
            (None, false, None, None),
        ] {
            let found = place(file, file_wins).webhook_key(environment).unwrap();
            assert_eq!(found.map(|(key, _)| text(key)).as_deref(), expected);
        }
        let empty = file_with("\n");
        let error = place(Some(empty.path()), true).webhook_key(None).unwrap_err();
        insta::assert_snapshot!(error, @"the webhook key in the file that `--api-key-file` names is empty");
        insta::assert_snapshot!(error.help(), @"copy the key again from kie.ai/settings; it is one line without spaces");
        let error = place(None, false).webhook_key(Some(OsString::from("a b"))).unwrap_err();
        insta::assert_snapshot!(error, @"the webhook key in `KIE_WEBHOOK_KEY` has white space in it");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_warned_of() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt;
        let file = file_with(KEY);
        for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let (_, warning) = place(Some(file.path()), true).api_key(None).unwrap();
            assert_eq!(warning.is_some(), warned, "{mode:o}");
        }
    }

    #[test]
    fn a_token_of_the_page_is_long_and_shown_nowhere() {
        let given = |text: &str| TokenPlace::Given {
            token: text.parse().unwrap(),
            named_by: "`HAILUO_BATCH_TOKEN`".to_owned(),
        };
        let (token, warning) = given(KEY).read().unwrap();
        assert!(token.is(KEY) && warning.is_none());
        assert!(!format!("{:?}", given(KEY)).contains("0123"));
        let error = given("0123456789abcde").read().unwrap_err();
        insta::assert_snapshot!(error, @"the page's token in `HAILUO_BATCH_TOKEN` has fewer than 16 characters");
        insta::assert_snapshot!(error.help(), @"make one with `openssl rand -hex 16`: one line of at least 16 characters without spaces");
        let spaced = given("correct horse battery staple").read().unwrap_err();
        insta::assert_snapshot!(spaced, @"the page's token in `HAILUO_BATCH_TOKEN` has white space in it");

        let file = file_with(&format!("{KEY}\n"));
        let (token, _) = TokenPlace::File(place(Some(file.path()), false)).read().unwrap();
        assert!(token.is(KEY));
        let short = file_with("short");
        let error = TokenPlace::File(place(Some(short.path()), false)).read().unwrap_err();
        insta::assert_snapshot!(error, @"the page's token in the file that `--api-key-file` names has fewer than 16 characters");
    }
}
