//! Why a request failed, in words for the user.

use std::error::Error;
use std::io;

/// The innermost cause, which names what happened; reqwest's own layers only say "error sending request".
pub(crate) fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    loop {
        // An I/O error passes over what it wraps when it is asked for its source.
        let wrapped = innermost
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|wrapped| wrapped as &(dyn Error + 'static));
        match wrapped.or_else(|| innermost.source()) {
            Some(deeper) => innermost = deeper,
            None => return innermost,
        }
    }
}

/// Why a request failed, in words for the user.
pub(crate) fn reason_of(error: &reqwest::Error) -> String {
    let innermost = innermost(error);
    match innermost.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::TimedOut) => "timed out while connecting".to_owned(),
        _ => words_for(innermost),
    }
}

/// What the libraries below say is for their authors.
fn words_for(innermost: &(dyn Error + 'static)) -> String {
    if let Some(error) = innermost.downcast_ref::<hyper::Error>() {
        if error.is_incomplete_message() {
            return "the connection was closed before the answer came".to_owned();
        }
        if error.is_parse() {
            return format!("the answer is not HTTP ({error})");
        }
    }
    match innermost.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS".to_owned(),
        Some(error) => format!("TLS: {error}"),
        None => words_for_text(&innermost.to_string()),
    }
}

/// The same for errors that have no type to be asked.
fn words_for_text(said: &str) -> String {
    if said == "end of file before message length reached" {
        return "the connection was closed before its end".to_owned();
    }
    match said.strip_prefix("failed to lookup address information: ") {
        Some(why) => format!("the host's name cannot be resolved ({why})"),
        None => said.to_owned(),
    }
}
