//! Who may speak: a small decision on four facts a frame, no signal.
//!
//! Half duplex after the idea of ITU-T P.340 (type 3 hands-free terminals):
//! whoever speaks first keeps the way until a pause.

/// How the two ways share the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TalkMode {
    /// Both ways always, unless the echo cannot be cancelled here: then half duplex.
    #[default]
    Auto,
    /// Both ways always.
    Full,
    /// One way at a time.
    Half,
}

/// What happened in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// The near end speaks.
    pub near: bool,
    /// The far end speaks.
    pub far: bool,
    /// [`super::EchoState::hopeless`].
    pub hopeless: u32,
    /// One at a time, whatever the mode.
    pub alternate: bool,
}

/// Which way is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gates {
    /// The microphone is heard at the far end.
    pub microphone: bool,
    /// The far end is heard at the loudspeaker.
    pub loudspeaker: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self { microphone: true, loudspeaker: true }
    }
}

/// Half seconds of echo in vain before half duplex: five seconds of far-end speech.
const HOPELESS: u32 = 10;

/// Frames of silence after which the other side may take over.
const PAUSE: u32 = 25;

/// Frames a side must have spoken before it is believed.
const ONSET: u32 = 3;

/// Frames of far-end speech without a hopeless half second after which both ways are tried again: ten seconds.
const RELIEVED: u32 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Nobody,
    Near,
    Far,
}

/// The decision.
#[derive(Debug)]
pub struct Talk {
    mode: TalkMode,
    fallen_back: bool,
    holder: Holder,
    silent: u32,
    near: u32,
    far: u32,
    relieved: u32,
}

impl Talk {
    /// Nobody has spoken yet.
    pub fn new(mode: TalkMode) -> Self {
        Self { mode, fallen_back: false, holder: Holder::Nobody, silent: 0, near: 0, far: 0, relieved: 0 }
    }

    /// Once a frame.
    pub fn decide(&mut self, seen: Activity) -> Gates {
        self.judge(seen);
        match (self.mode, self.fallen_back || seen.alternate) {
            (TalkMode::Half, _) | (TalkMode::Auto, true) => self.one_way(seen),
            (TalkMode::Full, _) if seen.alternate => self.one_way(seen),
            (TalkMode::Full, _) | (TalkMode::Auto, false) => {
                self.holder = Holder::Nobody;
                Gates::default()
            }
        }
    }

    fn judge(&mut self, seen: Activity) {
        if seen.hopeless > 0 {
            self.relieved = 0;
            self.fallen_back |= seen.hopeless >= HOPELESS;
        } else if seen.far {
            self.relieved = self.relieved.saturating_add(1);
            self.fallen_back &= self.relieved < RELIEVED;
        }
    }

    /// It was decided that echo cannot be cancelled here now.
    pub fn has_fallen_back(&self) -> bool {
        self.fallen_back
    }

    fn one_way(&mut self, seen: Activity) -> Gates {
        self.near = if seen.near { self.near + 1 } else { 0 };
        self.far = if seen.far { self.far + 1 } else { 0 };
        let speaks = match self.holder {
            Holder::Nobody => false,
            Holder::Near => seen.near,
            Holder::Far => seen.far,
        };
        self.silent = if speaks { 0 } else { self.silent + 1 };
        if self.holder == Holder::Nobody || self.silent > PAUSE {
            // The far end first: its echo looks like somebody speaking here.
            self.holder = if self.far >= ONSET {
                Holder::Far
            } else if self.near >= ONSET {
                Holder::Near
            } else {
                Holder::Nobody
            };
            self.silent = 0;
        }
        Gates { microphone: self.holder != Holder::Far, loudspeaker: self.holder != Holder::Near }
    }
}
