//! Between the wire's messages and the appliance's.

use super::proto::{self, action, error::Code, web_terminal_message as wire};
use crate::appliance::event::{Body, ErrorCode, Message};
use crate::appliance::id::{CallId, PhoneNumber};

/// Reads a message of the core. `None` if nothing in it is known, as when a
/// later version of the contract has a new member.
pub(super) fn from_wire(message: proto::WebTerminalMessage) -> Option<Message> {
    let body = match message.message? {
        wire::Message::Offer(offer) => Body::Offer { sdp: offer.sdp, msisdn: number(offer.msisdn) },
        wire::Message::Answer(answer) => Body::Answer { sdp: answer.sdp },
        wire::Message::Ringing(proto::Ringing {}) => Body::Ringing,
        wire::Message::Bye(proto::Bye {}) => Body::Bye,
        wire::Message::Idle(proto::Idle {}) => Body::Idle,
        wire::Message::InCall(in_call) => Body::InCall { msisdn: number(in_call.msisdn) },
        wire::Message::Error(error) => Body::Error(match Code::try_from(error.err) {
            Ok(Code::NotIncall) => ErrorCode::NotInCall,
            Ok(Code::TryAgain) => ErrorCode::TryAgain,
            Ok(Code::InvalidCallId) => ErrorCode::InvalidCallId,
            Ok(Code::RateLimitHit) => ErrorCode::RateLimitHit,
            Ok(Code::Unknown) | Err(_) => ErrorCode::Unknown(error.err),
        }),
        wire::Message::Action(action) => match action.message? {
            action::Message::ToPhone(proto::ToPhone {}) => Body::ToPhone,
        },
    };
    Some(Message { call_id: CallId(message.call_id), body })
}

/// Writes a message for the core.
pub(super) fn to_wire(message: Message) -> proto::WebTerminalMessage {
    let body = match message.body {
        Body::Offer { sdp, msisdn } => {
            wire::Message::Offer(proto::Offer { sdp, msisdn: msisdn.map(wire_number) })
        }
        Body::Answer { sdp } => wire::Message::Answer(proto::Answer { sdp }),
        Body::Ringing => wire::Message::Ringing(proto::Ringing {}),
        Body::Bye => wire::Message::Bye(proto::Bye {}),
        Body::Idle => wire::Message::Idle(proto::Idle {}),
        Body::InCall { msisdn } => wire::Message::InCall(proto::InCall { msisdn: msisdn.map(wire_number) }),
        Body::Error(code) => wire::Message::Error(proto::Error {
            err: match code {
                ErrorCode::Unknown(number) => number,
                ErrorCode::NotInCall => Code::NotIncall.into(),
                ErrorCode::TryAgain => Code::TryAgain.into(),
                ErrorCode::InvalidCallId => Code::InvalidCallId.into(),
                ErrorCode::RateLimitHit => Code::RateLimitHit.into(),
            },
        }),
        Body::ToPhone => wire::Message::Action(proto::Action {
            message: Some(action::Message::ToPhone(proto::ToPhone {})),
        }),
    };
    proto::WebTerminalMessage { call_id: message.call_id.0, message: Some(body) }
}

fn number(wire: Option<proto::PhoneNumber>) -> Option<PhoneNumber> {
    wire.and_then(|number| PhoneNumber::parse(&number.e164).ok())
}

fn wire_number(number: PhoneNumber) -> proto::PhoneNumber {
    proto::PhoneNumber { e164: number.into() }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// The contract byte for byte: (message, the oneof member as it must be
    /// on the wire). Tags are `field << 3 | 2` (protobuf encoding, length-delimited).
    fn contract() -> Vec<(Body, Vec<u8>)> {
        let number = || PhoneNumber::parse("+4712").ok();
        let wire_number = b"\x0a\x05+4712";
        vec![
            (
                Body::Offer { sdp: "v=0".to_owned(), msisdn: number() },
                [b"\x0a\x0e\x0a\x03v=0\x12\x07".as_slice(), wire_number].concat(),
            ),
            (Body::Offer { sdp: "v=0".to_owned(), msisdn: None }, b"\x0a\x05\x0a\x03v=0".to_vec()),
            (Body::Answer { sdp: "v=0".to_owned() }, b"\x12\x05\x0a\x03v=0".to_vec()),
            (Body::Ringing, b"\x1a\x00".to_vec()),
            (Body::Bye, b"\x22\x00".to_vec()),
            (Body::Idle, b"\x2a\x00".to_vec()),
            (Body::InCall { msisdn: number() }, [b"\x32\x09\x0a\x07".as_slice(), wire_number].concat()),
            (Body::InCall { msisdn: None }, b"\x32\x00".to_vec()),
            (Body::Error(ErrorCode::Unknown(0)), b"\x3a\x00".to_vec()),
            (Body::Error(ErrorCode::NotInCall), b"\x3a\x02\x08\x01".to_vec()),
            (Body::Error(ErrorCode::TryAgain), b"\x3a\x02\x08\x02".to_vec()),
            (Body::Error(ErrorCode::InvalidCallId), b"\x3a\x02\x08\x03".to_vec()),
            (Body::Error(ErrorCode::RateLimitHit), b"\x3a\x02\x08\x04".to_vec()),
            (Body::Error(ErrorCode::Unknown(99)), b"\x3a\x02\x08\x63".to_vec()),
            (Body::ToPhone, b"\x4a\x02\x0a\x00".to_vec()),
        ]
    }

    #[test]
    fn every_message_is_the_contract_byte_for_byte_both_ways() {
        for (body, member) in contract() {
            let message = Message { call_id: CallId::from("id"), body };
            let bytes = [member.as_slice(), b"\x52\x02id"].concat();
            assert_eq!(to_wire(message.clone()).encode_to_vec(), bytes, "{message:?}");
            let read = proto::WebTerminalMessage::decode(bytes.as_slice()).unwrap();
            assert_eq!(from_wire(read), Some(message));
        }
    }

    #[test]
    fn what_the_contract_does_not_know_is_skipped() {
        let read = |bytes: &[u8]| from_wire(proto::WebTerminalMessage::decode(bytes).unwrap());
        // Nothing at all, only a call id, the members 8 and 11, an action without a member.
        for bytes in
            [b"".as_slice(), b"\x52\x02id", b"\x42\x00\x52\x02id", b"\x5a\x02\x0a\x00", b"\x4a\x02\x12\x00"]
        {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        // The public documentation's Idle{msisdn}, and a new field beside the oneof.
        let idle = read(b"\x2a\x09\x0a\x07\x0a\x05+4712\x7a\x01x").unwrap();
        assert_eq!(idle, Message { call_id: CallId::from(""), body: Body::Idle });
    }

    #[test]
    fn a_number_that_is_not_e164_is_left_out() {
        for text in ["", "4712", "+0", "anonymous", "+47 12"] {
            let in_call = proto::InCall { msisdn: Some(proto::PhoneNumber { e164: text.to_owned() }) };
            let message = proto::WebTerminalMessage {
                call_id: String::new(),
                message: Some(wire::Message::InCall(in_call)),
            };
            assert_eq!(from_wire(message).unwrap().body, Body::InCall { msisdn: None }, "{text:?}");
        }
    }
}
