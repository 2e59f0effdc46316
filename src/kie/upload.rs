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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kie::outcome::Reply;

    fn answer(status: u16, body: &str) -> UploadAnswer {
        upload_answer_of(&Answer::Reply(Reply {
            status,
            body: body.as_bytes().to_vec(),
            retry_after: None,
        }))
    }

    /// Kind and code, in short.
    fn kind(answer: &UploadAnswer) -> (&'static str, &str) {
        match answer {
            UploadAnswer::Stored { .. } => ("stored", ""),
            UploadAnswer::Refused { code, .. } => ("refused", code),
            UploadAnswer::Again { code, .. } => ("again", code),
            UploadAnswer::Barred { code, .. } => ("barred", code),
        }
    }

    #[test]
    fn only_the_download_url_of_a_success_counts() {
        let url = "https://tempfile.redpandaai.co/kieai/1/hailuo-batch/0b5e2f.png";
        let recorded = format!(
            r#"{{"success":true,"code":200,"msg":"File uploaded successfully","data":{{"success":true,
            "fileName":"0b5e2f.png","filePath":"hailuo-batch/0b5e2f.png","downloadUrl":"{url}","fileSize":5,
            "mimeType":"image/png","uploadedAt":"2026-04-08T00:00:00.000Z"}}}}"#
        );
        assert_eq!(answer(200, &recorded), UploadAnswer::Stored { url: url.to_owned() });
        for body in [
            format!(r#"{{"code":200,"data":{{"fileUrl":"{url}"}}}}"#),
            format!(r#"{{"code":200,"success":false,"data":{{"downloadUrl":"{url}"}}}}"#),
            format!(r#"{{"success":true,"data":{{"downloadUrl":"{url}"}}}}"#),
            r#"{"code":200,"data":{"downloadUrl":"hailuo-batch/0b5e2f.png"}}"#.to_owned(),
            r#"{"code":200,"data":{"downloadUrl":null}}"#.to_owned(),
            r#"{"code":200,"data":null}"#.to_owned(),
        ] {
            assert_eq!(kind(&answer(200, &body)), ("again", "bad_reply"), "{body}");
        }
    }

    #[test]
    fn every_refusal_of_an_upload_means_what_its_kind_says() {
        for (code, expected) in [
            (400, "refused"),
            (401, "barred"),
            (402, "barred"),
            (403, "barred"),
            (404, "barred"),
            (405, "barred"),
            (413, "refused"),
            (422, "refused"),
            (429, "again"),
            (455, "again"),
            (500, "again"),
            (503, "again"),
        ] {
            let body = format!(r#"{{"success":false,"code":{code},"msg":"no"}}"#);
            assert_eq!(kind(&answer(200, &body)), (expected, code.to_string().as_str()));
            // Without an envelope only what the status itself says of the file or the address is believed.
            let expected = if matches!(code, 400 | 422) { "again" } else { expected };
            assert_eq!(
                kind(&answer(code, "<html>")),
                (expected, format!("http_{code}").as_str())
            );
        }
        let UploadAnswer::Barred { remedy, .. } = answer(404, "<html>") else {
            panic!("not barred");
        };
        assert_eq!(remedy, Remedy::UploadUrl);
    }

    #[test]
    fn uploads_go_to_the_vendors_host_only_for_the_vendors_api() {
        let url = |text: &str| Url::parse(text).unwrap();
        let own = url("https://files.example.org/x");
        for (base, given, expected) in [
            ("https://api.kie.ai/", None, "https://kieai.redpandaai.co/"),
            ("https://API.KIE.AI./", None, "https://kieai.redpandaai.co/"),
            ("http://127.0.0.1:8080/kie/", None, "http://127.0.0.1:8080/kie/"),
            (
                "https://api.kie.ai.example.org/",
                None,
                "https://api.kie.ai.example.org/",
            ),
            ("https://api.kie.ai/", Some(&own), "https://files.example.org/x"),
        ] {
            assert_eq!(upload_url(&url(base), given).as_str(), expected);
        }
    }
}
