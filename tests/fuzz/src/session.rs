//! Protobuf messages, one after the other, through the session into a box in
//! every state: a core can say what it likes, and yet no door opens.
//!
//! Bytes: which box; then, again and again, a byte that says what happens
//! between two messages, the message's length, and the message.

use std::time::Duration;

use callbox::appliance::event::{Event, MediaEvent};
use callbox::pipe::fuzzing::read;

use super::feed::Feed;
use super::machine::{media_answers, registered};

pub fn run(data: &[u8]) {
    let mut feed = Feed(data);
    let mut machine = registered(feed.byte());
    while !feed.is_empty() {
        let between = feed.byte();
        match between % 8 {
            0..=2 => {}
            3 => media_answers(&mut machine, &MediaEvent::Acceptable),
            4 => media_answers(&mut machine, &MediaEvent::Answer { sdp: "v=0 local".to_owned() }),
            5 => media_answers(&mut machine, &MediaEvent::Connected { codec: "opus".to_owned() }),
            6 => media_answers(&mut machine, &MediaEvent::Prepared { sdp: "v=0 fresh".to_owned() }),
            _ => machine.pass(Duration::from_millis(u64::from(between) * 40)),
        }
        if let Some(event) = read(feed.record()).filter(|_| machine.stream) {
            machine.event(Event::Session(event));
        }
    }
    machine.finish();
}
