//! Whether every part on the way of a call still moves: what the watchdog of
//! the service manager is fed by. A part that hangs starves it, and the box is
//! started again; a device that is missing is a fault, not a hang.

use std::time::{Duration, Instant};

/// How long a part may stand still. Sound devices answer within three seconds
/// by contract, the driver and the lines look up every second.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One part's sign of life.
pub struct Pulse {
    name: &'static str,
    read: Box<dyn Fn() -> Beat + Send>,
    patience: Duration,
    last: Option<(u64, Instant)>,
}

/// What a part says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// A number that must change while all is well.
    At(u64),
    /// It has nothing to do now, such as the thread of a sound card that is not there.
    AtRest,
}

impl Pulse {
    /// A part that may stand still for [`PATIENCE`].
    pub fn new(name: &'static str, read: impl Fn() -> Beat + Send + 'static) -> Self {
        Self { name, read: Box::new(read), patience: PATIENCE, last: None }
    }

    /// The same with another patience.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn is_fresh(&mut self, now: Instant) -> bool {
        let Beat::At(beat) = (self.read)() else {
            self.last = None;
            return true;
        };
        match self.last {
            Some((seen, since)) if seen == beat => now.saturating_duration_since(since) < self.patience,
            Some(_) | None => {
                self.last = Some((beat, now));
                true
            }
        }
    }
}

/// All parts on the way of a call.
#[derive(Default)]
pub struct Pulses(Vec<Pulse>);

impl Pulses {
    /// These parts.
    pub fn new(parts: Vec<Pulse>) -> Self {
        Self(parts)
    }

    /// The parts that have stood still for too long at `now`; to be asked more
    /// often than the shortest patience.
    pub fn stuck(&mut self, now: Instant) -> Vec<&'static str> {
        self.0.iter_mut().filter_map(|part| (!part.is_fresh(now)).then_some(part.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use super::*;

    fn rig() -> (Arc<Mutex<Beat>>, Pulses) {
        let beat = Arc::new(Mutex::new(Beat::At(0)));
        let read = Arc::clone(&beat);
        (beat, Pulses::new(vec![Pulse::new("part", move || *read.lock().unwrap())]))
    }

    #[test]
    fn a_part_that_stands_still_is_named_after_its_patience_and_forgiven_when_it_moves() {
        let (beat, mut pulses) = rig();
        let start = Instant::now();
        assert!(pulses.stuck(start).is_empty());
        assert!(pulses.stuck(start + PATIENCE - Duration::from_millis(1)).is_empty());
        assert_eq!(pulses.stuck(start + PATIENCE), ["part"]);
        *beat.lock().unwrap() = Beat::At(1);
        assert!(pulses.stuck(start + PATIENCE * 2).is_empty());
        assert_eq!(pulses.stuck(start + PATIENCE * 3), ["part"]);
    }

    #[test]
    fn a_part_at_rest_is_well_and_gets_its_whole_patience_when_it_begins_again() {
        let (beat, mut pulses) = rig();
        let start = Instant::now();
        assert!(pulses.stuck(start).is_empty());
        *beat.lock().unwrap() = Beat::AtRest;
        assert!(pulses.stuck(start + PATIENCE * 5).is_empty());
        *beat.lock().unwrap() = Beat::At(0);
        assert!(pulses.stuck(start + PATIENCE * 6).is_empty());
        assert_eq!(pulses.stuck(start + PATIENCE * 7), ["part"]);
    }
}
