//! The door in every order of digits, commands, exit button, tamper contact,
//! calls' ends, crashes and restarts. A second model of the rules, written from
//! their text alone, says at each instant whether the strike may be on; the box
//! must agree to the microsecond. And whatever the models say, no opening is
//! longer than the board's limit. A failure prints its seed and its story.
// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::panic)]

mod appliance_support;
#[path = "door_model/rules.rs"]
mod rules;

use std::time::{Duration, Instant};

use appliance_support::{ANSWER, Bench, FAMILY, NEIGHBOUR, Rng, ms, number, secs, settings};
use callbox::appliance::action::Action;
use callbox::appliance::command::{Command, LineCommand};
use callbox::appliance::door::settings::{Code, Who};
use callbox::appliance::event::{Body, Event, LineEvent, MediaEvent, SystemEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::input::InputFunction;
use callbox::appliance::memory::Memory;
use callbox::appliance::output::{OutputFunction, OutputSettings};
use callbox::appliance::settings::{AnswerPolicy, Settings};
use callbox::appliance::status::CallStatus;
use rules::{Rules, Seen};

const STORIES: u64 = 500;
const STEPS: u64 = 150;
/// How long a level lasts until it counts.
const SETTLE: Duration = Duration::from_millis(30);

/// The box with its surroundings, and what its strike did.
struct Box_ {
    bench: Bench,
    settings: Settings,
    rules: Rules,
    /// When this process began, and what had passed by then.
    start: Instant,
    before: Duration,
    cap: Duration,
    on_since: Option<Duration>,
    turns: Vec<(Duration, bool)>,
    memory: Memory,
    /// The call that is up, and whether its codes count.
    call: Option<(PeerId, String, bool)>,
    /// Of calls that are over.
    old: Vec<PeerId>,
    case_open: bool,
    /// The opening at hand is the exit button's.
    leaving: bool,
    calls: u32,
    story: Vec<String>,
    seed: u64,
}

impl Box_ {
    fn new(seed: u64, rng: &mut Rng) -> Self {
        let codes = *rng.pick(&[&["1234"][..], &["55"], &["7", "2345"], &["12*", "0000"]]);
        let who = rng
            .pick(&[Who::Usual, Who::Only(vec![number(FAMILY)]), Who::Only(vec![number(NEIGHBOUR)])])
            .clone();
        let mut settings = settings();
        settings.incoming.answer = AnswerPolicy::Auto;
        settings.inputs.insert("exit".into(), InputFunction::Exit.into());
        settings.inputs.insert("tamper".into(), InputFunction::Tamper.into());
        let max_on = *rng.pick(&[None, Some(secs(2)), Some(secs(5))]);
        settings.outputs.insert("strike".into(), OutputSettings { function: OutputFunction::Strike, max_on });
        settings.door.codes = codes.iter().map(|code| Code::new(*code)).collect();
        settings.door.who = who.clone();
        settings.door.pulse = secs(*rng.pick(&[1, 3, 8]));
        settings.door.allow_command = rng.below(4) > 0;
        let cap = max_on.unwrap_or(secs(10));
        let rules = Rules {
            codes: codes.to_vec(),
            pulse: settings.door.pulse,
            cap,
            allow_command: settings.door.allow_command,
            digits: Vec::new(),
            fresh: 0,
            wrong: 0,
            last_wrong: None,
            locked_until: Duration::ZERO,
            tampered: false,
            case_open: false,
            opening: None,
            last_end: None,
            commands: Vec::new(),
            turns: Vec::new(),
            seen: Seen::default(),
        };
        let bench = Bench::ready_seeded(settings.clone(), seed);
        let start = bench.now;
        Self {
            bench,
            settings,
            rules,
            start,
            before: Duration::ZERO,
            cap,
            on_since: None,
            turns: Vec::new(),
            memory: Memory::default(),
            call: None,
            old: Vec::new(),
            case_open: false,
            leaving: false,
            calls: 0,
            story: vec![format!("codes {codes:?}, {who:?}, limit {max_on:?}")],
            seed,
        }
    }

    fn now(&self) -> Duration {
        self.before + (self.bench.now - self.start)
    }

    fn tell(&mut self, what: impl Into<String>) {
        self.story.push(format!("{:?} {}", self.now(), what.into()));
    }

    fn fail(&self, why: &str) -> ! {
        let from = self.story.len().saturating_sub(40);
        panic!("seed {}: {why}\n{}\n{}", self.seed, self.story[0], self.story[from..].join("\n"));
    }

    /// Takes what the box said to its strike, and compares.
    fn look(&mut self) {
        let now = self.now();
        self.rules.pass(now);
        for command in self.bench.take() {
            match command {
                Command::Remember(memory) => self.memory = memory,
                Command::Line(LineCommand::Output { on, longest, .. }) => self.strike(now, on, longest),
                _ => {}
            }
        }
        if self.on_since.is_some_and(|since| now - since > self.cap) {
            self.fail("open for longer than the limit");
        }
        if self.turns != self.rules.turns {
            let last = |turns: &[(Duration, bool)]| format!("{:?}", &turns[turns.len().saturating_sub(3)..]);
            self.fail(&format!("the strike {}, the rules {}", last(&self.turns), last(&self.rules.turns)));
        }
        if self.rules.opening.is_none() {
            self.leaving = false;
        }
    }

    fn strike(&mut self, now: Duration, on: bool, longest: Option<Duration>) {
        if on {
            let since = self.on_since.unwrap_or(now);
            if longest.is_none_or(|longest| now + longest > since + self.cap) {
                self.fail(&format!("the back-end may keep it on for {longest:?}"));
            }
        }
        match (self.on_since, on) {
            (None, true) => (self.on_since, _) = (Some(now), self.turns.push((now, true))),
            (Some(_), false) => (self.on_since, _) = (None, self.turns.push((now, false))),
            (Some(_), true) | (None, false) => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.bench.now + time;
        while let Some((at, _)) = self.bench.box_.poll_timeout().filter(|(at, _)| *at <= end) {
            self.bench.pass(at.max(self.bench.now) - self.bench.now);
            self.look();
            self.bench.prepare_all();
            self.bench.close_all();
        }
        self.bench.pass(end - self.bench.now);
        self.look();
        self.bench.prepare_all();
        self.bench.close_all();
    }

    fn idle(&self) -> bool {
        self.bench.call() == CallStatus::Idle
    }

    fn call_out(&mut self) {
        if !self.idle() {
            return;
        }
        self.tell("calls out");
        self.bench.prepare_all();
        self.bench.down("call");
        self.bench.prepare_all();
        let Some((id, _, sdp)) = self.bench.sent_offer() else {
            self.fail(&format!("no Offer: {:?}", &self.bench.logs[self.bench.logs.len() - 8..]));
        };
        let peer = self.bench.peer_of(&sdp);
        self.bench.message(&id.0, Body::Answer { sdp: ANSWER.to_owned() });
        // Too early: nobody can hear it yet.
        for digit in self.rules.codes[0].chars() {
            self.bench.media(peer, MediaEvent::Digit(digit));
        }
        self.bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        let may = match &self.settings.door.who {
            Who::Usual => true,
            Who::Only(numbers) => numbers.contains(&number(FAMILY)),
        };
        self.call = Some((peer, id.0, may));
        self.look();
        self.pass(ms(50));
        self.bench.up("call");
        self.pass(ms(50));
    }

    fn call_in(&mut self, from: Option<&str>) {
        if !self.idle() {
            return;
        }
        self.tell(format!("is called by {from:?}"));
        self.calls += 1;
        let id = format!("in-{}", self.calls);
        self.bench.offer(&id, from);
        let Some(peer) = self.bench.peers.iter().rev().find(|(_, open)| **open).map(|(peer, _)| *peer) else {
            return;
        };
        for event in [
            MediaEvent::Acceptable,
            MediaEvent::Answer { sdp: ANSWER.to_owned() },
            MediaEvent::Connected { codec: "opus".to_owned() },
        ] {
            self.bench.media(peer, event);
        }
        let known = from == Some(FAMILY) || from == Some(NEIGHBOUR);
        let may = match &self.settings.door.who {
            Who::Usual => known,
            Who::Only(numbers) => from.is_some_and(|from| numbers.contains(&number(from))),
        };
        self.call = Some((peer, id, may));
        self.look();
    }

    fn end_call(&mut self, how: u64) {
        let Some((peer, id, _)) = self.call.take() else { return };
        self.tell("the call ends");
        match how {
            0 => self.bench.message(&id, Body::Bye),
            1 => self.bench.media_failed(peer, callbox::appliance::event::MediaErrorKind::IceFailed),
            _ => self.bench.ask(Action::HangUp).unwrap(),
        }
        self.old.push(peer);
        let now = self.now();
        self.rules.give_up(now);
        self.look();
        self.bench.close_all();
        self.pass(ms(10));
    }

    fn digit(&mut self, digit: char) {
        let Some((peer, _, may)) = self.call.clone() else { return };
        self.tell(format!("digit {digit}"));
        let now = self.now();
        if may {
            self.rules.digit(now, digit);
        }
        self.bench.media(peer, MediaEvent::Digit(digit));
        self.look();
    }

    fn late_digits(&mut self) {
        let Some(peer) = self.old.last().copied() else { return };
        self.tell("digits of a call that is over");
        for digit in self.rules.codes[0].chars() {
            self.bench.media(peer, MediaEvent::Digit(digit));
        }
        self.look();
    }

    fn command(&mut self) {
        self.tell("command");
        let now = self.now();
        self.rules.command(now);
        let _ = self.bench.ask(Action::OpenDoor { output: None });
        self.look();
    }

    fn exit(&mut self) {
        self.tell("exit button");
        let now = self.now();
        self.rules.exit(now);
        self.leaving = true;
        self.line("exit", true);
        self.look();
        self.pass(ms(40));
        self.line("exit", false);
        self.pass(ms(40));
    }

    fn line(&mut self, input: &str, active: bool) {
        self.bench.event(Event::Line(LineEvent::Input { input: input.into(), active }));
    }

    fn case(&mut self, open: bool) {
        self.tell(if open { "the case is opened" } else { "the case is closed" });
        self.line("tamper", open);
        self.pass(SETTLE - ms(1));
        // The last millisecond by hand, so that the rules hear of it at its instant.
        let at = self.now() + ms(1);
        self.rules.pass(at);
        if open != self.case_open {
            self.case_open = open;
            let leaving = self.leaving;
            self.rules.case(at, open, leaving);
        }
        self.pass(ms(1));
    }

    fn reset(&mut self) {
        self.tell("reset-tamper");
        self.rules.reset();
        let _ = self.bench.ask(Action::ResetTamper);
        self.look();
    }

    /// The kernel lets go of the line, and the new process has what was kept.
    fn restart(&mut self, killed: bool) {
        self.tell(if killed { "kill -9" } else { "ends and starts again" });
        let now = self.now();
        if killed {
            if self.on_since.take().is_some() {
                self.turns.push((now, false));
            }
        } else {
            // First the calls end, and with them what was dialled in them.
            self.bench.system(SystemEvent::Shutdown);
            for (input, active) in [("exit", true), ("exit", false)] {
                self.line(input, active);
            }
        }
        self.rules.restart(now);
        self.look();
        self.before = now;
        self.bench = Bench::ready_seeded(self.settings.clone(), self.seed);
        self.start = self.bench.now;
        self.bench.system(SystemEvent::Remembered(self.memory.clone()));
        (self.call, self.old) = (None, Vec::new());
        self.look();
        let open = std::mem::take(&mut self.case_open);
        self.case(open);
    }

    fn step(&mut self, rng: &mut Rng) {
        let code = self.rules.codes[rng.below(self.rules.codes.len() as u64) as usize];
        match rng.below(24) {
            0..=2 => self.call_out(),
            3 => self.call_in(*rng.pick(&[Some(FAMILY), Some(NEIGHBOUR), Some("+4799999999"), None])),
            4 => self.end_call(rng.below(3)),
            5..=8 => {
                for digit in code.chars() {
                    self.digit(digit);
                    // Doubled on its way, or so late that it is no part of it.
                    match rng.below(20) {
                        0 => self.digit(digit),
                        1 => self.pass(*rng.pick(&[ms(3999), secs(4), secs(5)])),
                        _ => self.pass(ms(rng.below(400))),
                    }
                }
            }
            9 | 10 => self.digit(*rng.pick(&['0', '1', '2', '3', '4', '5', '7', '*', '#', 'A'])),
            11 | 12 => {
                for _ in 0..4 {
                    self.digit('9');
                }
            }
            13 => self.late_digits(),
            14..=16 => self.command(),
            17 | 18 => self.exit(),
            19 => {
                let open = rng.below(2) == 0;
                self.case(open);
            }
            20 => self.reset(),
            21 if rng.below(4) == 0 => self.restart(rng.below(2) == 0),
            21 => self.pass(secs(*rng.pick(&[60, 120, 3600]))),
            22 => {
                for _ in 0..8 {
                    self.command();
                    self.pass(ms(1000 + rng.below(8000)));
                }
            }
            _ => self.pass(*rng.pick(&[ms(1), ms(100), ms(900), secs(1), secs(2), secs(5), secs(10)])),
        }
    }
}

#[test]
fn the_door_opens_by_the_rules_and_never_otherwise() {
    let mut seen = Seen::default();
    for seed in 0..STORIES {
        let mut rng = Rng(seed);
        let mut door = Box_::new(seed, &mut rng);
        door.look();
        for _ in 0..STEPS {
            door.step(&mut rng);
        }
        let one = door.rules.seen;
        seen.by_code += one.by_code;
        seen.by_command += one.by_command;
        seen.by_exit += one.by_exit;
        seen.longer += one.longer;
        seen.cut_short += one.cut_short;
        seen.lock_outs += one.lock_outs;
        seen.barred += one.barred;
        seen.forgotten += one.forgotten;
    }
    println!("{STORIES} stories: {seen:?}");
    let Seen { by_code, by_command, by_exit, longer, cut_short, lock_outs, barred, forgotten } = seen;
    let least = [by_code, by_command, by_exit, longer, cut_short, lock_outs, barred, forgotten];
    assert!(least.iter().all(|count| *count > 100), "{seen:?}: too little happens");
}
