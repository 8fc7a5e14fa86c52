//! The task that writes a peer's RTP: the leg's packets, and DTMF between them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rtc::rtp::{Header, Packet};
use rtrb::Consumer;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use webrtc::media_stream::track_local::TrackLocal;

use super::Codec;
use super::dtmf;
use super::leg::Shared;
use super::packet::{Outgoing, rtp_clock};
use super::sdp::PayloadTypes;
use super::tap::SharedTypes;

/// The leg's packets as one RTP stream. Audio and telephone events share its
/// sequence numbers: two numberings on one source would trip the far end's
/// replay protection (RFC 3711 section 3.3.2).
pub(super) struct Sender {
    ssrc: u32,
    sequence: u16,
    /// RTP timestamp of the leg's first sample in the clock of the codec in use.
    base: u32,
    outgoing: Arc<Mutex<Consumer<Outgoing>>>,
    types: Arc<SharedTypes>,
    shared: Arc<Shared>,
    /// The next packet begins a spurt (RFC 3551 section 4.1).
    marker: bool,
    codec: Codec,
    /// RTP time up to which an event has taken the sound's place.
    taken_until: Option<u32>,
    /// When and with which first sample the leg last made a packet.
    latest: (Instant, u64),
}

impl Sender {
    pub(super) fn new(
        ssrc: u32,
        outgoing: Arc<Mutex<Consumer<Outgoing>>>,
        types: Arc<SharedTypes>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            ssrc,
            sequence: rand::random(),
            base: rand::random(),
            outgoing,
            types,
            shared,
            marker: true,
            codec: Codec::Opus,
            taken_until: None,
            latest: (Instant::now(), 0),
        }
    }

    /// The leg's next packet. Sound of a pause (hold, not yet connected, a
    /// digit is being sent) is thrown away: late sound is of no use.
    fn next_audio(&mut self, wanted: bool) -> Option<Packet> {
        loop {
            let outgoing = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).pop().ok()?;
            self.latest = (Instant::now(), outgoing.first_sample);
            self.change_to(outgoing.codec, outgoing.first_sample);
            let sending = self.shared.sending.load(Ordering::Relaxed);
            let agreed = self.types.send().of(outgoing.codec).is_some();
            let payload_type = PayloadTypes::OFFERED.of(outgoing.codec);
            let Some(payload_type) = payload_type.filter(|_| wanted && sending && agreed) else {
                self.marker = true;
                continue;
            };
            let timestamp = self.timestamp(outgoing.first_sample);
            // Sound of the event's time that comes after it: the leg was held up.
            if self.taken_until.is_some_and(|until| timestamp.wrapping_sub(until) >= 1 << 31) {
                self.marker = true;
                continue;
            }
            self.taken_until = None;
            let marker = std::mem::take(&mut self.marker);
            return Some(self.packet(
                payload_type,
                timestamp,
                marker,
                Bytes::copy_from_slice(outgoing.payload.as_slice()),
            ));
        }
    }

    /// Another codec may have another clock. Its first timestamp is the one
    /// that the former codec would have had, so that no step shows (RFC 7160).
    fn change_to(&mut self, codec: Codec, first_sample: u64) {
        if codec != self.codec {
            let timestamp = self.timestamp(first_sample);
            self.codec = codec;
            self.base = self.base.wrapping_add(timestamp.wrapping_sub(self.timestamp(first_sample)));
        }
    }

    /// The timestamp of a sample in the clock of the codec in use.
    fn timestamp(&self, sample: u64) -> u32 {
        let units = sample * u64::from(rtp_clock(self.codec)) / 48_000;
        self.base.wrapping_add(units as u32)
    }

    /// A time in the clock of the codec in use.
    fn units(&self, time: Duration) -> u32 {
        time.as_millis() as u32 * (rtp_clock(self.codec) / 1000)
    }

    /// The timestamp of now, whether or not the leg is making packets.
    fn timestamp_now(&self) -> u32 {
        let (when, sample) = self.latest;
        self.timestamp(sample + when.elapsed().as_millis() as u64 * 48)
    }

    fn packet(&mut self, payload_type: u8, timestamp: u32, marker: bool, payload: Bytes) -> Packet {
        self.shared.stats.packets_sent.add(1);
        self.shared.stats.bytes_sent.add(payload.len() as u64);
        let sequence_number = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        let header = Header {
            version: 2,
            marker,
            payload_type,
            sequence_number,
            timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        Packet { header, payload }
    }
}

/// Where DTMF sending is.
enum Key {
    /// Since when, and the RTP time before which no other event may begin.
    Up {
        since: Option<(Instant, u32)>,
    },
    Down {
        event: u8,
        timestamp: u32,
        since: Instant,
        reports: u32,
    },
    /// The tone is over; its end has been told, and is told again so many times.
    Ended {
        report: [u8; 4],
        timestamp: u32,
        since: Instant,
        left: usize,
    },
}

/// Sends until the peer connection ends.
pub(super) async fn run(mut sender: Sender, track: Arc<dyn TrackLocal>, mut digits: mpsc::Receiver<String>) {
    let shared = Arc::clone(&sender.shared);
    let mut queue: VecDeque<u8> = VecDeque::new();
    let mut key = Key::Up { since: None };
    let mut step = interval(dtmf::STEP);
    step.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let busy = !queue.is_empty() || !matches!(key, Key::Up { .. });
        tokio::select! {
            () = shared.ready.notified() => {
                let key_up = matches!(key, Key::Up { .. });
                while let Some(packet) = sender.next_audio(key_up) {
                    write(&*track, packet).await;
                }
            }
            Some(more) = digits.recv() => {
                queue.extend(more.chars().filter_map(dtmf::event_of).take(MOST_DIGITS - queue.len().min(MOST_DIGITS)));
            }
            _ = step.tick(), if busy => {
                if let Some(packet) = press(&mut sender, &mut key, &mut queue) {
                    write(&*track, packet).await;
                }
            }
            else => return,
        }
    }
}

/// Digits that may wait to be sent.
const MOST_DIGITS: usize = 64;

/// One step of sending digits; the sound is left out until an event's last
/// report (RFC 4733 section 2.5.1.2 lets the event replace it). The end is told
/// again a step apart, so that no burst of losses takes all of it.
fn press(sender: &mut Sender, key: &mut Key, queue: &mut VecDeque<u8>) -> Option<Packet> {
    let agreed = sender.types.send().telephone_event.and(PayloadTypes::OFFERED.telephone_event);
    let Some(payload_type) = agreed else {
        let digits = queue.len() as u64;
        tracing::warn!(digits, "digits are not sent: the far end takes no telephone-event/8000");
        sender.shared.stats.digits_unsent.add(digits);
        queue.clear();
        *key = Key::Up { since: None };
        return None;
    };
    let now = Instant::now();
    match key {
        Key::Up { since } => {
            if since.is_some_and(|(since, _)| now.duration_since(since) < dtmf::GAP) {
                return None;
            }
            let event = queue.pop_front()?;
            let mut timestamp = sender.timestamp_now();
            // The sound's clock stands still while the machine holds its thread up.
            if let Some((_, earliest)) = since
                && earliest.wrapping_sub(timestamp) < 1 << 31
            {
                timestamp = *earliest;
            }
            *key = Key::Down { event, timestamp, since: now, reports: 1 };
            let payload = dtmf::report(event, dtmf::STEP, false);
            Some(sender.packet(payload_type, timestamp, true, Bytes::copy_from_slice(&payload)))
        }
        Key::Down { event, timestamp, since, reports } => {
            *reports += 1;
            let elapsed = (dtmf::STEP * *reports).max(now.duration_since(*since) + dtmf::STEP);
            let end = elapsed >= dtmf::TONE;
            let payload = dtmf::report(*event, elapsed.min(Duration::from_secs(8)), end);
            let timestamp = *timestamp;
            if end {
                *key = Key::Ended { report: payload, timestamp, since: now, left: dtmf::END_REPORTS - 1 };
            }
            Some(sender.packet(payload_type, timestamp, false, Bytes::copy_from_slice(&payload)))
        }
        Key::Ended { report, timestamp, since, left } => {
            *left -= 1;
            let packet = sender.packet(payload_type, *timestamp, false, Bytes::copy_from_slice(report));
            if *left == 0 {
                let [_, _, high, low] = *report;
                let lasted = Duration::from_millis(u64::from(u16::from_be_bytes([high, low])) / 8);
                let end = timestamp.wrapping_add(sender.units(lasted));
                sender.taken_until = Some(end);
                let earliest = end.wrapping_add(sender.units(dtmf::GAP));
                *key = Key::Up { since: Some((*since, earliest)) };
            }
            Some(packet)
        }
    }
}

async fn write(track: &dyn TrackLocal, packet: Packet) {
    // Fails only when the peer connection is closing, which ends this task.
    let _ = track.write_rtp(packet).await;
}
