//! What a clock on the wall shows at the box: day of the week and time of day
//! by the rules of a time zone. Others ask; nothing comes in or goes out.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const DAY: Duration = Duration::from_secs(86_400);

/// A time zone with its rules for summer time. The configuration finds it by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All seven, from Monday on (ISO 8601).
    pub const ALL: [Weekday; 7] =
        [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
}

/// What a clock on the wall shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocalTime {
    pub yesterday: Weekday,
    pub today: Weekday,
    /// Since midnight by the wall, whatever summer time did to this day.
    pub time: Duration,
}

impl Zone {
    /// A zone that was found in a database.
    pub fn new(zone: TimeZone) -> Self {
        Self(zone)
    }

    /// What a clock on the wall shows at `unix`. `None` beyond the year 9999.
    pub(super) fn local(&self, unix: Duration) -> Option<LocalTime> {
        let local = self.0.to_datetime(timestamp(unix)?);
        // Monday is 0.
        let day = usize::try_from(local.weekday().to_monday_zero_offset()).ok()?;
        let seconds = 3600 * i64::from(local.hour()) + 60 * i64::from(local.minute());
        let seconds = seconds + i64::from(local.second());
        Some(LocalTime {
            yesterday: *Weekday::ALL.get((day + 6) % 7)?,
            today: *Weekday::ALL.get(day)?,
            time: Duration::from_secs(u64::try_from(seconds).ok()?),
        })
    }

    /// How long after `unix` a clock on the wall next shows `time`. A time that
    /// summer time skips comes as much later as it skips; more than zero, less
    /// than 26 hours. `None` beyond the year 9999.
    pub(super) fn until(&self, unix: Duration, time: Duration) -> Option<Duration> {
        let now = timestamp(unix)?;
        let today = self.0.to_datetime(now).date();
        let time = time.min(DAY - Duration::from_secs(1));
        let since_midnight = i64::try_from(time.as_secs()).ok()?;
        [0, 1, 2].into_iter().find_map(|days| {
            let day = today.checked_add(days.days()).ok()?;
            let at = day.at(0, 0, 0, 0).checked_add(since_midnight.seconds()).ok()?;
            let at = self.0.to_timestamp(at).ok().filter(|at| *at > now)?;
            Duration::try_from(at.duration_since(now)).ok()
        })
    }
}

fn timestamp(unix: Duration) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(unix.as_secs()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oslo() -> Zone {
        Zone::new(TimeZone::get("Europe/Oslo").unwrap())
    }

    fn unix(text: &str) -> Duration {
        let at: Timestamp = text.parse().unwrap();
        Duration::from_secs(at.as_second().try_into().unwrap())
    }

    fn hours(n: u64) -> Duration {
        Duration::from_secs(3600 * n)
    }

    #[test]
    fn the_wall_shows_summer_and_winter_time_and_the_right_day() {
        let at = |text| oslo().local(unix(text)).unwrap();
        let winter = at("2026-01-05T00:00:00Z");
        assert_eq!(winter, LocalTime { yesterday: Weekday::Sun, today: Weekday::Mon, time: hours(1) });
        let summer = at("2026-07-04T22:00:30Z");
        let half_a_minute = Duration::from_secs(30);
        assert_eq!(summer, LocalTime { yesterday: Weekday::Sat, today: Weekday::Sun, time: half_a_minute });
        assert_eq!(oslo().local(Duration::MAX), None);
    }

    #[test]
    fn a_time_of_day_comes_again_also_when_the_clocks_change() {
        let wait = |text, time| oslo().until(unix(text), time).unwrap();
        assert_eq!(wait("2026-01-05T00:00:00Z", hours(3)), hours(2));
        assert_eq!(wait("2026-01-05T02:00:00Z", hours(3)), hours(24), "at that very time: the next day");
        // 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00.
        assert_eq!(wait("2026-03-28T23:00:00Z", hours(3)), hours(2));
        assert_eq!(wait("2026-10-24T22:00:00Z", hours(3)), hours(4));
        let skipped = hours(2) + Duration::from_secs(1800);
        assert_eq!(wait("2026-03-28T23:00:00Z", skipped), skipped);
    }
}
