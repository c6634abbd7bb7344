//! What a hospital wants to say, before it is written in its format.

use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use crate::demo::cast::Org;
use crate::demo::story::{Act, Flow};

/// How long after now an appointment begins.
const APPOINTMENT_IN_HOURS: i64 = 26;
/// How long an appointment lasts.
const APPOINTMENT_LASTS: SignedDuration = SignedDuration::from_mins(30);

/// One thing that a hospital says about a case.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// Who says it.
    pub who: Org,
    /// What.
    pub act: Act,
    /// In which flow.
    pub flow: &'a Flow,
    /// The hospital's own id for the message.
    pub message_id: String,
    /// The broker's number of the case, once the hospital has heard it.
    pub number: Option<String>,
    /// The number of the case that this one follows from.
    pub parent: Option<String>,
    /// The id, as it came, of the message that this one answers.
    pub answers: Option<String>,
    /// Now.
    pub now: Timestamp,
}

impl Statement<'_> {
    /// The kind of canonical message that it becomes.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.act.kind(self.flow.sort)
    }

    /// The number of the case that the broker and hospitals know, the best one there is.
    #[must_use]
    pub fn known_number(&self) -> &str {
        self.number.as_deref().unwrap_or(self.flow.own_number)
    }

    /// What this hospital itself calls the case: the origin prints it, everybody else derives it.
    #[must_use]
    pub fn number_here(&self) -> String {
        if self.who == self.flow.origin {
            self.flow.own_number.to_owned()
        } else {
            format!("{}-{}", self.flow.own_number, &self.who.code()[6..])
        }
    }

    /// The number of the visit.
    #[must_use]
    pub fn encounter(&self) -> String {
        format!("ZY{}", self.flow.own_number.replace('-', ""))
    }

    /// When an appointment begins and ends: tomorrow, at a full minute. Each case another hour, so
    /// that nobody is booked twice by accident.
    #[must_use]
    pub fn appointment(&self) -> (Timestamp, Timestamp) {
        let minute = self.now.as_second().div_euclid(60) * 60;
        let now = Timestamp::from_second(minute).unwrap_or(self.now);
        let start = now + SignedDuration::from_hours(APPOINTMENT_IN_HOURS);
        (start, start + APPOINTMENT_LASTS)
    }

    /// The day in a week on which the first follow-up is planned, as `YYYY-MM-DD`.
    #[must_use]
    pub fn follow_up_day(&self) -> String {
        let day = self.local(self.now).date();
        day.checked_add(7.days()).unwrap_or(day).to_string()
    }

    /// An instant on the wall clock of the county.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> Zoned {
        at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)))
    }
}
