//! Two ends of a call for the media tests: engines, a clock that ticks legs as
//! a sound card would, and signals that can be recognised afterwards.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::appliance::id::PeerId;
use callbox::audio::{FRAME_SAMPLES, Leg};
use callbox::media::{Codec, LegHandle, LegStats, MediaOutput, MediaSettings, spawn};
use tokio::sync::mpsc;

/// Long enough for a loaded machine, short enough to fail on a hang.
pub const PATIENCE: Duration = Duration::from_secs(45);

pub fn settings(codecs: &[Codec]) -> MediaSettings {
    MediaSettings {
        codecs: codecs.to_vec(),
        addresses: vec!["127.0.0.1".parse().unwrap()],
        loopback: true,
        opus_bitrate: 32_000,
        frame: callbox::media::FrameLength::Auto,
        ice_check_interval: Duration::from_millis(10),
    }
}

/// An engine with its outputs sorted by peer.
pub struct Engine {
    pub commands: mpsc::Sender<(PeerId, MediaCommand)>,
    outputs: mpsc::Receiver<(PeerId, MediaOutput)>,
    waiting: VecDeque<(PeerId, MediaOutput)>,
}

impl Engine {
    pub fn new(settings: MediaSettings) -> Self {
        let (commands, received) = mpsc::channel(64);
        let (sent, outputs) = mpsc::channel(64);
        spawn(settings, received, sent);
        Self { commands, outputs, waiting: VecDeque::new() }
    }

    pub async fn tell(&self, peer: u64, command: MediaCommand) {
        self.commands.send((PeerId(peer), command)).await.unwrap();
    }

    /// The next output of `peer`.
    pub async fn next(&mut self, peer: u64) -> MediaOutput {
        if let Some(at) = self.waiting.iter().position(|(id, _)| *id == PeerId(peer)) {
            return self.waiting.remove(at).unwrap().1;
        }
        loop {
            let next = tokio::time::timeout(PATIENCE, self.outputs.recv()).await;
            let (id, output) = next.expect("the engine is silent").expect("the engine is gone");
            if id == PeerId(peer) {
                return output;
            }
            self.waiting.push_back((id, output));
        }
    }

    pub async fn event(&mut self, peer: u64) -> MediaEvent {
        match self.next(peer).await {
            MediaOutput::Event(event) => event,
            MediaOutput::Leg(_) => panic!("a leg where an event was due"),
        }
    }

    pub async fn leg(&mut self, peer: u64) -> LegHandle {
        match self.next(peer).await {
            MediaOutput::Leg(handle) => handle,
            MediaOutput::Event(event) => panic!("{event:?} where a leg was due"),
        }
    }

    /// The next event that `wanted` says yes to; others are passed over.
    pub async fn wait_for(&mut self, peer: u64, wanted: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "the event never came");
            if let MediaOutput::Event(event) = self.next(peer).await {
                if wanted(&event) {
                    return event;
                }
                assert!(!matches!(event, MediaEvent::Failed(_)), "{event:?}");
            }
        }
    }

    pub async fn connected(&mut self, peer: u64) -> String {
        match self.wait_for(peer, |event| matches!(event, MediaEvent::Connected { .. })).await {
            MediaEvent::Connected { codec } => codec,
            other => panic!("{other:?}"),
        }
    }

    pub async fn prepare(&mut self, peer: u64) -> String {
        self.tell(peer, MediaCommand::Prepare).await;
        match self.event(peer).await {
            MediaEvent::Prepared { sdp } => sdp,
            other => panic!("{other:?}"),
        }
    }

    /// Checks and answers an offer.
    pub async fn answer(&mut self, peer: u64, offer: String) -> (String, LegHandle) {
        self.tell(peer, MediaCommand::Check { sdp: offer }).await;
        assert_eq!(self.event(peer).await, MediaEvent::Acceptable);
        self.tell(peer, MediaCommand::Answer).await;
        let leg = self.leg(peer).await;
        match self.event(peer).await {
            MediaEvent::Answer { sdp } => (sdp, leg),
            other => panic!("{other:?}"),
        }
    }

    pub async fn renegotiate(&mut self, peer: u64, offer: String) -> String {
        self.tell(peer, MediaCommand::Renegotiate { sdp: offer }).await;
        match self.wait_for(peer, |event| matches!(event, MediaEvent::Answer { .. })).await {
            MediaEvent::Answer { sdp } => sdp,
            other => panic!("{other:?}"),
        }
    }

    pub async fn close(&mut self, peer: u64) {
        self.tell(peer, MediaCommand::Close).await;
        self.wait_for(peer, |event| *event == MediaEvent::Closed).await;
    }
}

/// A call between two engines: `offerer` prepared and started, `answerer`
/// checked and answered. Both legs are connected.
pub async fn call(offerer: &mut Engine, answerer: &mut Engine, peer: u64) -> (LegHandle, LegHandle) {
    let offer = offerer.prepare(peer).await;
    let (answer, answerer_leg) = answerer.answer(peer, offer).await;
    offerer.tell(peer, MediaCommand::Start { sdp: answer }).await;
    let offerer_leg = offerer.leg(peer).await;
    offerer.connected(peer).await;
    answerer.connected(peer).await;
    (offerer_leg, answerer_leg)
}

/// Ticks one leg every 10 ms on a thread of its own, as the audio thread does.
pub struct Card {
    state: Arc<Mutex<CardState>>,
    thread: Option<JoinHandle<()>>,
    pub stats: Arc<LegStats>,
}

struct CardState {
    microphone: Vec<i16>,
    at: usize,
    heard: Vec<i16>,
    stop: bool,
}

impl Card {
    /// Plays `microphone` over and over.
    pub fn new(handle: LegHandle, microphone: Vec<i16>) -> Self {
        let state = CardState { microphone, at: 0, heard: Vec::new(), stop: false };
        let state = Arc::new(Mutex::new(state));
        let thread = std::thread::spawn({
            let state = Arc::clone(&state);
            move || tick(handle.leg, &state)
        });
        Self { state, thread: Some(thread), stats: handle.stats }
    }

    /// What came from the far end since the last call of this.
    pub fn take_heard(&self) -> Vec<i16> {
        std::mem::take(&mut self.state.lock().unwrap().heard)
    }

    /// Everything heard in the next `duration`.
    pub async fn listen(&self, duration: Duration) -> Vec<i16> {
        self.take_heard();
        tokio::time::sleep(duration).await;
        self.take_heard()
    }

    pub fn play(&self, microphone: Vec<i16>) {
        let mut state = self.state.lock().unwrap();
        state.microphone = microphone;
        state.at = 0;
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.state.lock().unwrap().stop = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn tick(mut leg: Box<dyn Leg>, state: &Mutex<CardState>) {
    let mut next = Instant::now();
    loop {
        let near: [i16; FRAME_SAMPLES] = {
            let mut state = state.lock().unwrap();
            if state.stop {
                return;
            }
            let length = state.microphone.len().max(1);
            let at = state.at;
            state.at = (at + FRAME_SAMPLES) % length;
            std::array::from_fn(|i| state.microphone.get((at + i) % length).copied().unwrap_or(0))
        };
        let now = Instant::now();
        leg.near_end(&near, now);
        let mut far = [0; FRAME_SAMPLES];
        leg.far_end(&mut far, now);
        state.lock().unwrap().heard.extend_from_slice(&far);
        next += Duration::from_millis(10);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// A second of a sine.
pub fn tone(hertz: f64) -> Vec<i16> {
    (0..48_000)
        .map(|i| (8_000.0 * (std::f64::consts::TAU * hertz * f64::from(i) / 48_000.0).sin()) as i16)
        .collect()
}

/// Two seconds of a chirp from 300 to 3000 Hz with the loudness of syllables:
/// it correlates with itself at one place only.
pub fn chirp() -> Vec<i16> {
    let mut phase = 0.0;
    (0..96_000)
        .map(|i| {
            let t = f64::from(i) / 48_000.0;
            phase += std::f64::consts::TAU * (300.0 + 1_350.0 * t) / 48_000.0;
            let syllables = 0.3 + 0.7 * (std::f64::consts::PI * 4.0 * t).sin().powi(2);
            (9_000.0 * syllables * phase.sin()) as i16
        })
        .collect()
}

/// The greatest normalised correlation of a 500 ms piece of `heard` with any
/// place of `said` played over and over.
pub fn correlation(said: &[i16], heard: &[i16]) -> f64 {
    const PIECE: usize = 24_000;
    const STEP: usize = 4;
    let mut best: f64 = 0.0;
    let begins = [heard.len() / 4, heard.len() / 2, heard.len() * 3 / 4];
    for begin in begins.into_iter().filter(|begin| begin + PIECE <= heard.len()) {
        let piece: Vec<f64> =
            heard[begin..begin + PIECE].iter().step_by(STEP).map(|s| f64::from(*s)).collect();
        let energy: f64 = piece.iter().map(|s| s * s).sum();
        let score = |offset: usize| {
            let (mut dot, mut own) = (0.0, 0.0);
            for (i, sample) in piece.iter().enumerate() {
                let other = f64::from(said[(offset + i * STEP) % said.len()]);
                dot += sample * other;
                own += other * other;
            }
            if energy == 0.0 || own == 0.0 { 0.0 } else { dot / (energy * own).sqrt() }
        };
        // Coarse first: a chirp's correlation is a few samples wide.
        let coarse = (0..said.len()).step_by(4).map(|o| (o, score_thin(&piece, said, o, STEP)));
        let mut coarse: Vec<(usize, f64)> = coarse.collect();
        coarse.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (offset, _) in coarse.into_iter().take(8) {
            for fine in 0..8 {
                best = best.max(score((offset + said.len() + fine - 4) % said.len()));
            }
        }
    }
    best
}

fn score_thin(piece: &[f64], said: &[i16], offset: usize, step: usize) -> f64 {
    let thin = 5;
    piece
        .iter()
        .enumerate()
        .step_by(thin)
        .map(|(i, sample)| sample * f64::from(said[(offset + i * step) % said.len()]))
        .sum()
}

/// The share of the energy of `sound` that is at `hertz` (Goertzel).
pub fn share_at(hertz: f64, sound: &[i16]) -> f64 {
    let energy: f64 = sound.iter().map(|s| f64::from(*s).powi(2)).sum();
    if energy == 0.0 {
        return 0.0;
    }
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (i, sample) in sound.iter().enumerate() {
        re += f64::from(*sample) * (step * i as f64).cos();
        im += f64::from(*sample) * (step * i as f64).sin();
    }
    2.0 * (re * re + im * im) / (energy * sound.len() as f64)
}

/// Root mean square.
pub fn level(sound: &[i16]) -> f64 {
    (sound.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / sound.len().max(1) as f64).sqrt()
}

/// Whether `hertz` is heard: best 250 ms of it.
pub fn hears(hertz: f64, sound: &[i16]) -> bool {
    sound
        .chunks(12_000)
        .filter(|piece| piece.len() == 12_000)
        .any(|piece| level(piece) > 1_000.0 && share_at(hertz, piece) > 0.8)
}
