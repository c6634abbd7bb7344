//! What is said about a case once it is open: decisions, appointments, reports, corrections.
//!
//! The three families share these where they mean the same thing, so that an accept is an accept
//! in every format.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use uuid::Uuid;

use crate::clinical::{Attachment, Diagnosis, Medication, Observation};
use crate::names::{CaseNumber, OrganisationCode};
use crate::person::{Coded, Practitioner};
use crate::problem::Problem;

/// A coded reason with the speaker's own words. Free text alone cannot be counted.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// From the code table that the message kind names, such as `codes/return_reason.csv`.
    #[schemars(length(min = 1, max = 32))]
    pub code: String,
    /// In words. Some codes require it.
    #[schemars(length(max = 4000))]
    pub text: Option<String>,
}

impl Reason {
    /// A reason by its code alone.
    #[must_use]
    pub fn code(code: impl Into<String>) -> Self {
        Self { code: code.into(), text: None }
    }
}

/// A time, a place and who is needed there.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Appointment {
    /// The number of the appointment at the organisation that gives it.
    #[schemars(length(max = 100))]
    pub number: Option<String>,
    /// Start.
    pub start: Option<Timestamp>,
    /// End.
    pub end: Option<Timestamp>,
    /// Department.
    pub department: Option<Coded>,
    /// The doctor to see.
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
    /// Ward and bed.
    #[schemars(length(max = 100))]
    pub bed: Option<String>,
    /// The room of a session. Bookable: one room, one time.
    #[schemars(length(max = 64))]
    pub room: Option<String>,
    /// Experts of a session, by organisation and practitioner code. Bookable: one expert, one time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub experts: Vec<ExpertRef>,
    /// The slot that this uses up, as published.
    #[schemars(length(max = 64))]
    pub slot: Option<String>,
    /// 取号密码.
    #[schemars(length(max = 64))]
    pub pickup_code: Option<String>,
    /// The link to a video session. Never logged.
    #[schemars(length(max = 1000))]
    pub join_link: Option<String>,
    /// What to bring, how to prepare.
    #[schemars(length(max = 4000))]
    pub instructions: Option<String>,
}

/// An expert by the numbers that make one bookable.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct ExpertRef {
    /// The expert's organisation.
    pub organisation: OrganisationCode,
    /// The expert's number there.
    #[schemars(length(min = 1, max = 64))]
    pub practitioner: String,
}

/// A reviewer on the way (township, lead hospital, medical affairs) lets the request pass.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Review {
    /// Who.
    pub by: Option<Practitioner>,
    /// 审核意见.
    #[schemars(length(max = 4000))]
    pub opinion: Option<String>,
    /// Where the lead hospital sends an out-of-county case instead.
    pub to: Option<OrganisationCode>,
}

/// 退回: more is needed; the origin amends and it goes on.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Return {
    /// From `codes/return_reason.csv`.
    pub reason: Reason,
    /// Who.
    pub by: Option<Practitioner>,
}

/// 接收.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Accept {
    /// Who decided.
    pub by: Option<Practitioner>,
    /// The department that takes the patient.
    pub department: Option<Coded>,
    /// Whom to call there.
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
    /// 接诊意见.
    #[schemars(length(max = 4000))]
    pub opinion: Option<String>,
    /// Until when the bed or slot is held.
    pub hold_until: Option<Timestamp>,
    /// For a consultation: the expert who accepts, when each must.
    pub expert: Option<ExpertRef>,
}

/// 拒收.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// From `codes/decline_reason.csv`.
    pub reason: Reason,
    /// Who decided.
    pub by: Option<Practitioner>,
    /// Who might take the patient instead.
    pub suggestion: Option<OrganisationCode>,
}

/// 转发: the case moves to another target and keeps its history.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// The new target.
    pub to: OrganisationCode,
    /// The department there.
    pub department: Option<Coded>,
    /// From `codes/redirect_reason.csv`.
    pub reason: Reason,
    /// Who decided.
    pub by: Option<Practitioner>,
}

/// 排期: an appointment is given, or moved.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The appointment.
    pub appointment: Appointment,
    /// Why it moved, when it did.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// 到诊: the patient is there.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Arrive {
    /// When.
    pub at: Option<Timestamp>,
    /// The visit or admission number there.
    #[schemars(length(max = 64))]
    pub encounter: Option<String>,
    /// 扫码, 身份证 or 人工, as written.
    #[schemars(length(max = 64))]
    pub method: Option<String>,
    /// Admitted at once: care begins with the arrival.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub admitted: bool,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// 爽约.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoShow {
    /// When it was found.
    pub at: Option<Timestamp>,
    /// How often somebody tried to reach the patient.
    pub contact_attempts: Option<u16>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// How far the feedback goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackStage {
    /// 入院: the patient is in care.
    Admitted,
    /// On the way.
    #[default]
    Interim,
    /// 诊疗结束: the outcome; the referral is complete.
    Outcome,
}

/// 反馈: what was found and done, told to the origin.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Feedback {
    /// How far it goes.
    pub stage: FeedbackStage,
    /// 诊断结果.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub diagnoses: Vec<Diagnosis>,
    /// 主要检查结果 in fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub observations: Vec<Observation>,
    /// 诊疗经过 in words.
    #[schemars(length(max = 20000))]
    pub summary: Option<String>,
    /// 下一步治疗方案.
    #[schemars(length(max = 20000))]
    pub plan: Option<String>,
    /// Medicines to go on with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub medications: Vec<Medication>,
    /// Papers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// Who wrote it.
    pub by: Option<Practitioner>,
}

/// 撤回/取消: before acceptance a fact, afterwards a request.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// From `codes/cancel_reason.csv`.
    pub reason: Reason,
    /// Who.
    pub by: Option<Practitioner>,
}

/// The target's answer to a cancel request.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CancelAnswer {
    /// Who.
    pub by: Option<Practitioner>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// 结案.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Close {
    /// Who.
    pub by: Option<Practitioner>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// 出院: the patient leaves the upper organisation.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Discharge {
    /// 出院日期时间 (DE06.00.017.00).
    pub at: Option<Timestamp>,
    /// 离院方式, CV06.00.226.
    pub disposition: Option<Coded>,
    /// 出院小结 in words.
    #[schemars(length(max = 20000))]
    pub summary: Option<String>,
    /// Papers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
}

/// 承接: the patient is with the organisation below. Only now the transfer counts.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Receive {
    /// When.
    pub at: Option<Timestamp>,
    /// The number of the visit or record there.
    #[schemars(length(max = 64))]
    pub encounter: Option<String>,
    /// Who.
    pub by: Option<Practitioner>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// 随访, by the organisation below or by the tracking doctor above.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FollowUp {
    /// When.
    pub at: Option<Timestamp>,
    /// Who.
    pub by: Option<Practitioner>,
    /// 现场, 电话 or 视频, as written.
    #[schemars(length(max = 100))]
    pub mode: Option<String>,
    /// What was found.
    #[schemars(length(max = 20000))]
    pub findings: Option<String>,
    /// Values measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub observations: Vec<Observation>,
    /// Whether a red flag of the plan was met.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub red_flag: bool,
    /// Whether it was the last of the plan.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// 开始会诊.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// When.
    pub at: Option<Timestamp>,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// What the experts recommend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// 就地治疗.
    TreatInPlace,
    /// 上转: creates a linked referral.
    ReferUp,
    /// 检查.
    Examine,
    /// 手术.
    Operate,
    /// 复诊.
    SeeAgain,
    /// Anything else, in words.
    Other,
}

/// 会诊意见 (DE06.00.018.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Opinion {
    /// 会诊意见 in words.
    #[schemars(length(max = 20000))]
    pub text: String,
    /// What to do.
    pub recommendation: Option<Recommendation>,
    /// Diagnoses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub diagnoses: Vec<Diagnosis>,
    /// Who signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub by: Vec<Practitioner>,
    /// When it was issued.
    pub at: Option<Timestamp>,
    /// Papers, the signed report first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
}

/// 确认: the asking side has read it; or a critical value was read back.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acknowledge {
    /// Who.
    pub by: Option<Practitioner>,
    /// Whether the opinion was followed.
    pub adopted: Option<bool>,
    /// 危急值 read back: this acknowledges the critical alert, not the report.
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
    /// Who.
    pub reader: Practitioner,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// 返回重采: the recording is not good enough.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recollect {
    /// From `codes/recollect_reason.csv`.
    pub reason: Reason,
    /// Who.
    pub by: Option<Practitioner>,
}

/// 诊断报告, written and not yet audited.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// 报告医师. Its code must differ from the auditor's.
    pub writer: Practitioner,
    /// 客观所见 (DE04.50.131.00).
    #[schemars(length(max = 20000))]
    pub findings: Option<String>,
    /// 主观提示.
    #[schemars(length(max = 20000))]
    pub conclusion: String,
    /// Values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub observations: Vec<Observation>,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// The report itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
}

/// 审核: a second person signs, and the report goes back at once.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// 审核医师.
    pub auditor: Practitioner,
    /// Whether the report may go out. If not, it is written again.
    pub passed: bool,
    /// In words.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// 危急值: must be acknowledged, and escalates until it is.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Critical {
    /// What is critical.
    #[schemars(length(min = 1, max = 100))]
    pub items: Vec<Observation>,
    /// Who raises it.
    pub by: Option<Practitioner>,
    /// Who was told by telephone already.
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
    /// 号源.
    Outpatient,
    /// 床位.
    Bed,
    /// An expert's time.
    Expert,
    /// A device's time.
    Device,
    /// A consultation room's time.
    Room,
}

/// One offer of time, bed or expert.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Its number at the publishing organisation.
    #[schemars(length(min = 1, max = 64))]
    pub number: String,
    /// What it offers.
    pub kind: SlotKind,
    /// Start.
    pub start: Timestamp,
    /// End.
    pub end: Timestamp,
    /// Department.
    pub department: Option<Coded>,
    /// The expert or doctor.
    pub practitioner: Option<Practitioner>,
    /// How many cases may use it.
    #[schemars(range(min = 1, max = 1000))]
    pub places: u16,
}

/// Slots are offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotPublish {
    /// The offers. A number that was published before is replaced.
    #[schemars(length(min = 1, max = 500))]
    pub slots: Vec<Slot>,
}

/// Slots are taken back. Appointments already given stay.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotWithdraw {
    /// Their numbers.
    #[schemars(length(min = 1, max = 500))]
    pub numbers: Vec<String>,
    /// Why.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// Where is this case? The case is named in the envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StatusQuery {}

/// The answer to a query.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusReport {
    /// The state of the case, such as `accepted`.
    #[schemars(length(max = 40))]
    pub state: String,
    /// Who has it now.
    pub with: Option<OrganisationCode>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The appointment that stands.
    pub appointment: Option<Appointment>,
    /// The deadline that has passed, when that is why the report was written.
    #[schemars(length(max = 40))]
    pub overdue: Option<String>,
    /// How often this deadline was reported before, counting from one.
    pub escalation: Option<u32>,
    /// True when the broker's own clock was in doubt, so that the deadline may not have passed yet.
    pub clock_in_doubt: Option<bool>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptOutcome {
    /// The destination took responsibility.
    Delivered,
    /// The destination refused it; a person must act.
    Refused,
    /// The destination stayed silent for too long; a person must act.
    Silent,
    /// Our side could not write it in the destination's format; a person must act.
    Unsendable,
    /// An operator dropped it, or the case went on without it.
    Withdrawn,
}

/// How a message fared on its last hop, told to whoever sent it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The message that the receipt is about.
    pub of: Uuid,
    /// Its destination.
    pub destination: OrganisationCode,
    /// What became of it.
    pub outcome: ReceiptOutcome,
    /// The destination's own number for it, where it gave one.
    #[schemars(length(max = 200))]
    pub number: Option<String>,
    /// Why it was refused. Names fields, never values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub problems: Vec<Problem>,
    /// How many tries it took.
    #[serde(default)]
    pub attempts: u32,
    /// When the destination answered.
    pub at: Option<Timestamp>,
    /// The case, for a reader without the envelope.
    pub case_number: Option<CaseNumber>,
}
