//! Uploads: a local image becomes an address that the API can fetch.

use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::kie::envelope::cut;
use crate::kie::fields::Fields;
use crate::kie::link::{head_of, web_link};
use crate::kie::outcome::{Answer, Remedy};
use crate::kie::question::{Reading, reading_of};

/// Where files for the API at `api.kie.ai` are uploaded (the vendor's pages on uploads, read in November 2026).
pub const UPLOAD_URL: &str = "https://kieai.redpandaai.co";

/// The folder on the upload host; required by the API, without slashes at its ends.
pub(super) const UPLOAD_FOLDER: &str = "hailuo-batch";

/// A file to store.
#[derive(Debug, Clone)]
pub struct Upload<'a> {
    /// The whole file.
    pub bytes: Bytes,
    /// Its name on the host: a file of the same name is replaced, so the name must be unique by content (a hash, and the
    /// extension that belongs to its type).
    pub file_name: &'a str,
    /// Its type by its own first bytes, like `image/png`: a wrong one fails when the video is made, and is paid for.
    pub media_type: &'static str,
}

/// What came of an upload. Codes and messages are as in [`crate::kie::Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadAnswer {
    /// The file is stored. The vendor removes it after 3 days by one of its pages, after 24 hours by another.
    Stored {
        /// Where the API can fetch it: http or https, without credentials.
        url: String,
    },
    /// The host will not have this file; others may fare better.
    Refused {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
    },
    /// Not stored this time; upload it again later.
    Again {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// The wait the server asked for. Unbounded: the caller decides what it obeys.
        retry_after: Option<Duration>,
    },
    /// Every upload would fail the same way.
    Barred {
        /// The API's code, or one of our words.
        code: String,
        /// The API's text, or ours.
        message: String,
        /// What the user has to do.
        remedy: Remedy,
    },
}

/// The host that takes uploads for the API at `base_url`: the one that was `given`, if any; the vendor's for the vendor's
/// API; else the same server, since a stand-in for the API stands in for all of it.
pub fn upload_url(base_url: &Url, given: Option<&Url>) -> Url {
    let host = base_url.host_str().unwrap_or_default().trim_end_matches('.');
    match given {
        Some(given) => given.clone(),
        None if host == "api.kie.ai" => Url::parse(UPLOAD_URL).expect("the vendor's upload host is a URL"),
        None => base_url.clone(),
    }
}

/// What the answer to an upload means.
///
/// A 404 or 405, with the API's envelope or without, says that nobody takes uploads at this address. A 413 is about the
/// file, and comes from a proxy on the way where it has no envelope. Only `data.downloadUrl` of the reply counts: other
/// names for it are in the vendor's quickstart and on no wire.
pub fn upload_answer_of(answer: &Answer) -> UploadAnswer {
    let barred = |code: String, message: String| UploadAnswer::Barred {
        code,
        message,
        remedy: Remedy::UploadUrl,
    };
    let again = |code: String, message: String| UploadAnswer::Again {
        code,
        message,
        retry_after: None,
    };
    match reading_of(answer) {
        Reading::Said(envelope) => {
            let data: Option<Fields> = envelope.data();
            let url = data.and_then(|data| data.text("downloadUrl"));
            match url.as_deref().and_then(web_link) {
                Some(url) if !says_failure(answer) => UploadAnswer::Stored { url },
                _ => {
                    let said = format!("code 200 without a stored file: {}", head_of(answer));
                    again("bad_reply".to_owned(), cut(&said))
                }
            }
        }
        Reading::Refused(envelope) => {
            let (code, message) = (envelope.code.to_string(), cut(&envelope.text));
            match envelope.code {
                404 | 405 => barred(code, message),
                _ => UploadAnswer::Refused { code, message },
            }
        }
        Reading::Page { status, code, message } => match status {
            404 | 405 => barred(code, message),
            413 => UploadAnswer::Refused { code, message },
            _ => again(code, message),
        },
        Reading::Barred { code, message, remedy } => UploadAnswer::Barred { code, message, remedy },
        Reading::Busy {
            code,
            message,
            retry_after,
        } => UploadAnswer::Again {
            code,
            message,
            retry_after,
        },
        Reading::Nothing { code, message } => again(code, message),
    }
}

/// Beside its code the upload host's envelope has a `success`.
fn says_failure(answer: &Answer) -> bool {
    #[derive(serde::Deserialize)]
    struct Wire {
        success: bool,
    }
    match answer {
        Answer::Reply(reply) => serde_json::from_slice(&reply.body).is_ok_and(|wire: Wire| !wire.success),
        Answer::NotSent { .. } | Answer::Barred { .. } | Answer::Lost { .. } => false,
    }
}

impl UploadAnswer {
    /// The same with `clean` applied to every text of the server's in it.
    pub(super) fn cleaned(mut self, clean: impl Fn(String) -> String) -> UploadAnswer {
        let (UploadAnswer::Stored { url: text }
        | UploadAnswer::Refused { message: text, .. }
        | UploadAnswer::Again { message: text, .. }
        | UploadAnswer::Barred { message: text, .. }) = &mut self;
        *text = clean(std::mem::take(text));
        self
    }
}
