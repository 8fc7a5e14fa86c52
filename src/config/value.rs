//! Values written as text: durations, phone numbers, and the nearest word.

use std::time::Duration;

use super::diagnostic::{Problem, quoted};

/// Reads one number and its unit: `400ms`, `30s`, `10min`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, Problem> {
    let refused = || {
        Problem::new(
            format!("{} is not a duration", quoted(text)),
            "write a whole number and its unit ms, s, min or h, such as \"400ms\", \"30s\" or \"10min\"",
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds_each = match unit.trim_start_matches(' ') {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(refused()),
    };
    let number: u64 = number.parse().map_err(|_| refused())?;
    number.checked_mul(milliseconds_each).map(Duration::from_millis).ok_or_else(refused)
}

/// Writes a duration as [`duration`] reads it.
pub(super) fn in_words(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (each, unit) in [(3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if ms >= each && ms.is_multiple_of(each) {
            return format!("{}{unit}", ms / each);
        }
    }
    format!("{ms}ms")
}

/// The word of `known` that was most likely meant, if any is close.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = word.chars().count() / 3 + 1;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance (Levenshtein 1966), by Wagner and Fischer's table of two rows.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut previous = i + 1;
        let mut next = vec![previous];
        for ((to, diagonal), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            previous = (diagonal + usize::from(from != *to)).min(above + 1).min(previous + 1);
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, ms) in [
            ("0s", 0),
            ("400ms", 400),
            ("30s", 30_000),
            ("10min", 600_000),
            ("2h", 7_200_000),
            ("5 s", 5_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_duration() {
        for text in
            ["", "30", "s", "-1s", "1.5s", "30 sec", "1m", "99999999999999999999s", "9999999999999999h", "٣s"]
        {
            assert!(duration(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn durations_survive_writing_and_reading() {
        for ms in [0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000] {
            let value = Duration::from_millis(ms);
            assert_eq!(duration(&in_words(value)), Ok(value));
        }
    }

    #[test]
    fn the_nearest_word_is_found_and_far_ones_are_not_offered() {
        let known = ["endpoint", "ca-file", "keep-alive-interval"];
        assert_eq!(nearest("end-point", known), Some("endpoint"));
        assert_eq!(nearest("cafile", known), Some("ca-file"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
