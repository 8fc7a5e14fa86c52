//! What an audio section says of the packets that its owner wants.

use rtc::sdp::MediaDescription;

use super::value;
use crate::media::codec::limits::Wishes;

/// Reads them; `payload_type` is that of the codec in use. What is no number says nothing.
pub(super) fn read(section: &MediaDescription, payload_type: Option<u8>) -> Wishes {
    // Some write 22.5.
    let millis = |key: &str| {
        let said = value(section, key)?.parse::<f32>().ok()?;
        (1.0..=1000.0).contains(&said).then_some(said as u32)
    };
    let formats: Vec<&str> = section
        .attributes
        .iter()
        .filter(|attribute| attribute.key == "fmtp")
        .filter_map(|attribute| attribute.value.as_deref()?.trim().split_once(' '))
        .filter(|(number, _)| number.parse().ok() == payload_type && payload_type.is_some())
        .flat_map(|(_, parameters)| parameters.split(';'))
        .collect();
    let parameter = |name: &str| {
        formats
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.trim().parse::<u32>().ok())
    };
    Wishes {
        packet: millis("ptime"),
        longest_packet: millis("maxptime"),
        shortest_packet: parameter("minptime"),
        bitrate: parameter("maxaveragebitrate"),
        without_fec: parameter("useinbandfec") == Some(0),
        dtx: parameter("usedtx") == Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sdp::parse;

    fn wishes(lines: &str, payload_type: u8) -> Wishes {
        let sdp = format!(
            "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\n{lines}"
        );
        read(&parse(&sdp).unwrap().media_descriptions[0], Some(payload_type))
    }

    #[test]
    fn packet_times_and_the_parameters_of_the_codec_in_use_are_read() {
        let lines = "a=ptime:20\r\na=maxptime: 60 \r\n\
                     a=fmtp:111 minptime=10; UseInbandFEC=0;maxaveragebitrate=20000;usedtx=1\r\n";
        let opus = Wishes {
            packet: Some(20),
            longest_packet: Some(60),
            shortest_packet: Some(10),
            bitrate: Some(20_000),
            without_fec: true,
            dtx: true,
        };
        assert_eq!(wishes(lines, 111), opus);
        let pcmu = Wishes { packet: Some(20), longest_packet: Some(60), ..Wishes::default() };
        assert_eq!(wishes(lines, 0), pcmu);
    }

    #[test]
    fn nonsense_says_nothing() {
        for lines in [
            "",
            "a=ptime\r\na=maxptime:\r\n",
            "a=ptime:NaN\r\na=maxptime:-20\r\n",
            "a=ptime:0\r\na=maxptime:1e30\r\n",
            "a=fmtp:111\r\n",
            "a=fmtp:111 minptime;useinbandfec=;usedtx=yes;maxaveragebitrate=99999999999\r\n",
        ] {
            assert_eq!(wishes(lines, 111), Wishes::default(), "{lines}");
        }
    }
}
