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

/// A diagnosis (诊断, code DE05.01.024.00, name DE05.01.025.00).
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
}

/// An allergy to one substance (过敏史, DE02.10.022.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allergy {
    /// The substance that causes the allergy.
    pub substance: Coded,
    /// Reaction or severity, as written.
    #[schemars(length(max = 400))]
    pub reaction: Option<String>,
}

/// One observed value, such as a vital sign or a laboratory result
/// (DE04.30.015.00 to DE04.30.017.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What was observed or measured.
    pub what: Coded,
    /// The value as sent: a number, a word or a text.
    #[schemars(length(max = 20000))]
    pub value: Option<String>,
    /// Unit of the value, as sent (DE04.30.016.00).
    #[schemars(length(max = 64))]
    pub unit: Option<String>,
    /// Reference range, as sent.
    #[schemars(length(max = 128))]
    pub range: Option<String>,
    /// Mark for high, low or abnormal, as sent.
    #[schemars(length(max = 32))]
    pub flag: Option<String>,
    /// When it was observed, by the source's clock.
    pub at: Option<Timestamp>,
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
    /// Incision, anaesthesia and other details, as written.
    #[schemars(length(max = 400))]
    pub note: Option<String>,
}

/// A medicine, given or to be continued (延续处方).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Medication {
    /// Name or code of the medicine (DE08.50.022.00).
    pub drug: Coded,
    /// Single dose with unit, such as `5 mg` (DE06.00.135.00).
    #[schemars(length(max = 100))]
    pub dose: Option<String>,
    /// Frequency, such as `每日一次` (DE06.00.133.00).
    #[schemars(length(max = 100))]
    pub frequency: Option<String>,
    /// Route of administration (用药途径, DE06.00.134.00).
    #[schemars(length(max = 100))]
    pub route: Option<String>,
    /// Number of days to take it.
    pub days: Option<u16>,
    /// Whether the receiving organisation has it in stock, if the sender knows.
    pub stocked_below: Option<bool>,
    /// Further remarks, as written.
    #[schemars(length(max = 400))]
    pub note: Option<String>,
}

/// Clinical content of a request: what the next doctor needs to know.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clinical {
    /// Chief complaint (主诉, DE04.01.119.00).
    #[schemars(length(max = 1000))]
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
