//! The kinds of message, and the body of each.
//!
//! A kind consists of a family (what the case is) and a verb (what happens to it), such as
//! `referral.submit`. The table below is the only list of kinds; everything else is
//! derived from it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{
    Accept, Acknowledge, Appointment, Arrive, Audit, Book, Cancel, CancelAnswer, Claim, Close,
    Critical, Decline, Discharge, Feedback, FollowUp, NoShow, Opinion, Receipt, Receive, Recollect,
    Redirect, Report, Return, Review, Schedule, SlotPublish, SlotWithdraw, Start, StatusQuery,
    StatusReport, Unschedule,
};
use crate::clinical::{Attachment, Clinical};
use crate::person::{Party, Patient};
use crate::request::{ConsultationRequest, ReferralRequest, TransferOffer};

/// The family of a case or message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Referrals: upwards (上转), lateral, and out of the county.
    Referral,
    /// Discharge-back transfers (下转/回转).
    Transfer,
    /// Consultations (远程会诊) and readings.
    Consultation,
    /// Published slots: appointments (号源), beds (床位), time of experts and devices. Not
    /// about a case.
    Slot,
    /// Queries for the state of a case, and the answers. Opens no case.
    Status,
    /// Receipts about deliveries. Opens no case.
    Receipt,
}

/// Something to do with the type of a body, for [`Kind::with_body`].
pub(crate) trait UseType {
    /// Result of the call.
    type Out;

    /// Does it for the body type `B`.
    fn call<B: JsonSchema>(self) -> Self::Out;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $text:literal, $family:ident, $verb:literal, $body:ty;)*) => {
        /// The kind of a message.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
            JsonSchema,
        )]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $text)] $kind,)*
        }

        impl Kind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The name of the kind, such as `referral.submit`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text,)* }
            }

            /// The family that it belongs to.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$kind => Family::$family,)* }
            }

            /// The part of the name after the family, such as `accept`.
            #[must_use]
            pub const fn verb(self) -> &'static str {
                match self { $(Self::$kind => $verb,)* }
            }

            /// Reads the name of a kind.
            #[must_use]
            pub fn read(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$kind),)* _ => None }
            }

            /// Calls `use_type` with the type of this kind's body.
            pub(crate) fn with_body<U: UseType>(self, use_type: U) -> U::Out {
                match self {
                    $(Self::$kind => use_type.call::<$body>(),)*
                }
            }
        }

        /// The body of a message, one type per kind.
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

            /// Reads the body of a message of this kind.
            pub fn read(kind: Kind, value: serde_json::Value) -> Result<Self, serde_json::Error> {
                match kind {
                    $(Kind::$kind => serde_json::from_value(value).map(Self::$kind),)*
                }
            }
        }
    };
}

kinds! {
    /// The origin requests a referral (上转, lateral, or out of the county).
    ReferralSubmit, "referral.submit", Referral, "submit", ReferralRequest;
    /// The origin corrects or completes its referral.
    ReferralAmend, "referral.amend", Referral, "amend", ReferralRequest;
    /// A reviewer passes the referral.
    ReferralReview, "referral.review", Referral, "review", Review;
    /// The reviewer or target returns the referral to its origin for completion.
    ReferralReturn, "referral.return", Referral, "return", Return;
    /// The target takes the patient.
    ReferralAccept, "referral.accept", Referral, "accept", Accept;
    /// The target declines the referral.
    ReferralDecline, "referral.decline", Referral, "decline", Decline;
    /// The case moves to another target.
    ReferralRedirect, "referral.redirect", Referral, "redirect", Redirect;
    /// The target sets or changes the appointment.
    ReferralSchedule, "referral.schedule", Referral, "schedule", Schedule;
    /// The origin asks for a time, or takes one that was offered.
    ReferralBook, "referral.book", Referral, "book", Book;
    /// The target cancels the appointment, or the origin asks to; the referral goes on.
    ReferralUnschedule, "referral.unschedule", Referral, "unschedule", Unschedule;
    /// The target reports that the patient has arrived.
    ReferralArrive, "referral.arrive", Referral, "arrive", Arrive;
    /// The target reports that the patient did not come.
    ReferralNoShow, "referral.no-show", Referral, "no-show", NoShow;
    /// The target reports findings and treatment.
    ReferralFeedback, "referral.feedback", Referral, "feedback", Feedback;
    /// The origin cancels the referral or, after acceptance, asks to.
    ReferralCancel, "referral.cancel", Referral, "cancel", Cancel;
    /// The target agrees to the cancellation.
    ReferralConfirmCancel, "referral.confirm-cancel", Referral, "confirm-cancel", CancelAnswer;
    /// The target refuses the cancellation.
    ReferralRefuseCancel, "referral.refuse-cancel", Referral, "refuse-cancel", CancelAnswer;
    /// The origin or target closes the referral.
    ReferralClose, "referral.close", Referral, "close", Close;

    /// The origin offers a discharge-back transfer (下转/回转).
    TransferOffer, "transfer.offer", Transfer, "offer", TransferOffer;
    /// The origin corrects or completes its offer.
    TransferAmend, "transfer.amend", Transfer, "amend", TransferOffer;
    /// The target accepts the patient.
    TransferAccept, "transfer.accept", Transfer, "accept", Accept;
    /// The target declines the patient.
    TransferDecline, "transfer.decline", Transfer, "decline", Decline;
    /// The origin moves the offer to another organisation.
    TransferRedirect, "transfer.redirect", Transfer, "redirect", Redirect;
    /// The origin reports the patient's discharge.
    TransferDischarge, "transfer.discharge", Transfer, "discharge", Discharge;
    /// The target reports that it has received the patient.
    TransferReceive, "transfer.receive", Transfer, "receive", Receive;
    /// The target, or the doctor who treated the patient before, reports a follow-up.
    TransferFollowUp, "transfer.follow-up", Transfer, "follow-up", FollowUp;
    /// The origin cancels the transfer.
    TransferCancel, "transfer.cancel", Transfer, "cancel", Cancel;
    /// The origin or target closes the transfer.
    TransferClose, "transfer.close", Transfer, "close", Close;

    /// The origin requests a consultation (远程会诊) or a reading.
    ConsultationRequest, "consultation.request", Consultation, "request", ConsultationRequest;
    /// The origin corrects or completes its request.
    ConsultationAmend, "consultation.amend", Consultation, "amend", ConsultationRequest;
    /// A reviewer passes the request.
    ConsultationReview, "consultation.review", Consultation, "review", Review;
    /// The reviewer or target returns the request to its origin for completion.
    ConsultationReturn, "consultation.return", Consultation, "return", Return;
    /// The target, or one of the experts, accepts.
    ConsultationAccept, "consultation.accept", Consultation, "accept", Accept;
    /// The target, or one of the experts, declines.
    ConsultationDecline, "consultation.decline", Consultation, "decline", Decline;
    /// The target sets or changes the session.
    ConsultationSchedule, "consultation.schedule", Consultation, "schedule", Schedule;
    /// The session begins.
    ConsultationStart, "consultation.start", Consultation, "start", Start;
    /// The target issues the opinion.
    ConsultationOpinion, "consultation.opinion", Consultation, "opinion", Opinion;
    /// The origin confirms that it has read the opinion, report or critical value.
    ConsultationAcknowledge, "consultation.acknowledge", Consultation, "acknowledge", Acknowledge;
    /// Somebody did not attend the session.
    ConsultationNoShow, "consultation.no-show", Consultation, "no-show", NoShow;
    /// The origin cancels the request.
    ConsultationCancel, "consultation.cancel", Consultation, "cancel", Cancel;
    /// The origin or target closes the case.
    ConsultationClose, "consultation.close", Consultation, "close", Close;
    /// A reader takes the recording.
    ConsultationClaim, "consultation.claim", Consultation, "claim", Claim;
    /// The reading centre asks for a new recording.
    ConsultationRecollect, "consultation.recollect", Consultation, "recollect", Recollect;
    /// The reader has written the report.
    ConsultationReport, "consultation.report", Consultation, "report", Report;
    /// A second person audits the report.
    ConsultationAudit, "consultation.audit", Consultation, "audit", Audit;
    /// The reading centre reports a critical value.
    ConsultationCritical, "consultation.critical", Consultation, "critical", Critical;

    /// An organisation publishes slots (号源, 床位, expert and device time).
    SlotPublish, "slot.publish", Slot, "publish", SlotPublish;
    /// An organisation withdraws slots.
    SlotWithdraw, "slot.withdraw", Slot, "withdraw", SlotWithdraw;

    /// An organisation asks for the state of a case.
    StatusQuery, "status.query", Status, "query", StatusQuery;
    /// The broker answers a status query, or reports a passed deadline.
    StatusReport, "status.report", Status, "report", StatusReport;

    /// The broker reports the outcome of a delivery to the sender of the message.
    Receipt, "receipt", Receipt, "receipt", Receipt;
}

impl Kind {
    /// Whether it opens a case.
    #[must_use]
    pub const fn opens(self) -> bool {
        matches!(self, Self::ReferralSubmit | Self::TransferOffer | Self::ConsultationRequest)
    }

    /// Whether it contains a whole request: it opens a case or amends one.
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
    /// The families that have cases.
    pub const WITH_CASES: [Self; 3] = [Self::Referral, Self::Transfer, Self::Consultation];

    /// The first letter of its case numbers; `None` for families without cases.
    #[must_use]
    pub const fn letter(self) -> Option<char> {
        match self {
            Self::Referral => Some('R'),
            Self::Transfer => Some('T'),
            Self::Consultation => Some('C'),
            Self::Slot | Self::Status | Self::Receipt => None,
        }
    }

    /// The family with this first letter of case numbers.
    #[must_use]
    pub const fn of_letter(letter: char) -> Option<Self> {
        match letter {
            'R' => Some(Self::Referral),
            'T' => Some(Self::Transfer),
            'C' => Some(Self::Consultation),
            _ => None,
        }
    }

    /// The name of the family.
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
    /// The patient, if the body states one.
    #[must_use]
    pub fn patient(&self) -> Option<&Patient> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.patient),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.patient),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.patient),
            _ => None,
        }
    }

    /// The origin's side, if the body states it.
    #[must_use]
    pub fn from(&self) -> Option<&Party> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.from),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.from),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.from),
            _ => None,
        }
    }

    /// The target's side, if the body states it.
    #[must_use]
    pub fn to(&self) -> Option<&Party> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.to),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.to),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.to),
            _ => None,
        }
    }

    /// The clinical content, if the body has any.
    #[must_use]
    pub fn clinical(&self) -> Option<&Clinical> {
        match self {
            Self::ReferralSubmit(b) | Self::ReferralAmend(b) => Some(&b.clinical),
            Self::TransferOffer(b) | Self::TransferAmend(b) => Some(&b.clinical),
            Self::ConsultationRequest(b) | Self::ConsultationAmend(b) => Some(&b.clinical),
            _ => None,
        }
    }

    /// The attachments of the body.
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

    /// The appointment that the body gives, asks for or cancels.
    #[must_use]
    pub fn appointment(&self) -> Option<&Appointment> {
        match self {
            Self::ReferralSchedule(b) | Self::ConsultationSchedule(b) => Some(&b.appointment),
            Self::ReferralBook(b) => Some(&b.appointment),
            Self::ReferralUnschedule(b) => b.appointment.as_ref(),
            _ => None,
        }
    }

    /// The same body as one of another family, if that family has the verb with the same body type.
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
            (Self::ReferralFeedback(b), Consultation) => Self::ConsultationOpinion(b.into()),
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
