//! The machine around the appliance: event log, signals, network addresses, clock, what outlives a restart.

pub mod addresses;
pub mod clock;
pub mod event_log;
pub mod logging;
pub mod signals;
pub mod state_store;
