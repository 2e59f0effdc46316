//! The requests that create nothing: looks, fresh links, the balance and uploads.

use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};

use super::Client;
use super::exchange::{exchange, json};
use crate::kie::balance::{BalanceError, balance_of};
use crate::kie::link::{LinkError, link_of};
use crate::kie::outcome::Answer;
use crate::kie::record::{Look, look_of};
use crate::kie::upload::{UPLOAD_FOLDER, Upload, UploadAnswer, upload_answer_of};
use crate::kie::{Discreet, TaskApi, Uploads};
use crate::row::TaskId;

impl Client {
    async fn ask(&self, question: RequestBuilder) -> Answer {
        exchange(self.authorized(question.timeout(self.question_timeout))).await
    }
}

impl TaskApi for Client {
    async fn look(&self, task: &TaskId) -> Look {
        let mut url = self.urls.record_info.clone();
        url.query_pairs_mut().append_pair("taskId", task.as_str());
        let answer = self.ask(self.questions.get(url)).await;
        look_of(&answer, task).cleaned(|text| self.without_secrets(text))
    }

    async fn fresh_link(&self, url: &str) -> Result<String, LinkError> {
        let body = serde_json::json!({ "url": url }).to_string();
        let post = self.questions.post(self.urls.download_url.clone());
        let answer = self.ask(json(post, body.into_bytes())).await;
        let clean = |text| self.without_secrets(text);
        link_of(&answer).map(clean).map_err(|error| error.cleaned(clean))
    }

    async fn balance(&self) -> Result<f64, BalanceError> {
        let answer = self.ask(self.questions.get(self.urls.credit.clone())).await;
        balance_of(&answer).map_err(|error| BalanceError {
            message: self.without_secrets(error.message),
            ..error
        })
    }
}

impl Uploads for Client {
    async fn upload(&self, upload: Upload<'_>) -> UploadAnswer {
        let file = || Part::stream(upload.bytes.clone()).file_name(upload.file_name.to_owned());
        // A media type that is none is left out: the API looks at the bytes in the end.
        let file = file().mime_str(upload.media_type).unwrap_or_else(|_| file());
        // The fields go first, so that the host can know the file's place before its bytes come.
        let form = Form::new()
            .text("uploadPath", UPLOAD_FOLDER)
            .text("fileName", upload.file_name.to_owned())
            .part("file", file);
        let post = self.questions.post(self.urls.upload.clone()).multipart(form);
        let answer = exchange(self.authorized(post.timeout(self.upload_timeout))).await;
        upload_answer_of(&answer).cleaned(|text| self.without_secrets(text))
    }
}
