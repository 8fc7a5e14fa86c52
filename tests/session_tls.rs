//! A box that trusts the wrong certificate talks to whoever is in between, and
//! one that cannot say what is wrong with a certificate stays broken: each
//! flaw must be refused with its own reason, and the next connect must work.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod session_support;

use callbox::appliance::event::{CloseReason, SessionEvent};
use callbox::pipe::PipeSettings;
use callbox::sim::certs::{Authority, Flaw};
use callbox::sim::server::{Server, ServerSettings};
use callbox::sim::token::TokenPolicy;
use session_support::{Roots, Session, for_core, plain};

async fn core(flaw: Flaw) -> Server {
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    Server::start(ServerSettings { flaw, token, ..ServerSettings::default() }).await.unwrap()
}

/// Settings that trust the core's authority; no token.
fn trusting(server: &Server, roots: &Roots) -> PipeSettings {
    PipeSettings { ca_file: Some(roots.path()), ..plain(server.endpoint()) }
}

#[tokio::test]
async fn a_good_certificate_is_taken_by_name_and_by_address() {
    let mut server = core(Flaw::None).await;
    let roots = Roots::new(server.ca_pem());
    let by_name = trusting(&server, &roots);
    let by_address = PipeSettings { endpoint: format!("https://{}", server.address()), ..by_name.clone() };
    for settings in [by_name, by_address] {
        let mut session = Session::start(settings);
        session.open().await;
        assert!(server.accept().await.is_some());
    }
}

#[tokio::test]
async fn an_address_of_version_6_needs_no_brackets_in_the_certificate() {
    let listen = "[::1]:0".parse().unwrap();
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    let settings = ServerSettings { listen, token, ..ServerSettings::default() };
    let server = Server::start(settings).await.unwrap();
    let roots = Roots::new(server.ca_pem());
    let endpoint = format!("https://{}", server.address());
    let mut session = Session::start(PipeSettings { endpoint, ..trusting(&server, &roots) });
    session.open().await;
}

#[tokio::test]
async fn each_flaw_is_refused_with_its_reason_and_the_next_connect_works() {
    for (flaw, why) in [
        (Flaw::Expired, "has expired"),
        (Flaw::NotYetValid, "not valid yet"),
        (Flaw::OtherHost, "another host"),
        (Flaw::UnknownAuthority, "unknown issuer"),
    ] {
        let bad = core(flaw).await;
        let roots = Roots::new(bad.ca_pem());
        let settings = trusting(&bad, &roots);
        let listen = bad.address();
        let mut session = Session::start(settings);
        session.connect().await;
        let closed = session.closed().await;
        assert_eq!(closed.reason, CloseReason::CertificateRefused, "{flaw:?}: {closed:?}");
        assert!(closed.detail.contains(why), "{flaw:?}: {closed:?}");
        assert!(closed.detail.contains(&bad.endpoint()), "{closed:?}");

        // The operator mends it: a good certificate at the same address.
        bad.stop().await;
        let token = TokenPolicy { required: false, ..TokenPolicy::default() };
        let mended = ServerSettings { listen, token, ..ServerSettings::default() };
        let mended = Server::start(mended).await.unwrap();
        std::fs::write(roots.path(), mended.ca_pem()).unwrap();
        session.open().await;
    }
}

#[tokio::test]
async fn roots_of_another_authority_and_the_public_ones_do_not_do() {
    let server = core(Flaw::None).await;
    let others = Roots::new(Authority::new().unwrap().pem());
    for ca_file in [Some(others.path()), None] {
        let mut session = Session::start(PipeSettings { ca_file, ..plain(server.endpoint()) });
        session.connect().await;
        let closed = session.closed().await;
        assert_eq!(closed.reason, CloseReason::CertificateRefused);
        assert!(closed.detail.contains("unknown issuer"), "{closed:?}");
    }
}

#[tokio::test]
async fn a_ca_file_that_is_missing_or_empty_is_named() {
    let server = core(Flaw::None).await;
    let roots = Roots::new("no certificate in here\n");
    let mut session = Session::start(trusting(&server, &roots));
    session.connect().await;
    let closed = session.closed().await;
    assert_eq!(closed.reason, CloseReason::CertificateRefused);
    assert!(closed.detail.contains("ca.pem"), "{closed:?}");

    std::fs::remove_file(roots.path()).unwrap();
    session.connect().await;
    let closed = session.closed().await;
    assert!(closed.detail.contains("cannot read ca-file"), "{closed:?}");

    std::fs::write(roots.path(), server.ca_pem()).unwrap();
    session.open().await;
}

#[tokio::test]
async fn a_core_without_tls_is_not_taken_for_one_with_tls() {
    let token = TokenPolicy { required: false, ..TokenPolicy::default() };
    let settings = ServerSettings { tls: false, token, ..ServerSettings::default() };
    let server = Server::start(settings).await.unwrap();
    let roots = Roots::new(server.ca_pem());
    let endpoint = server.endpoint().replace("http:", "https:");
    let mut session = Session::start(PipeSettings { endpoint, ..trusting(&server, &roots) });
    session.connect().await;
    let closed = session.closed().await;
    assert_eq!(closed.reason, CloseReason::CertificateRefused, "{closed:?}");
}

#[tokio::test]
async fn the_token_endpoints_certificate_is_checked_too() {
    let server = core(Flaw::None).await;
    let roots = Roots::new(server.ca_pem());
    let others = Roots::new(Authority::new().unwrap().pem());
    let mut settings = for_core(&server, &roots);
    let callbox::pipe::AuthSettings::ClientCredentials { ca_file, .. } = &mut settings.auth else {
        panic!("no credentials")
    };
    *ca_file = Some(others.path());
    let mut session = Session::start(settings);
    session.connect().await;
    let closed = session.closed().await;
    assert_eq!(closed.reason, CloseReason::TokenUnavailable);
    assert!(closed.detail.contains("unknown issuer"), "{closed:?}");
    assert_eq!(server.tokens().requests(), 0);

    std::fs::write(others.path(), server.ca_pem()).unwrap();
    session.connect().await;
    session.expect(SessionEvent::Sent).await;
}
