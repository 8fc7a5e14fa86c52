//! A door for the fuzz targets in `tests/fuzz`.

use prost::Message as _;

use super::convert::from_wire;
use super::proto::WebTerminalMessage;
use crate::appliance::event::SessionEvent;

/// What the session tells of a message with these bytes; `None` if they are no
/// message, which ends the stream.
pub fn read(bytes: &[u8]) -> Option<SessionEvent> {
    let message = WebTerminalMessage::decode(bytes).ok()?;
    Some(from_wire(message).map_or(SessionEvent::Unknown, SessionEvent::Message))
}
