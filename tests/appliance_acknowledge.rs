//! "Press 1 to accept": a voicemail answers within seconds and talks to
//! nobody. Whoever waits at the box must go on to the next number until a
//! person says so, and nothing of the box may be heard by a machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appliance_support;

use appliance_support::outage::until_connect;
use appliance_support::*;
use callbox::appliance::acknowledge::Acknowledge;
use callbox::appliance::action::{Action, Ring};
use callbox::appliance::command::{AudioCommand, Clip, Command, Listener, Refusal, Role};
use callbox::appliance::event::{Body, CloseReason, MediaErrorKind, MediaEvent, SessionEvent};
use callbox::appliance::id::PeerId;
use callbox::appliance::settings::{Mode, Settings};
use callbox::appliance::status::CallStatus;
use callbox::appliance::tone::Tone;

const TIMEOUT: u64 = 15;

fn asking(mode: Mode) -> Settings {
    let mut settings = Settings { mode, ..settings() };
    settings.call.acknowledge = Some(Acknowledge { digit: '1', timeout: secs(TIMEOUT) });
    settings.call.announce_location = true;
    settings
}

fn connected() -> MediaEvent {
    MediaEvent::Connected { codec: "opus".to_owned() }
}

fn announced(bench: &Bench) -> Vec<(Option<Clip>, Listener)> {
    let announcement = |command: &Command| match command {
        Command::Audio(AudioCommand::Announce { clip, to }) => Some((*clip, *to)),
        _ => None,
    };
    bench.commands.iter().filter_map(announcement).collect()
}

fn asks(peer: PeerId) -> (Option<Clip>, Listener) {
    (Some(Clip::Acknowledge), Listener::FarEnd(peer))
}

fn ends(peer: PeerId) -> (Option<Clip>, Listener) {
    (None, Listener::FarEnd(peer))
}

/// The Offers that went out: to whom, the call's id, its peer.
fn offers(bench: &mut Bench) -> Vec<(String, String, PeerId)> {
    bench.prepare_all();
    let sent = bench.sent();
    let offers = sent.into_iter().filter_map(|message| match message.body {
        Body::Offer { sdp, msisdn } => {
            Some((msisdn?.as_str().to_owned(), message.call_id.0, bench.peer_of(&sdp)))
        }
        _ => None,
    });
    offers.collect()
}

fn answer(bench: &mut Bench, id: &str) {
    bench.message(id, Body::Answer { sdp: ANSWER.to_owned() });
}

/// A call that is answered and asks for the digit.
fn answered(mode: Mode, button: &str) -> (Bench, PeerId, String) {
    let mut bench = Bench::ready(asking(mode));
    bench.press(button);
    let (_, id, peer) = offers(&mut bench).remove(0);
    bench.message(&id, Body::Ringing);
    answer(&mut bench, &id);
    bench.media(peer, connected());
    (bench, peer, id)
}

#[test]
fn until_the_digit_comes_the_box_hears_ringback_and_nobody_hears_the_box() {
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        let (mut bench, peer, _) = answered(mode, "call");
        assert_eq!((bench.call(), bench.tone), (CallStatus::Ringing, Some(Tone::Ringback)));
        assert_eq!(bench.connected, [(peer, Role::Hold)]);
        assert_eq!(announced(&bench), [asks(peer)]);
        bench.media(peer, MediaEvent::FirstAudio);
        bench.pass(secs(TIMEOUT - 1));
        for digit in ['2', '#', 'A', '0'] {
            bench.media(peer, MediaEvent::Digit(digit));
        }
        assert_eq!(bench.connected, [(peer, Role::Hold)], "what is said there is not for the box");
        assert_eq!((bench.call(), bench.tone), (CallStatus::Ringing, Some(Tone::Ringback)));
        assert_eq!(bench.counter("acknowledge-wrong-digit"), 4);

        bench.take();
        bench.media(peer, MediaEvent::Digit('1'));
        assert_eq!((bench.call(), bench.tone), (CallStatus::InCall, None));
        assert_eq!(bench.connected, [(peer, Role::Talk)]);
        assert_eq!(announced(&bench), [ends(peer)], "the place was told already");
        bench.pass(secs(300));
        assert_eq!(bench.call(), CallStatus::InCall, "the time-out is over with the digit");
        bench.press("hangup");
        assert_eq!((bench.sent_byes().len(), bench.connected.len()), (1, 0));
    }
}

#[test]
fn the_time_begins_when_the_callee_can_hear_and_nobody_in_time_is_no_answer() {
    let mut bench = Bench::ready(asking(Mode::Pipe));
    bench.press("call");
    let (_, id, peer) = offers(&mut bench).remove(0);
    answer(&mut bench, &id);
    bench.pass(secs(9));
    assert_eq!(announced(&bench), [], "nobody could hear it yet");
    assert_eq!(bench.connected, [(peer, Role::Hold)], "not even for a moment is the microphone open");
    bench.media(peer, connected());
    assert_eq!(announced(&bench), [asks(peer)]);
    bench.pass(secs(TIMEOUT) - ms(10));
    assert_eq!(bench.call(), CallStatus::Ringing);
    bench.take();
    bench.pass(ms(20));
    assert_eq!(bench.sent_byes(), [id]);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Releasing, Some(Tone::Congestion)));
    assert_eq!(bench.counter("not-acknowledged"), 1);
}

#[test]
fn a_hunt_goes_on_past_a_voicemail_whatever_that_does() {
    type Machine = (&'static str, fn(&mut Bench, PeerId, &str));
    let machines: [Machine; 3] = [
        ("it talks on and on", |bench, _, _| bench.pass(secs(TIMEOUT))),
        ("it hangs up by itself", |bench, _, id| bench.message(id, Body::Bye)),
        ("it plays digits of its own", |bench, peer, _| {
            bench.media(peer, MediaEvent::Digit('5'));
            bench.pass(secs(TIMEOUT));
        }),
    ];
    for mode in [Mode::Pipe, Mode::MultiPipe] {
        for (what, does) in machines {
            let (mut bench, peer, id) = answered(mode, "hunt");
            bench.take();
            does(&mut bench, peer, &id);
            let next = offers(&mut bench);
            assert_eq!(next.len(), 1, "{mode:?}, {what}");
            let (number, id, second) = next.into_iter().next().unwrap();
            assert_eq!(number, NEIGHBOUR, "{mode:?}, {what}");
            assert_eq!(bench.tone, Some(Tone::Progress), "{mode:?}, {what}");
            bench.media(peer, MediaEvent::Digit('1'));
            assert_eq!(bench.call(), CallStatus::Outgoing, "too late: {what}");
            answer(&mut bench, &id);
            bench.media(second, connected());
            bench.media(second, MediaEvent::Digit('1'));
            assert_eq!(bench.connected, [(second, Role::Talk)], "{mode:?}, {what}");
            bench.take();
            bench.message(&id, Body::Bye);
            assert_eq!(offers(&mut bench), [], "who hangs up after that is not called again");
        }
    }
}

#[test]
fn of_all_who_answer_at_once_the_first_digit_wins() {
    let mut bench = Bench::ready(asking(Mode::MultiPipe));
    let to = vec!["family".to_owned(), "neighbour".to_owned(), "+4755555555".to_owned()];
    assert_eq!(bench.ask(Action::Call { to, ring: Ring::All }), Ok(()));
    // Each Offer but the first waits for a peer connection of its own.
    for _ in 0..3 {
        bench.prepare_all();
    }
    let calls = offers(&mut bench);
    assert_eq!(calls.len(), 3);
    let [(_, machine, machine_peer), (_, slow, slow_peer), (_, quick, quick_peer)] =
        <[_; 3]>::try_from(calls).unwrap();
    answer(&mut bench, &machine);
    bench.media(machine_peer, connected());
    bench.take();
    bench.message(&slow, Body::Ringing);
    bench.message(&quick, Body::Ringing);
    assert_eq!(bench.sent_byes(), Vec::<String>::new(), "an answer that nobody accepted ends nothing");
    answer(&mut bench, &quick);
    bench.media(quick_peer, connected());
    bench.take();
    bench.pass(ms(500));
    bench.media(quick_peer, MediaEvent::Digit('1'));
    let mut byes = bench.sent_byes();
    byes.sort();
    let mut lost = [machine.clone(), slow.clone()];
    lost.sort();
    assert_eq!(byes, lost);
    assert_eq!(bench.connected, [(quick_peer, Role::Talk)]);
    assert_eq!((bench.call(), bench.tone), (CallStatus::InCall, None));
    bench.media(machine_peer, MediaEvent::Digit('1'));
    bench.media(slow_peer, connected());
    assert_eq!(bench.connected, [(quick_peer, Role::Talk)]);
}

#[test]
fn machines_that_answer_at_once_leave_the_others_ringing() {
    let mut bench = Bench::ready(asking(Mode::MultiPipe));
    let to = vec!["family".to_owned(), "neighbour".to_owned()];
    assert_eq!(bench.ask(Action::Call { to, ring: Ring::All }), Ok(()));
    bench.prepare_all();
    let calls = offers(&mut bench);
    let [(_, machine, peer), (_, person, person_peer)] = <[_; 2]>::try_from(calls).unwrap();
    answer(&mut bench, &machine);
    bench.media(peer, connected());
    bench.message(&person, Body::Ringing);
    bench.take();
    bench.pass(secs(TIMEOUT) + ms(100));
    assert_eq!(bench.sent_byes(), [machine]);
    assert_eq!((bench.call(), bench.tone), (CallStatus::Ringing, Some(Tone::Ringback)));
    answer(&mut bench, &person);
    bench.media(person_peer, connected());
    bench.media(person_peer, MediaEvent::Digit('1'));
    assert_eq!(bench.call(), CallStatus::InCall);
}

#[test]
fn who_hangs_up_meanwhile_ends_the_whole_hunt() {
    let (mut bench, _, id) = answered(Mode::Pipe, "hunt");
    bench.take();
    bench.press("hangup");
    assert_eq!(bench.sent_byes(), [id]);
    bench.pass(secs(60));
    assert_eq!(offers(&mut bench), []);
    assert_eq!((bench.connected.len(), bench.tone), (0, None));
}

#[test]
fn before_the_digit_there_is_no_call_to_send_digits_in_or_to_move() {
    let (mut bench, _, _) = answered(Mode::Pipe, "call");
    assert_eq!(bench.ask(Action::Dtmf { digits: "5".to_owned() }), Err(Refusal::NoCall));
    assert_eq!(bench.ask(Action::ToPhone), Err(Refusal::NoCall));
}

#[test]
fn media_that_was_up_before_the_answer_asks_at_once() {
    let mut bench = Bench::ready(asking(Mode::Pipe));
    let (peer, id) = bench.call_out();
    bench.offer(&id, None);
    bench.media(peer, MediaEvent::Answer { sdp: "early".to_owned() });
    bench.media(peer, connected());
    bench.media(peer, MediaEvent::FirstAudio);
    assert_eq!(bench.connected, [(peer, Role::Listen)], "the far end's own ringback");
    bench.media(peer, MediaEvent::Digit('1'));
    assert_eq!(bench.call(), CallStatus::Outgoing, "a digit before the answer accepts nothing");
    answer(&mut bench, &id);
    assert_eq!(announced(&bench), [asks(peer)]);
    assert_eq!((bench.connected.as_slice(), bench.tone), (&[(peer, Role::Hold)][..], Some(Tone::Ringback)));
    bench.media(peer, MediaEvent::Digit('1'));
    assert_eq!(bench.connected, [(peer, Role::Talk)]);
}

#[test]
fn media_that_never_comes_or_breaks_ends_the_call() {
    let mut bench = Bench::ready(asking(Mode::Pipe));
    bench.press("call");
    let (_, id, peer) = offers(&mut bench).remove(0);
    answer(&mut bench, &id);
    bench.take();
    bench.pass(secs(11));
    assert_eq!(bench.sent_byes(), [id], "as any call whose media does not come up");
    assert!(!bench.peers[&peer]);

    let (mut bench, peer, id) = answered(Mode::Pipe, "call");
    bench.take();
    bench.media_failed(peer, MediaErrorKind::IceFailed);
    assert_eq!(bench.sent_byes(), [id]);
}

#[test]
fn media_that_was_interrupted_asks_anew_in_the_time_that_is_left() {
    let (mut bench, peer, _) = answered(Mode::Pipe, "call");
    bench.pass(secs(TIMEOUT - 2));
    bench.media(peer, MediaEvent::Interrupted);
    bench.pass(secs(1));
    bench.take();
    bench.media(peer, connected());
    assert_eq!(announced(&bench), [asks(peer)]);
    bench.media(peer, connected());
    assert_eq!(announced(&bench).len(), 1, "what sounds is not begun anew");
    bench.pass(ms(1_100));
    assert_eq!(bench.call(), CallStatus::Releasing);
}

#[test]
fn a_digit_just_before_an_interruption_accepts_a_call_that_waits_for_its_media() {
    let (mut bench, peer, _) = answered(Mode::Pipe, "call");
    bench.media(peer, MediaEvent::Interrupted);
    bench.media(peer, MediaEvent::Digit('1'));
    assert_eq!(bench.call(), CallStatus::Connecting);
    bench.pass(secs(9));
    bench.media(peer, connected());
    assert_eq!(bench.connected, [(peer, Role::Talk)]);
    bench.pass(secs(60));
    assert_eq!(bench.call(), CallStatus::InCall);
}

#[test]
fn a_call_that_loses_the_session_may_still_be_accepted_and_is_adopted() {
    let (mut bench, peer, id) = answered(Mode::Pipe, "hunt");
    bench.closed(CloseReason::Lost);
    assert_eq!((bench.call(), bench.connected.as_slice()), (CallStatus::Ringing, &[(peer, Role::Hold)][..]));
    reconnect(&mut bench);
    bench.take();
    bench.message(&id, Body::InCall { msisdn: Some(number(FAMILY)) });
    bench.prepare_all();
    let (again, _, sdp) = bench.sent_offer().expect("the box goes on with its call");
    let fresh = bench.peer_of(&sdp);
    bench.message(&again.0, Body::Answer { sdp: ANSWER.to_owned() });
    bench.take();
    bench.media(fresh, connected());
    assert_eq!(announced(&bench), [asks(fresh)], "the callee hears it on the new media");
    assert_eq!((bench.call(), bench.connected.as_slice()), (CallStatus::Ringing, &[(fresh, Role::Hold)][..]));
    bench.media(fresh, MediaEvent::Digit('1'));
    assert_eq!((bench.call(), bench.connected.as_slice()), (CallStatus::InCall, &[(fresh, Role::Talk)][..]));
}

#[test]
fn without_a_session_a_machine_ends_the_hunt_in_order() {
    let (mut bench, _, _) = answered(Mode::Pipe, "hunt");
    bench.closed(CloseReason::Lost);
    bench.take();
    bench.pass(secs(TIMEOUT));
    assert_eq!(bench.call(), CallStatus::Releasing);
    assert_eq!(bench.sent(), [], "there is nobody to send an Offer to");
    // The core learns of the end when it can.
    reconnect(&mut bench);
    bench.message("", Body::Idle);
    bench.close_all();
    bench.pass(secs(60));
    bench.prepare_all();
    bench.press("call");
    assert_eq!(offers(&mut bench).len(), 1);
}

#[test]
fn media_that_fails_while_the_core_takes_the_call_up_again_is_the_end_of_it() {
    let (mut bench, peer, id) = answered(Mode::Pipe, "call");
    bench.closed(CloseReason::Lost);
    reconnect(&mut bench);
    bench.message(&id, Body::InCall { msisdn: Some(number(FAMILY)) });
    bench.prepare_all();
    bench.media_failed(peer, MediaErrorKind::IceFailed);
    assert_eq!(bench.call(), CallStatus::Releasing, "nobody is known to be there");
    assert_eq!(bench.connected, []);
}

/// As the core has it after an outage: a new stream, and no word yet.
fn reconnect(bench: &mut Bench) {
    bench.pass(secs(2));
    assert!(!bench.connects().is_empty());
    bench.session(SessionEvent::Sent);
    bench.session(SessionEvent::Opened);
}

#[test]
fn calls_for_the_box_and_take_overs_ask_nobody() {
    let mut bench = Bench::ready(asking(Mode::Pipe));
    let peer = bench.ring("in");
    bench.press("call");
    bench.media(peer, MediaEvent::Answer { sdp: "local".to_owned() });
    bench.media(peer, connected());
    assert_eq!((bench.call(), announced(&bench)), (CallStatus::InCall, vec![]));
    bench.press("hangup");
    bench.close_all();
    bench.pass(secs(5));
    bench.prepare_all();
    bench.message("elsewhere", Body::InCall { msisdn: Some(number(FAMILY)) });
    bench.take();
    bench.press("take");
    let (id, _, sdp) = bench.sent_offer().unwrap();
    answer(&mut bench, &id.0);
    let peer = bench.peer_of(&sdp);
    bench.media(peer, connected());
    assert_eq!((bench.call(), announced(&bench)), (CallStatus::InCall, vec![]));
}

#[test]
fn without_acknowledgement_the_place_is_told_once_when_both_can_talk() {
    let mut settings = asking(Mode::Pipe);
    settings.call.acknowledge = None;
    let mut bench = Bench::ready(settings);
    let (peer, id) = bench.call_out();
    answer(&mut bench, &id);
    assert_eq!(announced(&bench), []);
    bench.media(peer, connected());
    assert_eq!(announced(&bench), [(Some(Clip::Location), Listener::FarEnd(peer))]);
    assert_eq!(bench.connected, [(peer, Role::Talk)]);
    bench.media(peer, MediaEvent::Interrupted);
    bench.media(peer, connected());
    bench.media(peer, MediaEvent::Digit('1'));
    assert_eq!(announced(&bench).len(), 1);
}

#[test]
fn a_press_without_a_network_is_answered_in_words_and_they_give_way_to_a_call() {
    let mut settings = asking(Mode::Pipe);
    settings.call.announce_offline = true;
    let mut bench = Bench::new(settings);
    bench.prepare_all();
    bench.take();
    let says = (Some(Clip::Offline), Listener::Box);
    bench.press("call");
    bench.closed(CloseReason::Unreachable);
    assert_eq!(announced(&bench), [], "one attempt more is made for the press");
    bench.pass(secs(1));
    bench.closed(CloseReason::Unreachable);
    assert_eq!((announced(&bench), bench.tone), (vec![says], None));
    bench.press("hangup");
    bench.press("take");
    assert_eq!(announced(&bench), [says, says], "only what needs the network is answered so");
    until_connect(&mut bench);
    bench.session(SessionEvent::Sent);
    bench.session(SessionEvent::Opened);
    bench.take();
    bench.press("call");
    assert_eq!(announced(&bench), [(None, Listener::Box)]);
    assert_eq!(bench.tone, Some(Tone::Progress));
}
