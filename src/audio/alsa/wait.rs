//! Waiting for a device without ever spinning.
//!
//! `snd_pcm_wait` polls again at once when a plug-in wakes it up without
//! cause, which PulseAudio's does. At real-time priority that starves the very
//! sound server that is waited for, and the whole box with it.

use std::thread;
use std::time::{Duration, Instant};

use alsa::PCM;
use alsa::pcm::State;
use alsa::poll::{Descriptors, Flags, poll};
use libc::pollfd;

/// How long a wake-up without cause is slept over.
const BREATH: Duration = Duration::from_millis(1);

/// What a device's driver wakes up, kept so that waiting allocates nothing.
#[derive(Debug)]
pub(super) struct Waiter {
    wakers: Vec<pollfd>,
    /// Since when the device has been asked in vain.
    in_vain_since: Option<Instant>,
}

impl Waiter {
    /// # Errors
    /// alsa-lib's, when the device has nothing to poll.
    pub fn new(pcm: &PCM) -> alsa::Result<Self> {
        Ok(Self { wakers: pcm.get()?, in_vain_since: None })
    }

    /// The device moved sound: the next wait begins anew.
    pub fn moved(&mut self) {
        self.in_vain_since = None;
    }

    /// Waits until it is worth asking the device again; false when it was
    /// asked in vain for all of `patience`. Call it after each EAGAIN.
    ///
    /// # Errors
    /// EPIPE after an overrun or underrun, ESTRPIPE after a suspend, ENODEV when the device is gone.
    pub fn ready(&mut self, pcm: &PCM, patience: Duration) -> alsa::Result<bool> {
        let begin = *self.in_vain_since.get_or_insert_with(Instant::now);
        // One that is ready but gave nothing wakes us up without cause, too.
        let mut in_vain = begin.elapsed() > BREATH;
        loop {
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                self.moved();
                return Ok(false);
            }
            if in_vain {
                thread::sleep(BREATH);
            }
            pcm.fill(&mut self.wakers)?;
            poll(&mut self.wakers, i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1))?;
            let woken = pcm.revents(&self.wakers)?;
            if woken.intersects(Flags::ERR | Flags::NVAL | Flags::HUP) {
                return Err(alsa::Error::new("snd_pcm_poll_descriptors_revents", errno(pcm.state())));
            }
            if woken.intersects(Flags::IN | Flags::OUT) {
                return Ok(true);
            }
            in_vain = true;
        }
    }
}

/// What alsa-lib itself would answer in this state.
fn errno(state: State) -> i32 {
    match state {
        State::XRun => libc::EPIPE,
        State::Suspended => libc::ESTRPIPE,
        State::Disconnected => libc::ENODEV,
        State::Open | State::Setup | State::Prepared | State::Running | State::Draining | State::Paused => {
            libc::EIO
        }
    }
}
