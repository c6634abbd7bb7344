//! What a hospital wants to say, before it is written in its format. `letter.rs` writes it.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use crate::{Act, Party, Person, Sort, System};

/// How long after now an appointment begins.
const APPOINTMENT_IN: SignedDuration = SignedDuration::from_hours(26);
/// How long an appointment lasts.
const APPOINTMENT_LASTS: SignedDuration = SignedDuration::from_mins(30);

/// A case, as everybody who takes part in it knows it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What sort of case.
    pub sort: Sort,
    /// The code of who opened it; empty if whoever speaks does not know.
    pub origin: String,
    /// The number that the origin prints on paper.
    pub own_number: String,
    /// Who it is about.
    pub patient: Person,
    /// The experts of a consultation.
    pub experts: Vec<Party>,
}

/// One thing that a hospital says about a case.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// Who says it.
    pub by: &'a System,
    /// What the hospital says.
    pub act: Act,
    /// About which case.
    pub case: &'a Case,
    /// Who is asked, by an act that opens a case.
    pub to: Option<&'a Party>,
    /// The hospital's own id for the message.
    pub message_id: String,
    /// The broker's number of the case, once the hospital has heard it.
    pub number: Option<String>,
    /// The number of the case that this one follows from.
    pub parent: Option<String>,
    /// The id, as it came, of the message that this one answers.
    pub answers: Option<String>,
    /// The present time, from which all times are derived.
    pub now: Timestamp,
}

impl Statement<'_> {
    /// Who is asked.
    pub(crate) fn asked(&self) -> Result<&Party> {
        self.to.with_context(|| format!("{} needs somebody who is asked", self.kind()))
    }

    /// The kind of canonical message that it becomes.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.act.kind(self.case.sort)
    }

    /// How urgent a request is: nothing for what is said about a case that is open.
    #[must_use]
    pub fn priority(&self) -> Option<&'static str> {
        let is_reading = self.case.experts.is_empty() && self.case.sort == Sort::Consultation;
        match self.act {
            Act::AskForReading => Some("emergency"),
            Act::Amend if is_reading => Some("emergency"),
            Act::Refer => Some("urgent"),
            Act::Amend if self.case.sort == Sort::Referral => Some("urgent"),
            _ if self.act.asks() || self.act == Act::Amend => Some("routine"),
            _ => None,
        }
    }

    /// The experts of a session: those of the case, or else whoever speaks.
    #[must_use]
    pub fn experts(&self) -> Vec<Party> {
        if self.case.experts.is_empty() {
            return vec![self.by.party.clone()];
        }
        self.case.experts.clone()
    }

    /// The number of the case that the broker and hospitals know, the best one there is.
    #[must_use]
    pub fn known_number(&self) -> &str {
        self.number.as_deref().unwrap_or(&self.case.own_number)
    }

    /// What this hospital itself calls the case: the origin prints it, everybody else derives it.
    #[must_use]
    pub fn number_here(&self) -> String {
        let code = self.by.party.code.as_str();
        if code == self.case.origin {
            self.case.own_number.clone()
        } else {
            format!("{}-{}", self.case.own_number, code.get(6..).unwrap_or(code))
        }
    }

    /// The number of the visit.
    #[must_use]
    pub fn encounter(&self) -> String {
        format!("ZY{}", self.case.own_number.replace('-', ""))
    }

    /// When an appointment begins and ends: tomorrow, at a full minute.
    #[must_use]
    pub fn appointment(&self) -> (Timestamp, Timestamp) {
        let minute = self.now.as_second().div_euclid(60) * 60;
        let start = Timestamp::from_second(minute).unwrap_or(self.now) + APPOINTMENT_IN;
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
