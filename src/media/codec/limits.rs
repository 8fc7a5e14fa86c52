//! The bounds within which the encoder is steered: what the configuration
//! wants, and what the far end's description asks for.

/// Length of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::media) enum Length {
    Ms10,
    Ms20,
    Ms40,
    Ms60,
}

impl Length {
    /// From short to long.
    pub(in crate::media) const ALL: [Self; 4] = [Self::Ms10, Self::Ms20, Self::Ms40, Self::Ms60];

    /// Frames of 10 ms in a packet.
    pub(in crate::media) fn frames(self) -> usize {
        match self {
            Self::Ms10 => 1,
            Self::Ms20 => 2,
            Self::Ms40 => 4,
            Self::Ms60 => 6,
        }
    }

    fn millis(self) -> u32 {
        self.frames() as u32 * 10
    }

    /// The longest of at most so many milliseconds, if there is one.
    fn within(millis: u32) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|length| length.millis() <= millis)
    }
}

/// The packets that the configuration wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameLength {
    /// 20 ms, and 10 ms on a good network.
    #[default]
    Auto,
    /// 10 ms from the start: 10 ms less delay for 20 kb/s more of headers.
    Ms10,
    /// Never shorter than 20 ms.
    Ms20,
}

/// What the far end's description says of the sound it wants to receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::media) struct Wishes {
    /// `a=ptime` (RFC 8866 section 6.4), ms.
    pub(in crate::media) packet: Option<u32>,
    /// `a=maxptime`, ms.
    pub(in crate::media) longest_packet: Option<u32>,
    /// `minptime` of Opus (RFC 7587 section 6.1), ms.
    pub(in crate::media) shortest_packet: Option<u32>,
    /// `maxaveragebitrate` of Opus, bits a second.
    pub(in crate::media) bitrate: Option<u32>,
    /// `useinbandfec=0`. Where nothing is said FEC does no harm: who cannot use it skips it.
    pub(in crate::media) without_fec: bool,
    /// `usedtx=1`.
    pub(in crate::media) dtx: bool,
}

/// See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media) struct Limits {
    /// Opus's bit rate where there is no reason for less.
    pub(in crate::media) bitrate: u32,
    /// The same with forward error correction on top.
    pub(in crate::media) most: u32,
    /// Packets where nothing is known of the network, on a good one, and at most.
    pub(in crate::media) usual: Length,
    pub(in crate::media) good: Length,
    pub(in crate::media) longest: Length,
    pub(in crate::media) fec: bool,
    pub(in crate::media) dtx: bool,
}

/// The least bit rate that RFC 7587 section 6.1 knows.
const LEAST_BITRATE: u32 = 6_000;

/// Bits a second beyond which more correction gains nothing: 80 kb/s lift PESQ-WB by 0.03.
const ENOUGH_WITH_CORRECTION: u32 = 64_000;

impl Limits {
    /// What holds without a word of the far end.
    pub(in crate::media) fn new(bitrate: u32, frame: FrameLength) -> Self {
        let (usual, good) = match frame {
            FrameLength::Auto => (Length::Ms20, Length::Ms10),
            FrameLength::Ms10 => (Length::Ms10, Length::Ms10),
            FrameLength::Ms20 => (Length::Ms20, Length::Ms20),
        };
        let most = (2 * bitrate).min(ENOUGH_WITH_CORRECTION).max(bitrate);
        Self { bitrate, most, usual, good, longest: Length::Ms60, fec: true, dtx: false }
    }

    /// The same for a far end of these wishes. A packet time that it names is what it gets, as far
    /// as there is such a packet: gateways that name one often play no other well.
    pub(in crate::media) fn within(self, wishes: &Wishes) -> Self {
        let longest = wishes.longest_packet.and_then(Length::within).unwrap_or(self.longest);
        let shortest = Length::ALL
            .into_iter()
            .find(|length| length.millis() >= wishes.shortest_packet.unwrap_or(0))
            .unwrap_or(longest)
            .min(longest);
        let named = wishes.packet.map(|millis| Length::within(millis).unwrap_or(Length::Ms10));
        let wanted = wishes.bitrate.unwrap_or(u32::MAX).max(LEAST_BITRATE);
        let fec = self.fec && !wishes.without_fec;
        let bitrate = self.bitrate.min(wanted);
        Self {
            bitrate,
            most: if fec { self.most.min(wanted) } else { bitrate },
            usual: named.unwrap_or(self.usual).clamp(shortest, longest),
            good: named.unwrap_or(self.good).clamp(shortest, longest),
            longest,
            fec,
            dtx: wishes.dtx,
        }
    }

    /// The shortest packets.
    pub(in crate::media) fn least(&self) -> Length {
        self.good.min(self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_far_end_names_goes_before_what_the_box_would_like() {
        let limits = Limits::new(32_000, FrameLength::Auto);
        assert_eq!(limits.within(&Wishes::default()), limits);
        for (wishes, expected) in [
            (Wishes { packet: Some(20), ..Wishes::default() }, (Length::Ms20, Length::Ms20, Length::Ms60)),
            (Wishes { packet: Some(30), ..Wishes::default() }, (Length::Ms20, Length::Ms20, Length::Ms60)),
            (Wishes { packet: Some(5), ..Wishes::default() }, (Length::Ms10, Length::Ms10, Length::Ms60)),
            (Wishes { packet: Some(120), ..Wishes::default() }, (Length::Ms60, Length::Ms60, Length::Ms60)),
            (
                Wishes { packet: Some(60), longest_packet: Some(40), ..Wishes::default() },
                (Length::Ms40, Length::Ms40, Length::Ms40),
            ),
            (
                Wishes { longest_packet: Some(10), ..Wishes::default() },
                (Length::Ms10, Length::Ms10, Length::Ms10),
            ),
            (
                Wishes { shortest_packet: Some(20), ..Wishes::default() },
                (Length::Ms20, Length::Ms20, Length::Ms60),
            ),
            (
                Wishes { shortest_packet: Some(3), longest_packet: Some(1), ..Wishes::default() },
                (Length::Ms20, Length::Ms10, Length::Ms60),
            ),
            (
                Wishes { shortest_packet: Some(500), ..Wishes::default() },
                (Length::Ms60, Length::Ms60, Length::Ms60),
            ),
        ] {
            let limits = limits.within(&wishes);
            assert_eq!((limits.usual, limits.good, limits.longest), expected, "{wishes:?}");
        }
        let modest = Wishes { bitrate: Some(16_000), without_fec: true, dtx: true, ..Wishes::default() };
        let modest = limits.within(&modest);
        assert_eq!((modest.bitrate, modest.most, modest.fec, modest.dtx), (16_000, 16_000, false, true));
        let known = limits.within(&Wishes { bitrate: Some(40_000), ..Wishes::default() });
        assert_eq!((known.bitrate, known.most), (32_000, 40_000));
        let absurd = limits.within(&Wishes { bitrate: Some(0), ..Wishes::default() });
        assert_eq!(absurd.bitrate, 6_000);
    }
}
