//! The control socket: one JSON object a line, both ways, over a Unix socket.

pub mod client;
pub mod path;
pub mod protocol;
pub mod server;
