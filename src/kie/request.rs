//! The body of a createTask request.

use serde::Serialize;
use url::Url;

use crate::row::{CallbackToken, ClipLength, MODEL, Resolution, Submission};

/// One createTask request: a submission, where its image is, and where its callback shall go.
#[derive(Debug, Clone)]
pub struct CreateTask<'a> {
    /// What to generate. Its own `image_url` is not sent: it may be a path on this computer.
    pub submission: &'a Submission<'a>,
    /// Where the API can fetch the image.
    pub image_url: &'a str,
    /// The request's `callBackUrl`; `None` asks for no callback.
    pub callback_url: Option<String>,
}

impl<'a> CreateTask<'a> {
    /// The request for `submission`, with its image at `image_url`. Its callback URL is the row's own, else the job's, with the attempt's token as its last
    /// query parameter: a callback then names the row it speaks of, and so does the API's record of the task, which
    /// repeats the URL. A row's own URL that cannot be read is sent as it stands.
    pub fn new(
        submission: &'a Submission<'a>,
        image_url: &'a str,
        job_callback: Option<&Url>,
        token: CallbackToken,
    ) -> CreateTask<'a> {
        let with_token = |url: Url| String::from(token.added_to(url));
        let callback_url = match submission.callback_url.as_deref() {
            Some(own) => Some(Url::parse(own).map_or_else(|_| own.to_owned(), with_token)),
            None => job_callback.cloned().map(with_token),
        };
        CreateTask {
            submission,
            image_url,
            callback_url,
        }
    }

    /// The JSON body, in the API's spelling: `duration` and `resolution` are strings (a number is refused).
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            model: &'static str,
            #[serde(rename = "callBackUrl", skip_serializing_if = "Option::is_none")]
            callback_url: Option<&'a str>,
            input: Input<'a>,
        }
        #[derive(Serialize)]
        struct Input<'a> {
            prompt: &'a str,
            image_url: &'a str,
            duration: ClipLength,
            resolution: Resolution,
            #[serde(skip_serializing_if = "Option::is_none")]
            nsfw_checker: Option<bool>,
        }
        let body = Body {
            model: MODEL,
            callback_url: self.callback_url.as_deref(),
            input: Input {
                prompt: &self.submission.prompt,
                image_url: self.image_url,
                duration: self.submission.length,
                resolution: self.submission.resolution,
                nsfw_checker: self.submission.nsfw_checker,
            },
        };
        serde_json::to_vec(&body).expect("strings and booleans always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Token;

    fn token() -> CallbackToken {
        CallbackToken {
            attempt: 12,
            secret: Token([0xab; 16]),
        }
    }

    fn submission() -> Submission<'static> {
        Submission {
            prompt: "A \"paper\" boat".into(),
            image_url: "https://img.example.org/boat.png".into(),
            image_sha256: None,
            length: ClipLength::Six,
            resolution: Resolution::P768,
            nsfw_checker: None,
            callback_url: None,
        }
    }

    #[test]
    fn the_body_is_spelled_as_the_api_wants_it() {
        let submission = submission();
        let body = CreateTask::new(&submission, &submission.image_url, None, token()).to_json();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"model":"hailuo/2-3-image-to-video-standard","input":{"prompt":"A \"paper\" boat","image_url":"https://img.example.org/boat.png","duration":"6","resolution":"768P"}}"#
        );
    }

    #[test]
    fn a_path_on_this_computer_is_not_sent() {
        let local = Submission {
            image_url: "images/boat.png".into(),
            ..submission()
        };
        let body = CreateTask::new(&local, "https://files.example.org/1.png", None, token()).to_json();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["input"]["image_url"], "https://files.example.org/1.png");
    }

    #[test]
    fn every_callback_carries_the_attempts_token_the_rows_own_too() {
        let job = Url::parse("https://hooks.example.org/kie?team=a").unwrap();
        let with = |own: Option<&'static str>, job: Option<&Url>| {
            let submission = Submission {
                callback_url: own.map(Into::into),
                ..submission()
            };
            CreateTask::new(&submission, &submission.image_url, job, token()).callback_url
        };
        let token = token();
        for (own, job, expected) in [
            (None, None, None),
            (
                None,
                Some(&job),
                Some(format!("https://hooks.example.org/kie?team=a&token={token}")),
            ),
            (
                Some("https://me.example.org/x?y"),
                Some(&job),
                Some(format!("https://me.example.org/x?y&token={token}")),
            ),
            (
                Some("https://me.example.org"),
                None,
                Some(format!("https://me.example.org/?token={token}")),
            ),
            (Some("not a url"), Some(&job), Some("not a url".to_owned())),
        ] {
            assert_eq!(with(own, job), expected);
        }
    }
}
