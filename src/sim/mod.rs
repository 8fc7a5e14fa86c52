//! The simulated voice core: `Pipe` and `MultiPipe` over TLS or plaintext, a
//! token endpoint and a far end.
//!
//! [`SimCore`] is the whole; [`server`], [`token`] and [`certs`] are its
//! network side alone, for tests that write their own dialogue.

mod browser;
mod call;
pub mod certs;
pub mod cli;
mod core;
mod event;
mod far_end;
mod handle;
mod kept;
mod outbox;
mod reoffer;
pub mod script;
mod script_tables;
pub mod server;
mod session;
pub mod token;
mod voice;

pub use self::core::{SimCore, SimError, SimSettings};
pub use cli::{SimCoreArgs, run_cli};
pub use event::{PageReport, Seen, SimEvent};
pub use handle::{ActError, Change, SimHandle};
pub use script::{Script, ScriptError};
