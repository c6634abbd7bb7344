//! What is known about the patient's illness, and the papers that travel with it.
//!
//! Element ids are those of WS/T 363. Free text is the rule in the field, codes the exception, so
//! each clinical field holds the source's words and adds codes where they were sent.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::names::OrganisationCode;
use crate::person::Coded;

/// Largest attachment that travels inside a message, in bytes before base64.
pub const ATTACHMENT_INLINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How sure a diagnosis or an allergy is (FHIR condition-ver-status, allergyintolerance-verification).
///
/// What was ruled out or entered in error is no diagnosis and no allergy: it is never carried as
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// 确诊 (`confirmed`).
    Confirmed,
    /// 疑似, a working diagnosis (`provisional`).
    Provisional,
    /// 鉴别诊断: one of several that are considered (`differential`).
    Differential,
    /// 未证实 (`unconfirmed`).
    Unconfirmed,
}

/// Whether the patient still has it (FHIR condition-clinical, allergyintolerance-clinical).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionStatus {
    /// 现患.
    Active,
    /// 复发, after it had been over.
    Recurrence,
    /// 复发, after it had become better.
    Relapse,
    /// Without signs at present.
    Inactive,
    /// 缓解.
    Remission,
    /// 痊愈.
    Resolved,
}

/// 诊断 (DE05.01.024.00 code, DE05.01.025.00 name).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// ICD-10 national clinical edition where coded, and the doctor's own words.
    pub what: Coded,
    /// The main diagnosis. Several others may follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub main: bool,
    /// When it was made.
    pub on: Option<Date>,
    /// How sure it is. Absent when the source does not say.
    pub certainty: Option<Certainty>,
    /// Whether the patient still has it. Absent when the source does not say.
    pub status: Option<ConditionStatus>,
    /// 病情程度, place, onset, end and further words of the doctor, as written.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// How bad a reaction was (FHIR reaction-event-severity, HL7 table 0128).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// 轻度 (`mild`; MI).
    Mild,
    /// 中度 (`moderate`; MO).
    Moderate,
    /// 重度 (`severe`; SV).
    Severe,
}

/// How dangerous the next exposure would be (FHIR allergy-intolerance-criticality).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Not life-threatening.
    Low,
    /// Life-threatening.
    High,
    /// Cannot be told.
    UnableToAssess,
}

/// 过敏史 (DE02.10.022.00), one substance.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allergy {
    /// The substance.
    pub substance: Coded,
    /// Reaction, as written.
    #[schemars(length(max = 4000))]
    pub reaction: Option<String>,
    /// How bad the reaction was.
    pub severity: Option<Severity>,
    /// How dangerous the next exposure would be.
    pub criticality: Option<Criticality>,
    /// How sure it is. Absent when the source does not say.
    pub certainty: Option<Certainty>,
    /// Whether it still holds. Absent when the source does not say.
    pub status: Option<ConditionStatus>,
    /// Further words, as written.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// How far a result can be relied on (HL7 table 0085, FHIR observation-status).
///
/// A result that was withdrawn has no status here, because it is never carried: `W`, `D`,
/// `entered-in-error` and a `cancelled` one with a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultStatus {
    /// Complete and verified (F, U; `final`). What every result is that says nothing else.
    #[default]
    Final,
    /// 待报: there is no value yet (I, O; `registered`).
    Pending,
    /// 未得到: there will be no value (X, N; `cancelled`).
    NotObtained,
    /// 初步: may still change (P, R, S; `preliminary`).
    Preliminary,
    /// Complete, and changed after it was final (A; `amended`).
    Amended,
    /// 更正: an earlier value was wrong (C; `corrected`).
    Corrected,
}

impl ResultStatus {
    /// Whether it is what a result without a word about it is.
    #[must_use]
    pub fn is_final(&self) -> bool {
        *self == Self::Final
    }

    /// Whether such a result can have a value at all.
    #[must_use]
    pub const fn has_value(self) -> bool {
        match self {
            Self::Final | Self::Preliminary | Self::Amended | Self::Corrected => true,
            Self::Pending | Self::NotObtained => false,
        }
    }
}

/// How the true value lies to the one that is stated (FHIR quantity-comparator, HL7 SN.1).
///
/// Whoever shows a value shows its comparator before it: `<` `0.04`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Comparator {
    /// Below it.
    #[serde(rename = "<")]
    Less,
    /// At most.
    #[serde(rename = "<=")]
    AtMost,
    /// At least.
    #[serde(rename = ">=")]
    AtLeast,
    /// Above it.
    #[serde(rename = ">")]
    Greater,
}

impl Comparator {
    /// Every comparator, the longer signs first, so that the first that fits is right.
    pub const ALL: [Self; 4] = [Self::AtMost, Self::AtLeast, Self::Less, Self::Greater];

    /// The sign as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        }
    }
}

/// One part of an observation that has several, such as the systolic one of a blood pressure.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// What was observed.
    pub what: Coded,
    /// The value as sent.
    #[schemars(length(max = 20000))]
    pub value: Option<String>,
    /// How the true value lies to `value`.
    pub comparator: Option<Comparator>,
    /// Unit.
    #[schemars(length(max = 64))]
    pub unit: Option<String>,
    /// Reference range as sent.
    #[schemars(length(max = 400))]
    pub range: Option<String>,
    /// High, low or abnormal, as sent.
    #[schemars(length(max = 100))]
    pub flag: Option<String>,
    /// Why there is no value.
    pub absent_reason: Option<Coded>,
}

/// One observed value: a vital sign or a laboratory result (DE04.30.015.00 and following).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What was observed.
    pub what: Coded,
    /// How far it can be relied on.
    #[serde(default, skip_serializing_if = "ResultStatus::is_final")]
    pub status: ResultStatus,
    /// The value as sent: a number, a word, a paragraph, a titre such as `1:128`.
    #[schemars(length(max = 20000))]
    pub value: Option<String>,
    /// How the true value lies to `value`, where it is not equal.
    pub comparator: Option<Comparator>,
    /// Unit (DE04.30.016.00).
    #[schemars(length(max = 64))]
    pub unit: Option<String>,
    /// Reference range as sent.
    #[schemars(length(max = 400))]
    pub range: Option<String>,
    /// High, low or abnormal, as sent.
    #[schemars(length(max = 100))]
    pub flag: Option<String>,
    /// Why there is no value (FHIR data-absent-reason, or words).
    pub absent_reason: Option<Coded>,
    /// When it was observed.
    pub at: Option<Timestamp>,
    /// The parts, where one name covers several values: 收缩压 and 舒张压 of a 血压.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub components: Vec<Component>,
    /// Method, specimen, place and further words, as written.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// How far an operation has come (FHIR event-status). One that was not done is never carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcedureStatus {
    /// 已完成. What every operation is that says nothing else.
    #[default]
    Completed,
    /// 拟行, or being prepared (`preparation`).
    Planned,
    /// 进行中 (`in-progress`).
    InProgress,
    /// 暂停 (`on-hold`).
    OnHold,
    /// 中止 (`stopped`).
    Stopped,
}

impl ProcedureStatus {
    /// Whether it is what an operation without a word about it is.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        *self == Self::Completed
    }
}

/// 手术/操作 (DE06.00.093.00, ICD-9-CM-3).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// What was done.
    pub what: Coded,
    /// When.
    pub at: Option<Timestamp>,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "ProcedureStatus::is_completed")]
    pub status: ProcedureStatus,
    /// Incision, anaesthesia and the like, as written.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// Whether the patient takes a medicine (FHIR medication-statement-status, medicationrequest-status).
/// One that was not taken, or entered in error, is never carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MedicationStatus {
    /// 在用. What every medicine is that says nothing else.
    #[default]
    Active,
    /// 拟用 (`intended`, `draft`).
    Intended,
    /// 暂停 (`on-hold`).
    OnHold,
    /// 停用, before the course was over (`stopped`).
    Stopped,
    /// 用毕 (`completed`).
    Completed,
}

impl MedicationStatus {
    /// Whether it is what a medicine without a word about it is.
    #[must_use]
    pub fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

/// One medicine, as given or to go on with (延续处方).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Medication {
    /// The medicine (DE08.50.022.00).
    pub drug: Coded,
    /// Whether the patient takes it.
    #[serde(default, skip_serializing_if = "MedicationStatus::is_active")]
    pub status: MedicationStatus,
    /// Dose, such as `5 mg` (DE06.00.135.00).
    #[schemars(length(max = 200))]
    pub dose: Option<String>,
    /// How often, such as `每日一次` (DE06.00.133.00).
    #[schemars(length(max = 200))]
    pub frequency: Option<String>,
    /// By which route (DE06.00.134.00).
    #[schemars(length(max = 200))]
    pub route: Option<String>,
    /// For how many days.
    pub days: Option<u16>,
    /// Whether the receiving organisation stocks it, where the sender knows.
    pub stocked_below: Option<bool>,
    /// Anything else, as written.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

/// The clinical part of a request: what the next doctor must know.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clinical {
    /// 主诉 (DE04.01.119.00).
    #[schemars(length(max = 4000))]
    pub chief_complaint: Option<String>,
    /// 初步诊断 (DE05.01.024.00, DE05.01.025.00).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub diagnoses: Vec<Diagnosis>,
    /// 现病史 (DE02.10.071.00).
    #[schemars(length(max = 20000))]
    pub present_illness: Option<String>,
    /// 既往史 (DE02.10.099.00).
    #[schemars(length(max = 20000))]
    pub past_history: Option<String>,
    /// 过敏史 (DE02.10.022.00).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub allergies: Vec<Allergy>,
    /// 传染病史 (DE02.10.008.00).
    #[schemars(length(max = 4000))]
    pub infectious_history: Option<String>,
    /// 体格检查 (DE04.10.258.00).
    #[schemars(length(max = 20000))]
    pub examination: Option<String>,
    /// 生命体征 and laboratory values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub observations: Vec<Observation>,
    /// 辅助检查结果 (DE04.30.009.00).
    #[schemars(length(max = 20000))]
    pub investigations: Option<String>,
    /// 诊疗过程描述 (DE06.00.296.00).
    #[schemars(length(max = 20000))]
    pub treatment: Option<String>,
    /// What the patient takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub medications: Vec<Medication>,
    /// 手术/操作 (DE06.00.093.00).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub procedures: Vec<Procedure>,
    /// 注意事项 (DE09.00.119.00).
    #[schemars(length(max = 4000))]
    pub precautions: Option<String>,
    /// Further remarks, one text each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub notes: Vec<String>,
}

/// What an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// Reference to DICOM images; they never travel themselves.
    Dicom,
    /// ECG recording.
    Ecg,
    /// 病案首页.
    FrontPage,
    /// 诊断证明.
    Diagnosis,
    /// 检验报告.
    Laboratory,
    /// 检查报告.
    Examination,
    /// Shared document of WS/T 500 or WS/T 483.
    SharedDocument,
    /// 出院小结.
    DischargeSummary,
    /// A picture.
    Image,
    /// Anything else.
    Other,
}

/// A paper that travels with the message, inside it or by reference.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// What it is.
    pub kind: AttachmentKind,
    /// Its title.
    #[schemars(length(max = 200))]
    pub title: String,
    /// Media type, such as `application/pdf`.
    #[schemars(length(max = 100))]
    pub media_type: String,
    /// Base64 of the content, up to [`ATTACHMENT_INLINE_BYTES_MAX`] before encoding.
    // Shared: a decision clones the message, and the content can be nearly all of it.
    pub content: Option<Arc<String>>,
    /// Where to fetch it: a URL, a Study UID, an object key.
    #[schemars(length(max = 1000))]
    pub reference: Option<String>,
    /// SHA-256 of the content, in hexadecimal.
    #[schemars(length(max = 64))]
    pub sha256: Option<String>,
    /// Size in bytes.
    pub size_bytes: Option<u64>,
    /// Who wrote it.
    pub source: Option<OrganisationCode>,
    /// The unique document number at its source.
    #[schemars(length(max = 100))]
    pub number: Option<String>,
    /// 互认 mark as printed on the report.
    #[schemars(length(max = 32))]
    pub recognition: Option<String>,
}
