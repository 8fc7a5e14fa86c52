//! Why: offers cross. While ours is out the core may send one of its own: for
//! early media, or because it did not know of ours. It may answer ours after
//! that, or never, and in either order. The far end that spoke last is the one
//! that is heard, and nobody is cut off on the way there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/gap.rs"]
mod gap;
#[path = "support/relay.rs"]
mod relay;
#[path = "support/media.rs"]
mod support;

use std::time::Duration;

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::media::{Codec, MediaOutput};
use gap::{LONGEST_GAP, longest_gap};
use relay::redirect;
use support::{Card, Engine, hears, settings, tone};

const ALL: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

struct Glare {
    box_: Engine,
    far: Engine,
    near: Card,
    /// Our own offer, not answered yet.
    ours: String,
    /// The far end's, answered and connected.
    theirs: String,
    away: Card,
}

impl Glare {
    /// Our offer is out, the far end's comes, is answered, and media is up.
    async fn new() -> Self {
        let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
        let ours = box_.prepare(1).await;
        let theirs = far.prepare(1).await;
        box_.tell(1, MediaCommand::Renegotiate { sdp: theirs.clone() }).await;
        let MediaOutput::Leg(leg) = box_.next(1).await else { panic!("no leg before the answer") };
        let MediaEvent::Answer { sdp } = box_.event(1).await else { panic!("no answer") };
        far.tell(1, MediaCommand::Start { sdp }).await;
        let away = Card::new(far.leg(1).await, tone(1_000.0));
        let near = Card::new(leg, tone(440.0));
        box_.connected(1).await;
        far.connected(1).await;
        Self { box_, far, near, ours, theirs, away }
    }

    async fn both_hear(&self, away: &Card, hertz: f64, when: &str) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let sound = self.near.listen(Duration::from_millis(1_000)).await;
        assert!(hears(hertz, &sound), "{when}: {hertz} Hz is not heard here");
        let sound = away.listen(Duration::from_millis(1_000)).await;
        assert!(hears(440.0, &sound), "{when}: the box is not heard");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_before_our_own_is_answered_is_answered_itself() {
    let mut glare = Glare::new().await;
    glare.both_hear(&glare.away, 1_000.0, "after the first").await;
    // Several before there is an answer.
    for _ in 0..2 {
        glare.box_.renegotiate(1, glare.theirs.clone()).await;
    }
    glare.both_hear(&glare.away, 1_000.0, "after a repetition").await;
    // From another server, and there is still no answer to ours.
    let offer = glare.far.prepare(2).await;
    let answer = glare.box_.renegotiate(1, offer).await;
    glare.far.tell(2, MediaCommand::Start { sdp: answer }).await;
    let second = Card::new(glare.far.leg(2).await, tone(1_500.0));
    glare.box_.connected(1).await;
    glare.both_hear(&second, 1_500.0, "from another server").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_to_our_own_offer_moves_the_call_without_a_gap() {
    let mut glare = Glare::new().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    glare.near.take_heard();
    let (late, leg) = glare.far.answer(2, glare.ours.clone()).await;
    let second = Card::new(leg, tone(1_500.0));
    glare.box_.tell(1, MediaCommand::Start { sdp: late.clone() }).await;
    glare.box_.connected(1).await;
    glare.far.connected(2).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let gap = longest_gap(&glare.near.take_heard());
    assert!(gap.length <= LONGEST_GAP, "silent on the way: {gap:?}, {:?}", glare.near.stats);
    glare.both_hear(&second, 1_500.0, "after the late answer").await;
    // The same answer once more says nothing new.
    glare.box_.tell(1, MediaCommand::Start { sdp: late }).await;
    glare.both_hear(&second, 1_500.0, "after its repetition").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_that_leads_nowhere_leaves_the_call_where_it_is() {
    let mut glare = Glare::new().await;
    let (late, _leg) = glare.far.answer(2, glare.ours.clone()).await;
    glare.far.close(2).await;
    // Nobody reads what comes to the discard port.
    let (late, _) = redirect(&late, "127.0.0.1:9".parse().unwrap());
    glare.box_.tell(1, MediaCommand::Start { sdp: late }).await;
    // Longer than ICE tries.
    tokio::time::sleep(Duration::from_secs(33)).await;
    glare.both_hear(&glare.away, 1_000.0, "after ICE gave up").await;
    glare.box_.renegotiate(1, glare.theirs.clone()).await;
    glare.both_hear(&glare.away, 1_000.0, "and after an offer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_late_answer_changes_nothing() {
    let glare = Glare::new().await;
    glare.box_.tell(1, MediaCommand::Start { sdp: "v=0".to_owned() }).await;
    glare.both_hear(&glare.away, 1_000.0, "after nonsense").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_comes_after_the_answer_is_a_renegotiation() {
    let (mut box_, mut far) = (Engine::new(settings(&ALL)), Engine::new(settings(&ALL)));
    let ours = box_.prepare(1).await;
    let (answer, far_leg) = far.answer(1, ours).await;
    box_.tell(1, MediaCommand::Start { sdp: answer.clone() }).await;
    // At once: nothing is connected yet.
    let offer = answer.replace("a=setup:active", "a=setup:actpass");
    box_.tell(1, MediaCommand::Renegotiate { sdp: offer }).await;
    let near = Card::new(box_.leg(1).await, tone(440.0));
    let away = Card::new(far_leg, tone(1_000.0));
    let MediaEvent::Answer { sdp } =
        box_.wait_for(1, |event| matches!(event, MediaEvent::Answer { .. })).await
    else {
        panic!("no answer")
    };
    assert!(sdp.contains("a=setup:passive\r\n"), "{sdp}");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(hears(1_000.0, &near.listen(Duration::from_millis(1_000)).await));
    assert!(hears(440.0, &away.listen(Duration::from_millis(1_000)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_moves_and_moves_back_at_once_stays() {
    let mut glare = Glare::new().await;
    let elsewhere = glare.far.prepare(2).await;
    // Its answer never reaches the other server.
    glare.box_.renegotiate(1, elsewhere).await;
    glare.both_hear(&glare.away, 1_000.0, "while the new way is not open").await;
    glare.box_.renegotiate(1, glare.theirs.clone()).await;
    glare.both_hear(&glare.away, 1_000.0, "back").await;
}
