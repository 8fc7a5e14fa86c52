//! The machine around the appliance: event log, signals, network addresses.

pub mod addresses;
pub mod event_log;
pub mod logging;
pub mod signals;
