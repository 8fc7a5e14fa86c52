//! What was kept over a restart, from a disk that may have written anything.

use callbox::appliance::event::{Event, SystemEvent};
use callbox::appliance::memory::Memory;

use super::machine::registered;

/// A memory that is read is written and read again as the same, and no memory
/// opens a door.
pub fn run(data: &[u8]) {
    let Ok(memory) = serde_json::from_slice::<Memory>(data) else { return };
    let text = serde_json::to_vec(&memory).unwrap();
    assert_eq!(serde_json::from_slice::<Memory>(&text).unwrap(), memory);
    let mut machine = registered(0);
    machine.event(Event::System(SystemEvent::Remembered(memory)));
    machine.finish();
}
