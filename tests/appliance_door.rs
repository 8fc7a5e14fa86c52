//! The door. It must open for those who may, each time, and for nobody else;
//! and people inside must get out whatever state the box is in.
// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::panic)]

mod appliance_support;

use std::time::Duration;

use appliance_support::{ANSWER, Bench, FAMILY, NEIGHBOUR, ms, number, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{Command, LineCommand, Refusal};
use callbox::appliance::door::DoorState;
use callbox::appliance::door::settings::{Code, DoorSettings, TamperClear, Who};
use callbox::appliance::event::{Body, Event, LineEvent, MediaEvent, SystemEvent};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::PeerId;
use callbox::appliance::input::InputFunction;
use callbox::appliance::memory::Memory;
use callbox::appliance::output::{OutputFunction, OutputSettings};
use callbox::appliance::settings::{AnswerPolicy, Settings};

const STRANGER: &str = "+4799999999";

fn door(change: impl FnOnce(&mut DoorSettings)) -> Settings {
    let mut settings = settings();
    settings.door.codes = vec![Code::new("1234"), Code::new("*9")];
    settings.incoming.answer = AnswerPolicy::Auto;
    for (name, function) in [
        ("exit", InputFunction::Exit),
        ("tamper", InputFunction::Tamper),
        ("contact", InputFunction::DoorContact),
    ] {
        settings.inputs.insert(name.into(), function.into());
    }
    change(&mut settings.door);
    settings
}

trait Doorway {
    fn dial(&mut self, peer: PeerId, digits: &str);
    fn input(&mut self, name: &str, active: bool);
    fn open_door(&mut self) -> Result<(), Refusal>;
    fn strikes(&mut self) -> Vec<(bool, Option<Duration>)>;
    fn is_open(&self) -> bool;
    fn state(&self) -> DoorState;
    fn memory(&self) -> Option<Memory>;
    fn has(&self, fault: Fault) -> bool;
    fn talk_with(&mut self, id: &str, from: Option<&str>) -> PeerId;
}

impl Doorway for Bench {
    /// Digits half a second apart.
    fn dial(&mut self, peer: PeerId, digits: &str) {
        for digit in digits.chars() {
            self.media(peer, MediaEvent::Digit(digit));
            self.pass(ms(500));
        }
    }

    fn input(&mut self, name: &str, active: bool) {
        self.event(Event::Line(LineEvent::Input { input: name.into(), active }));
        self.pass(ms(40));
    }

    fn open_door(&mut self) -> Result<(), Refusal> {
        self.ask(Action::OpenDoor { output: None })
    }

    /// What the strike was told since the last look.
    fn strikes(&mut self) -> Vec<(bool, Option<Duration>)> {
        let told = self.commands.iter().filter_map(|command| match command {
            Command::Line(LineCommand::Output { output, on, longest }) if output.as_str() == "strike" => {
                Some((*on, *longest))
            }
            _ => None,
        });
        let told = told.collect();
        self.take();
        told
    }

    fn is_open(&self) -> bool {
        self.box_.status().outputs[&"strike".into()]
    }

    fn state(&self) -> DoorState {
        self.box_.status().door.unwrap().state
    }

    fn memory(&self) -> Option<Memory> {
        self.commands.iter().rev().find_map(|command| match command {
            Command::Remember(memory) => Some(memory.clone()),
            _ => None,
        })
    }

    fn has(&self, fault: Fault) -> bool {
        self.box_.status().faults.iter().any(|raised| raised.fault == fault)
    }

    /// A call comes in, is answered by the box itself, and is up.
    fn talk_with(&mut self, id: &str, from: Option<&str>) -> PeerId {
        self.offer(id, from);
        let peer = self.peers.keys().next_back().copied().unwrap();
        self.media(peer, MediaEvent::Acceptable);
        self.media(peer, MediaEvent::Answer { sdp: ANSWER.to_owned() });
        self.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        self.take();
        peer
    }
}

#[test]
fn the_strike_is_off_from_the_start_and_at_the_end() {
    let mut bench = Bench::new(door(|_| {}));
    assert_eq!(bench.strikes(), [(false, None)]);
    bench.input("exit", true);
    assert_eq!(bench.strikes(), [(true, Some(secs(3)))]);
    bench.system(SystemEvent::Shutdown);
    assert_eq!(bench.strikes(), [(false, None)]);
    bench.input("exit", false);
    bench.input("exit", true);
    assert_eq!(bench.strikes(), []);
}

#[test]
fn a_code_in_a_call_of_the_box_opens_for_one_pulse() {
    let mut bench = Bench::ready(door(|door| door.pulse = secs(5)));
    let (peer, _) = bench.talk();
    bench.dial(peer, "123");
    assert_eq!(bench.strikes(), []);
    bench.dial(peer, "4");
    assert_eq!((bench.strikes(), bench.state()), (vec![(true, Some(secs(5)))], DoorState::Released));
    bench.pass(ms(4499));
    assert!(bench.is_open());
    bench.pass(ms(1));
    assert_eq!((bench.strikes(), bench.state()), (vec![(false, None)], DoorState::Secured));
    assert!(bench.logs.iter().all(|text| !text.contains("1234")), "a code was logged");
}

#[test]
fn the_boards_limit_is_shorter_than_any_pulse() {
    let mut settings = door(|door| door.pulse = secs(60));
    let strike = OutputSettings { function: OutputFunction::Strike, max_on: Some(secs(2)) };
    settings.outputs.insert("strike".into(), strike);
    let mut bench = Bench::ready(settings);
    bench.input("exit", true);
    assert_eq!(bench.strikes(), [(true, Some(secs(2)))]);
    // Pressed again and again, it still shuts when the limit is reached.
    for _ in 0..11 {
        bench.input("exit", false);
        bench.input("exit", true);
        bench.pass(ms(130));
    }
    assert_eq!(bench.strikes(), [(false, None), (true, Some(secs(2)))]);
}

#[test]
fn a_limit_that_nobody_set_is_ten_seconds() {
    let mut bench = Bench::ready(door(|door| door.pulse = secs(60)));
    bench.input("exit", true);
    assert_eq!(bench.strikes(), [(true, Some(secs(10)))]);
}

#[test]
fn digits_before_the_answer_and_after_the_end_count_for_nothing() {
    let mut bench = Bench::ready(door(|door| door.codes = vec![Code::new("1234")]));
    let (peer, id) = bench.call_out();
    bench.message(&id, Body::Ringing);
    bench.dial(peer, "1234");
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    bench.dial(peer, "1234");
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.dial(peer, "12");
    bench.press("hangup");
    bench.dial(peer, "34");
    bench.close_all();
    let (peer, _) = bench.talk();
    bench.dial(peer, "34");
    assert_eq!(bench.counter("door-opened-by-code"), 0);
    assert_eq!(bench.counter("door-wrong-codes"), 0, "half a code is none");
    bench.pass(secs(4));
    bench.dial(peer, "1234");
    assert!(bench.is_open());
}

#[test]
fn whose_codes_count_is_told_by_the_calls_number() {
    let only = || Who::Only(vec![number(NEIGHBOUR)]);
    for (who, from, opens) in [
        (Who::Usual, Some(FAMILY), true),
        (Who::Usual, Some(STRANGER), false),
        (Who::Usual, None, false),
        (only(), Some(NEIGHBOUR), true),
        (only(), Some(FAMILY), false),
        (only(), None, false),
    ] {
        let mut bench = Bench::ready(door(|door| door.who = who.clone()));
        let peer = bench.talk_with("a", from);
        bench.dial(peer, "1234");
        assert_eq!(bench.is_open(), opens, "{who:?} {from:?}");
        // A stranger cannot lock others out either.
        assert_eq!(bench.counter("door-wrong-codes"), 0);
    }
    // A call that the box made, to a number that is not in the list.
    let mut bench = Bench::ready(door(|door| door.who = only()));
    let (peer, _) = bench.talk();
    bench.dial(peer, "1234");
    assert!(!bench.is_open());
}

#[test]
fn digits_too_far_apart_are_no_code() {
    let mut bench = Bench::ready(door(|_| {}));
    let (peer, _) = bench.talk();
    bench.dial(peer, "12");
    bench.pass(ms(3500));
    bench.dial(peer, "34");
    bench.pass(secs(5));
    assert!(!bench.is_open());
    // Late edges come in one batch on a busy machine: the time of the digits counts.
    bench.media(peer, MediaEvent::Digit('1'));
    bench.media(peer, MediaEvent::Digit('2'));
    bench.now += secs(4);
    bench.media(peer, MediaEvent::Digit('3'));
    bench.media(peer, MediaEvent::Digit('4'));
    assert!(!bench.is_open());
}

#[test]
fn a_code_is_found_behind_digits_that_were_a_mistake() {
    let mut bench = Bench::ready(door(|_| {}));
    let (peer, _) = bench.talk();
    bench.dial(peer, "71234");
    assert!(bench.is_open());
}

#[test]
fn a_doubled_or_repeated_digit_opens_nothing_twice() {
    let mut bench = Bench::ready(door(|door| door.codes = vec![Code::new("55")]));
    let (peer, _) = bench.talk();
    bench.dial(peer, "5555");
    bench.pass(secs(2));
    assert_eq!(bench.strikes(), [(true, Some(secs(3))), (false, None)]);
    // 3 s after the first opening it rests for a second.
    bench.media(peer, MediaEvent::Digit('5'));
    bench.media(peer, MediaEvent::Digit('5'));
    assert_eq!((bench.strikes(), bench.counter("door-opened-by-code")), (vec![], 1));
    bench.pass(secs(1));
    bench.dial(peer, "55");
    assert_eq!(bench.strikes(), [(true, Some(secs(3)))]);
}

#[test]
fn wrong_codes_lock_codes_out_for_longer_each_time() {
    let mut bench = Bench::ready(door(|_| {}));
    let (peer, _) = bench.talk();
    bench.dial(peer, "0000");
    bench.dial(peer, "0000");
    assert_eq!(bench.state(), DoorState::Secured);
    bench.dial(peer, "0000");
    for seconds in [60, 120, 240] {
        assert_eq!(bench.state(), DoorState::LockedOut);
        let status = bench.box_.status().at(bench.now).door.unwrap();
        assert!(status.locked_for_s.is_some_and(|left| left <= seconds && left + 1 >= seconds), "{status:?}");
        bench.pass(secs(seconds - 5));
        bench.dial(peer, "1234");
        assert!(!bench.is_open(), "the right code, too, is barred");
        bench.pass(secs(5));
        assert_eq!(bench.state(), DoorState::Secured);
        bench.dial(peer, "000000000000");
    }
    bench.pass(secs(480));
    bench.dial(peer, "1234");
    assert!(bench.is_open());
    // The right one has made up for all.
    assert_eq!(bench.memory().unwrap().wrong_codes, 0);
}

#[test]
fn wrong_codes_are_forgotten_after_a_while() {
    let mut bench = Bench::ready(door(|_| {}));
    let (peer, _) = bench.talk();
    bench.dial(peer, "00000000");
    assert_eq!(bench.memory().unwrap().wrong_codes, 2);
    bench.pass(secs(3600));
    assert_eq!(bench.memory().unwrap().wrong_codes, 0);
    bench.dial(peer, "0000");
    assert_eq!(bench.state(), DoorState::Secured);
}

#[test]
fn a_short_code_cannot_be_tried_without_being_counted() {
    let mut bench = Bench::ready(door(|door| door.codes = vec![Code::new("5"), Code::new("1234")]));
    for wrong in 1..=3 {
        let (peer, _) = bench.talk();
        bench.dial(peer, "7");
        match wrong {
            // By waiting, and by hanging up before the time is over.
            1 => bench.pass(secs(4)),
            _ => bench.press("hangup"),
        }
        assert_eq!(bench.memory().unwrap().wrong_codes, wrong);
        bench.press("hangup");
        bench.close_all();
        bench.pass(secs(3));
        bench.prepare_all();
    }
    assert_eq!(bench.state(), DoorState::LockedOut);
}

#[test]
fn a_restart_is_no_way_round_a_lock_out() {
    let mut bench = Bench::ready(door(|_| {}));
    let (peer, _) = bench.talk();
    bench.dial(peer, "000000000000");
    let memory = bench.memory().unwrap();
    let mut bench = Bench::ready(door(|_| {}));
    bench.system(SystemEvent::Remembered(memory));
    assert_eq!(bench.state(), DoorState::LockedOut);
    let (peer, _) = bench.talk();
    bench.dial(peer, "1234");
    assert!(!bench.is_open());
    bench.pass(secs(60));
    bench.dial(peer, "000000000000");
    assert_eq!(bench.memory().unwrap().wrong_codes, 6);
    bench.pass(secs(119));
    assert_eq!(bench.state(), DoorState::LockedOut);
}

#[test]
fn a_command_opens_only_where_it_may_and_not_too_often() {
    let mut bench = Bench::ready(door(|_| {}));
    assert_eq!(bench.open_door(), Err(Refusal::NotPermitted));
    let mut bench = Bench::ready(door(|door| (door.allow_command, door.pulse) = (true, secs(1))));
    assert_eq!(bench.ask(Action::OpenDoor { output: Some("gate".into()) }), Err(Refusal::NoDoor));
    for opened in 1..=6 {
        assert_eq!(bench.open_door(), Ok(()));
        assert!(bench.is_open());
        assert_eq!(bench.open_door(), Ok(()), "open is open");
        bench.pass(ms(1900));
        let resting = if opened < 6 { Refusal::DoorResting } else { Refusal::TooManyOpenings };
        assert_eq!(bench.open_door(), Err(resting));
        bench.pass(ms(100));
    }
    assert_eq!(bench.strikes().len(), 12);
    assert_eq!(bench.open_door(), Err(Refusal::TooManyOpenings));
    bench.pass(secs(48));
    assert_eq!(bench.open_door(), Ok(()));
}

#[test]
fn the_exit_button_opens_at_any_time() {
    let mut bench = Bench::new(door(|_| {}));
    // Without a session, under lock-out and tamper alarm, and while the strike rests.
    bench.system(SystemEvent::Remembered(Memory { tampered: true, wrong_codes: 3, ..Memory::default() }));
    bench.input("tamper", true);
    bench.take();
    bench.input("exit", true);
    bench.input("exit", false);
    assert_eq!(bench.strikes(), [(true, Some(secs(3)))]);
    bench.pass(secs(3));
    assert_eq!(bench.strikes(), [(false, None)]);
    bench.input("exit", true);
    assert_eq!(bench.strikes(), [(true, Some(secs(3)))]);
    // A second press makes it longer, within the limit.
    bench.input("exit", false);
    bench.pass(secs(2));
    bench.input("exit", true);
    assert_eq!(bench.strikes(), [(true, Some(secs(3)))]);
}

#[test]
fn the_tamper_alarm_bars_codes_and_commands_until_it_is_reset() {
    let mut bench = Bench::ready(door(|door| door.allow_command = true));
    let (peer, _) = bench.talk();
    bench.dial(peer, "12");
    bench.input("tamper", true);
    assert!(bench.has(Fault::Tampered));
    let memory = bench.memory().unwrap();
    assert_eq!((memory.tampered, memory.wrong_codes), (true, 0));
    bench.dial(peer, "34");
    bench.dial(peer, "1234");
    assert_eq!(bench.open_door(), Err(Refusal::Tampered));
    assert_eq!(bench.ask(Action::ResetTamper), Err(Refusal::TamperContact));
    // Closing the case is not enough.
    bench.input("tamper", false);
    assert_eq!((bench.open_door(), bench.state()), (Err(Refusal::Tampered), DoorState::Tampered));
    assert_eq!(bench.counter("door-wrong-codes"), 0);
    assert_eq!(bench.ask(Action::ResetTamper), Ok(()));
    assert!(!bench.has(Fault::Tampered));
    let memory = bench.memory().unwrap();
    assert_eq!((memory.tampered, memory.wrong_codes), (false, 0));
    bench.dial(peer, "1234");
    assert!(bench.is_open());
}

#[test]
fn the_tamper_alarm_survives_a_restart_and_cuts_an_opening_short() {
    let mut bench = Bench::ready(door(|door| door.allow_command = true));
    bench.open_door().unwrap();
    bench.strikes();
    bench.event(Event::Line(LineEvent::Input { input: "tamper".into(), active: true }));
    bench.pass(ms(30));
    let memory = bench.memory().unwrap();
    assert_eq!(bench.strikes(), [(false, None)]);
    let mut bench = Bench::ready(door(|door| door.allow_command = true));
    bench.system(SystemEvent::Remembered(memory));
    assert!(bench.has(Fault::Tampered));
    assert_eq!(bench.open_door(), Err(Refusal::Tampered));
    bench.input("tamper", false);
    assert_eq!(bench.ask(Action::ResetTamper), Ok(()));
    assert_eq!(bench.open_door(), Ok(()));
}

#[test]
fn who_leaves_by_the_exit_button_is_not_shut_in_by_the_tamper_alarm() {
    let mut bench = Bench::ready(door(|_| {}));
    bench.input("exit", true);
    bench.input("tamper", true);
    assert!(bench.is_open());
}

#[test]
fn nobody_resets_the_tamper_alarm_from_the_box_or_against_the_configuration() {
    let mut settings = door(|door| door.tamper_clear = TamperClear::Never);
    let reset = callbox::appliance::settings::ButtonSettings {
        press: Some(Action::ResetTamper),
        ..callbox::appliance::settings::ButtonSettings::default()
    };
    settings.buttons.insert("reset".into(), reset);
    let mut bench = Bench::ready(settings.clone());
    bench.system(SystemEvent::Remembered(Memory { tampered: true, ..Memory::default() }));
    assert_eq!(bench.ask(Action::ResetTamper), Err(Refusal::NotPermitted));
    settings.door.tamper_clear = TamperClear::Command;
    let mut bench = Bench::ready(settings);
    bench.system(SystemEvent::Remembered(Memory { tampered: true, ..Memory::default() }));
    bench.press("reset");
    assert_eq!(bench.state(), DoorState::Tampered);
}

#[test]
fn a_door_held_open_raises_the_alarm_until_it_is_closed() {
    let mut settings = door(|_| {});
    let siren = OutputSettings { function: OutputFunction::Sounder, max_on: Some(secs(30)) };
    settings.outputs.insert("siren".into(), siren);
    let mut bench = Bench::ready(settings);
    let siren = |bench: &Bench| bench.box_.status().outputs[&"siren".into()];
    bench.input("contact", false);
    bench.input("exit", true);
    bench.input("contact", true);
    bench.pass(ms(59_980));
    assert!(!bench.has(Fault::DoorHeldOpen));
    bench.pass(ms(20));
    assert!(bench.has(Fault::DoorHeldOpen) && siren(&bench));
    assert!(bench.box_.status().door.unwrap().held);
    bench.pass(secs(30));
    assert!(bench.has(Fault::DoorHeldOpen) && !siren(&bench), "a siren has its limit");
    bench.input("contact", false);
    assert!(!bench.has(Fault::DoorHeldOpen));
    assert_eq!((bench.counter("door-held-open"), bench.counter("door-forced")), (1, 0));
}

#[test]
fn a_door_that_opens_by_itself_is_told_and_may_raise_the_alarm() {
    for alarm in [false, true] {
        let mut bench = Bench::ready(door(|door| door.forced_alarm = alarm));
        bench.input("contact", false);
        bench.pass(secs(10));
        bench.input("contact", true);
        assert_eq!((bench.counter("door-forced"), bench.has(Fault::DoorForced)), (1, alarm));
        bench.input("contact", false);
        assert!(!bench.has(Fault::DoorForced));
        // Released, and pulled open when the strike has just shut.
        bench.input("exit", true);
        bench.pass(ms(4500));
        bench.input("contact", true);
        assert_eq!(bench.counter("door-forced"), 1);
    }
    // How a door is found at start is nobody's doing.
    let mut bench = Bench::ready(door(|door| door.forced_alarm = true));
    bench.input("contact", true);
    assert!(!bench.has(Fault::DoorForced));
    assert_eq!(bench.box_.status().door.unwrap().open, Some(true));
}

#[test]
fn without_a_strike_there_is_no_door() {
    let mut settings = door(|door| door.allow_command = true);
    settings.outputs.clear();
    let mut bench = Bench::ready(settings);
    assert_eq!(bench.open_door(), Err(Refusal::NoDoor));
    let (peer, _) = bench.talk();
    bench.dial(peer, "1234");
    bench.input("exit", true);
    assert!(!bench.commands.iter().any(|c| matches!(c, Command::Line(LineCommand::Output { .. }))));
}
