//! SCHED_FIFO where the system permits it (`man 7 sched`; CAP_SYS_NICE or RLIMIT_RTPRIO).

use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// The threads that talk to a card: above everything but the kernel's own.
pub(crate) const DEVICE: u8 = 60;

/// The thread that codes and mixes: below the cards' threads.
pub(crate) const DSP: u8 = 50;

/// The threads between a finger and a lamp, which work for microseconds: below
/// the sound, above all that only computes.
pub(crate) const LINES: u8 = 40;

/// Asks for SCHED_FIFO for the calling thread. Call it after whatever starts
/// other threads, since those would inherit it. Says whether it was granted.
pub(crate) fn promote(priority: u8) -> bool {
    let Ok(priority) = priority.try_into() else { return false };
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(priority),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
    .is_ok()
}
