//! The signature of the Standard Webhooks specification, version 1.0.0:
//! `webhook-signature: v1,BASE64`, the HMAC-SHA256 (RFC 2104) of
//! `ID.TIMESTAMP.BODY`, where ID and TIMESTAMP (seconds since 1970) are the
//! headers `webhook-id` and `webhook-timestamp`. A receiver refuses what is
//! older than a few minutes, so a recorded request is of no use, and knows by
//! the id what it has had already.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::header::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The headers' names.
pub(super) const ID: HeaderName = HeaderName::from_static("webhook-id");
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// A secret that begins so goes on with its bytes in base64; any other is its own bytes.
const ENCODED: &str = "whsec_";

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret begins with {ENCODED}, but what follows is not base64")]
pub(super) struct BadSecret;

/// The value of the header `webhook-signature`.
pub(super) fn sign(
    secret: &SecretString,
    id: &str,
    timestamp: u64,
    body: &[u8],
) -> Result<String, BadSecret> {
    let secret = secret.expose_secret();
    let key = match secret.strip_prefix(ENCODED) {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| BadSecret)?,
        None => secret.as_bytes().to_vec(),
    };
    // Keys of any length will do, so this does not fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| BadSecret)?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_example_of_the_specification() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_plain_secret_is_its_own_bytes() {
        let signed = |secret: &str| sign(&SecretString::from(secret), "id", 1, b"body").unwrap();
        assert_eq!(signed("whsec_SmVmZQ=="), signed("Jefe"));
        assert_ne!(signed("Jefe"), signed("jefe"));
        assert_eq!(sign(&SecretString::from("whsec_*"), "id", 1, b""), Err(BadSecret));
    }
}
