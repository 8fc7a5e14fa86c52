//! What build.rs makes of proto/: the messages, the client and the server.

#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

include!(concat!(env!("OUT_DIR"), "/proto.rs"));

pub use wgtwo::common::v0::PhoneNumber;
pub use wgtwo::webterminal::v0::*;
