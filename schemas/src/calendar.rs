//! The working calendar on which deadlines run.
//!
//! ```text
//!            Fri                       Sat  Sun   Mon
//!   ──┤08═══12├──┤14═══17:30├──────────────────┤08═══12├──▶   open ═
//!                        ▲                          ▲
//!                  17:00 start        60 working minutes later: Mon 08:30
//! ```
//!
//! Three clocks: [`Clock::Elapsed`] never stops, [`Clock::WorkingHours`] runs while the doors are
//! open, [`Clock::WorkingDays`] runs around the clock on working days, so that 24 hours from
//! Friday 17:00 end on Monday 17:00.
//!
//! Public holidays and swapped working days are data (`codes/holidays.csv`, from the State
//! Council's yearly notice). A year without data is plain Monday to Friday; ask
//! [`Calendar::covers`] and warn somebody.
//!
//! Pure: `now` is always an argument. Total: every question has an answer, however far away.
//!
//! Reading opening hours and the day list is in [`hours`] and [`days`].

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

/// How far ahead working time is looked for. Longer than a year, so that any real deadline is
/// found; past it the clock counts elapsed time, so that a deadline is never lost.
pub const HORIZON_DAYS: u16 = 400;

/// The zone of every hospital in China.
const ZONE: &str = "Asia/Shanghai";

/// Its offset, for machines without a zone database. China has kept it all year since 1991.
const ZONE_HOURS: i8 = 8;

/// Which time counts towards a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// Every minute of every day.
    Elapsed,
    /// Only while the doors are open.
    WorkingHours,
    /// Every minute of working days, from midnight to midnight.
    WorkingDays,
}

impl Clock {
    /// The clock that a code table or a setting names, if there is one.
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

/// A stretch of time that counts: from its start until just before its end.
#[derive(Clone, Copy)]
struct Stretch {
    from: Timestamp,
    until: Timestamp,
}

impl Calendar {
    /// Puts a calendar together.
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

    /// The calendar of China with the days compiled in and the given hours.
    pub fn china(hours: OpeningHours) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(ZONE).unwrap_or_else(|_| TimeZone::fixed(tz::offset(ZONE_HOURS)));
        Self::new(days::compiled_in()?, hours, zone)
    }

    /// Whether holidays of this year are known. If not, it is plain Monday to Friday, and whoever
    /// keeps the calendar should add the year's notice.
    #[must_use]
    pub fn covers(&self, year: i16) -> bool {
        self.years.contains(&year)
    }

    /// The date at which `instant` falls in the calendar's zone.
    #[must_use]
    pub fn date(&self, instant: Timestamp) -> Date {
        self.zone.to_datetime(instant).date()
    }

    /// Whether people work on this date at all.
    #[must_use]
    pub fn is_working_day(&self, date: Date) -> bool {
        !self.openings(date).is_empty()
    }

    /// Whether the doors are open at this instant. They are at the minute they open, and no longer
    /// at the minute they close.
    #[must_use]
    pub fn is_working(&self, instant: Timestamp) -> bool {
        self.stretches(Clock::WorkingHours, self.date(instant))
            .iter()
            .any(|stretch| stretch.from <= instant && instant < stretch.until)
    }

    /// The first instant from `instant` on at which the doors are open: itself if they are.
    ///
    /// `None` if that is more than [`HORIZON_DAYS`] away.
    #[must_use]
    pub fn next_opening(&self, instant: Timestamp) -> Option<Timestamp> {
        self.ahead(Clock::WorkingHours, instant).map(|stretch| stretch.from).next()
    }

    /// The deadline: `start` and `duration` of the time that `clock` counts.
    #[must_use]
    pub fn deadline(&self, clock: Clock, start: Timestamp, duration: Duration) -> Timestamp {
        match clock {
            Clock::Elapsed => later(start, duration),
            Clock::WorkingHours | Clock::WorkingDays => self.count_ahead(clock, start, duration),
        }
    }

    /// `start` and `duration` of working hours. Nothing added is `start` itself, open or not.
    #[must_use]
    pub fn add_working(&self, start: Timestamp, duration: Duration) -> Timestamp {
        self.deadline(Clock::WorkingHours, start, duration)
    }

    /// How much of the time between two instants `clock` counts; zero if they stand in the wrong
    /// order. Past the horizon everything counts, as it does for deadlines.
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

    /// The stretches that count from `start` until the horizon, cut off at both ends, in order.
    fn ahead(&self, clock: Clock, start: Timestamp) -> impl Iterator<Item = Stretch> + '_ {
        let horizon = horizon(start);
        // One day more than the horizon, because it ends in the middle of a day.
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
    /// Where daylight saving skips or repeats an hour, an opening may shrink or shift; it never
    /// runs backwards and never overlaps the one before it.
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

    /// The instant of a minute of a date. Minute 1440 is the midnight that begins the next date.
    fn instant(&self, date: Date, minute: u16) -> Timestamp {
        let at = if minute >= hours::MINUTES_PER_DAY {
            date.tomorrow().ok().map(Date::into)
        } else {
            date.to_datetime(jiff::civil::Time::midnight())
                .checked_add(i64::from(minute).minutes())
                .ok()
        };
        at.and_then(|at: jiff::civil::DateTime| self.zone.to_timestamp(at).ok())
            // Only dates at the very ends of the calendar have no instant.
            .unwrap_or(if date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
    }
}

/// Where the search for working time that began at `start` gives up.
fn horizon(start: Timestamp) -> Timestamp {
    later(start, Duration::from_secs(u64::from(HORIZON_DAYS) * 24 * 60 * 60))
}

/// `instant` and `duration` of elapsed time, or the end of time if that is sooner.
fn later(instant: Timestamp, duration: Duration) -> Timestamp {
    instant.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The elapsed time from `start` to `end`; zero if `end` is not later.
fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
