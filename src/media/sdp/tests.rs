use super::*;

const OURS: Choice<'_> = Choice::Ours(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]);

/// A session with ICE and DTLS in the first section only, as BUNDLE allows.
fn bundled(audio: &str) -> String {
    let digest = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v a\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=ice-ufrag:user\r\na=ice-pwd:password\r\n\
         a=fingerprint:sha-256 {digest}\r\na=setup:passive\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host\r\n\
         a=candidate:2 1 tcp 2122260223 192.0.2.2 9 typ host tcptype active\r\n\
         a=candidate:3 1 udp 2122260223 name.local 5001 typ host\r\n\
         a=candidate:4 2 udp 2122260222 192.0.2.1 5002 typ host\r\n\
         a=candidate:5 1 udp nonsense\r\n{audio}"
    )
}

#[test]
fn a_bundled_section_inherits_the_transport_of_the_first() {
    let audio = "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=bundle-only\r\na=mid:a\r\n";
    let remote = Remote::read(&bundled(audio), OURS).unwrap();
    assert!(remote.bundled);
    assert_eq!((remote.codec, remote.position, remote.setup), (Codec::Pcmu, 1, Setup::Passive));
    assert!(remote.reduced.contains("a=ice-ufrag:user\r\n"), "{}", remote.reduced);
    let candidates: Vec<&str> =
        remote.reduced.lines().filter(|line| line.starts_with("a=candidate:")).collect();
    assert_eq!(candidates, ["a=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host"]);
}

#[test]
fn what_an_answer_would_repeat_at_too_great_length_is_refused() {
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:a\r\n";
    let long = "96 ".repeat(11_000);
    for odd in [
        format!("m=text 9 RTP {long}\r\n"),
        format!("m=text 9 RTP 96\r\na=mid:{}\r\n", "x".repeat(33_000)),
        format!("m={} 0 RTP 96\r\n", "text"),
    ] {
        let read = Remote::read(&bundled(&format!("{audio}{odd}")), OURS);
        let refused = read.as_ref().is_err_and(|error| error.kind == MediaErrorKind::BadSdp);
        assert_eq!(refused, odd.len() > 1_000, "{:?}", read.map(|remote| remote.others.len()));
    }
}

#[test]
fn a_section_outside_the_bundle_inherits_nothing() {
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:b\r\n";
    let error = Remote::read(&bundled(audio), OURS).unwrap_err();
    assert_eq!(error.kind, MediaErrorKind::BadSdp);
}

#[test]
fn an_offer_follows_our_preference_and_an_answer_theirs() {
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 8 0 96\r\na=mid:a\r\na=rtpmap:96 OPUS/48000/2\r\n";
    let sdp = bundled(audio);
    assert_eq!(Remote::read(&sdp, OURS).unwrap().codec, Codec::Opus);
    assert_eq!(Remote::read(&sdp, OURS).unwrap().types.opus, Some(96));
    let theirs = Choice::Theirs(&[Codec::Opus, Codec::Pcmu]);
    assert_eq!(Remote::read(&sdp, theirs).unwrap().codec, Codec::Pcmu);
    let none = Choice::Ours(&[]);
    assert_eq!(Remote::read(&sdp, none).unwrap_err().kind, MediaErrorKind::NoCommonCodec);
}

#[test]
fn an_error_repeats_no_control_characters() {
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:a\r\na=rtpmap:96 \u{1b}[2Jred\u{7}\u{202e}/8000\r\n";
    let error = Remote::read(&bundled(audio), OURS).unwrap_err();
    assert_eq!(error.kind, MediaErrorKind::NoCommonCodec);
    assert_eq!(error.detail, "none of ?[2jred??/8000 is ours");
}

#[test]
fn the_sections_direction_goes_before_the_sessions() {
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:a\r\n";
    let sdp = bundled(audio);
    assert_eq!(Remote::read(&sdp, OURS).unwrap().direction, Direction::SendRecv);
    let sdp = sdp.replace("a=group", "a=sendonly\r\na=group");
    assert_eq!(Remote::read(&sdp, OURS).unwrap().direction, Direction::SendOnly);
    let sdp = format!("{sdp}a=inactive\r\n");
    let remote = Remote::read(&sdp, OURS).unwrap();
    assert_eq!(remote.direction, Direction::Inactive);
    // The library never hears of it.
    assert!(remote.reduced.contains("a=sendrecv\r\n") && !remote.reduced.contains("a=inactive"));
}

#[test]
fn the_fingerprint_that_can_be_verified_is_found_among_others() {
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:a\r\n";
    let plain = bundled(audio);
    let line = plain.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap();
    let wanted = Remote::read(&plain, OURS).unwrap().fingerprint;
    let shouted = line.replace("sha-256", "SHA-256");
    let sha1 = format!("a=fingerprint:sha-1 {}", ["CD"; 20].join(":"));
    let sha512 = format!("a=fingerprint:sha-512 {}", ["CD"; 64].join(":"));
    let in_audio = |sdp: &str| format!("{}{sha1}\r\n", sdp);
    for lines in
        [shouted.clone(), format!("{sha1}\r\n{line}\r\n{sha512}"), format!("{sha512}\r\n{shouted}\r\n{sha1}")]
    {
        let sdp = plain.replace(line, &lines);
        for sdp in [in_audio(&sdp), sdp] {
            let remote = Remote::read(&sdp, OURS).unwrap();
            assert_eq!(remote.fingerprint, wanted, "{sdp}");
            assert!(remote.reduced.contains(&format!("a=fingerprint:{wanted}\r\n")), "{}", remote.reduced);
        }
    }
    for lines in [&sha1, &sha512, &line[..line.len() - 3], &shouted.replace("AB:", "AX:")] {
        let error = Remote::read(&plain.replace(line, lines), OURS).unwrap_err();
        assert_eq!(error.kind, MediaErrorKind::BadSdp, "{lines}");
    }
}

#[test]
fn payload_types_are_translated_by_meaning() {
    let theirs = PayloadTypes { opus: Some(96), telephone_event: Some(101), ..Default::default() };
    assert_eq!(PayloadTypes::OFFERED.translate(111, &theirs), Some(96));
    assert_eq!(PayloadTypes::OFFERED.translate(126, &theirs), Some(101));
    assert_eq!(PayloadTypes::OFFERED.translate(0, &theirs), None);
    assert_eq!(PayloadTypes::OFFERED.translate(77, &theirs), None);
}
