//! The real-time threads must not allocate: an allocator takes locks and may
//! ask the kernel for memory, and then the sound stops for as long as that takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait; this one counts and passes on")]

mod audio_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use audio_support::{engine, settings, sine, wait_meters, with_cable, write_wav};
use callbox::appliance::command::{Clip, Direction, Listener, Role};
use callbox::appliance::id::PeerId;
use callbox::appliance::tone::Tone;
use callbox::audio::{AudioSettings, Frame, Leg, PERIOD, ProcessingMode};

const LONG: Duration = Duration::from_secs(20);
const MOST_THREADS: usize = 512;

/// Allocations and releases of each thread, and the thread's number.
static COUNTS: [(AtomicU64, AtomicU64); MOST_THREADS] =
    [const { (AtomicU64::new(0), AtomicU64::new(0)) }; MOST_THREADS];
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn count() {
    let mine = MINE.get();
    if mine == usize::MAX {
        let mine = THREADS.fetch_add(1, Relaxed);
        MINE.set(mine);
        // SAFETY: gettid takes nothing, touches no memory and cannot fail.
        let thread = unsafe { libc::gettid() };
        COUNTS[mine].1.store(thread as u64, Relaxed);
        COUNTS[mine].0.fetch_add(1, Relaxed);
    } else {
        COUNTS[mine].0.fetch_add(1, Relaxed);
    }
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts so far, by name, of the real-time threads alive now. One that has
/// never allocated is there with 0.
fn counts() -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap();
        let Ok(name) = std::fs::read_to_string(task.path().join("comm")) else { continue };
        let number: u64 = task.file_name().to_str().unwrap().parse().unwrap();
        let mine = COUNTS.iter().find(|(_, thread)| thread.load(Relaxed) == number);
        counts.insert(name.trim().to_owned(), mine.map_or(0, |(count, _)| count.load(Relaxed)));
    }
    counts.retain(|name, _| ["alsa-capture", "alsa-playback", "audio-dsp"].contains(&name.as_str()));
    counts
}

struct Echo {
    frame: Frame,
    /// For the test of the test: a leg that breaks the rule.
    allocates: bool,
}

impl Leg for Echo {
    fn near_end(&mut self, frame: &Frame, _now: Instant) {
        self.frame = *frame;
        if self.allocates {
            std::hint::black_box(vec![1_u8; 100]);
        }
    }

    fn far_end(&mut self, frame: &mut Frame, _now: Instant) {
        *frame = self.frame;
    }
}

/// Runs three calls with tones, announcements, mute and changes of legs, roles and directions, and tells what
/// each real-time thread allocated or released over at least 200 periods.
fn allocations(settings: AudioSettings, allocates: bool) -> BTreeMap<String, u64> {
    let (engine, _faults) = engine(settings);
    let leg = |allocates| Box::new(Echo { frame: [0; 480], allocates });
    for peer in 1..=3 {
        engine.attach(PeerId(peer), leg(allocates));
    }
    engine.connect(&[1, 2, 3].map(|peer| (PeerId(peer), Role::Talk)));
    wait_meters(&engine, LONG, "both run", |m| m.capture.periods > 50 && m.playback.periods > 50);
    let before = counts();
    let began = engine.meters();
    let mut round = 0;
    while engine.meters().capture.periods < began.capture.periods + 200
        || engine.meters().playback.periods < began.playback.periods + 200
    {
        round += 1;
        engine.attach(PeerId(round + 3), leg(allocates));
        let roles = [Role::Talk, Role::Listen, Role::Hold];
        let role = |n: u64| (PeerId(round + n), roles[(round + n) as usize % 3]);
        engine.connect(&[role(0), role(1), role(2)]);
        for tone in [Tone::Press, Tone::Progress, Tone::Ringback, Tone::Busy, Tone::CallWaiting, Tone::Error]
        {
            engine.tone(Some(tone));
            std::thread::sleep(PERIOD * 3);
        }
        engine.announce(Some(Clip::Acknowledge), Listener::FarEnd(PeerId(round + 1)));
        engine.announce(Some(Clip::Offline), Listener::Box);
        std::thread::sleep(PERIOD * 3);
        engine.announce(None, Listener::FarEnd(PeerId(round + 1)));
        engine.mute(round % 2 == 0);
        let directions = [Direction::Both, Direction::Alternate, Direction::Talk, Direction::Listen];
        engine.direction(directions[round as usize % 4]);
        engine.connect(&[1, 2, 3].map(|n| (PeerId(round + n), Role::Talk)));
        engine.detach(PeerId(round));
        engine.tone(None);
        std::thread::sleep(PERIOD * 3);
    }
    let after = counts();
    let xruns = engine.meters();
    engine.stop();
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!((xruns.capture.opened, xruns.playback.opened), (1, 1), "a device was opened anew: {xruns:?}");
    before.into_iter().map(|(name, count)| (name.clone(), after[&name] - count)).collect()
}

/// One test, since threads are told apart by their names.
#[test]
fn the_real_time_threads_do_not_allocate() {
    with_cable("the_real_time_threads_do_not_allocate", |mut cable| {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("wav:{}", folder.path().join("heard.wav").display());
        let said = folder.path().join("said.wav");
        write_wav(&said, &sine(600.0, -12.0, 4800));
        // With an echo, so that the canceller has something to do.
        cable.in_a_room();
        cable.up();
        for (capture, playback, processing) in [
            ("dut_mic", "dut_spk", ProcessingMode::FullDuplex),
            ("synth:noise", "synth:silence", ProcessingMode::HalfDuplex),
            ("synth:tone=440", file.as_str(), ProcessingMode::Off),
        ] {
            let settings = AudioSettings {
                processing,
                tone_files: BTreeMap::from([(Tone::Busy, said.clone())]),
                clip_files: BTreeMap::from([(Clip::Acknowledge, said.clone())]),
                ..settings(capture, playback)
            };
            let counts = allocations(settings, false);
            assert!(counts.values().all(|&count| count == 0), "{capture}, {playback}: {counts:?}");
        }
        let counts = allocations(settings("synth:noise", "synth:silence"), true);
        assert!(counts["audio-dsp"] >= 100, "the count counts nothing: {counts:?}");
        assert_eq!(counts["alsa-capture"], 0, "counts of threads are mixed up");
    });
}
