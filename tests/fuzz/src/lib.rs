//! The fuzz targets: one function for each door through which strangers' bytes
//! come in. The coverage-guided run (`make fuzz`) and the short one of every
//! test run (`tests/fuzz_short.rs`) call the same functions.
//!
//! A target panics where a promise is broken, not only where a reader crashes.

pub mod appliance;
pub mod board;
pub mod config;
pub mod control;
pub mod datagram;
pub mod digits;
mod feed;
pub mod jitter;
mod machine;
pub mod media;
pub mod memory;
pub mod message;
pub mod panel;
pub mod sdp;
pub mod session;
pub mod sound;
pub mod terminal;

/// Readies the process of a coverage-guided run.
///
/// libfuzzer-sys aborts at every panic. One that is caught on purpose, as that
/// of a dependency's parser, is no crash: this hook only prints, and the panic
/// ends the run where nobody catches it.
pub fn begin() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
}

/// What runs a target.
pub type Target = fn(&[u8]);

/// Every target by name, for the short run.
pub const TARGETS: [(&str, Target); 14] = [
    ("appliance", appliance::run),
    ("board", board::run),
    ("config", config::run),
    ("control", control::run),
    ("datagram", datagram::run),
    ("digits", digits::run),
    ("jitter", jitter::run),
    ("media", media::run),
    ("memory", memory::run),
    ("message", message::run),
    ("panel", panel::run),
    ("sdp", sdp::run),
    ("session", session::run),
    ("sound", sound::run),
];
