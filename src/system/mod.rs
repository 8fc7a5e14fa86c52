//! The machine around the appliance: event log, signals, network addresses, clock.

pub mod addresses;
pub mod clock;
pub mod event_log;
pub mod logging;
pub mod signals;
