//! A core renegotiates in the midst of a call: it moves the call between its
//! servers, puts it on hold, changes the codec. Who talks must not notice.
//! The far end is `aiortc`; the gaps are measured in what both ends heard.
//!
//! What `aiortc` 1.16 cannot: restart ICE, and send with another codec than
//! the one it began with (it hears any). Those are shown with other peers.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/foreign/mod.rs"]
mod foreign;
#[path = "support/gap.rs"]
mod gap;
mod support;

use std::path::Path;
use std::thread;
use std::time::Duration;

use foreign::door::NEAR_HERTZ;
use foreign::peer::Peer;
use foreign::scene::{IDS, Mode, Scene, sdp};
use gap::{Gap, LONGEST_GAP, longest_gap};
use serde_json::{Value, json};

/// Sound before the first renegotiation, between two, and after the last. Longer
/// than the 500 ms by which the box may be behind with its recording.
const BETWEEN: Duration = Duration::from_millis(600);
/// A peer that the machine held up for longer has made a gap of its own.
const HELD_UP: Duration = Duration::from_millis(15);
/// So often a measurement is begun again because the machine held the peer up.
const TRIES: u32 = 8;

/// Who offered when the call began.
#[derive(Clone, Copy, Debug)]
enum First {
    Box,
    Core,
}

/// Who must hear on without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ears {
    Both,
    /// The far end alone.
    Far,
    /// The box alone.
    Near,
}

struct Talk {
    scene: Scene,
    peer: Peer,
    id: String,
}

impl Talk {
    fn begin(mode: Mode, first: First) -> Self {
        let mut scene = Scene::new(mode);
        let (peer, id) = match first {
            First::Box => scene.call_out(),
            First::Core => (scene.call_in(IDS[0]), IDS[0].to_owned()),
        };
        Self { scene, peer, id }
    }

    /// An Offer of the core, the box's Answer, and what the Answer says of the direction.
    fn renegotiate(&mut self, how: Value) -> String {
        let offer = self.peer.offer_with(how);
        self.answered(&offer)
    }

    fn answered(&mut self, offer: &str) -> String {
        self.scene.say(&self.id, json!({ "offer": { "sdp": offer } }));
        let answer = self.scene.core.wait_message("answer");
        let answer = sdp(&answer, "answer").to_owned();
        self.peer.accept(&answer);
        answer
    }

    /// The longest gap that `renegotiations` made, by the far end and by the loudspeaker.
    fn gaps(&mut self, mut renegotiations: impl FnMut(&mut Self)) -> (Gap, Gap) {
        for _ in 0..TRIES {
            thread::sleep(BETWEEN);
            let (far, _) = self.peer.clock();
            let near = recorded(&self.scene.door.heard());
            renegotiations(self);
            thread::sleep(BETWEEN);
            let (end, late) = self.peer.clock();
            let until = recorded(&self.scene.door.heard());
            if late > HELD_UP {
                println!("the machine held the far end up for {late:?}: once more");
                continue;
            }
            let wav = self.scene.door.heard().with_file_name("far.wav");
            self.peer.save(&wav);
            let at = |time: Duration| (time.as_secs_f64() * 48_000.0) as u32;
            let heard_far = longest_gap(&piece(&wav, at(far), at(end)));
            return (heard_far, longest_gap(&piece(&self.scene.door.heard(), near, until)));
        }
        panic!("the machine held the far end up {TRIES} times");
    }

    fn no_gap(&mut self, what: &str, ears: Ears, renegotiations: impl FnMut(&mut Self)) {
        let (far, near) = self.gaps(renegotiations);
        let wanted = match ears {
            Ears::Both => vec![("far end", far), ("box", near)],
            Ears::Far => vec![("far end", far)],
            Ears::Near => vec![("box", near)],
        };
        for (whose, gap) in wanted {
            println!("{what}: longest gap at the {whose} {:?}", gap.length);
            assert!(gap.length <= LONGEST_GAP, "{what}: a gap at the {whose}: {gap:?}");
        }
    }

    fn ends(mut self) {
        self.scene.talks(&self.peer);
        self.scene.hang_up(&self.id);
    }
}

/// Samples of the recording so far.
fn recorded(wav: &Path) -> u32 {
    hound::WavReader::open(wav).unwrap().duration()
}

fn piece(wav: &Path, from: u32, to: u32) -> Vec<i16> {
    let mut reader = hound::WavReader::open(wav).unwrap();
    reader.seek(from).unwrap();
    let samples: Vec<i16> = reader.samples().take((to - from) as usize).map(Result::unwrap).collect();
    assert!(samples.len() >= 24_000, "only {} samples", samples.len());
    samples
}

fn direction(answer: &str) -> &str {
    let all = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    answer.lines().find(|line| all.contains(line)).expect("a direction")
}

/// New Offers, and the same one again and again, in both roles.
fn an_offer_that_keeps_the_transport_makes_no_gap(mode: Mode, first: First) {
    let mut talk = Talk::begin(mode, first);
    talk.no_gap(&format!("{mode:?}, {first:?} offered first: three new offers"), Ears::Both, |talk| {
        for _ in 0..3 {
            talk.renegotiate(json!({}));
            thread::sleep(BETWEEN);
        }
    });
    talk.no_gap(&format!("{mode:?}, {first:?} offered first: one offer three times"), Ears::Both, |talk| {
        let offer = talk.peer.offer();
        for n in 0..3 {
            talk.scene.say(&talk.id, json!({ "offer": { "sdp": offer } }));
            let answer = talk.scene.core.wait_message("answer");
            if n == 2 {
                talk.peer.accept(sdp(&answer, "answer"));
            }
            thread::sleep(BETWEEN);
        }
    });
    talk.ends();
}

#[test]
fn offers_after_the_boxs_own_make_no_gap_on_pipe() {
    an_offer_that_keeps_the_transport_makes_no_gap(Mode::Pipe, First::Box);
}

#[test]
fn offers_after_the_boxs_own_make_no_gap_on_multi_pipe() {
    an_offer_that_keeps_the_transport_makes_no_gap(Mode::MultiPipe, First::Box);
}

#[test]
fn offers_after_the_cores_own_make_no_gap_on_pipe() {
    an_offer_that_keeps_the_transport_makes_no_gap(Mode::Pipe, First::Core);
}

#[test]
fn offers_after_the_cores_own_make_no_gap_on_multi_pipe() {
    an_offer_that_keeps_the_transport_makes_no_gap(Mode::MultiPipe, First::Core);
}

/// Hold is a direction. Where sound may go on it goes on without a gap, and
/// after each resumption both hear each other.
fn hold_and_resume(mode: Mode, first: First) {
    let mut talk = Talk::begin(mode, first);
    for (held, answered, ears) in [
        ("sendonly", "a=recvonly", Some(Ears::Near)),
        ("recvonly", "a=sendonly", Some(Ears::Far)),
        ("inactive", "a=inactive", None),
    ] {
        let what = format!("{mode:?}, {first:?} offered first: {held} and back");
        let mut hold = |talk: &mut Talk| {
            let answer = talk.renegotiate(json!({ "direction": held }));
            assert_eq!(direction(&answer), answered);
            thread::sleep(BETWEEN);
            if held != "recvonly" {
                let (_, level) = talk.peer.hear(BETWEEN);
                assert!(level < -60.0, "{held}: the far end hears {level:.0} dB");
            }
            assert_eq!(direction(&talk.renegotiate(json!({ "direction": "sendrecv" }))), "a=sendrecv");
        };
        match ears {
            Some(ears) => talk.no_gap(&what, ears, &mut hold),
            None => hold(&mut talk),
        }
        talk.scene.talks(&talk.peer);
    }
    talk.ends();
}

#[test]
fn an_outgoing_call_is_held_and_resumed_on_pipe() {
    hold_and_resume(Mode::Pipe, First::Box);
}

#[test]
fn an_incoming_call_is_held_and_resumed_on_multi_pipe() {
    hold_and_resume(Mode::MultiPipe, First::Core);
}

/// `aiortc` hears every codec of the first Answer, its own, so the box may change
/// to any; it goes on to send with the first, so only what it hears is measured.
#[test]
fn the_box_changes_its_codec_without_a_gap() {
    let mut talk = Talk::begin(Mode::Pipe, First::Box);
    for codec in ["PCMU", "opus", "PCMA", "opus"] {
        talk.no_gap(&format!("change to {codec}"), Ears::Far, |talk| {
            let answer = talk.renegotiate(json!({ "codec": codec }));
            assert!(answer.contains(&format!(" {codec}/")), "{answer}");
        });
        talk.peer.hears(NEAR_HERTZ);
    }
    talk.ends();
}
