//! The endpoints under `/sandbox/`, which the API does not have: they ask the witness and turn the screws.

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::ReplyBody;
use super::plan::{FaultPlan, FaultRule};
use super::reply::{envelope, refusal, whole};
use super::witness::{Arrival, Books};

/// `GET /sandbox/books`.
pub(super) fn books(books: &Books) -> Response<ReplyBody> {
    let body = serde_json::to_vec(books).expect("books are plain text and numbers");
    whole(
        StatusCode::OK,
        HeaderValue::from_static("application/json"),
        body.into(),
    )
}

/// `GET /sandbox/requests`: one JSON object a line.
pub(super) fn requests(arrivals: &[Arrival]) -> Response<ReplyBody> {
    let mut body = Vec::new();
    for arrival in arrivals {
        serde_json::to_writer(&mut body, arrival).expect("an arrival is plain text and numbers");
        body.push(b'\n');
    }
    whole(
        StatusCode::OK,
        HeaderValue::from_static("application/x-ndjson"),
        body.into(),
    )
}

/// Reads `{"credits": 300}`.
pub(super) fn credits_to_add(body: &Bytes) -> Result<f64, String> {
    #[derive(Deserialize)]
    struct TopUp {
        credits: f64,
    }
    let top_up: TopUp = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if top_up.credits.is_finite() && top_up.credits >= 0.0 {
        Ok(top_up.credits)
    } else {
        Err(format!("`credits` must be 0 or more, not {}", top_up.credits))
    }
}

/// Reads `{"faults": ["500=0.05"]}`; an empty list ends all faults.
pub(super) fn new_faults(body: &Bytes) -> Result<FaultPlan, String> {
    #[derive(Deserialize)]
    struct Faults {
        faults: Vec<String>,
    }
    let faults: Faults = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let rules: Result<Vec<FaultRule>, _> = faults.faults.iter().map(|rule| rule.parse()).collect();
    rules.and_then(FaultPlan::new).map_err(|error| error.to_string())
}

/// The answer to a change.
pub(super) fn changed(outcome: Result<Value, String>) -> Response<ReplyBody> {
    match outcome {
        Ok(data) => envelope(200, "success", &data, StatusCode::OK),
        Err(complaint) => refusal(422, &complaint, true),
    }
}

/// The balance after a top-up.
pub(super) fn balance(credits: Option<f64>) -> Value {
    json!({ "balance": credits })
}
