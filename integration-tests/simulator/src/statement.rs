//! What a hospital wants to say, before it is written in its format.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use crate::{Letter, Person, Speaks, System, fhir, hl7, json};

/// How long after now an appointment begins.
const APPOINTMENT_IN: SignedDuration = SignedDuration::from_hours(26);
/// How long an appointment lasts.
const APPOINTMENT_LASTS: SignedDuration = SignedDuration::from_mins(30);

/// A doctor who does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// The number that the hospital uses for the person.
    pub code: &'static str,
    /// Name.
    pub name: &'static str,
    /// 专业技术职务.
    pub title: &'static str,
}

impl Default for Doctor {
    fn default() -> Self {
        Self { code: "YS0001", name: "林知夏", title: "主治医师" }
    }
}

/// Who reads ECGs.
pub const READER: Doctor = Doctor { code: "XD2003", name: "陆一帆", title: "主治医师" };

/// Who audits what the reader wrote: never the same person.
pub const AUDITOR: Doctor = Doctor { code: "XD2001", name: "石青岚", title: "副主任医师" };

/// An organisation as a message names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Its code in the county.
    pub code: String,
    /// 名称; empty if the sender does not know it.
    pub name: String,
    /// The telephone of its referral desk; empty if the sender does not know it.
    pub phone: String,
    /// The doctor who signs its messages, if the sender knows one.
    pub doctor: Option<Doctor>,
}

/// What sort of case something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// 上转, lateral and out-of-county.
    Referral,
    /// 下转.
    Transfer,
    /// 会诊 and readings.
    Consultation,
}

/// Something that a hospital says about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Refers the patient to somebody.
    Refer,
    /// Offers the patient back to somebody below.
    Offer,
    /// Asks somebody for a consultation with experts.
    AskForExperts,
    /// Asks somebody to read an emergency ECG.
    AskForReading,
    /// Lets the request pass.
    Review,
    /// Takes the patient.
    Accept,
    /// The expert of this organisation takes part.
    AcceptAsExpert,
    /// Does not take the patient.
    Decline,
    /// Gives an appointment.
    Schedule,
    /// Sets a session for the experts and the room.
    ScheduleSession,
    /// The session begins.
    Start,
    /// The opinion of the session.
    Opinion,
    /// The patient is there and is admitted.
    Arrive,
    /// The outcome, told to the origin.
    Outcome,
    /// The patient leaves for the organisation below.
    Discharge,
    /// The patient is with the organisation below.
    Receive,
    /// A follow-up was done.
    FollowUp,
    /// A reader takes the recording.
    Claim,
    /// A critical value is raised.
    Critical,
    /// The report is written.
    Report,
    /// A second person signs it.
    Audit,
    /// The critical value is read back.
    ReadBack,
    /// The opinion or report was read.
    Acknowledge,
    /// The case is over.
    Close,
}

/// What a script may say, by the kind of canonical message that it becomes.
const KINDS: [(&str, Act, Sort); 26] = [
    ("referral.submit", Act::Refer, Sort::Referral),
    ("referral.review", Act::Review, Sort::Referral),
    ("referral.accept", Act::Accept, Sort::Referral),
    ("referral.decline", Act::Decline, Sort::Referral),
    ("referral.schedule", Act::Schedule, Sort::Referral),
    ("referral.arrive", Act::Arrive, Sort::Referral),
    ("referral.feedback", Act::Outcome, Sort::Referral),
    ("referral.close", Act::Close, Sort::Referral),
    ("transfer.offer", Act::Offer, Sort::Transfer),
    ("transfer.accept", Act::Accept, Sort::Transfer),
    ("transfer.decline", Act::Decline, Sort::Transfer),
    ("transfer.discharge", Act::Discharge, Sort::Transfer),
    ("transfer.receive", Act::Receive, Sort::Transfer),
    ("transfer.follow-up", Act::FollowUp, Sort::Transfer),
    ("transfer.close", Act::Close, Sort::Transfer),
    ("consultation.request", Act::AskForReading, Sort::Consultation),
    ("consultation.review", Act::Review, Sort::Consultation),
    ("consultation.accept", Act::AcceptAsExpert, Sort::Consultation),
    ("consultation.decline", Act::Decline, Sort::Consultation),
    ("consultation.claim", Act::Claim, Sort::Consultation),
    ("consultation.critical", Act::Critical, Sort::Consultation),
    ("consultation.report", Act::Report, Sort::Consultation),
    ("consultation.audit", Act::Audit, Sort::Consultation),
    ("consultation.opinion", Act::Opinion, Sort::Consultation),
    ("consultation.acknowledge", Act::Acknowledge, Sort::Consultation),
    ("consultation.close", Act::Close, Sort::Consultation),
];

impl Act {
    /// The kind of canonical message that it becomes.
    #[must_use]
    pub const fn kind(self, sort: Sort) -> &'static str {
        match (self, sort) {
            (Self::Refer, _) => "referral.submit",
            (Self::Offer, _) => "transfer.offer",
            (Self::AskForExperts | Self::AskForReading, _) => "consultation.request",
            (Self::Review, Sort::Consultation) => "consultation.review",
            (Self::Review, Sort::Referral | Sort::Transfer) => "referral.review",
            (Self::Accept, Sort::Referral) => "referral.accept",
            (Self::Accept, Sort::Transfer) => "transfer.accept",
            (Self::Accept, Sort::Consultation) | (Self::AcceptAsExpert, _) => "consultation.accept",
            (Self::Decline, Sort::Referral) => "referral.decline",
            (Self::Decline, Sort::Transfer) => "transfer.decline",
            (Self::Decline, Sort::Consultation) => "consultation.decline",
            (Self::Schedule, _) => "referral.schedule",
            (Self::ScheduleSession, _) => "consultation.schedule",
            (Self::Start, _) => "consultation.start",
            (Self::Opinion, _) => "consultation.opinion",
            (Self::Arrive, _) => "referral.arrive",
            (Self::Outcome, _) => "referral.feedback",
            (Self::Discharge, _) => "transfer.discharge",
            (Self::Receive, _) => "transfer.receive",
            (Self::FollowUp, _) => "transfer.follow-up",
            (Self::Claim, _) => "consultation.claim",
            (Self::Critical, _) => "consultation.critical",
            (Self::Report, _) => "consultation.report",
            (Self::Audit, _) => "consultation.audit",
            (Self::ReadBack | Self::Acknowledge, _) => "consultation.acknowledge",
            (Self::Close, Sort::Referral) => "referral.close",
            (Self::Close, Sort::Transfer) => "transfer.close",
            (Self::Close, Sort::Consultation) => "consultation.close",
        }
    }

    /// The act, and the sort of its case, that a script calls by this kind.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<(Self, Sort)> {
        KINDS.iter().find(|(name, _, _)| *name == kind).map(|(_, act, sort)| (*act, *sort))
    }

    /// Every kind that a script may say.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(kind, _, _)| *kind)
    }

    /// Whether it opens a case, so that somebody is asked.
    #[must_use]
    pub const fn asks(self) -> bool {
        matches!(self, Self::Refer | Self::Offer | Self::AskForExperts | Self::AskForReading)
    }
}

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
    /// What.
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
    /// Now.
    pub now: Timestamp,
}

impl Statement<'_> {
    /// Writes it in the format of whoever says it.
    ///
    /// # Errors
    ///
    /// If the format has no word for it, or the charset no place for a character.
    pub fn letter(&self) -> Result<Letter> {
        let bytes = match self.by.speaks {
            Speaks::Hl7v2 => hl7::write(self)?,
            Speaks::Fhir => fhir::write(self)?,
            Speaks::Json => json::write(self)?,
        };
        Ok(Letter { speaks: self.by.speaks, bytes })
    }

    /// Who is asked.
    pub(crate) fn asked(&self) -> Result<&Party> {
        self.to.with_context(|| format!("{} needs somebody who is asked", self.kind()))
    }

    /// The kind of canonical message that it becomes.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.act.kind(self.case.sort)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_calls_by_a_kind_becomes_that_kind() {
        for (kind, act, sort) in KINDS {
            assert_eq!(act.kind(sort), kind);
            assert_eq!(Act::of_kind(kind), Some((act, sort)));
        }
        assert_eq!(Act::of_kind("referral.levitate"), None);
    }
}
