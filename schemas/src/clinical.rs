//! Clinical content: diagnoses, observations, medicines, history, and attachments.
//!
//! Element ids such as `DE05.01.024.00` are those of WS/T 363. Most hospitals send free text and
//! few codes, so each field has room for the source's words and takes a code where one was sent.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::names::OrganisationCode;
use crate::person::Coded;

/// Largest attachment inside a message, in bytes before base64.
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
    /// ICD-10 code (national clinical edition) if known, and the doctor's own words.
    pub what: Coded,
    /// Whether it is the main diagnosis (主要诊断).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub main: bool,
    /// Date of the diagnosis.
    pub on: Option<Date>,
    /// How sure it is. Absent when the source does not say.
    pub certainty: Option<Certainty>,
    /// Whether the patient still has it. Absent when the source does not say.
    pub status: Option<ConditionStatus>,
    /// 病情程度, place, onset, end and further words of the doctor, as written.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

impl Diagnosis {
    /// What it says in one line, with how sure it is, for kinds that have no list of diagnoses.
    #[must_use]
    pub fn in_words(&self) -> String {
        let certainty = self.certainty.map(|certainty| match certainty {
            Certainty::Confirmed => "确诊",
            Certainty::Provisional => "疑似",
            Certainty::Differential => "鉴别诊断",
            Certainty::Unconfirmed => "未证实",
        });
        let status = self.status.map(|status| match status {
            ConditionStatus::Active => "现患",
            ConditionStatus::Recurrence => "复发",
            ConditionStatus::Relapse => "再发",
            ConditionStatus::Inactive => "静止",
            ConditionStatus::Remission => "缓解",
            ConditionStatus::Resolved => "痊愈",
        });
        let marks: Vec<&str> = [certainty, status].into_iter().flatten().collect();
        let marks = (!marks.is_empty()).then(|| format!("{}：", marks.join("、")));
        let name = self.what.text.as_deref().or(self.what.code.as_deref()).unwrap_or_default();
        let note = self.note.as_ref().map(|note| format!("（{note}）"));
        format!("{}{name}{}", marks.unwrap_or_default(), note.unwrap_or_default())
    }
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

/// An allergy to one substance (过敏史, DE02.10.022.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allergy {
    /// The substance that causes the allergy.
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

    /// As people read it.
    #[must_use]
    pub const fn in_chinese(self) -> &'static str {
        match self {
            Self::Final => "最终",
            Self::Pending => "待报",
            Self::NotObtained => "未得到",
            Self::Preliminary => "初步",
            Self::Amended => "修订",
            Self::Corrected => "更正",
        }
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

/// One observed value, such as a vital sign or a laboratory result
/// (DE04.30.015.00 to DE04.30.017.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What was observed or measured.
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

/// Flags of values that somebody must be called for at once: HL7 table 0078, which FHIR took over.
const CRITICAL_FLAGS: [&str; 3] = ["AA", "HH", "LL"];

impl Observation {
    /// Whether its flag, or that of one of its parts, says that the value is critical (危急值).
    #[must_use]
    pub fn is_critical(&self) -> bool {
        let parts = self.components.iter().map(|part| part.flag.as_deref());
        let mut flags = std::iter::once(self.flag.as_deref()).chain(parts).flatten();
        flags.any(|flag| CRITICAL_FLAGS.iter().any(|known| flag.trim().eq_ignore_ascii_case(known)))
    }

    /// What it says in one line, for kinds that have no list of values: `钾 <3.0 mmol/L [L]`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let name = self.what.text.as_deref().or(self.what.code.as_deref());
        let sign = self.comparator.map(Comparator::as_str).unwrap_or_default();
        let value = self.value.as_ref().map(|value| format!("{sign}{value}"));
        let status = (!self.status.is_final()).then(|| format!("（{}）", self.status.in_chinese()));
        let flag = self.flag.as_ref().map(|flag| format!("[{flag}]"));
        let mut words: Vec<String> = Vec::new();
        words.extend(name.map(str::to_owned));
        words.extend([value, self.unit.clone(), flag, status].into_iter().flatten());
        for part in &self.components {
            words.extend(part.what.text.clone().or_else(|| part.what.code.clone()));
            let sign = part.comparator.map(Comparator::as_str).unwrap_or_default();
            words.extend(part.value.as_ref().map(|value| format!("{sign}{value}")));
            words.extend(part.unit.clone());
        }
        let absent = self.absent_reason.as_ref().and_then(|why| why.text.clone());
        words.extend(absent);
        words.extend(self.note.clone());
        words.join(" ")
    }
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

/// An operation or procedure (手术/操作, DE06.00.093.00, ICD-9-CM-3).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// The procedure, with an ICD-9-CM-3 code if known.
    pub what: Coded,
    /// When it was carried out, by the source's clock.
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
    /// Name or code of the medicine (DE08.50.022.00).
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
    /// Number of days to take it.
    pub days: Option<u16>,
    /// Whether the receiving organisation has it in stock, if the sender knows.
    pub stocked_below: Option<bool>,
    /// Anything else, as written.
    #[schemars(length(max = 4000))]
    pub note: Option<String>,
}

impl Medication {
    /// What it says in one line, for kinds that have no list of medicines.
    #[must_use]
    pub fn in_words(&self) -> String {
        let status = match self.status {
            MedicationStatus::Active => None,
            MedicationStatus::Intended => Some("拟用"),
            MedicationStatus::OnHold => Some("暂停"),
            MedicationStatus::Stopped => Some("已停"),
            MedicationStatus::Completed => Some("已完成"),
        };
        let name = self.drug.text.clone().or_else(|| self.drug.code.clone());
        let parts = [
            Some("用药：".to_owned() + &name.unwrap_or_default()),
            status.map(|status| format!("（{status}）")),
            self.dose.clone(),
            self.frequency.clone(),
            self.route.clone(),
            self.days.map(|days| format!("{days}天")),
            self.note.clone(),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Clinical content of a request: what the next doctor needs to know.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clinical {
    /// 主诉 (DE04.01.119.00).
    #[schemars(length(max = 4000))]
    pub chief_complaint: Option<String>,
    /// Preliminary diagnoses (初步诊断, DE05.01.024.00, DE05.01.025.00).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub diagnoses: Vec<Diagnosis>,
    /// History of present illness (现病史, DE02.10.071.00).
    #[schemars(length(max = 20000))]
    pub present_illness: Option<String>,
    /// Past history (既往史, DE02.10.099.00).
    #[schemars(length(max = 20000))]
    pub past_history: Option<String>,
    /// Allergies (过敏史, DE02.10.022.00).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub allergies: Vec<Allergy>,
    /// History of infectious diseases (传染病史, DE02.10.008.00).
    #[schemars(length(max = 4000))]
    pub infectious_history: Option<String>,
    /// Physical examination (体格检查, DE04.10.258.00).
    #[schemars(length(max = 20000))]
    pub examination: Option<String>,
    /// Vital signs (生命体征) and laboratory results, as single values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub observations: Vec<Observation>,
    /// Results of investigations in words (辅助检查结果, DE04.30.009.00).
    #[schemars(length(max = 20000))]
    pub investigations: Option<String>,
    /// Course of treatment in words (诊疗过程描述, DE06.00.296.00).
    #[schemars(length(max = 20000))]
    pub treatment: Option<String>,
    /// Medicines that the patient takes now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub medications: Vec<Medication>,
    /// Operations and procedures (手术/操作, DE06.00.093.00).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub procedures: Vec<Procedure>,
    /// Precautions (注意事项, DE09.00.119.00).
    #[schemars(length(max = 4000))]
    pub precautions: Option<String>,
    /// Further remarks, one text each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub notes: Vec<String>,
}

/// Kind of document of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// Reference to DICOM images. The images themselves are never sent.
    Dicom,
    /// ECG recording (心电图).
    Ecg,
    /// Front page of the inpatient record (病案首页).
    FrontPage,
    /// Diagnosis certificate (诊断证明).
    Diagnosis,
    /// Laboratory report (检验报告).
    Laboratory,
    /// Examination report (检查报告).
    Examination,
    /// Shared document of WS/T 500 or WS/T 483.
    SharedDocument,
    /// Discharge summary (出院小结).
    DischargeSummary,
    /// Image or photograph.
    Image,
    /// Any other document.
    Other,
}

/// A document that belongs to the message: contained in it, or referred to.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Kind of document.
    pub kind: AttachmentKind,
    /// Title of the document.
    #[schemars(length(max = 200))]
    pub title: String,
    /// Media type, such as `application/pdf`.
    #[schemars(length(max = 100))]
    pub media_type: String,
    /// Content as base64, at most [`ATTACHMENT_INLINE_BYTES_MAX`] bytes before encoding.
    // Reference-counted, because a decision clones the message and this can be most of it.
    pub content: Option<Arc<String>>,
    /// Where to get the document: a URL, a DICOM Study UID or an object key.
    #[schemars(length(max = 1000))]
    pub reference: Option<String>,
    /// SHA-256 of the content, in hexadecimal.
    #[schemars(length(max = 64))]
    pub sha256: Option<String>,
    /// Size of the content, in bytes.
    pub size_bytes: Option<u64>,
    /// Code of the organisation that made the document.
    pub source: Option<OrganisationCode>,
    /// Unique number of the document at its source.
    #[schemars(length(max = 100))]
    pub number: Option<String>,
    /// Mark of mutual recognition (互认标识) as printed on the report.
    #[schemars(length(max = 32))]
    pub recognition: Option<String>,
}
