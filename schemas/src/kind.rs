//! The kinds of message, and the body that each carries.
//!
//! A kind is a family (what sort of case) and a verb (what is said about it), written
//! `referral.submit`. The table below is the only list; everything else follows from it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{
    Accept, Acknowledge, Appointment, Arrive, Audit, Cancel, CancelAnswer, Claim, Close, Critical,
    Decline, Discharge, Feedback, FollowUp, NoShow, Opinion, Receipt, Receive, Recollect, Redirect,
    Report, Return, Review, Schedule, SlotPublish, SlotWithdraw, Start, StatusQuery, StatusReport,
};
use crate::clinical::{Attachment, Clinical};
use crate::person::{Party, Patient};
use crate::request::{ConsultationRequest, ReferralRequest, TransferOffer};

/// What sort of case a message is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// 上转, lateral and out-of-county referrals.
    Referral,
    /// 下转/回转.
    Transfer,
    /// 远程会诊 and readings.
    Consultation,
    /// 号源, 床位, expert and device time. No case.
    Slot,
    /// Where is my case? No case of its own.
    Status,
    /// What became of a delivery. No case of its own.
    Receipt,
}

/// Something to do with the type of a body, whichever it is.
pub(crate) trait UseType {
    /// What comes of it.
    type Out;

    /// Does it.
    fn call<B: JsonSchema>(self) -> Self::Out;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $text:literal, $family:ident, $verb:literal, $body:ty;)*) => {
        /// What a message says.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
            JsonSchema,
        )]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $text)] $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The kind as it is written, such as `referral.submit`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text,)* }
            }

            /// What sort of case it is about.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$kind => Family::$family,)* }
            }

            /// What it says about the case, such as `accept`.
            #[must_use]
            pub const fn verb(self) -> &'static str {
                match self { $(Self::$kind => $verb,)* }
            }

            /// Reads a kind as it is written.
            #[must_use]
            pub fn read(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$kind),)* _ => None }
            }

            /// Hands the type of this kind's body to `use_type`.
            pub(crate) fn with_body<U: UseType>(self, use_type: U) -> U::Out {
                match self {
                    $(Self::$kind => use_type.call::<$body>(),)*
                }
            }
        }

        /// What is said: one body per kind.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Body {
            $($(#[$doc])* $kind($body),)*
        }

        impl Body {
            /// The kind that this body belongs to.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Reads the body that `kind` asks for.
            pub fn read(kind: Kind, value: serde_json::Value) -> Result<Self, serde_json::Error> {
                match kind {
                    $(Kind::$kind => serde_json::from_value(value).map(Self::$kind),)*
                }
            }
        }
    };
}

kinds! {
    /// 上转, lateral or out-of-county referral is asked for.
    ReferralSubmit, "referral.submit", Referral, "submit", ReferralRequest;
    /// The origin corrects or completes it.
    ReferralAmend, "referral.amend", Referral, "amend", ReferralRequest;
    /// A reviewer lets it pass.
    ReferralReview, "referral.review", Referral, "review", Review;
    /// More is needed.
    ReferralReturn, "referral.return", Referral, "return", Return;
    /// The target takes the patient.
    ReferralAccept, "referral.accept", Referral, "accept", Accept;
    /// The target does not take the patient.
    ReferralDecline, "referral.decline", Referral, "decline", Decline;
    /// The case moves to another target.
    ReferralRedirect, "referral.redirect", Referral, "redirect", Redirect;
    /// An appointment is given or moved.
    ReferralSchedule, "referral.schedule", Referral, "schedule", Schedule;
    /// The patient is there.
    ReferralArrive, "referral.arrive", Referral, "arrive", Arrive;
    /// The patient did not come.
    ReferralNoShow, "referral.no-show", Referral, "no-show", NoShow;
    /// What was found and done.
    ReferralFeedback, "referral.feedback", Referral, "feedback", Feedback;
    /// The origin withdraws, or asks to.
    ReferralCancel, "referral.cancel", Referral, "cancel", Cancel;
    /// The target agrees to the cancellation.
    ReferralConfirmCancel, "referral.confirm-cancel", Referral, "confirm-cancel", CancelAnswer;
    /// The target does not agree.
    ReferralRefuseCancel, "referral.refuse-cancel", Referral, "refuse-cancel", CancelAnswer;
    /// The case is over.
    ReferralClose, "referral.close", Referral, "close", Close;

    /// A discharge-back transfer is offered.
    TransferOffer, "transfer.offer", Transfer, "offer", TransferOffer;
    /// The origin corrects or completes it.
    TransferAmend, "transfer.amend", Transfer, "amend", TransferOffer;
    /// The organisation below takes over.
    TransferAccept, "transfer.accept", Transfer, "accept", Accept;
    /// It does not.
    TransferDecline, "transfer.decline", Transfer, "decline", Decline;
    /// The offer goes to another organisation.
    TransferRedirect, "transfer.redirect", Transfer, "redirect", Redirect;
    /// The patient left the upper organisation.
    TransferDischarge, "transfer.discharge", Transfer, "discharge", Discharge;
    /// The patient is with the organisation below.
    TransferReceive, "transfer.receive", Transfer, "receive", Receive;
    /// A follow-up was done.
    TransferFollowUp, "transfer.follow-up", Transfer, "follow-up", FollowUp;
    /// The origin withdraws.
    TransferCancel, "transfer.cancel", Transfer, "cancel", Cancel;
    /// The case is over.
    TransferClose, "transfer.close", Transfer, "close", Close;

    /// A consultation or reading is asked for.
    ConsultationRequest, "consultation.request", Consultation, "request", ConsultationRequest;
    /// The origin corrects or completes it.
    ConsultationAmend, "consultation.amend", Consultation, "amend", ConsultationRequest;
    /// A reviewer lets it pass.
    ConsultationReview, "consultation.review", Consultation, "review", Review;
    /// More is needed.
    ConsultationReturn, "consultation.return", Consultation, "return", Return;
    /// The asked side, or one of its experts, accepts.
    ConsultationAccept, "consultation.accept", Consultation, "accept", Accept;
    /// It does not; it is dispatched again or ends.
    ConsultationDecline, "consultation.decline", Consultation, "decline", Decline;
    /// A session is set or moved.
    ConsultationSchedule, "consultation.schedule", Consultation, "schedule", Schedule;
    /// The session began.
    ConsultationStart, "consultation.start", Consultation, "start", Start;
    /// The opinion is issued.
    ConsultationOpinion, "consultation.opinion", Consultation, "opinion", Opinion;
    /// The asking side has read it.
    ConsultationAcknowledge, "consultation.acknowledge", Consultation, "acknowledge", Acknowledge;
    /// Somebody did not come to the session.
    ConsultationNoShow, "consultation.no-show", Consultation, "no-show", NoShow;
    /// The asking side withdraws.
    ConsultationCancel, "consultation.cancel", Consultation, "cancel", Cancel;
    /// The case is over.
    ConsultationClose, "consultation.close", Consultation, "close", Close;
    /// A reader takes the recording.
    ConsultationClaim, "consultation.claim", Consultation, "claim", Claim;
    /// The recording must be made again.
    ConsultationRecollect, "consultation.recollect", Consultation, "recollect", Recollect;
    /// The report is written.
    ConsultationReport, "consultation.report", Consultation, "report", Report;
    /// A second person audits it.
    ConsultationAudit, "consultation.audit", Consultation, "audit", Audit;
    /// A critical value is raised.
    ConsultationCritical, "consultation.critical", Consultation, "critical", Critical;

    /// Slots are offered.
    SlotPublish, "slot.publish", Slot, "publish", SlotPublish;
    /// Slots are taken back.
    SlotWithdraw, "slot.withdraw", Slot, "withdraw", SlotWithdraw;

    /// Where is this case?
    StatusQuery, "status.query", Status, "query", StatusQuery;
    /// Here it is.
    StatusReport, "status.report", Status, "report", StatusReport;

    /// What became of a delivery.
    Receipt, "receipt", Receipt, "receipt", Receipt;
}

impl Kind {
    /// Whether it opens a case.
    #[must_use]
    pub const fn opens(self) -> bool {
        matches!(self, Self::ReferralSubmit | Self::TransferOffer | Self::ConsultationRequest)
    }

    /// Whether it states the whole request: it opens a case or amends one.
    #[must_use]
    pub const fn states_request(self) -> bool {
        self.opens()
            || matches!(self, Self::ReferralAmend | Self::TransferAmend | Self::ConsultationAmend)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Family {
    /// Every family that has cases.
    pub const WITH_CASES: [Self; 3] = [Self::Referral, Self::Transfer, Self::Consultation];

    /// The first letter of its case numbers.
    #[must_use]
    pub const fn letter(self) -> Option<char> {
        match self {
            Self::Referral => Some('R'),
            Self::Transfer => Some('T'),
            Self::Consultation => Some('C'),
            Self::Slot | Self::Status | Self::Receipt => None,
        }
    }

    /// The family whose case numbers start with `letter`.
    #[must_use]
    pub const fn of_letter(letter: char) -> Option<Self> {
        match letter {
            'R' => Some(Self::Referral),
            'T' => Some(Self::Transfer),
            'C' => Some(Self::Consultation),
            _ => None,
        }
    }

    /// The family as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Referral => "referral",
            Self::Transfer => "transfer",
            Self::Consultation => "consultation",
            Self::Slot => "slot",
            Self::Status => "status",
            Self::Receipt => "receipt",
        }
    }
}

impl Body {
    /// The patient, where the body states one.
    #[must_use]
    pub fn patient(&self) -> Option<&Patient> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.patient),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.patient),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.patient),
            _ => None,
        }
    }

    /// The origin's side, where the body states it.
    #[must_use]
    pub fn from(&self) -> Option<&Party> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.from),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.from),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.from),
            _ => None,
        }
    }

    /// The target's side, where the body states it.
    #[must_use]
    pub fn to(&self) -> Option<&Party> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.to),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.to),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.to),
            _ => None,
        }
    }

    /// What is known of the illness, where the body states it.
    #[must_use]
    pub fn clinical(&self) -> Option<&Clinical> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.clinical),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.clinical),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.clinical),
            _ => None,
        }
    }

    /// The papers that travel with it.
    #[must_use]
    pub fn attachments(&self) -> &[Attachment] {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => &b.attachments,
            Self::TransferOffer(b) | Self::TransferAmend(b) => &b.attachments,
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => &b.attachments,
            Self::ReferralFeedback(b) => &b.attachments,
            Self::TransferDischarge(b) => &b.attachments,
            Self::ConsultationOpinion(b) => &b.attachments,
            Self::ConsultationReport(b) => &b.attachments,
            _ => &[],
        }
    }

    /// The appointment that it gives.
    #[must_use]
    pub fn appointment(&self) -> Option<&Appointment> {
        match self {
            Self::ReferralSchedule(b) | Self::ConsultationSchedule(b) => Some(&b.appointment),
            _ => None,
        }
    }

    /// The same statement in another family, where that family has the verb with the same body.
    #[must_use]
    pub fn adapted(self, family: Family) -> Option<Self> {
        use Family::{Consultation, Referral, Transfer};
        if self.kind().family() == family {
            return Some(self);
        }
        Some(match (self, family) {
            (Self::TransferAccept(b) | Self::ConsultationAccept(b), Referral) => {
                Self::ReferralAccept(b)
            }
            (Self::ReferralAccept(b) | Self::ConsultationAccept(b), Transfer) => {
                Self::TransferAccept(b)
            }
            (Self::ReferralAccept(b) | Self::TransferAccept(b), Consultation) => {
                Self::ConsultationAccept(b)
            }
            (Self::TransferDecline(b) | Self::ConsultationDecline(b), Referral) => {
                Self::ReferralDecline(b)
            }
            (Self::ReferralDecline(b) | Self::ConsultationDecline(b), Transfer) => {
                Self::TransferDecline(b)
            }
            (Self::ReferralDecline(b) | Self::TransferDecline(b), Consultation) => {
                Self::ConsultationDecline(b)
            }
            (Self::TransferCancel(b) | Self::ConsultationCancel(b), Referral) => {
                Self::ReferralCancel(b)
            }
            (Self::ReferralCancel(b) | Self::ConsultationCancel(b), Transfer) => {
                Self::TransferCancel(b)
            }
            (Self::ReferralCancel(b) | Self::TransferCancel(b), Consultation) => {
                Self::ConsultationCancel(b)
            }
            (Self::TransferClose(b) | Self::ConsultationClose(b), Referral) => {
                Self::ReferralClose(b)
            }
            (Self::ReferralClose(b) | Self::ConsultationClose(b), Transfer) => {
                Self::TransferClose(b)
            }
            (Self::ReferralClose(b) | Self::TransferClose(b), Consultation) => {
                Self::ConsultationClose(b)
            }
            (Self::TransferRedirect(b), Referral) => Self::ReferralRedirect(b),
            (Self::ReferralRedirect(b), Transfer) => Self::TransferRedirect(b),
            (Self::ConsultationSchedule(b), Referral) => Self::ReferralSchedule(b),
            (Self::ReferralSchedule(b), Consultation) => Self::ConsultationSchedule(b),
            (Self::ConsultationNoShow(b), Referral) => Self::ReferralNoShow(b),
            (Self::ReferralNoShow(b), Consultation) => Self::ConsultationNoShow(b),
            (Self::ConsultationReview(b), Referral) => Self::ReferralReview(b),
            (Self::ReferralReview(b), Consultation) => Self::ConsultationReview(b),
            (Self::ConsultationReturn(b), Referral) => Self::ReferralReturn(b),
            (Self::ReferralReturn(b), Consultation) => Self::ConsultationReturn(b),
            (Self::ReferralArrive(b), Transfer) => {
                let (at, encounter, note) = (b.at, b.encounter, b.note);
                Self::TransferReceive(Receive { at, encounter, by: None, note })
            }
            (Self::TransferReceive(b), Referral) => Self::ReferralArrive(Arrive {
                at: b.at,
                encounter: b.encounter,
                method: None,
                admitted: false,
                note: b.note,
            }),
            (Self::ReferralFeedback(b), Transfer) => Self::TransferDischarge(Discharge {
                at: None,
                disposition: None,
                summary: b.summary,
                attachments: b.attachments,
            }),
            (Self::ReferralFeedback(b), Consultation) => Self::ConsultationOpinion(Opinion {
                text: b.summary.unwrap_or_default(),
                recommendation: None,
                diagnoses: b.diagnoses,
                by: b.by.into_iter().collect(),
                at: None,
                attachments: b.attachments,
            }),
            (Self::ConsultationOpinion(b), Referral) => Self::ReferralFeedback(Feedback {
                summary: Some(b.text),
                diagnoses: b.diagnoses,
                by: b.by.into_iter().next(),
                attachments: b.attachments,
                ..Feedback::default()
            }),
            (_, _) => return None,
        })
    }
}
