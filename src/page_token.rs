//! The token that the live page asks of whoever looks at it. It can be recognised, and cannot be printed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What a session is the code of.
const SESSION: &[u8] = b"hailuo-batch: a session of the live page";

/// A token chosen by the user. It never leaves this type but to be kept out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PageToken(String);

impl PageToken {
    /// The fewest characters: 16 random ones of any alphabet are beyond guessing over a network.
    pub const FEWEST: usize = 16;

    /// `None` for less than [`PageToken::FEWEST`] characters.
    pub fn new(text: &str) -> Option<PageToken> {
        (text.chars().count() >= PageToken::FEWEST).then(|| PageToken(text.to_owned()))
    }

    /// Whether `text` is the token. Takes the same time for every text of the same length, whatever it begins with.
    pub fn is(&self, text: &str) -> bool {
        // Codes are compared, not texts: how long the comparison takes says nothing about the token.
        let code = session_code(text).finalize().into_bytes();
        session_code(&self.0).verify(&code).is_ok()
    }

    /// What a browser shows in the token's place, good for as long as the token is: letters, digits, `-` and `_`. The
    /// token cannot be had from it.
    pub fn session(&self) -> String {
        URL_SAFE_NO_PAD.encode(session_code(&self.0).finalize().into_bytes())
    }

    /// Whether `text` is this token's [`session`](PageToken::session). Takes the same time for every text of the right
    /// length.
    pub fn has_session(&self, text: &str) -> bool {
        let code = URL_SAFE_NO_PAD.decode(text);
        code.is_ok_and(|code| session_code(&self.0).verify_slice(&code).is_ok())
    }

    /// Shows the token to `hide`, which is to keep it out of what it writes.
    pub fn hide_in(&self, hide: impl FnOnce(&str)) {
        hide(&self.0);
    }
}

fn session_code(token: &str) -> Hmac<Sha256> {
    // A digest, as HMAC takes keys for the same that differ in zeros at their ends.
    let key = Sha256::digest(token.as_bytes());
    let mut mac: Hmac<Sha256> = KeyInit::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(SESSION);
    mac
}

impl fmt::Debug for PageToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PageToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_token_knows_itself_and_its_session() {
        let token = PageToken::new(TOKEN).unwrap();
        let session = token.session();
        assert!(token.is(TOKEN) && token.has_session(&session));
        let [longer, padded] = ['0', '\0'].map(|more| format!("{TOKEN}{more}"));
        for other in ["", "0123456789abcde", "0123456789abcdeF", &longer, &padded, &session] {
            assert!(!token.is(other), "{other}");
        }
        for other in ["", TOKEN, "AAAA", &session[1..], &session.to_lowercase(), "no base64!"] {
            assert!(!token.has_session(other), "{other}");
        }
        assert!(!PageToken::new(&longer).unwrap().has_session(&session));
        assert!(
            session
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }

    #[test]
    fn a_token_has_a_length_and_no_looks() {
        assert_eq!(PageToken::new(&TOKEN[1..]), None);
        let token = PageToken::new(TOKEN).unwrap();
        assert!(!format!("{token:?}").contains("0123"));
        let mut seen = String::new();
        token.hide_in(|secret| seen = secret.to_owned());
        assert_eq!(seen, TOKEN);
    }
}
