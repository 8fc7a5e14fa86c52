//! Why: a leg runs on the real-time audio thread, where one allocation may
//! cost a page fault and with it an audible gap. Here every allocation between
//! entering and leaving a leg aborts the test, in a call with all its events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/media.rs"]
mod support;

use std::time::{Duration, Instant};

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use callbox::appliance::command::MediaCommand;
use callbox::audio::{FRAME_SAMPLES, Frame, Leg};
use callbox::media::{Codec, LegHandle};
use support::{Engine, settings, tone};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

struct Guarded(Box<dyn Leg>, Duration, Duration);

impl Leg for Guarded {
    fn near_end(&mut self, frame: &Frame, now: Instant) {
        let began = Instant::now();
        assert_no_alloc(|| self.0.near_end(frame, now));
        self.1 += began.elapsed();
    }

    fn far_end(&mut self, frame: &mut Frame, now: Instant) {
        let began = Instant::now();
        assert_no_alloc(|| self.0.far_end(frame, now));
        self.2 += began.elapsed();
    }
}

/// Ticks both legs for a while; tells the mean cost of one frame each way.
fn run(legs: &mut [Guarded; 2], frames: u32) {
    let sound = tone(440.0);
    let mut next = Instant::now();
    for frame in 0..frames {
        let at = frame as usize * FRAME_SAMPLES % sound.len();
        let near: Frame = sound[at..at + FRAME_SAMPLES].try_into().unwrap();
        for leg in legs.iter_mut() {
            // Now and then one end does not run: starvation and bursts.
            if frame % 97 < 90 {
                leg.near_end(&near, Instant::now());
            }
            if frame % 131 < 120 {
                leg.far_end(&mut [0; FRAME_SAMPLES], Instant::now());
            }
        }
        next += Duration::from_millis(10);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_never_allocates() {
    let all = [Codec::Opus, Codec::Pcmu, Codec::Pcma];
    let (mut box_, mut far) = (Engine::new(settings(&all)), Engine::new(settings(&all)));
    let offer = far.prepare(1).await;
    let (answer, box_leg) = box_.answer(1, offer.clone()).await;
    far.tell(1, MediaCommand::Start { sdp: answer.clone() }).await;
    let far_leg = far.leg(1).await;
    box_.connected(1).await;
    far.connected(1).await;
    let guard = |handle: LegHandle| Guarded(handle.leg, Duration::ZERO, Duration::ZERO);
    let stats = box_leg.stats.clone();
    let mut legs = [guard(box_leg), guard(far_leg)];
    for (codec, formats) in [("opus", "111 126"), ("PCMU", "0 126"), ("PCMA", "8 126"), ("opus", "111 126")] {
        let with = |sdp: &str| {
            let sdp = sdp.replace("a=setup:active", "a=setup:actpass");
            let rest = sdp.split_once("SAVPF ").unwrap().1.split_once("\r\n").unwrap().1.to_owned();
            format!("{}SAVPF {formats}\r\n{rest}", sdp.split_once("SAVPF ").unwrap().0)
        };
        box_.renegotiate(1, with(&offer)).await;
        far.renegotiate(1, with(&answer)).await;
        let runner = std::thread::spawn(move || {
            run(&mut legs, 200);
            legs
        });
        box_.tell(1, MediaCommand::Digits("1".to_owned())).await;
        legs = tokio::task::spawn_blocking(move || runner.join().unwrap()).await.unwrap();
        let each = |total: Duration| total.as_micros() / 200;
        println!("{codec}: near end {} us, far end {} us a frame", each(legs[0].1), each(legs[0].2));
        (legs[0].1, legs[0].2) = (Duration::ZERO, Duration::ZERO);
    }
    assert!(stats.packets_received.get() > 100, "{stats:?}");
    assert!(stats.frames_played.get() > 200, "{stats:?}");
    assert!(stats.frames_concealed.get() > 0, "nothing was ever concealed: {stats:?}");
}
