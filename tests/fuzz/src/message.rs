//! Bytes of one protobuf message, as the core's stream brings them.

use callbox::appliance::event::{Body, SessionEvent};
use callbox::pipe::fuzzing::read;

/// Whatever is read keeps what the appliance relies on: numbers are E.164, and
/// nothing grows by being read.
pub fn run(data: &[u8]) {
    let Some(SessionEvent::Message(message)) = read(data) else { return };
    let mut held = message.call_id.as_str().len();
    match message.body {
        Body::Offer { sdp, msisdn } => {
            held += sdp.len();
            assert!(msisdn.is_none_or(|number| (3..=16).contains(&number.as_str().len())));
        }
        Body::InCall { msisdn } => {
            assert!(msisdn.is_none_or(|number| (3..=16).contains(&number.as_str().len())));
        }
        Body::Answer { sdp } => held += sdp.len(),
        Body::Ringing | Body::Bye | Body::Idle | Body::Error(_) | Body::ToPhone => {}
    }
    assert!(held <= data.len(), "{held} bytes out of {}", data.len());
}
