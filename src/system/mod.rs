//! The machine around the appliance: event log, signals, network addresses, clock, service manager, what
//! outlives a restart.

pub mod addresses;
pub mod clock;
pub mod event_log;
pub mod logging;
pub mod machine;
pub mod notify;
pub mod pulse;
pub mod signals;
pub mod state_store;
pub mod threads;
pub mod update;
