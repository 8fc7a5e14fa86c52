//! The audio threads' start and end, and the handle that the rest of the program holds.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::care::{Care, Note, Way};
use super::device::{Trouble, open_capture, open_playback};
use super::dsp::Dsp;
use super::keeper::Keeper;
use super::leg::Leg;
use super::meters::{Counters, Meters};

use super::mixer::{MOST_CONNECTED, MOST_LEGS, Mixer, Order, Roles};
use super::probe::Probe;
use super::processing::Processing;
use super::settings::{AudioSettings, Buffering, DeviceName};
use super::sounds::Sounds;
use super::speaker::{self, Speaker, SpeakerOrder};
use super::volume::Volume;
use super::worker::{CaptureWorker, PlaybackWorker};
use crate::appliance::command::{Clip, Direction, Listener, Role};
use crate::appliance::event::SystemEvent;
use crate::appliance::fault::Fault;
use crate::appliance::id::PeerId;
use crate::appliance::tone::Tone;

/// Orders that wait for the `audio-dsp` thread, which looks every 10 ms.
const ORDERS: usize = 64;

/// Notes that wait for `audio-care`.
const NOTES: usize = 64;

/// Sweeps that wait for the thread that looks at them.
const PROBES: usize = 8;

/// How long an order waits for room.
const PATIENCE_MS: u32 = 500;

/// Faults that wait for their reader.
const FAULTS: usize = 16;

/// Frames between the microphone's thread and `audio-dsp`, and from there to
/// the loudspeaker's: room for a stall, kept nearly empty.
const CAPTURED: usize = 16;
const RENDERED: usize = 4;

/// A thread may hang in alsa-lib, which waits without end for a sound server
/// that does not answer. The process must end all the same.
const LONGEST_STOP: Duration = Duration::from_secs(4);

/// How soon a leg that was taken out is dropped, and a change of the microphone told.
const TIDY_EVERY: Duration = Duration::from_millis(25);

/// Starts the audio threads.
///
/// Never fails: a device that cannot be used is told to `faults` as
/// [`SystemEvent::FaultRaised`] with the cure in words, tried again with
/// growing pauses (100 to 500 ms), and told as [`SystemEvent::FaultCleared`]
/// when it works. `faults` is called from one thread of its own and may block. It is also told within
/// 100 ms, by [`SystemEvent::Microphone`], when captured sound begins or ceases to go out to somebody.
pub fn start(settings: AudioSettings, faults: impl Fn(SystemEvent) + Send + 'static) -> AudioEngine {
    let counters = Arc::new(Counters::new());
    let (orders, orders_out) = RingBuffer::new(ORDERS);
    let (speaker, speaker_orders) = RingBuffer::new(speaker::ORDERS);
    let speaker = Arc::new(SpeakerOrders(Mutex::new(speaker)));
    let (notes, noted) = mpsc::sync_channel(NOTES);
    let (report, reports) = mpsc::sync_channel(FAULTS);
    let real = is_real(&settings.capture) && is_real(&settings.playback);
    for device in [&settings.capture, &settings.playback] {
        warn_of_number(device);
    }
    let mut threads = Vec::new();
    let spawned = spawn_all(
        settings,
        &counters,
        (orders_out, &speaker, speaker_orders),
        (notes.clone(), noted),
        (&report, reports),
        faults,
        &mut threads,
    );
    if let Err(error) = spawned {
        for fault in [Fault::CaptureDevice, Fault::PlaybackDevice] {
            let detail =
                format!("the audio threads could not be started: {error}; raise the limit of threads");
            tracing::error!("{detail}");
            drop(report.try_send(SystemEvent::FaultRaised { fault, detail }));
        }
    }
    AudioEngine { orders: Mutex::new(orders), speaker, notes, real, counters, threads }
}

/// Whether a device is one that makes or hears sound.
fn is_real(device: &DeviceName) -> bool {
    match device {
        DeviceName::Alsa(_) => true,
        DeviceName::Wav(_) | DeviceName::Synth(_) => false,
    }
}

/// A card's number goes to whichever card is found first after the next start.
fn warn_of_number(device: &DeviceName) {
    let DeviceName::Alsa(name) = device else { return };
    let number = name.split_once("hw:").map(|(_, card)| card.split(',').next().unwrap_or_default());
    if number.is_some_and(|card| !card.is_empty() && card.bytes().all(|byte| byte.is_ascii_digit())) {
        tracing::warn!("{name} is another card when cards are found in another order: use plughw:CARD=NAME");
    }
}

/// How a device is opened after a trouble: with patience after a storm.
fn after(trouble: Option<Trouble>, buffering: Buffering) -> Buffering {
    if trouble == Some(Trouble::Storm) { buffering.longer() } else { buffering }
}

/// The way to the last step before the loudspeaker, for threads that may wait.
pub(super) struct SpeakerOrders(Mutex<Producer<SpeakerOrder>>);

impl SpeakerOrders {
    /// Hands an order over; loses it only where `audio-dsp` hangs.
    pub fn order(&self, order: SpeakerOrder) {
        push(&self.0, order);
    }
}

fn spawn_all(
    settings: AudioSettings,
    counters: &Arc<Counters>,
    (orders, speaker, speaker_orders): (Consumer<Order>, &Arc<SpeakerOrders>, Consumer<SpeakerOrder>),
    (notes, noted): (SyncSender<Note>, Receiver<Note>),
    (report, reports): (&SyncSender<SystemEvent>, Receiver<SystemEvent>),
    faults: impl Fn(SystemEvent) + Send + 'static,
    threads: &mut Vec<JoinHandle<()>>,
) -> io::Result<()> {
    let (captured, captured_out) = RingBuffer::new(CAPTURED);
    let (rendered, rendered_out) = RingBuffer::new(RENDERED);
    let (bin, bin_out) = RingBuffer::new(2 * MOST_LEGS);
    let mut spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work)?;
        let handle = thread.thread().clone();
        threads.push(thread);
        io::Result::Ok(handle)
    };
    let shared = counters.clone();
    spawn("audio-tidy", Box::new(move || tidy(&reports, bin_out, &shared, faults)))?;
    let sounds = Arc::new(Sounds::new(settings.clone()));
    let mixer = Mixer::new(Arc::clone(&sounds), bin);
    let complain = report.clone();
    spawn("audio-sounds", Box::new(move || load(&sounds, &complain)))?;
    let processing = Processing::new(&settings);
    let (over, probes) = RingBuffer::new(PROBES);
    let volume = Volume::new(settings.ambient);
    let speaker_thread = Speaker { orders: speaker_orders, over, volume, probe: None };
    let dsp = Dsp {
        counters: counters.clone(),
        mixer,
        speaker: speaker_thread,
        processing,
        orders,
        captured: captured_out,
        rendered,
    };
    let dsp = spawn("audio-dsp", Box::new(move || dsp.run()))?;
    let care = Care {
        counters: counters.clone(),
        settings: settings.clone(),
        notes: noted,
        report: report.clone(),
        probes,
        speaker: speaker.clone(),
        unset: [None, None],
    };
    spawn("audio-care", Box::new(move || care.run()))?;

    let device = settings.capture.to_string();
    let worker = CaptureWorker { device, counters: counters.clone(), captured, dsp: dsp.clone() };
    let mut buffering = settings.buffering;
    let keeper = Keeper {
        name: "alsa-capture",
        way: Way::Capture,
        notes: notes.clone(),
        open: Box::new(move |trouble| {
            buffering = after(trouble, buffering);
            open_capture(&settings.capture, buffering)
        }),
        counters: counters.clone(),
    };
    spawn("capture-keeper", Box::new(move || keeper.run(worker)))?;

    let device = settings.playback.to_string();
    let worker = PlaybackWorker { device, counters: counters.clone(), rendered: rendered_out, dsp };
    let mut buffering = settings.buffering;
    let keeper = Keeper {
        name: "alsa-playback",
        way: Way::Playback,
        notes,
        open: Box::new(move |trouble| {
            buffering = after(trouble, buffering);
            open_playback(&settings.playback, buffering)
        }),
        counters: counters.clone(),
    };
    spawn("playback-keeper", Box::new(move || keeper.run(worker)))?;
    Ok(())
}

/// Reads the files of the box's own sounds, since that takes time.
fn load(sounds: &Sounds, faults: &SyncSender<SystemEvent>) {
    let found = sounds.load();
    if !found.is_empty() {
        let detail = format!("{}; until then the built-in sound is heard", found.join("; "));
        tracing::error!("{detail}");
        // Waits for room: this thread has nothing else to do.
        drop(faults.send(SystemEvent::FaultRaised { fault: Fault::SoundFile, detail }));
    }
}

/// Passes faults and the microphone's truth on and drops legs, since either may take time.
fn tidy(
    reports: &Receiver<SystemEvent>,
    mut bin: Consumer<Box<dyn Leg>>,
    counters: &Counters,
    faults: impl Fn(SystemEvent),
) {
    let mut live = false;
    loop {
        counters.tidy_heartbeat.fetch_add(1, Relaxed);
        match reports.recv_timeout(TIDY_EVERY) {
            Ok(event) => faults(event),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                if live {
                    faults(SystemEvent::Microphone(false));
                }
                return;
            }
        }
        if counters.microphone_live() != live {
            live = !live;
            faults(SystemEvent::Microphone(live));
        }
        while let Ok(leg) = bin.pop() {
            if catch_unwind(AssertUnwindSafe(|| drop(leg))).is_err() {
                tracing::error!("a call's audio leg panicked when it was dropped");
            }
        }
    }
}

/// The audio shell: one owner of microphone and loudspeaker. Dropping it stops it, too.
pub struct AudioEngine {
    orders: Mutex<Producer<Order>>,
    speaker: Arc<SpeakerOrders>,
    notes: SyncSender<Note>,
    /// Neither device is a file or made up.
    real: bool,
    counters: Arc<Counters>,
    threads: Vec<JoinHandle<()>>,
}

impl AudioEngine {
    /// Plays a tone, by itself or over the call, until the next `tone`; `None`
    /// is silence. [`Tone::Press`] always plays to its end, which is 50 ms.
    pub fn tone(&self, tone: Option<Tone>) {
        self.order(Order::Tone(tone));
    }

    /// Plugs a call's audio in. The engine keeps the leg until [`Self::detach`]
    /// and drops it on a thread where that may take time. A second leg for a
    /// peer takes the first one's place. There is room for 32.
    pub fn attach(&self, peer: PeerId, leg: Box<dyn Leg>) {
        self.order(Order::Attach(peer, leg));
    }

    /// Connects these peers' legs in these roles, and no others. A leg may be
    /// attached later. Of more than eight the first eight are connected.
    pub fn connect(&self, legs: &[(PeerId, Role)]) {
        if legs.len() > MOST_CONNECTED {
            tracing::error!("{} legs cannot be connected at once, only {MOST_CONNECTED}", legs.len());
        }
        self.order(Order::Connect(Roles::of(legs)));
    }

    /// Takes a call's audio out.
    pub fn detach(&self, peer: PeerId) {
        self.order(Order::Detach(peer));
    }

    /// Sends silence instead of the microphone.
    pub fn mute(&self, muted: bool) {
        self.order(Order::Mute(muted));
    }

    /// Plays an announcement from its begin, in the place of any other to this
    /// listener; `None` ends it. A far end must be connected, in any role.
    pub fn announce(&self, clip: Option<Clip>, to: Listener) {
        self.order(Order::Announce(clip, to));
    }

    /// Lets sound flow both ways, one way, or one way at a time. Changes fade within 10 ms.
    pub fn direction(&self, direction: Direction) {
        self.order(Order::Direction(direction));
    }

    /// The loudspeaker's volume: 0 to 100 percent of full loudness, by the
    /// card's own control where the settings name one. More counts as 100.
    pub fn volume(&self, percent: u8) {
        self.note(Note::Volume(percent.min(100)));
    }

    /// Plays a quiet sweep and looks for it at the microphone, in two seconds.
    /// Each attempt from 0 on is 6 dB louder. Answered by one
    /// [`SystemEvent::SelfTest`], unless [`Self::stop_self_test`] is called
    /// before; one that is asked for meanwhile takes its place.
    pub fn self_test(&self, attempt: u8) {
        let runs =
            self.counters.capture.running.load(Relaxed) && self.counters.playback.running.load(Relaxed);
        if self.real && runs {
            self.speaker.order(SpeakerOrder::Probe(Box::new(Probe::new(attempt))));
        } else {
            self.note(Note::NoProbe);
        }
    }

    /// Breaks the sweep off at once.
    pub fn stop_self_test(&self) {
        self.speaker.order(SpeakerOrder::StopProbe);
    }

    /// What the audio threads have counted so far.
    pub fn meters(&self) -> Meters {
        self.counters.snapshot()
    }

    /// Ends all audio threads and closes the devices: at once, or after four
    /// seconds where a device hangs.
    pub fn stop(self) {
        drop(self);
    }

    fn order(&self, order: Order) {
        push(&self.orders, order);
    }

    /// Never waits: buttons and doors must go on whatever a sound card does.
    fn note(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            tracing::error!("the thread audio-care hangs or was not started: an order is lost");
        }
    }
}

/// Waits for room, which the reader makes every 10 ms. Gives up only where
/// that thread hangs: buttons and doors must go on without sound.
fn push<T>(orders: &Mutex<Producer<T>>, mut order: T) {
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..PATIENCE_MS {
        match orders.push(order) {
            Ok(()) => return,
            Err(PushError::Full(back)) => order = back,
        }
        if orders.is_abandoned() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    tracing::error!("the thread audio-dsp hangs: an order is lost");
}

impl Drop for AudioEngine {
    fn drop(&mut self) {
        self.counters.stop.store(true, Relaxed);
        let end = Instant::now() + LONGEST_STOP;
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            while !thread.is_finished() && Instant::now() < end {
                thread::sleep(Duration::from_millis(2));
            }
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if !thread.is_finished() {
                tracing::warn!("the thread {name} hangs in its device and is left behind");
            } else if thread.join().is_err() {
                tracing::error!("the thread {name} had panicked");
            }
        }
    }
}
