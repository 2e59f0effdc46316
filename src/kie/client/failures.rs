//! What a failed request is called, and whether it may have left.

use std::error::Error;
use std::io;

use crate::kie::outcome::{Answer, Lost, Remedy};

/// Only a failure to connect (or to build the request) proves that nothing was sent.
pub(super) fn answer_of_error(error: &reqwest::Error) -> Answer {
    let reason = reason_of(error);
    if error.is_connect() || error.is_builder() {
        match remedy_for(error) {
            Some(remedy) => Answer::Barred { remedy, reason },
            None => Answer::NotSent { reason },
        }
    } else {
        let (kind, reason) = lost_by(error);
        Answer::Lost { kind, reason }
    }
}

/// How and why no complete reply came, though the request may have left.
pub(super) fn lost_by(error: &reqwest::Error) -> (Lost, String) {
    if error.is_timeout() {
        (Lost::Timeout, "no complete answer within the time-out".to_owned())
    } else {
        (Lost::Broken, reason_of(error))
    }
}

/// What the user has to do before connecting can work; most failures to connect pass by themselves.
fn remedy_for(error: &(dyn Error + 'static)) -> Option<Remedy> {
    let cause = innermost(error);
    if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
        return Some(Remedy::Certificate);
    }
    // The tunnel's error has no type that can be asked.
    (cause.to_string() == "tunnel error: proxy authorization required").then_some(Remedy::Proxy)
}

/// The innermost cause, which names what happened; reqwest's own layers only say "error sending request".
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
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
        None => innermost.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_certificate_is_told_from_other_failures_to_connect() {
        use rustls::{CertificateError, InvalidMessage};
        let wrapped = |error: rustls::Error| io::Error::other(io::Error::other(error));
        for cause in [
            CertificateError::Expired,
            CertificateError::UnknownIssuer,
            CertificateError::NotValidForName,
            CertificateError::BadEncoding,
        ] {
            let error = wrapped(rustls::Error::InvalidCertificate(cause));
            assert_eq!(remedy_for(&error), Some(Remedy::Certificate), "{error}");
        }
        let other = wrapped(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType));
        assert_eq!(remedy_for(&other), None);
        assert_eq!(remedy_for(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
