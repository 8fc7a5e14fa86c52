//! The rules of the door as their text has them, without a word of the box.

use std::time::Duration;

/// The rules, as a person at the door would state them. It keeps what has happened and
/// looks back at it; time is what has passed since the story began.
pub struct Rules {
    pub codes: Vec<&'static str>,
    pub pulse: Duration,
    pub cap: Duration,
    pub allow_command: bool,
    /// Digits of the call that is up which may still become a code.
    pub digits: Vec<(Duration, char)>,
    /// How many of the last of them no wrong code was counted for.
    pub fresh: usize,
    pub wrong: u32,
    pub last_wrong: Option<Duration>,
    pub locked_until: Duration,
    pub tampered: bool,
    pub case_open: bool,
    /// From when until when.
    pub opening: Option<(Duration, Duration)>,
    pub last_end: Option<Duration>,
    pub commands: Vec<Duration>,
    pub turns: Vec<(Duration, bool)>,
    /// How often each thing came about, so that nobody tests a story in which nothing happens.
    pub seen: Seen,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub by_code: u32,
    pub by_command: u32,
    pub by_exit: u32,
    pub longer: u32,
    pub cut_short: u32,
    pub lock_outs: u32,
    pub barred: u32,
    pub forgotten: u32,
}

const DIGIT_PAUSE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_secs(1);
const FORGET: Duration = Duration::from_secs(3600);

impl Rules {
    /// What becomes due by itself until then.
    pub fn pass(&mut self, now: Duration) {
        loop {
            let over = self.opening.map(|(_, until)| until);
            let pause = self.digits.last().map(|(at, _)| *at + DIGIT_PAUSE);
            let forget = self.last_wrong.map(|at| at.max(self.locked_until) + FORGET);
            let next = [over, pause, forget].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= now) else { return };
            if over == Some(at) {
                self.shut(at);
            } else if pause == Some(at) {
                self.give_up(at);
            } else {
                (self.wrong, self.last_wrong) = (0, None);
                self.seen.forgotten += 1;
            }
        }
    }

    pub fn shut(&mut self, at: Duration) {
        self.opening = None;
        self.last_end = Some(at);
        self.turns.push((at, false));
    }

    pub fn open(&mut self, at: Duration) {
        self.opening = Some((at, at + self.pulse.min(self.cap)));
        self.turns.push((at, true));
    }

    /// The digits so far become nothing any more.
    pub fn give_up(&mut self, at: Duration) {
        let shortest = self.codes.iter().map(|code| code.len()).min().unwrap();
        let tried = self.fresh >= shortest;
        self.digits.clear();
        self.fresh = 0;
        if tried {
            self.count_wrong(at);
        }
    }

    pub fn count_wrong(&mut self, at: Duration) {
        self.wrong += 1;
        self.last_wrong = Some(at);
        self.lock_if_due(at);
    }

    pub fn lock_if_due(&mut self, at: Duration) {
        if self.wrong > 0 && self.wrong.is_multiple_of(3) {
            let seconds = (0..self.wrong / 3 - 1).fold(60, |seconds: u64, _| (seconds * 2).min(3600));
            self.locked_until = at + Duration::from_secs(seconds);
            self.digits.clear();
            self.fresh = 0;
            self.seen.lock_outs += 1;
        }
    }

    /// In a call whose other party may open the door.
    pub fn digit(&mut self, at: Duration, digit: char) {
        if self.tampered || at < self.locked_until {
            self.seen.barred += 1;
            return;
        }
        self.digits.push((at, digit));
        self.fresh += 1;
        let dialled: String = self.digits.iter().map(|(_, digit)| *digit).collect();
        if self.codes.iter().any(|code| dialled.ends_with(code)) {
            self.digits.clear();
            (self.fresh, self.wrong, self.last_wrong) = (0, 0, None);
            if self.may_open_again(at) {
                self.open(at);
                self.seen.by_code += 1;
            }
        } else if self.fresh == self.codes.iter().map(|code| code.len()).max().unwrap() {
            self.fresh = 0;
            self.count_wrong(at);
        }
    }

    pub fn may_open_again(&self, at: Duration) -> bool {
        self.opening.is_none() && self.last_end.is_none_or(|end| at >= end + PAUSE)
    }

    pub fn command(&mut self, at: Duration) {
        let lately = self.commands.iter().filter(|then| at < **then + Duration::from_secs(60)).count();
        if self.allow_command && !self.tampered && lately < 6 && self.may_open_again(at) {
            self.commands.push(at);
            self.open(at);
            self.seen.by_command += 1;
        }
    }

    pub fn exit(&mut self, at: Duration) {
        match &mut self.opening {
            None => {
                self.open(at);
                self.seen.by_exit += 1;
            }
            Some((since, until)) => {
                *until = (*until).max((at + self.pulse).min(*since + self.cap));
                self.seen.longer += 1;
            }
        }
    }

    /// `leaving`: somebody is on the way out by the exit button.
    pub fn case(&mut self, at: Duration, open: bool, leaving: bool) {
        self.case_open = open;
        if open {
            self.tampered = true;
            self.digits.clear();
            self.fresh = 0;
            if self.opening.is_some() && !leaving {
                self.shut(at);
                self.seen.cut_short += 1;
            }
        }
    }

    pub fn reset(&mut self) {
        self.tampered &= self.case_open;
    }

    /// The plug was pulled, or the box was told to end; it is on again.
    pub fn restart(&mut self, at: Duration) {
        if self.opening.is_some() {
            self.shut(at);
        }
        self.last_end = None;
        self.digits.clear();
        self.fresh = 0;
        self.commands.clear();
        self.locked_until = Duration::ZERO;
        self.last_wrong = (self.wrong > 0).then_some(at);
        self.lock_if_due(at);
        self.case_open = false;
    }
}
