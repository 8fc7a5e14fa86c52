//! A simulated core in this process, which can be told what to do, and a box on it.

use std::time::{Duration, Instant};

use callbox::sim::{Script, Seen, SimCore, SimEvent, SimHandle, SimSettings};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use crate::support::appliance::{Appliance, Config};
use crate::support::core::{CLIENT_ID, CLIENT_SECRET};

/// Longer than anything takes that comes at all.
pub const LONG: Duration = Duration::from_secs(60);

/// A far end that was hung up on has its recording on the disk after this.
pub const RECORDED: Duration = Duration::from_secs(1);

/// A whole call. The next press is none while the finger of the one before is on the button.
pub fn takes_a_call(appliance: &mut Appliance) {
    appliance.takes_a_call();
    std::thread::sleep(Duration::from_millis(300));
}

/// Both of them.
pub struct Scene {
    pub core: SimCore,
    pub appliance: Appliance,
    seen: Receiver<Seen>,
    _folder: TempDir,
}

/// A core that asks for a token over TLS.
pub async fn core(script: &str) -> SimCore {
    let mut settings =
        SimSettings { script: Script::parse(script, "script").unwrap(), ..SimSettings::default() };
    settings.server.token.client_id = CLIENT_ID.to_owned();
    settings.server.token.client_secret = CLIENT_SECRET.to_owned();
    SimCore::start(settings).await.unwrap()
}

/// A box for that core; the folder holds what it trusts.
pub fn config(core: &SimCore, folder: &TempDir) -> Config {
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, core.ca_pem()).unwrap();
    Config {
        endpoint: core.endpoint(),
        ca_file: Some(ca),
        token_url: Some(core.token_url()),
        answer: "ring",
        audio: ("synth:tone=440".to_owned(), "synth:silence".to_owned()),
        // As a box on a wall has it.
        backoff: ("1s", "60s"),
        ..Config::bare()
    }
}

impl Scene {
    /// Starts both; `change` adapts the box's configuration.
    pub async fn start(
        script: &str,
        environment: &[(&str, String)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        Self::start_inside(script, environment, &[], change).await
    }

    /// The same with a box that is started by a command such as `setpriv`.
    pub async fn start_inside(
        script: &str,
        environment: &[(&str, String)],
        inside: &[String],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let core = core(script).await;
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&core, &folder);
        change(&mut config);
        let seen = core.events();
        let mut appliance = Appliance::start_inside(&config, environment, inside);
        appliance.wait_ready();
        Self { core, appliance, seen, _folder: folder }
    }

    pub fn handle(&self) -> SimHandle {
        self.core.handle()
    }

    /// From now on only what happens from now on is seen.
    pub fn look_away(&mut self) {
        self.seen = self.core.events();
    }

    /// The next event that is wanted, and when it was.
    pub async fn sees(&mut self, what: &str, wanted: impl Fn(&SimEvent) -> bool) -> (Instant, SimEvent) {
        let found = async {
            loop {
                let seen = self.seen.recv().await.unwrap();
                if wanted(&seen.what) {
                    return (seen.at, seen.what);
                }
            }
        };
        timeout(LONG, found).await.unwrap_or_else(|_| panic!("the core saw no {what}"))
    }

    /// Press, answer, and the far end hears.
    pub async fn talk(&mut self) {
        self.look_away();
        self.appliance.must(&["press", "call", "--for", "100"]);
        self.appliance.wait_call("in-call");
        self.sees("first audio", |event| matches!(event, SimEvent::FirstAudio { .. })).await;
    }
}
