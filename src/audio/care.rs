//! The `audio-care` thread: looks after both devices, of what may take time.
//!
//! Makes faults of what the keepers tell and of what the counters show: a
//! device that is down, one whose clock stands still or runs wrong, a
//! microphone that gives no sound. Sets the volume, by the card's own control
//! where there is one, and looks for the self-test's sweep in what was heard.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rtrb::Consumer;

use super::PERIOD;
use super::alsa::mixer;
use super::desk::Desk;
use super::device::{DeviceError, Trouble};
use super::engine::SpeakerOrders;
use super::meters::{Counters, DeviceCounters};
use super::probe::Probe;
use super::settings::{AudioSettings, DeviceName};
use super::speaker::SpeakerOrder;
use crate::appliance::event::SystemEvent;
use crate::appliance::fault::Fault;
use crate::appliance::self_test::SelfTestReport;

/// How soon a sweep that is over is looked at, and a dead device noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One direction of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Capture,
    Playback,
}

impl Way {
    /// Its part of the counters.
    pub fn of(self, counters: &Counters) -> &DeviceCounters {
        match self {
            Way::Capture => &counters.capture,
            Way::Playback => &counters.playback,
        }
    }
}

/// What is told to this thread.
pub(super) enum Note {
    /// A device could not be opened, or failed.
    Down(Way, DeviceError),
    /// A device delivers.
    Up(Way),
    /// Percent of full loudness.
    Volume(u8),
    /// A self-test is asked for that cannot be made.
    NoProbe,
}

/// The thread's ends of all queues.
pub(super) struct Care {
    pub counters: Arc<Counters>,
    pub settings: AudioSettings,
    pub notes: Receiver<Note>,
    pub report: SyncSender<SystemEvent>,
    pub probes: Consumer<Box<Probe>>,
    pub speaker: Arc<SpeakerOrders>,
    /// Why a control of the card is not set, by [`Way`].
    pub unset: [Option<String>; 2],
}

impl Care {
    /// Runs until the engine stops.
    pub fn run(mut self) {
        let now = Instant::now();
        let mut capture = Desk::new(Way::Capture, now);
        let mut playback = Desk::new(Way::Playback, now);
        let mut percent = 100;
        let mut dead = None;
        while !self.counters.stopping() {
            self.counters.care_heartbeat.fetch_add(1, Relaxed);
            match self.notes.recv_timeout(LOOK_EVERY) {
                Ok(Note::Down(Way::Capture, error)) => capture.down(error),
                Ok(Note::Down(Way::Playback, error)) => playback.down(error),
                Ok(Note::Up(Way::Capture)) => {
                    capture.up();
                    self.set_capture();
                }
                Ok(Note::Up(Way::Playback)) => {
                    playback.up();
                    self.set_volume(percent);
                }
                Ok(Note::Volume(new)) => {
                    percent = new;
                    self.set_volume(percent);
                }
                Ok(Note::NoProbe) => self.tell(SystemEvent::SelfTest(SelfTestReport::NoDevice)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(probe) = self.probes.pop() {
                if probe.is_done() {
                    self.tell(SystemEvent::SelfTest(self.judge(&probe)));
                }
            }
            let now = Instant::now();
            for (desk, fault) in
                [(&mut capture, Fault::CaptureDevice), (&mut playback, Fault::PlaybackDevice)]
            {
                let news = desk.look(desk.way().of(&self.counters), now);
                self.follow(fault, news);
            }
            let news = self.dead_microphone(&mut dead);
            self.follow(Fault::MicrophoneDead, news);
        }
    }

    /// News of a fault: `Some(None)` is its end.
    fn follow(&self, fault: Fault, news: Option<Option<String>>) {
        match news {
            Some(Some(detail)) => self.tell(SystemEvent::FaultRaised { fault, detail }),
            Some(None) => self.tell(SystemEvent::FaultCleared(fault)),
            None => {}
        }
    }

    /// Nobody reads any more only when the engine is gone.
    fn tell(&self, event: SystemEvent) {
        drop(self.report.send(event));
    }

    fn dead_microphone(&self, shown: &mut Option<&'static str>) -> Option<Option<String>> {
        let (DeviceName::Alsa(name), Some(after)) = (&self.settings.capture, self.settings.dead_after) else {
            return None;
        };
        let side = &self.counters.capture;
        let too_long = |periods: u32| PERIOD * periods >= after;
        let found = if too_long(side.stuck.load(Relaxed)) {
            Some(
                "every sample has the same value; see that the microphone is not muted, then its cable and supply",
            )
        } else if too_long(side.offset.load(Relaxed)) {
            Some("its samples are far off zero; look for a short circuit, moisture, or a broken amplifier")
        } else {
            None
        };
        if found == *shown {
            return None;
        }
        *shown = found;
        if found.is_some() {
            side.count_trouble(Trouble::Dead);
        }
        Some(found.map(|what| format!("{name} runs, but gives no sound for {} s: {what}", after.as_secs())))
    }

    /// A sweep through devices that stopped meanwhile says nothing of the loudspeaker.
    fn judge(&self, probe: &Probe) -> SelfTestReport {
        let runs = |side: &DeviceCounters| side.running.load(Relaxed);
        if runs(&self.counters.capture) && runs(&self.counters.playback) {
            probe.report()
        } else {
            SelfTestReport::NoDevice
        }
    }

    /// By the card's control if it has one, else in software; never by both.
    fn set_volume(&mut self, percent: u8) {
        let by_card = match (&self.settings.mixer, &self.settings.playback) {
            (Some(control), DeviceName::Alsa(pcm)) => Some(mixer::set_playback(pcm, control, percent)),
            (Some(_) | None, DeviceName::Alsa(_) | DeviceName::Wav(_) | DeviceName::Synth(_)) => None,
        };
        let in_software = if matches!(by_card, Some(Ok(()))) { 100 } else { percent };
        self.speaker.order(SpeakerOrder::Volume(in_software));
        let note = by_card.and_then(Result::err).map(|why| format!("{why}; the volume is set in software"));
        self.set_note(Way::Playback, note);
    }

    fn set_capture(&mut self) {
        let (Some((control, percent)), DeviceName::Alsa(pcm)) =
            (&self.settings.capture_mixer, &self.settings.capture)
        else {
            return;
        };
        let set = mixer::set_capture(pcm, control, *percent);
        let note = set.err().map(|why| format!("{why}; the microphone is as loud as the card has it"));
        self.set_note(Way::Capture, note);
    }

    fn set_note(&mut self, way: Way, note: Option<String>) {
        let unset = &mut self.unset[way as usize];
        if *unset == note {
            return;
        }
        if let Some(note) = &note {
            tracing::warn!("{note}");
        }
        *unset = note;
        let notes: Vec<&str> = self.unset.iter().flatten().map(String::as_str).collect();
        let mut shown = self.counters.volume_note.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = (!notes.is_empty()).then(|| notes.join("; "));
    }
}
