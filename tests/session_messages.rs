//! Every message of the wire contract must cross both ways, on both rpcs, and
//! nothing that a core says, known, unknown or broken, may do more than end
//! the session with a reason: the box must take the next call.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod session_support;

use std::time::Duration;

use callbox::appliance::command::SessionCommand;
use callbox::appliance::event::{Body, CloseReason, ErrorCode, Message, SessionEvent};
use callbox::appliance::id::{CallId, PhoneNumber};
use callbox::appliance::settings::Mode;
use callbox::pipe::MESSAGE_LIMIT;
use callbox::pipe::proto::{self, WebTerminalMessage, web_terminal_message::Message as Wire};
use callbox::sim::server::{Rpc, Server, ServerSettings, Terminal};
use callbox::sim::token::TokenPolicy;
use prost::Message as _;
use session_support::raw_core::RawCore;
use session_support::{PATIENCE, Roots, Session, for_core, plain};
use tokio::time::timeout;
use tonic::Status;

async fn core(send_headers_late: bool) -> Server {
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    let settings = ServerSettings { tls: false, token, send_headers_late, ..ServerSettings::default() };
    Server::start(settings).await.unwrap()
}

async fn accept(server: &mut Server) -> Terminal {
    timeout(PATIENCE, server.accept()).await.unwrap().unwrap()
}

async fn heard(terminal: &mut Terminal) -> WebTerminalMessage {
    timeout(PATIENCE, terminal.inbound.recv()).await.unwrap().expect("the stream ended")
}

fn all() -> Vec<(Body, Wire)> {
    let number = || Some(PhoneNumber::parse("+4722222222").unwrap());
    let wire_number = || Some(proto::PhoneNumber { e164: "+4722222222".to_owned() });
    let sdp = || "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n".to_owned();
    let error = |code, err| (Body::Error(code), Wire::Error(proto::Error { err }));
    let to_phone = proto::action::Message::ToPhone(proto::ToPhone {});
    vec![
        (
            Body::Offer { sdp: sdp(), msisdn: number() },
            Wire::Offer(proto::Offer { sdp: sdp(), msisdn: wire_number() }),
        ),
        (Body::Offer { sdp: sdp(), msisdn: None }, Wire::Offer(proto::Offer { sdp: sdp(), msisdn: None })),
        (Body::Answer { sdp: sdp() }, Wire::Answer(proto::Answer { sdp: sdp() })),
        (Body::Ringing, Wire::Ringing(proto::Ringing {})),
        (Body::Bye, Wire::Bye(proto::Bye {})),
        (Body::Idle, Wire::Idle(proto::Idle {})),
        (Body::InCall { msisdn: number() }, Wire::InCall(proto::InCall { msisdn: wire_number() })),
        (Body::InCall { msisdn: None }, Wire::InCall(proto::InCall { msisdn: None })),
        error(ErrorCode::Unknown(0), 0),
        error(ErrorCode::NotInCall, 1),
        error(ErrorCode::TryAgain, 2),
        error(ErrorCode::InvalidCallId, 3),
        error(ErrorCode::RateLimitHit, 4),
        error(ErrorCode::Unknown(-7), -7),
        (Body::ToPhone, Wire::Action(proto::Action { message: Some(to_phone) })),
    ]
}

#[tokio::test]
async fn all_messages_cross_both_ways_on_both_rpcs() {
    for (mode, rpc) in [(Mode::Pipe, Rpc::Pipe), (Mode::MultiPipe, Rpc::MultiPipe)] {
        let mut server = core(false).await;
        let mut session = Session::start(callbox::pipe::PipeSettings { mode, ..plain(server.endpoint()) });
        session.open().await;
        let mut terminal = accept(&mut server).await;
        assert_eq!((terminal.rpc, &terminal.token), (rpc, &None));
        for (n, (body, wire)) in all().into_iter().enumerate() {
            let call_id = format!("call {n}");
            let wire = WebTerminalMessage { call_id: call_id.clone(), message: Some(wire) };
            terminal.outbound.send(Ok(wire.clone())).await.unwrap();
            let message = Message { call_id: CallId(call_id.clone()), body: body.clone() };
            session.expect(SessionEvent::Message(message)).await;
            session.send(&call_id, body).await;
            assert_eq!(heard(&mut terminal).await, wire);
        }
        drop(terminal);
        session.closed_for(CloseReason::EndedByCore).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_call_goes_through_a_core_that_keeps_its_headers_back() {
    let mut server = core(true).await;
    let mut session = Session::start(plain(server.endpoint()));
    session.connect().await;
    session.expect(SessionEvent::Sent).await;
    let mut terminal = accept(&mut server).await;
    session.send("a", Body::Ringing).await;
    assert_eq!(heard(&mut terminal).await.call_id, "a");
    assert!(session.events.try_recv().is_err(), "an event came before the core said a word");
    let idle = WebTerminalMessage { call_id: String::new(), message: Some(Wire::Idle(proto::Idle {})) };
    terminal.outbound.send(Ok(idle)).await.unwrap();
    session.expect(SessionEvent::Opened).await;
    let idle = Message { call_id: CallId::from(""), body: Body::Idle };
    session.expect(SessionEvent::Message(idle)).await;
}

#[tokio::test]
async fn what_the_contract_does_not_know_is_counted_and_skipped() {
    let core = RawCore::start().await;
    let mut session = Session::start(plain(core.endpoint()));
    session.connect().await;
    let mut stream = core.accept().await;
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;
    // Nothing, members 8 and 11 of the oneof, an action of another kind.
    for unknown in [b"".as_slice(), b"\x42\x00\x52\x01a", b"\x5a\x02\x0a\x00\x52\x01a", b"\x4a\x02\x12\x00"] {
        stream.say(unknown);
        session.expect(SessionEvent::Unknown).await;
    }
    // Idle with the number of the public documentation, an error with a new
    // code, a Bye with a new field beside it.
    let id = CallId::from("a");
    for (bytes, body) in [
        (b"\x2a\x09\x0a\x07\x0a\x05+4712\x52\x01a".as_slice(), Body::Idle),
        (b"\x3a\x02\x08\x63\x52\x01a", Body::Error(ErrorCode::Unknown(99))),
        (b"\x22\x00\x52\x01a\x7a\x01x", Body::Bye),
    ] {
        stream.say(bytes);
        session.expect(SessionEvent::Message(Message { call_id: id.clone(), body })).await;
    }
    stream.end("0");
    assert_eq!(session.closed().await.reason, CloseReason::EndedByCore);
}

#[tokio::test]
async fn broken_messages_end_the_session_and_the_next_one_works() {
    let core = RawCore::start().await;
    let mut session = Session::start(plain(core.endpoint()));
    let not_utf8 = b"\x52\x02\xff\xfe".as_slice();
    let cut_off = b"\x0a\x7f\x0a";
    for broken in [not_utf8, cut_off] {
        session.connect().await;
        let mut stream = core.accept().await;
        session.expect(SessionEvent::Sent).await;
        session.expect(SessionEvent::Opened).await;
        stream.say(broken);
        let closed = session.closed().await;
        assert_eq!(closed.reason, CloseReason::Lost, "{closed:?}");
        assert!(closed.detail.contains("decode"), "{closed:?}");
    }
    session.connect().await;
    let mut stream = core.accept().await;
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;
    stream.reset(h2::Reason::INTERNAL_ERROR);
    assert_eq!(session.closed().await.reason, CloseReason::Lost);
}

/// RFC 9113 section 10.5: more small frames than this side has room for end the connection. It is this
/// side that says ENHANCE_YOUR_CALM then; a core that says so asks the box to come back later.
#[tokio::test]
async fn a_flood_of_small_frames_loses_the_session_and_is_no_word_of_the_core() {
    let core = RawCore::start().await;
    let mut session = Session::with_room(plain(core.endpoint()), 4);
    session.connect().await;
    let mut stream = core.accept().await;
    for _ in 0..2_000 {
        stream.say(b"\x22\x00");
    }
    // Nobody listens meanwhile: the channel of four is full, and the frames wait.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut heard = 0;
    let closed = loop {
        match session.event().await {
            SessionEvent::Closed(closed) => break closed,
            SessionEvent::Message(_) => heard += 1,
            SessionEvent::Sent | SessionEvent::Opened | SessionEvent::Unknown => {}
        }
    };
    assert_eq!(closed.reason, CloseReason::Lost, "{closed:?}");
    assert!(closed.detail.contains("too_many_data_frames"), "{closed:?}");
    assert!(heard < 2_000, "all {heard} were kept");

    session.connect().await;
    let mut stream = core.accept().await;
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;
    stream.reset(h2::Reason::ENHANCE_YOUR_CALM);
    assert_eq!(session.closed().await.reason, CloseReason::RateLimited);
}

/// An Offer whose message on the wire has exactly this many bytes.
fn offer_of(size: usize) -> WebTerminalMessage {
    let with = |length| WebTerminalMessage {
        call_id: "a".to_owned(),
        message: Some(Wire::Offer(proto::Offer { sdp: "x".repeat(length), msisdn: None })),
    };
    let overhead = with(size).encoded_len() - size;
    let message = with(size - overhead);
    assert_eq!(message.encoded_len(), size);
    message
}

#[tokio::test]
async fn messages_up_to_64_kib_pass_and_longer_ones_do_not() {
    let mut server = core(false).await;
    let mut session = Session::start(plain(server.endpoint()));
    session.open().await;
    let mut terminal = accept(&mut server).await;
    let longest = offer_of(MESSAGE_LIMIT);
    terminal.outbound.send(Ok(longest.clone())).await.unwrap();
    let SessionEvent::Message(message) = session.event().await else { panic!("not a message") };
    session.tell(SessionCommand::Send(message)).await;
    assert_eq!(heard(&mut terminal).await, longest);

    terminal.outbound.send(Ok(offer_of(MESSAGE_LIMIT + 1))).await.unwrap();
    let closed = session.closed().await;
    assert_eq!(closed.reason, CloseReason::Lost);
    assert!(closed.detail.contains("65537"), "{closed:?}");

    // One of our own that is too long is left out; the session goes on.
    session.open().await;
    let mut terminal = accept(&mut server).await;
    session.send("a", Body::Answer { sdp: "x".repeat(MESSAGE_LIMIT) }).await;
    session.send("b", Body::Bye).await;
    assert_eq!(heard(&mut terminal).await.call_id, "b");
}

#[tokio::test]
async fn what_the_core_says_at_the_end_becomes_the_reason() {
    let mut server = core(false).await;
    let mut session = Session::start(plain(server.endpoint()));
    for (status, reason) in [
        (Status::unauthenticated("x-reason"), CloseReason::Unauthenticated),
        (Status::permission_denied("x-reason"), CloseReason::PermissionDenied),
        (Status::resource_exhausted("x-reason"), CloseReason::RateLimited),
        (Status::unavailable("x-reason"), CloseReason::EndedByCore),
    ] {
        session.open().await;
        accept(&mut server).await.outbound.send(Err(status.clone())).await.unwrap();
        let closed = session.closed().await;
        assert_eq!(closed.reason, reason);
        assert!(closed.detail.contains("x-reason"), "{closed:?}");

        server.refuse_streams(Some(status));
        session.connect().await;
        session.closed_for(reason).await;
        server.refuse_streams(None);
    }
}

#[tokio::test]
async fn every_connect_gets_one_closed_whatever_comes_between() {
    let mut server = core(false).await;
    let mut session = Session::start(plain(server.endpoint()));
    // Nothing is open: nothing to close, nowhere to send.
    session.tell(SessionCommand::Close).await;
    session.send("lost", Body::Bye).await;
    session.open().await;
    let mut first = accept(&mut server).await;

    // What was sent before the end still arrives.
    session.send("a", Body::Bye).await;
    session.connect().await;
    assert_eq!(session.closed().await.reason, CloseReason::Requested);
    assert_eq!(heard(&mut first).await.call_id, "a");
    assert_eq!(timeout(PATIENCE, first.inbound.recv()).await.unwrap(), None);
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;

    session.tell(SessionCommand::Close).await;
    assert_eq!(session.closed().await.reason, CloseReason::Requested);
    session.connect().await;
    session.tell(SessionCommand::Close).await;
    loop {
        match session.event().await {
            SessionEvent::Sent | SessionEvent::Opened => {}
            SessionEvent::Closed(closed) => break assert_eq!(closed.reason, CloseReason::Requested),
            other @ (SessionEvent::Message(_) | SessionEvent::Unknown) => panic!("{other:?}"),
        }
    }
    assert!(session.events.try_recv().is_err());

    // A driver that goes away leaves nothing running.
    session.open().await;
    drop(session.commands);
    timeout(PATIENCE, session.task).await.expect("the shell stays").unwrap();
}

#[tokio::test]
async fn a_core_that_takes_nothing_ends_the_session_and_never_blocks_the_driver() {
    let core = RawCore::start().await;
    let mut session = Session::start(plain(core.endpoint()));
    session.connect().await;
    let stream = core.accept().await;
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;
    for _ in 0..200 {
        session.send("a", Body::Answer { sdp: "x".repeat(60_000) }).await;
    }
    let closed = session.closed().await;
    assert_eq!(closed.reason, CloseReason::Lost);
    assert!(closed.detail.contains("takes no messages"), "{closed:?}");
    drop(stream);
}

#[tokio::test]
async fn a_driver_that_is_slow_to_listen_may_still_command() {
    let mut server = core(false).await;
    let mut session = Session::with_room(plain(server.endpoint()), 1);
    session.open().await;
    let terminal = accept(&mut server).await;
    let flood = tokio::spawn(async move {
        let message =
            WebTerminalMessage { call_id: String::new(), message: Some(Wire::Idle(proto::Idle {})) };
        for _ in 0..100 {
            terminal.outbound.send(Ok(message.clone())).await.unwrap();
        }
        terminal
    });
    // Wait until the events have no room left, then command without listening.
    timeout(PATIENCE, async {
        while session.events.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    for _ in 0..30 {
        session.send("a", Body::Ringing).await;
    }
    for _ in 0..100 {
        assert!(matches!(session.event().await, SessionEvent::Message(_)));
    }
    let mut terminal = timeout(PATIENCE, flood).await.unwrap().unwrap();
    for _ in 0..30 {
        assert_eq!(heard(&mut terminal).await.call_id, "a");
    }
}

#[tokio::test]
async fn a_token_that_the_sandbox_does_not_need_is_shown_all_the_same() {
    let mut server = core(false).await;
    let roots = Roots::new(server.ca_pem());
    let mut session = Session::start(for_core(&server, &roots));
    session.open().await;
    let token = accept(&mut server).await.token.expect("no token was shown");
    assert!(server.tokens().valid_until(&token).is_some());
}
