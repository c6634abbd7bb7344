//! The rules by which a message is refused. Each has a code, a text and a page.
//!
//! ```text
//!   R001–R019  sender, case and target               R060–R079  content of the message
//!   R020–R029  role of the sender                    R090–R099  limits and missing records
//!   R030–R059  state of the case
//! ```
//!
//! A refusal names its rule, the field and the fix, and never a value of the message. The pages are
//! `ops/errors/R….md`. Reason codes are checked with the message itself and not here.

use tierlink_schemas::{Code, Problem, Refusal};

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident, $code:literal, $refusal:ident, $field:literal, $text:literal;)*) => {
        /// A rule of the broker.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[$doc])* $rule,)* }

        impl Rule {
            /// Every rule, in the order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// The stable error code. Each has a page in `ops/errors/`.
            #[must_use]
            pub const fn code(self) -> Code {
                match self { $(Self::$rule => Code::new($code),)* }
            }

            /// The error code as text.
            #[must_use]
            pub const fn code_str(self) -> &'static str {
                match self { $(Self::$rule => $code,)* }
            }

            /// Whose mistake it is.
            #[must_use]
            pub const fn refusal(self) -> Refusal {
                match self { $(Self::$rule => Refusal::$refusal,)* }
            }

            /// The field that the refusal names, unless `refuse_at` gives a more exact one.
            #[must_use]
            pub const fn field(self) -> &'static str {
                match self { $(Self::$rule => $field,)* }
            }

            /// What is wrong and how to correct it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$rule => $text,)* }
            }
        }
    };
}

rules! {
    /// The sender is no organisation of the county.
    UnknownSender, "R001", Sender, "source.organisation",
        "the sender is not an organisation of this county; ask the operator to add it";
    /// The case does not exist, or the sender has no part in it. Both get the same answer.
    NoSuchCase, "R002", NotFound, "case",
        "no such case; check the number, or the message that this one answers";
    /// The numbers in the message name different cases.
    Contradiction, "R003", Invalid, "case",
        "the numbers and replies in the message name different cases; send only those of the one meant";
    /// A number fits several cases.
    Ambiguous, "R004", Invalid, "case",
        "the number fits several cases; name the case by the broker's own number";
    /// The kind does not exist for this family of case.
    WrongFamily, "R005", Rule, "kind",
        "the case is of another family, where this kind has no meaning; check the case and the kind";
    /// An opening message names a case that is open.
    AlreadyOpen, "R006", Rule, "case.numbers",
        "a case with this number is open already; amend or cancel that one, or give the new case a number of its own";
    /// Only the broker writes this kind.
    NotForSenders, "R007", Sender, "kind",
        "only the broker writes messages of this kind; leave it out";
    /// The request is made in another organisation's name.
    OtherName, "R008", Sender, "body.from.organisation",
        "the request names another organisation as its origin; send it in the sender's own name";
    /// An organisation is unknown.
    UnknownTarget, "R009", Invalid, "body.to.organisation",
        "no organisation of this county has this code; correct it, or ask the operator to add it";
    /// The target is the organisation that opened the case.
    TargetIsOrigin, "R010", Invalid, "body.to.organisation",
        "the target is the organisation that asks; name another";
    /// The priority of a new case is missing.
    NoPriority, "R011", Invalid, "priority",
        "the priority is missing and is never guessed; state emergency, urgent, routine or chronic";
    /// A referral goes down.
    Downwards, "R012", Invalid, "body.to.organisation",
        "the target stands below the origin; hand patients down with transfer.offer";
    /// The stated direction contradicts the tiers.
    DirectionContradicts, "R013", Invalid, "body.direction",
        "the direction contradicts the tiers of the two organisations; correct one of them";
    /// A transfer goes up.
    Upwards, "R014", Invalid, "body.to.organisation",
        "the target stands above the origin; send patients up with referral.submit";
    /// The parent case does not exist, or the sender has no part in it.
    NoSuchParent, "R015", NotFound, "case.parent",
        "no such parent case; check its number";
    /// A transfer says neither which referral it follows nor why there is none.
    NoParentNamed, "R016", Invalid, "body.parent_referral",
        "name the referral that brought the patient, or say in no_referral_reason why there is none";
    /// The parent is of another family.
    ParentNotReferral, "R017", Invalid, "body.parent_referral",
        "the parent of a transfer must be a referral; name the referral";
    /// The patient in the message is another one than that of the case.
    AnotherPatient, "R018", Invalid, "subject",
        "the message is about another patient than the case; check the case number and the patient, and give another patient a case of its own";
    /// The sending system's profile does not list such messages among those it sends.
    NotGiven, "R019", Sender, "source.system",
        "this system does not give such messages; send it from the system that does, or have it added to gives in the profile";

    /// Only the origin may say this.
    OnlyOrigin, "R020", Rule, "kind",
        "only the organisation that asked may say this";
    /// Only the current target may say this.
    OnlyTarget, "R021", Rule, "kind",
        "only the organisation that has the case now may say this";
    /// Only the current reviewer may say this.
    OnlyReviewer, "R022", Rule, "kind",
        "only the organisation whose review is waited for may say this";
    /// Only the origin or the target may say this.
    OnlyOriginOrTarget, "R023", Rule, "kind",
        "only the organisation that asked or the one that has the case now may say this";
    /// Only the target or the reviewer may say this.
    OnlyTargetOrReviewer, "R024", Rule, "kind",
        "only the organisation that has the case now, or reviews it, may say this";
    /// Only the lead hospital chooses another target while reviewing.
    OnlyLead, "R025", Rule, "body.to",
        "only the lead hospital may send a case under review elsewhere; return it to the origin instead";
    /// Only the target or an asked expert's organisation may say this.
    OnlyAsked, "R026", Rule, "kind",
        "only the organisation that has the case now, or that of an asked expert, may say this";

    /// The case has ended.
    Ended, "R030", Rule, "kind",
        "the case has ended; open a new case that names this one as its parent";
    /// The case is still in review.
    InReview, "R031", Rule, "kind",
        "the case is still in review; wait until it is passed on";
    /// The case was returned: the origin must complete the request.
    Returned, "R032", Rule, "kind",
        "the case was returned to its origin; wait until it is amended";
    /// Acceptance comes first.
    NotAccepted, "R033", Rule, "kind",
        "the case is not accepted yet; accept it first";
    /// The case was accepted already.
    AlreadyAccepted, "R034", Rule, "kind",
        "the case is accepted already; nothing needs to be sent";
    /// The patient has arrived already.
    AlreadyArrived, "R035", Rule, "kind",
        "the patient has arrived; send feedback or close the case instead";
    /// The patient has not arrived.
    NotArrived, "R036", Rule, "kind",
        "the patient has not arrived; send referral.arrive first";
    /// No cancellation was requested.
    NoCancelAsked, "R037", Rule, "kind",
        "no cancellation is asked for; check the case";
    /// A requested cancellation is not answered yet.
    CancelAsked, "R038", Rule, "kind",
        "the origin asked to cancel; confirm or refuse that first";
    /// The case is not in review.
    NotInReview, "R039", Rule, "kind",
        "the case is not in review; nothing needs to be sent";
    /// No session is set.
    NotScheduled, "R040", Rule, "kind",
        "no session is set; send consultation.schedule first";
    /// The appointment was missed.
    Missed, "R041", Rule, "kind",
        "the appointment was missed; set a new one, or close the case";
    /// The target has declined.
    Declined, "R042", Rule, "kind",
        "the case was declined; the origin must redirect, amend, cancel or close it";
    /// The target has not received the patient.
    NotReceived, "R043", Rule, "kind",
        "the patient has not been received below; send transfer.receive first";
    /// The target has received the patient already.
    AlreadyReceived, "R044", Rule, "kind",
        "the patient has been received below; follow up or close instead";
    /// There is no opinion yet.
    NoOpinion, "R045", Rule, "kind",
        "no opinion or report is issued yet; wait for it";
    /// The opinion was issued already.
    OpinionIssued, "R046", Rule, "kind",
        "the opinion or report is issued; correct it with a new one, or close the case";
    /// Only readings have this act.
    OnlyForReadings, "R047", Rule, "kind",
        "only a reading has this kind; the case is a consultation";
    /// Readings do not have this act.
    NotForReadings, "R048", Rule, "kind",
        "a reading does not have this kind; use claim, recollect, report and audit";
    /// No report waits for an audit.
    NotWritten, "R049", Rule, "kind",
        "no report waits for an audit; send consultation.report first";
    /// The recording must be made again first.
    RecollectAsked, "R050", Rule, "kind",
        "a new recording was asked for; the origin must amend the request with it";
    /// No critical value waits for an acknowledgement.
    NoCriticalAlert, "R051", Rule, "body.critical",
        "no critical value waits to be read back; leave body.critical out to acknowledge the report";
    /// A critical value must be acknowledged first.
    CriticalWaits, "R052", Rule, "kind",
        "a critical value has not been read back; acknowledge it first with body.critical";
    /// There is no session.
    NoSession, "R053", Rule, "kind",
        "an offline consultation has no session; send the opinion";
    /// Nobody has claimed the recording.
    NotClaimed, "R054", Rule, "kind",
        "nobody has claimed the recording; send consultation.claim first";
    /// The patient was discharged already.
    AlreadyDischarged, "R055", Rule, "kind",
        "the patient was discharged already; nothing needs to be sent";
    /// A cancellation was requested already.
    CancelAskedAlready, "R056", Rule, "kind",
        "a cancellation is asked for already; wait for the target's answer";
    /// The session has begun.
    SessionOn, "R057", Rule, "kind",
        "the session has begun; send the opinion";
    /// There is no appointment to cancel.
    NoAppointment, "R058", Rule, "kind",
        "there is no appointment to cancel, and the referral goes on as it was; to end the referral send referral.cancel";

    /// An amendment names another target.
    AmendMovesTarget, "R060", Rule, "body.to.organisation",
        "an amendment cannot move the case to another target now; cancel and submit anew, or ask the target to redirect";
    /// The new target is the present one.
    SameTarget, "R061", Invalid, "body.to",
        "the case is with this organisation already; name another";
    /// The session has no start or no end.
    NoTimes, "R062", Invalid, "body.appointment",
        "a session needs a start and a later end on the same day or the next; add both";
    /// An expert or a room is booked by another case.
    Taken, "R063", Rule, "body.appointment",
        "an expert or the room is booked for another case at this time; choose another time, expert or room";
    /// The slot is full.
    SlotFull, "R064", Rule, "body.appointment.slot",
        "no place is left in this slot; choose another slot";
    /// The writer of the report audits it.
    WriterAudits, "R065", Rule, "body.auditor.code",
        "the writer of a report must not audit it; a second person must";
    /// The writer or auditor has no practitioner code, so they cannot be told apart.
    NoPersonCode, "R066", Invalid, "body",
        "the person's code is missing, so that writer and auditor cannot be told apart; add it";
    /// This expert was not asked.
    ExpertNotAsked, "R067", Invalid, "body.expert",
        "this expert was not asked, or belongs to another organisation; name one of yours who was asked";
    /// This expert has answered already.
    ExpertAnswered, "R068", Rule, "body.expert",
        "every expert named here has accepted already; nothing needs to be sent";
    /// Experts of other organisations must be named.
    NameTheExpert, "R069", Invalid, "body.expert",
        "the experts who have not answered belong to other organisations; name the one who accepts";
    /// An amendment changes the form of the consultation.
    FormChanged, "R070", Invalid, "body.form",
        "an amendment cannot make a reading of a consultation or the reverse; cancel and ask anew";

    /// A transfer leaves the county without a review.
    TransferLeavesCounty, "R071", Rule, "body.to.organisation",
        "a transfer has no review, so only the lead hospital sends one out of the county; hand the patient to the lead hospital, or send a referral, which it reviews";
    /// The cancelled appointment is not the one that the case has now.
    AnotherAppointment, "R072", Rule, "body.appointment",
        "the case has another appointment by now, which stands; to cancel that one name its number or its start";

    /// The request itself is not at hand.
    RequestMissing, "R090", Early, "case",
        "the request behind the case could not be read just now; send the message again";
    /// The case has moved to another target too often.
    TooManyTargets, "R091", Rule, "body.to",
        "the case has moved too often; close it and open a new one";
    /// The case has too many events.
    TooManyEvents, "R092", Rule, "case",
        "the case has too many events; close it and open a new one";
    /// The case would have too many experts.
    TooManyExperts, "R093", Invalid, "body.experts",
        "too many experts are asked; split the consultation";
}

/// A refusal: its rule, code and fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose mistake it is.
    pub refusal: Refusal,
    /// The code (`R…`), the field and the fix.
    pub problem: Problem,
}

impl Rule {
    /// Makes the refusal, with the rule's own field.
    #[must_use]
    pub fn refuse(self) -> Refused {
        self.refuse_at(self.field())
    }

    /// Makes the refusal, with a more exact field.
    #[must_use]
    pub fn refuse_at(self, field: &str) -> Refused {
        Refused { refusal: self.refusal(), problem: Problem::new(self.code(), field, self.text()) }
    }
}

impl From<Rule> for Refused {
    fn from(rule: Rule) -> Self {
        rule.refuse()
    }
}

/// The role of an organisation in a case, which decides what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It opened the case.
    Origin,
    /// It must review the case now, or may dispatch a declined consultation again.
    Reviewer,
    /// The case is for it now.
    Target,
    /// One of its experts was asked.
    Expert,
    /// It is told of the case, or was its target before.
    Watcher,
}

impl Role {
    /// Every role, the strongest first.
    pub const ALL: [Self; 5] =
        [Self::Origin, Self::Reviewer, Self::Target, Self::Expert, Self::Watcher];

    /// The name of the role in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Reviewer => "reviewer",
            Self::Target => "target",
            Self::Expert => "expert",
            Self::Watcher => "watcher",
        }
    }
}
