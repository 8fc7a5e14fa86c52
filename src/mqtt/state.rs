//! What the box is doing, as the broker is told.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::appliance::fault::Fault;
use crate::appliance::id::{OutputName, PhoneNumber};
use crate::appliance::status::{CallStatus, SessionStatus, Status};

/// The part of the status that a home or a fleet follows. Levels and counters are for `/metrics`.
#[derive(Serialize)]
struct State<'a> {
    session: SessionStatus,
    call: CallStatus,
    peer: Option<&'a PhoneNumber>,
    muted: bool,
    busy_elsewhere: bool,
    faults: Vec<Fault>,
    outputs: &'a BTreeMap<OutputName, bool>,
}

/// As JSON; empty only if the library cannot write it.
pub(super) fn of(status: &Status) -> String {
    let state = State {
        session: status.session,
        call: status.call,
        peer: status.peer.as_ref(),
        muted: status.muted,
        busy_elsewhere: status.busy_elsewhere,
        faults: status.faults.iter().map(|fault| fault.fault).collect(),
        outputs: &status.outputs,
    };
    serde_json::to_string(&state).unwrap_or_default()
}
