//! Text that must never be shown, such as the API key: the last line of defence, below types that do not print.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use crate::escape;

/// The secrets of this process. Clones share them, so that one may be added when it is read.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<Vec<String>>>);

impl Secrets {
    /// Hides `secret` from now on, also where it is escaped as in JSON or debug output.
    pub fn hide(&self, secret: &str) {
        let secret = secret.trim();
        let quoted = serde_json::Value::from(secret).to_string();
        let mut secrets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in [secret, quoted.trim_matches('"')] {
            if !secrets.iter().any(|known| known == form) {
                secrets.push(form.to_owned());
            }
        }
        // The longest first, so that a secret that contains another does not leave its rest behind.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// `text` without any secret.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = Cow::Borrowed(text);
        for secret in secrets.iter() {
            if let Cow::Owned(safe) = escape::without_secret(&text, secret) {
                text = Cow::Owned(safe);
            }
        }
        text
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_secret_is_left() {
        let secrets = Secrets::default();
        let clone = secrets.clone();
        clone.hide("sk-abcdefg");
        clone.hide("sk-abcdefg-longer\"quote");
        clone.hide("");
        let text = r#"key=sk-abcdefg, other="sk-abcdefg-longer\"quote""#;
        assert_eq!(secrets.redact(text), r#"key=[redacted], other="[redacted]""#);
        assert_eq!(secrets.redact("nothing here"), "nothing here");
        assert!(!format!("{secrets:?}").contains("abc"));
    }
}
