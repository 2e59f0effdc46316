//! What a createTask request asks for, and what the API would say to it.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::row::MODEL;

use super::faults::{FaultError, NO_SUCH_MODEL, REQUIRED, Refusal};
use super::script::Script;

/// Longest prompt, in characters (the model's page).
const LONGEST_PROMPT: usize = 5_000;

const MALFORMED: Refusal = Refusal {
    code: 400,
    text: "The request body is not a JSON object",
};
const PROMPT_NOT_TEXT: Refusal = input_error("prompt it must be a string");
const IMAGE_NOT_TEXT: Refusal = input_error("image_url it must be a string");
const DURATION_NOT_TEXT: Refusal = input_error("duration it must be a string");
const RESOLUTION_NOT_TEXT: Refusal = input_error("resolution it must be a string");
const CALLBACK_NOT_TEXT: Refusal = input_error("callBackUrl it must be a string");
const PROMPT_TOO_LONG: Refusal = input_error("prompt exceeds maximum length");
const DURATION_OUT_OF_RANGE: Refusal = input_error("duration is not within the range of allowed options");
const RESOLUTION_OUT_OF_RANGE: Refusal = input_error("resolution is not within the range of allowed options");

/// The API reports most mistakes of the input as a 500.
const fn input_error(text: &'static str) -> Refusal {
    Refusal { code: 500, text }
}

/// One createTask request, read but not judged against the account.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) prompt: String,
    pub(super) image_url: String,
    pub(super) callback_url: Option<String>,
    pub(super) content: ContentKey,
    /// What the clip costs in credits, or what is wrong with the request.
    pub(super) price: Result<u8, Refusal>,
    pub(super) script: Option<Result<Script, FaultError>>,
    /// Whether the image is said to be an upload of this sandbox and is none. The request alone cannot tell.
    pub(super) image_is_missing: bool,
    /// The request as a record's `param` repeats it; empty for a request that cannot become a task.
    pub(super) param: String,
}

impl Submitted {
    /// Reads a request's body. A body that is none is a request too: it arrived.
    pub(super) fn read(body: &[u8]) -> Submitted {
        let whole = serde_json::from_slice(body).unwrap_or(Value::Null);
        let input = whole.get("input").unwrap_or(&Value::Null);
        let prompt = shown(input.get("prompt"), "").into_owned();
        let image_url = shown(input.get("image_url"), "").into_owned();
        let duration = shown(input.get("duration"), "6");
        let resolution = shown(input.get("resolution"), "768P");
        let price = if whole.is_object() {
            price(&whole, input)
        } else {
            Err(MALFORMED)
        };
        Submitted {
            content: ContentKey::of([&prompt, &image_url, &duration, &resolution]),
            param: if price.is_ok() { param(&whole) } else { String::new() },
            price,
            image_is_missing: false,
            script: Script::of_prompt(&prompt),
            callback_url: given(whole.get("callBackUrl")).map(|url| shown(Some(url), "").into_owned()),
            prompt,
            image_url,
        }
    }
}

/// What makes two requests ask for the same video: prompt, image, duration and resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ContentKey(u128);

impl ContentKey {
    fn of(fields: [&str; 4]) -> ContentKey {
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update((field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize()[..16]);
        ContentKey(u128::from_be_bytes(half))
    }
}

impl fmt::Display for ContentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// `{"input":"…","callBackUrl":…,"model":…}`, where the input is text again and has the server's defaults filled in.
fn param(whole: &Value) -> String {
    let mut input = whole.get("input").cloned().unwrap_or(Value::Null);
    for (field, default) in [
        ("duration", json!("6")),
        ("resolution", json!("768P")),
        ("nsfw_checker", json!(false)),
    ] {
        if input.get(field).is_none_or(Value::is_null) {
            input[field] = default;
        }
    }
    let mut param = json!({"input": input.to_string()});
    for field in ["callBackUrl", "model"] {
        if let Some(value) = given(whole.get(field)) {
            param[field] = value.clone();
        }
    }
    param.to_string()
}

/// The price list of mid-2026, in credits of half a US cent.
fn price(whole: &Value, input: &Value) -> Result<u8, Refusal> {
    let model = given(whole.get("model")).ok_or(REQUIRED)?;
    if model.as_str() != Some(MODEL) {
        return Err(NO_SUCH_MODEL);
    }
    text(whole.get("callBackUrl"), CALLBACK_NOT_TEXT)?;
    let prompt = text(input.get("prompt"), PROMPT_NOT_TEXT)?.ok_or(REQUIRED)?;
    text(input.get("image_url"), IMAGE_NOT_TEXT)?.ok_or(REQUIRED)?;
    let duration = text(input.get("duration"), DURATION_NOT_TEXT)?.unwrap_or("6");
    let resolution = text(input.get("resolution"), RESOLUTION_NOT_TEXT)?.unwrap_or("768P");
    // Counting bytes first spares the usual prompt the counting of characters.
    if prompt.len() > LONGEST_PROMPT && prompt.chars().count() > LONGEST_PROMPT {
        return Err(PROMPT_TOO_LONG);
    }
    match (duration, resolution) {
        ("6", "768P") => Ok(30),
        ("10", "768P") | ("6", "1080P") => Ok(50),
        // Not offered. What the API answers to the pair was never recorded; this is a guess.
        ("10", "1080P") => Err(RESOLUTION_OUT_OF_RANGE),
        ("6" | "10", _) => Err(RESOLUTION_OUT_OF_RANGE),
        _ => Err(DURATION_OUT_OF_RANGE),
    }
}

/// A field that is there: `null` counts as absent.
fn given(field: Option<&Value>) -> Option<&Value> {
    field.filter(|value| !value.is_null())
}

/// A field's text; empty text counts as absent.
fn text(field: Option<&Value>, otherwise: Refusal) -> Result<Option<&str>, Refusal> {
    match given(field) {
        None => Ok(None),
        Some(value) => {
            let text = value.as_str().ok_or(otherwise)?;
            Ok(Some(text).filter(|text| !text.is_empty()))
        }
    }
}

/// A field as the witness writes it down, whatever its type.
fn shown<'a>(field: Option<&'a Value>, default: &'a str) -> Cow<'a, str> {
    match given(field) {
        None => Cow::Borrowed(default),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(edit: impl FnOnce(&mut Value)) -> Result<u8, (u16, &'static str)> {
        let mut body = json!({
            "model": MODEL,
            "input": {"prompt": "a boat", "image_url": "https://img.example.org/a.png"},
        });
        edit(&mut body);
        let submitted = Submitted::read(body.to_string().as_bytes());
        submitted.price.map_err(|refusal| (refusal.code, refusal.text))
    }

    #[test]
    fn the_price_follows_length_and_resolution() {
        for (duration, resolution, credits) in [
            (json!(null), json!(null), 30),
            (json!("6"), json!("768P"), 30),
            (json!("10"), json!("768P"), 50),
            (json!("6"), json!("1080P"), 50),
        ] {
            let price = judged(|body| {
                body["input"]["duration"] = duration;
                body["input"]["resolution"] = resolution;
            });
            assert_eq!(price, Ok(credits));
        }
    }

    #[test]
    fn mistakes_are_answered_like_the_api_does() {
        type Edit = fn(&mut Value);
        let cases: [(Edit, u16, &str); 12] = [
            (
                |body| body["model"] = json!("hailuo/2-4"),
                422,
                "The model name you specified is not supported.",
            ),
            (
                |body| body["input"]["prompt"] = json!(null),
                500,
                "This field is required",
            ),
            (
                |body| body["input"]["prompt"] = json!(""),
                500,
                "This field is required",
            ),
            (
                |body| body["input"]["image_url"] = json!(null),
                500,
                "This field is required",
            ),
            (|body| body["input"] = json!(null), 500, "This field is required"),
            (
                |body| body["input"]["image_url"] = json!(["a"]),
                500,
                "image_url it must be a string",
            ),
            (
                |body| body["input"]["duration"] = json!(6),
                500,
                "duration it must be a string",
            ),
            (
                |body| body["input"]["duration"] = json!("7"),
                500,
                DURATION_OUT_OF_RANGE.text,
            ),
            (
                |body| body["input"]["resolution"] = json!("768p"),
                500,
                RESOLUTION_OUT_OF_RANGE.text,
            ),
            (
                |body| {
                    body["input"]["duration"] = json!("10");
                    body["input"]["resolution"] = json!("1080P");
                },
                500,
                RESOLUTION_OUT_OF_RANGE.text,
            ),
            (
                |body| body["input"]["prompt"] = json!("é".repeat(5_001)),
                500,
                "prompt exceeds maximum length",
            ),
            (|body| *body = json!([1]), 400, MALFORMED.text),
        ];
        for (edit, code, text) in cases {
            assert_eq!(judged(edit), Err((code, text)));
        }
        assert_eq!(
            judged(|body| body["input"]["prompt"] = json!("é".repeat(5_000))),
            Ok(30)
        );
    }

    #[test]
    fn a_request_is_repeated_with_its_input_as_text_and_the_defaults() {
        let body = json!({"model": MODEL, "callBackUrl": "http://127.0.0.1/?token=1-a",
            "input": {"prompt": "a \"boat\"", "image_url": "https://img.example.org/a.png", "duration": null}});
        let param: Value = serde_json::from_str(&Submitted::read(body.to_string().as_bytes()).param).unwrap();
        assert_eq!(
            (&param["model"], &param["callBackUrl"]),
            (&body["model"], &body["callBackUrl"])
        );
        let input: Value = serde_json::from_str(param["input"].as_str().unwrap()).unwrap();
        let expected = json!({"prompt": "a \"boat\"", "image_url": "https://img.example.org/a.png", "duration": "6",
            "resolution": "768P", "nsfw_checker": false});
        assert_eq!(input, expected);
        assert_eq!(Submitted::read(b"{}").param, "");
    }

    #[test]
    fn content_is_the_same_when_the_video_would_be() {
        let key = |body: Value| Submitted::read(body.to_string().as_bytes()).content;
        let plain = json!({"input": {"prompt": "a", "image_url": "b"}});
        let spelt_out = json!({"callBackUrl": "x", "input":
            {"image_url": "b", "prompt": "a", "duration": "6", "resolution": "768P"}});
        let longer = json!({"input": {"prompt": "a", "image_url": "b", "duration": "10"}});
        let shifted = json!({"input": {"prompt": "ab", "image_url": ""}});
        assert_eq!(key(plain.clone()), key(spelt_out));
        assert_ne!(key(plain.clone()), key(longer));
        assert_ne!(key(plain), key(shifted));
    }
}
