//! Which URL of a monitor says what, as Healthchecks has it (<https://healthchecks.io/docs/http_api/>): `URL/start`, `URL`
//! for success, `URL/CODE` for an exit code, and `?rid=UUID` on all pings of one run, from which it measures how long that
//! took.

use std::fmt::Write;

use url::Url;

use crate::secret_url::SecretUrl;

/// Longest body, in bytes: Healthchecks keeps the first 10 kB where it runs on one's own server, and 100 kB where not.
const LONGEST_BODY: usize = 10_000;

/// A monitor during one run of a command.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    url: SecretUrl,
    run_id: String,
}

impl Monitor {
    pub(super) fn new(url: SecretUrl) -> Monitor {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has randomness");
        Monitor {
            url,
            run_id: uuid_of(bytes),
        }
    }

    /// Says that the work begins.
    pub(super) fn start(&self) -> Url {
        self.signal("start")
    }

    /// Says how it ended. Any exit code but 0 counts as a failure.
    pub(super) fn end(&self, exit_code: u8) -> Url {
        match exit_code {
            0 => self.signal(""),
            code => self.signal(&code.to_string()),
        }
    }

    /// The URL with `what` behind its path; its own query (`?create=1`) stays.
    fn signal(&self, what: &str) -> Url {
        let mut url = self.url.url().clone();
        let path = url.path().trim_end_matches('/').to_owned();
        match what {
            "" => url.set_path(&path),
            what => url.set_path(&format!("{path}/{what}")),
        }
        url.query_pairs_mut().append_pair("rid", &self.run_id);
        url
    }
}

/// A UUID of version 4 (RFC 9562, 5.4): random but for six bits.
fn uuid_of(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("a string takes text");
    }
    text
}

/// As much of `text` as a monitor keeps.
pub(super) fn body(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_BODY)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(url: &str) -> Monitor {
        Monitor {
            url: SecretUrl::read(url).unwrap(),
            run_id: uuid_of([0xff; 16]),
        }
    }

    #[test]
    fn each_signal_has_its_url() {
        let of = |url: &str| {
            let monitor = monitor(url);
            [monitor.start(), monitor.end(0), monitor.end(3)]
                .map(String::from)
                .join("\n")
        };
        insta::assert_snapshot!(of("https://hc-ping.com/uuid"), @"
        https://hc-ping.com/uuid/start?rid=ffffffff-ffff-4fff-bfff-ffffffffffff
        https://hc-ping.com/uuid?rid=ffffffff-ffff-4fff-bfff-ffffffffffff
        https://hc-ping.com/uuid/3?rid=ffffffff-ffff-4fff-bfff-ffffffffffff
        ");
        insta::assert_snapshot!(of("https://hc.example.org/ping/key/slug/?create=1"), @"
        https://hc.example.org/ping/key/slug/start?create=1&rid=ffffffff-ffff-4fff-bfff-ffffffffffff
        https://hc.example.org/ping/key/slug?create=1&rid=ffffffff-ffff-4fff-bfff-ffffffffffff
        https://hc.example.org/ping/key/slug/3?create=1&rid=ffffffff-ffff-4fff-bfff-ffffffffffff
        ");
    }

    #[test]
    fn no_two_runs_have_one_id() {
        let url = || SecretUrl::read("https://hc-ping.com/uuid").unwrap();
        assert_ne!(Monitor::new(url()).run_id, Monitor::new(url()).run_id);
    }

    #[test]
    fn a_body_is_cut_between_characters() {
        assert_eq!(body("short"), "short");
        let long = body(&"图".repeat(5_000));
        assert_eq!(long.len(), 9_999);
    }
}
