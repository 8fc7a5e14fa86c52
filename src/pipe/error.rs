//! From the libraries' errors to the kinds of session ends.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use tonic::{Code, Status};

use crate::appliance::event::{CloseReason, Closed};

/// A detail is for a line of a log or a status page.
const DETAIL_LENGTH: usize = 400;

/// Makes a `Closed`. Part of the detail may be the other side's text: it is
/// cut to length and cannot break out of its line.
pub(super) fn closed(reason: CloseReason, detail: impl AsRef<str>) -> Closed {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    Closed { reason, detail: detail.as_ref().chars().map(printable).take(DETAIL_LENGTH).collect() }
}

/// Why a stream ended that the core did not end in good order.
pub(super) fn from_status(status: &Status) -> Closed {
    // This side's HTTP/2 found a breach of the protocol. What it tells the core by it, such as to be calm
    // when it floods, is not a word of the core's to this side.
    if let Some(broken) = status.source().and_then(find::<h2::Error>).filter(|error| error.is_library()) {
        return closed(CloseReason::Lost, format!("the core broke HTTP/2: {broken}"));
    }
    // A status that the core sent has no cause on this side.
    let cause = status.source().map(chain_text);
    let told = match &cause {
        Some(cause) => format!("the connection broke: {cause}"),
        None => format!("the stream ended with {:?}: {}", status.code(), status.message()),
    };
    let reason = match status.code() {
        Code::Unauthenticated => CloseReason::Unauthenticated,
        Code::PermissionDenied => CloseReason::PermissionDenied,
        Code::ResourceExhausted => CloseReason::RateLimited,
        // Messages over the limit are refused on this side, without a cause.
        Code::OutOfRange => return closed(CloseReason::Lost, status.message()),
        // What libraries say of broken frames, on either side.
        Code::Internal | Code::Unknown | Code::DataLoss => CloseReason::Lost,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable => {
            if cause.is_some() {
                CloseReason::Lost
            } else {
                CloseReason::EndedByCore
            }
        }
    };
    closed(reason, told)
}

/// Whether the peer closed the connection because it was pinged too often
/// (gRPC proposal A8, client-side keep-alive).
pub(super) fn is_too_many_pings(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
}

/// Whether a stream ends for that reason. The C core of gRPC (Python, C++, Ruby) says so in these words
/// before its GOAWAY, which is lost if the box writes to the connection at that moment.
pub(super) fn says_too_many_pings(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message().eq_ignore_ascii_case("too many pings")
}

/// What a TLS error means, for people.
pub(super) fn tls_text(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(error) = error else { return error.to_string() };
    let meaning = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired, or the clock is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet, or the clock is wrong"
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate is of an unknown issuer"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host"
        }
        // The library may add kinds; its own text serves for the rest.
        _ => "the certificate is refused",
    };
    format!("{meaning} ({error})")
}

/// An error and all its causes as one line, each said once.
pub(super) fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// The first error of a type in a chain of causes, also inside an
/// `io::Error`, whose `source` skips the error it wraps.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// hyper-util's connector has a type of its own for this, but keeps it
/// private: its text is all there is. A test with a real name holds it down.
pub(super) fn is_name_error(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string().starts_with("dns error") {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_core_says_is_told_from_what_broke() {
        let reason = |status: Status| from_status(&status).reason;
        assert_eq!(reason(Status::unauthenticated("no")), CloseReason::Unauthenticated);
        assert_eq!(reason(Status::permission_denied("no")), CloseReason::PermissionDenied);
        assert_eq!(reason(Status::resource_exhausted("no")), CloseReason::RateLimited);
        assert_eq!(reason(Status::unavailable("restart")), CloseReason::EndedByCore);
        assert_eq!(reason(Status::internal("bug")), CloseReason::Lost);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(reason(Status::from_error(Box::new(reset))), CloseReason::Lost);
        let calm = Status::from_error(Box::new(h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM)));
        assert_eq!(reason(calm), CloseReason::RateLimited);
    }

    #[test]
    fn the_other_sides_text_stays_on_its_line() {
        let closed = from_status(&Status::aborted(format!("a\nb\x1b[2J{}", "x".repeat(100_000))));
        assert!(closed.detail.contains("a b [2J"), "{closed:?}");
        assert_eq!(closed.detail.chars().count(), DETAIL_LENGTH);
    }

    #[test]
    fn a_cause_inside_an_io_error_is_found() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let error = io::Error::other(io::Error::other(tls));
        let found = find::<rustls::Error>(&error).unwrap();
        assert!(tls_text(found).contains("has expired"));
        assert!(find::<h2::Error>(&error).is_none());
    }
}
