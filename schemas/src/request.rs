//! Requests that open a case: referral, discharge-back transfer, consultation, reading.
//!
//! An amendment contains the whole request again, because that is what every format sends. The
//! broker keeps the earlier one in the history of the case.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::answer::Appointment;
use crate::clinical::{Attachment, Clinical, Medication};
use crate::names::{CaseNumber, OrganisationCode};
use crate::person::{Coded, Party, Patient, Practitioner};

/// Direction of a referral. A safety field; it must agree with the tiers of the two organisations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To a higher tier inside the county (上转).
    Up,
    /// To the same tier (平级/专科转诊).
    Lateral,
    /// To an organisation outside the county, reviewed by the lead hospital (县外转诊).
    Out,
}

/// Type of referral (转诊类型).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReferralKind {
    /// To an outpatient department (门诊转诊).
    #[default]
    Outpatient,
    /// For inpatient treatment (住院转诊).
    Inpatient,
    /// For an examination (检查转诊).
    Exam,
    /// Emergency referral over the green channel (急诊转诊).
    Emergency,
}

/// Informed consent (知情同意).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Consent {
    /// Whether the patient or a representative was informed and agreed.
    pub given: bool,
    /// Name of the person who signed.
    #[schemars(length(max = 100))]
    pub signer: Option<String>,
    /// The signer's relation to the patient (GB/T 4761).
    pub relation: Option<Coded>,
    /// When consent was given, by the source's clock.
    pub at: Option<Timestamp>,
    /// Whether emergency treatment came before consent (紧急救治).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emergency_exception: bool,
}

/// How the patient is transported.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// Means of transport as written: 自行, 120, 院内车 and others.
    #[schemars(length(max = 100))]
    pub mode: Option<String>,
    /// The person who accompanies the patient.
    pub escort: Option<Practitioner>,
    /// When the patient is expected to arrive.
    pub expected_at: Option<Timestamp>,
    /// Oxygen, monitor and other needs.
    #[schemars(length(max = 4000))]
    pub needs: Option<String>,
}

/// Rules of the county that concern the request.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `50+N` or `100+N`, if the diagnosis is on that list of diseases to be treated in the county.
    #[schemars(length(max = 32))]
    pub disease_list: Option<String>,
    /// Why it is referred all the same.
    #[schemars(length(max = 4000))]
    pub override_reason: Option<String>,
    /// Number of the filing for treatment elsewhere (异地就医备案) at the insurance platform.
    #[schemars(length(max = 64))]
    pub insurance_filing: Option<String>,
}

/// Referral of a patient to another organisation (双向转诊（转出）单).
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferralRequest {
    /// Direction of the referral. May be left out; the broker derives it from the tiers.
    pub direction: Option<Direction>,
    /// Type of referral (转诊类型).
    #[serde(default)]
    pub kind: ReferralKind,
    /// Purpose of the referral (转诊目的).
    pub purpose: Option<Coded>,
    /// Reasons for the referral (转诊原因), with codes of `codes/reason_up.csv` if known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub reasons: Vec<Coded>,
    /// Reasons in words (转诊原因, DE06.00.177.00).
    #[schemars(length(max = 4000))]
    pub reason_text: Option<String>,
    /// The referring side (转出方).
    pub from: Party,
    /// The side that is asked to take the patient (转入方).
    pub to: Party,
    /// The patient that the request is about.
    pub patient: Patient,
    /// Clinical content of the request.
    #[serde(default)]
    pub clinical: Clinical,
    /// Documents that belong to the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// The slot, bed or examination that the sender would like.
    pub wanted: Option<Appointment>,
    /// Informed consent of the patient (知情同意).
    pub consent: Option<Consent>,
    /// How the patient is transported.
    pub transport: Option<Transport>,
    /// Rules of the county that concern the request.
    pub policy: Option<Policy>,
    /// Until when the request is valid; without an acceptance by then it expires.
    pub valid_until: Option<Timestamp>,
}

/// A planned follow-up.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlannedFollowUp {
    /// Date on which it is planned.
    pub on: Option<Date>,
    /// What to do.
    #[schemars(length(max = 1000))]
    pub what: String,
    /// Who does it, as written.
    #[schemars(length(max = 200))]
    pub by: Option<String>,
}

/// What the receiving organisation continues after a transfer.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CarePlan {
    /// Further treatment plan (下一步治疗方案).
    #[schemars(length(max = 20000))]
    pub treatment: Option<String>,
    /// Medicines to continue (延续处方).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub medications: Vec<Medication>,
    /// Rehabilitation advice (康复建议).
    #[schemars(length(max = 20000))]
    pub rehabilitation: Option<String>,
    /// Values to monitor and their targets, one text each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub targets: Vec<String>,
    /// Signs on which the patient must be referred upwards again (再转指征), one text each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub red_flags: Vec<String>,
    /// Planned follow-ups (随访计划).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub follow_ups: Vec<PlannedFollowUp>,
}

/// The inpatient stay before a transfer (出院小结, WS/T 500 C0053).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stay {
    /// Date and time of admission (入院日期时间, DE06.00.092.00).
    pub admitted_at: Option<Timestamp>,
    /// Date and time of discharge (出院日期时间, DE06.00.017.00).
    pub discharged_at: Option<Timestamp>,
    /// How the patient left hospital (离院方式, CV06.00.226, DE06.00.223.00).
    pub disposition: Option<Coded>,
    /// Condition on admission (入院情况, DE05.10.148.00).
    #[schemars(length(max = 20000))]
    pub on_admission: Option<String>,
    /// Condition on discharge (出院情况, DE06.00.193.00).
    #[schemars(length(max = 20000))]
    pub on_discharge: Option<String>,
    /// Outcome of treatment (治疗结果, CV05.10.010, DE05.10.113.00).
    pub outcome: Option<Coded>,
    /// Orders on discharge (出院医嘱, DE06.00.287.00).
    #[schemars(length(max = 20000))]
    pub orders: Option<String>,
}

/// How the doctor who treated the patient at the upper level follows the patient (原经治医生跟踪).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tracking {
    /// The tracking doctor (原经治医生).
    pub doctor: Option<Practitioner>,
    /// How the doctor follows the patient, as written: 现场, 电话 or 视频.
    #[schemars(length(max = 100))]
    pub mode: Option<String>,
    /// When the doctor can be reached, as written.
    #[schemars(length(max = 200))]
    pub hours: Option<String>,
}

/// Offer to hand a patient back to a lower-level organisation (双向转诊（回转）单).
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferOffer {
    /// Number of the referral that brought the patient up: the broker's case number, or
    /// a hospital's own.
    #[schemars(length(max = 100))]
    pub parent_referral: Option<String>,
    /// Why there is no such referral, from `codes/no_referral_reason.csv`.
    pub no_referral_reason: Option<Coded>,
    /// Reasons for the transfer (下转原因), with codes of `codes/reason_down.csv` if known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub reasons: Vec<Coded>,
    /// Reasons in words.
    #[schemars(length(max = 4000))]
    pub reason_text: Option<String>,
    /// The side that hands the patient back (转出方).
    pub from: Party,
    /// The side that is asked to take over (转入方).
    pub to: Party,
    /// The patient that the request is about.
    pub patient: Patient,
    /// Diagnoses at discharge, results and course of treatment.
    #[serde(default)]
    pub clinical: Clinical,
    /// The inpatient stay that ends.
    #[serde(default)]
    pub stay: Stay,
    /// What the receiving organisation continues.
    #[serde(default)]
    pub plan: CarePlan,
    /// The doctor at the upper level who follows the patient.
    #[serde(default)]
    pub tracking: Tracking,
    /// Attached documents, the discharge summary first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// Informed consent of the patient (知情同意).
    pub consent: Option<Consent>,
}

/// Form of a consultation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsultationForm {
    /// A live session at an appointed time (交互式).
    #[default]
    Interactive,
    /// A written opinion without a session (离线式).
    Offline,
    /// A recording is read by a reading centre (远程心电、影像、检验、病理诊断).
    Reading,
}

/// What a reading centre reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Electrocardiogram and other recordings of the ECG centre (心电).
    Ecg,
    /// Images such as X-ray, CT, MR and ultrasound (影像).
    Imaging,
    /// Laboratory findings (检验).
    Laboratory,
    /// Pathological slides and sections (病理).
    Pathology,
}

/// Order for a reading (诊断申请): the part that only readings have.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadingOrder {
    /// What is to be read; selects the reading centre's service.
    pub modality: Modality,
    /// The examination (检查项目), with a code of `codes/reading_service.csv`, which
    /// sets the deadlines.
    pub exam: Coded,
    /// Number of the electronic order (电子申请单编号, DE01.00.008.00).
    #[schemars(length(max = 64))]
    pub order_number: Option<String>,
    /// When the recording was made, by the source's clock.
    pub acquired_at: Option<Timestamp>,
    /// When the recording was uploaded. The deadlines of the reading count from here.
    pub uploaded_at: Option<Timestamp>,
    /// Device that made the recording, as written.
    #[schemars(length(max = 200))]
    pub device: Option<String>,
}

/// An expert who is asked to take part.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expert {
    /// Code of the expert's organisation.
    pub organisation: OrganisationCode,
    /// Department (科室) of the expert.
    pub department: Option<Coded>,
    /// The expert. A practitioner code is needed for a booking.
    pub practitioner: Practitioner,
}

/// Request for a consultation (会诊申请, WS/T 500 C0045) or a reading.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsultationRequest {
    /// Form of the consultation.
    #[serde(default)]
    pub form: ConsultationForm,
    /// Type of consultation (会诊类型, DE06.00.319.00), from `codes/consultation_type.csv`.
    pub kind: Option<Coded>,
    /// Purpose of the consultation (会诊目的, DE06.00.214.00).
    #[schemars(length(max = 4000))]
    pub purpose: Option<String>,
    /// Reason for the consultation (会诊原因, DE06.00.039.00).
    #[schemars(length(max = 4000))]
    pub reason: Option<String>,
    /// The side that asks (申请方).
    pub from: Party,
    /// The side that is asked: consultation centre, hospital or reading centre (受邀方).
    pub to: Party,
    /// Experts who are asked for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub experts: Vec<Expert>,
    /// The doctor who accompanies the patient on the asking side (陪同执业医师).
    pub accompanying: Option<Practitioner>,
    /// The patient that the request is about.
    pub patient: Patient,
    /// Summary of the medical record in words (病历摘要, DE06.00.182.00).
    #[schemars(length(max = 20000))]
    pub summary: Option<String>,
    /// Clinical content as single fields.
    #[serde(default)]
    pub clinical: Clinical,
    /// Times that would suit the asking side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub wanted: Vec<Appointment>,
    /// The order, if it is a reading.
    pub reading: Option<ReadingOrder>,
    /// Attached documents and recordings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// Informed consent of the patient (知情同意).
    pub consent: Option<Consent>,
    /// Number of the case that this consultation follows from.
    pub parent: Option<CaseNumber>,
}
