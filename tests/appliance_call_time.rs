//! How long a call may last. A telephone laid aside must not block the door
//! for the day, nor a far end that died in silence; and nobody may be cut off
//! without a warning, or because they are on hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod appliance_support;

use appliance_support::{ANSWER, Bench, FAMILY, ms, secs, settings};
use callbox::appliance::event::{Body, CloseReason, MediaEvent, SessionEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::settings::{CallSettings, Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;
use callbox::config::{BoardLoader, Config};

fn with(call: CallSettings) -> Bench {
    Bench::ready(Settings { call, ..settings() })
}

fn five_minutes() -> CallSettings {
    CallSettings { longest: Some(secs(300)), ..CallSettings::default() }
}

/// Lets `wait` pass and says whether the call still is one at its end, and
/// whether it was until the last millisecond.
#[track_caller]
fn ends_after(bench: &mut Bench, wait: std::time::Duration) {
    bench.pass(wait - ms(1));
    assert_eq!(bench.call(), CallStatus::InCall, "too early");
    bench.pass(ms(1));
    assert_eq!(bench.call(), CallStatus::Releasing, "too late");
}

#[test]
fn a_call_has_no_longest_time_unless_one_is_set() {
    let mut bench = Bench::ready(settings());
    bench.talk();
    bench.pass(secs(86_400));
    assert_eq!((bench.call(), bench.tones()), (CallStatus::InCall, vec![]));
}

#[test]
fn the_warning_comes_first_and_then_the_end_with_a_bye() {
    let mut bench = with(five_minutes());
    let (_, id) = bench.talk();
    bench.pass(secs(290) - ms(1));
    assert_eq!(bench.tones(), vec![]);
    bench.pass(ms(1));
    assert_eq!(bench.tone, Some(Tone::CallEnding));
    assert_eq!(bench.connected.len(), 1, "the warning lies over the call");
    bench.pass(secs(2));
    assert_eq!((bench.tone, bench.call()), (None, CallStatus::InCall));
    ends_after(&mut bench, secs(8));
    assert_eq!((bench.sent_byes(), bench.tone), (vec![id], Some(Tone::Busy)));
    assert_eq!(bench.counter("call-too-long"), 1);
    bench.still_works();
}

#[test]
fn neither_ringing_nor_coming_up_counts_and_the_next_call_starts_afresh() {
    let mut bench = with(five_minutes());
    for _ in 0..2 {
        let (peer, id) = bench.call_out();
        bench.pass(secs(30));
        bench.message(&id, Body::Ringing);
        bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        bench.pass(secs(9));
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        bench.pass(secs(250));
        bench.press("hangup");
        bench.close_all();
        bench.pass(secs(5));
        assert_eq!(bench.tone, None);
    }
    bench.talk();
    ends_after(&mut bench, secs(300));
}

#[test]
fn a_call_that_came_in_has_the_same_longest_time() {
    let mut bench = with(CallSettings { warn_before: secs(0), ..five_minutes() });
    let peer = bench.ring("in-1");
    bench.press("call");
    bench.media(peer, MediaEvent::Answer { sdp: "v=0 local".to_owned() });
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.take();
    ends_after(&mut bench, secs(300));
    assert!(!bench.tones().contains(&Some(Tone::CallEnding)), "no warning was asked for");
}

#[test]
fn interruptions_and_renegotiation_do_not_prolong_a_call() {
    let mut bench = with(five_minutes());
    let (peer, id) = bench.talk();
    bench.pass(secs(100));
    bench.offer(&id, None);
    bench.media(peer, MediaEvent::Interrupted);
    bench.pass(secs(10));
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    ends_after(&mut bench, secs(190));
}

#[test]
fn a_far_end_that_stays_silent_loses_the_call() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.talk();
    bench.media(peer, MediaEvent::Quiet);
    ends_after(&mut bench, secs(60));
    assert_eq!((bench.sent_byes(), bench.tone), (vec![id], Some(Tone::Congestion)));
    assert_eq!(bench.counter("no-media"), 1);
    bench.still_works();
}

#[test]
fn audio_that_comes_back_and_hold_by_the_far_end_stop_the_wait() {
    let mut bench = Bench::ready(settings());
    let (peer, _) = bench.talk();
    for _ in 0..3 {
        bench.media(peer, MediaEvent::Quiet);
        bench.pass(secs(59));
        // Media says so too when the far end has put us on hold.
        bench.media(peer, MediaEvent::AudioBack);
        bench.pass(secs(600));
        assert_eq!(bench.call(), CallStatus::InCall);
    }
    bench.media(peer, MediaEvent::Quiet);
    ends_after(&mut bench, secs(60));
}

#[test]
fn a_second_quiet_does_not_begin_the_wait_anew() {
    let mut bench = Bench::ready(settings());
    let (peer, _) = bench.talk();
    bench.media(peer, MediaEvent::Quiet);
    bench.pass(secs(50));
    bench.media(peer, MediaEvent::Quiet);
    ends_after(&mut bench, secs(10));
}

#[test]
fn quiet_before_the_call_is_up_counts_from_then_and_never_of_another_peer() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.call_out();
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.media(peer, MediaEvent::Quiet);
    bench.pass(secs(20));
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    bench.media(PeerId(77), MediaEvent::AudioBack);
    ends_after(&mut bench, secs(60));
    bench.media(peer, MediaEvent::AudioBack);
    bench.still_works();
}

#[test]
fn the_session_may_be_gone_and_the_wait_goes_on() {
    let mut bench = Bench::ready(Settings { mode: Mode::MultiPipe, ..settings() });
    let (peer, id) = bench.talk();
    bench.media(peer, MediaEvent::Quiet);
    bench.pass(secs(50));
    bench.closed(CloseReason::Lost);
    ends_after(&mut bench, secs(10));
    bench.take();
    bench.session(SessionEvent::Opened);
    assert_eq!(bench.sent_byes(), [id], "the core hears of it when it can");
}

#[test]
fn no_wait_where_none_is_set() {
    let mut bench = with(CallSettings { no_media_timeout: None, ..CallSettings::default() });
    let (peer, _) = bench.talk();
    bench.media(peer, MediaEvent::Quiet);
    bench.pass(secs(86_400));
    assert_eq!(bench.call(), CallStatus::InCall);
}

fn config(call: &str) -> Result<CallSettings, Vec<String>> {
    let text = format!(
        "[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\n[contacts]\nhome = \"{FAMILY}\"\n[call]\n{call}\n"
    );
    Config::parse(&text, "f", &BoardLoader::new(Vec::new()))
        .map(|config| config.appliance.call)
        .map_err(|found| found.iter().map(ToString::to_string).collect())
}

#[test]
fn the_times_are_read_from_the_configuration() {
    let call = config("longest = \"5min\"\nwarn-before = \"20s\"\nno-media-timeout = \"2min\"").unwrap();
    assert_eq!((call.longest, call.warn_before), (Some(secs(300)), secs(20)));
    assert_eq!(call.no_media_timeout, Some(secs(120)));
    let call = config("longest = \"0s\"\nno-media-timeout = \"0s\"").unwrap();
    assert_eq!((call.longest, call.no_media_timeout), (None, None));
    let call = config("").unwrap();
    assert_eq!((call.longest, call.no_media_timeout), (None, Some(secs(60))));
}

#[test]
fn mistakes_in_the_times_name_the_place_and_the_cure() {
    for (text, said) in [
        ("longest = 300", "f:8:11: longest is a whole number; write a duration in double quotes"),
        ("longest = \"25h\"", "f:8:11: longest = \"25h\" is out of range; write a duration from"),
        (
            "longest = \"5s\"",
            "f:8:11: longest is too short; write a duration from \"15s\" to \"24h\", or \"0s\" for never",
        ),
        ("no-media-timeout = \"1s\"", "f:8:20: no-media-timeout is too short; write a duration from \"5s\""),
        (
            "longest = \"1min\"\nwarn-before = \"1min\"",
            "f:9:1: warn-before needs a longest time that is longer; make longest longer",
        ),
        (
            "warn-before = \"10s\"",
            "f:8:1: warn-before needs a longest time that is longer; make longest longer than warn-before, or leave warn-before out",
        ),
        ("warn-before = \"11min\"\nlongest = \"1h\"", "f:8:15: warn-before = \"11min\" is out of range"),
    ] {
        let found = config(text).unwrap_err();
        assert!(found.len() == 1 && found[0].starts_with(said), "{text}: {found:#?}");
    }
}
