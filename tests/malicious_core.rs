//! The voice core is another company's computer, and one day it is somebody
//! else's. It may flood, forge ids, send descriptions of 64 KiB and open calls
//! by the thousand: the box stays up in bounded memory, answers its operator,
//! keeps the door shut, counts what it was told, and takes the next call.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use callbox::pipe::proto::{self, WebTerminalMessage, web_terminal_message::Message};
use callbox::sim::server::{Server, ServerSettings, Terminal};
use support::appliance::{Appliance, Config};
use support::one_at_a_time;

/// What the box may hold in the end more than after the first part of the same flood.
const GROWTH_KIB: u64 = 12 * 1024;

const PATIENCE: Duration = Duration::from_secs(30);

fn message(call_id: impl Into<String>, message: Message) -> WebTerminalMessage {
    WebTerminalMessage { call_id: call_id.into(), message: Some(message) }
}

fn offer(sdp: &str) -> Message {
    let msisdn = Some(proto::PhoneNumber { e164: "+4799999999".to_owned() });
    Message::Offer(proto::Offer { sdp: sdp.to_owned(), msisdn })
}

fn box_of(server: &Server, mode: &'static str, answer: &'static str) -> Appliance {
    let config = Config {
        endpoint: server.endpoint(),
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
        mode,
        answer,
        more: "[door]\ncodes = [\"4711\"]\n".to_owned(),
        ..Config::bare()
    };
    Appliance::start_with_environment(&config, &[])
}

async fn server() -> Server {
    Server::start(ServerSettings { tls: false, ..ServerSettings::default() }).await.unwrap()
}

/// Resident memory of the box, KiB.
fn resident(appliance: &Appliance) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", appliance.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Everything that a core can say, `rounds` times, with ids, descriptions and
/// calls of its own invention. The box's words are read and forgotten meanwhile.
async fn flood(terminal: &mut Terminal, rounds: u32, big: &str) {
    for round in 0..rounds {
        let id = |what: &str| format!("{what}-{round}");
        let huge = round % 20 == 0;
        let sdp = if huge { big } else { "v=0" };
        let number = || Some(proto::PhoneNumber { e164: "+4788888888".to_owned() });
        let storm = [
            message(id("call"), offer(sdp)),
            message(id("call"), offer("v=0\r\n")),
            message(id("forged"), Message::Answer(proto::Answer { sdp: sdp.to_owned() })),
            message(id("forged"), Message::Ringing(proto::Ringing {})),
            message(id("forged"), Message::Bye(proto::Bye {})),
            message(id("elsewhere"), Message::InCall(proto::InCall { msisdn: number() })),
            message("", Message::Idle(proto::Idle {})),
            message(id("error"), Message::Error(proto::Error { err: (round % 4) as i32 })),
            message(if huge { big.to_owned() } else { id("call") }, offer("v=0")),
            message(id("call"), Message::Bye(proto::Bye {})),
            WebTerminalMessage { call_id: id("nothing"), message: None },
        ];
        for one in storm {
            // A core that nobody reads from would wait; the box's answers are let go of.
            let sent = tokio::time::timeout(PATIENCE, async {
                loop {
                    tokio::select! {
                        sent = terminal.outbound.send(Ok(one.clone())) => break sent,
                        Some(_) = terminal.inbound.recv() => {}
                    }
                }
            });
            sent.await.expect("the box takes no more messages").expect("the box ended the stream");
        }
    }
}

#[test]
fn a_core_that_floods_and_forges_costs_bounded_memory_and_opens_no_door() {
    let _alone = one_at_a_time();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = runtime.block_on(server());
    let mut appliance = box_of(&server, "multi-pipe", "ring");
    let mut terminal = runtime.block_on(server.accept()).unwrap();
    appliance.wait_ready();
    let big = "a=x-filler:abcdefghijklmnopqrstuvwxyz\r\n".repeat(1_500);
    runtime.block_on(flood(&mut terminal, 150, &big));
    let (before, began) = (resident(&appliance), Instant::now());
    // While it goes on the operator is heard.
    let flooding = runtime.spawn(async move {
        flood(&mut terminal, 450, &big).await;
        terminal
    });
    let mut slowest = Duration::ZERO;
    while !flooding.is_finished() {
        let asked = Instant::now();
        appliance.must(&["status", "--json"]);
        slowest = slowest.max(asked.elapsed());
    }
    let mut terminal = runtime.block_on(flooding).unwrap();
    let after = resident(&appliance);
    println!("{before} KiB, then {after} KiB, {:?}; slowest answer {slowest:?}", began.elapsed());
    assert!(after < before + GROWTH_KIB, "{before} KiB became {after} KiB");
    assert!(slowest < Duration::from_secs(5), "the operator waited for {slowest:?}");
    appliance.assert_alive();
    let status = appliance.status().unwrap();
    assert_eq!(status["outputs"]["strike"], false, "{status}");
    for counter in ["offer-replaced", "bye-unexpected", "answer-unexpected", "call-id-too-long"] {
        let counted = status["counters"].get(counter).and_then(|count| count.as_u64()).unwrap_or(0);
        assert!(counted > 0, "{counter} is not counted: {}", status["counters"]);
    }
    let opened = status["counters"].as_object().unwrap().keys().any(|name| name.starts_with("door-opened"));
    assert!(!opened, "{}", status["counters"]);
    // The next call is as good as any.
    appliance.wait_status(40, "box at rest", |status| status["call"] == "idle");
    while runtime
        .block_on(async { tokio::time::timeout(Duration::from_millis(200), terminal.inbound.recv()).await })
        .is_ok()
    {}
    support::wait_for(PATIENCE, "press that calls", || appliance.command(&["press", "call", "--for", "100"]));
    let next = runtime.block_on(async { tokio::time::timeout(PATIENCE, terminal.inbound.recv()).await });
    assert!(
        matches!(next, Ok(Some(WebTerminalMessage { message: Some(Message::Offer(_)), .. }))),
        "{next:?}"
    );
}

#[test]
fn a_core_that_renegotiates_without_end_is_answered_and_can_be_hung_up() {
    let _alone = one_at_a_time();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = runtime.block_on(server());
    let mut appliance = box_of(&server, "multi-pipe", "auto");
    let mut terminal = runtime.block_on(server.accept()).unwrap();
    appliance.wait_ready();
    let browser = include_str!("support/browser_offer.sdp").replace('\n', "\r\n");
    let renegotiating = runtime.spawn(async move {
        let mut answers = 0_u32;
        for round in 0..400_u32 {
            let sdp = browser.replacen(" 2 IN IP4", &format!(" {} IN IP4", round + 2), 1);
            let next = message("endless", offer(&sdp));
            terminal.outbound.send(Ok(next)).await.expect("the box ended the stream");
            while let Ok(said) = terminal.inbound.try_recv() {
                match said.message {
                    Some(Message::Answer(_)) => answers += 1,
                    Some(Message::Bye(_)) => return (answers, round),
                    Some(_) | None => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (answers, u32::MAX)
    });
    appliance.wait_status(20, "call that is up", |status| status["call"] == "connecting");
    std::thread::sleep(Duration::from_millis(700));
    let asked = Instant::now();
    appliance.must(&["hangup"]);
    let (answers, round) = runtime.block_on(renegotiating).unwrap();
    println!("{answers} answers to {round} offers; hung up within {:?}", asked.elapsed());
    assert!(round != u32::MAX, "the box was never heard to hang up");
    assert!(answers > 3, "{answers} answers to {round} offers");
    assert!(asked.elapsed() < Duration::from_secs(5), "hung up after {:?}", asked.elapsed());
    appliance.assert_alive();
}
