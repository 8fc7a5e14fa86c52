//! Why: a voice core renegotiates in mid-call, and nobody who talks may notice.
//! Chromium plays a voice without pauses and records what it hears; as long as
//! the transport stays, neither end may be silent for more than 40 ms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/browser/mod.rs"]
mod browser;
#[path = "support/gap.rs"]
mod gap;
#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use browser::Browser;
use callbox::appliance::command::MediaCommand;
use callbox::media::{Codec, MediaSettings};
use gap::{LONGEST_GAP, drone, gaps, longest_gap};
use serde_json::{Value, json};
use support::{Card, Engine, hears, level, settings};

const OURS: f64 = 440.0;
const THEIRS: f64 = 1_000.0;

fn everywhere() -> MediaSettings {
    MediaSettings { addresses: Vec::new(), ..settings(&[Codec::Opus, Codec::Pcmu, Codec::Pcma]) }
}

struct Call {
    box_: Engine,
    browser: Browser,
    near: Card,
}

/// What both ends heard around one renegotiation.
struct Heard {
    /// The box's loudspeaker.
    here: Vec<i16>,
    /// Chromium's.
    there: Vec<i16>,
    /// Time in which Chromium decoded nothing, not even silence.
    missing: Duration,
    /// What tells a lost packet from a late one, for the message of a failure.
    notes: String,
}

impl Call {
    /// Chromium offers, or the box does, with all codecs.
    async fn new(chromium_offers: bool) -> Self {
        let (mut box_, mut browser) = (Engine::new(everywhere()), Browser::open().await);
        let leg = if chromium_offers {
            let offer = browser.sdp(json!({ "op": "offer", "hertz": THEIRS })).await;
            let (answer, leg) = box_.answer(1, offer).await;
            browser.ask(json!({ "op": "accept", "sdp": answer })).await;
            leg
        } else {
            let offer = box_.prepare(1).await;
            let answer = browser.sdp(json!({ "op": "answer", "sdp": offer, "hertz": THEIRS })).await;
            box_.tell(1, MediaCommand::Start { sdp: answer }).await;
            box_.leg(1).await
        };
        let near = Card::new(leg, drone(OURS, 2));
        assert_eq!(box_.connected(1).await, "opus");
        // Both jitter buffers have found their delay by then.
        tokio::time::sleep(Duration::from_secs(4)).await;
        Self { box_, browser, near }
    }

    /// Chromium offers anew in the midst of what is recorded.
    async fn renegotiate(&mut self, order: &Value) -> Heard {
        let before = self.counters().await;
        self.browser.record().await;
        self.near.take_heard();
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        let offer = self.browser.sdp(order.clone()).await;
        let answer = self.box_.renegotiate(1, offer).await;
        self.browser.ask(json!({ "op": "accept", "sdp": answer })).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let here = self.near.take_heard();
        let (there, missing) = self.browser.recorded().await;
        let missing = Duration::from_secs_f64(missing.max(0.0) / 1_000.0);
        let after = self.counters().await;
        let notes = format!("before {before}, after {after}");
        let (gap_here, gap_there) = (longest_gap(&here).length, longest_gap(&there).length);
        println!(
            "{order}: longest gap {gap_here:?} here, {gap_there:?} in Chromium, {missing:.1?} missing; {notes}"
        );
        Heard { here, there, missing, notes }
    }

    async fn counters(&mut self) -> String {
        let stats = &self.near.stats;
        let state = self.browser.ask(json!({ "op": "state" })).await;
        let theirs = &state["stats"][0];
        format!(
            "[box: lost {}, late {}, concealed {}, unreadable {}; Chromium: lost {}, concealed {}, silent {}]",
            stats.packets_lost.get(),
            stats.packets_late.get(),
            stats.frames_concealed.get(),
            stats.packets_unreadable.get(),
            theirs["packetsLost"],
            theirs["concealedSamples"],
            theirs["silentConcealedSamples"],
        )
    }

    async fn end(mut self) {
        self.box_.close(1).await;
        self.browser.close().await;
    }
}

fn no_gap(which: &str, order: &Value, sound: &[i16], missing: Duration, notes: &str) {
    // Of the 2.5 s that were listened to, but for the time in which the recording begins and ends.
    assert!(sound.len() > 115_000, "{which}, {order}: only {} samples were recorded", sound.len());
    let gap = longest_gap(sound);
    let found = format!("{gap:?}, {missing:?} missing; all: {:?}; {notes}", gaps(sound));
    assert!(gap.length.max(missing) <= LONGEST_GAP, "{which}, {order}: silent for {found}");
}

async fn nobody_notices(chromium_offered: bool) {
    let mut call = Call::new(chromium_offered).await;
    // Whether the box and Chromium are heard before and after.
    let (both, box_only, chromium_only, nobody) =
        ((true, true), (true, false), (false, true), (false, false));
    let orders = [
        (json!({ "op": "reoffer" }), both),
        (json!({ "op": "reoffer" }), both),
        (json!({ "op": "reoffer", "direction": "sendonly" }), chromium_only),
        (json!({ "op": "reoffer", "direction": "sendrecv" }), chromium_only),
        (json!({ "op": "reoffer", "direction": "recvonly" }), box_only),
        (json!({ "op": "reoffer", "direction": "sendrecv" }), box_only),
        (json!({ "op": "reoffer", "direction": "inactive" }), nobody),
        (json!({ "op": "reoffer", "direction": "sendrecv" }), nobody),
        (json!({ "op": "reoffer", "codec": "PCMU" }), both),
        (json!({ "op": "reoffer", "codec": "PCMA" }), both),
        (json!({ "op": "reoffer", "codec": "opus" }), both),
        // Another transport: no bound, but sound afterwards.
        (json!({ "op": "reoffer", "direction": "sendrecv", "restart": true }), nobody),
    ];
    for (order, (box_speaks, chromium_speaks)) in orders {
        let heard = call.renegotiate(&order).await;
        if chromium_speaks {
            no_gap("the box hears Chromium", &order, &heard.here, Duration::ZERO, &heard.notes);
        }
        if box_speaks {
            no_gap("Chromium hears the box", &order, &heard.there, heard.missing, &heard.notes);
        }
        if order["direction"] == "sendrecv" {
            call.both_are_heard(&order).await;
        }
    }
    // What Chromium sent before it had the answer to a change of codec was still understood.
    assert_eq!(call.near.stats.packets_unreadable.get(), 0);
    call.end().await;
}

impl Call {
    /// After hold and resume.
    async fn both_are_heard(&mut self, order: &Value) {
        self.browser.record().await;
        let here = self.near.listen(Duration::from_millis(1_500)).await;
        let (there, _) = self.browser.recorded().await;
        assert!(hears(THEIRS, &here), "{order}: the box does not hear Chromium");
        let loud = there.chunks_exact(4_800).filter(|piece| level(piece) > 1_000.0).count();
        assert!(loud >= 10, "{order}: of 1.5 s Chromium hears {loud} tenths of a second");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_when_chromium_had_offered() {
    nobody_notices(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_when_the_box_had_offered() {
    nobody_notices(false).await;
}
