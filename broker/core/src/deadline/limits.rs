//! How long each step may take: defaults from the code tables, settings from the configuration.
//!
//! Every limit states its clock, because two hours from Friday evening differ from two
//! hours on Monday.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tierlink_schemas::Priority;
use tierlink_schemas::calendar::{Calendar, Clock};
use tierlink_schemas::codes::deadlines::{self, Consultation, Reading};

/// The longest limit that can be configured: one year. A longer one is taken for a typing mistake,
/// and the calendar has no later days.
pub const MINUTES_MAX: u32 = 366 * DAY;

const HOUR: u32 = 60;
const DAY: u32 = 24 * HOUR;

/// A length of time, counted by a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Number of minutes. Used as at least 1 and at most [`MINUTES_MAX`].
    pub minutes: u32,
    /// Which time counts: all, opening hours, or working days.
    #[serde(default = "elapsed", serialize_with = "write_clock", deserialize_with = "read_clock")]
    pub clock: Clock,
}

const fn elapsed() -> Clock {
    Clock::Elapsed
}

// The signature that serde requires.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde fixes the signature")]
fn write_clock<S: Serializer>(clock: &Clock, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(clock.key())
}

fn read_clock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Clock, D::Error> {
    let key = String::deserialize(deserializer)?;
    Clock::from_key(&key).ok_or_else(|| {
        serde::de::Error::custom("a clock is `elapsed`, `working_hours` or `working_days`")
    })
}

impl Limit {
    /// Minutes of any time.
    #[must_use]
    pub const fn elapsed(minutes: u32) -> Self {
        Self { minutes, clock: Clock::Elapsed }
    }

    /// Minutes within opening hours.
    #[must_use]
    pub const fn working_hours(minutes: u32) -> Self {
        Self { minutes, clock: Clock::WorkingHours }
    }

    /// Minutes within working days.
    #[must_use]
    pub const fn working_days(minutes: u32) -> Self {
        Self { minutes, clock: Clock::WorkingDays }
    }

    /// A duration from a code table, rounded to whole minutes.
    fn of(duration: Duration, clock: Clock) -> Self {
        Self { minutes: u32::try_from(duration.as_secs() / 60).unwrap_or(MINUTES_MAX), clock }
    }

    /// When a limit that starts at `start` ends.
    #[must_use]
    pub fn after(self, start: Timestamp, calendar: &Calendar) -> Timestamp {
        let minutes = self.minutes.clamp(1, MINUTES_MAX);
        calendar.deadline(self.clock, start, Duration::from_mins(minutes.into()))
    }
}

/// A county's own limits for one priority. What is absent keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// For a reviewer to pass or return the request.
    pub review: Option<Limit>,
    /// For the target to answer.
    pub accept: Option<Limit>,
    /// From the acceptance to an appointment.
    pub schedule: Option<Limit>,
    /// Minutes between reports of a passed deadline, in elapsed time.
    pub escalate_minutes: Option<u32>,
}

/// A county's own limits for one reading service. They replace the default row as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingPace {
    /// From the upload to the written report.
    pub write: Limit,
    /// From the upload to the audited report.
    pub audit: Limit,
    /// From the upload to the audited report in an emergency.
    #[serde(default)]
    pub emergency: Option<Limit>,
}

/// Time limits of each step. The defaults come from the code tables in `schemas/codes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeLimits {
    /// Limits for priority `emergency` (急危重症).
    pub emergency: Pace,
    /// Limits for priority `urgent` (急).
    pub urgent: Pace,
    /// Limits for priority `routine` (普通).
    pub routine: Pace,
    /// Limits for priority `chronic` (慢病/康复).
    pub chronic: Pace,
    /// Limits of reading services, by the service's code.
    pub readings: BTreeMap<String, ReadingPace>,
    /// For the origin to complete a returned request.
    pub resubmit: Limit,
    /// For the target to answer a request to cancel.
    pub answer_cancel: Limit,
    /// From an appointment until the target says whether the patient came.
    pub arrive: Limit,
    /// From a missed appointment until somebody decides how to go on.
    pub rebook: Limit,
    /// From the arrival to the first feedback, and from one feedback to the next.
    pub feedback: Limit,
    /// From the admission, or the last feedback, to the next one or the outcome.
    pub in_care: Limit,
    /// From the acceptance of a transfer to the discharge.
    pub discharge: Limit,
    /// From the discharge until the patient is received below.
    pub receive: Limit,
    /// From the reception to the first follow-up below.
    pub follow_up: Limit,
    /// From the reception to the first contact by the doctor who treated the patient at
    /// the upper hospital.
    pub contact: Limit,
    /// From a decline until the origin or the dispatcher has chosen another target.
    pub find_another: Limit,
    /// From the time of a session until its start is reported.
    pub start: Limit,
    /// From the end of a session, or an offline acceptance, to the opinion.
    pub opinion: Limit,
    /// From an opinion or report until the origin acknowledges it.
    pub acknowledge: Limit,
    /// For a new recording to be made.
    pub recollect: Limit,
    /// From a critical value until the origin acknowledges it.
    pub critical: Limit,
    /// Minutes between reports of an unacknowledged critical value, in elapsed time.
    pub critical_escalate_minutes: u32,
    /// Minutes between reports of any other passed deadline, in elapsed time.
    pub escalate_minutes: u32,
    /// How long a request on which nobody acts stays open.
    pub expire: Limit,
    /// How long a finished case stays open if nobody closes it.
    pub close: Limit,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            emergency: Pace::default(),
            urgent: Pace::default(),
            routine: Pace::default(),
            chronic: Pace::default(),
            readings: BTreeMap::new(),
            resubmit: Limit::working_days(2 * DAY),
            answer_cancel: Limit::working_hours(4 * HOUR),
            arrive: Limit::elapsed(2 * HOUR),
            rebook: Limit::working_days(2 * DAY),
            feedback: Limit::working_days(DAY),
            in_care: Limit::elapsed(14 * DAY),
            discharge: Limit::elapsed(7 * DAY),
            receive: Limit::elapsed(3 * DAY),
            follow_up: Limit::elapsed(7 * DAY),
            contact: Limit::elapsed(3 * DAY),
            find_another: Limit::working_hours(4 * HOUR),
            start: Limit::elapsed(HOUR),
            opinion: Limit::elapsed(DAY),
            acknowledge: Limit::working_days(2 * DAY),
            recollect: Limit::working_hours(4 * HOUR),
            critical: Limit::elapsed(10),
            critical_escalate_minutes: 5,
            escalate_minutes: DAY,
            expire: Limit::elapsed(30 * DAY),
            close: Limit::elapsed(30 * DAY),
        }
    }
}

/// Default limits for a review: half an hour for urgent cases, four working hours for others.
/// Emergencies are not reviewed, and one that becomes an emergency during a review is passed
/// on at once.
const fn default_review(priority: Priority) -> Limit {
    match priority {
        Priority::Emergency => Limit::elapsed(10),
        Priority::Urgent => Limit::elapsed(30),
        Priority::Routine | Priority::Chronic => Limit::working_hours(4 * HOUR),
    }
}

const fn default_schedule(priority: Priority) -> Limit {
    match priority {
        Priority::Emergency => Limit::elapsed(2 * HOUR),
        Priority::Urgent => Limit::elapsed(DAY),
        Priority::Routine => Limit::working_days(3 * DAY),
        Priority::Chronic => Limit::working_days(7 * DAY),
    }
}

impl TimeLimits {
    /// The county's own limits for `priority`.
    #[must_use]
    pub const fn pace(&self, priority: Priority) -> &Pace {
        match priority {
            Priority::Emergency => &self.emergency,
            Priority::Urgent => &self.urgent,
            Priority::Routine => &self.routine,
            Priority::Chronic => &self.chronic,
        }
    }

    /// For a reviewer to pass or return the request.
    #[must_use]
    pub fn review(&self, priority: Priority) -> Limit {
        self.pace(priority).review.unwrap_or_else(|| default_review(priority))
    }

    /// For the target to answer.
    #[must_use]
    pub fn accept(&self, priority: Priority) -> Limit {
        let default = || deadlines::urgency(priority.as_str());
        self.pace(priority)
            .accept
            .or_else(|| default().map(|row| Limit::of(row.accept, row.clock)))
            .unwrap_or(Limit::elapsed(DAY))
    }

    /// From the acceptance to an appointment.
    #[must_use]
    pub fn schedule(&self, priority: Priority) -> Limit {
        self.pace(priority).schedule.unwrap_or_else(|| default_schedule(priority))
    }

    /// Minutes between two reports of a passed review, acceptance or appointment.
    #[must_use]
    pub fn escalate(&self, priority: Priority) -> u32 {
        let default = || deadlines::urgency(priority.as_str());
        self.pace(priority)
            .escalate_minutes
            .or_else(|| default().map(|row| Limit::of(row.escalate, row.clock).minutes))
            .unwrap_or(DAY)
    }

    /// From the request to the target's answer, by the type of consultation.
    #[must_use]
    pub fn answer(&self, priority: Priority, kind: Option<&str>) -> Limit {
        match (self.pace(priority).accept, consultation(priority, kind)) {
            (Some(limit), _) => limit,
            (None, Some(row)) => Limit::of(row.accept, row.clock),
            (None, None) => self.accept(priority),
        }
    }

    /// From the end of the session, or an offline acceptance, to the opinion.
    #[must_use]
    pub fn opinion(&self, priority: Priority, kind: Option<&str>) -> Limit {
        consultation(priority, kind)
            .filter(|_| self.opinion == Self::default().opinion)
            .map_or(self.opinion, |row| Limit::of(row.report, row.clock))
    }

    /// From the upload to the written and to the audited report.
    #[must_use]
    pub fn reading(&self, priority: Priority, service: Option<&str>) -> (Limit, Limit) {
        let emergency = priority == Priority::Emergency;
        let Some(service) = service else {
            return unknown_reading(emergency);
        };
        if let Some(set) = self.readings.get(service) {
            return match set.emergency {
                Some(limit) if emergency => (limit, limit),
                Some(_) | None => (set.write, set.audit),
            };
        }
        match deadlines::reading(service) {
            Some(Reading { emergency: Some(limit), .. }) if emergency => {
                (Limit::of(limit, Clock::Elapsed), Limit::of(limit, Clock::Elapsed))
            }
            Some(row) => (Limit::of(row.write, row.clock), Limit::of(row.audit, row.clock)),
            None => unknown_reading(emergency),
        }
    }
}

/// The table row for the type of consultation, or the general emergency row, so that no emergency
/// has a routine limit.
fn consultation(priority: Priority, kind: Option<&str>) -> Option<Consultation> {
    if priority == Priority::Emergency {
        return deadlines::consultation("emergency");
    }
    deadlines::consultation(kind?)
}

/// Limits of a service that no table has: those of the slowest ordinary reading, so that it is not
/// forgotten and nobody is alarmed without need.
const fn unknown_reading(emergency: bool) -> (Limit, Limit) {
    if emergency {
        (Limit::elapsed(30), Limit::elapsed(30))
    } else {
        (Limit::working_hours(2 * HOUR), Limit::working_hours(4 * HOUR))
    }
}
