//! Both ends of our own token exchange could share a mistake. Here the tokens
//! come from a server by other hands (npm `oidc-provider`), live for five
//! seconds, and the core ends each stream with its token: the box must be
//! back at once, ten times, with nobody's help.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod session_support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callbox::appliance::Appliance;
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{Command, MediaCommand};
use callbox::appliance::door::settings::DoorSettings;
use callbox::appliance::event::{CloseReason, Event, MediaEvent};
use callbox::appliance::id::RequestId;
use callbox::appliance::input::HookSettings;
use callbox::appliance::settings::{
    BackoffSettings, CallSettings, IncomingSettings, Mode, SessionSettings, Settings,
};
use callbox::appliance::status::{CallStatus, SessionStatus};
use callbox::pipe::proto::{Answer, WebTerminalMessage, web_terminal_message::Message as Wire};
use callbox::pipe::{AuthSettings, PipeSettings, SecretSource};
use callbox::sim::server::{Server, ServerSettings};
use callbox::sim::token::{TokenPolicy, Tokens};
use session_support::{PATIENCE, Session, plain};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

const CLIENT: &str = "door 7";
/// Printable ASCII (RFC 6749 appendix A.2), with what HTTP Basic carries only in form encoding.
const SECRET: &str = "se:cr+et %&=";
const SCOPE: &str = "call.control.answer_and_initiate";
const LIFE: u64 = 5;

struct TokenServer {
    url: String,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

async fn next_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<serde_json::Value> {
    let line = lines.next_line().await.unwrap()?;
    Some(serde_json::from_str(&line).unwrap())
}

async fn token_server() -> TokenServer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/token-server");
    assert!(
        folder.join("node_modules/oidc-provider").is_dir(),
        "the token server is not installed: run `make setup` (it runs `npm ci` in {})",
        folder.display()
    );
    let mut process = tokio::process::Command::new("node")
        .current_dir(folder)
        .args(["server.mjs", CLIENT, SECRET, SCOPE, &LIFE.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("node does not start: run `make setup`");
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let first = timeout(PATIENCE, next_line(&mut lines)).await.expect("node is silent").unwrap();
    let url = first["url"].as_str().unwrap().to_owned();
    TokenServer { url, lines, _process: process }
}

/// Teaches the core the tokens of the foreign server, and counts them.
fn learn(mut lines: Lines<BufReader<ChildStdout>>, tokens: Arc<Tokens>) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut count = 0;
        while let Some(told) = next_line(&mut lines).await {
            let token = told["token"].as_str().unwrap_or_else(|| panic!("refused: {told}"));
            assert_eq!((&told["scope"], &told["life"]), (&SCOPE.into(), &LIFE.into()));
            tokens.learn(token.to_owned(), Instant::now() + Duration::from_secs(LIFE));
            count += 1;
        }
        count
    })
}

fn settings(core: &Server, token_url: &str, secret: &'static str) -> PipeSettings {
    let auth = AuthSettings::ClientCredentials {
        token_url: token_url.to_owned(),
        client_id: CLIENT.to_owned(),
        secret: SecretSource::given(secret.into()),
        scope: SCOPE.to_owned(),
        ca_file: None,
    };
    PipeSettings { auth, ..plain(core.endpoint()) }
}

type Seen = (SessionStatus, CallStatus);

/// The whole of the box that keeps a session: the appliance decides, the
/// session shell obeys, media is said to work. Calls once if `number` is
/// given. Runs until the test drops it.
async fn keep_registered(settings: PipeSettings, number: Option<&str>, status: watch::Sender<Seen>) {
    let mut number = number;
    let Session { commands, mut events, .. } = Session::start(settings);
    let mut random = SplitMix(7);
    let mut appliance = Appliance::new(no_lines(), Box::new(move || random.next()), Instant::now());
    loop {
        while let Some(command) = appliance.poll_command() {
            let (peer, event) = match command {
                Command::Session(command) => {
                    commands.send(command).await.unwrap();
                    continue;
                }
                Command::Media { peer, command: MediaCommand::Prepare } => {
                    (peer, MediaEvent::Prepared { sdp: "v=0".to_owned() })
                }
                Command::Media { peer, command: MediaCommand::Start { .. } } => {
                    (peer, MediaEvent::Connected { codec: "opus".to_owned() })
                }
                Command::Media { peer, command: MediaCommand::Close } => (peer, MediaEvent::Closed),
                _ => continue,
            };
            appliance.handle_event(Event::Media { peer, event }, Instant::now());
        }
        let now = appliance.status();
        status.send_replace((now.session, now.call));
        if now.session == SessionStatus::Registered
            && let Some(number) = number.take()
        {
            let action = Action::Call { to: vec![number.to_owned()], ring: Ring::InOrder };
            appliance.handle_event(Event::Control { request: RequestId(1), action }, Instant::now());
            continue;
        }
        let due = appliance.poll_timeout().map(|(at, _)| tokio::time::Instant::from_std(at));
        tokio::select! {
            event = events.recv() => appliance.handle_event(Event::Session(event.unwrap()), Instant::now()),
            () = sleep_until(due.unwrap()) => appliance.handle_timeout(Instant::now()),
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn no_lines() -> Settings {
    Settings {
        mode: Mode::Pipe,
        contacts: BTreeMap::new(),
        buttons: BTreeMap::new(),
        leds: BTreeMap::new(),
        inputs: BTreeMap::new(),
        hook: HookSettings::default(),
        outputs: BTreeMap::new(),
        door: DoorSettings::default(),
        incoming: IncomingSettings::default(),
        call: CallSettings::default(),
        backoff: BackoffSettings::default(),
        session: SessionSettings::default(),
    }
}

#[tokio::test]
async fn a_session_outlives_ten_expiries_of_a_foreign_servers_tokens() {
    let server = token_server().await;
    let policy = TokenPolicy { close_expired: true, ..TokenPolicy::default() };
    let core_settings = ServerSettings { tls: false, token: policy, ..ServerSettings::default() };
    let mut core = Server::start(core_settings).await.unwrap();
    let settings = settings(&core, &server.url, SECRET);
    let learning = learn(server.lines, core.tokens().clone());

    let begin = Instant::now();
    let (status, mut session) = watch::channel((SessionStatus::Offline, CallStatus::Idle));
    let keeping = tokio::spawn(keep_registered(settings, None, status));
    let mut shown = BTreeSet::new();
    // Held, since dropping one ends its stream.
    let mut open = Vec::new();
    while shown.len() < 11 {
        // Each stream ends with its token; the next one must not be far behind.
        let terminal = timeout(Duration::from_secs(3 * LIFE), core.accept()).await;
        let terminal = terminal.expect("the box did not come back").unwrap();
        assert!(shown.insert(terminal.token.clone().unwrap()), "an old token was shown again");
        let registered = session.wait_for(|(session, _)| *session == SessionStatus::Registered);
        timeout(PATIENCE, registered).await.unwrap().unwrap();
        open.push(terminal);
    }
    // Ten tokens ended while their streams were open.
    let elapsed = begin.elapsed();
    assert!(elapsed >= Duration::from_secs(LIFE + 9 * (LIFE - 1) - 2), "too fast: {elapsed:?}");
    keeping.abort();
    drop(server._process);
    let issued = timeout(PATIENCE, learning).await.unwrap().unwrap();
    let expected = elapsed.as_secs() / (LIFE - 1) + 2;
    assert!(issued as u64 <= expected, "{issued} tokens in {elapsed:?}, expected {expected}");
}

#[tokio::test]
async fn a_call_does_not_notice_that_its_sessions_tokens_end() {
    let server = token_server().await;
    let policy = TokenPolicy { close_expired: true, ..TokenPolicy::default() };
    let core_settings = ServerSettings { tls: false, token: policy, ..ServerSettings::default() };
    let mut core = Server::start(core_settings).await.unwrap();
    let settings = settings(&core, &server.url, SECRET);
    let learning = learn(server.lines, core.tokens().clone());
    let (status, mut seen) = watch::channel((SessionStatus::Offline, CallStatus::Idle));
    let keeping = tokio::spawn(keep_registered(settings, Some("+4700000001"), status));

    let mut terminal = timeout(PATIENCE, core.accept()).await.unwrap().unwrap();
    let offer = timeout(PATIENCE, terminal.inbound.recv()).await.unwrap().unwrap();
    assert!(matches!(offer.message, Some(Wire::Offer(_))), "{offer:?}");
    let answer = Wire::Answer(Answer { sdp: "v=0".to_owned() });
    let answer = WebTerminalMessage { call_id: offer.call_id, message: Some(answer) };
    terminal.outbound.send(Ok(answer)).await.unwrap();
    let in_call = seen.wait_for(|(_, call)| *call == CallStatus::InCall);
    timeout(PATIENCE, in_call).await.unwrap().unwrap();
    for expiry in 0..3 {
        // The core ends the stream with UNAUTHENTICATED; the box is back with another token.
        let token = terminal.token.take();
        let next = timeout(Duration::from_secs(3 * LIFE), core.accept()).await.expect("not back").unwrap();
        assert_ne!(next.token, token, "expiry {expiry}");
        assert!(
            timeout(PATIENCE, terminal.inbound.recv()).await.unwrap().is_none(),
            "expiry {expiry}: a word more"
        );
        terminal = next;
        let registered = seen.wait_for(|(session, call)| {
            assert_eq!(*call, CallStatus::InCall, "expiry {expiry}");
            *session == SessionStatus::Registered
        });
        timeout(PATIENCE, registered).await.unwrap().unwrap();
    }
    assert!(terminal.inbound.try_recv().is_err(), "the box said something of its call");
    keeping.abort();
    drop(server._process);
    timeout(PATIENCE, learning).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_foreign_server_refuses_a_wrong_secret() {
    let server = token_server().await;
    let core_settings = ServerSettings { tls: false, ..ServerSettings::default() };
    let core = Server::start(core_settings).await.unwrap();
    let mut session = Session::start(settings(&core, &server.url, "wrong"));
    session.connect().await;
    let detail = session.closed_for(CloseReason::TokenRefused).await;
    assert!(detail.contains("invalid_client") && !detail.contains("wrong"), "{detail}");
}
