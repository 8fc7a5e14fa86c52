//! `GET /healthz`: whether the box could take a call now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::site::Site;
use crate::appliance::fault::Fault;
use crate::appliance::status::{SessionStatus, Status};

#[derive(Serialize)]
struct Health {
    ready: bool,
    /// Why not; empty when ready.
    reasons: Vec<String>,
}

/// A box in a call is well: the call shows it. The details of faults are for
/// those who may log in; this is for any probe.
pub async fn healthz(State(site): State<Arc<Site>>) -> Response {
    let reasons = reasons(&site.handle.snapshot().appliance);
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ready, reasons })).into_response()
}

/// Why no call could be made or taken; empty if one could.
pub fn reasons(status: &Status) -> Vec<String> {
    let session = match status.session {
        SessionStatus::Registered => None,
        SessionStatus::Offline => Some("session-offline".to_owned()),
        SessionStatus::Connecting => Some("session-connecting".to_owned()),
    };
    let faults = status.faults.iter().map(|fault| fault.fault).filter(|fault| prevents_calls(*fault));
    session.into_iter().chain(faults.map(super::metrics::word)).collect()
}

fn prevents_calls(fault: Fault) -> bool {
    match fault {
        Fault::CoreUnreachable
        | Fault::NameNotResolved
        | Fault::CertificateRefused
        | Fault::CredentialsRefused
        | Fault::TokenUnavailable
        | Fault::SecretUnreadable
        | Fault::RateLimited
        | Fault::CaptureDevice
        | Fault::PlaybackDevice
        | Fault::MicrophoneDead
        | Fault::LoudspeakerDead
        | Fault::MediaNotReady => true,
        Fault::StuckButton
        | Fault::StuckInput
        | Fault::ChatteringLine
        | Fault::Tampered
        | Fault::DoorHeldOpen
        | Fault::DoorForced
        | Fault::StateNotKept
        | Fault::MachineTrouble
        | Fault::SoundFile
        | Fault::LineLost
        | Fault::CheckCallOverdue
        | Fault::ClockNotSet => false,
    }
}
