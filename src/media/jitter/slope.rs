//! How fast two clocks run apart, from the times at which something that is
//! due at even intervals is seen.
//!
//! What is seen is late by a delay that varies and drifts by the clocks'
//! difference. The least delay of each window is nearly free of the former
//! (Moon, Skelly and Towsley, "Estimation and removal of clock skew from network
//! delay measurements", INFOCOM 1999); the median of the slopes between all pairs
//! of windows (Theil 1950, Sen 1968) is not misled by a few bad ones. All times
//! in microseconds.

/// Length of a window.
const WINDOW: i64 = 8_000_000;

/// Windows remembered: 3 minutes.
const MOST: usize = 24;

/// So many tell a slope: 50 s, in which 100 ppm make 5 ms.
const ENOUGH: usize = 6;

/// A window that is so far from where the slope leads is another path, not
/// another clock: no crystal makes 3 ms in a window.
const STEP: i64 = 5_000;

/// Windows that scatter more about the slope (in the median) do not tell one.
const SCATTER: f64 = 1_500.0;

/// No crystal is that wrong: 500 ppm.
const STEEPEST: f64 = 5e-4;

/// See the module's documentation.
pub(super) struct Slope {
    /// When each window's least delay was seen, and how much it was.
    windows: [(i64, i64); MOST],
    count: usize,
    began: Option<i64>,
    least: (i64, i64),
    slope: f64,
}

impl Slope {
    pub(super) fn new() -> Self {
        Self { windows: [(0, 0); MOST], count: 0, began: None, least: (0, i64::MAX), slope: 0.0 }
    }

    /// The delays from now on have nothing to do with those before; the clocks are the same.
    pub(super) fn restart(&mut self) {
        self.count = 0;
        self.began = None;
        self.least = (0, i64::MAX);
    }

    /// Something was seen at `at`, so much late.
    pub(super) fn note(&mut self, at: i64, late: i64) {
        let began = *self.began.get_or_insert(at);
        if at - began >= WINDOW {
            self.close();
            self.began = Some(at);
            self.least = (0, i64::MAX);
        }
        if late < self.least.1 {
            self.least = (at, late);
        }
    }

    /// By how much the delay grows in a time of one; 0 until it is known.
    pub(super) fn slope(&self) -> f64 {
        self.slope
    }

    fn close(&mut self) {
        if let Some((at, late)) = self.count.checked_sub(1).map(|last| self.windows[last]) {
            let expected = late + ((self.least.0 - at) as f64 * self.slope) as i64;
            if (self.least.1 - expected).abs() > STEP {
                self.count = 0;
            }
        }
        if self.count == MOST {
            self.windows.copy_within(1.., 0);
            self.count -= 1;
        }
        self.windows[self.count] = self.least;
        self.count += 1;
        if self.count >= ENOUGH
            && let Some(slope) = steepness(&self.windows[..self.count])
        {
            self.slope = slope.clamp(-STEEPEST, STEEPEST);
        }
    }
}

/// The slope of these points; `None` if they do not lie on a line.
fn steepness(points: &[(i64, i64)]) -> Option<f64> {
    let mut slopes = [0.0; MOST * (MOST - 1) / 2];
    let mut count = 0;
    for (i, (to, late)) in points.iter().enumerate() {
        for (from, earlier) in &points[..i] {
            slopes[count] = (late - earlier) as f64 / (to - from).max(1) as f64;
            count += 1;
        }
    }
    let slope = median(&mut slopes[..count]);
    let mut rests = [0.0; MOST];
    let rests = &mut rests[..points.len()];
    for (rest, (at, late)) in rests.iter_mut().zip(points) {
        *rest = *late as f64 - slope * (at - points[0].0) as f64;
    }
    let middle = median(rests);
    for rest in rests.iter_mut() {
        *rest = (*rest - middle).abs();
    }
    (median(rests) <= SCATTER).then_some(slope)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet each 20 ms for so many seconds; tells the slope in ppm.
    fn run(slope: &mut Slope, from: i64, seconds: i64, late: impl Fn(i64) -> i64) -> f64 {
        for i in 0..seconds * 50 {
            let at = from + i * 20_000;
            slope.note(at, late(at));
        }
        slope.slope() * 1e6
    }

    /// 0 to 1, from the number alone (Knuth's multiplicative hash).
    fn chance(at: i64) -> f64 {
        ((at / 20_000) as u32).wrapping_mul(2_654_435_761) as f64 / f64::from(u32::MAX)
    }

    #[test]
    fn a_drift_is_found_below_jitter_within_a_minute_and_finer_later() {
        for ppm in [-100, 0, 37, 100] {
            let late = |at: i64| at * ppm / 1_000_000 + (chance(at).powi(3) * 60_000.0) as i64;
            let mut slope = Slope::new();
            let early = run(&mut slope, 0, 60, late);
            assert!((early - ppm as f64).abs() < 30.0, "{ppm} ppm: {early} after a minute");
            let later = run(&mut slope, 60_000_000, 180, late);
            assert!((later - ppm as f64).abs() < 5.0, "{ppm} ppm: {later} later");
        }
    }

    #[test]
    fn a_path_that_changes_is_no_drift() {
        let mut slope = Slope::new();
        run(&mut slope, 0, 100, |at| at / 20_000);
        for step in 1..20 {
            let found = run(&mut slope, step * 100_000_000, 100, |at| at / 20_000 + step * 7_919 % 60_000);
            assert!((found - 50.0).abs() < 3.0, "{found} ppm after step {step}");
        }
    }

    #[test]
    fn what_lies_on_no_line_tells_nothing() {
        let mut slope = Slope::new();
        let found = run(&mut slope, 0, 600, |at| (chance(at / 8_000_000 * 20_000) * 9_000.0) as i64);
        assert!(found.abs() < 1.0, "{found} ppm");
    }

    #[test]
    fn nothing_is_steeper_than_a_crystal() {
        let mut slope = Slope::new();
        let found = run(&mut slope, 0, 200, |at| at / 1_700);
        assert!(found <= 500.0, "{found} ppm");
    }
}
