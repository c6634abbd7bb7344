//! What can be said about a case, by sort of case and kind of canonical message.

/// What sort of case something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// 上转, lateral and out-of-county.
    Referral,
    /// Discharge-back transfers (下转).
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
    /// States its request anew.
    Amend,
    /// Lets the request pass.
    Review,
    /// Takes the patient.
    Accept,
    /// The expert of this organisation takes part.
    AcceptAsExpert,
    /// Does not take the patient.
    Decline,
    /// Gives the request back to its origin, because something is missing.
    Return,
    /// Passes the case on to somebody else.
    Redirect,
    /// Takes its request back, or asks for that once it was accepted.
    Cancel,
    /// Agrees that an accepted case is cancelled.
    ConfirmCancel,
    /// Does not agree.
    RefuseCancel,
    /// The patient, or whoever was to join a session, did not come.
    NoShow,
    /// Has a recording made again.
    Recollect,
    /// Gives an appointment.
    Schedule,
    /// Sets a session for the experts and the room.
    ScheduleSession,
    /// Asks for a time.
    Book,
    /// The appointment is off; the case goes on.
    Unschedule,
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
const KINDS: [(&str, Act, Sort); 45] = [
    ("referral.submit", Act::Refer, Sort::Referral),
    ("referral.amend", Act::Amend, Sort::Referral),
    ("referral.review", Act::Review, Sort::Referral),
    ("referral.return", Act::Return, Sort::Referral),
    ("referral.accept", Act::Accept, Sort::Referral),
    ("referral.decline", Act::Decline, Sort::Referral),
    ("referral.redirect", Act::Redirect, Sort::Referral),
    ("referral.schedule", Act::Schedule, Sort::Referral),
    ("referral.book", Act::Book, Sort::Referral),
    ("referral.unschedule", Act::Unschedule, Sort::Referral),
    ("referral.arrive", Act::Arrive, Sort::Referral),
    ("referral.no-show", Act::NoShow, Sort::Referral),
    ("referral.feedback", Act::Outcome, Sort::Referral),
    ("referral.cancel", Act::Cancel, Sort::Referral),
    ("referral.confirm-cancel", Act::ConfirmCancel, Sort::Referral),
    ("referral.refuse-cancel", Act::RefuseCancel, Sort::Referral),
    ("referral.close", Act::Close, Sort::Referral),
    ("transfer.offer", Act::Offer, Sort::Transfer),
    ("transfer.amend", Act::Amend, Sort::Transfer),
    ("transfer.accept", Act::Accept, Sort::Transfer),
    ("transfer.decline", Act::Decline, Sort::Transfer),
    ("transfer.redirect", Act::Redirect, Sort::Transfer),
    ("transfer.discharge", Act::Discharge, Sort::Transfer),
    ("transfer.receive", Act::Receive, Sort::Transfer),
    ("transfer.follow-up", Act::FollowUp, Sort::Transfer),
    ("transfer.cancel", Act::Cancel, Sort::Transfer),
    ("transfer.close", Act::Close, Sort::Transfer),
    ("consultation.request", Act::AskForReading, Sort::Consultation),
    ("consultation.amend", Act::Amend, Sort::Consultation),
    ("consultation.review", Act::Review, Sort::Consultation),
    ("consultation.return", Act::Return, Sort::Consultation),
    ("consultation.accept", Act::AcceptAsExpert, Sort::Consultation),
    ("consultation.decline", Act::Decline, Sort::Consultation),
    ("consultation.schedule", Act::ScheduleSession, Sort::Consultation),
    ("consultation.start", Act::Start, Sort::Consultation),
    ("consultation.no-show", Act::NoShow, Sort::Consultation),
    ("consultation.claim", Act::Claim, Sort::Consultation),
    ("consultation.recollect", Act::Recollect, Sort::Consultation),
    ("consultation.critical", Act::Critical, Sort::Consultation),
    ("consultation.report", Act::Report, Sort::Consultation),
    ("consultation.audit", Act::Audit, Sort::Consultation),
    ("consultation.opinion", Act::Opinion, Sort::Consultation),
    ("consultation.acknowledge", Act::Acknowledge, Sort::Consultation),
    ("consultation.cancel", Act::Cancel, Sort::Consultation),
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
            (Self::Amend, Sort::Referral) => "referral.amend",
            (Self::Amend, Sort::Transfer) => "transfer.amend",
            (Self::Amend, Sort::Consultation) => "consultation.amend",
            (Self::Return, Sort::Consultation) => "consultation.return",
            (Self::Return, Sort::Referral | Sort::Transfer) => "referral.return",
            (Self::Redirect, Sort::Transfer) => "transfer.redirect",
            (Self::Redirect, Sort::Referral | Sort::Consultation) => "referral.redirect",
            (Self::Cancel, Sort::Referral) => "referral.cancel",
            (Self::Cancel, Sort::Transfer) => "transfer.cancel",
            (Self::Cancel, Sort::Consultation) => "consultation.cancel",
            (Self::ConfirmCancel, _) => "referral.confirm-cancel",
            (Self::RefuseCancel, _) => "referral.refuse-cancel",
            (Self::NoShow, Sort::Consultation) => "consultation.no-show",
            (Self::NoShow, Sort::Referral | Sort::Transfer) => "referral.no-show",
            (Self::Recollect, _) => "consultation.recollect",
            (Self::Review, Sort::Consultation) => "consultation.review",
            (Self::Review, Sort::Referral | Sort::Transfer) => "referral.review",
            (Self::Accept, Sort::Referral) => "referral.accept",
            (Self::Accept, Sort::Transfer) => "transfer.accept",
            (Self::Accept, Sort::Consultation) | (Self::AcceptAsExpert, _) => "consultation.accept",
            (Self::Decline, Sort::Referral) => "referral.decline",
            (Self::Decline, Sort::Transfer) => "transfer.decline",
            (Self::Decline, Sort::Consultation) => "consultation.decline",
            (Self::Schedule, _) => "referral.schedule",
            (Self::Book, _) => "referral.book",
            (Self::Unschedule, _) => "referral.unschedule",
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

    /// Whether it names an organisation that shall take the case: who is asked, or asked instead.
    #[must_use]
    pub const fn names_somebody(self) -> bool {
        self.asks() || matches!(self, Self::Amend | Self::Redirect)
    }

    /// Whether it answers what was heard last; the origin's own words do not.
    #[must_use]
    pub const fn answers(self) -> bool {
        !(self.asks() || matches!(self, Self::Amend | Self::Cancel | Self::Book))
    }

    /// Whether it opens a case, so that somebody is asked.
    #[must_use]
    pub const fn asks(self) -> bool {
        matches!(self, Self::Refer | Self::Offer | Self::AskForExperts | Self::AskForReading)
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

    /// Receipts, queries and slots are said by systems and not about a case that is played.
    const NOT_PLAYED: [&str; 5] =
        ["receipt", "slot.publish", "slot.withdraw", "status.query", "status.report"];

    #[test]
    fn every_kind_about_a_case_can_be_said() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/examples");
        let mut published: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|kind| !NOT_PLAYED.contains(&kind.as_str()))
            .collect();
        published.sort_unstable();
        let mut known: Vec<&str> = Act::kinds().collect();
        known.sort_unstable();

        assert_eq!(known, published);
    }
}
