//! The signature of a callback: Base64 of the HMAC-SHA256 over `<task id>.<timestamp>` (the API's webhook page).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key that callbacks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKey(String);

impl WebhookKey {
    /// A key from its text, as it stands in the account's settings.
    pub fn new(text: impl Into<String>) -> WebhookKey {
        WebhookKey(text.into())
    }

    /// The value of `X-Webhook-Signature`; the timestamp is in seconds since 1970.
    pub(super) fn sign(&self, task_id: &str, timestamp: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("{task_id}.{timestamp}").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for WebhookKey {
    /// Without the key: people try real ones here too.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_documented_examples() {
        let key = WebhookKey::new("test-webhook-key");
        for (task_id, timestamp, signature) in [
            (
                "7d3f5a90c1b84e6fa2d4078b9e61c35f",
                1_790_000_095,
                "NgHXasDG7ZWl7egwKNB9dTXwzvT+T5qbD3+VFFsLeYI=",
            ),
            (
                "e41b7c02d95f4a38b6c0fd8213a7590e",
                1_790_000_141,
                "pNi2jcjqZPV+WTyKBrGXvxhFnD9SIHgRbD/TByAE7cw=",
            ),
            (
                "task_hailuo_1790000004242",
                1_790_000_200,
                "HtCex12eaxi8qHehfqZHoK0Qz/zlREIsaoAo4kKmbh4=",
            ),
        ] {
            assert_eq!(key.sign(task_id, timestamp), signature, "{task_id}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        assert!(!format!("{:?}", WebhookKey::new("s3cret")).contains("s3cret"));
    }
}
