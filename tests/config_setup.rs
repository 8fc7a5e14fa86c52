//! One file sets a box up, written on any computer by somebody who will not be
//! there when the box reads it: every mistake must be named before anything is
//! changed, and what comes out must be the very configuration that was judged,
//! with the secrets where only their owners read them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod config_support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use callbox::config::{BoardLoader, Setup};
use config_support::GOOD;
use secrecy::ExposeSecret;

const SETUP: &str = r#"[setup]
host-name = "door-17"
client-secret = "s3cret"
wifi = { ssid = "home", password = "correct horse", country = "NO" }
ssh-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPcGp1bmtqdW5ranVua2p1bmtqdW5ranVua2p1bms x"]

"#;

fn parse(text: &str) -> Result<Setup, Vec<String>> {
    Setup::parse(text, "callbox-setup.toml", &BoardLoader::new(Vec::new()))
        .map_err(|found| found.iter().map(ToString::to_string).collect())
}

/// Expects exactly one diagnostic that begins so and holds this.
#[track_caller]
fn expect_one(text: &str, place: &str, word: &str) {
    let found = parse(text).unwrap_err();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with(&format!("callbox-setup.toml:{place}: ")), "{found:#?}");
    assert!(found[0].contains(word), "{found:#?}");
    assert!(!found[0].contains("correct horse") && !found[0].contains("s3cret"), "{found:#?}");
}

#[test]
fn the_configuration_comes_out_without_the_setup_and_on_its_own_lines() {
    for text in [
        format!("{SETUP}{GOOD}"),
        format!("{GOOD}{SETUP}"),
        format!("\u{feff}{SETUP}{GOOD}").replace('\n', "\r\n"),
    ] {
        let setup = parse(&text).unwrap();
        assert_eq!(setup.host_name.as_deref(), Some("door-17"));
        assert_eq!(setup.client_secret.unwrap().expose_secret(), "s3cret");
        assert_eq!(setup.ssh_keys.len(), 1);
        let kept = setup.configuration.expose_secret();
        assert!(
            !kept.contains("s3cret") && !kept.contains("correct horse") && !kept.contains("ssh-"),
            "{kept}"
        );
        let line = |text: &str, word: &str| text.lines().position(|line| line.contains(word));
        for word in ["[board]", "[[button]]", "press ="] {
            assert_eq!(line(kept, word), line(&text, word), "{word} in {kept}");
        }
    }
}

#[test]
fn a_setup_may_be_a_bare_configuration_and_its_tables_may_stand_apart() {
    assert!(parse(GOOD).unwrap().client_secret.is_none());
    let apart = format!(
        "[setup]\nclient-secret = \"s3cret\"\n{GOOD}[setup.wifi]\nssid = \"home\"\npassword = \"correct horse\"\ncountry = \"NO\"\n[log]\nlevel = \"warn\"\n"
    );
    let setup = parse(&apart).unwrap();
    let kept = setup.configuration.expose_secret();
    assert!(!kept.contains("s3cret") && !kept.contains("correct horse"), "{kept}");
    assert!(kept.contains("level = \"warn\""), "{kept}");
    assert!(setup.wifi.is_some());
}

#[test]
fn every_mistake_is_named_with_its_place_and_no_secret() {
    let with = |from: &str, to: &str| format!("{SETUP}{GOOD}").replace(from, to);
    expect_one(&with("\"door-17\"", "\"Door 17\""), "2:13", "no host name");
    expect_one(&with("s3cret", "s3cret\\nmore"), "3:17", "line break");
    expect_one(&with("correct horse", "short"), "4:36", "8 to 63");
    expect_one(&with("\"NO\"", "\"no\""), "4:63", "capital letters");
    expect_one(&with(", country = \"NO\"", ""), "4:8", "has no country");
    expect_one(&with("ssh-ed25519 AAAA", "AAAA"), "5:13", "no public key");
    expect_one(&with("host-name", "hostname"), "2:1", "did you mean host-name?");
    expect_one(&with("[\"home\"]", "[\"hme\"]"), "15:34", "hme");
    let both = with("\"door-17\"", "\"-\"").replace("[\"home\"]", "[\"hme\"]");
    assert_eq!(parse(&both).unwrap_err().len(), 2);
    assert!(parse("").is_err() && parse("[setup]\n").is_err());
}

#[test]
fn wifi_is_written_so_that_no_name_means_something_else() {
    let odd = SETUP.replace("\"home\"", "\"a\\\"}\\\\b\"");
    let wifi = parse(&format!("{odd}{GOOD}")).unwrap().wifi.unwrap().wpa_supplicant();
    assert!(wifi.expose_secret().contains("ssid=61227d5c62\n"), "{}", wifi.expose_secret());
    assert!(wifi.expose_secret().contains("psk=\"correct horse\"\n"));
}

#[test]
fn the_command_writes_secrets_for_their_owner_alone_and_nothing_of_a_wrong_setup() {
    let folder = tempfile::tempdir().unwrap();
    let [file, into] = ["callbox-setup.toml", "new"].map(|name| folder.path().join(name));
    let provision = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbox"));
        command.arg("provision").arg(&file).arg("--into").arg(&into).output().unwrap()
    };
    std::fs::write(&file, format!("{SETUP}{GOOD}").replace("[\"home\"]", "[\"hme\"]")).unwrap();
    let refused = provision();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(":15:34: "), "{refused:?}");
    assert!(!into.exists());

    std::fs::write(&file, format!("{SETUP}{FLEET}{GOOD}")).unwrap();
    let taken = provision();
    assert_eq!(taken.status.code(), Some(0), "{taken:?}");
    for (name, mode) in [
        ("callbox.toml", 0o640),
        ("client-secret", 0o600),
        ("host-name", 0o644),
        ("wpa_supplicant.conf", 0o600),
        ("ssh/authorized_keys", 0o600),
        ("fleet.conf", 0o600),
        ("fleet-ca.pem", 0o644),
    ] {
        let about = std::fs::metadata(into.join(name)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, mode, "{name}");
    }
    assert_eq!(std::fs::read_to_string(into.join("client-secret")).unwrap(), "s3cret\n");
    // A second one does not lie over the first.
    assert_eq!(provision().status.code(), Some(1));
}

const FLEET: &str = "[setup.fleet]\nserver = \"https://updates.example.com:8443/\"\ntarget = \"door-17\"\n\
                     token = \"0123456789abcdef\"\nca = \"\"\"\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n\"\"\"\n";

#[test]
fn a_fleet_is_written_as_its_updater_reads_it_and_nothing_goes_to_a_stranger() {
    let setup = |fleet: &str| parse(&format!("{SETUP}{fleet}{GOOD}"));
    let fleet = setup(FLEET).unwrap().fleet.unwrap();
    let written = fleet.client();
    assert_eq!(
        written.expose_secret(),
        "[client]\nhawkbit_server=updates.example.com:8443\nssl=true\nssl_verify=true\ntenant_id=DEFAULT\n\
         target_name=door-17\nauth_token=0123456789abcdef\n"
    );
    assert_eq!(fleet.ca().unwrap().lines().count(), 3);
    assert!(!setup(FLEET).unwrap().configuration.expose_secret().contains("0123456789abcdef"));

    let gateway = setup(&FLEET.replace("token =", "gateway-token =")).unwrap().fleet.unwrap();
    assert!(gateway.client().expose_secret().contains("\ngateway_token=0123456789abcdef\n"));

    let wrong = |from: &str, to: &str, word: &str| {
        let found = setup(&FLEET.replace(from, to)).unwrap_err();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(word) && !found[0].contains("0123456789abcdef"), "{found:#?}");
    };
    wrong("https://", "http://", "allow-plaintext");
    wrong("https://", "", "https://updates.example.com");
    wrong("8443/", "8443/path", "after the port");
    wrong("8443/", "84430", "1 to 65535");
    wrong("\"door-17\"", "\"door 17\"", "no name");
    wrong("token = \"0123456789abcdef\"", "", "has no token");
    wrong("abcdef\"", "abcdef\\n[device]\"", "no token has");
    wrong("token =", "gateway-token = \"x\"\ntoken =", "two tokens");
    wrong("BEGIN CERTIFICATE", "BEGIN PRIVATE KEY", "no certificate");
    let (without_ca, _) = FLEET.split_once("ca =").unwrap();
    assert!(setup(without_ca).unwrap_err()[0].contains("list of public authorities"));
    let plain = without_ca.replace("https://", "http://") + "allow-plaintext = true\n";
    assert!(setup(&plain).unwrap().fleet.unwrap().client().expose_secret().contains("\nssl=false\n"));
}
