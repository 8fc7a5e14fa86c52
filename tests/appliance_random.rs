//! Random walks: whatever people, the core, the network and the media part do
//! and in whatever order, some things must hold at every instant, and when
//! everything calms down the box must take the next call.
//!
//! A failure prints its seed; `CALLBOX_SEED=n` walks that one alone.

mod appliance_support;

use appliance_support::{ANSWER, Bench, FAMILY, NEIGHBOUR, OFFER, Rng, call_to, ms, number, secs, settings};
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{Command, Role};
use callbox::appliance::event::{
    Body, CloseReason, ErrorCode, Event, LineEvent, MediaErrorKind, MediaEvent, SessionEvent, SystemEvent,
};
use callbox::appliance::fault::Fault;
use callbox::appliance::id::PeerId;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{AnswerPolicy, ButtonSettings, Mode, Settings, WhileBusy};
use callbox::appliance::status::{CallStatus, SessionStatus};

const BUTTONS: [&str; 11] =
    ["call", "hunt", "nobody", "hangup", "phone", "take", "rich", "nonesuch", "swap", "merge", "all"];
const WALKS: u64 = 300;
const STEPS: u64 = 300;

fn ring_all() -> Action {
    Action::Call { to: vec!["family".to_owned(), "neighbour".to_owned()], ring: Ring::All }
}

fn random_settings(rng: &mut Rng) -> Settings {
    let mut settings = settings();
    settings.mode = *rng.pick(&[Mode::Pipe, Mode::MultiPipe]);
    settings.incoming.answer =
        *rng.pick(&[AnswerPolicy::Ring, AnswerPolicy::Ring, AnswerPolicy::Auto, AnswerPolicy::Reject]);
    settings.incoming.while_busy = *rng.pick(&[WhileBusy::Busy, WhileBusy::Queue, WhileBusy::Swap]);
    settings.incoming.allow = rng.pick(&[None, Some(vec![number(FAMILY)])]).clone();
    let rich = ButtonSettings {
        press: Some(call_to(&["family"])),
        hold: Some(Action::HangUp),
        double_press: Some(Action::Answer),
        ..ButtonSettings::default()
    };
    settings.buttons.insert("rich".into(), rich);
    for (name, action) in [("swap", Action::Swap), ("merge", Action::Merge), ("all", ring_all())] {
        let button = ButtonSettings { press: Some(action), ..ButtonSettings::default() };
        settings.buttons.insert(name.into(), button);
    }
    settings
}

fn random_body(rng: &mut Rng) -> Body {
    match rng.below(14) {
        0..=2 => Body::Offer {
            sdp: OFFER.to_owned(),
            msisdn: rng.pick(&[None, Some(number(FAMILY)), Some(number(NEIGHBOUR))]).clone(),
        },
        3 | 4 => Body::Answer { sdp: ANSWER.to_owned() },
        5 | 6 => Body::Ringing,
        7 => Body::Bye,
        8 => Body::Idle,
        9 => Body::InCall { msisdn: rng.pick(&[None, Some(number(FAMILY))]).clone() },
        10 => Body::ToPhone,
        _ => Body::Error(match rng.below(9) {
            0 | 1 => ErrorCode::Unknown(9),
            2 | 3 => ErrorCode::NotInCall,
            4 | 5 => ErrorCode::TryAgain,
            6 | 7 => ErrorCode::InvalidCallId,
            // Rarely, since it stops calls for half a minute.
            _ => ErrorCode::RateLimitHit,
        }),
    }
}

fn random_media(rng: &mut Rng) -> MediaEvent {
    match rng.below(12) {
        0 | 1 => MediaEvent::Prepared { sdp: format!("random {}", rng.next()) },
        2 | 3 => MediaEvent::Acceptable,
        4 | 5 => MediaEvent::Answer { sdp: "random".to_owned() },
        6 | 7 => MediaEvent::Connected { codec: "opus".to_owned() },
        8 => rng.pick(&[MediaEvent::FirstAudio, MediaEvent::Quiet, MediaEvent::AudioBack]).clone(),
        9 => MediaEvent::Interrupted,
        10 => MediaEvent::Digit('5'),
        _ => MediaEvent::Closed,
    }
}

fn random_call_id(bench: &Bench, rng: &mut Rng) -> String {
    match rng.below(6) {
        0 => String::new(),
        1 => format!("foreign-{}", rng.below(3)),
        2 => format!("new-{}", rng.next()),
        _ => {
            let status = bench.box_.status();
            let live: Vec<_> =
                status.calls.iter().filter(|call| call.state != CallStatus::Releasing).collect();
            if live.is_empty() { format!("new-{}", rng.next()) } else { rng.pick(&live).call_id.0.clone() }
        }
    }
}

fn random_peer(bench: &Bench, rng: &mut Rng) -> PeerId {
    let open: Vec<PeerId> = bench.peers.iter().filter(|(_, open)| **open).map(|(peer, _)| *peer).collect();
    let all: Vec<PeerId> = bench.peers.keys().copied().collect();
    match rng.below(20) {
        0 => PeerId(u64::MAX),
        1 | 2 => *rng.pick(&all),
        _ if open.is_empty() => *rng.pick(&all),
        _ => *rng.pick(&open),
    }
}

/// The core says late, though no later than a message that crosses a Bye, what
/// was meant for the last call of the box that is over:
/// no other call may feel it.
fn late_message(bench: &mut Bench, rng: &mut Rng) {
    let over = bench.kinds.iter().rev().find(|kind| kind["state"] == "releasing");
    let Some(id) = over.and_then(|kind| kind["call_id"].as_str()).map(str::to_owned) else { return };
    let was_offered =
        bench.kinds.iter().any(|kind| kind["step"] == "offer-sent" && kind["call_id"] == id.as_str());
    let before = (bench.call(), bench.box_.status().call_id);
    // One that registers the box may set off the call of a press that was kept.
    let crossing = bench.session_status() == SessionStatus::Registered
        && bench.let_go.is_some_and(|at| bench.now - at < secs(3));
    if !crossing || !was_offered || before.1.as_ref().is_some_and(|now| now.0 == id) {
        return;
    }
    let body = rng.pick(&[Body::Bye, Body::Ringing, Body::Answer { sdp: ANSWER.to_owned() }]).clone();
    bench.message(&id, body.clone());
    assert_eq!((bench.call(), bench.box_.status().call_id), before, "{body:?} of the call before");
}

/// What would come next if all went well.
fn progress(bench: &mut Bench, rng: &mut Rng) {
    let status = bench.box_.status();
    let id = status.call_id.map(|id| id.0).unwrap_or_default();
    let every_open_peer = |bench: &mut Bench, event: &MediaEvent| {
        for (peer, open) in bench.peers.clone() {
            // It may have been closed meanwhile.
            if open && bench.peers[&peer] && !bench.preparing.contains(&peer) {
                bench.media(peer, event.clone());
            }
        }
    };
    if bench.stream && status.session == SessionStatus::Connecting {
        bench.session(SessionEvent::Opened);
        return;
    }
    match status.call {
        CallStatus::Idle | CallStatus::Releasing => {
            bench.prepare_all();
            if rng.below(2) == 0 {
                let button = *rng.pick(&["call", "all"]);
                bench.up(button);
                bench.pass(ms(40));
                bench.down(button);
            } else if bench.stream {
                bench.offer(&format!("new-{}", rng.next()), Some(FAMILY));
            }
        }
        CallStatus::Outgoing if bench.stream && rng.below(3) > 0 => bench.message(&id, Body::Ringing),
        CallStatus::Outgoing | CallStatus::Ringing if bench.stream => {
            bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        }
        CallStatus::Outgoing | CallStatus::Ringing => {}
        CallStatus::Incoming => {
            every_open_peer(bench, &MediaEvent::Acceptable);
            _ = bench.ask(Action::Answer);
            every_open_peer(bench, &MediaEvent::Answer { sdp: "local".to_owned() });
        }
        CallStatus::Connecting => every_open_peer(bench, &MediaEvent::Connected { codec: "opus".to_owned() }),
        CallStatus::InCall => match rng.below(12) {
            0..=5 => every_open_peer(bench, &MediaEvent::FirstAudio),
            6 if bench.stream => bench.offer(&format!("new-{}", rng.next()), Some(FAMILY)),
            6 | 7 => every_open_peer(bench, &MediaEvent::Acceptable),
            8 => every_open_peer(bench, &MediaEvent::Answer { sdp: "local".to_owned() }),
            9 => _ = bench.ask(Action::Swap),
            10 => _ = bench.ask(Action::Merge),
            _ => every_open_peer(bench, &MediaEvent::Connected { codec: "opus".to_owned() }),
        },
    }
}

fn step(bench: &mut Bench, rng: &mut Rng) {
    if rng.below(3) == 0 {
        progress(bench, rng);
        return;
    }
    match rng.below(100) {
        0..=14 => {
            let button = *rng.pick(&BUTTONS);
            let logged = bench.kinds.len();
            let commanded = bench.commands.len();
            bench.down(button);
            let accepted = bench.kinds[logged..].iter().any(|kind| kind["kind"] == "button");
            let sounds = bench.commands[commanded..].iter().any(|c| {
                matches!(c, Command::Audio(callbox::appliance::command::AudioCommand::Tone(Some(_))))
            });
            assert_eq!(accepted, sounds, "a press of {button}: accepted {accepted}, sounds {sounds}");
        }
        15..=24 => bench.event(Event::Line(LineEvent::Released((*rng.pick(&BUTTONS)).into()))),
        25..=49 if bench.stream => {
            let (id, body) = (random_call_id(bench, rng), random_body(rng));
            bench.message(&id, body);
        }
        50..=64 => {
            let (peer, event) = (random_peer(bench, rng), random_media(rng));
            bench.media(peer, event);
        }
        65 | 66 => {
            let (peer, kind) = (
                random_peer(bench, rng),
                *rng.pick(&[MediaErrorKind::BadSdp, MediaErrorKind::IceFailed, MediaErrorKind::Internal]),
            );
            bench.media_failed(peer, kind);
        }
        67 | 68 if bench.stream => bench.closed(*rng.pick(&[
            CloseReason::Lost,
            CloseReason::Unreachable,
            CloseReason::Unauthenticated,
            CloseReason::RateLimited,
            CloseReason::TokenRefused,
            CloseReason::EndedByCore,
        ])),
        25..=49 | 67..=74 if bench.stream => {
            bench.session(
                rng.pick(&[SessionEvent::Sent, SessionEvent::Opened, SessionEvent::Unknown]).clone(),
            );
        }
        75..=80 => {
            _ = bench.ask(
                rng.pick(&[
                    call_to(&["family"]),
                    call_to(&["nobody"]),
                    Action::Answer,
                    Action::HangUp,
                    Action::ToPhone,
                    Action::TakeOver,
                    Action::Dtmf { digits: "12#".to_owned() },
                    Action::Mute { on: None },
                    Action::Swap,
                    Action::Merge,
                    ring_all(),
                ])
                .clone(),
            );
        }
        81 => bench.system(SystemEvent::AddressesChanged),
        82 => {
            let fault = *rng.pick(&[Fault::CaptureDevice, Fault::LineLost]);
            bench.system(SystemEvent::FaultRaised { fault, detail: "random".to_owned() });
        }
        83 | 84 => {
            bench.system(SystemEvent::FaultCleared(*rng.pick(&[Fault::CaptureDevice, Fault::LineLost])));
        }
        85..=88 => bench.prepare_all(),
        89..=92 => bench.close_all(),
        93..=96 if bench.stream => late_message(bench, rng),
        _ => {}
    }
    match rng.below(20) {
        0 if rng.below(3) == 0 => bench.pass(secs(rng.below(70))),
        0..=2 => bench.pass(ms(rng.below(3000))),
        3..=14 => bench.pass(ms(rng.below(60))),
        _ => {}
    }
}

/// What must hold at every instant.
fn check(bench: &Bench) {
    let status = bench.box_.status();
    let told: std::collections::BTreeMap<String, Pattern> =
        status.leds.iter().map(|(led, pattern)| (led.to_string(), *pattern)).collect();
    assert_eq!(bench.lamps, told, "the lamps and the status disagree");
    let on = |name: &str| bench.lamps[name] == Pattern::On;
    assert_eq!(on("answered"), status.call == CallStatus::InCall);
    assert_eq!(on("online"), status.session == SessionStatus::Registered);
    assert_eq!(on("busy"), status.busy_elsewhere);
    let open = bench.peers.values().filter(|open| **open).count();
    let live = !matches!(status.call, CallStatus::Idle | CallStatus::Releasing);
    let lives = status.calls.iter().filter(|call| call.state != CallStatus::Releasing).count();
    // One more while a call that outlived its stream goes over to new media.
    let adopting = status.calls.iter().filter(|call| call.adopting).count();
    assert!(open <= 1 + lives + adopting, "{open} peer connections are open for {lives} calls");
    assert_eq!(live, lives > 0);
    assert_eq!(status.call_id.is_some(), live);
    // Nobody listens in: the microphone is connected in an answered call only.
    let answered =
        status.calls.iter().filter(|call| matches!(call.state, CallStatus::Connecting | CallStatus::InCall));
    let (held, talking): (Vec<_>, Vec<_>) = answered.partition(|call| call.held);
    let roles = |role: Role| bench.connected.iter().filter(|(_, is)| *is == role).count();
    assert_eq!(roles(Role::Talk), talking.len(), "audio in {:?}", status.calls);
    assert_eq!(roles(Role::Hold), held.len(), "audio in {:?}", status.calls);
    let dials = |call: &CallStatus| matches!(call, CallStatus::Outgoing | CallStatus::Ringing);
    let early = status.calls.iter().filter(|call| dials(&call.state)).count().min(1);
    assert!(roles(Role::Listen) <= early, "early media in {:?}", status.calls);
    let others = lives - held.len();
    assert!(held.is_empty() || others > 0, "all are held: nobody comes back");
    if live && status.call != CallStatus::InCall {
        assert!(bench.box_.poll_timeout().is_some(), "{:?} has no timer", status.call);
    }
    if status.session != SessionStatus::Registered {
        assert!(bench.box_.poll_timeout().is_some(), "offline without a timer");
        assert_ne!(status.session_detail, "", "offline without a reason");
    }
}

/// What only a box with several calls can be in.
fn several(bench: &Bench) -> [(&'static str, bool); 4] {
    let calls = bench.box_.status().calls;
    let count = |state: CallStatus| calls.iter().filter(|call| call.state == state).count();
    let talking = calls.iter().filter(|call| call.state == CallStatus::InCall && !call.held).count();
    [
        ("held", calls.iter().any(|call| call.held)),
        ("waiting", talking > 0 && count(CallStatus::Incoming) > 0),
        ("conference", talking > 1),
        ("ring-all", count(CallStatus::Outgoing) + count(CallStatus::Ringing) > 1),
    ]
}

/// From quiet on, no shell answers any more: timers alone must lead out.
fn calms_down(bench: &mut Bench, seed: u64) {
    for name in BUTTONS {
        bench.up(name);
    }
    // A hunt lets two numbers ring for 45 s each.
    bench.pass(secs(105));
    let call = bench.call();
    assert!(matches!(call, CallStatus::Idle | CallStatus::InCall), "seed {seed}: stuck in {call:?}");
    if call == CallStatus::Idle {
        assert_eq!(bench.tone, None, "seed {seed}: a tone plays in an idle box");
    }
}

fn shuts_down(bench: &mut Bench) {
    bench.take();
    bench.system(SystemEvent::Shutdown);
    assert!(bench.lamps.values().all(|pattern| *pattern == Pattern::Off));
    assert!(bench.peers.values().all(|open| !open));
    assert_eq!(bench.tone, None);
    assert_eq!(bench.connected, []);
    bench.close_all();
    if bench.stream {
        bench.closed(CloseReason::Requested);
    }
    bench.pass(ms(500));
    bench.pass(secs(600));
    assert_eq!(bench.commands.iter().filter(|c| **c == Command::Exit).count(), 1);
}

#[test]
fn random_walks_keep_every_promise_and_end_in_a_working_box() {
    let seeds = match std::env::var("CALLBOX_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("CALLBOX_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..WALKS,
    };
    let mut together = std::collections::BTreeMap::<&str, u64>::new();
    let mut seen = std::collections::BTreeMap::<String, u64>::new();
    for seed in seeds.clone() {
        println!("seed {seed}");
        let mut rng = Rng(seed);
        let mut bench = Bench::ready_seeded(random_settings(&mut rng), seed);
        for _ in 0..STEPS {
            step(&mut bench, &mut rng);
            check(&bench);
            *seen.entry(format!("{:?}", bench.call())).or_default() += 1;
            for (what, is) in several(&bench) {
                *together.entry(what).or_default() += u64::from(is);
            }
            if rng.below(100) == 0 {
                calms_down(&mut bench, seed);
                check(&bench);
            }
            bench.commands.clear();
        }
        calms_down(&mut bench, seed);
        if seed % 2 == 0 {
            bench.still_works();
            check(&bench);
        } else {
            shuts_down(&mut bench);
        }
    }
    // A walk that never leaves the hall proves nothing.
    if seeds.end - seeds.start == WALKS {
        println!("{seen:?} {together:?}");
        assert!(together.values().all(|steps| *steps > 100), "{together:?}");
        assert_eq!(seen.len(), 7, "{seen:?}");
        assert!(seen.values().all(|steps| *steps > WALKS * STEPS / 100), "{seen:?}");
    }
}

#[test]
fn the_same_seed_walks_the_same_way() {
    let walk = || {
        let mut rng = Rng(7);
        let mut bench = Bench::ready_seeded(random_settings(&mut rng), 7);
        for _ in 0..STEPS {
            step(&mut bench, &mut rng);
        }
        (bench.logs, format!("{:?}", bench.commands))
    };
    assert_eq!(walk(), walk());
}
