//! What is broken now, and what that does to lamps and readiness.

use serde::Serialize;

/// A condition that somebody must know of. Raised and cleared, never both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// No connection to the voice core.
    CoreUnreachable,
    /// The voice core's name is not resolved.
    NameNotResolved,
    /// The voice core's or token server's certificate is refused.
    CertificateRefused,
    /// Client id or secret refused, or the core refuses the token.
    CredentialsRefused,
    /// The token server does not answer as it should.
    TokenUnavailable,
    /// The secret's file cannot be read, or others can read it too.
    SecretUnreadable,
    /// The voice core asks for fewer requests.
    RateLimited,
    /// The microphone's device is missing or broken.
    CaptureDevice,
    /// The loudspeaker's device is missing or broken.
    PlaybackDevice,
    /// No peer connection can be made ready.
    MediaNotReady,
    /// A button has been held for longer than anybody would.
    StuckButton,
    /// An input or output line cannot be used.
    LineLost,
}
