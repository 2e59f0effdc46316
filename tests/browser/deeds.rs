//! What pages did that nobody sees: errors on their console, and whom they asked for something.

use serde_json::Value;
use thirtyfour::BrowserLogEntry;
use url::Url;

/// Taken from the browser's own logs, so that no page can hide anything.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    errors: Vec<String>,
    requests: Vec<String>,
}

impl Deeds {
    /// A line of the console: what scripts wrote, and what the browser complained about.
    pub(crate) fn add_console(&mut self, entry: &BrowserLogEntry) {
        if entry.level == "SEVERE" {
            self.errors.push(entry.message.clone());
        }
    }

    /// An event of the browser's protocol.
    pub(crate) fn add_network(&mut self, entry: &BrowserLogEntry) {
        let event: Value = serde_json::from_str(&entry.message).unwrap();
        let event = &event["message"];
        let url = match event["method"].as_str() {
            Some("Network.requestWillBeSent") => &event["params"]["request"]["url"],
            Some("Network.webSocketCreated" | "Network.webTransportCreated") => &event["params"]["url"],
            _ => return,
        };
        self.requests.push(url.as_str().unwrap().to_owned());
    }

    pub(crate) fn take_errors(&mut self) -> Vec<String> {
        std::mem::take(&mut self.errors)
    }

    pub(crate) fn take_requests(&mut self) -> Vec<String> {
        std::mem::take(&mut self.requests)
    }

    pub(crate) fn take_outside_requests(&mut self) -> Vec<String> {
        let outside;
        (outside, self.requests) = self.take_requests().into_iter().partition(|url| is_outside(url));
        outside
    }
}

/// Whether somebody else hears of a request for this address.
fn is_outside(address: &str) -> bool {
    match Url::parse(address) {
        Ok(url) => match url.scheme() {
            "http" | "https" | "ws" | "wss" => url.host_str() != Some("127.0.0.1"),
            "about" | "blob" | "data" | "file" => false,
            _ => true,
        },
        Err(_) => true,
    }
}
