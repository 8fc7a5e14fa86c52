//! The simulated voice core: `Pipe` and `MultiPipe` over TLS or plaintext, a
//! token endpoint and a far end.

pub mod certs;
pub mod server;
pub mod token;
