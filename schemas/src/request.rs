//! The requests that open a case: referral, discharge-back transfer, consultation, reading.
//!
//! An amendment carries the whole request again, because that is what every format sends; the
//! broker keeps the old one in the case's history.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::answer::Appointment;
use crate::clinical::{Attachment, Clinical, Medication};
use crate::names::{CaseNumber, OrganisationCode};
use crate::person::{Coded, Party, Patient, Practitioner};

/// Which way a referral goes. A safety field: it follows from the tiers of the two organisations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// 上转: to a higher tier inside the county.
    Up,
    /// 平级/专科转诊: to the same tier.
    Lateral,
    /// 县外转诊: to an organisation outside the county, through the lead hospital.
    Out,
}

/// 转诊类型.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReferralKind {
    /// 门诊转诊.
    #[default]
    Outpatient,
    /// 住院转诊.
    Inpatient,
    /// 检查转诊.
    Exam,
    /// 急诊转诊, green channel.
    Emergency,
}

/// 知情同意: who agreed, and how.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Consent {
    /// Whether the patient or a representative was informed and agreed.
    pub given: bool,
    /// Who signed.
    #[schemars(length(max = 100))]
    pub signer: Option<String>,
    /// The signer's relation to the patient, GB/T 4761.
    pub relation: Option<Coded>,
    /// When.
    pub at: Option<Timestamp>,
    /// 紧急救治: treatment came before consent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emergency_exception: bool,
}

/// How the patient travels.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transport {
    /// 自行, 120, 院内车 and the like, as written.
    #[schemars(length(max = 100))]
    pub mode: Option<String>,
    /// Who goes along.
    pub escort: Option<Practitioner>,
    /// Expected arrival.
    pub expected_at: Option<Timestamp>,
    /// Oxygen, monitor and other needs.
    #[schemars(length(max = 4000))]
    pub needs: Option<String>,
}

/// County rules that the request touches.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `50+N` or `100+N` when the diagnosis is on one of the county's lists.
    #[schemars(length(max = 32))]
    pub disease_list: Option<String>,
    /// Why it is referred all the same.
    #[schemars(length(max = 4000))]
    pub override_reason: Option<String>,
    /// 异地就医备案 number of the insurance platform.
    #[schemars(length(max = 64))]
    pub insurance_filing: Option<String>,
}

/// 双向转诊（转出）单: the referral of a patient to another organisation.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferralRequest {
    /// Which way. Absent only where the tiers of the organisations are unknown.
    pub direction: Option<Direction>,
    /// 门诊, 住院, 检查, 急诊.
    #[serde(default)]
    pub kind: ReferralKind,
    /// 转诊目的.
    pub purpose: Option<Coded>,
    /// 转诊原因, from `codes/reason_up.csv` where coded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub reasons: Vec<Coded>,
    /// 转诊原因 in words (DE06.00.177.00).
    #[schemars(length(max = 4000))]
    pub reason_text: Option<String>,
    /// Who refers.
    pub from: Party,
    /// Who is asked to take the patient.
    pub to: Party,
    /// Who the case is about.
    pub patient: Patient,
    /// What is known.
    #[serde(default)]
    pub clinical: Clinical,
    /// Papers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// The slot, bed or examination that the sender would like.
    pub wanted: Option<Appointment>,
    /// Consent.
    pub consent: Option<Consent>,
    /// Transport.
    pub transport: Option<Transport>,
    /// County rules.
    pub policy: Option<Policy>,
    /// Until when the request stands.
    pub valid_until: Option<Timestamp>,
}

/// One planned follow-up.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlannedFollowUp {
    /// The day.
    pub on: Option<Date>,
    /// What to do.
    #[schemars(length(max = 1000))]
    pub what: String,
    /// Who does it.
    #[schemars(length(max = 200))]
    pub by: Option<String>,
}

/// What the organisation below shall go on with.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CarePlan {
    /// 下一步治疗方案.
    #[schemars(length(max = 20000))]
    pub treatment: Option<String>,
    /// 延续处方.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub medications: Vec<Medication>,
    /// 康复建议.
    #[schemars(length(max = 20000))]
    pub rehabilitation: Option<String>,
    /// What to measure and which values to reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub targets: Vec<String>,
    /// When to send the patient up again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub red_flags: Vec<String>,
    /// 随访计划.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub follow_ups: Vec<PlannedFollowUp>,
}

/// The stay that ends with a transfer (出院小结, WS/T 500 C0053).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stay {
    /// 入院日期时间 (DE06.00.092.00).
    pub admitted_at: Option<Timestamp>,
    /// 出院日期时间 (DE06.00.017.00).
    pub discharged_at: Option<Timestamp>,
    /// 离院方式, CV06.00.226 (DE06.00.223.00).
    pub disposition: Option<Coded>,
    /// 入院情况 (DE05.10.148.00).
    #[schemars(length(max = 20000))]
    pub on_admission: Option<String>,
    /// 出院情况 (DE06.00.193.00).
    #[schemars(length(max = 20000))]
    pub on_discharge: Option<String>,
    /// 治疗结果, CV05.10.010 (DE05.10.113.00).
    pub outcome: Option<Coded>,
    /// 出院医嘱 (DE06.00.287.00).
    #[schemars(length(max = 20000))]
    pub orders: Option<String>,
}

/// How the doctor above stays with the patient (原经治医生跟踪).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tracking {
    /// 原经治医生.
    pub doctor: Option<Practitioner>,
    /// 现场, 电话 or 视频, as written.
    #[schemars(length(max = 100))]
    pub mode: Option<String>,
    /// When the doctor can be reached.
    #[schemars(length(max = 200))]
    pub hours: Option<String>,
}

/// 双向转诊（回转）单: handing a patient back down.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferOffer {
    /// The referral that brought the patient up: our number or one of the hospitals'.
    #[schemars(length(max = 100))]
    pub parent_referral: Option<String>,
    /// Why there is no such referral, from `codes/no_referral_reason.csv`.
    pub no_referral_reason: Option<Coded>,
    /// 下转原因, from `codes/reason_down.csv` where coded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub reasons: Vec<Coded>,
    /// The same in words.
    #[schemars(length(max = 4000))]
    pub reason_text: Option<String>,
    /// Who hands back.
    pub from: Party,
    /// Who is asked to take over.
    pub to: Party,
    /// Who the case is about.
    pub patient: Patient,
    /// Diagnoses at discharge, results, course of treatment.
    #[serde(default)]
    pub clinical: Clinical,
    /// The stay that ends.
    #[serde(default)]
    pub stay: Stay,
    /// What to go on with.
    #[serde(default)]
    pub plan: CarePlan,
    /// Who above stays attached.
    #[serde(default)]
    pub tracking: Tracking,
    /// Papers, the discharge summary first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// Consent.
    pub consent: Option<Consent>,
}

/// How a consultation is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsultationForm {
    /// 交互: people meet in a session at a time.
    #[default]
    Interactive,
    /// 离线: an opinion in writing, without a session.
    Offline,
    /// A recording is read by a reading centre (远程心电、影像、检验、病理诊断).
    Reading,
}

/// What a reading centre reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// 心电.
    Ecg,
    /// 影像.
    Imaging,
    /// 检验.
    Laboratory,
    /// 病理.
    Pathology,
}

/// 诊断申请: the part of a consultation that only a reading has.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadingOrder {
    /// Which centre.
    pub modality: Modality,
    /// 检查项目, from `codes/reading_service.csv` where it sets a deadline.
    pub exam: Coded,
    /// 电子申请单编号 (DE01.00.008.00).
    #[schemars(length(max = 64))]
    pub order_number: Option<String>,
    /// When the recording was made.
    pub acquired_at: Option<Timestamp>,
    /// When it was uploaded: the reading's deadlines start here.
    pub uploaded_at: Option<Timestamp>,
    /// Device, as written.
    #[schemars(length(max = 200))]
    pub device: Option<String>,
}

/// An expert who is asked for.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expert {
    /// The expert's organisation.
    pub organisation: OrganisationCode,
    /// The department.
    pub department: Option<Coded>,
    /// The person. Its code makes the expert bookable: one expert, one time.
    pub practitioner: Practitioner,
}

/// 会诊申请 (WS/T 500 C0045), or an order for a reading.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsultationRequest {
    /// How it is held.
    #[serde(default)]
    pub form: ConsultationForm,
    /// 会诊类型 (DE06.00.319.00), from `codes/consultation_type.csv`.
    pub kind: Option<Coded>,
    /// 会诊目的 (DE06.00.214.00).
    #[schemars(length(max = 4000))]
    pub purpose: Option<String>,
    /// 会诊原因 (DE06.00.039.00).
    #[schemars(length(max = 4000))]
    pub reason: Option<String>,
    /// Who asks.
    pub from: Party,
    /// Who is asked: the consultation centre, hospital or reading centre.
    pub to: Party,
    /// Experts who are asked for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub experts: Vec<Expert>,
    /// 陪同执业医师 on the asking side.
    pub accompanying: Option<Practitioner>,
    /// Who the case is about.
    pub patient: Patient,
    /// 病历摘要 (DE06.00.182.00) in words.
    #[schemars(length(max = 20000))]
    pub summary: Option<String>,
    /// The same in fields.
    #[serde(default)]
    pub clinical: Clinical,
    /// Times that would suit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub wanted: Vec<Appointment>,
    /// What shall be read, for a reading.
    pub reading: Option<ReadingOrder>,
    /// Papers and recordings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub attachments: Vec<Attachment>,
    /// Consent.
    pub consent: Option<Consent>,
    /// The case that this consultation belongs to.
    pub parent: Option<CaseNumber>,
}
