//! Bodies of messages about an open case: decisions, appointments, reports, corrections.
//!
//! Referrals, transfers and consultations share the bodies that mean the same in each, so that an
//! accept looks the same in every family and every format.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::clinical::{Attachment, Diagnosis, Medication, Observation};
use crate::names::{CaseNumber, OrganisationCode};
use crate::person::{Coded, Practitioner};
use crate::problem::Problem;

/// A coded reason, optionally with text. The code makes reasons countable.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Code from the table of this kind of message, such as `codes/return_reason.csv`.
    #[schemars(length(min = 1, max = 32))]
    pub code: String,
    /// In words. Some codes require it.
    #[schemars(length(max = 4000))]
    pub text: Option<String>,
}

impl Reason {
    /// A reason with a code only.
    #[must_use]
    pub fn code(code: impl Into<String>) -> Self {
        Self { code: code.into(), text: None }
    }
}

/// An appointment: time, place, and who takes part. Every field is optional, because systems
/// give different parts.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Appointment {
    /// Number of the appointment at the organisation that gives it.
    #[schemars(length(max = 100))]
    pub number: Option<String>,
    /// Start of the appointment.
    pub start: Option<Timestamp>,
    /// End of the appointment. Required for a session with experts or a room.
    pub end: Option<Timestamp>,
    /// Department (科室) where the appointment takes place, with a code of 诊疗科目 if known.
    pub department: Option<Coded>,
    /// The doctor to see (接诊医师).
    pub practitioner: Option<Practitioner>,
    /// Further people who take part and are not booked: a second doctor, a nurse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub other_practitioners: Vec<Practitioner>,
    /// 号序, such as `上午12号`: the place in the queue.
    #[schemars(length(max = 64))]
    pub queue_number: Option<String>,
    /// Where to go.
    #[schemars(length(max = 200))]
    pub place: Option<String>,
    /// Ward and bed (病区、床位), as written.
    #[schemars(length(max = 100))]
    pub bed: Option<String>,
    /// Code of the room of a session. A room is booked by one case at a time.
    #[schemars(length(max = 64))]
    pub room: Option<String>,
    /// Experts of a session. An expert is booked by one case at a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub experts: Vec<ExpertRef>,
    /// Number of the published slot (号源) that the appointment uses, as in `slot.publish`.
    #[schemars(length(max = 64))]
    pub slot: Option<String>,
    /// Code that the patient shows to collect the appointment (取号密码).
    #[schemars(length(max = 64))]
    pub pickup_code: Option<String>,
    /// Link to a video session. Never written to a log.
    #[schemars(length(max = 1000))]
    pub join_link: Option<String>,
    /// What to bring, how to prepare.
    #[schemars(length(max = 4000))]
    pub instructions: Option<String>,
}

/// An expert, identified so that a booking is possible.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct ExpertRef {
    /// Code of the expert's organisation.
    pub organisation: OrganisationCode,
    /// Code of the practitioner in that organisation.
    #[schemars(length(min = 1, max = 64))]
    pub practitioner: String,
}

/// A reviewer (township health centre, lead hospital, medical affairs office) passes
/// the request (审核通过).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Review {
    /// The person who reviewed.
    pub by: Option<Practitioner>,
    /// 审核意见.
    #[schemars(length(max = 4000))]
    pub opinion: Option<String>,
    /// Code of the organisation that the lead hospital sends an out-of-county case to instead.
    pub to: Option<OrganisationCode>,
}

/// The request is returned (退回): the origin must complete it and send it again as an amendment.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Return {
    /// Why it is returned, from `codes/return_reason.csv`.
    pub reason: Reason,
    /// The person who returned it.
    pub by: Option<Practitioner>,
}

/// The target accepts (接收).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Accept {
    /// The person who accepted.
    pub by: Option<Practitioner>,
    /// Department (科室) that takes the patient.
    pub department: Option<Coded>,
    /// Telephone number of the department or person to call there.
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
    /// 接诊意见.
    #[schemars(length(max = 4000))]
    pub opinion: Option<String>,
    /// Until when the bed or slot is reserved.
    pub hold_until: Option<Timestamp>,
    /// The expert who accepts, for a consultation in which each expert must.
    pub expert: Option<ExpertRef>,
}

/// The target declines (拒收).
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// Why it is declined, from `codes/decline_reason.csv`.
    pub reason: Reason,
    /// The person who declined.
    pub by: Option<Practitioner>,
    /// Code of an organisation that might take the patient instead.
    pub suggestion: Option<OrganisationCode>,
}

/// The case moves to another target and keeps its history (转发).
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Code of the new target organisation.
    pub to: OrganisationCode,
    /// Department (科室) there.
    pub department: Option<Coded>,
    /// Why it is redirected, from `codes/redirect_reason.csv`.
    pub reason: Reason,
    /// The person who redirected.
    pub by: Option<Practitioner>,
}

/// An appointment is given or changed (排期).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The new appointment; replaces an earlier one.
    pub appointment: Appointment,
    /// Why it moved, when it did.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// The origin asks for a time (预约申请), or takes one that was offered. The target answers with an
/// appointment; until then an earlier one stands.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Book {
    /// What is asked for: a slot, or a time between `start` and `end`, and with whom.
    pub appointment: Appointment,
    /// The person who asks.
    pub by: Option<Practitioner>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// The appointment is cancelled (取消预约) and the referral goes on: a new time must be found.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unschedule {
    /// Why it is cancelled, from `codes/cancel_reason.csv`.
    pub reason: Reason,
    /// The appointment that is cancelled. One with another number or start than the present one
    /// cancels nothing; what the sender leaves out the broker fills in.
    pub appointment: Option<Appointment>,
    /// The person who cancelled it.
    pub by: Option<Practitioner>,
}

/// The patient has arrived (到诊).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Arrive {
    /// When the patient arrived, by the sender's clock.
    pub at: Option<Timestamp>,
    /// Number of the visit or admission there (门诊号 or 住院号).
    #[schemars(length(max = 64))]
    pub encounter: Option<String>,
    /// How the patient was identified on arrival, as written: 扫码, 身份证 or 人工.
    #[schemars(length(max = 64))]
    pub method: Option<String>,
    /// Whether the patient was admitted at once, so that treatment begins with the arrival.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub admitted: bool,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// The patient did not come, or an expert did not attend (爽约).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoShow {
    /// When it was noticed, by the sender's clock.
    pub at: Option<Timestamp>,
    /// Number of attempts to contact the patient.
    pub contact_attempts: Option<u16>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// Stage of a feedback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackStage {
    /// The patient is admitted (入院); treatment continues.
    Admitted,
    /// An interim report during treatment.
    #[default]
    Interim,
    /// The final outcome (诊疗结束); it completes the referral.
    Outcome,
}

/// Findings and treatment, reported to the origin (反馈).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Feedback {
    /// Stage of the feedback.
    pub stage: FeedbackStage,
    /// Diagnoses made (诊断结果).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub diagnoses: Vec<Diagnosis>,
    /// Main findings as single values (主要检查结果).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub observations: Vec<Observation>,
    /// Course of treatment in words (诊疗经过).
    #[schemars(length(max = 20000))]
    pub summary: Option<String>,
    /// Further treatment plan (下一步治疗方案).
    #[schemars(length(max = 20000))]
    pub plan: Option<String>,
    /// Medicines to continue (延续用药).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub medications: Vec<Medication>,
    /// Attached reports and documents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// The person who wrote the feedback.
    pub by: Option<Practitioner>,
}

impl Feedback {
    /// What it says in words: summary, plan, and what was measured, line by line. For kinds that
    /// have no lists of their own; `diagnosed` and `measured` say which of them to write out.
    fn in_words(&self, diagnosed: bool, measured: bool) -> String {
        let mut texts: Vec<String> =
            [self.summary.clone(), self.plan.clone()].into_iter().flatten().collect();
        if diagnosed {
            texts.extend(self.diagnoses.iter().map(Diagnosis::in_words));
        }
        if measured {
            texts.extend(self.observations.iter().map(Observation::in_words));
        }
        texts.extend(self.medications.iter().map(Medication::in_words));
        texts.join("\n")
    }
}

impl From<Feedback> for Opinion {
    fn from(told: Feedback) -> Self {
        Self {
            text: told.in_words(false, true),
            recommendation: None,
            diagnoses: told.diagnoses,
            by: told.by.into_iter().collect(),
            at: None,
            attachments: told.attachments,
        }
    }
}

impl From<Feedback> for Report {
    /// The same as the report of a reading. Its conclusion is never empty.
    fn from(told: Feedback) -> Self {
        let conclusion = told.in_words(true, false);
        let is_empty = conclusion.is_empty();
        Self {
            writer: told.by.unwrap_or_default(),
            findings: None,
            conclusion: if is_empty {
                "未说明，见检查结果".to_owned()
            } else {
                conclusion
            },
            observations: told.observations,
            at: None,
            attachments: told.attachments,
        }
    }
}

/// The origin cancels (撤回/取消). Before acceptance this ends the case; afterwards it asks the
/// target to agree.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Why it is cancelled, from `codes/cancel_reason.csv`.
    pub reason: Reason,
    /// The person who cancelled.
    pub by: Option<Practitioner>,
}

/// The target's answer to a request to cancel.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CancelAnswer {
    /// The person who answered.
    pub by: Option<Practitioner>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// The case is closed (结案).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Close {
    /// The person who closed it.
    pub by: Option<Practitioner>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// The patient is discharged from the upper-level organisation (出院).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Discharge {
    /// Date and time of discharge (出院日期时间, DE06.00.017.00).
    pub at: Option<Timestamp>,
    /// How the patient left hospital (离院方式, CV06.00.226).
    pub disposition: Option<Coded>,
    /// Discharge summary in words (出院小结).
    #[schemars(length(max = 20000))]
    pub summary: Option<String>,
    /// Attached documents, such as the discharge summary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
}

/// The lower-level organisation has received the patient (承接). A transfer counts in
/// statistics from here.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Receive {
    /// When the patient was received, by the sender's clock.
    pub at: Option<Timestamp>,
    /// Number of the visit or health record there.
    #[schemars(length(max = 64))]
    pub encounter: Option<String>,
    /// The person who received the patient.
    pub by: Option<Practitioner>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// A follow-up (随访), by the lower-level organisation or by the tracking doctor at the upper level.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FollowUp {
    /// When the follow-up took place, by the sender's clock.
    pub at: Option<Timestamp>,
    /// The person who did the follow-up.
    pub by: Option<Practitioner>,
    /// How it was done, as written: 现场, 电话 or 视频.
    #[schemars(length(max = 100))]
    pub mode: Option<String>,
    /// What was found.
    #[schemars(length(max = 20000))]
    pub findings: Option<String>,
    /// Values that were measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub observations: Vec<Observation>,
    /// Whether a red flag of the care plan was found.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub red_flag: bool,
    /// Whether this was the last planned follow-up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// The consultation session begins (开始会诊).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// When the session began, by the sender's clock.
    pub at: Option<Timestamp>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// Recommendation of a consultation opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// Treat the patient where he or she is (就地治疗).
    TreatInPlace,
    /// Refer upwards (上转). The referral may name this consultation as its parent case.
    ReferUp,
    /// Further examinations (检查).
    Examine,
    /// Operate on the patient (手术).
    Operate,
    /// See the patient again later (复诊).
    SeeAgain,
    /// Anything else; the text says what.
    Other,
}

/// The opinion of a consultation (会诊意见, DE06.00.018.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Opinion {
    /// The opinion in words (会诊意见).
    #[schemars(length(max = 20000))]
    pub text: String,
    /// The recommendation as a code.
    pub recommendation: Option<Recommendation>,
    /// Diagnoses of the experts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub diagnoses: Vec<Diagnosis>,
    /// The experts who signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub by: Vec<Practitioner>,
    /// When the opinion was issued, by the sender's clock.
    pub at: Option<Timestamp>,
    /// Attached documents, the signed report first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
}

/// The origin confirms that it has read the opinion or report, or a critical value (确认).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acknowledge {
    /// The person who confirms.
    pub by: Option<Practitioner>,
    /// Whether the opinion was followed.
    pub adopted: Option<bool>,
    /// Whether this confirms a critical value (危急值) and not the opinion or report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
    /// 评价 or what was done, in words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// A reader takes the recording.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Claim {
    /// The doctor who will read it.
    pub reader: Practitioner,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// The recording must be made again (返回重采), because it cannot be read.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recollect {
    /// Why, from `codes/recollect_reason.csv`.
    pub reason: Reason,
    /// The person who asked for it.
    pub by: Option<Practitioner>,
}

/// A written diagnostic report (诊断报告) that is not audited yet.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The reporting doctor (报告医师). The practitioner code must differ from the auditor's.
    pub writer: Practitioner,
    /// Objective findings (客观所见, DE04.50.131.00).
    #[schemars(length(max = 20000))]
    pub findings: Option<String>,
    /// Diagnostic impression (主观提示).
    #[schemars(length(max = 20000))]
    pub conclusion: String,
    /// Values that were measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub observations: Vec<Observation>,
    /// When the report was written, by the sender's clock.
    pub at: Option<Timestamp>,
    /// The report itself as a document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
}

/// A second person audits the report (审核). If it passes, it is issued to the origin at once.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The auditing doctor (审核医师).
    pub auditor: Practitioner,
    /// Whether the report is approved. If not, it must be written again.
    pub passed: bool,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// A critical value (危急值). It is escalated until the origin acknowledges it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Critical {
    /// The critical values.
    #[schemars(length(min = 1, max = 100))]
    pub items: Vec<Observation>,
    /// The person who reports it.
    pub by: Option<Practitioner>,
    /// Who was told by telephone already, as written.
    #[schemars(length(max = 200))]
    pub told: Option<String>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// What a published slot offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// An outpatient appointment (号源).
    Outpatient,
    /// A bed (床位).
    Bed,
    /// Time of an expert.
    Expert,
    /// Time of a device.
    Device,
    /// Time of a consultation room.
    Room,
}

/// A published slot: an appointment, bed, or time of an expert, device or room that
/// others may book.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Number of the slot at the organisation that publishes it.
    #[schemars(length(min = 1, max = 64))]
    pub number: String,
    /// What the slot offers.
    pub kind: SlotKind,
    /// Start of the slot.
    pub start: Timestamp,
    /// End of the slot.
    pub end: Timestamp,
    /// Department (科室) of the slot.
    pub department: Option<Coded>,
    /// The expert or doctor of the slot.
    pub practitioner: Option<Practitioner>,
    /// Number of cases that may use it.
    #[schemars(range(min = 1, max = 1000))]
    pub places: u16,
}

/// An organisation publishes slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotPublish {
    /// The slots. One with the number of an earlier slot replaces it.
    #[schemars(length(min = 1, max = 500))]
    pub slots: Vec<Slot>,
}

/// An organisation withdraws slots. Appointments that were already given stay valid.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotWithdraw {
    /// Numbers of the slots to withdraw.
    #[schemars(length(min = 1, max = 500))]
    pub numbers: Vec<String>,
    /// Why.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// Asks for the state of the case that the envelope names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatusQuery {}

/// The state of a case: the answer to a query, or the report of a passed deadline.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusReport {
    /// Name of the state of the case, such as `accepted`.
    #[schemars(length(max = 40))]
    pub state: String,
    /// Code of the organisation that must act on the case now.
    pub with: Option<OrganisationCode>,
    /// Since when the case is in this state, by the broker's clock.
    pub since: Option<Timestamp>,
    /// The current appointment.
    pub appointment: Option<Appointment>,
    /// Name of the deadline that has passed, such as `accept`; absent in an answer to a query.
    #[schemars(length(max = 40))]
    pub overdue: Option<String>,
    /// How often this deadline was reported, this time included.
    pub escalation: Option<u32>,
    /// True when the broker's own clock was in doubt, so that the deadline may not have passed yet.
    pub clock_in_doubt: Option<bool>,
}

/// The outcome of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptOutcome {
    /// The destination accepted responsibility.
    Delivered,
    /// The destination refused the message; a person must act.
    Refused,
    /// The destination gave no answer for too long; a person must act.
    Silent,
    /// The message could not be written in the destination's format; a person must act.
    Unsendable,
    /// An operator dropped the delivery.
    Withdrawn,
}

/// Tells the sender of a message the outcome of its delivery to one destination.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Id of the message that was delivered.
    pub of: Uuid,
    /// Code of the organisation that it was delivered to.
    pub destination: OrganisationCode,
    /// Outcome of the delivery.
    pub outcome: ReceiptOutcome,
    /// The destination's own number for the message, if it gave one.
    #[schemars(length(max = 200))]
    pub number: Option<String>,
    /// Why it was not delivered. Names fields and never values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub problems: Vec<Problem>,
    /// Number of tries so far.
    #[serde(default)]
    pub attempts: u32,
    /// When the outcome was known, by the broker's clock.
    pub at: Option<Timestamp>,
    /// Number of the case, for readers that do not see the envelope.
    pub case_number: Option<CaseNumber>,
}
