//! The key that callbacks are signed with. It can vouch for a text, and cannot be printed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A webhook HMAC key from kie.ai/settings. It never leaves this type but to be kept out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKey(String);

impl WebhookKey {
    /// `None` for empty text: a key of no length would let everybody sign.
    pub fn new(text: &str) -> Option<WebhookKey> {
        (!text.is_empty()).then(|| WebhookKey(text.to_owned()))
    }

    /// Whether `code` is the HMAC-SHA256 of `text` under this key. Takes the same time for every code of the right length.
    pub fn has_signed(&self, text: &[u8], code: &[u8]) -> bool {
        let mut mac: Hmac<Sha256> = KeyInit::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(text);
        mac.verify_slice(code).is_ok()
    }

    /// Shows the key to `hide`, which is to keep it out of what it writes.
    pub fn hide_in(&self, hide: impl FnOnce(&str)) {
        hide(&self.0);
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn a_key_vouches_for_what_it_signed_and_nothing_else() {
        let key = WebhookKey::new("Jefe").unwrap();
        let code: [u8; 32] = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00,
            0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
        ];
        let text = b"what do ya want for nothing?";
        assert!(key.has_signed(text, &code));
        assert!(!key.has_signed(b"what do ya want for nothing", &code));
        assert!(!key.has_signed(text, &code[..31]) && !key.has_signed(text, b""));
        assert!(!WebhookKey::new("jefe").unwrap().has_signed(text, &code));
    }

    #[test]
    fn a_key_has_a_length_and_no_looks() {
        assert_eq!(WebhookKey::new(""), None);
        let key = WebhookKey::new("whsec-123").unwrap();
        assert!(!format!("{key:?}").contains("123"));
        let mut seen = String::new();
        key.hide_in(|secret| seen = secret.to_owned());
        assert_eq!(seen, "whsec-123");
    }
}
