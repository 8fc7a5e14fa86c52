//! A media peer of the foreign core: one `aiortc` peer connection.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Foreign, foreign};

/// A peer that plays a tone and hears.
pub struct Peer {
    process: &'static Foreign,
    number: u64,
}

impl Peer {
    /// A peer that plays a tone of so many hertz with any codec.
    pub fn new(hertz: u32) -> Self {
        Self::with(json!({ "hertz": hertz }))
    }

    /// One that knows this codec only.
    pub fn with_codec(hertz: u32, codec: &str) -> Self {
        Self::with(json!({ "hertz": hertz, "codec": codec }))
    }

    /// One that leaves it to the other side to control ICE, as an ICE-lite server does.
    pub fn lite(hertz: u32) -> Self {
        Self::with(json!({ "hertz": hertz, "lite": true }))
    }

    fn with(command: Value) -> Self {
        let process = foreign();
        let number = process.ask("peer", command)["peer"].as_u64().unwrap();
        Self { process, number }
    }

    /// Offers, for the first time or anew.
    pub fn offer(&self) -> String {
        self.offer_with(json!({}))
    }

    /// Offers with another direction or codec.
    pub fn offer_with(&self, more: Value) -> String {
        sdp(&self.ask("offer", more))
    }

    /// Answers an offer.
    pub fn answer(&self, offer: &str) -> String {
        sdp(&self.ask("answer", json!({ "sdp": offer })))
    }

    /// Takes the answer to its own offer.
    pub fn accept(&self, answer: &str) {
        self.ask("accept", json!({ "sdp": answer }));
    }

    /// Waits until ICE and DTLS are up.
    pub fn connected(&self) {
        self.state("connected");
    }

    /// Waits until the connection was once in this state.
    pub fn state(&self, state: &str) {
        let number = self.number;
        self.process.wait(&format!("peer that is {state}"), |heard| {
            heard.events.iter().find(|event| event["peer"] == number && event["event"] == state).map(|_| ())
        });
    }

    /// The loudest frequency in hertz of the time to come, and the level of all in dB of full scale.
    pub fn hear(&self, time: Duration) -> (f64, f64) {
        let heard = self.ask("hear", json!({ "seconds": time.as_secs_f64() }));
        (heard["hertz"].as_f64().unwrap(), heard["level_db"].as_f64().unwrap())
    }

    /// Waits until this tone is what it hears.
    pub fn hears(&self, hertz: u32) {
        crate::support::wait_for(super::PATIENCE, &format!("{hertz} Hz at the peer"), || {
            let (found, level) = self.hear(Duration::from_millis(200));
            let right = (found - f64::from(hertz)).abs() < 10.0 && level > -40.0;
            if right { Ok(()) } else { Err(format!("{found:.0} Hz at {level:.0} dB")) }
        });
    }

    /// Waits until it hears all of these tones and none of those.
    pub fn hears_only(&self, these: &[u32], those: &[u32]) {
        crate::support::wait_for(super::PATIENCE, &format!("{these:?} Hz and not {those:?}"), || {
            let tones: Vec<u32> = these.iter().chain(those).copied().collect();
            let heard = self.ask("hear", json!({ "seconds": 0.4, "tones": tones }));
            let levels: Vec<f64> =
                heard["tones_db"].as_array().unwrap().iter().map(|level| level.as_f64().unwrap()).collect();
            let (loud, quiet) = levels.split_at(these.len());
            let right = loud.iter().all(|level| *level > -35.0) && quiet.iter().all(|level| *level < -50.0);
            if right { Ok(()) } else { Err(format!("{tones:?} at {levels:.0?} dB")) }
        });
    }

    /// From now on telephone events pass, and of all packets of the call so many are lost, by a seed.
    pub fn keypad(&self, loss: f64, seed: u64) {
        self.ask("keypad", json!({ "loss": loss, "seed": seed }));
    }

    /// Sends digits and waits until they are sent.
    pub fn press(&self, digits: &str) {
        self.ask("press", json!({ "digits": digits }));
    }

    /// The digits that came, and of every packet that did, be it lost after
    /// that: sequence number, timestamp, marker, event or null, end, duration.
    pub fn pressed(&self) -> (String, Vec<Value>) {
        let heard = self.ask("pressed", json!({}));
        (heard["digits"].as_str().unwrap().to_owned(), heard["came"].as_array().unwrap().clone())
    }

    /// How much it has heard, and how late its own tone was at worst since it
    /// was last asked: by so much the machine held it up.
    pub fn clock(&self) -> (Duration, Duration) {
        let said = self.ask("clock", json!({}));
        let late = said["late_ms"].as_f64().unwrap() / 1000.0;
        (Duration::from_secs_f64(said["seconds"].as_f64().unwrap()), Duration::from_secs_f64(late))
    }

    /// Writes all it heard into a WAV file.
    pub fn save(&self, wav: &Path) {
        self.ask("save", json!({ "path": wav }));
    }

    /// Closes the connection.
    pub fn close(&self) {
        self.ask("close", json!({}));
    }

    fn ask(&self, what: &str, mut command: Value) -> Value {
        command["peer"] = json!(self.number);
        self.process.ask(what, command)
    }
}

fn sdp(result: &Value) -> String {
    result["sdp"].as_str().unwrap().to_owned()
}
