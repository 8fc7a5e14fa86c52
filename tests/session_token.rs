//! The token opens the core's door. A box must get one, keep it fresh without
//! storming the token endpoint, outlive that endpoint's bad days, and say
//! which of the two refused it when something is wrong.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod session_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callbox::appliance::command::SessionCommand;
use callbox::appliance::event::{CloseReason, SessionEvent};
use callbox::pipe::{AuthSettings, PipeSettings, SecretSource};
use callbox::sim::server::{Server, ServerSettings};
use callbox::sim::token::{TokenAnswer, TokenPolicy};
use secrecy::SecretString;
use session_support::{PATIENCE, Roots, Session, for_core};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

async fn core(token: TokenPolicy) -> (Server, Roots) {
    let server = Server::start(ServerSettings { token, ..ServerSettings::default() }).await.unwrap();
    let roots = Roots::new(server.ca_pem());
    (server, roots)
}

fn with_secret(settings: PipeSettings, new: SecretSource) -> PipeSettings {
    let AuthSettings::ClientCredentials { token_url, client_id, scope, ca_file, .. } = settings.auth else {
        panic!("no credentials")
    };
    let auth = AuthSettings::ClientCredentials { token_url, client_id, secret: new, scope, ca_file };
    PipeSettings { auth, ..settings }
}

async fn close(session: &mut Session) {
    session.tell(SessionCommand::Close).await;
    session.closed_for(CloseReason::Requested).await;
}

#[tokio::test]
async fn one_token_serves_many_connects_and_is_renewed_on_request_only() {
    let (mut server, roots) = core(TokenPolicy {
        // Characters that HTTP Basic carries only in form encoding.
        client_id: "box 1/ä".to_owned(),
        client_secret: "s:e c+r%et=ß".to_owned(),
        ..TokenPolicy::default()
    })
    .await;
    let mut session = Session::start(for_core(&server, &roots));
    let mut tokens = Vec::new();
    for _ in 0..3 {
        session.open().await;
        let terminal = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
        tokens.push(terminal.token.clone().unwrap());
        drop(terminal);
        session.closed_for(CloseReason::EndedByCore).await;
    }
    assert_eq!(server.tokens().requests(), 1);
    assert!(tokens.iter().all(|token| *token == tokens[0]));

    // The core forgets the token: the box is refused until it is told to renew.
    server.tokens().revoke_all();
    session.connect().await;
    session.closed_for(CloseReason::Unauthenticated).await;
    session.renew().await;
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;
    assert_eq!(server.tokens().requests(), 2);
    let terminal = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
    assert_ne!(terminal.token.as_ref(), Some(&tokens[0]));
}

#[tokio::test]
async fn each_way_to_get_no_token_has_its_reason_and_the_next_connect_works() {
    let (server, roots) = core(TokenPolicy::default()).await;
    let mut session = Session::start(for_core(&server, &roots));
    for (answer, reason, why) in [
        (TokenAnswer::Refused, CloseReason::TokenRefused, "invalid_client"),
        (TokenAnswer::Broken, CloseReason::TokenUnavailable, "500"),
        (TokenAnswer::Garbage, CloseReason::TokenUnavailable, "200"),
        (TokenAnswer::Redirect, CloseReason::TokenUnavailable, "302"),
    ] {
        server.tokens().set_answer(answer);
        let before = server.tokens().requests();
        session.renew().await;
        let closed = session.closed().await;
        assert_eq!(closed.reason, reason, "{answer:?}: {closed:?}");
        assert!(closed.detail.contains(why), "{answer:?}: {closed:?}");
        assert_eq!(server.tokens().requests(), before + 1, "{answer:?} was asked again");

        server.tokens().set_answer(TokenAnswer::Normal);
        session.open().await;
        close(&mut session).await;
    }
}

#[tokio::test]
async fn a_wrong_or_unreadable_secret_is_told_and_a_new_one_needs_no_restart() {
    let (server, roots) = core(TokenPolicy::default()).await;
    let right = server.tokens().policy().client_secret.clone();
    let reads = Arc::new(AtomicU64::new(0));
    let source = {
        let (reads, right) = (reads.clone(), right.clone());
        SecretSource::new(move || match reads.fetch_add(1, Ordering::Relaxed) {
            0 => Err("/etc/callbox/secret is readable by everybody".to_owned()),
            1 => Ok(SecretString::from("wrong")),
            2 => panic!("a source that panics"),
            _ => Ok(SecretString::from(right.as_str())),
        })
    };
    let settings = with_secret(for_core(&server, &roots), source);
    assert!(!format!("{settings:?}").contains(&right));
    let mut session = Session::start(settings);
    session.connect().await;
    let detail = session.closed_for(CloseReason::SecretUnreadable).await;
    assert!(detail.contains("/etc/callbox/secret"), "{detail}");
    session.connect().await;
    let detail = session.closed_for(CloseReason::TokenRefused).await;
    assert!(!detail.contains("wrong"), "the secret is in: {detail}");
    session.connect().await;
    session.closed_for(CloseReason::SecretUnreadable).await;
    session.open().await;
    assert_eq!(reads.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_slow_endpoint_delays_and_a_dead_one_times_out_while_commands_are_obeyed() {
    let (server, roots) = core(TokenPolicy::default()).await;
    let mut session = Session::start(for_core(&server, &roots));
    server.tokens().set_answer(TokenAnswer::Late(Duration::from_millis(700)));
    let begin = Instant::now();
    session.open().await;
    assert!(begin.elapsed() >= Duration::from_millis(700));
    close(&mut session).await;

    server.tokens().set_answer(TokenAnswer::Late(Duration::from_secs(3600)));
    session.renew().await;
    // A Close cuts the wait short.
    sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    session.tell(SessionCommand::Close).await;
    session.closed_for(CloseReason::Requested).await;
    assert!(begin.elapsed() < Duration::from_secs(5), "Close waited for the token endpoint");

    // So does another Connect; this one has a token in memory.
    session.renew().await;
    sleep(Duration::from_millis(100)).await;
    session.connect().await;
    session.closed_for(CloseReason::Requested).await;
    session.expect(SessionEvent::Sent).await;
    session.expect(SessionEvent::Opened).await;
    close(&mut session).await;

    session.renew().await;
    let begin = Instant::now();
    session.closed_for(CloseReason::TokenUnavailable).await;
    let elapsed = begin.elapsed();
    assert!((9..25).contains(&elapsed.as_secs()), "gave up after {elapsed:?}");
}

#[tokio::test]
async fn a_good_token_opens_sessions_while_the_endpoint_is_down() {
    let (mut server, roots) = core(TokenPolicy::default()).await;
    let mut session = Session::start(for_core(&server, &roots));
    session.open().await;
    close(&mut session).await;
    server.stop_token_server().await;
    session.open().await;
    close(&mut session).await;
    session.renew().await;
    session.closed_for(CloseReason::TokenUnavailable).await;
    session.open().await;
}

#[tokio::test]
async fn without_expires_in_a_token_is_good_for_a_while() {
    let (server, roots) = core(TokenPolicy { announce_life: false, ..TokenPolicy::default() }).await;
    let mut session = Session::start(for_core(&server, &roots));
    for _ in 0..2 {
        session.open().await;
        close(&mut session).await;
    }
    assert_eq!(server.tokens().requests(), 1);
}

#[tokio::test]
async fn tokens_are_renewed_ahead_of_their_end_without_touching_the_session() {
    let life = Duration::from_secs(3);
    let (mut server, roots) = core(TokenPolicy { life, ..TokenPolicy::default() }).await;
    let mut session = Session::start(for_core(&server, &roots));
    session.open().await;
    let begin = Instant::now();
    let _terminal = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
    // Renewals at four fifths of each life: 2.4 s, 4.8 s, 7.2 s.
    timeout(PATIENCE, async {
        while server.tokens().requests() < 4 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("tokens were not renewed");
    assert!(begin.elapsed() >= Duration::from_millis(7000), "renewed too often: {:?}", begin.elapsed());
    assert!(session.events.try_recv().is_err(), "a renewal touched the session");
    close(&mut session).await;

    // The next connect finds a fresh token and asks nobody.
    let before = server.tokens().requests();
    session.open().await;
    assert!(server.tokens().requests() <= before + 1);
}

#[tokio::test]
async fn a_failed_renewal_is_not_repeated_at_once_and_leaves_the_session_alone() {
    let life = Duration::from_secs(2);
    let (mut server, roots) = core(TokenPolicy { life, ..TokenPolicy::default() }).await;
    let mut session = Session::start(for_core(&server, &roots));
    session.open().await;
    let _terminal = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
    server.tokens().set_answer(TokenAnswer::Broken);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(server.tokens().requests(), 2, "one token and one failed renewal");
    assert!(session.events.try_recv().is_err(), "a failed renewal touched the session");
    close(&mut session).await;

    // The token is over by now: the next connect asks, and succeeds when the endpoint is mended.
    server.tokens().set_answer(TokenAnswer::Normal);
    session.open().await;
    assert_eq!(server.tokens().requests(), 3);
}

#[tokio::test]
async fn a_core_that_ends_streams_with_their_tokens_is_met_with_fresh_ones() {
    let life = Duration::from_secs(2);
    let policy = TokenPolicy { life, close_expired: true, ..TokenPolicy::default() };
    let (mut server, roots) = core(policy).await;
    let mut session = Session::start(for_core(&server, &roots));
    for _ in 0..3 {
        session.open().await;
        let _terminal = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
        session.closed_for(CloseReason::Unauthenticated).await;
    }
}

#[tokio::test]
async fn a_token_had_for_a_connection_that_did_not_come_about_is_as_good_as_new() {
    let (server, roots) = core(TokenPolicy::default()).await;
    // Takes the connection and never answers the TLS greeting.
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", hole.local_addr().unwrap());
    let mut session = Session::start(PipeSettings { endpoint, ..for_core(&server, &roots) });
    for _ in 0..3 {
        session.renew().await;
        // Ended as the appliance ends an attempt that hangs.
        sleep(Duration::from_secs(1)).await;
        session.tell(SessionCommand::Close).await;
        session.closed_for(CloseReason::Requested).await;
    }
    assert_eq!(server.tokens().requests(), 1, "each attempt asked for a token of its own");
}

#[tokio::test]
async fn a_secret_that_is_revoked_in_the_midst_costs_one_request_a_minute() {
    let life = Duration::from_secs(3);
    let policy = TokenPolicy { life, close_expired: true, ..TokenPolicy::default() };
    let (mut server, roots) = core(policy).await;
    let mut session = Session::start(for_core(&server, &roots));
    session.open().await;
    let _terminal = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
    server.tokens().set_answer(TokenAnswer::Refused);
    // The renewal ahead of the token's end is refused, then the stream ends with its token.
    session.closed_for(CloseReason::Unauthenticated).await;
    assert_eq!(server.tokens().requests(), 2);
    for _ in 0..5 {
        session.renew().await;
        let detail = session.closed_for(CloseReason::TokenRefused).await;
        assert!(detail.contains("invalid_client"), "{detail}");
    }
    assert_eq!(server.tokens().requests(), 2, "refused, it asked again within the minute");
}
