//! Windows of time: days of the week, hours of the day and dates, as a clock on the wall of a time zone shows them.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// When a rule holds: all that is given here at once.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) zone: Zone,
    /// Monday is 1, Sunday 7. Empty: any.
    pub(crate) days: Vec<i8>,
    /// From the first minute of the day on and before the second; past midnight where the second is the smaller one.
    pub(crate) hours: Option<(u16, u16)>,
    /// On which it begins.
    pub(crate) dates: Dates,
    /// The days after these: what of a window over midnight lies there began on the day before.
    pub(crate) dates_after: Dates,
    /// As a person would write it.
    pub(crate) says: String,
}

/// A span of dates.
#[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dates {
    /// Seconds since 1970, on and after.
    pub(crate) from: Option<i64>,
    /// Seconds since 1970, before.
    pub(crate) until: Option<i64>,
}

/// A time zone.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    /// Its name in the IANA database.
    pub(crate) name: Arc<str>,
    pub(crate) rules: TimeZone,
}

/// What the clock on the wall shows.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) struct Wall {
    /// Monday is 1, Sunday 7.
    pub(crate) weekday: i8,
    /// Minutes since midnight, as shown: an hour that the clocks skip never comes, one that they repeat comes twice.
    pub(crate) minute: u16,
}

impl Window {
    /// Whether the clock on the wall matters, beside the dates.
    pub(crate) fn reads_wall(&self) -> bool {
        !self.days.is_empty() || self.hours.is_some()
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Window) -> bool {
        let told = |window: &Window| (window.hours, window.dates, window.dates_after, window.zone.name.clone());
        self.days == other.days && told(self) == told(other)
    }
}

impl Zone {
    pub(crate) fn utc() -> Zone {
        Zone { name: "UTC".into(), rules: TimeZone::UTC }
    }

    /// # Errors
    /// When there is no zone of this name; holds the names there are.
    pub(crate) fn named(name: &str) -> Result<Zone, Vec<String>> {
        if name == "UTC" {
            return Ok(Zone::utc());
        }
        let database = jiff::tz::TimeZoneDatabase::bundled();
        let names = || database.available().map(|zone| zone.as_str().to_owned()).collect::<Vec<String>>();
        let rules = database.get(name).map_err(|_| names())?;
        Ok(Zone { name: rules.iana_name().unwrap_or(name).into(), rules })
    }

    pub(crate) fn wall(&self, moment: Timestamp) -> Wall {
        let shown = self.rules.to_datetime(moment);
        let minute = i32::from(shown.hour()) * 60 + i32::from(shown.minute());
        Wall { weekday: shown.weekday().to_monday_one_offset(), minute: u16::try_from(minute).unwrap_or_default() }
    }
}

/// The moment, where the clock gives one that a calendar has; a clock that does not is no help to anybody.
pub(crate) fn moment(now: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(now).ok()
}

/// The day after each of these: the days on which a window that began before midnight ends.
pub(crate) fn next_days(days: &[i8]) -> Vec<i8> {
    let mut next: Vec<i8> = days.iter().map(|day| day % 7 + 1).collect();
    next.sort_unstable();
    next
}
