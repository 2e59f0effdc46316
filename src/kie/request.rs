//! The body of a createTask request.

use serde::Serialize;
use url::Url;

use crate::row::{ClipLength, MODEL, Resolution, Submission, Token};

/// One createTask request: a submission and where its callback shall go.
#[derive(Debug, Clone)]
pub struct CreateTask<'a> {
    /// What to generate.
    pub submission: &'a Submission<'a>,
    /// The request's `callBackUrl`; `None` asks for no callback.
    pub callback_url: Option<String>,
}

impl<'a> CreateTask<'a> {
    /// The request for `submission`. A row's own callback URL is sent as it stands; else the job's, with the
    /// attempt's token as its last query parameter, so that a callback names the row it speaks of.
    pub fn new(submission: &'a Submission<'a>, job_callback: Option<&Url>, token: Token) -> CreateTask<'a> {
        let own = submission.callback_url.as_deref().map(str::to_owned);
        let callback_url = own.or_else(|| {
            job_callback.map(|url| {
                let mut url = url.clone();
                url.query_pairs_mut().append_pair("token", &token.to_hex());
                url.into()
            })
        });
        CreateTask {
            submission,
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
                image_url: &self.submission.image_url,
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
        let body = CreateTask::new(&submission(), None, Token([7; 16])).to_json();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"model":"hailuo/2-3-image-to-video-standard","input":{"prompt":"A \"paper\" boat","image_url":"https://img.example.org/boat.png","duration":"6","resolution":"768P"}}"#
        );
    }

    #[test]
    fn the_jobs_callback_carries_the_token_and_the_rows_own_is_left_alone() {
        let job = Url::parse("https://hooks.example.org/kie?team=a").unwrap();
        let token = Token([0xab; 16]);
        let submission = submission();
        let request = CreateTask::new(&submission, Some(&job), token);
        assert_eq!(
            request.callback_url.as_deref(),
            Some(format!("https://hooks.example.org/kie?team=a&token={}", token.to_hex()).as_str())
        );
        let own = Submission {
            callback_url: Some("https://me.example.org/x?y".into()),
            ..submission.clone()
        };
        let request = CreateTask::new(&own, Some(&job), token);
        assert_eq!(request.callback_url.as_deref(), Some("https://me.example.org/x?y"));
    }
}
