//! `--until`: a time of day or a moment, and when that is.

use std::str::FromStr;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::clock::UnixMillis;

/// When a run stops starting rows, as the user wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Until(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// `06:00`: the next time the local clock shows it.
    NextTime(Time),
    /// `2026-11-23 06:00`: local time.
    Local(DateTime),
    /// `2026-11-23T06:00:00Z`: the same moment everywhere.
    Exact(Timestamp),
}

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write `06:00`, `2026-11-23 06:00` or `2026-11-23T06:00:00Z`")]
pub struct UntilError(String);

impl FromStr for Until {
    type Err = UntilError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || UntilError(text.trim().to_owned());
        let trimmed = text.trim();
        // A date alone could mean its first or its last minute.
        if !trimmed.contains(':') {
            return Err(refused());
        }
        if let Ok(moment) = trimmed.parse::<Timestamp>() {
            return Ok(Until(Kind::Exact(moment)));
        }
        // jiff would read the time out of a date and time, so what has a date is never tried as a time.
        if trimmed.contains('-') {
            return trimmed
                .parse()
                .map(|local| Until(Kind::Local(local)))
                .map_err(|_| refused());
        }
        let padded = if trimmed.find(':') == Some(1) {
            format!("0{trimmed}")
        } else {
            trimmed.to_owned()
        };
        padded
            .parse()
            .map(|time| Until(Kind::NextTime(time)))
            .map_err(|_| refused())
    }
}

/// The clock and the time zone a job is resolved in.
#[derive(Debug, Clone)]
pub struct Moment(Zoned);

impl Moment {
    /// Now, in the machine's time zone.
    pub fn now() -> Moment {
        Moment(Zoned::now())
    }

    /// The moment `unix`, in the zone `hours` east of Greenwich: for tests.
    pub fn at(unix: UnixMillis, hours: i8) -> Moment {
        let moment = Timestamp::from_millisecond(unix.0).unwrap_or(Timestamp::UNIX_EPOCH);
        Moment(moment.to_zoned(TimeZone::fixed(jiff::tz::offset(hours))))
    }

    /// The moment itself.
    pub fn unix(&self) -> UnixMillis {
        UnixMillis(self.0.timestamp().as_millisecond())
    }

    /// When `until` is, seen from here. A time of day that is this very moment means tomorrow's. `None` beyond the calendar.
    pub fn next(&self, until: &Until) -> Option<UnixMillis> {
        let zone = self.0.time_zone().clone();
        let moment = match until.0 {
            Kind::Exact(moment) => moment,
            Kind::Local(local) => local.to_zoned(zone).ok()?.timestamp(),
            Kind::NextTime(time) => {
                // In the night the clocks change a time may be missing or come twice: jiff takes the later and the first.
                let today = self.0.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
                if today.timestamp() > self.0.timestamp() {
                    today.timestamp()
                } else {
                    let tomorrow = self.0.date().checked_add(1.day()).ok()?;
                    tomorrow.to_datetime(time).to_zoned(zone).ok()?.timestamp()
                }
            }
        };
        Some(UnixMillis(moment.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T22:30:00Z, seen from a zone one hour east.
    const EVENING: UnixMillis = UnixMillis(1_795_386_600_000);

    fn next(moment: &Moment, text: &str) -> String {
        moment.next(&text.parse().unwrap()).unwrap().to_rfc3339()
    }

    #[test]
    fn a_time_of_day_is_its_next_occurrence_in_local_time() {
        let evening = Moment::at(EVENING, 1);
        for (text, expected) in [
            ("06:00", "2026-11-23T05:00:00.000Z"),
            ("6:00", "2026-11-23T05:00:00.000Z"),
            ("23:45:30", "2026-11-22T22:45:30.000Z"),
            ("23:30", "2026-11-23T22:30:00.000Z"),
            ("00:00", "2026-11-22T23:00:00.000Z"),
            ("2026-11-24 06:00", "2026-11-24T05:00:00.000Z"),
            ("2026-11-24T06:00:00Z", "2026-11-24T06:00:00.000Z"),
            ("2026-11-24T06:00:00+08:00", "2026-11-23T22:00:00.000Z"),
            ("2020-01-01 00:00", "2019-12-31T23:00:00.000Z"),
        ] {
            assert_eq!(next(&evening, text), expected, "{text}");
        }
    }

    #[test]
    fn a_time_the_clock_change_skips_still_comes() {
        let Ok(zone) = TimeZone::get("Europe/Berlin") else {
            return; // no time-zone database on this machine
        };
        let before: Timestamp = "2026-03-28T22:00:00Z".parse().unwrap();
        let moment = Moment(before.to_zoned(zone));
        assert_eq!(next(&moment, "02:30"), "2026-03-29T01:30:00.000Z");
    }

    #[test]
    fn what_is_no_time_says_what_to_write() {
        insta::assert_snapshot!("tomorrow".parse::<Until>().unwrap_err(), @"`tomorrow` is not a time: write `06:00`, `2026-11-23 06:00` or `2026-11-23T06:00:00Z`");
        for text in [
            "",
            "25:00",
            "6",
            "06:60",
            "2026-11-23",
            "2026-13-01 06:00",
            "06:00-",
            "6pm",
            ":",
        ] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }
}
