//! Networks, servers, secrets and sound cards fail while the box hangs on its
//! wall. Each failure must be told apart in `callbox status`, shown by a lamp,
//! and forgotten as soon as it is mended: nobody comes to restart the box.

// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use support::appliance::{Appliance, Config, lamps_show_a_fault};
use support::cable::Cable;
use support::core::{CLIENT_SECRET, Core, CoreOptions, restrict};
use support::one_at_a_time;
use support::proxy::Proxy;

/// The box names the fault and shows it, then works once `mend` is done.
fn fault_and_recovery(appliance: &mut Appliance, fault: &str, mend: impl FnOnce()) {
    let status = appliance.wait_fault(fault);
    assert_ne!(status["session"], "registered", "{status}");
    assert_ne!(status["session_detail"], "", "no word on why: {status}");
    assert!(lamps_show_a_fault(&status), "{fault}: {}", status["leds"]);
    assert_eq!(status["leds"]["online"], "off", "{fault}");
    let refused = appliance.command(&["call", "front"]).expect_err("a call without a core was taken");
    assert!(refused.contains("not registered"), "{refused}");
    mend();
    appliance.takes_a_call();
}

fn address(endpoint: &str) -> SocketAddr {
    let host_and_port = endpoint.split("://").nth(1).expect("a scheme");
    host_and_port.replace("localhost", "127.0.0.1").parse().expect("an address")
}

fn through(proxy: &Proxy, core: &Core) -> Config {
    let scheme = core.endpoint().split("://").next().unwrap();
    let endpoint = format!("{scheme}://localhost:{}", proxy.address().port());
    Config { endpoint, ..Config::for_core(core) }
}

#[test]
fn a_secret_that_others_can_read_is_a_fault_until_its_mode_is_mended() {
    let _alone = one_at_a_time();
    let (cable, core) = (Cable::start(), Core::start(&CoreOptions::default()));
    let config = Config { secret_mode: 0o644, ..Config::for_core(&core) };
    let mut appliance = Appliance::start(&config, &cable);
    let secret = appliance.secret_file();
    fault_and_recovery(&mut appliance, "secret-unreadable", || restrict(&secret, 0o600));
}

#[test]
fn a_secret_that_the_token_server_refuses_is_a_fault_until_it_is_changed() {
    let _alone = one_at_a_time();
    let (cable, core) = (Cable::start(), Core::start(&CoreOptions::default()));
    let config = Config { secret: "not-the-secret".to_owned(), ..Config::for_core(&core) };
    let mut appliance = Appliance::start(&config, &cable);
    let secret = appliance.secret_file();
    fault_and_recovery(&mut appliance, "credentials-refused", || fs::write(&secret, CLIENT_SECRET).unwrap());
    let log: String = appliance.events().iter().map(|event| event.to_string()).collect();
    assert!(!log.contains(CLIENT_SECRET) && !log.contains("not-the-secret"), "a secret is in the event log");
}

#[test]
fn a_core_that_refuses_connections_is_a_fault_until_it_is_there() {
    let _alone = one_at_a_time();
    let (cable, core) = (Cable::start(), Core::start(&CoreOptions::default()));
    let nobody = SocketAddr::from(([127, 0, 0, 1], support::port_for_later(&["127.0.0.1"])));
    let endpoint = format!("https://localhost:{}", nobody.port());
    let mut appliance = Appliance::start(&Config { endpoint, ..Config::for_core(&core) }, &cable);
    let mut proxy = None;
    fault_and_recovery(&mut appliance, "core-unreachable", || {
        proxy = Some(Proxy::start_at(nobody, Some(address(core.endpoint()))));
    });
}

#[test]
fn a_core_that_vanishes_is_a_fault_until_it_is_back() {
    let _alone = one_at_a_time();
    let (cable, core) = (Cable::start(), Core::start(&CoreOptions::default()));
    let proxy = Proxy::start(Some(address(core.endpoint())));
    let mut appliance = Appliance::registered(&through(&proxy, &core), &cable);
    let nobody = SocketAddr::from(([127, 0, 0, 1], support::port_for_later(&["127.0.0.1"])));
    proxy.point_at(nobody);
    fault_and_recovery(&mut appliance, "core-unreachable", || proxy.point_at(address(core.endpoint())));
}

#[test]
fn a_name_that_is_not_resolved_is_a_fault_until_it_is() {
    let _alone = one_at_a_time();
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let cable = Cable::start();
    let folder = tempfile::TempDir::new().unwrap();
    // A hosts file for this one process: libnss-wrapper stands between it and libc.
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let port = address(core.endpoint()).port();
    let endpoint = format!("http://voice-core.test:{port}");
    let environment =
        [("LD_PRELOAD", "libnss_wrapper.so".to_owned()), ("NSS_WRAPPER_HOSTS", hosts.display().to_string())];
    let mut appliance =
        Appliance::start_with(&Config { endpoint, ..Config::for_core(&core) }, &cable, &environment);
    fault_and_recovery(&mut appliance, "name-not-resolved", || {
        fs::write(&hosts, "127.0.0.1 localhost\n127.0.0.1 voice-core.test\n").unwrap();
        // The wrapper looks at whole seconds only to tell whether the file has changed.
        let later = SystemTime::now() + Duration::from_secs(10);
        fs::File::open(&hosts).unwrap().set_modified(later).unwrap();
    });
}

/// A TLS server with a certificate of one's choice and nothing behind it.
fn tls_server(signed_by: &Issuer<'_, KeyPair>, change: impl FnOnce(&mut CertificateParams)) -> SocketAddr {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, signed_by).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut stream = rustls::Stream::new(&mut connection, &mut socket);
            let _ = stream.flush();
            let _ = stream.read(&mut [0; 1024]);
        }
    });
    address
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn certificate_is_refused(trusted: bool, change: impl FnOnce(&mut CertificateParams)) {
    let _alone = one_at_a_time();
    let (cable, core) = (Cable::start(), Core::start(&CoreOptions::default()));
    let (issuer, issuer_pem) = authority("authority of the test");
    let wrong = tls_server(&issuer, change);
    let proxy = Proxy::start(Some(wrong));
    let folder = tempfile::TempDir::new().unwrap();
    let both = folder.path().join("roots.pem");
    let good_pem = fs::read_to_string(core.ca_file().unwrap()).unwrap();
    fs::write(&both, if trusted { format!("{good_pem}\n{issuer_pem}") } else { good_pem }).unwrap();
    let config = Config { ca_file: Some(both), ..through(&proxy, &core) };
    let mut appliance = Appliance::start(&config, &cable);
    fault_and_recovery(&mut appliance, "certificate-refused", || proxy.point_at(address(core.endpoint())));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    certificate_is_refused(false, |_| {});
}

#[test]
fn a_certificate_that_is_over_is_refused() {
    certificate_is_refused(true, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    certificate_is_refused(true, |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())];
    });
}

#[test]
fn a_missing_sound_card_is_a_fault_and_the_box_still_calls() {
    let _alone = one_at_a_time();
    let core = Core::start(&CoreOptions::default());
    let mut cable = Cable::unplugged();
    let mut appliance = Appliance::start(&Config::for_core(&core), &cable);
    appliance.wait_fault("capture-device");
    let status = appliance.wait_fault("playback-device");
    assert!(lamps_show_a_fault(&status), "{}", status["leds"]);
    // Without sound a call still says at the far end that somebody pressed.
    appliance.wait_status(20, "registered box", |status| status["session"] == "registered");
    appliance.must(&["press", "call", "--for", "100"]);
    appliance.wait_call("in-call");
    appliance.must(&["hangup"]);
    appliance.wait_call("idle");

    cable.plug();
    appliance.takes_a_call();
    // And it may be pulled out again at any time.
    cable.unplug();
    appliance.wait_fault("playback-device");
    cable.plug();
    appliance.takes_a_call();
}
