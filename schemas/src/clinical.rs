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
}

/// 过敏史 (DE02.10.022.00), one substance.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allergy {
    /// The substance.
    pub substance: Coded,
    /// Reaction or severity, as written.
    #[schemars(length(max = 400))]
    pub reaction: Option<String>,
}

/// One observed value: a vital sign or a laboratory result (DE04.30.015.00 and following).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What was observed.
    pub what: Coded,
    /// The value as sent: a number, a word, a paragraph.
    #[schemars(length(max = 20000))]
    pub value: Option<String>,
    /// Unit (DE04.30.016.00).
    #[schemars(length(max = 64))]
    pub unit: Option<String>,
    /// Reference range as sent.
    #[schemars(length(max = 128))]
    pub range: Option<String>,
    /// High, low or abnormal, as sent.
    #[schemars(length(max = 32))]
    pub flag: Option<String>,
    /// When it was observed.
    pub at: Option<Timestamp>,
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
    /// Incision, anaesthesia and the like, as written.
    #[schemars(length(max = 400))]
    pub note: Option<String>,
}

/// One medicine, as given or to go on with (延续处方).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Medication {
    /// The medicine (DE08.50.022.00).
    pub drug: Coded,
    /// Dose, such as `5 mg` (DE06.00.135.00).
    #[schemars(length(max = 100))]
    pub dose: Option<String>,
    /// How often, such as `每日一次` (DE06.00.133.00).
    #[schemars(length(max = 100))]
    pub frequency: Option<String>,
    /// By which route (DE06.00.134.00).
    #[schemars(length(max = 100))]
    pub route: Option<String>,
    /// For how many days.
    pub days: Option<u16>,
    /// Whether the receiving organisation stocks it, where the sender knows.
    pub stocked_below: Option<bool>,
    /// Anything else, as written.
    #[schemars(length(max = 400))]
    pub note: Option<String>,
}

/// The clinical part of a request: what the next doctor must know.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clinical {
    /// 主诉 (DE04.01.119.00).
    #[schemars(length(max = 1000))]
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
