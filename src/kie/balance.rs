//! The account's balance.

use serde_json::value::RawValue;

use crate::kie::envelope::cut;
use crate::kie::link::head_of;
use crate::kie::outcome::Answer;
use crate::kie::question::{Reading, reading_of};

/// Why the balance is not known. Code and message are as in [`crate::kie::Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the balance is not known ({code}): {message}")]
pub struct BalanceError {
    /// The API's code, or one of our words.
    pub code: String,
    /// The API's text, or ours.
    pub message: String,
}

/// What the answer to a question for the balance means, in credits. It is documented as a whole number and comes with a
/// fraction; digits in a string are taken too.
pub fn balance_of(answer: &Answer) -> Result<f64, BalanceError> {
    let (code, message) = match reading_of(answer) {
        Reading::Said(envelope) => {
            let data: Option<Box<RawValue>> = envelope.data();
            let credits = data.and_then(|data| data.get().trim_matches('"').trim().parse::<f64>().ok());
            match credits.filter(|credits| credits.is_finite()) {
                Some(credits) => return Ok(credits),
                None => {
                    let said = format!("code 200 without a balance: {}", head_of(answer));
                    ("bad_reply".to_owned(), cut(&said))
                }
            }
        }
        Reading::Refused(envelope) => (envelope.code.to_string(), cut(&envelope.text)),
        Reading::Page { code, message, .. }
        | Reading::Barred { code, message, .. }
        | Reading::Busy { code, message, .. }
        | Reading::Nothing { code, message } => (code, message),
    };
    Err(BalanceError { code, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kie::outcome::Reply;

    fn balance(body: &str) -> Result<f64, BalanceError> {
        balance_of(&Answer::Reply(Reply {
            status: 200,
            body: body.as_bytes().to_vec(),
            retry_after: None,
        }))
    }

    #[test]
    fn a_balance_may_have_a_fraction_or_a_minus_or_be_written_as_text() {
        for (data, credits) in [
            ("421", 421.0),
            ("421.75", 421.75),
            ("-0.5", -0.5),
            ("0", 0.0),
            ("\"5916.25\"", 5916.25),
            ("1e3", 1000.0),
        ] {
            assert_eq!(
                balance(&format!(r#"{{"code":200,"msg":"success","data":{data}}}"#)),
                Ok(credits)
            );
        }
    }

    #[test]
    fn what_is_no_amount_is_not_a_balance() {
        for data in [
            "null", "\"\"", "\"NaN\"", "\"inf\"", "1e999", "true", "{}", "[421]", "\"many\"",
        ] {
            let error = balance(&format!(r#"{{"code":200,"msg":"success","data":{data}}}"#)).unwrap_err();
            assert_eq!(error.code, "bad_reply", "{data}");
        }
        let error = balance(r#"{"code":401,"msg":"You do not have access permissions"}"#).unwrap_err();
        insta::assert_snapshot!(error, @"the balance is not known (401): You do not have access permissions");
    }
}
