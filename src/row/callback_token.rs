//! The token in a callback URL: written when a row is sent, read back from callbacks and from records of tasks.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::{Token, hex};

/// What a callback URL carries as its last query parameter, `token`: which attempt the call is about, and the secret
/// that only the API was told. Written `12-<32 hexadecimal digits>`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallbackToken {
    /// The ledger's number of the attempt: not secret, and the key to look the secret up by.
    pub attempt: i64,
    /// The attempt's own token.
    pub secret: Token,
}

impl CallbackToken {
    /// The name of the query parameter.
    pub const PARAMETER: &'static str = "token";

    /// `url` with this token behind whatever query it has.
    pub fn added_to(&self, mut url: Url) -> Url {
        url.query_pairs_mut()
            .append_pair(CallbackToken::PARAMETER, &self.to_string());
        url
    }

    /// The token in a callback URL, as the request had it or as the API repeats it. Of several parameters of this name
    /// the last is ours: the row's own URL may have had one before.
    pub fn in_url(url: &str) -> Option<CallbackToken> {
        let url = Url::parse(url).ok()?;
        let ours = url.query_pairs().filter(|(name, _)| name == CallbackToken::PARAMETER);
        ours.last()?.1.parse().ok()
    }
}

impl fmt::Display for CallbackToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.attempt, self.secret.to_hex())
    }
}

impl fmt::Debug for CallbackToken {
    /// As for [`Token`]: whoever knows the whole can speak for its row.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "CallbackToken({}-{}…)",
            self.attempt,
            hex(&self.secret.0[..4])
        )
    }
}

/// A text that is no callback token. It is not shown: it may be one with a slip of the pen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a callback token")]
pub struct NotAToken;

impl FromStr for CallbackToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (attempt, secret) = text.split_once('-').ok_or(NotAToken)?;
        // `parse` alone would take a sign.
        if !attempt.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAToken);
        }
        Ok(CallbackToken {
            attempt: attempt.parse().map_err(|_| NotAToken)?,
            secret: Token::from_hex(secret).ok_or(NotAToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callback_token() -> CallbackToken {
        CallbackToken {
            attempt: 12,
            secret: Token([0xab; 16]),
        }
    }

    #[test]
    fn a_callback_token_survives_its_text_and_its_url() {
        let token = callback_token();
        let text = format!("12-{}", "ab".repeat(16));
        assert_eq!(token.to_string(), text);
        assert_eq!(text.parse(), Ok(token));
        for (own, whole) in [
            ("https://me.example.org", "https://me.example.org/?token="),
            ("https://me.example.org/x?y", "https://me.example.org/x?y&token="),
            (
                "https://me.example.org/x?a=%20b#c",
                "https://me.example.org/x?a=%20b&token=",
            ),
            (
                "https://me.example.org/x?token=mine",
                "https://me.example.org/x?token=mine&token=",
            ),
        ] {
            let url = token.added_to(Url::parse(own).unwrap());
            assert!(url.as_str().starts_with(&format!("{whole}{text}")), "{url}");
            assert_eq!(CallbackToken::in_url(url.as_str()), Some(token));
        }
        let most = CallbackToken {
            attempt: i64::MAX,
            ..token
        };
        assert_eq!(most.to_string().parse(), Ok(most));
    }

    #[test]
    fn what_is_no_callback_token_is_refused() {
        let secret = "ab".repeat(16);
        for odd in [
            String::new(),
            secret.clone(),
            format!("-{secret}"),
            format!("-1-{secret}"),
            format!("+1-{secret}"),
            format!(" 1-{secret}"),
            format!("1-{secret}a"),
            format!("1-{}", &secret[1..]),
            format!("9223372036854775808-{secret}"),
        ] {
            assert_eq!(odd.parse::<CallbackToken>(), Err(NotAToken), "{odd}");
        }
        for url in [
            "",
            "/x?token=1-ab",
            "https://me.example.org",
            "https://me.example.org/?Token=x",
        ] {
            assert_eq!(CallbackToken::in_url(url), None, "{url}");
        }
    }

    #[test]
    fn a_callback_token_hides_its_secret_and_tells_it_from_all_others() {
        let token = callback_token();
        assert!(!format!("{token:?}").contains(&token.secret.to_hex()[9..]));
        assert!(token.secret.is(&Token([0xab; 16])));
        for at in 0..16 {
            let mut other = [0xab; 16];
            other[at] ^= 1 << (at % 8);
            assert!(!token.secret.is(&Token(other)), "byte {at}");
        }
    }
}
