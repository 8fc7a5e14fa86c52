//! Every message of the core in every state of a call, on `Pipe` and on
//! `MultiPipe`: what the box does is written down in ARCHITECTURE.md under
//! "Every message in every state", with no empty cell, and this test drives
//! each cell and compares. A rule that changes must change there too.
//!
//! `CALLBOX_WRITE_TABLE=1` writes the tables anew, for a person to read and judge.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use std::fmt::Write as _;
use std::path::Path;

use appliance_support::*;
use callbox::appliance::acknowledge::Acknowledge;
use callbox::appliance::action::Action;
use callbox::appliance::command::{Command, MediaCommand};
use callbox::appliance::event::{Body, CloseReason, ErrorCode, MediaEvent, SessionEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::{Mode, Settings, WhileBusy};
use callbox::appliance::status::CallStatus;

const HEADING: &str = "## Every message in every state\n";
const FIRST_TABLE: &str = "### Pipe\n";

/// A box in some state, and the id of the call that the state is of.
struct Scene {
    bench: Bench,
    id: String,
}

type Setting = fn(Mode) -> Scene;

/// States that either mode has.
const STATES: [(&str, Setting); 15] = [
    ("idle", |mode| Scene { bench: ready(mode), id: "gone".to_owned() }),
    ("preparing", preparing),
    ("outgoing", |mode| outgoing(mode).0),
    ("outgoing, early media", early),
    ("outgoing, taking over", taking_over),
    ("ringing there", |mode| {
        let (mut scene, _) = outgoing(mode);
        scene.bench.message(&scene.id, Body::Ringing);
        scene
    }),
    ("incoming, checking", |mode| {
        let mut bench = ready(mode);
        bench.call_in("in");
        Scene { bench, id: "in".to_owned() }
    }),
    ("incoming, ringing", |mode| incoming(mode).0),
    ("incoming, answering", |mode| {
        let (mut scene, _) = incoming(mode);
        assert_eq!(scene.bench.ask(Action::Answer), Ok(()));
        scene
    }),
    ("connecting", |mode| {
        let (mut scene, _) = outgoing(mode);
        scene.bench.message(&scene.id, Body::Answer { sdp: ANSWER.to_owned() });
        scene
    }),
    ("answered, not accepted yet", |mode| {
        let mut settings = settings_of(mode);
        settings.call.acknowledge = Some(Acknowledge { digit: '1', timeout: secs(20) });
        let mut bench = Bench::ready(settings);
        let (peer, id) = bench.call_out();
        bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        Scene { bench, id }
    }),
    ("talking", talking),
    ("talking, renegotiating", |mode| {
        let mut scene = talking(mode);
        scene.bench.offer(&scene.id, None);
        scene
    }),
    ("talking, moving", |mode| {
        let mut scene = talking(mode);
        assert_eq!(scene.bench.ask(Action::ToPhone), Ok(()));
        scene
    }),
    ("releasing", |mode| {
        let mut scene = talking(mode);
        assert_eq!(scene.bench.ask(Action::HangUp), Ok(()));
        scene
    }),
];

/// States of a second call, which only `MultiPipe` has.
const SECOND: [(&str, Setting); 2] = [
    ("waiting, while another talks", |mode| {
        let mut bench = talking(mode).bench;
        waits(&mut bench);
        Scene { bench, id: "second".to_owned() }
    }),
    ("held, while another talks", |mode| {
        let Scene { mut bench, id } = talking(mode);
        let peer = waits(&mut bench);
        assert_eq!(bench.ask(Action::Swap), Ok(()));
        bench.media(peer, MediaEvent::Answer { sdp: "local".to_owned() });
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        Scene { bench, id }
    }),
];

/// On `MultiPipe` with `while-busy = "swap"`: with "busy" a second call gets Bye.
fn settings_of(mode: Mode) -> Settings {
    let mut settings = Settings { mode, ..settings() };
    if mode == Mode::MultiPipe {
        settings.incoming.while_busy = WhileBusy::Swap;
    }
    settings
}

fn ready(mode: Mode) -> Bench {
    Bench::ready(settings_of(mode))
}

fn preparing(mode: Mode) -> Scene {
    let mut bench = Bench::new(settings_of(mode));
    bench.session(SessionEvent::Opened);
    bench.press("call");
    let id = bench.box_.status().call_id.unwrap().0;
    Scene { bench, id }
}

fn outgoing(mode: Mode) -> (Scene, PeerId) {
    let mut bench = ready(mode);
    let (peer, id) = bench.call_out();
    (Scene { bench, id }, peer)
}

fn early(mode: Mode) -> Scene {
    let (mut scene, peer) = outgoing(mode);
    scene.bench.offer(&scene.id, None);
    scene.bench.media(peer, MediaEvent::Answer { sdp: "early".to_owned() });
    scene.bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    scene.bench.media(peer, MediaEvent::FirstAudio);
    scene
}

fn taking_over(mode: Mode) -> Scene {
    let mut bench = ready(mode);
    bench.message("elsewhere", Body::InCall { msisdn: Some(number(FAMILY)) });
    bench.press("take");
    Scene { bench, id: "elsewhere".to_owned() }
}

fn incoming(mode: Mode) -> (Scene, PeerId) {
    let mut bench = ready(mode);
    let peer = bench.ring("in");
    (Scene { bench, id: "in".to_owned() }, peer)
}

fn talking(mode: Mode) -> Scene {
    let mut bench = ready(mode);
    let (_, id) = bench.talk();
    Scene { bench, id }
}

fn waits(bench: &mut Bench) -> PeerId {
    bench.take();
    bench.offer("second", Some(NEIGHBOUR));
    let peer = bench.peer_told(|command| matches!(command, MediaCommand::Check { .. })).unwrap();
    bench.media(peer, MediaEvent::Acceptable);
    peer
}

/// What can come.
enum What {
    Says(Body),
    /// Of a call that nobody knows.
    OfferOfAnother,
    SessionLost,
    SessionBack,
}

fn messages() -> Vec<(&'static str, What)> {
    let error = |code| What::Says(Body::Error(code));
    vec![
        ("Offer", What::Says(Body::Offer { sdp: OFFER.to_owned(), msisdn: None })),
        ("Offer of another call", What::OfferOfAnother),
        ("Answer", What::Says(Body::Answer { sdp: ANSWER.to_owned() })),
        ("Ringing", What::Says(Body::Ringing)),
        ("Bye", What::Says(Body::Bye)),
        ("Idle", What::Says(Body::Idle)),
        ("InCall", What::Says(Body::InCall { msisdn: Some(number(FAMILY)) })),
        ("UNKNOWN", error(ErrorCode::Unknown(0))),
        ("NOT_INCALL", error(ErrorCode::NotInCall)),
        ("TRY_AGAIN", error(ErrorCode::TryAgain)),
        ("INVALID_CALL_ID", error(ErrorCode::InvalidCallId)),
        ("RATE_LIMIT_HIT", error(ErrorCode::RateLimitHit)),
        ("ToPhone", What::Says(Body::ToPhone)),
        ("session lost", What::SessionLost),
        ("lost and back", What::SessionBack),
    ]
}

/// The state of the scene's call, in a word.
fn state(scene: &Scene) -> &'static str {
    let calls = scene.bench.box_.status().calls;
    let Some(call) = calls.iter().rev().find(|call| call.call_id.0 == scene.id) else { return "idle" };
    match call.state {
        CallStatus::InCall if call.held => "held",
        CallStatus::Idle => "idle",
        CallStatus::Outgoing => "outgoing",
        CallStatus::Ringing => "ringing",
        CallStatus::Incoming => "incoming",
        CallStatus::Connecting => "connecting",
        CallStatus::InCall => "talking",
        CallStatus::Releasing => "releasing",
    }
}

/// Drives one cell and says what the box did, in the table's words.
fn drive(mut scene: Scene, what: What, id: &str) -> String {
    let before = state(&scene);
    let elsewhere = scene.bench.box_.status().busy_elsewhere;
    let bench = &mut scene.bench;
    bench.pass(ms(1));
    let trouble = bench.lamp("calling") == Pattern::DoubleFlash;
    let steps = bench.steps().len();
    bench.take();
    let mut again = false;
    match what {
        What::Says(body) => {
            again = body == Body::Error(ErrorCode::TryAgain);
            bench.message(id, body);
        }
        What::OfferOfAnother => bench.offer("another", Some(FAMILY)),
        What::SessionLost => bench.closed(CloseReason::Lost),
        What::SessionBack => {
            bench.closed(CloseReason::Lost);
            bench.pass(secs(1));
            assert!(!bench.connects().is_empty());
            bench.session(SessionEvent::Opened);
        }
    }
    let mut did: Vec<String> = Vec::new();
    for command in &bench.commands {
        match command {
            Command::Session(callbox::appliance::command::SessionCommand::Send(message)) => {
                let whose = if message.call_id.0 == "another" { " to it" } else { "" };
                did.push(match message.body {
                    Body::Bye => format!("Bye{whose}"),
                    ref other => panic!("{other:?} needs a word"),
                });
            }
            Command::Media { command, .. } => match command {
                MediaCommand::Check { .. } => did.push("media checks it".to_owned()),
                MediaCommand::Start { .. } => did.push("media starts".to_owned()),
                MediaCommand::Renegotiate { .. } => did.push("media answers it".to_owned()),
                MediaCommand::Prepare | MediaCommand::Close => {}
                MediaCommand::Answer | MediaCommand::Digits(_) => panic!("{command:?} needs a word"),
            },
            _ => {}
        }
    }
    if bench.steps()[steps..].iter().any(|step| step == "to-phone-refused") {
        did.push("stays here".to_owned());
    }
    let status = bench.box_.status();
    if status.busy_elsewhere != elsewhere {
        did.push(if elsewhere { "no call elsewhere" } else { "a call elsewhere" }.to_owned());
    }
    let limited = status.faults.iter().any(|fault| format!("{:?}", fault.fault) == "RateLimited");
    if limited {
        did.push("no call for 30 s".to_owned());
    }
    if !trouble && bench.lamp("calling") == Pattern::DoubleFlash {
        did.push("trouble is shown".to_owned());
    }
    let after = state(&scene);
    // A call that is releasing is forgotten when another begins.
    if after != before && (before != "releasing" || after == "incoming") {
        did.insert(0, format!("→ {after}"));
    }
    if again {
        scene.bench.take();
        // Not as long as a press waits for its peer connection.
        scene.bench.pass(ms(1900));
        scene.bench.prepare_all();
        scene.bench.pass(ms(1100));
        did.extend(scene.bench.sent_offer().map(|_| "the same Offer in 1 to 3 s".to_owned()));
    }
    if did.is_empty() { "nothing".to_owned() } else { did.join(", ") }
}

fn driven() -> String {
    let mut text = String::new();
    for (title, mode) in [("Pipe", Mode::Pipe), ("MultiPipe", Mode::MultiPipe)] {
        let columns: Vec<&str> = messages().into_iter().map(|(name, _)| name).collect();
        let second: &[(&str, Setting)] = if mode == Mode::MultiPipe { &SECOND } else { &[] };
        writeln!(text, "### {title}\n\n| state | {} |", columns.join(" | ")).unwrap();
        writeln!(text, "|{}", "---|".repeat(columns.len() + 1)).unwrap();
        for (name, setting) in STATES.iter().chain(second) {
            write!(text, "| {name} |").unwrap();
            for (_, what) in messages() {
                let scene = setting(mode);
                let id = scene.id.clone();
                write!(text, " {} |", drive(scene, what, &id)).unwrap();
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

/// ARCHITECTURE.md before the tables, the tables, and after them.
fn split(document: &str) -> (&str, &str, &str) {
    let section = document.find(HEADING).expect("no heading of the tables in ARCHITECTURE.md");
    let begin = section + document[section..].find(FIRST_TABLE).expect("no tables under their heading");
    let end = document[begin..].find("\n## ").map_or(document.len(), |end| begin + end);
    (&document[..begin], &document[begin..end], &document[end..])
}

/// Mode, state, message and cell of every cell.
fn cells(text: &str) -> Vec<(String, String, String, String)> {
    let mut mode = String::new();
    let mut columns: Vec<String> = Vec::new();
    let mut cells = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            mode = title.to_owned();
            columns.clear();
        } else if let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) {
            let row: Vec<String> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
            if columns.is_empty() {
                columns = row;
                continue;
            }
            assert_eq!(row.len(), columns.len(), "{mode}, {}", row[0]);
            for (column, cell) in columns.iter().zip(&row).skip(1) {
                cells.push((mode.clone(), row[0].clone(), column.clone(), cell.clone()));
            }
        }
    }
    cells
}

#[test]
fn the_box_does_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, mut written, after) = split(&document);
    let driven = driven();
    if std::env::var_os("CALLBOX_WRITE_TABLE").is_some() {
        std::fs::write(&path, format!("{before}{driven}{after}")).unwrap();
        written = &driven;
    }
    let written = cells(written);
    let driven = cells(&driven);
    let states = 2 * STATES.len() + SECOND.len();
    assert_eq!(written.len(), states * messages().len(), "a row or a column is missing");
    assert!(written.iter().all(|(.., cell)| !cell.is_empty()), "a cell is empty");
    let wrong: Vec<String> = written
        .iter()
        .zip(&driven)
        .filter(|(written, driven)| written != driven)
        .map(|(written, driven)| format!("written {written:?}\n driven {driven:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `Pipe` may leave the id out, or put any there.
#[test]
fn on_pipe_the_id_changes_nothing() {
    for (name, setting) in STATES {
        for strange in ["", "some-other-id"] {
            for (at, (message, what)) in messages().into_iter().enumerate() {
                // What is elsewhere is known by its id, and a crossing message by its.
                if ["releasing", "idle", "outgoing, taking over"].contains(&name) {
                    continue;
                }
                let own = setting(Mode::Pipe);
                let id = own.id.clone();
                let expected = drive(own, messages().swap_remove(at).1, &id);
                let found = drive(setting(Mode::Pipe), what, strange);
                assert_eq!(found.replace(" to it", ""), expected.replace(" to it", ""), "{name}: {message}");
            }
        }
    }
}

/// On `MultiPipe` the id is all there is: of an unknown one no call feels anything.
#[test]
fn on_multi_pipe_another_id_touches_no_call() {
    for (name, setting) in STATES.iter().chain(&SECOND) {
        for (message, what) in messages() {
            let What::Says(body) = what else { continue };
            // This one is for the terminal, whatever its id.
            if matches!(body, Body::Offer { .. } | Body::Error(ErrorCode::RateLimitHit)) {
                continue;
            }
            let mut scene = setting(Mode::MultiPipe);
            let before = state(&scene);
            scene.bench.message("some-other-id", body);
            assert_eq!(state(&scene), before, "{name}: {message}");
        }
    }
}
