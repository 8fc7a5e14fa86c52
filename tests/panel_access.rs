//! Whoever reaches the panel can make the box call, and perhaps open the door.
//! So: nothing without a password but on this machine itself, no guessing, no
//! other site's page, and no way around a permission that was not given.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};
use support::appliance::Appliance;
use support::panel::{PanelBox, config};
use support::{root, wait_for};

/// A box that others can reach.
fn locked(panel: &str) -> PanelBox {
    // A relative path counts from the configuration's folder.
    PanelBox::with(config(
        None,
        &format!("[state]\ndir = \"state\"\n[panel]\nlisten = \"0.0.0.0:0\"\n{panel}"),
    ))
}

/// The password, from the console of the first start.
fn shown_password(appliance: &Appliance) -> String {
    wait_for(Duration::from_secs(10), "password on the console", || {
        let lines = appliance.printed();
        let line = lines.iter().find_map(|line| line.strip_prefix("The panel's password, shown this once: "));
        line.map(str::to_owned).ok_or(format!("{lines:?}"))
    })
}

#[test]
fn nothing_is_told_or_done_without_the_password_that_was_shown_once() {
    let mut site = locked("");
    assert!(site.url().starts_with("https://"), "{}", site.url());
    let password = shown_password(&site.appliance);
    assert!(!site.appliance.log().contains(&password), "the password is in the log");
    let document: Value =
        serde_json::from_str(&fs::read_to_string(root().join("src/panel/openapi.json")).unwrap()).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let reply = site.send(&method.to_uppercase(), &path.replace("{button}", "call"), &[], Some("{}"));
            let expected = match path.as_str() {
                "/healthz" => 503,
                "/api/session" | "/api/openapi.json" => 200,
                "/api/login" => 422,
                _ => 401,
            };
            assert_eq!(reply.status, expected, "{method} {path}: {reply:?}");
        }
    }
    let session = site.get("/api/session").json();
    assert_eq!((&session["login"], &session["csrf"]), (&json!("needed"), &Value::Null), "{session}");
    // The details of faults are not for everybody.
    assert!(!site.get("/healthz").text.contains("127.0.0.1"));

    let reply = site.log_in(&password);
    assert_eq!(reply.status, 200, "{reply:?}");
    let cookie = reply.header("set-cookie");
    for flag in ["__Host-callbox=", "; HttpOnly", "; Secure", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert_eq!(site.get("/api/status").status, 200);
    assert_eq!(site.get("/metrics").status, 200);
    let act = json!({ "action": "hang-up" }).to_string();
    assert_eq!(site.send("POST", "/api/act", &[], Some(&act)).status, 403, "without the CSRF token");
    assert_eq!(site.change("POST", "/api/act", Some(&json!({ "action": "hang-up" }))).status, 409);
    assert_eq!(site.change("POST", "/api/logout", None).status, 200);
    assert_eq!(site.get("/api/status").status, 401, "logged out");
    site.forget_cookie();
    // A cookie that was never given.
    let made_up = [("cookie", "__Host-callbox=0123456789abcdef")];
    assert_eq!(site.send("GET", "/api/status", &made_up, None).status, 401);

    // The files: a hash, closed to others.
    let folder = site.appliance.folder().join("state/panel");
    for name in ["password.hash", "own.key", "own.pem"] {
        let file = folder.join(name);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        assert!(!fs::read_to_string(&file).unwrap().contains(&password), "{name}");
    }
}

#[test]
fn who_guesses_waits_and_then_even_the_right_password_does() {
    let mut site = locked("");
    let password = shown_password(&site.appliance);
    assert_eq!(site.log_in(&password).status, 200);
    site.forget_cookie();
    for guess in 0..5 {
        assert_eq!(site.log_in(&format!("guess-{guess}")).status, 401);
    }
    let reply = site.log_in(&password);
    assert_eq!(reply.status, 429, "{reply:?}");
    let seconds: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=31).contains(&seconds), "{reply:?}");
    assert_eq!(site.get("/api/status").status, 401);
}

#[test]
fn a_real_boards_buttons_press_only_with_permission() {
    for allowed in [false, true] {
        let mut real = config(None, &format!("[panel]\nlisten = \"127.0.0.1:0\"\nallow-test = {allowed}\n"));
        real.backend = "gpiocdev";
        let mut site = PanelBox::with(real);
        assert_eq!(site.get("/api/board").json()["pressable"], allowed);
        let reply = site.change("POST", "/api/buttons/call/press", Some(&json!({ "for_ms": 50 })));
        assert_eq!(reply.status, if allowed { 200 } else { 403 }, "{reply:?}");
        let pressed = |site: &PanelBox| site.get("/api/events?kind=button").json().as_array().unwrap().len();
        if allowed {
            wait_for(Duration::from_secs(5), "press in the log", || {
                if pressed(&site) == 1 { Ok(()) } else { Err("none".to_owned()) }
            });
        } else {
            assert!(reply.json()["error"].as_str().unwrap().contains("allow-test"), "{reply:?}");
            assert_eq!(pressed(&site), 0);
        }
    }
}

#[test]
fn the_door_opens_only_with_permission() {
    for allowed in [false, true] {
        let more = format!(
            "[[button]]\nname = \"exit\"\npress = {{ action = \"open-door\" }}\n[door]\nallow-command = true\n\
             [panel]\nlisten = \"127.0.0.1:0\"\nallow-door = {allowed}\n"
        );
        let mut site = PanelBox::with(config(None, &more));
        let strike = |site: &PanelBox| site.get("/api/status").json()["outputs"]["strike"] == true;
        for (path, body) in [
            ("/api/buttons/exit/press", json!({ "for_ms": 50 })),
            ("/api/act", json!({ "action": "open-door" })),
            ("/api/act", json!({ "action": "reset-tamper" })),
        ] {
            let reply = site.change("POST", path, Some(&body));
            assert_eq!(reply.status == 403, !allowed, "{path} {body}: {reply:?}");
        }
        if allowed {
            wait_for(Duration::from_secs(5), "strike", || {
                if strike(&site) { Ok(()) } else { Err("off".to_owned()) }
            });
        } else {
            assert!(
                !strike(&site) && site.get("/api/events?kind=door").text == "[]",
                "{}",
                site.get("/api/events").text
            );
        }
        // A button that opens no door presses all the same.
        let reply = site.change("POST", "/api/buttons/call/press", Some(&json!({ "for_ms": 50 })));
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

const DOOR: &str = "[door]\ncodes = [\"1379\", \"*24#\"]\n";

#[test]
fn the_configuration_is_shown_without_secrets_and_changed_only_with_permission() {
    let mut site = PanelBox::start(None, DOOR);
    let shown = site.get("/api/config").json();
    let text = shown["text"].as_str().unwrap();
    assert!(text.contains("codes = [\"(hidden 1)\", \"(hidden 2)\"]") && !text.contains("1379"), "{text}");
    assert_eq!(shown["changeable"], false);
    let change = json!({ "text": text, "revision": shown["revision"] });
    for (method, path, body) in [
        ("PUT", "/api/config", Some(&change)),
        ("POST", "/api/config/check", Some(&json!({ "text": text }))),
        ("POST", "/api/config/previous", Some(&json!({ "revision": shown["revision"] }))),
        ("POST", "/api/restart", None),
    ] {
        let reply = site.change(method, path, body);
        assert_eq!(reply.status, 403, "{path}: {reply:?}");
        assert!(reply.json()["error"].as_str().unwrap().contains("allow-config"), "{reply:?}");
    }
}

#[test]
fn a_change_is_checked_written_whole_and_in_force_after_a_restart() {
    let mut site = PanelBox::start(None, &format!("allow-config = true\n{DOOR}"));
    let file = site.appliance.folder().join("callbox.toml");
    let before = fs::read_to_string(&file).unwrap();
    let shown = site.get("/api/config").json();
    let (text, revision) = (shown["text"].as_str().unwrap(), shown["revision"].as_str().unwrap());
    let mut put = |text: &str, revision: &str| {
        site.change("PUT", "/api/config", Some(&json!({ "text": text, "revision": revision })))
    };
    // A mistake is refused with its line, and nothing is written.
    let wrong = put(&text.replace("loopback = true", "loopback = 3"), revision);
    assert_eq!(wrong.status, 422, "{wrong:?}");
    let line = text.lines().position(|line| line == "loopback = true").unwrap() + 1;
    let found = &wrong.json()["diagnostics"][0];
    assert_eq!((&found["line"], &found["column"]), (&json!(line), &json!(12)), "{wrong:?}");
    assert!(found["cure"].as_str().unwrap().contains("true or false"), "{found}");
    // So is what would give the page more than it has, or a secret back.
    for (from, to, what) in [
        ("allow-config = true", "allow-config = true\nallow-door = true", "its own access"),
        ("allow-config = true", "allow-config = true\nallow-test = true", "its own access"),
        ("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"", "its own access"),
        ("\"(hidden 1)\", ", "", "what opens the door"),
        ("\"(hidden 1)\"", "\"0000\"", "what opens the door"),
        ("[door]\n", "[door]\nallow-command = true\n", "what opens the door"),
        ("action = \"call\", to = [\"front\"]", "action = \"open-door\"", "what opens the door"),
        ("[door]\n", "[hook]\noff = { action = \"open-door\" }\n[door]\n", "what opens the door"),
        ("/desktop-mock.toml", "/mock-doorstation.toml", "what opens the door"),
        (
            "[door]\n",
            "[mqtt]\nbroker = \"mqtt://127.0.0.1\"\nname = \"a\"\ncommands = [\"open-door\"]\n[door]\n",
            "what opens the door",
        ),
    ] {
        let refused = put(&text.replace(from, to), revision);
        assert_eq!(refused.status, 422, "{to}: {refused:?}");
        assert!(refused.text.contains(what), "{to}: {refused:?}");
    }
    let spied = put(&text.replace("front = \"+4700000001\"", "front = \"(hidden 1)\""), revision);
    assert!(spied.status == 422 && !spied.text.contains("1379"), "{spied:?}");
    assert_eq!(put(text, "0000000000000000").status, 409, "a change on top of one that was not seen");
    assert_eq!(shown["previous"], false);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);

    let good = put(&text.replace("+4700000001", "+4700000002"), revision);
    assert_eq!((good.status, &good.json()["good"]), (200, &json!(true)), "{good:?}");
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(after, before.replace("+4700000001", "+4700000002"));
    assert_eq!(fs::read_to_string(file.with_extension("toml.bak")).unwrap(), before);
    assert_eq!(put(text, revision).status, 409, "the same revision twice");

    // Back, and forward again.
    for (expected, kept) in [(&before, &after), (&after, &before)] {
        let shown = site.get("/api/config").json();
        assert_eq!(shown["previous"], true);
        let back = json!({ "revision": shown["revision"] });
        assert_eq!(site.change("POST", "/api/config/previous", Some(&back)).status, 200);
        assert_eq!(&fs::read_to_string(&file).unwrap(), expected);
        assert_eq!(&fs::read_to_string(file.with_extension("toml.bak")).unwrap(), kept);
        assert_eq!(site.change("POST", "/api/config/previous", Some(&back)).status, 409, "an old revision");
    }
    // A previous one gives the page no more than it has.
    fs::write(file.with_extension("toml.bak"), before.replace("codes = [\"1379\"", "codes = [\"0000\""))
        .unwrap();
    let back = json!({ "revision": site.get("/api/config").json()["revision"] });
    let refused = site.change("POST", "/api/config/previous", Some(&back));
    assert!(refused.status == 422 && refused.text.contains("what opens the door"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), after);

    // The same process begins again.
    let id = site.appliance.id();
    assert_eq!(site.change("POST", "/api/restart", None).status, 200);
    wait_for(Duration::from_secs(15), "second start", || {
        let log = site.appliance.log();
        if log.matches("callbox starts").count() == 2 { Ok(()) } else { Err(log) }
    });
    site.appliance
        .wait_status(15, "answer after the restart", |status| status["uptime_s"].as_u64() < Some(15));
    assert_eq!(site.appliance.id(), id);
    site.appliance.must(&["press", "call", "--for", "50"]);
    site.appliance.assert_alive();
}
