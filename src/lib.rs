//! callbox: firmware for a door intercom, a push-to-call box or a headless
//! field device. See ARCHITECTURE.md for the map.

pub mod appliance;
pub mod config;

#[cfg(feature = "firmware")]
pub mod audio;
#[cfg(feature = "firmware")]
pub mod boot;
#[cfg(feature = "firmware")]
pub mod cli;
#[cfg(feature = "firmware")]
pub mod control;
#[cfg(feature = "sim")]
pub mod demo;
#[cfg(feature = "firmware")]
pub mod driver;
#[cfg(feature = "firmware")]
pub mod gpio;
#[cfg(feature = "firmware")]
pub mod handle;
#[cfg(feature = "firmware")]
pub mod media;
#[cfg(feature = "firmware")]
pub mod mqtt;
#[cfg(feature = "panel")]
pub mod panel;
#[cfg(feature = "firmware")]
pub mod pipe;
#[cfg(feature = "firmware")]
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "firmware")]
pub mod system;
#[cfg(feature = "firmware")]
pub mod telemetry;
#[cfg(feature = "firmware")]
pub mod webhook;
