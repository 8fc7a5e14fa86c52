//! Sender reports in the clock of the codec in use, and the far end's reports
//! of our sound.
//!
//! The library ties a source to the clock of its first codec, and after a
//! change between Opus and G.711 its reports are off by up to 100 ms: enough
//! to upset whoever plays this call in step with another. This interceptor,
//! nearer to the network, says the time anew. On the way in it reads what the
//! far end says of our packets ([`feedback`](super::feedback)).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::sender_report::SenderReport;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use tokio::sync::mpsc;

use super::feedback::Ledger;
use super::packet::rtp_clock;
use super::tap::{Heard, SharedTypes};

/// See the module's documentation.
pub(super) struct Reports {
    types: Arc<SharedTypes>,
    latest: Option<Latest>,
    ledger: Ledger,
    heard: mpsc::Sender<Heard>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

/// The audio packet sent last.
struct Latest {
    ssrc: u32,
    timestamp: u32,
    when: Instant,
    /// In hertz.
    clock: u32,
}

impl Latest {
    /// The timestamp of `now` (RFC 3550 section 6.4.1).
    fn timestamp_at(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.when);
        let units = since.as_micros() * u128::from(self.clock) / 1_000_000;
        self.timestamp.wrapping_add(units as u32)
    }
}

impl Reports {
    /// Feedback goes to `heard`.
    pub(super) fn new(types: Arc<SharedTypes>, heard: mpsc::Sender<Heard>) -> Self {
        Self {
            types,
            latest: None,
            ledger: Ledger::default(),
            heard,
            read: VecDeque::new(),
            write: VecDeque::new(),
        }
    }

    fn note(&mut self, packet: &rtc::rtp::Packet, when: Instant) {
        let header = &packet.header;
        if let Some(codec) = self.types.send().codec_of(header.payload_type) {
            let (ssrc, timestamp, clock) = (header.ssrc, header.timestamp, rtp_clock(codec));
            self.latest = Some(Latest { ssrc, timestamp, when, clock });
        }
    }

    fn correct(&mut self, packets: &mut [Box<dyn rtc::rtcp::Packet>], now: Instant) {
        let Some(latest) = &self.latest else { return };
        for packet in packets {
            if let Some(report) = packet.as_any().downcast_ref::<SenderReport>()
                && report.ssrc == latest.ssrc
            {
                self.ledger.note_sent(report, now);
                let rtp_time = latest.timestamp_at(now);
                *packet = Box::new(SenderReport { rtp_time, ..report.clone() });
            }
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Reports {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let (Packet::Rtcp(packets), Some(latest)) = (&message.message.packet, &self.latest) {
            for packet in packets {
                if let Some(feedback) = self.ledger.read(packet.as_ref(), latest.ssrc, message.now) {
                    // Full only if the far end floods; the next report says as much.
                    let _ = self.heard.try_send(Heard::Feedback(feedback));
                }
            }
        }
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(packet) = &message.message.packet {
            self.note(packet, message.now);
        } else if let Packet::Rtcp(packets) = &mut message.message.packet {
            self.correct(packets, message.now);
        }
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for Reports {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtc::interceptor::AttributedPacket;
    use rtc::rtp::Header;
    use rtc::shared::TransportContext;

    use super::*;
    use crate::media::sdp::PayloadTypes;

    fn tagged(now: Instant, packet: Packet) -> TaggedPacket {
        TaggedPacket { now, transport: TransportContext::default(), message: AttributedPacket::new(packet) }
    }

    fn audio(payload_type: u8, timestamp: u32) -> Packet {
        let header = Header { payload_type, timestamp, ssrc: 7, ..Default::default() };
        Packet::Rtp(rtc::rtp::Packet { header, ..Default::default() })
    }

    /// The time in the report after a packet that went out `ms` ago.
    fn reported(reports: &mut Reports, packet: Packet, ssrc: u32, ms: u64) -> u32 {
        let start = Instant::now();
        reports.handle_write(tagged(start, packet)).unwrap();
        let report = SenderReport { ssrc, rtp_time: 1, packet_count: 9, ..Default::default() };
        let at = start + Duration::from_millis(ms);
        reports.handle_write(tagged(at, Packet::Rtcp(vec![Box::new(report)]))).unwrap();
        reports.poll_write().unwrap();
        let Packet::Rtcp(packets) = reports.poll_write().unwrap().message.packet else { panic!("no report") };
        let report = packets[0].as_any().downcast_ref::<SenderReport>().unwrap();
        assert_eq!(report.packet_count, 9);
        report.rtp_time
    }

    #[test]
    fn a_report_tells_the_time_in_the_clock_of_the_codec_in_use() {
        let types = Arc::new(SharedTypes::default());
        let (heard, _) = mpsc::channel(1);
        let mut reports = Reports::new(Arc::clone(&types), heard);
        let opus = PayloadTypes { opus: Some(96), telephone_event: Some(101), ..Default::default() };
        types.set(&opus, &opus);
        assert_eq!(reported(&mut reports, audio(96, 1_000), 7, 15), 1_000 + 720);
        let pcmu = PayloadTypes { pcmu: Some(0), telephone_event: Some(101), ..Default::default() };
        types.set(&pcmu, &pcmu);
        assert_eq!(reported(&mut reports, audio(0, u32::MAX), 7, 15), 119);
        // A digit does not move the clock, and other sources have their own.
        assert_eq!(reported(&mut reports, audio(101, 5), 8, 15), 1);
    }
}
