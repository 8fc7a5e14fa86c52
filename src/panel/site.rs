//! What all requests share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::Semaphore;

use super::access::password::Hash;
use super::access::sessions::{Sessions, random_token};
use super::access::throttle::Throttle;
use super::acts::Presses;
use super::configuration::ConfigFile;
use super::front::Front;
use super::guard::Visitor;
use super::observer::Observer;
use super::{PanelSettings, Restart};
use crate::config::{Backend, Config, PanelConfig};
use crate::handle::Handle;

/// Browsers that follow the box at once.
const FOLLOWERS: usize = 16;

/// The panel's state.
pub struct Site {
    pub handle: Handle,
    pub front: Front,
    pub permissions: Permissions,
    pub door: Door,
    pub file: Option<ConfigFile>,
    pub restart: Option<Restart>,
    pub observer: Observer,
    pub presses: Presses,
    pub followers: Arc<Semaphore>,
    /// Tells one run of the process from the next.
    pub run: String,
}

/// What the configuration allows the panel.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Permissions {
    /// Pressing buttons.
    pub test: bool,
    /// Opening the door.
    pub door: bool,
    /// Reading the configuration's file is always allowed; this is changing it.
    pub config: bool,
    /// `/metrics` without a session.
    #[serde(skip)]
    pub metrics: bool,
}

/// How people come in.
pub enum Door {
    /// Without a password: only this machine reaches the panel.
    Open {
        /// Shared by all; who can read it may use the panel anyhow.
        csrf: String,
    },
    /// With one.
    Locked(Lock),
}

/// What a locked door needs.
pub struct Lock {
    pub password: Hash,
    pub sessions: Sessions,
    pub throttle: Throttle,
    /// Checking a password costs time and memory: one at a time.
    pub checking: Arc<Semaphore>,
    /// The cookie goes over TLS only.
    pub tls: bool,
}

impl Site {
    pub fn new(
        config: &Config,
        settings: PanelSettings,
        handle: Handle,
        password: Option<Hash>,
        tls: bool,
    ) -> Result<Self, prometheus::Error> {
        let permissions = permissions(&config.panel, config.backend);
        let door = match password {
            None => Door::Open { csrf: random_token() },
            Some(password) => Door::Locked(Lock {
                password,
                sessions: Sessions::default(),
                throttle: Throttle::default(),
                checking: Arc::new(Semaphore::new(1)),
                tls,
            }),
        };
        let file = |path: PathBuf| ConfigFile::new(path, config);
        Ok(Self {
            front: Front::new(config, permissions.test),
            observer: Observer::new(handle.clone(), &config.board.name, settings.call_file)?,
            handle,
            permissions,
            door,
            file: settings.config_file.map(file),
            restart: settings.restart,
            presses: Presses::default(),
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            run: random_token().chars().take(8).collect(),
        })
    }

    /// Whether a visitor who was let in still may be here.
    pub fn lets_in(&self, visitor: &Visitor) -> bool {
        match (&self.door, &visitor.token) {
            (Door::Open { .. }, _) => true,
            (Door::Locked(lock), Some(token)) => lock.sessions.find(token, Instant::now()).is_some(),
            (Door::Locked(_), None) => false,
        }
    }
}

fn permissions(panel: &PanelConfig, backend: Backend) -> Permissions {
    let mock = match backend {
        Backend::Mock => true,
        Backend::Rppal | Backend::Gpiocdev => false,
    };
    Permissions {
        test: mock || panel.allow_test,
        door: panel.allow_door,
        config: panel.allow_config,
        metrics: panel.allow_metrics,
    }
}
