//! A box, its core and the steps that most scenes share, for both rpcs.

use serde_json::{Value, json};

use super::door::{Door, NEAR_HERTZ, SOON, count};
use super::peer::Peer;
use super::server::{Options, Server};

/// Who calls the box.
pub const CALLER: &str = "+4799999999";
/// Call ids of the core.
pub const IDS: [&str; 3] = [
    "6f1cbe0e-22ab-4c39-93c3-36b1ae27a1a6",
    "0d7a4a33-8f6e-4b0e-a3a1-2b6d1f0c9b11",
    "b3c1f6a2-5f0f-4d8e-9a51-8b7f5d1c2e03",
];
/// What the far end's tone is, hertz.
pub const FAR_HERTZ: u32 = 1000;

/// Which rpc of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One call, call ids mean nothing.
    Pipe,
    /// Several calls, each with its id.
    MultiPipe,
}

impl Mode {
    /// As the configuration says it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Pipe => "pipe",
            Mode::MultiPipe => "multi-pipe",
        }
    }
}

/// A registered box and its core.
pub struct Scene {
    pub mode: Mode,
    pub core: Server,
    pub door: Door,
}

impl Scene {
    /// TLS, a token, and a box that could call.
    pub fn new(mode: Mode) -> Self {
        Self::with(mode, &Options::default())
    }

    /// The same at a core of these options.
    pub fn with(mode: Mode, options: &Options) -> Self {
        Self::with_times(mode, options, SOON)
    }

    /// The same with other times, see [`Door::start`].
    pub fn with_times(mode: Mode, options: &Options, times: &str) -> Self {
        let core = Server::start(options);
        let door = Door::start(mode.name(), &core, times);
        let mut scene = Self { mode, core, door };
        scene.register(json!({ "idle": {} }));
        scene.door.wait_ready();
        scene
    }

    /// Waits for the stream, and says what a core says at once on `Pipe`.
    pub fn register(&mut self, first: Value) {
        let opened = self.core.wait_event("opened");
        match self.mode {
            Mode::Pipe => {
                assert_eq!(opened["rpc"], "Pipe");
                self.core.send("", first);
            }
            Mode::MultiPipe => assert_eq!(opened["rpc"], "MultiPipe"),
        }
    }

    /// What this core puts into `call_id`: nothing on `Pipe`.
    pub fn id<'a>(&self, id: &'a str) -> &'a str {
        match self.mode {
            Mode::Pipe => "",
            Mode::MultiPipe => id,
        }
    }

    /// The core says something about a call.
    pub fn say(&self, id: &str, body: Value) {
        self.core.send(self.id(id), body);
    }

    /// Returns when the box has obeyed all that was said before: it counts a
    /// message that says nothing.
    pub fn obeyed(&mut self) {
        let before = count(&self.door.status().unwrap(), "message-unknown");
        self.core.send_bytes(b"");
        self.door.counted("message-unknown", before + 1);
    }

    /// Presses the button; the Offer and its id.
    pub fn press_call(&mut self) -> (Value, String) {
        self.door.press("call");
        let offer = self.its_offer();
        let id = text(&offer["call_id"]).to_owned();
        (offer, id)
    }

    /// The Offer of the call that the box makes. One to go on with an earlier
    /// call, whose stream broke, may be unread yet.
    pub fn its_offer(&mut self) -> Value {
        let id = self.door.wait_call("outgoing")["call_id"].clone();
        loop {
            let offer = self.core.wait_message("offer");
            if offer["call_id"] == id {
                return offer;
            }
        }
    }

    /// A call of the box's that a phone answered, with its sound up both ways.
    pub fn call_out(&mut self) -> (Peer, String) {
        let peer = Peer::new(FAR_HERTZ);
        let id = self.call_out_to(&peer);
        (peer, id)
    }

    /// The same to this peer.
    pub fn call_out_to(&mut self, peer: &Peer) -> String {
        let (offer, id) = self.press_call();
        self.say(&id, json!({ "answer": { "sdp": peer.answer(sdp(&offer, "offer")) } }));
        self.talks(peer);
        id
    }

    /// A caller's Offer that rings at the box; its peer.
    pub fn ring(&mut self, id: &str) -> Peer {
        let peer = Peer::new(FAR_HERTZ);
        self.say(id, json!({ "offer": { "sdp": peer.offer(), "msisdn": { "e164": CALLER } } }));
        let ringing = self.core.wait_message("ringing");
        if self.mode == Mode::MultiPipe {
            assert_eq!(ringing["call_id"], id);
        }
        let status = self.door.wait_call("incoming");
        assert_eq!(status["peer"], CALLER);
        peer
    }

    /// A caller's call that the box answered, with its sound up both ways.
    pub fn call_in(&mut self, id: &str) -> Peer {
        let peer = self.ring(id);
        self.door.act(&json!({ "action": "answer" })).unwrap();
        peer.accept(sdp(&self.core.wait_message("answer"), "answer"));
        self.talks(&peer);
        peer
    }

    /// Waits until both hear each other.
    pub fn talks(&mut self, peer: &Peer) {
        peer.connected();
        self.door.wait_call("in-call");
        peer.hears(NEAR_HERTZ);
        self.door.hears(FAR_HERTZ);
    }

    /// Hangs up at the box, and the core is told of this call.
    pub fn hang_up(&mut self, id: &str) {
        self.door.act(&json!({ "action": "hang-up" })).unwrap();
        let bye = self.core.wait_message("bye");
        assert_eq!(bye["call_id"], self.own(id));
        self.door.wait_call("idle");
    }

    /// The id in what the box says of this call: its own, or the one the core gave.
    pub fn own(&self, id: &str) -> Value {
        match self.id(id) {
            "" if IDS.contains(&id) => Value::Null,
            _ => json!(id),
        }
    }

    /// A whole call, as every box must still be able to make one.
    pub fn takes_a_call(&mut self) {
        self.door.wait_ready();
        let (peer, id) = self.call_out();
        self.hang_up(&id);
        peer.close();
    }
}

/// The description in a message's member.
pub fn sdp<'a>(message: &'a Value, member: &str) -> &'a str {
    text(&message[member]["sdp"])
}

/// A string in JSON.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
