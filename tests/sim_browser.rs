//! A foreign WebRTC stack: headless Chromium shows the simulated core's page
//! and is the far end. Two ends made by the same hands may share the same
//! mistake; Chromium does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod sim_support;

use std::f64::consts::TAU;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use callbox::appliance::command::MediaCommand;
use callbox::media::Codec;
use callbox::pipe::proto::web_terminal_message::Message;
use callbox::pipe::proto::{Answer, Ringing};
use callbox::sim::{PageReport, Script, Seen, SimCore, SimEvent, SimSettings};
use sim_support::sound::{Near, share_of, tone};
use sim_support::{CALL, Client, kind, sdp, wait_for};
use tokio::sync::broadcast::Receiver;

const NUMBER: &str = "+4722222222";

/// What Chromium's microphone hears.
const MICROPHONE_HZ: f64 = 600.0;

/// What the box says.
const BOX_HZ: f64 = 1000.0;

/// A browser with a page open; killed at the end of its test.
struct Chromium {
    process: Child,
    _profile: tempfile::TempDir,
}

impl Chromium {
    fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let microphone = profile.path().join("microphone.wav");
        write_microphone(&microphone);
        let process = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"])
            .args(["--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"])
            .arg(format!("--use-file-for-fake-audio-capture={}", microphone.display()))
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("chromium: {error}; `make setup` installs it"));
        Self { process, _profile: profile }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The whole group: its children would go on writing into the profile.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

fn write_microphone(file: &Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(file, spec).unwrap();
    // Whole periods, because Chromium plays it again and again.
    for i in 0..48_000 {
        let sample = 8192.0 * (TAU * MICROPHONE_HZ * f64::from(i) / 48_000.0).sin();
        writer.write_sample(sample as i16).unwrap();
    }
    writer.finalize().unwrap();
}

fn settings() -> SimSettings {
    let script = Script::parse("[default-phone]\nmedia = 'browser'", "script").unwrap();
    let mut settings = SimSettings::plain(script);
    settings.browser = Some(([127, 0, 0, 1], 0).into());
    settings
}

/// A core with its page open in a browser.
async fn page(query: &str) -> (SimCore, Receiver<Seen>, Chromium) {
    let core = SimCore::start(settings()).await.unwrap();
    let mut events = core.events();
    let url = format!("{}?processing=off{query}", core.browser_url().unwrap());
    let chromium = Chromium::open(&url);
    wait_for(&mut events, "the page", |e| (*e == SimEvent::PageOpened).then_some(())).await;
    (core, events, chromium)
}

struct Rig {
    core: SimCore,
    events: Receiver<Seen>,
    client: Client,
    near: Near,
    _chromium: Chromium,
}

impl Rig {
    /// A page that answers by itself, and a box with any codec.
    async fn new(query: &str, codecs: &[Codec]) -> Self {
        let (core, events, chromium) = page(query).await;
        let client = Client::registered(&core).await;
        let near = Near::new(codecs, tone(BOX_HZ));
        Self { core, events, client, near, _chromium: chromium }
    }

    /// The box calls the page.
    async fn call(&mut self) -> String {
        let offer = self.near.prepared().await;
        self.client.offer(CALL, NUMBER, &offer).await;
        assert_eq!(kind(&self.client.next().await), "ringing");
        let answer = self.client.next().await;
        self.near.tell(MediaCommand::Start { sdp: sdp(&answer).to_owned() }).await;
        self.near.connected().await
    }

    /// The page calls the box.
    async fn called(&mut self) -> String {
        let id = self.core.handle().call_box(NUMBER).await.unwrap();
        let offer = self.client.next().await;
        self.near.tell(MediaCommand::Check { sdp: sdp(&offer).to_owned() }).await;
        self.client.send(&id, Message::Ringing(Ringing {})).await;
        self.near.tell(MediaCommand::Answer).await;
        let answer = self.near.answer().await;
        self.client.send(&id, Message::Answer(Answer { sdp: answer })).await;
        self.near.connected().await
    }

    /// Both hear the other's tone, in this codec.
    async fn both_hear(&mut self, codec: &str) {
        let mime = format!("audio/{codec}");
        let hears = |report: &PageReport| {
            report.state == "connected"
                && report.codec.eq_ignore_ascii_case(&mime)
                && (report.hz - BOX_HZ).abs() < 5.0
                && (-25.0..-5.0).contains(&report.level_db)
        };
        wait_for(&mut self.events, "the box's tone in the browser", |event| match event {
            SimEvent::Page(report) => hears(report).then_some(()),
            _ => None,
        })
        .await;
        self.near.listen_until("the browser's tone", |heard| share_of(MICROPHONE_HZ, heard) > 0.9).await;
    }

    async fn end(mut self) {
        self.client.bye(CALL).await;
        wait_for(&mut self.events, "the page at rest", |event| match event {
            SimEvent::Page(report) => (report.state == "none").then_some(()),
            _ => None,
        })
        .await;
        self.core.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_box_calls_a_browser_in_opus() {
    let mut rig = Rig::new("&auto=answer&codec=opus", &[Codec::Opus, Codec::Pcmu]).await;
    assert!(rig.call().await.eq_ignore_ascii_case("opus"));
    rig.both_hear("opus").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_box_calls_a_browser_in_pcmu() {
    let mut rig = Rig::new("&auto=answer&codec=pcmu", &[Codec::Opus, Codec::Pcmu]).await;
    assert!(rig.call().await.eq_ignore_ascii_case("pcmu"));
    rig.both_hear("pcmu").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_calls_the_box_in_opus() {
    let mut rig = Rig::new("&codec=opus", &[Codec::Opus, Codec::Pcmu]).await;
    assert!(rig.called().await.eq_ignore_ascii_case("opus"));
    rig.both_hear("opus").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_calls_the_box_in_pcmu() {
    let mut rig = Rig::new("&codec=pcmu", &[Codec::Opus, Codec::Pcmu]).await;
    assert!(rig.called().await.eq_ignore_ascii_case("pcmu"));
    rig.both_hear("pcmu").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digits_pressed_in_the_browser_arrive() {
    let mut rig = Rig::new("&auto=answer", &[Codec::Opus, Codec::Pcmu]).await;
    rig.call().await;
    rig.both_hear("opus").await;
    rig.core.handle().digits("17#").await.unwrap();
    for wanted in ['1', '7', '#'] {
        assert_eq!(rig.near.digit().await, wanted);
    }
    rig.end().await;
}

/// The page alone, with no sound of this project between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_browsers_hear_each_other() {
    let (calling, mut calling_events, _first) = page("").await;
    let (called, mut called_events, _second) = page("&auto=answer").await;
    let (mut from, mut to) = (Client::registered(&calling).await, Client::registered(&called).await);
    let id = calling.handle().call_box(NUMBER).await.unwrap();
    to.offer(CALL, NUMBER, sdp(&from.next().await)).await;
    assert_eq!(kind(&to.next().await), "ringing");
    let answer = to.next().await;
    from.send(&id, Message::Answer(Answer { sdp: sdp(&answer).to_owned() })).await;
    for events in [&mut calling_events, &mut called_events] {
        wait_for(events, "the other's tone", |event| match event {
            SimEvent::Page(report) => ((report.hz - MICROPHONE_HZ).abs() < 5.0
                && report.level_db > -30.0
                && report.state == "connected")
                .then_some(()),
            _ => None,
        })
        .await;
    }
}

/// What may talk to the page's server is the page alone.
#[tokio::test]
async fn other_origins_are_refused() {
    let core = SimCore::start(settings()).await.unwrap();
    let url = core.browser_url().unwrap();
    let page = reqwest::get(&url).await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let own = url.trim_end_matches('/');
    let host = own.trim_start_matches("http://");
    for (origin, host, status) in [
        (Some("http://other.example"), host, 403),
        // A name of theirs that leads to this machine.
        (Some("http://other.example"), "other.example", 403),
        (None, host, 403),
        (Some(own), host, 101),
    ] {
        let mut request = reqwest::Client::new()
            .get(format!("{url}signalling"))
            .header("host", host)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{origin:?} {host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_page_the_call_is_refused() {
    let core = SimCore::start(settings()).await.unwrap();
    let mut client = Client::registered(&core).await;
    client.offer(CALL, NUMBER, "near").await;
    assert_eq!(kind(&client.next().await), "bye");
}
