//! What a failed request is called, and whether it may have left.

use std::error::Error;

use crate::kie::outcome::{Answer, Lost, Remedy};
use crate::web::reason::{innermost, reason_of};

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

#[cfg(test)]
mod tests {
    use std::io;

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
