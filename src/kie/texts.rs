//! The API's error texts that decide, in one table.
//!
//! Code 500 is several different things, told apart by its text alone, and 404 and 422 halt the batch when they name
//! the model. Every entry was met in recorded traffic or client code; matching ignores case and the kind of apostrophe.

/// What a text says about the error it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The balance does not cover the request.
    Credits,
    /// The model is switched off.
    Paused,
    /// The service is being maintained.
    Maintenance,
    /// The request's input breaks a rule: repeating it cannot help.
    Input,
    /// The model's name is not one of the API's.
    Model,
}

/// Text fragment, in lower case, and its meaning; the first that fits decides.
///
/// Words such as `invalid` or `parameter` are left out on purpose: they occur inside internal errors too.
const TABLE: [(&str, Meaning); 14] = [
    ("credits insufficient", Meaning::Credits),
    ("insufficient credits", Meaning::Credits),
    ("balance isn't enough", Meaning::Credits),
    ("temporarily paused", Meaning::Paused),
    ("being maintained", Meaning::Maintenance),
    ("maintenance", Meaning::Maintenance),
    ("model name you specified", Meaning::Model),
    ("model is not supported", Meaning::Model),
    ("is required", Meaning::Input),
    ("not within the range", Meaning::Input),
    ("it must be a", Meaning::Input),
    ("must be a string", Meaning::Input),
    ("exceeds maximum length", Meaning::Input),
    ("exceeds the maximum length", Meaning::Input),
];

/// The meaning of an error's text, if it has one of its own.
pub(super) fn meaning_of(text: &str) -> Option<Meaning> {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    TABLE
        .iter()
        .find(|(fragment, _)| text.contains(fragment))
        .map(|(_, meaning)| *meaning)
}
