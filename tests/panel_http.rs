//! The panel is the one part of the box that strangers may reach. Whatever is
//! sent to it, by mistake or in malice, gets a clear answer or none, costs
//! bounded memory and time, and the box goes on with its call.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::core::{Core, CoreOptions};
use support::panel::PanelBox;
use support::process::Process;
use support::{root, wait_for};

const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", "frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
];

fn document() -> Value {
    let text = std::fs::read_to_string(root().join("src/panel/openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_path_is_documented_and_every_answer_wears_the_headers() {
    let site = PanelBox::start(None, "");
    let served = site.get("/api/openapi.json").json();
    assert_eq!(served, document());
    let source = std::fs::read_to_string(root().join("src/panel/routes.rs")).unwrap();
    let routes: Vec<&str> =
        source.split("route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() > 15, "{routes:?}");
    for path in routes {
        assert!(served["paths"].get(path).is_some(), "{path} is in no document");
    }
    for (path, methods) in served["paths"].as_object().unwrap() {
        let reply = if path == "/api/stream" {
            continue;
        } else {
            site.get(&path.replace("{button}", "call"))
        };
        let expected = match (methods.get("get").is_some(), path.as_str()) {
            (_, "/healthz") => 503,
            (true, _) => 200,
            (false, _) => 405,
        };
        assert_eq!(reply.status, expected, "{path}: {reply:?}");
        for (name, value) in HEADERS {
            assert!(reply.header(name).contains(value), "{path}: {name} is {:?}", reply.header(name));
        }
        let policy = reply.header("content-security-policy");
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'self'"), "{policy}");
    }
    assert_eq!(
        site.get("/healthz").json()["reasons"][0],
        "session-connecting".replace("connecting", "offline")
    );
}

#[test]
fn what_is_no_request_of_this_site_is_refused_in_words() {
    let mut site = PanelBox::start(None, "");
    for path in
        ["/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/panel.css/", "/api/none"]
    {
        let reply = site.get(path);
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
        assert!(reply.json()["error"].is_string());
    }
    let reply = site.send("DELETE", "/api/status", &[], None);
    assert_eq!(reply.status, 403, "{reply:?}");
    let reply = site.change("DELETE", "/api/status", None);
    assert_eq!((reply.status, reply.header("allow")), (405, "GET,HEAD"), "{reply:?}");
    for (path, body, status) in [
        ("/api/act", "{", 400),
        ("/api/act", "{\"action\":\"open-everything\"}", 422),
        ("/api/act", "{\"action\":\"dtmf\",\"digits\":\"1\",\"more\":1}", 422),
        ("/api/act", "{\"action\":\"hang-up\"}", 409),
        ("/api/buttons/none/press", "{}", 404),
        ("/api/buttons/call/press", "{\"for_ms\":0}", 422),
        ("/api/config/check", "{\"text\":\"\"}", 403),
    ] {
        let csrf = site.csrf();
        let reply = site.send("POST", path, &[("x-csrf-token", &csrf)], Some(body));
        assert_eq!(reply.status, status, "{path} {body}: {reply:?}");
        assert!(reply.json()["error"].is_string());
    }
    let large = json!({ "action": "dtmf", "digits": "1".repeat(64 * 1024) });
    assert_eq!(site.change("POST", "/api/act", Some(&large)).status, 413);
    assert_eq!(site.get("/api/events?limit=many").status, 400);
    assert_eq!(site.get("/api/events?colour=red").status, 400);
}

#[test]
fn pages_of_other_sites_can_neither_read_nor_act() {
    let mut site = PanelBox::start(None, "");
    let csrf = site.csrf();
    let act = "{\"action\":\"hang-up\"}";
    // A name of theirs that resolves to this machine.
    for host in ["evil.example", "127.0.0.1.evil.example:80", "192.0.2.1"] {
        assert_eq!(site.send("GET", "/api/session", &[("host", host)], None).status, 421, "{host}");
    }
    assert_eq!(site.send("GET", "/api/session", &[("host", "localhost:1")], None).status, 200);
    // A form or a script of theirs.
    for headers in [
        [("origin", "http://evil.example"), ("x-csrf-token", csrf.as_str())],
        [("origin", "null"), ("x-csrf-token", csrf.as_str())],
        [("sec-fetch-site", "cross-site"), ("x-csrf-token", csrf.as_str())],
        [("x-csrf-token", ""), ("accept", "*/*")],
        [("x-csrf-token", "0123"), ("accept", "*/*")],
    ] {
        assert_eq!(site.send("POST", "/api/act", &headers, Some(act)).status, 403, "{headers:?}");
    }
    let own = format!("http://127.0.0.1:{}", site.port);
    let headers = [("origin", own.as_str()), ("x-csrf-token", csrf.as_str())];
    assert_eq!(site.send("POST", "/api/act", &headers, Some(act)).status, 409);
}

fn rss_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many bytes come before the other side ends the connection; `None` if
/// it does not within the read time-out.
fn read_to_end(stream: &mut TcpStream) -> Option<usize> {
    let (mut total, mut bytes) = (0, vec![0; 1 << 16]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Some(total),
            Ok(count) => total += count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Some(total),
            Err(_) => return None,
        }
    }
}

/// A thousand connections that say nothing, for as long as this is kept; in a
/// process that may open so many. What the box does not take, the kernel keeps.
fn crowd(port: u16) -> Process {
    let script = format!(
        "import resource, socket, time\n\
         resource.setrlimit(resource.RLIMIT_NOFILE, (1100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n\
         crowd = [socket.socket() for _ in range(1000)]\n\
         [one.setblocking(False) or one.connect_ex(('127.0.0.1', {port})) for one in crowd]\n\
         print('here', flush=True)\n\
         time.sleep(600)"
    );
    let mut command = Command::new("python3");
    command.args(["-c", &script]);
    let mut process = Process::start("crowd", command, &std::env::temp_dir());
    wait_for(Duration::from_secs(30), "crowd", || {
        process.assert_alive();
        if process.lines().is_empty() { Err("not all are connected".to_owned()) } else { Ok(()) }
    });
    process
}

#[test]
fn a_hostile_crowd_costs_bounded_memory_and_no_call() {
    let core = Core::start(&CoreOptions { secure: false, ..CoreOptions::default() });
    let mut site = PanelBox::start(Some(&core), "");
    site.appliance.wait_ready();
    site.appliance.must(&["press", "call", "--for", "100"]);
    site.appliance.wait_call("in-call");
    site.get("/");
    let before = rss_kb(site.appliance.id());
    let xruns = site.appliance.status().unwrap()["audio"]["xruns"].as_u64();

    // Requests whose answers nobody reads: 40 MB of them.
    let begin = Instant::now();
    let mut deaf = site.connect();
    let request = format!("GET /panel.css HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", site.port);
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let written = (0..5000).take_while(|_| deaf.write_all(request.as_bytes()).is_ok()).count();
    assert!(written > 10, "{written}");
    // Half a head, and a head that does not end.
    let mut slow = site.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    let mut endless = site.connect();
    let mut sent = 0;
    while sent < 1 << 20 && endless.write_all(&[b'x'; 1024]).is_ok() {
        sent += 1024;
    }
    assert!(sent < 1 << 20 || read_to_end(&mut endless).is_some());
    // And a thousand who say nothing.
    let crowd = crowd(site.port);
    for _ in 0..5 {
        let status = site.appliance.status().expect("the control socket beside the crowd");
        assert_eq!(status["call"], "in-call", "{status}");
    }
    drop(crowd);
    assert_eq!(site.get("/api/status").status, 200);
    assert!(read_to_end(&mut slow).is_some(), "half a head is waited for");
    assert!(begin.elapsed() > Duration::from_secs(5), "nobody has any time");
    // The same time for who reads nothing, from when the kernel took no more for it.
    std::thread::sleep(Duration::from_secs(4));
    // What the kernel had taken still comes; the rest was given up.
    let taken = read_to_end(&mut deaf).expect("who reads nothing is kept");
    let page = site.get("/panel.css").text.len();
    assert!(taken < written * page / 2, "{taken} bytes of {written} answers");
    let grown = rss_kb(site.appliance.id()).saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} kB more");
    let status = site.appliance.status().unwrap();
    assert_eq!((status["audio"]["xruns"].as_u64(), &status["call"]), (xruns, &json!("in-call")));
    site.appliance.assert_alive();
}

#[test]
fn pages_that_follow_are_counted_and_told_what_happens() {
    let mut site = PanelBox::start(None, "");
    let request = format!("GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", site.port);
    let mut first = site.connect();
    first.write_all(request.as_bytes()).unwrap();
    let read_until = |stream: &mut TcpStream, word: &str| {
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        while !text.contains(word) {
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "no {word:?} in {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        text
    };
    let text = read_until(&mut first, "event: meters");
    assert!(text.contains("event: status") && text.contains("event: log"), "{text}");
    let reply = site.change("POST", "/api/buttons/call/press", Some(&json!({ "for_ms": 50 })));
    assert_eq!(reply.status, 200, "{reply:?}");
    read_until(&mut first, "button call pressed");
    let mut more: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = site.connect();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    // Nobody leaves before all have their answer.
    let answers: Vec<String> = more
        .iter_mut()
        .map(|stream| {
            let mut bytes = [0; 64];
            let count = stream.read(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..count]).into_owned()
        })
        .collect();
    let refused = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503")).count();
    assert_eq!(refused, 5, "sixteen may follow: {answers:?}");
    site.appliance.assert_alive();
}

#[test]
fn the_log_is_filtered_and_taken_away() {
    let mut site = PanelBox::start(None, "");
    site.change("POST", "/api/buttons/call/press", Some(&json!({ "for_ms": 50 })));
    wait_for(Duration::from_secs(5), "press in the log", || {
        let found = site.get("/api/events?kind=button").json();
        if found.as_array().unwrap().len() == 1 { Ok(()) } else { Err(found.to_string()) }
    });
    let all = site.get("/api/events").json();
    let last = all.as_array().unwrap().last().unwrap()["seq"].as_u64().unwrap();
    assert!(site.get("/api/events?after=1").json().as_array().unwrap().iter().all(|entry| entry["seq"] != 1));
    assert!(last >= 3 && site.get("/api/events?limit=2").json().as_array().unwrap().len() == 2, "{all}");
    let lines = site.get("/api/events.jsonl?text=BUTTON");
    assert!(lines.header("content-disposition").contains("callbox-events.jsonl"), "{lines:?}");
    for line in lines.text.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        assert!(entry["text"].as_str().unwrap().contains("button"), "{entry}");
    }
    let csv = site.get("/api/events.csv?kind=button,refused").text;
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows[0], "seq,time,t_us,kind,what,call_id,text");
    assert!(rows[1].contains(",button,call,,button call pressed"), "{csv}");
}

#[test]
fn schemathesis_finds_nothing_outside_the_document() {
    let mut site = PanelBox::start(None, "allow-door = true\nallow-config = true\n");
    let csrf = site.csrf();
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                  response_headers_conformance,negative_data_rejection,unsupported_method";
    let output = Command::new(root().join(".cache/venv/bin/python"))
        .args(["-m", "schemathesis.cli", "run", "--url", site.url(), "--checks", checks])
        .args(["--header", &format!("X-CSRF-Token: {csrf}"), "--max-examples", "15", "--workers", "1"])
        // Its event stream never ends, and its restart ends the box.
        .args([
            "--exclude-path",
            "/api/stream",
            "--exclude-path",
            "/api/restart",
            "--exclude-path",
            "/healthz",
        ])
        .args(["--no-color", "--phases", "examples,coverage,fuzzing", "--generation-deterministic"])
        .arg(root().join("src/panel/openapi.json"))
        .current_dir(site.appliance.folder())
        .output()
        .expect("schemathesis; `make setup` installs it");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    site.appliance.assert_alive();
}
