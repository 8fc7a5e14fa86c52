//! Where the corpora began: one good example of everything, written to
//! `tests/fuzz/corpus`. What the runs found since is beside them.
//!
//!     cargo run --manifest-path tests/fuzz/Cargo.toml --example seeds

use std::fs;
use std::path::{Path, PathBuf};

const NUMBER: &[u8] = b"\x0a\x0b+4722222222";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = [
        ("appliance", appliance()),
        ("board", files(&root.join("../../board/parts"), 2_000)),
        ("config", files(&root.join("../../board/examples"), 8_000)),
        ("control", control()),
        ("datagram", callbox_fuzz::datagram::seeds()),
        ("digits", digits()),
        ("jitter", jitter()),
        ("media", media()),
        ("memory", vec![br#"{"tampered":true,"wrong-codes":7}"#.to_vec(), b"{}".to_vec()]),
        ("message", messages()),
        ("panel", panel()),
        ("sdp", sdp(root)),
        ("session", session()),
        ("sound", sound()),
    ];
    for (target, seeds) in seeds {
        let folder: PathBuf = root.join("corpus").join(target);
        fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed).unwrap();
        }
        println!("{target}: {}", seeds.len());
    }
}

/// The texts of a folder, without what is said between the lines.
fn files(folder: &Path, most: usize) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let text = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty());
        let text: String = lines.map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
        let mut bytes = text.into_bytes();
        bytes.truncate(most);
        bytes
    };
    paths.into_iter().map(text).collect()
}

/// A call made and answered with a code in it; one taken; a storm of everything.
fn appliance() -> Vec<Vec<u8>> {
    let outgoing = [0, 0, 1, 0, 14, 0, 6, 0, 5, 5, 0, 1, 13, 0, 16, 0, 15, 5, 15, 7, 23, 40, 17, 4, 23, 200];
    let incoming = [1, 3, 0, 6, 11, 0, 17, 3, 12, 0, 13, 0, 3, 1, 14, 17, 5, 17, 6, 7, 0, 1, 10, 0, 23, 255];
    vec![
        [&[0], &outgoing[..]].concat(),
        [&[5], &incoming[..]].concat(),
        [&[11], &incoming[..], &outgoing[..]].concat(),
        (0..=255).collect(),
        (0..=255).rev().collect(),
    ]
}

fn control() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"request":"status"}"#,
        r#"{"request":"do","action":{"action":"call","to":["family"],"ring":"all"}}"#,
        r#"{"request":"do","action":{"action":"open-door","output":"strike"}}"#,
        r#"{"request":"do","action":{"action":"volume","change":{"percent":50}}}"#,
        r#"{"request":"do","action":{"action":"dtmf","digits":"1#"}}"#,
        r#"{"request":"press","button":"call","for_ms":100}"#,
        r#"{"request":"release","button":"call"}"#,
        r#"{"request":"events","follow":false}"#,
    ];
    lines.iter().map(|line| format!("{line}\n").into_bytes()).collect()
}

fn digits() -> Vec<Vec<u8>> {
    let event = |timestamp: u8, payload: [u8; 4]| [&[0, timestamp, 0, 0, 0, 4][..], &payload].concat();
    let press = [event(1, [5, 10, 0, 160]), event(1, [5, 0x8a, 3, 32]), event(9, [11, 10, 0, 160])];
    let mut tone = vec![1];
    for _ in 0..8 {
        tone.extend([0, 239]);
        tone.extend((0..240).flat_map(|n| {
            let at = f64::from(n) / 48_000.0 * std::f64::consts::TAU;
            ((((770.0 * at).sin() + (1336.0 * at).sin()) * 8_000.0) as i16).to_le_bytes()
        }));
    }
    vec![[&[0], press.concat().as_slice()].concat(), tone]
}

/// Nine bytes a packet: see `src/jitter.rs`.
fn jitter() -> Vec<Vec<u8>> {
    let stream = |flags: fn(u8) -> u8, step: fn(u8) -> u8| {
        let mut seed = vec![250, 0, 240, 255, 255];
        for n in 0..60 {
            seed.extend([flags(n), 0, n, n, 200, 30, 0x48, step(n)]);
        }
        seed
    };
    vec![
        stream(|_| 0, |_| 20),
        stream(|n| if n % 7 == 0 { 2 } else { 0 }, |n| n % 40),
        stream(|n| n.wrapping_mul(37), |n| n.wrapping_mul(91)),
        stream(|n| 0x40 | n & 3, |n| if n % 10 == 0 { 255 } else { 5 }),
    ]
}

fn media() -> Vec<Vec<u8>> {
    let record = |step: u8, bytes: &[u8]| [&[step, bytes.len() as u8], bytes].concat();
    let g711: Vec<u8> =
        (0..20).flat_map(|n| record(0x80 | 20, &[&[2, n][..], &[0x55 ^ n; 160]].concat())).collect();
    let opus: Vec<u8> =
        (0..20).flat_map(|n| record(0x80 | 20, &[0, 1, 0x48, n, 0x33, n ^ 0x5a, 7])).collect();
    let events: Vec<u8> =
        (0..6).flat_map(|n| record(0x80 | 20, &[4, 1, 5, n & 4, 0, 160 * (n & 1)])).collect();
    // A receiver's report about our source, a sender's, a goodbye (RFC 3550 section 6.4).
    let report = [&[0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 7, 64][..], &[0; 19]].concat();
    let sender = [&[0x80, 200, 0, 6, 0, 0, 0, 9][..], &[1; 20]].concat();
    let goodbye = [0x81, 203, 0, 1, 0, 0, 0, 9];
    let rtcp = [record(20, &report), record(20, &sender), record(20, &goodbye)].concat();
    let raw = record(
        20,
        &[&[0x90, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0][..], &[0x55; 80]]
            .concat(),
    );
    vec![g711, opus, events, rtcp, raw]
}

fn messages() -> Vec<Vec<u8>> {
    let with = |tag: u8, body: &[u8]| [&[tag, body.len() as u8], body, b"\x52\x02c1"].concat();
    let offer = [b"\x0a\x03v=0\x12\x0d".as_slice(), NUMBER].concat();
    let in_call = [b"\x0a\x0d".as_slice(), NUMBER].concat();
    let mut all = vec![
        with(0x0a, &offer),
        with(0x12, b"\x0a\x03v=0"),
        with(0x1a, b""),
        with(0x22, b""),
        with(0x2a, b""),
        with(0x32, &in_call),
        with(0x4a, b"\x0a\x00"),
    ];
    all.extend((0..5).map(|code| with(0x3a, &[8, code])));
    all
}

/// Each message alone, and a call of several.
fn session() -> Vec<Vec<u8>> {
    let record = |between: u8, message: &[u8]| [&[between, message.len() as u8], message].concat();
    let all = messages();
    let call = [(0, 0), (3, 2), (4, 1), (5, 0), (7, 5), (0, 3)];
    let call: Vec<u8> = call.iter().flat_map(|(between, which)| record(*between, &all[*which])).collect();
    let mut seeds: Vec<Vec<u8>> = (0..12).map(|which| [&[which], call.as_slice()].concat()).collect();
    let every: Vec<u8> = all.iter().flat_map(|message| record(6, message)).collect();
    seeds.push([&[1], every.as_slice()].concat());
    seeds
}

fn panel() -> Vec<Vec<u8>> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let post = |method: &str, path: &str, body: &str| {
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-CSRF-Token: {{csrf}}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    let paths = [
        "/",
        "/metrics",
        "/healthz",
        "/api/session",
        "/api/status",
        "/api/board",
        "/api/calls",
        "/api/config",
        "/api/events?since=1&kind=call",
        "/api/events.csv",
        "/api/events.jsonl",
        "/api/openapi.json",
    ];
    let mut all: Vec<Vec<u8>> = paths.iter().map(|path| get(path)).collect();
    all.extend([
        post("POST", "/api/act", r#"{"action":"answer"}"#),
        post("POST", "/api/act", r#"{"action":"open-door"}"#),
        post("POST", "/api/login", r#"{"password":"x"}"#),
        post("POST", "/api/logout", ""),
        post("POST", "/api/restart", ""),
        post("POST", "/api/buttons/call/press", r#"{"for_ms":100}"#),
        post("POST", "/api/buttons/call/release", ""),
        post("POST", "/api/config/check", r#"{"text":"[board]\nfile = \"fuzzed\"\n"}"#),
        b"PUT /api/config HTTP/1.1\r\nHost: localhost\r\nX-CSRF-Token: {csrf}\r\nTransfer-Encoding: chunked\r\n\
          Content-Type: application/json\r\n\r\n2e\r\n{\"revision\":\"{revision}\",\"text\":\"[log]\\nlevel=1\"}\r\n0\r\n\r\n"
            .to_vec(),
        b"GET /api/status HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n".to_vec(),
    ]);
    all
}

fn sdp(root: &Path) -> Vec<Vec<u8>> {
    let browser = fs::read_to_string(root.join("../support/browser_offer.sdp")).unwrap();
    let audio = browser.split("m=video").next().unwrap_or_default().to_owned();
    vec![
        browser.replace('\n', "\r\n").into_bytes(),
        audio.replace("sendrecv", "inactive").replace("111 110 0 8 126", "8 0 101").into_bytes(),
        audio
            .replace("a=setup:actpass", "a=setup:active\na=ice-lite\na=ptime:20\na=maxptime:40")
            .into_bytes(),
        fs::read(root.join("src/answer.sdp")).unwrap(),
    ]
}

/// A tenth of a second in several codings.
fn sound() -> Vec<Vec<u8>> {
    let wav = |format: u16, channels: u16, rate: u32, bits: u16, data: Vec<u8>| {
        let block = channels * bits / 8;
        let mut file = b"RIFF".to_vec();
        file.extend((36 + data.len() as u32).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0");
        file.extend(format.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend((rate * u32::from(block)).to_le_bytes());
        file.extend(block.to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    };
    vec![
        wav(1, 1, 48_000, 16, vec![3; 480]),
        wav(1, 2, 44_100, 24, vec![5; 600]),
        wav(1, 1, 8_000, 8, vec![130; 200]),
        wav(3, 1, 16_000, 32, 0.25_f32.to_le_bytes().repeat(100)),
        wav(1, 2, 48_000, 32, vec![1; 800]),
    ]
}
