//! Names that cross every boundary of the program.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$meta:meta])* $type:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A button's name from the board file, such as `call`.
    ButtonName
);
name!(
    /// A lamp's name from the board file, such as `status`.
    LedName
);
name!(
    /// A switched output's name from the board file, such as `strike`.
    OutputName
);
name!(
    /// An input's name from the board file, such as `tamper`.
    InputName
);
name!(
    /// The `call_id` of the wire contract: a UUID in text form, or empty where
    /// the voice core left it out (`Pipe` may).
    CallId
);

/// A telephone number in E.164 form with its leading `+` (ITU-T E.164: at most 15 digits).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// Why a text is not an E.164 number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a phone number: write + and 2 to 15 digits, such as +4722222222")]
pub struct NotAPhoneNumber {
    /// The text that was refused.
    pub text: String,
}

impl PhoneNumber {
    /// Reads `+` and 2 to 15 digits, the first not zero.
    ///
    /// # Errors
    /// [`NotAPhoneNumber`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotAPhoneNumber> {
        let refused = || NotAPhoneNumber { text: text.to_owned() };
        let digits = text.strip_prefix('+').ok_or_else(refused)?;
        let valid = (2..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if valid { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }

    /// The number with its leading `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = NotAPhoneNumber;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One peer connection of the media module. Never reused in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PeerId(pub u64);

/// The box's own name of a call. Never reused: the ids of the voice core may be
/// empty, and one call may have several peer connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct CallRef(pub u32);

/// One request over the control socket or the panel that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e164_numbers_are_read_and_others_refused() {
        assert!(PhoneNumber::parse("+4722222222").is_ok());
        for wrong in ["", "+", "4722222222", "+0123", "+47 222", "+1234567890123456", "+47a"] {
            assert!(PhoneNumber::parse(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn a_number_is_written_as_it_was_read() {
        let number = PhoneNumber::parse("+4722222222").unwrap();
        assert_eq!((number.as_str(), number.to_string().as_str()), ("+4722222222", "+4722222222"));
        assert_eq!(String::from(number.clone()), "+4722222222");
        assert_eq!(PhoneNumber::try_from("+4722222222".to_owned()), Ok(number));
    }
}
