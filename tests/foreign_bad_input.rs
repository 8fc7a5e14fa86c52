//! The voice core is another company's, and so are its mistakes. A foreign one
//! says every message of the contract with every field absent, empty, huge or
//! wrong, in every state of the box: the box neither exits nor sticks, and the
//! next call is as good as any.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/foreign/mod.rs"]
mod foreign;
mod support;

use std::time::{Duration, Instant};

use foreign::door::count;
use foreign::peer::Peer;
use foreign::scene::{CALLER, FAR_HERTZ, IDS, Mode, Scene, sdp};
use foreign::server::Options;
use foreign::wire::{self, Case, Effect, MARK, MARK_COUNTER, cases};
use serde_json::{Value, json};

/// Whatever was said, the box is idle this long after it was hung up, and
/// registered this long after its stream broke.
const BOUND: Duration = Duration::from_secs(5);

/// In a call that took a second to set up, so many cases are tried.
const CASES_A_CALL: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Outgoing,
    Ringing,
    Incoming,
    Connecting,
    InCall,
    Releasing,
    Registered,
}

macro_rules! states {
    ($($mode:ident $rpc:ident { $($name:ident $state:ident)* })*) => {
        $(mod $mode {
            $(#[test] fn $name() { super::bad_input(super::Mode::$rpc, super::State::$state) })*
        })*
    };
}

states! {
    pipe Pipe {
        while_idle Idle
        while_calling Outgoing
        while_the_far_end_rings Ringing
        while_it_rings_here Incoming
        while_media_comes_up Connecting
        in_a_call InCall
        while_a_call_is_let_go_of Releasing
        right_after_registration Registered
    }
    multi_pipe MultiPipe {
        while_idle Idle
        while_calling Outgoing
        while_the_far_end_rings Ringing
        while_it_rings_here Incoming
        while_media_comes_up Connecting
        in_a_call InCall
        while_a_call_is_let_go_of Releasing
        right_after_registration Registered
    }
}

/// A box under attack.
struct Victim {
    scene: Scene,
    state: State,
    /// A description that can be answered; nobody is behind it.
    good: String,
    /// The far end of the call that is up, if media is.
    peer: Option<Peer>,
}

fn bad_input(mode: Mode, state: State) {
    let begin = Instant::now();
    let more = "[backoff]\nbase = \"10ms\"\nceiling = \"10ms\"\nrate-limit = \"0s\"\n\
        [call]\nend-tone = \"0s\"\nmedia-timeout = \"60s\"\n";
    let options = Options { secure: false, ..Options::default() };
    let scene = Scene::with_times(mode, &options, more);
    let good = Peer::new(FAR_HERTZ).offer();
    let mut victim = Victim { scene, state, good, peer: None };
    // What differs between cases of a call is its id alone.
    let number = cases(&victim.good, IDS[0]).len();
    let mut id = None;
    for n in 0..number {
        let entered = match id.take() {
            Some(id) if state == State::InCall && n % CASES_A_CALL != 0 => id,
            Some(_) | None => {
                victim.clear();
                victim.enter()
            }
        };
        let case = cases(&victim.good, &entered).swap_remove(n);
        victim.suffers(&case);
        if state == State::InCall && victim.scene.door.status().unwrap()["call"] == "in-call" {
            id = Some(entered);
        }
    }
    victim.clear();
    // No call elsewhere is left of what was said.
    victim.scene.core.send("", json!({ "idle": {} }));
    victim.scene.takes_a_call();
    println!("{mode:?}, {state:?}: {number} combinations in {:.1?}", begin.elapsed());
}

impl Victim {
    /// Brings the box into the state; the id of its call.
    fn enter(&mut self) -> String {
        match self.state {
            State::Idle | State::Registered => IDS[0].to_owned(),
            State::Outgoing | State::Releasing => self.call(),
            State::Ringing => {
                let id = self.call();
                self.say(&wire::plain(3, &id));
                self.scene.door.wait_call("ringing");
                id
            }
            State::Incoming => {
                self.say(&wire::offer(&self.good, CALLER, IDS[0]));
                self.scene.door.wait_call("incoming");
                IDS[0].to_owned()
            }
            State::Connecting => {
                let id = self.call();
                self.say(&wire::answer(&self.good.replace("actpass", "active"), &id));
                self.scene.door.wait_call("connecting");
                id
            }
            State::InCall => {
                let (peer, id) = self.scene.call_out();
                self.peer = Some(peer);
                id
            }
        }
    }

    fn call(&mut self) -> String {
        self.scene.door.act(&json!({ "action": "call", "to": ["front"] })).unwrap();
        let offer = self.scene.its_offer();
        assert!(!sdp(&offer, "offer").is_empty());
        offer["call_id"].as_str().unwrap().to_owned()
    }

    fn say(&self, bytes: &[u8]) {
        self.scene.core.send_bytes(bytes);
    }

    /// The core says it; the box has read it when this returns.
    fn suffers(&mut self, case: &Case) {
        let begin = Instant::now();
        let marks = count(&self.status(), MARK_COUNTER);
        let mut said = vec![case.bytes.clone()];
        match self.state {
            State::Releasing => {
                // Right behind the Bye: media is still closing.
                let id = self.status()["call_id"].as_str().unwrap_or_default().to_owned();
                said.insert(0, wire::plain(4, &id));
            }
            State::Registered => {
                self.scene.core.end("OK");
                self.scene.core.wait_event("opened");
            }
            State::Idle
            | State::Outgoing
            | State::Ringing
            | State::Incoming
            | State::Connecting
            | State::InCall => {}
        }
        match case.effect {
            Effect::Breaks => {
                self.scene.core.send_all_bytes(&said);
                self.scene.register(json!({ "idle": {} }));
                let registered = |status: &Value| status["session"] == "registered";
                self.scene.door.wait("session after a broken stream", registered);
            }
            Effect::Read | Effect::Mark => {
                let more = if case.effect == Effect::Mark { 2 } else { 1 };
                said.push(MARK.to_vec());
                self.scene.core.send_all_bytes(&said);
                self.scene.door.counted(MARK_COUNTER, marks + more);
            }
        }
        let took = begin.elapsed();
        assert!(took < BOUND, "{:?}: {} held the box up for {took:?}", self.state, case.name);
    }

    fn status(&self) -> Value {
        self.scene.door.status().unwrap()
    }

    /// Hangs up whatever there is: idle within the bound.
    fn clear(&mut self) {
        let begin = Instant::now();
        // No call is as good: the box may have ended it by itself.
        let _ = self.scene.door.act(&json!({ "action": "hang-up" }));
        self.scene.door.wait_call("idle");
        assert!(begin.elapsed() < BOUND, "{:?}: not idle for {:?}", self.state, begin.elapsed());
        if let Some(peer) = self.peer.take() {
            peer.close();
        }
    }
}
