//! The working calendar that deadlines are counted by.
//!
//! ```text
//!            Fri                       Sat  Sun   Mon
//!   ──┤08═══12├──┤14═══17:30├──────────────────┤08═══12├──▶   open ═
//!                        ▲                          ▲
//!                  17:00 start        60 working minutes later: Mon 08:30
//! ```
//!
//! There are three clocks: [`Clock::Elapsed`] counts all time, [`Clock::WorkingHours`] counts
//! opening hours, and [`Clock::WorkingDays`] counts whole working days, so that 24 hours from
//! Friday 17:00 end on Monday 17:00.
//!
//! Public holidays and swapped working days are data (`codes/holidays.csv`, from the State
//! Council's yearly notice). A year without data is treated as plain Monday to Friday; use
//! [`Calendar::covers`] to detect this and report it.
//!
//! Pure: `now` is always an argument. Every function has a result for every
//! instant, however distant.
//!
//! [`hours`] reads opening hours, and [`days`] the list of holidays.

pub mod days;
mod error;
pub mod hours;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use jiff::{Timestamp, ToSpan};

pub use days::{Day, DayKind};
pub use error::CalendarError;
pub use hours::{Opening, OpeningHours};

/// How many days ahead working time is looked for: more than a year, so that every real deadline is
/// found. Beyond it elapsed time is counted, so that a deadline always has an end.
pub const HORIZON_DAYS: u16 = 400;

/// The time zone of China.
const ZONE: &str = "Asia/Shanghai";

/// Its offset from UTC, for machines without a time zone database. China has used it all
/// year since 1991.
const ZONE_HOURS: i8 = 8;

/// Which time counts towards a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// All time, day and night.
    Elapsed,
    /// Opening hours only.
    WorkingHours,
    /// Working days from midnight to midnight.
    WorkingDays,
}

impl Clock {
    /// The clock with this name in code tables and settings.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        [Self::Elapsed, Self::WorkingHours, Self::WorkingDays]
            .into_iter()
            .find(|clock| clock.key() == key)
    }

    /// The name of the clock in code tables and settings.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Elapsed => "elapsed",
            Self::WorkingHours => "working_hours",
            Self::WorkingDays => "working_days",
        }
    }
}

/// Opening hours, holidays and swapped working days, in one time zone.
#[derive(Clone, Debug)]
pub struct Calendar {
    hours: OpeningHours,
    days: BTreeMap<Date, DayKind>,
    years: BTreeSet<i16>,
    zone: TimeZone,
}

/// A stretch of time that counts, from its start to just before its end.
#[derive(Clone, Copy)]
struct Stretch {
    from: Timestamp,
    until: Timestamp,
}

impl Calendar {
    /// Builds a calendar. Fails if a day is listed twice or no weekday has opening hours.
    pub fn new(
        days: impl IntoIterator<Item = Day>,
        hours: OpeningHours,
        zone: TimeZone,
    ) -> Result<Self, CalendarError> {
        hours.check()?;
        let mut calendar = Self { hours, days: BTreeMap::new(), years: BTreeSet::new(), zone };
        for (at, day) in days.into_iter().enumerate() {
            if at >= days::DAYS_MAX {
                return Err(CalendarError::TooManyDays);
            }
            calendar.years.insert(day.date.year());
            if calendar.days.insert(day.date, day.kind).is_some() {
                return Err(CalendarError::DayTwice { row: at + 1 });
            }
        }
        Ok(calendar)
    }

    /// The calendar of China, with the compiled-in holidays and the given hours.
    pub fn china(hours: OpeningHours) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(ZONE).unwrap_or_else(|_| TimeZone::fixed(tz::offset(ZONE_HOURS)));
        Self::new(days::compiled_in()?, hours, zone)
    }

    /// Whether the holidays of this year are known. If not, the year is treated as plain Monday to
    /// Friday, and the year's notice should be added.
    #[must_use]
    pub fn covers(&self, year: i16) -> bool {
        self.years.contains(&year)
    }

    /// The date of `instant` in the calendar's time zone.
    #[must_use]
    pub fn date(&self, instant: Timestamp) -> Date {
        self.zone.to_datetime(instant).date()
    }

    /// Whether this date is a working day.
    #[must_use]
    pub fn is_working_day(&self, date: Date) -> bool {
        !self.openings(date).is_empty()
    }

    /// Whether `instant` is within opening hours. The minute of opening is, the minute of
    /// closing is not.
    #[must_use]
    pub fn is_working(&self, instant: Timestamp) -> bool {
        self.stretches(Clock::WorkingHours, self.date(instant))
            .iter()
            .any(|stretch| stretch.from <= instant && instant < stretch.until)
    }

    /// The first instant within opening hours, from `instant` on: `instant` itself if it is open.
    ///
    /// `None` if there is none within [`HORIZON_DAYS`].
    #[must_use]
    pub fn next_opening(&self, instant: Timestamp) -> Option<Timestamp> {
        self.ahead(Clock::WorkingHours, instant).map(|stretch| stretch.from).next()
    }

    /// When a deadline ends that starts at `start` and allows `duration` by `clock`.
    #[must_use]
    pub fn deadline(&self, clock: Clock, start: Timestamp, duration: Duration) -> Timestamp {
        match clock {
            Clock::Elapsed => later(start, duration),
            Clock::WorkingHours | Clock::WorkingDays => self.count_ahead(clock, start, duration),
        }
    }

    /// When `duration` of opening hours after `start` has passed. For zero, `start` itself,
    /// open or not.
    #[must_use]
    pub fn add_working(&self, start: Timestamp, duration: Duration) -> Timestamp {
        self.deadline(Clock::WorkingHours, start, duration)
    }

    /// How much time `clock` counts between two instants; zero if `end` is before `start`. Beyond
    /// [`HORIZON_DAYS`] all time counts, as for deadlines.
    #[must_use]
    pub fn counted(&self, clock: Clock, start: Timestamp, end: Timestamp) -> Duration {
        match clock {
            Clock::Elapsed => between(start, end),
            Clock::WorkingHours | Clock::WorkingDays => {
                let horizon = horizon(start);
                let before: Duration = self
                    .ahead(clock, start)
                    .take_while(|stretch| stretch.from < end)
                    .map(|stretch| between(stretch.from, stretch.until.min(end)))
                    .sum();
                before + between(horizon, end)
            }
        }
    }

    fn count_ahead(&self, clock: Clock, start: Timestamp, duration: Duration) -> Timestamp {
        let mut left = duration;
        if left.is_zero() {
            return start;
        }
        for stretch in self.ahead(clock, start) {
            let lasts = between(stretch.from, stretch.until);
            match left.checked_sub(lasts) {
                None | Some(Duration::ZERO) => return later(stretch.from, left),
                Some(rest) => left = rest,
            }
        }
        later(horizon(start), left)
    }

    /// The stretches that count from `start` to the horizon, in order, cut off at both ends.
    fn ahead(&self, clock: Clock, start: Timestamp) -> impl Iterator<Item = Stretch> + '_ {
        let horizon = horizon(start);
        // One more day, because the horizon is in the middle of a day.
        let dates = std::iter::successors(Some(self.date(start)), |date| date.tomorrow().ok())
            .take(usize::from(HORIZON_DAYS) + 1);
        dates
            .flat_map(move |date| self.stretches(clock, date))
            .map(move |stretch| Stretch {
                from: stretch.from.max(start),
                until: stretch.until.min(horizon),
            })
            .filter(|stretch| stretch.from < stretch.until)
    }

    /// The stretches of one date that count.
    ///
    /// Where daylight saving time skips or repeats an hour, an opening may shrink or shift, but
    /// never ends before it begins and never overlaps the one before.
    fn stretches(&self, clock: Clock, date: Date) -> Vec<Stretch> {
        let openings = self.openings(date);
        let openings = match clock {
            Clock::Elapsed => &[Opening::WHOLE_DAY],
            Clock::WorkingDays if !openings.is_empty() => &[Opening::WHOLE_DAY],
            Clock::WorkingDays | Clock::WorkingHours => openings,
        };
        let mut stretches: Vec<Stretch> = Vec::with_capacity(openings.len());
        for opening in openings {
            let closed = stretches.last().map_or(Timestamp::MIN, |before| before.until);
            let from = self.instant(date, opening.opens_at_minute()).max(closed);
            let until = self.instant(date, opening.closes_at_minute());
            if from < until {
                stretches.push(Stretch { from, until });
            }
        }
        stretches
    }

    fn openings(&self, date: Date) -> &[Opening] {
        match self.days.get(&date) {
            Some(DayKind::Holiday) => &[],
            Some(DayKind::Working) => self.hours.swapped_day(),
            None => self.hours.weekday(date.weekday()),
        }
    }

    /// The instant of a minute of a date. Minute 1440 is midnight at the end of the date.
    fn instant(&self, date: Date, minute: u16) -> Timestamp {
        let at = if minute >= hours::MINUTES_PER_DAY {
            date.tomorrow().ok().map(Date::into)
        } else {
            date.to_datetime(jiff::civil::Time::midnight())
                .checked_add(i64::from(minute).minutes())
                .ok()
        };
        at.and_then(|at: jiff::civil::DateTime| self.zone.to_timestamp(at).ok())
            // Only the first and last dates that can be represented have no instant.
            .unwrap_or(if date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
    }
}

/// The end of the search for working time that began at `start`.
fn horizon(start: Timestamp) -> Timestamp {
    later(start, Duration::from_secs(u64::from(HORIZON_DAYS) * 24 * 60 * 60))
}

/// `duration` after `instant`, or the last representable instant if that is earlier.
fn later(instant: Timestamp, duration: Duration) -> Timestamp {
    instant.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The elapsed time from `start` to `end`; zero if `end` is not later.
fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
