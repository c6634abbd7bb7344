//! Patients, practitioners and organisations as messages state them.
//!
//! Element ids such as `DE02.01.039.00` are those of WS/T 363, the national health data elements.
//! Nearly every field is optional, because hospitals send what they have.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::names::OrganisationCode;

/// A code, the code system, and the source's own text.
///
/// All three are kept: the code can be counted, and the text is what the doctor wrote.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coded {
    /// The code. Absent if the source sent only text.
    #[schemars(length(max = 64))]
    pub code: Option<String>,
    /// The code system, such as `ICD-10-CN` or `GB/T 3304`.
    #[schemars(length(max = 128))]
    pub system: Option<String>,
    /// The source's own text.
    #[schemars(length(max = 1000))]
    pub text: Option<String>,
    /// The same concept in further code systems (FHIR `CodeableConcept.coding`, CWE.4 to CWE.6).
    /// The national code, where there is one, is `code` above and not here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub translations: Vec<Translation>,
}

/// Most further codings of one concept.
pub const TRANSLATIONS_MAX: usize = 10;

/// One concept said in a further code system.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Translation {
    /// The code.
    #[schemars(length(min = 1, max = 64))]
    pub code: String,
    /// Which table the code is from, such as `http://snomed.info/sct`.
    #[schemars(length(max = 128))]
    pub system: Option<String>,
    /// What that table calls it.
    #[schemars(length(max = 1000))]
    pub text: Option<String>,
}

impl Coded {
    /// A code with its system.
    #[must_use]
    pub fn code(system: &str, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), system: Some(system.to_owned()), ..Self::default() }
    }

    /// A text without a code.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// The same code with the source's text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Whether code and text are both missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.code.is_none() && self.text.is_none()
    }
}

/// Sex (性别, GB/T 2261.1, DE02.01.040.00).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Unknown (未知的性别, GB/T 2261.1 code 0).
    Unknown,
    /// Male (男性, GB/T 2261.1 code 1).
    Male,
    /// Female (女性, GB/T 2261.1 code 2).
    Female,
    /// Not stated (未说明的性别, GB/T 2261.1 code 9).
    Unspecified,
}

/// Whether the patient is identified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Identified: name and at least one identifier are known.
    #[default]
    Known,
    /// An emergency patient who could not be identified yet (无名氏).
    Unknown,
    /// A newborn without documents of its own: the identity document is the mother's.
    Newborn,
}

/// An identity document (身份证件: number DE02.01.030.00, kind DE02.01.031.00).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityDocument {
    /// Kind of document, CV02.01.101. `01` is the resident identity card.
    #[schemars(length(min = 1, max = 8))]
    pub kind: String,
    /// Number as printed. For kind `01` it must be valid by GB 11643.
    #[schemars(length(min = 1, max = 40))]
    pub number: String,
    /// Whether it is the mother's document, for a newborn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_mother: bool,
}

/// Kind of number that an organisation uses for a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// Patient number of one system (患者标识号).
    PatientNumber,
    /// Outpatient number (门诊号, DE01.00.010.00).
    OutpatientNumber,
    /// Inpatient number (住院号, DE01.00.014.00).
    InpatientNumber,
    /// Medical record number (病案号, DE01.00.004.00).
    RecordNumber,
    /// Electronic health card (电子健康卡, OID 2.16.156.10011.1.19).
    HealthCard,
    /// Personal number in the medical insurance (医保个人编号).
    InsuranceNumber,
    /// Number in the region's master patient index (主索引).
    MasterIndex,
    /// Any other number; `label` has the source's own type.
    Other,
}

/// A number that an organisation or authority uses for the patient.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientIdentifier {
    /// Kind of number.
    pub kind: IdentifierKind,
    /// The number, as the organisation writes it.
    #[schemars(length(min = 1, max = 100))]
    pub value: String,
    /// The authority that assigned the number, as the source wrote it.
    #[schemars(length(max = 200))]
    pub assigner: Option<String>,
    /// The source's own type code, if `kind` is `other`.
    #[schemars(length(max = 64))]
    pub label: Option<String>,
}

/// What a name is used for (FHIR name-use, HL7 table 0200).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameUse {
    /// The legal name, where another one is the patient's `name` (`official`; L, R).
    Official,
    /// Used every day (`usual`; D).
    Usual,
    /// A former name, no longer used (曾用名; `old`).
    Former,
    /// Before marriage, or at birth (`maiden`; M, B).
    Maiden,
    /// What family and friends say (小名; `nickname`; N).
    Nickname,
    /// Another name that the patient goes by (别名; A).
    Alias,
    /// For a time, such as that of an unidentified patient (`temp`).
    Temporary,
    /// To protect the patient (`anonymous`; S).
    Anonymous,
    /// Anything else, or not said.
    Other,
}

/// A further name of the patient. Never the one that the patient is called by: that is `name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherName {
    /// The name as one text.
    #[schemars(length(min = 1, max = 200))]
    pub text: String,
    /// What it is used for.
    pub r#use: NameUse,
}

/// By which means somebody is reached (FHIR contact-point-system, HL7 table 0202).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TelecomSystem {
    /// Telephone, fixed or mobile (`phone`; PH, CP, SAT).
    Phone,
    /// Fax (`fax`; FX).
    Fax,
    /// E-mail (`email`; Internet, X.400).
    Email,
    /// Pager (`pager`; BP).
    Pager,
    /// Web address (`url`).
    Url,
    /// Text messages and no calls (`sms`).
    Sms,
    /// WeChat (微信) and anything else (`other`).
    Other,
}

/// What a number or address is used for (FHIR contact-point-use, HL7 table 0201).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TelecomUse {
    /// At home (`home`; PRN, ORN, VHN).
    Home,
    /// At work (`work`; WPN).
    Work,
    /// For a time (`temp`).
    Temporary,
    /// No longer in use (`old`, or a period that has ended).
    Former,
    /// Carried along (`mobile`; PRS, CP).
    Mobile,
}

/// A further number or address by which somebody can be reached.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telecom {
    /// By which means.
    pub system: TelecomSystem,
    /// The number or address as written.
    #[schemars(length(min = 1, max = 200))]
    pub value: String,
    /// What it is used for, where the source says so.
    pub r#use: Option<TelecomUse>,
}

/// What an address is used for (FHIR address-use, HL7 table 0190).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressUse {
    /// Where the patient lives at present (现住址; `home`; H, C).
    Home,
    /// Where the patient works (工作单位地址; `work`; B, O).
    Work,
    /// For a time (`temp`; C).
    Temporary,
    /// No longer used (`old`; BA).
    Former,
    /// Where the household is registered (户籍地址; L; FHIR has no code for it).
    Registered,
    /// Where the patient was born (出生地; N, BR).
    Birth,
    /// For bills or letters (`billing`; BI, M).
    Billing,
}

/// An address (地址): the text as written and, where known, the six levels of WS/T 363.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Address {
    /// The whole address in one text.
    #[schemars(length(max = 400))]
    pub text: Option<String>,
    /// Province (省, DE02.01.009.01).
    pub province: Option<String>,
    /// City or prefecture (市, DE02.01.009.02).
    pub city: Option<String>,
    /// County or district (县, DE02.01.009.03).
    pub county: Option<String>,
    /// Township or subdistrict (乡镇, DE02.01.009.04).
    pub township: Option<String>,
    /// Village, street or road (村、路, DE02.01.009.05).
    pub street: Option<String>,
    /// House number (门牌号, DE02.01.009.06).
    pub house: Option<String>,
    /// Postal code (邮政编码, DE02.01.047.00).
    pub postal_code: Option<String>,
    /// What it is used for, where the source says so.
    pub r#use: Option<AddressUse>,
}

/// The person to contact about the patient (联系人: name DE02.01.039.00, telephone DE02.01.010.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Contact {
    /// Name of the contact person.
    #[schemars(length(max = 100))]
    pub name: Option<String>,
    /// Relation to the patient (与患者关系, GB/T 4761).
    pub relation: Option<Coded>,
    /// Telephone number of the contact person.
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
    /// Further numbers, e-mail and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub telecoms: Vec<Telecom>,
    /// Address.
    pub address: Option<Address>,
}

/// Medical insurance of the patient (医疗保险, DE02.01.044.00).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Insurance {
    /// Insurance category (医疗保险类别, CV02.01.204).
    pub category: Option<Coded>,
    /// Insurance scheme (险种类型) of the national insurance platform.
    pub scheme: Option<Coded>,
    /// Personal number in the insurance (医保个人编号).
    #[schemars(length(max = 64))]
    pub number: Option<String>,
    /// Region where the patient is insured (参保地), GB/T 2260 code.
    #[schemars(length(max = 12))]
    pub region: Option<String>,
}

/// Contract with a family doctor (家庭医生签约).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FamilyDoctor {
    /// Code of the organisation that has the contract.
    pub organisation: Option<OrganisationCode>,
    /// Name of the family doctor team.
    #[schemars(length(max = 100))]
    pub team: Option<String>,
    /// The family doctor.
    pub doctor: Option<Practitioner>,
    /// Number of the contract (签约协议号).
    #[schemars(length(max = 64))]
    pub contract_number: Option<String>,
}

/// The patient of a case, as one organisation states it.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Patient {
    /// Whether the patient is identified.
    pub identity: Identity,
    /// The legal name, or else the one that is in use (姓名, DE02.01.039.00). `·` and characters
    /// beyond the BMP are normal.
    #[schemars(length(max = 100))]
    pub name: Option<String>,
    /// Former, maiden and other names (曾用名, 别名), each with its use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub other_names: Vec<OtherName>,
    /// The name in Latin letters, where the source sends one.
    #[schemars(length(max = 200))]
    pub name_latin: Option<String>,
    /// Sex (性别, DE02.01.040.00).
    pub sex: Option<Sex>,
    /// Date of birth (出生日期, DE02.01.005.01).
    pub birth_date: Option<Date>,
    /// Age as written (年龄, DE02.01.026.00 in years, DE02.01.032.00 in months).
    #[schemars(length(max = 32))]
    pub age_text: Option<String>,
    /// Identity document (身份证件, DE02.01.030.00).
    pub document: Option<IdentityDocument>,
    /// Other numbers of the patient, from any organisation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub identifiers: Vec<PatientIdentifier>,
    /// Whether the patient has died.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deceased: bool,
    /// Date of death (死亡日期), where it is known.
    pub deceased_on: Option<Date>,
    /// The patient's own telephone number, the one to call first (本人电话号码, DE02.01.010.00).
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
    /// Further numbers, e-mail and the like, the better ones first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub telecoms: Vec<Telecom>,
    /// Where the patient lives at present (现住址, DE02.01.009.00).
    pub address: Option<Address>,
    /// The registered address (户籍地址) and others, each with its use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub other_addresses: Vec<Address>,
    /// Ethnic group (民族, GB/T 3304, DE02.01.025.00).
    pub ethnicity: Option<Coded>,
    /// Marital status (婚姻状况, GB/T 2261.2, DE02.01.018.00).
    pub marital_status: Option<Coded>,
    /// Occupation (职业类别, GB/T 2261.4, DE02.01.052.00).
    pub occupation: Option<Coded>,
    /// Nationality (国籍, GB/T 2659, DE02.01.015.00).
    pub nationality: Option<Coded>,
    /// The person to contact.
    pub contact: Option<Contact>,
    /// Whom to call if the first cannot be reached, the better ones first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub other_contacts: Vec<Contact>,
    /// Who pays.
    pub insurance: Option<Insurance>,
    /// Family doctor contract.
    pub family_doctor: Option<FamilyDoctor>,
    /// Marks such as 孕产妇, 传染性 (DE05.10.119.00), 签约对象 or 两病, as text or code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub flags: Vec<Coded>,
}

/// A doctor, nurse or clerk.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Practitioner {
    /// Number that the organisation uses for the person, or the licence number.
    #[schemars(length(max = 64))]
    pub code: Option<String>,
    /// Name (姓名, DE02.01.039.00).
    #[schemars(length(max = 100))]
    pub name: Option<String>,
    /// Professional title (专业技术职务, DE08.30.031.00).
    #[schemars(length(max = 100))]
    pub title: Option<String>,
    /// Telephone number of the person.
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
}

/// One side of a case: an organisation, with department and practitioner.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Code of the organisation (医疗机构组织机构代码, DE08.10.052.00).
    pub organisation: OrganisationCode,
    /// Name of the organisation (医疗机构名称, DE08.10.013.00), as the source wrote it.
    #[schemars(length(max = 200))]
    pub name: Option<String>,
    /// Department (科室, DE08.10.026.00), with a code of 诊疗科目 if known.
    pub department: Option<Coded>,
    /// The responsible doctor.
    pub practitioner: Option<Practitioner>,
    /// Telephone number of the department or referral office.
    #[schemars(length(max = 64))]
    pub phone: Option<String>,
    /// Number of the visit or admission there (门诊号 DE01.00.010.00, 住院号 DE01.00.014.00).
    #[schemars(length(max = 64))]
    pub encounter: Option<String>,
}

impl Party {
    /// A party of which only the organisation is known.
    #[must_use]
    pub fn of(organisation: OrganisationCode) -> Self {
        Self {
            organisation,
            name: None,
            department: None,
            practitioner: None,
            phone: None,
            encounter: None,
        }
    }
}
