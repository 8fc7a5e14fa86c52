//! Which of the far end's ICE candidates the box can use.

use std::net::IpAddr;

use rtc::sdp::{MediaDescription, SessionDescription};

/// More candidates than these are not looked at: each costs checks to every
/// local address.
const MOST: usize = 32;

/// The values of the `candidate` attributes that name UDP, RTP's component
/// and an IP address. The library refuses a whole description for one
/// candidate that it cannot read, and resolves no names.
pub(super) fn usable(session: &SessionDescription, section: &MediaDescription) -> Vec<String> {
    let attributes = section.attributes.iter().chain(&session.attributes);
    attributes
        .filter(|attribute| attribute.key == "candidate")
        .filter_map(|attribute| attribute.value.as_deref())
        .map(str::trim)
        .filter(|candidate| is_usable(candidate))
        .take(MOST)
        .map(ToOwned::to_owned)
        .collect()
}

fn is_usable(candidate: &str) -> bool {
    let mut words = candidate.split_whitespace();
    let [Some(_foundation), Some("1"), Some(transport), Some(_priority), Some(address), Some(port)] =
        std::array::from_fn(|_| words.next())
    else {
        return false;
    };
    transport.eq_ignore_ascii_case("udp")
        && address.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
        && rtc::ice::candidate::unmarshal_candidate(candidate).is_ok()
}
