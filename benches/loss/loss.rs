//! Plays speech through networks that lose and hold up packets, and writes
//! what is heard, beside what was said:
//!
//!     loss SPEECH.wav OUT SEEDS
//!
//! SPEECH is mono at 48 kHz. Writes OUT/NETWORK-CODEC-SEED.wav, and a line of
//! JSON each on standard output. Networks are made from their seed, on virtual
//! time: no clock is read and no packet leaves. `benches/loss/run.sh` scores it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::time::{Duration, Instant};

use callbox::audio::{FRAME_SAMPLES, Frame};
use callbox::media::rehearsal::{Parcel, Rehearsal};
use callbox::media::{Codec, FrameLength};

/// A small linear congruential generator (Knuth, TAOCP 2, 3.3.4).
struct Random(u64);

impl Random {
    /// 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 31)
    }
}

/// What a network does to packets.
#[derive(Clone, Copy)]
struct Network {
    name: &'static str,
    /// Share lost.
    lost: f64,
    /// Packets lost in a row, in the mean (Gilbert 1960).
    burst: f64,
    /// Deviation of the delay in ms, normal, each packet for itself as netem has it; the order stays.
    jitter: f64,
    /// Mean of a delay in ms that has a gamma distribution of shape 1.5, at most four times the mean:
    /// what a queue makes, and what `benches/measure/netns_impair.py` does to calls. The order stays.
    queue: f64,
}

const NETWORKS: [Network; 9] = [
    Network { name: "clean", lost: 0.0, burst: 1.0, jitter: 0.0, queue: 0.0 },
    Network { name: "loss-5", lost: 0.05, burst: 1.0, jitter: 0.0, queue: 0.0 },
    Network { name: "loss-10", lost: 0.10, burst: 1.0, jitter: 0.0, queue: 0.0 },
    Network { name: "loss-20", lost: 0.20, burst: 1.0, jitter: 0.0, queue: 0.0 },
    Network { name: "bursts-4", lost: 0.10, burst: 4.0, jitter: 0.0, queue: 0.0 },
    Network { name: "jitter-30", lost: 0.0, burst: 1.0, jitter: 30.0, queue: 0.0 },
    Network { name: "jitter-100", lost: 0.0, burst: 1.0, jitter: 100.0, queue: 0.0 },
    Network { name: "queue-30", lost: 0.0, burst: 1.0, jitter: 0.0, queue: 30.0 },
    Network { name: "queue-100", lost: 0.0, burst: 1.0, jitter: 0.0, queue: 100.0 },
];

/// One way, ms, before jitter.
const DELAY: f64 = 20.0;

/// A network with its memory.
struct Way {
    network: Network,
    random: Random,
    losing: bool,
    last: f64,
}

impl Way {
    fn loses(&mut self) -> bool {
        let Network { lost, burst, .. } = self.network;
        // From good to bad so that `lost` is the share of bad, from bad to good after `burst`.
        let begins = if burst > 1.0 { lost / (burst * (1.0 - lost)) } else { lost };
        let goes_on = if burst > 1.0 { 1.0 - 1.0 / burst } else { lost };
        self.losing = self.random.next() < if self.losing { goes_on } else { begins };
        self.losing
    }

    /// When a packet arrives that leaves at `at`, ms.
    fn arrival(&mut self, at: f64) -> f64 {
        // Twelve uniform numbers less six are nearly normal.
        let normal = (0..12).map(|_| self.random.next()).sum::<f64>() - 6.0;
        let Network { jitter, queue, .. } = self.network;
        // Of shape 1.5: an exponential one and half the square of a normal one.
        let gamma = -(1.0 - self.random.next()).ln() + normal * normal / 2.0;
        let held = (queue / 1.5 * gamma).min(queue * 4.0);
        let arrival = at + DELAY + (jitter * normal).max(-DELAY) + held;
        self.last = self.last.max(arrival);
        self.last
    }
}

struct Heard {
    sound: Vec<i16>,
    line: String,
}

fn play(speech: &[i16], network: Network, codec: Codec, seed: u64) -> Heard {
    let mut call = Rehearsal::new(codec, FrameLength::Auto).unwrap();
    let mut way = Way { network, random: Random(seed * 7_919 + 1), losing: false, last: 0.0 };
    let start = Instant::now();
    let at = |ms: f64| start + Duration::from_secs_f64(ms / 1000.0);
    let mut flying: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
    let mut parcels: Vec<Option<Parcel>> = Vec::new();
    let (mut sent, mut lost, mut delay) = (0.0, 0.0, 0.0);
    let mut sound = Vec::new();
    for (tick, frame) in speech.chunks_exact(FRAME_SAMPLES).enumerate() {
        let now = tick as f64 * 10.0;
        let frame: Frame = frame.try_into().unwrap();
        if let Some(parcel) = call.speak(&frame, at(now)) {
            sent += 1.0;
            if way.loses() {
                lost += 1.0;
            } else {
                flying.push(Reverse(((way.arrival(now) * 1000.0) as u64, parcels.len() as u64)));
                parcels.push(Some(parcel));
            }
        }
        // The loudspeaker's clock ticks somewhere between the microphone's.
        let now = now + 3.4;
        while let Some(Reverse((arrival, which))) = flying.peek().copied() {
            if arrival as f64 / 1000.0 > now {
                break;
            }
            flying.pop();
            if let Some(parcel) = parcels[which as usize].take() {
                call.arrive(parcel, at(arrival as f64 / 1000.0));
            }
        }
        let mut frame = [0; FRAME_SAMPLES];
        call.hear(&mut frame, at(now));
        sound.extend_from_slice(&frame);
        delay += call.stats().playout_delay_ms.get() as f64;
        if tick % 100 == 99 {
            call.report((lost / f64::max(sent, 1.0)) as f32, Duration::from_millis(40), at(now));
            (sent, lost) = (0.0, 0.0);
        }
    }
    let stats = call.stats();
    let frames = sound.len() as f64 / FRAME_SAMPLES as f64;
    let line = format!(
        "\"buffer_ms\": {:.1}, \"concealed\": {:.4}, \"restored\": {:.4}, \"packet_ms\": {}",
        delay / frames,
        stats.frames_concealed.get() as f64 / frames,
        stats.frames_recovered.get() as f64 / frames,
        call.sent().packet_ms.get(),
    );
    Heard { sound, line }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [speech, out, seeds] = words.as_slice() else {
        println!("no speech given: see benches/loss/run.sh");
        return;
    };
    let mut wav = hound::WavReader::open(speech).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (1, 48_000));
    let speech: Vec<i16> = wav.samples::<i16>().map(Result::unwrap).collect();
    std::fs::create_dir_all(out).unwrap();
    for network in NETWORKS {
        for codec in [Codec::Opus, Codec::Pcmu] {
            for seed in 1..=seeds.parse::<u64>().unwrap() {
                let heard = play(&speech, network, codec, seed);
                let name = format!("{}-{}-{seed}.wav", network.name, codec.name());
                let mut to = hound::WavWriter::create(Path::new(out).join(&name), wav.spec()).unwrap();
                for sample in &heard.sound {
                    to.write_sample(*sample).unwrap();
                }
                to.finalize().unwrap();
                println!(
                    "{{\"file\": \"{name}\", \"network\": \"{}\", \"codec\": \"{}\", {}}}",
                    network.name,
                    codec.name(),
                    heard.line
                );
            }
        }
    }
}
