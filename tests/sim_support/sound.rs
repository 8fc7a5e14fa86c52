//! A media engine in the place of a box, and how to judge what it hears.

use std::f64::consts::TAU;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use callbox::appliance::command::MediaCommand;
use callbox::appliance::event::MediaEvent;
use callbox::appliance::id::PeerId;
use callbox::audio::{FRAME_SAMPLES, Frame, Leg, SAMPLE_RATE};
use callbox::media::{self, Codec, MediaOutput, MediaSettings};
use tokio::sync::mpsc;

use super::SOON;

const PEER: PeerId = PeerId(7);

/// One call's media, as the box has it, with a microphone and an ear.
pub struct Near {
    commands: mpsc::Sender<(PeerId, MediaCommand)>,
    outputs: mpsc::Receiver<(PeerId, MediaOutput)>,
    microphone: Option<Microphone>,
    heard: Arc<Mutex<Vec<i16>>>,
    stop: Arc<AtomicBool>,
}

/// Fills one frame of what the box says.
pub type Microphone = Box<dyn FnMut(&mut Frame) + Send>;

impl Near {
    pub fn new(codecs: &[Codec], microphone: Microphone) -> Self {
        let settings = MediaSettings {
            codecs: codecs.to_vec(),
            addresses: Vec::new(),
            loopback: true,
            opus_bitrate: 32_000,
            frame: callbox::media::FrameLength::Auto,
            ice_check_interval: Duration::from_millis(10),
        };
        let (commands, media_commands) = mpsc::channel(16);
        let (media_outputs, outputs) = mpsc::channel(64);
        media::spawn(settings, media_commands, media_outputs);
        let (heard, stop) = Default::default();
        Self { commands, outputs, microphone: Some(microphone), heard, stop }
    }

    pub async fn tell(&self, command: MediaCommand) {
        self.commands.send((PEER, command)).await.unwrap();
    }

    /// The first event that `wanted` accepts; a failure fails the test.
    pub async fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(MediaEvent) -> Option<T>) -> T {
        let look = async {
            loop {
                match self.outputs.recv().await.expect("the media engine ended").1 {
                    MediaOutput::Leg(leg) => {
                        let microphone = self.microphone.take().expect("one leg a peer");
                        let (heard, stop) = (self.heard.clone(), self.stop.clone());
                        thread::spawn(move || drive(leg.leg, microphone, &heard, &stop));
                    }
                    MediaOutput::Event(MediaEvent::Failed(error)) => panic!("media failed: {error:?}"),
                    MediaOutput::Event(event) => {
                        if let Some(found) = wanted(event) {
                            return found;
                        }
                    }
                }
            }
        };
        tokio::time::timeout(SOON, look).await.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    pub async fn prepared(&mut self) -> String {
        self.tell(MediaCommand::Prepare).await;
        let offer = |event| if let MediaEvent::Prepared { sdp } = event { Some(sdp) } else { None };
        self.event("an offer", offer).await
    }

    pub async fn answer(&mut self) -> String {
        let answer = |event| if let MediaEvent::Answer { sdp } = event { Some(sdp) } else { None };
        self.event("an answer", answer).await
    }

    /// The codec of the connected call.
    pub async fn connected(&mut self) -> String {
        let codec = |event| if let MediaEvent::Connected { codec } = event { Some(codec) } else { None };
        self.event("a connection", codec).await
    }

    pub async fn digit(&mut self) -> char {
        self.event("a digit", |event| if let MediaEvent::Digit(digit) = event { Some(digit) } else { None })
            .await
    }

    /// What is heard in this time from now on, 48 kHz.
    pub async fn listen(&self, time: Duration) -> Vec<i16> {
        let wanted = (time.as_secs_f64() * f64::from(SAMPLE_RATE)) as usize;
        let from = self.heard.lock().unwrap().len();
        let end = Instant::now() + time + SOON;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let heard = self.heard.lock().unwrap();
            if heard.len() >= from + wanted {
                return heard[from..from + wanted].to_vec();
            }
            assert!(Instant::now() < end, "the leg is not driven");
        }
    }

    /// Listens in half seconds until `wanted` accepts one.
    pub async fn listen_until(&self, what: &str, wanted: impl Fn(&[i16]) -> bool) {
        let end = Instant::now() + SOON;
        while !wanted(&self.listen(Duration::from_millis(500)).await) {
            assert!(Instant::now() < end, "never heard: {what}");
        }
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn drive(mut leg: Box<dyn Leg>, mut microphone: Microphone, heard: &Mutex<Vec<i16>>, stop: &AtomicBool) {
    let mut due = Instant::now();
    let (mut said, mut frame) = ([0; FRAME_SAMPLES], [0; FRAME_SAMPLES]);
    while !stop.load(Ordering::Relaxed) {
        microphone(&mut said);
        leg.near_end(&said, Instant::now());
        leg.far_end(&mut frame, Instant::now());
        heard.lock().unwrap().extend_from_slice(&frame);
        due += Duration::from_millis(10);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// A microphone that hears a sine at -12 dBFS.
pub fn tone(hz: f64) -> Microphone {
    let mut at = 0_u64;
    Box::new(move |frame| {
        for sample in frame {
            *sample = (8192.0 * (TAU * hz * at as f64 / f64::from(SAMPLE_RATE)).sin()) as i16;
            at += 1;
        }
    })
}

/// A microphone that hears these samples again and again.
pub fn playing(samples: Vec<i16>) -> Microphone {
    let mut at = 0;
    Box::new(move |frame| {
        for sample in frame {
            *sample = samples[at % samples.len()];
            at += 1;
        }
    })
}

/// The part of the power that is at this frequency, 0 to 1 (Goertzel 1958).
pub fn share_of(hz: f64, samples: &[i16]) -> f64 {
    let step = TAU * hz / f64::from(SAMPLE_RATE);
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let (x, at) = (f64::from(*sample), step * i as f64);
        re += x * at.cos();
        im += x * at.sin();
        power += x * x;
    }
    if power == 0.0 { 0.0 } else { 2.0 * (re * re + im * im) / (power * samples.len() as f64) }
}

/// Root mean square, dBFS; -120 for silence.
pub fn level_db(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|s| (f64::from(*s) / 32_768.0).powi(2)).sum();
    (10.0 * (power / samples.len() as f64).log10()).max(-120.0)
}
