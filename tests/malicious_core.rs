//! The voice core is another company's computer, and one day it is somebody
//! else's. It may renegotiate a call without end: the box answers each offer,
//! and whoever stands there can hang up.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use callbox::pipe::proto::{self, WebTerminalMessage, web_terminal_message::Message};
use callbox::sim::server::{Server, ServerSettings};
use callbox::sim::token::TokenPolicy;
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
        audio: ("synth:silence".to_owned(), "synth:silence".to_owned()),
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
