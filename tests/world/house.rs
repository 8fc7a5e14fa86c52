//! The box under test: its settings, drawn from the seed.

use std::collections::BTreeMap;
use std::time::Duration;

use callbox::appliance::acknowledge::Acknowledge;
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::door::settings::DoorSettings;
use callbox::appliance::id::PhoneNumber;
use callbox::appliance::indicator::LedFunction;
use callbox::appliance::input::HookSettings;
use callbox::appliance::output::{OutputFunction, OutputSettings};
use callbox::appliance::settings::{
    AnswerPolicy, BackoffSettings, ButtonSettings, CallSettings, IncomingSettings, Mode, SessionSettings,
    Settings, WhileBusy,
};

use super::chance::Chance;

pub const FAMILY: &str = "+4722222222";
pub const NEIGHBOUR: &str = "+4733333333";
pub const STRANGER: &str = "+4744444444";

/// The digit that accepts a call, in houses that ask for one.
pub const ACCEPTS: char = '1';

pub const BUTTONS: [&str; 9] = ["call", "hunt", "hangup", "phone", "take", "rich", "all", "swap", "merge"];

pub fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

pub fn call_to(names: &[&str]) -> Action {
    Action::Call { to: names.iter().map(|name| (*name).to_owned()).collect(), ring: Ring::InOrder }
}

pub fn settings(seed: u64) -> Settings {
    let mut chance = Chance::new(seed, 1);
    let ignore_again = Duration::from_secs(chance.pick(&[0, 0, 0, 2]));
    let press = |action| ButtonSettings { press: Some(action), ignore_again, ..ButtonSettings::default() };
    let rich = ButtonSettings {
        hold: Some(Action::HangUp),
        double_press: Some(Action::TakeOver),
        ..press(call_to(&["family"]))
    };
    let buttons = [
        press(call_to(&["family"])),
        press(call_to(&["family", "neighbour"])),
        press(Action::HangUp),
        press(Action::ToPhone),
        press(Action::TakeOver),
        rich,
        press(Action::Call { to: vec!["family".to_owned(), "neighbour".to_owned()], ring: Ring::All }),
        press(Action::Swap),
        press(Action::Merge),
    ];
    let leds = [
        ("status", LedFunction::Status),
        ("online", LedFunction::Online),
        ("calling", LedFunction::Calling),
        ("ringing", LedFunction::Ringing),
        ("answered", LedFunction::Answered),
        ("busy", LedFunction::BusyElsewhere),
        ("fault", LedFunction::Fault),
    ];
    let mut settings = Settings {
        mode: chance.pick(&[Mode::Pipe, Mode::MultiPipe]),
        contacts: BTreeMap::from([
            ("family".to_owned(), number(FAMILY)),
            ("neighbour".to_owned(), number(NEIGHBOUR)),
        ]),
        buttons: BUTTONS.into_iter().map(Into::into).zip(buttons).collect(),
        leds: leds.into_iter().map(|(name, function)| (name.into(), function)).collect(),
        inputs: BTreeMap::new(),
        hook: HookSettings::default(),
        outputs: BTreeMap::from([(
            "strike".into(),
            OutputSettings { function: OutputFunction::Strike, max_on: None },
        )]),
        door: DoorSettings::default(),
        incoming: IncomingSettings {
            allow: chance.percent(30).then(|| vec![number(FAMILY)]),
            answer: chance.pick(&[
                AnswerPolicy::Ring,
                AnswerPolicy::Ring,
                AnswerPolicy::Ring,
                AnswerPolicy::Auto,
                AnswerPolicy::Reject,
            ]),
            while_busy: chance.pick(&[WhileBusy::Busy, WhileBusy::Queue, WhileBusy::Swap, WhileBusy::Swap]),
            ..IncomingSettings::default()
        },
        call: CallSettings {
            longest: chance.pick(&[None, None, Some(Duration::from_secs(40))]),
            hunt_cycles: chance.pick(&[1, 1, 2, 3]),
            peer_lifetime: Duration::from_secs(chance.pick(&[600, 1800, 3600])),
            ..CallSettings::default()
        },
        backoff: BackoffSettings::default(),
        session: SessionSettings { needs_time: chance.percent(50), ..SessionSettings::default() },
    };
    let timeout = Duration::from_secs(12);
    settings.call.acknowledge = chance.percent(30).then_some(Acknowledge { digit: ACCEPTS, timeout });
    settings.call.announce_location = chance.percent(50);
    settings.call.announce_offline = chance.percent(30);
    settings
}
