//! A call that the box makes. A visitor presses once and must at every moment
//! hear and see what goes on, whatever the far end or the network does.

mod appliance_support;

use appliance_support::{ANSWER, Bench, FAMILY, NEIGHBOUR, OFFER, call_to, ms, number, secs, settings};
use callbox::appliance::command::{
    AudioCommand, Command, LineCommand, MediaCommand, Refusal, Role, SessionCommand,
};
use callbox::appliance::event::{Body, CloseReason, ErrorCode, MediaErrorKind, MediaEvent};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::settings::Mode;
use callbox::appliance::statistics::CallStatistics;
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

#[test]
fn the_press_is_heard_and_seen_before_the_offer_leaves_in_the_same_event() {
    let mut bench = Bench::ready(settings());
    bench.down("call");
    let lamp = bench.commands.iter().position(|c| matches!(c, Command::Line(LineCommand::Led { .. })));
    let tone = bench.commands.iter().position(|c| matches!(c, Command::Audio(AudioCommand::Tone(Some(_)))));
    let offer = bench.commands.iter().position(|c| matches!(c, Command::Session(SessionCommand::Send(_))));
    let prepare = bench
        .commands
        .iter()
        .position(|c| matches!(c, Command::Media { command: MediaCommand::Prepare, .. }));
    assert!(lamp.is_some() && lamp < tone, "{:?}", bench.commands);
    assert!(tone < offer && offer < prepare, "{:?}", bench.commands);
    let (_, msisdn, _) = bench.sent_offer().unwrap();
    assert_eq!(msisdn, Some(number(FAMILY)));
    assert_eq!(bench.call(), CallStatus::Outgoing);
    assert_eq!(bench.tone, Some(Tone::Progress));
    assert_eq!(bench.lamp("calling"), Pattern::Slow);
}

#[test]
fn call_ids_are_fresh_lower_case_uuids_of_version_4() {
    let mut bench = Bench::ready(settings());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let (_, id) = bench.call_out();
        bench.press("hangup");
        bench.pass(secs(3));
        let groups: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
        assert!(id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-')), "{id}");
        assert_eq!(id.as_bytes()[14], b'4', "{id}");
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        assert!(seen.insert(id.clone()), "{id} came twice");
    }
}

#[test]
fn a_whole_call_from_press_to_hang_up() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.call_out();
    bench.message(&id, Body::Ringing);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Ringing, Some(Tone::Ringback)));
    assert_eq!(bench.lamp("ringing"), Pattern::Slow);
    bench.take();
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    assert_eq!((bench.call(), bench.tone), (CallStatus::Connecting, None));
    let start = Command::Media { peer, command: MediaCommand::Start { sdp: ANSWER.to_owned() } };
    assert!(bench.commands.contains(&start));
    assert!(bench.commands.contains(&Command::Audio(AudioCommand::Connect(vec![(peer, Role::Talk)]))));
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.media(peer, MediaEvent::FirstAudio);
    assert_eq!(bench.call(), CallStatus::InCall);
    assert_eq!(bench.lamp("answered"), Pattern::On);
    let status = bench.box_.status();
    assert_eq!((status.peer, status.call_id.unwrap().0), (Some(number(FAMILY)), id.clone()));
    bench.take();
    bench.press("hangup");
    assert_eq!(bench.sent_byes(), std::slice::from_ref(&id));
    assert!(bench.commands.contains(&Command::Audio(AudioCommand::Connect(Vec::new()))));
    assert!(!bench.peers[&peer]);
    assert_eq!(bench.call(), CallStatus::Releasing);
    let statistics = CallStatistics { packets_received: 500, mos_cq: 438, ..Default::default() };
    bench.media(peer, MediaEvent::Statistics(Box::new(statistics)));
    let record = bench.kinds.last().unwrap();
    assert_eq!((&record["kind"], &record["call_id"]), (&"statistics".into(), &id.into()));
    assert_eq!(record["statistics"]["mos_cq"], 4.38);
    assert_eq!(record["statistics"]["packets_received"], 500);
    bench.close_all();
    assert_eq!(bench.call(), CallStatus::Idle);
    assert_eq!(bench.steps(), ["offer-sent", "ringing", "answer", "ice", "first-audio", "hang-up"]);
    assert_eq!(bench.counter("renegotiation-unanswered"), 0);
    assert_eq!(bench.counter("media-unknown-peer"), 0);
    bench.still_works();
}

#[test]
fn a_rejected_call_is_heard_as_busy_and_no_bye_goes_back() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.take();
    bench.message(&id, Body::Bye);
    assert_eq!(bench.tone, Some(Tone::Busy));
    assert_eq!(bench.sent_byes(), [""; 0]);
    bench.pass(ms(1999));
    assert_eq!(bench.tone, Some(Tone::Busy));
    bench.pass(ms(1));
    assert_eq!(bench.tone, None);
    bench.still_works();
}

#[test]
fn nobody_answers() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.message(&id, Body::Ringing);
    bench.take();
    bench.pass(secs(44));
    assert_eq!(bench.call(), CallStatus::Ringing);
    bench.pass(secs(1));
    assert_eq!(bench.sent_byes(), [id]);
    assert_eq!(bench.tone, Some(Tone::Congestion));
    bench.still_works();
}

#[test]
fn cancelled_before_the_answer() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.take();
    bench.press("hangup");
    assert_eq!(bench.sent_byes(), std::slice::from_ref(&id));
    assert_eq!(bench.tone, Some(Tone::Press));
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    assert_eq!(bench.counter("answer-unexpected"), 1);
    assert_ne!(bench.call(), CallStatus::Connecting);
    bench.still_works();
}

#[test]
fn the_second_contact_is_tried_when_the_first_rejects_or_does_not_answer() {
    let mut bench = Bench::ready(settings());
    bench.press("hunt");
    let (first, to, _) = bench.sent_offer().unwrap();
    assert_eq!(to, Some(number(FAMILY)));
    bench.prepare_all();
    bench.take();
    bench.message(first.as_str(), Body::Bye);
    let (second, to, _) = bench.sent_offer().unwrap();
    assert_eq!(to, Some(number(NEIGHBOUR)));
    assert_ne!(first, second);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Outgoing, Some(Tone::Progress)));
    bench.prepare_all();
    bench.take();
    bench.message(second.as_str(), Body::Bye);
    assert_eq!(bench.tone, Some(Tone::Busy));
    assert_eq!(bench.sent(), []);

    bench.pass(secs(5));
    bench.press("hunt");
    bench.prepare_all();
    bench.take();
    bench.pass(secs(45));
    assert_eq!(bench.sent_byes().len(), 1, "the first call must be cancelled");
    assert_eq!(bench.sent_offer().unwrap().1, Some(number(NEIGHBOUR)));
    bench.prepare_all();
    bench.take();
    bench.press("hangup");
    assert_eq!(bench.sent_offer(), None, "hanging up ends the hunt");
    bench.still_works();
}

#[test]
fn media_that_fails_or_is_slow_ends_the_call_and_says_so() {
    let kinds = [
        (MediaErrorKind::BadSdp, "media-bad-sdp"),
        (MediaErrorKind::NoAudio, "media-no-audio"),
        (MediaErrorKind::NoCommonCodec, "media-no-common-codec"),
        (MediaErrorKind::IceFailed, "media-ice-failed"),
        (MediaErrorKind::DtlsFailed, "media-dtls-failed"),
        (MediaErrorKind::NoAddress, "media-no-address"),
        (MediaErrorKind::Internal, "media-internal"),
    ];
    for (kind, counter) in kinds {
        let mut bench = Bench::ready(settings());
        let (peer, id) = bench.call_out();
        bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        bench.take();
        bench.media_failed(peer, kind);
        assert_eq!((bench.tone, bench.counter(counter)), (Some(Tone::Congestion), 1), "{kind:?}");
        assert_eq!(bench.sent_byes(), [id]);
        assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
        bench.still_works();
        assert_eq!(bench.lamp("fault"), Pattern::Off);
    }
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
    bench.take();
    bench.pass(secs(10));
    assert_eq!((bench.tone, bench.counter("media-timeout")), (Some(Tone::Congestion), 1));
    assert_eq!(bench.sent_byes(), [id]);
    bench.still_works();
}

#[test]
fn an_interrupted_call_survives_a_short_gap_and_not_a_long_one() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.talk();
    bench.media(peer, MediaEvent::Interrupted);
    bench.pass(secs(29));
    bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
    bench.pass(secs(60));
    assert_eq!(bench.call(), CallStatus::InCall);
    bench.media(peer, MediaEvent::Interrupted);
    bench.pass(secs(20));
    // A repeated report must not prolong the wait.
    bench.media(peer, MediaEvent::Interrupted);
    bench.pass(secs(10));
    assert_eq!(bench.sent_byes(), [id]);
    assert_eq!(bench.counter("media-lost"), 1);
    bench.still_works();
}

#[test]
fn a_press_without_a_session_is_refused_aloud() {
    let mut bench = Bench::new(settings());
    bench.prepare_all();
    bench.closed(CloseReason::Unreachable);
    bench.take();
    bench.down("call");
    assert_eq!(bench.tone, Some(Tone::Press), "felt, while the next attempt is made");
    bench.pass(ms(0));
    bench.closed(CloseReason::Unreachable);
    assert_eq!(bench.tone, Some(Tone::Error));
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.lamp("calling"), Pattern::DoubleFlash);
    assert!(bench.kinds.iter().any(|kind| kind["kind"] == "refused"));
    bench.pass(secs(2));
    assert_eq!((bench.tone, bench.lamp("calling")), (None, Pattern::Off));
    bench.still_works();
}

#[test]
fn an_unknown_contact_is_refused_and_a_known_one_after_it_is_called() {
    let mut bench = Bench::ready(settings());
    bench.press("nobody");
    assert_eq!((bench.tone, bench.sent()), (Some(Tone::Error), vec![]));
    assert_eq!(bench.ask(call_to(&[])), Err(Refusal::UnknownContact));
    assert_eq!(bench.ask(call_to(&["4722222222"])), Err(Refusal::UnknownContact));
    assert_eq!(bench.ask(call_to(&["stranger", "+4744444444"])), Ok(()));
    assert_eq!(bench.sent_offer().unwrap().1, Some(number("+4744444444")));
}

#[test]
fn a_second_press_changes_nothing_and_the_ringback_goes_on() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.message(&id, Body::Ringing);
    bench.take();
    bench.down("call");
    assert_eq!((bench.tone, bench.call()), (Some(Tone::Press), CallStatus::Ringing));
    assert_eq!(bench.counter("press-ignored"), 1);
    bench.pass(ms(300));
    assert_eq!((bench.tone, bench.sent()), (Some(Tone::Ringback), vec![]));
    assert_eq!(bench.ask(call_to(&["family"])), Err(Refusal::Busy));
}

#[test]
fn whoever_presses_again_right_after_a_call_does_not_wait() {
    let mut bench = Bench::ready(settings());
    let (peer, id) = bench.call_out();
    bench.message(&id, Body::Bye);
    bench.take();
    bench.down("call");
    assert!(bench.sent_offer().is_some());
    assert_eq!((bench.call(), bench.tone), (CallStatus::Outgoing, Some(Tone::Progress)));
    bench.media(peer, MediaEvent::Closed);
    assert_eq!(bench.call(), CallStatus::Outgoing, "the old call's end must not touch the new one");
    bench.pass(secs(3));
    assert_eq!((bench.call(), bench.tone), (CallStatus::Outgoing, Some(Tone::Progress)));
    assert_eq!(bench.counter("media-close-timeout"), 0);
}

#[test]
fn the_core_may_offer_before_it_answers() {
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        let mut bench = Bench::ready(callbox::appliance::settings::Settings { mode, ..settings() });
        let (peer, id) = bench.call_out();
        bench.take();
        bench.offer(&id, None);
        let renegotiate =
            Command::Media { peer, command: MediaCommand::Renegotiate { sdp: OFFER.to_owned() } };
        assert!(bench.commands.contains(&renegotiate));
        bench.media(peer, MediaEvent::Answer { sdp: "early".to_owned() });
        assert_eq!(bench.sent().len(), 1);
        assert_eq!(bench.sent()[0].body, Body::Answer { sdp: "early".to_owned() });
        bench.media(peer, MediaEvent::Connected { codec: "opus".to_owned() });
        assert_eq!(bench.call(), CallStatus::Outgoing, "early media is no answer");
        bench.message(&id, Body::Ringing);
        bench.message(&id, Body::Answer { sdp: ANSWER.to_owned() });
        assert_eq!(bench.call(), CallStatus::InCall, "media was up already");
        bench.pass(secs(60));
        assert_eq!(bench.call(), CallStatus::InCall);
        bench.still_works();
    }
}

#[test]
fn try_again_sends_the_offer_again_while_the_ring_time_lasts() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.take();
    let mut offers = 0;
    for _ in 0..60 {
        bench.message(&id, Body::Error(ErrorCode::TryAgain));
        bench.pass(secs(1));
        offers += bench.take().iter().filter(|c| matches!(c, Command::Session(SessionCommand::Send(m)) if matches!(m.body, Body::Offer { .. }))).count();
        assert!(matches!(bench.call(), CallStatus::Outgoing | CallStatus::Releasing | CallStatus::Idle));
    }
    assert!(bench.call() == CallStatus::Idle, "the ring time bounds it");
    assert!(offers <= 45, "{offers} Offers");
    let (_, id) = bench.call_out();
    bench.take();
    bench.message(&id, Body::Error(ErrorCode::TryAgain));
    bench.pass(secs(3));
    assert_eq!(bench.sent_offer().unwrap().0.0, id);
    bench.still_works();
}

#[test]
fn rate_limit_hit_stops_new_offers_for_a_while() {
    let mut bench = Bench::ready(settings());
    let (_, id) = bench.call_out();
    bench.message(&id, Body::Error(ErrorCode::RateLimitHit));
    assert_eq!(bench.tone, Some(Tone::Congestion));
    bench.pass(secs(5));
    bench.take();
    bench.press("call");
    assert_eq!((bench.tone, bench.sent()), (Some(Tone::Error), vec![]));
    assert_eq!(bench.ask(call_to(&["family"])), Err(Refusal::RateLimited));
    assert_eq!(bench.lamp("fault"), Pattern::DoubleFlash);
    bench.pass(secs(25));
    bench.take();
    bench.press("call");
    assert!(bench.sent_offer().is_some());
}

#[test]
fn hanging_up_when_all_is_over_is_no_error_but_a_transfer_of_no_call_is() {
    let mut bench = Bench::ready(settings());
    bench.down("hangup");
    assert_eq!((bench.tone, bench.counter("press-ignored")), (Some(Tone::Press), 1));
    bench.pass(secs(1));
    bench.down("phone");
    assert_eq!((bench.tone, bench.counter("press-refused")), (Some(Tone::Error), 1));
}

#[test]
fn the_log_tells_the_whole_time_line() {
    let mut bench = Bench::ready(settings());
    let from = bench.kinds.len();
    bench.talk();
    bench.press("hangup");
    bench.close_all();
    let line: Vec<String> = bench.kinds[from..]
        .iter()
        .filter_map(|kind| kind.get("state").or(kind.get("step")).or(kind.get("gesture")))
        .map(|word| word.as_str().unwrap().to_owned())
        .collect();
    let wanted = "press outgoing offer-sent ringing ringing answer connecting ice in-call press hang-up releasing idle";
    assert_eq!(line.join(" "), wanted);
}

#[test]
fn a_hunt_stops_when_the_core_asks_for_fewer_calls() {
    let mut bench = Bench::ready(settings());
    bench.press("hunt");
    let id = bench.sent_offer().unwrap().0;
    bench.prepare_all();
    bench.message(id.as_str(), Body::Ringing);
    bench.message(id.as_str(), Body::Error(ErrorCode::RateLimitHit));
    assert_eq!(bench.call(), CallStatus::Ringing, "the call that rings is not given up");
    bench.take();
    bench.message(id.as_str(), Body::Bye);
    assert_eq!((bench.sent_offer(), bench.tone), (None, Some(Tone::Busy)));
}
