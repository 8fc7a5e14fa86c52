//! Everything that can happen to a box, in any order: fingers, contacts, the
//! core, media, operators and the clock.
//!
//! Bytes: which box; then two or more for each event.

use std::time::Duration;

use callbox::appliance::action::{Action, Ring, VolumeChange};
use callbox::appliance::event::{
    Body, Clock, CloseReason, Closed, ErrorCode, Event, LineEvent, MediaError, MediaErrorKind, MediaEvent,
    SessionEvent, SystemEvent,
};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::{ButtonName, InputName, PeerId, PhoneNumber, RequestId};
use callbox::appliance::memory::Memory;

use super::feed::Feed;
use super::machine::{Machine, call_id, media_answers, message, registered};

const DIGITS: &[u8; 16] = b"4711#*9023568ABC";

pub fn run(data: &[u8]) {
    let mut feed = Feed(data);
    let mut machine = registered(feed.byte());
    for number in 0..400 {
        if feed.is_empty() {
            break;
        }
        step(&mut machine, &mut feed, number);
    }
    machine.finish();
}

fn step(machine: &mut Machine, feed: &mut Feed<'_>, number: u64) {
    let (what, which) = (feed.byte(), feed.byte());
    match what % 24 {
        0 => {
            // Two presses in a row ask for the door.
            machine.door_asked = true;
            machine.event(Event::Line(LineEvent::Pressed(ButtonName::from("call"))));
        }
        1 => machine.event(Event::Line(LineEvent::Released(ButtonName::from("call")))),
        2 => {
            let name = ["exit", "tamper", "door-contact", "nonesuch"][usize::from(which % 4)];
            machine.door_asked |= name == "exit";
            let (input, active) = (InputName::from(name), which & 0x80 != 0);
            machine.event(Event::Line(LineEvent::Input { input, active }));
        }
        3..=8 if machine.stream => {
            let body = body(what % 24, which);
            let event = message(call_id(machine, feed.byte()), body);
            machine.event(event);
        }
        9 if machine.stream => {
            let event = [SessionEvent::Sent, SessionEvent::Opened, SessionEvent::Unknown];
            machine.event(Event::Session(event[usize::from(which % 3)].clone()));
        }
        10 if machine.stream => {
            machine.stream = false;
            let reason = [
                CloseReason::Lost,
                CloseReason::Unreachable,
                CloseReason::Unauthenticated,
                CloseReason::RateLimited,
                CloseReason::TooManyPings,
                CloseReason::CertificateRefused,
                CloseReason::EndedByCore,
                CloseReason::PermissionDenied,
            ][usize::from(which % 8)];
            machine.event(Event::Session(SessionEvent::Closed(Closed { reason, detail: String::new() })));
        }
        11 => media_answers(machine, &MediaEvent::Acceptable),
        12 => media_answers(machine, &MediaEvent::Answer { sdp: "v=0 local".to_owned() }),
        13 => media_answers(machine, &MediaEvent::Connected { codec: "opus".to_owned() }),
        14 => media_answers(machine, &MediaEvent::Prepared { sdp: format!("v=0 {number}") }),
        15 => {
            let digit = char::from(DIGITS[usize::from(which % 16)]);
            machine.door_asked = true;
            media_answers(machine, &MediaEvent::Digit(digit));
        }
        16 => {
            let event = [
                MediaEvent::FirstAudio,
                MediaEvent::Interrupted,
                MediaEvent::Quiet,
                MediaEvent::AudioBack,
                MediaEvent::Closed,
                failed(MediaErrorKind::BadSdp),
                failed(MediaErrorKind::IceFailed),
                failed(MediaErrorKind::NoAddress),
            ][usize::from(which % 8)]
            .clone();
            let all: Vec<PeerId> = machine.peers.keys().copied().collect();
            let peer = all.get(usize::from(which / 8) % all.len().max(1)).copied();
            machine.event(Event::Media { peer: peer.unwrap_or(PeerId(u64::MAX)), event });
        }
        17 => {
            let action = action(which);
            machine.door_asked |= matches!(action, Action::OpenDoor { .. });
            machine.event(Event::Control { request: RequestId(number), action });
        }
        18 => machine.event(Event::System(SystemEvent::AddressesChanged)),
        19 => {
            let unix = Duration::from_secs(u64::from(feed.long()));
            let known = which & 1 == 1;
            machine.event(Event::System(SystemEvent::Clock(Clock { unix, known })));
        }
        20 => {
            let fault = [Fault::CaptureDevice, Fault::LineLost, Fault::SoundFile][usize::from(which % 3)];
            machine.event(Event::System(if which & 0x80 == 0 {
                SystemEvent::FaultRaised { fault, detail: "fuzzed".to_owned() }
            } else {
                SystemEvent::FaultCleared(fault)
            }));
        }
        21 => machine.event(Event::System(SystemEvent::Microphone(which & 1 == 1))),
        22 => {
            let memory = Memory { tampered: which & 1 == 1, wrong_codes: feed.long(), ..Memory::default() };
            machine.event(Event::System(SystemEvent::Remembered(memory)));
        }
        23 if which == 0xff => machine.event(Event::System(SystemEvent::Shutdown)),
        3..=10 | 23 => machine.pass(Duration::from_secs(u64::from(which))),
        24.. => {}
    }
    machine.pass(Duration::from_millis(u64::from(which % 64) * 7));
}

fn failed(kind: MediaErrorKind) -> MediaEvent {
    MediaEvent::Failed(MediaError { kind, detail: String::new() })
}

fn number(which: u8) -> Option<PhoneNumber> {
    let known = ["+4722222222", "+4733333333", "+4744444444", "+4755555555", ""];
    PhoneNumber::parse(known[usize::from(which % 5)]).ok()
}

fn body(kind: u8, which: u8) -> Body {
    match kind {
        3 | 4 => Body::Offer { sdp: "v=0 remote".to_owned(), msisdn: number(which) },
        5 => Body::Answer { sdp: "v=0 remote".to_owned() },
        6 => [Body::Ringing, Body::Idle, Body::ToPhone][usize::from(which % 3)].clone(),
        7 => [Body::Bye, Body::InCall { msisdn: number(which) }][usize::from(which % 2)].clone(),
        _ => Body::Error(match which % 5 {
            0 => ErrorCode::Unknown(i32::from(which)),
            1 => ErrorCode::NotInCall,
            2 => ErrorCode::TryAgain,
            3 => ErrorCode::InvalidCallId,
            _ => ErrorCode::RateLimitHit,
        }),
    }
}

fn action(which: u8) -> Action {
    match which % 16 {
        0 | 1 => Action::Call { to: vec!["family".to_owned()], ring: Ring::InOrder },
        2 => Action::Call { to: vec!["family".to_owned(), "neighbour".to_owned()], ring: Ring::All },
        3 => Action::Answer,
        4 => Action::HangUp,
        5 => Action::Swap,
        6 => Action::Merge,
        7 => Action::ToPhone,
        8 => Action::TakeOver,
        9 => Action::Dtmf { digits: "12#".to_owned() },
        10 => Action::Mute { on: None },
        11 => Action::OpenDoor { output: None },
        12 => Action::ResetTamper,
        13 => Action::Talk { on: None },
        14 => Action::Volume { change: VolumeChange::Percent(which) },
        _ => Action::SelfTest,
    }
}
