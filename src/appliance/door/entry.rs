//! Digits that may become a code.

use std::time::Instant;

use super::settings::Code;

/// What somebody in a call has dialled without a longer pause.
#[derive(Debug)]
pub(super) struct Entry {
    /// As many digits as the longest code has.
    dialled: String,
    /// Digits that no wrong code has been counted for yet.
    untried: usize,
    last: Instant,
}

/// What a digit made of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It ends a code. The digits are spent.
    Right,
    /// As many digits as the longest code has, and none of the codes.
    Wrong,
    /// Nothing yet.
    Open,
}

impl Entry {
    pub fn new(now: Instant) -> Self {
        Self { dialled: String::new(), untried: 0, last: now }
    }

    /// When the last digit came.
    pub fn last(&self) -> Instant {
        self.last
    }

    /// One more digit. `codes` is not empty.
    pub fn digit(&mut self, digit: char, codes: &[Code], now: Instant) -> Verdict {
        let longest = codes.iter().map(Code::len).max().unwrap_or_default();
        self.last = now;
        self.dialled.push(digit);
        if self.dialled.chars().count() > longest {
            self.dialled.remove(0);
        }
        self.untried += 1;
        // All codes are looked at: how long it takes tells not which one it was.
        let right = codes.iter().fold(false, |right, code| right | code.ends(&self.dialled));
        if right {
            *self = Self::new(now);
            return Verdict::Right;
        }
        if self.untried < longest {
            return Verdict::Open;
        }
        self.untried = 0;
        Verdict::Wrong
    }

    /// No digit follows; true if what is left was long enough to be a wrong code.
    pub fn is_wrong(&self, codes: &[Code]) -> bool {
        codes.iter().any(|code| self.untried >= code.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(codes: &[&str], digits: &str) -> (String, bool) {
        let codes: Vec<Code> = codes.iter().map(|code| Code::new(*code)).collect();
        let mut entry = Entry::new(Instant::now());
        let verdicts = digits.chars().map(|digit| match entry.digit(digit, &codes, Instant::now()) {
            Verdict::Right => 'r',
            Verdict::Wrong => 'w',
            Verdict::Open => '.',
        });
        (verdicts.collect(), entry.is_wrong(&codes))
    }

    #[test]
    fn a_code_is_found_wherever_it_ends_and_its_digits_are_spent() {
        assert_eq!(verdicts(&["1234"], "1234"), ("...r".to_owned(), false));
        assert_eq!(verdicts(&["1234"], "91234"), ("...wr".to_owned(), false));
        assert_eq!(verdicts(&["1212"], "121212"), ("...r..".to_owned(), false));
        assert_eq!(verdicts(&["5", "*9"], "*95"), (".rr".to_owned(), false));
    }

    #[test]
    fn every_few_digits_without_a_code_are_a_wrong_one() {
        assert_eq!(verdicts(&["1234"], "99999999"), ("...w...w".to_owned(), false));
        assert_eq!(verdicts(&["1234"], "999"), ("...".to_owned(), false));
        assert_eq!(verdicts(&["5", "1234"], "9"), (".".to_owned(), true));
    }
}
