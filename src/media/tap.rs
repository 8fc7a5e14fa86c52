//! Takes received RTP out of the library before it looks for a track.
//!
//! The library hands a packet on only when its synchronisation source is the
//! one it saw first, so a far end that changes its source in mid-call (media
//! servers do) would fall silent; and it counts nothing. As an interceptor
//! nearest to the application this sees every authenticated packet. On the
//! way out it puts the far end's payload types in the place of the fixed ones
//! that the library knows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtrb::Producer;
use tokio::sync::mpsc;

use super::codec::opus_samples_in;
use super::dtmf::Receiver;
use super::feedback::Feedback;
use super::leg::Shared;
use super::lock_free::Agreement;
use super::packet::{Arrived, Payload};
use super::{Codec, sdp::PayloadTypes};

/// What the tap tells the peer's task.
#[derive(Debug)]
pub(super) enum Heard {
    FirstAudio,
    /// The first packet since [`Shared::quiet`] was set.
    Again,
    Digit(char),
    /// The far end reported how it receives us.
    Feedback(Feedback),
}

/// A payload type that is not in use (they have seven bits).
const NONE: u8 = 0xff;

/// Payload types as one word, and back; 0 stands for none at all.
fn pack(types: &PayloadTypes) -> u64 {
    let all = [types.opus, types.pcmu, types.pcma, types.telephone_event];
    let [opus, pcmu, pcma, event] = all.map(|one| one.unwrap_or(NONE));
    u64::from_le_bytes([1, opus, pcmu, pcma, event, 0, 0, 0])
}

fn unpack(word: u64) -> PayloadTypes {
    let [set, opus, pcmu, pcma, event, ..] = word.to_le_bytes();
    let unpack = |one: u8| (set == 1 && one != NONE).then_some(one);
    PayloadTypes {
        opus: unpack(opus),
        pcmu: unpack(pcmu),
        pcma: unpack(pcma),
        telephone_event: unpack(event),
    }
}

/// Comfort noise at 8 kHz has this static payload type, agreed on or not
/// (RFC 3551 table 4). Such a packet stands for 20 ms.
const COMFORT_NOISE: u8 = 13;
const COMFORT_SAMPLES: u16 = 960;

/// The negotiated payload types: each side names those it wants to receive
/// (RFC 3264 section 5.1), mostly the same. Where they differ, some far ends
/// send with the numbers that they themselves have named. And a far end sends
/// what was agreed on before until it has our answer to the change.
pub(super) struct SharedTypes(Agreement);

impl Default for SharedTypes {
    fn default() -> Self {
        Self(Agreement::new())
    }
}

impl SharedTypes {
    pub(super) fn set(&self, send: &PayloadTypes, receive: &PayloadTypes) {
        self.0.set(pack(send), pack(receive));
    }

    pub(super) fn send(&self) -> PayloadTypes {
        unpack(self.0.send())
    }

    /// The types in which `payload_type` that came in means something; our
    /// own meaning goes first, what was agreed on before comes last.
    fn received(&self, payload_type: u8) -> PayloadTypes {
        let all = self.0.received().map(unpack);
        all.into_iter().find(|types| types.names(payload_type)).unwrap_or_default()
    }
}

/// See the module's documentation.
pub(super) struct Tap {
    types: Arc<SharedTypes>,
    shared: Arc<Shared>,
    arrived: Arc<Mutex<Producer<Arrived>>>,
    heard: mpsc::Sender<Heard>,
    /// Whether this connection is the one whose sound is wanted.
    live: Arc<AtomicBool>,
    digits: Receiver,
    any_audio: bool,
    read: Option<TaggedPacket>,
    write: std::collections::VecDeque<TaggedPacket>,
}

impl Tap {
    pub(super) fn new(
        types: Arc<SharedTypes>,
        shared: Arc<Shared>,
        arrived: Arc<Mutex<Producer<Arrived>>>,
        heard: mpsc::Sender<Heard>,
        live: Arc<AtomicBool>,
    ) -> Self {
        Self {
            types,
            shared,
            arrived,
            heard,
            live,
            digits: Receiver::default(),
            any_audio: false,
            read: None,
            write: std::collections::VecDeque::new(),
        }
    }

    fn take(&mut self, packet: &rtc::rtp::Packet, arrival: Instant) {
        if !self.live.load(Ordering::Relaxed) {
            return;
        }
        self.shared.note_rtp(arrival);
        if self.shared.quiet.swap(false, Ordering::Relaxed) {
            let _ = self.heard.try_send(Heard::Again);
        }
        let header = &packet.header;
        let types = self.types.received(header.payload_type);
        let stats = &self.shared.stats;
        if Some(header.payload_type) == types.telephone_event {
            if let Some(digit) = self.digits.take(header.ssrc, header.timestamp, &packet.payload) {
                // Full only in a storm, or if nobody reads events any more.
                let told = self.heard.try_send(Heard::Digit(digit));
                stats.digits_dropped.add(u64::from(told.is_err()));
            }
            return;
        }
        stats.packets_received.add(1);
        stats.bytes_received.add(packet.payload.len() as u64);
        let comfort = header.payload_type == COMFORT_NOISE && !types.names(COMFORT_NOISE);
        let g711 = types.pcmu.map(|_| Codec::Pcmu).or(types.pcma.map(|_| Codec::Pcma));
        let codec = if comfort { g711 } else { types.codec_of(header.payload_type) };
        let arrived = codec.and_then(|codec| {
            let samples = match codec {
                Codec::Pcmu | Codec::Pcma if comfort => COMFORT_SAMPLES,
                Codec::Opus => opus_samples_in(&packet.payload)?,
                Codec::Pcmu | Codec::Pcma => {
                    u16::try_from(packet.payload.len() * 6).ok().filter(|samples| *samples > 0)?
                }
            };
            Some(Arrived {
                ssrc: header.ssrc,
                sequence: header.sequence_number,
                timestamp: header.timestamp,
                codec,
                comfort,
                samples,
                arrival,
                payload: Payload::copy_of(&packet.payload)?,
            })
        });
        let Some(arrived) = arrived else {
            stats.packets_unreadable.add(1);
            return;
        };
        let mut ring = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.push(arrived).is_err() {
            stats.receive_ring_overflows.add(1);
        }
        drop(ring);
        if !self.any_audio {
            self.any_audio = true;
            let _ = self.heard.try_send(Heard::FirstAudio);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &message.message.packet {
            self.take(packet, message.now);
        } else {
            self.read = Some(message);
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.take()
    }

    fn handle_write(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &mut message.message.packet {
            let header = &mut packet.header;
            let send = self.types.send();
            let Some(theirs) = PayloadTypes::OFFERED.translate(header.payload_type, &send) else {
                // No longer agreed on: it was on its way when the codec changed.
                return Ok(());
            };
            header.payload_type = theirs;
        }
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
