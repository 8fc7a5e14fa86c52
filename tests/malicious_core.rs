//! The voice core is another company's computer, and one day it is somebody
//! else's. It may renegotiate a call without end: the box answers each offer,
//! and whoever stands there can hang up. It may flood the box with messages: they
//! are read at the box's pace and all counted, and who talks notices nothing.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod far_end;
#[path = "support/gap.rs"]
mod gap;
mod support;

use std::fs;
use std::time::{Duration, Instant};

use callbox::appliance::command::MediaCommand;
use callbox::media::Codec;
use callbox::pipe::proto::{self, WebTerminalMessage, web_terminal_message::Message};
use callbox::sim::server::{Server, ServerSettings};
use callbox::sim::token::TokenPolicy;
use far_end::{Card, Engine};
use support::appliance::{Appliance, Config};
use support::one_at_a_time;

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
        audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
        mode,
        answer,
        more: "[door]\ncodes = [\"4711\"]\n".to_owned(),
        ..Config::bare()
    };
    Appliance::start_with_environment(&config, &[])
}

async fn server() -> Server {
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    Server::start(ServerSettings { tls: false, token, ..ServerSettings::default() }).await.unwrap()
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

/// What a process has taken of the processor since its start, in seconds, and its resident memory, KiB.
fn taken(process: u32) -> (f64, i64) {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Fields 14 and 15 (man 5 proc): ticks of a hundredth of a second.
    let ticks = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
    let ticks: f64 = ticks.map(|field| field.parse::<f64>().unwrap()).sum();
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (ticks / 100.0, rss.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn a_core_that_floods_costs_little_loses_nothing_and_is_not_heard_in_the_call() {
    const MESSAGES: usize = 2_400;
    let _alone = one_at_a_time();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = runtime.block_on(server());
    let mut appliance = box_of(&server, "multi-pipe", "auto");
    let mut terminal = runtime.block_on(server.accept()).unwrap();
    appliance.wait_ready();
    let (far, _engine) = runtime.block_on(async {
        let mut engine = Engine::new(far_end::settings(&[Codec::Opus]));
        let sdp = engine.prepare(1).await;
        terminal.outbound.send(Ok(message("call", offer(&sdp)))).await.unwrap();
        let answer = loop {
            let said = terminal.inbound.recv().await.expect("the box ended the stream");
            if let Some(Message::Answer(answer)) = said.message {
                break answer.sdp;
            }
        };
        engine.tell(1, MediaCommand::Start { sdp: answer }).await;
        let leg = engine.leg(1).await;
        engine.connected(1).await;
        (Card::new(leg, gap::drone(500.0, 1)), engine)
    });
    appliance.wait_call("in-call");
    std::thread::sleep(Duration::from_millis(700));

    far.take_heard();
    let (before, began) = (taken(appliance.id()), Instant::now());
    runtime.block_on(async {
        // As long as an id may be, so that no frame is too small for HTTP/2's own brake.
        let strange = "x".repeat(256);
        let kinds = [Some(Message::Bye(proto::Bye {})), Some(Message::Ringing(proto::Ringing {})), None];
        for message in kinds.into_iter().cycle().take(MESSAGES) {
            let flood = WebTerminalMessage { call_id: strange.clone(), message };
            terminal.outbound.send(Ok(flood)).await.expect("the box ended the stream");
        }
    });
    let counted = |status: &serde_json::Value| -> u64 {
        let counters = ["bye-unexpected", "ringing-unexpected", "message-unknown"];
        counters.iter().map(|counter| status["counters"][counter].as_u64().unwrap_or(0)).sum()
    };
    let status =
        appliance.wait_status(20, "count of every message", |status| counted(status) == MESSAGES as u64);
    let (took, after) = (began.elapsed(), taken(appliance.id()));
    let heard = far.take_heard();

    let share = (after.0 - before.0) / took.as_secs_f64();
    let (grown, gap) = (after.1 - before.1, gap::longest_gap(&heard));
    println!(
        "{MESSAGES} messages in {took:?}: {:.0} % of a processor, {grown} KiB; longest gap {gap:?}",
        share * 100.0
    );
    assert_eq!((&status["call"], &status["session"]), (&"in-call".into(), &"registered".into()), "{status}");
    assert!(took > Duration::from_millis(2_500), "read as fast as it came: {took:?}");
    assert!(share < 0.6, "{share}");
    assert!(grown < 2_048, "{grown} KiB");
    assert!(gap.length < Duration::from_millis(200), "{gap:?}");
    appliance.must(&["hangup"]);
    appliance.wait_call("idle");
}
