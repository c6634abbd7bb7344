//! The story, as data: what is told, by whom, and what must be heard before it goes on.
//!
//! ```text
//!   Says(who, act)    who sends a message and hears AA, 200 or the like
//!   Hears(who, kind)  the story goes on only when that has reached who
//! ```
//!
//! Several flows run at once, as in a county. Nothing here knows a format or a socket.

use super::cast::{Org, Patient};

/// Something that an organisation says about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Refers the patient to somebody.
    Refer(Org),
    /// Offers the patient back to somebody below.
    Offer(Org),
    /// Asks somebody for a consultation with the two experts of the county and the city hospital.
    AskForExperts(Org),
    /// Asks somebody to read an emergency ECG.
    AskForReading(Org),
    /// Lets the request pass.
    Review,
    /// Takes the patient.
    Accept,
    /// The expert of this organisation takes part.
    AcceptAsExpert,
    /// Gives an appointment.
    Schedule,
    /// Sets a session for both experts and the room.
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

/// What sort of case a flow is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// 上转, lateral and out-of-county.
    Referral,
    /// 下转.
    Transfer,
    /// 会诊 and readings.
    Consultation,
}

impl Act {
    /// The kind of canonical message that it becomes.
    #[must_use]
    pub const fn kind(self, sort: Sort) -> &'static str {
        match (self, sort) {
            (Self::Refer(_), _) => "referral.submit",
            (Self::Offer(_), _) => "transfer.offer",
            (Self::AskForExperts(_) | Self::AskForReading(_), _) => "consultation.request",
            (Self::Review, Sort::Consultation) => "consultation.review",
            (Self::Review, Sort::Referral | Sort::Transfer) => "referral.review",
            (Self::Accept, Sort::Referral) => "referral.accept",
            (Self::Accept, Sort::Transfer) => "transfer.accept",
            (Self::Accept, Sort::Consultation) | (Self::AcceptAsExpert, _) => "consultation.accept",
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

    /// The organisation that is asked, for acts that open a case.
    #[must_use]
    pub const fn asks(self) -> Option<Org> {
        match self {
            Self::Refer(to)
            | Self::Offer(to)
            | Self::AskForExperts(to)
            | Self::AskForReading(to) => Some(to),
            Self::Review
            | Self::Accept
            | Self::AcceptAsExpert
            | Self::Schedule
            | Self::ScheduleSession
            | Self::Start
            | Self::Opinion
            | Self::Arrive
            | Self::Outcome
            | Self::Discharge
            | Self::Receive
            | Self::FollowUp
            | Self::Claim
            | Self::Critical
            | Self::Report
            | Self::Audit
            | Self::ReadBack
            | Self::Acknowledge
            | Self::Close => None,
        }
    }
}

/// One step of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody sends a message and is told that it was taken.
    Says(Org, Act),
    /// Somebody has received a message of this kind about this case.
    Hears(Org, &'static str),
    /// Its listener closes: connections are refused.
    GoesDown(Org),
    /// After the usual while, and after at least one try failed, it listens again.
    ComesBack(Org),
    /// From now on it refuses messages of this kind about this case.
    Refuses(Org, &'static str),
    /// It takes the next message of this kind about this case and breaks off before it answers,
    /// so that the message comes again.
    Stumbles(Org, &'static str),
    /// An operator waits until the refused delivery is parked with others behind it, has the
    /// hospital repaired, and replays it.
    Replay(Org),
}

/// One flow: one case from its first message to the state in which it must end.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// A name for programs.
    pub key: &'static str,
    /// 名称.
    pub zh: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// What sort of case.
    pub sort: Sort,
    /// Who opens it.
    pub origin: Org,
    /// The number that the origin prints on paper.
    pub own_number: &'static str,
    /// Who it is about.
    pub patient: Patient,
    /// The flow whose case is this one's parent: it begins when that one has ended.
    pub after: Option<&'static str>,
    /// What happens.
    pub steps: &'static [Step],
    /// The state in which the case must end.
    pub ends: &'static str,
}
