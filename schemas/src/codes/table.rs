//! A code table in memory.

use std::collections::HashMap;
use std::time::Duration;

/// Declares all tables in one place, so that enum, list, keys and files agree.
macro_rules! tables {
    ($($(#[$doc:meta])* $id:ident = $key:literal,)+) => {
        /// A code table of this project. The variants name the standard, if there is one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TableId { $($(#[$doc])* $id,)+ }

        impl TableId {
            /// Every table, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$id,)+];

            /// The stable name of the table, which is also its file name.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$id => $key,)+ }
            }

            /// The text of the table, as compiled in.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$id => include_str!(concat!("../../codes/", $key, ".csv")),)+
                }
            }
        }
    };
}

tables! {
    /// Sex (性别), GB/T 2261.1-2003.
    Sex = "sex",
    /// Marital status (婚姻状况), GB/T 2261.2-2003.
    MaritalStatus = "marital_status",
    /// Ethnicity (民族), GB/T 3304-1991.
    Ethnicity = "ethnicity",
    /// Province (省级行政区划), GB/T 2260-2007.
    Province = "province",
    /// Kind of identity document (身份证件类别), CV02.01.101.
    IdentityDocument = "identity_document",
    /// Kind of identity document in insurance systems (医保人员证件类型), mapped to
    /// [`TableId::IdentityDocument`].
    InsuranceDocument = "insurance_document",
    /// Family relation (家庭关系), GB/T 4761-2008.
    ContactRelation = "contact_relation",
    /// Insurance category (医疗保险类别), CV02.01.204.
    InsuranceCategory = "insurance_category",
    /// Insurance scheme (险种类型), mapped to [`TableId::InsuranceCategory`].
    InsuranceKind = "insurance_kind",
    /// Type of patient (患者类型), CV09.00.404.
    PatientType = "patient_type",
    /// Route of admission (入院途径), CV09.00.403.
    AdmissionRoute = "admission_route",
    /// How a patient left hospital (离院方式), CV06.00.226.
    Disposition = "disposition",
    /// Outcome of an illness (病情转归), CV05.10.010.
    Outcome = "outcome",
    /// Department (诊疗科目), 卫医发〔1994〕第27号.
    Department = "department",
    /// Category of an organisation (卫生机构类别), WS 218-2002.
    OrganisationCategory = "organisation_category",
    /// Level and class of a hospital (医院等级).
    HospitalLevel = "hospital_level",
    /// Tier of an organisation (机构层级), from village to national.
    Tier = "tier",
    /// Urgency (紧急程度), with deadlines.
    Urgency = "urgency",
    /// Direction of a referral (转诊方向).
    ReferralDirection = "referral_direction",
    /// Type of referral (转诊类型).
    ReferralKind = "referral_kind",
    /// Purpose of a referral (转诊目的).
    ReferralPurpose = "referral_purpose",
    /// Reason for a referral upwards (上转原因).
    ReasonUp = "reason_up",
    /// Reason for a transfer downwards (下转原因).
    ReasonDown = "reason_down",
    /// Reason for returning a request to its origin (退回原因).
    ReturnReason = "return_reason",
    /// Reason for declining (拒收原因).
    DeclineReason = "decline_reason",
    /// Reason for redirecting (改派原因).
    RedirectReason = "redirect_reason",
    /// Reason for cancelling (取消原因).
    CancelReason = "cancel_reason",
    /// Reason why a transfer has no parent referral (无上转单原因).
    NoReferralReason = "no_referral_reason",
    /// Type of consultation (会诊类型), with deadlines.
    ConsultationType = "consultation_type",
    /// Service of a reading centre (远程诊断服务), with deadlines.
    ReadingService = "reading_service",
    /// Reason for making a recording again (重新采集原因).
    RecollectReason = "recollect_reason",
    /// Status of a critical value (危急值闭环状态), with deadlines.
    CriticalValueStatus = "critical_value_status",
}

impl TableId {
    /// The table with this key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.key() == key)
    }
}

impl std::fmt::Display for TableId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key())
    }
}

/// One code and its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The code, exactly as it is sent.
    pub code: String,
    /// The official Chinese name; the project's own where the table has no standard.
    pub name: String,
    /// The English name, translated by this project.
    pub name_en: String,
    /// Other names that hospitals use for the same thing.
    pub aliases: Vec<String>,
    pub(super) extra: Vec<(String, String)>,
}

impl Row {
    /// The value in one of the table's own columns; `None` if it is empty.
    #[must_use]
    pub fn column(&self, column: &str) -> Option<&str> {
        let (_, value) = self.extra.iter().find(|(name, _)| name == column)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// The value of a column of minutes; `None` if it is empty.
    #[must_use]
    pub fn minutes(&self, column: &str) -> Option<Duration> {
        let minutes: u32 = self.column(column)?.parse().ok()?;
        Some(Duration::from_mins(minutes.into()))
    }

    /// Whether this code requires a text, because alone it does not say what to do.
    #[must_use]
    pub fn needs_text(&self) -> bool {
        self.column("needs_text") == Some("yes")
    }
}

/// A complete and checked code table.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) id: TableId,
    pub(super) title: String,
    pub(super) standard: String,
    pub(super) oid: Option<String>,
    pub(super) confidence: String,
    pub(super) rows: Vec<Row>,
    pub(super) by_code: HashMap<String, usize>,
    /// Row for each name; `None` if several rows share the name.
    pub(super) by_name: HashMap<String, Option<usize>>,
}

impl Table {
    /// The id of this table.
    #[must_use]
    pub const fn id(&self) -> TableId {
        self.id
    }

    /// Title in Chinese and English.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The standard and table number of the codes, or `project default`.
    #[must_use]
    pub fn standard(&self) -> &str {
        &self.standard
    }

    /// Object identifier of the table in shared documents (WS/T 500, WS/T 483).
    #[must_use]
    pub fn oid(&self) -> Option<&str> {
        self.oid.as_deref()
    }

    /// How certain the rows are, in words.
    #[must_use]
    pub fn confidence(&self) -> &str {
        &self.confidence
    }

    /// Every row, in the order of the file, which is the order for display.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row with exactly this code.
    #[must_use]
    pub fn lookup(&self, code: &str) -> Option<&Row> {
        self.by_code.get(code).map(|at| &self.rows[*at])
    }

    /// The only row with this name, which may be official, English or an alias.
    ///
    /// Ignores spaces, full-width forms and the case of Latin letters. A name that several rows
    /// share (`其他` occurs in many departments) finds none.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Row> {
        let at = self.by_name.get(&fold(name)).copied().flatten()?;
        Some(&self.rows[at])
    }
}

/// The form in which names are compared: no spaces, half-width, lower case.
pub(super) fn fold(name: &str) -> String {
    name.chars()
        .filter(|it| !it.is_whitespace())
        .map(|it| match it {
            // Full-width forms are at a fixed distance from ASCII.
            '\u{FF01}'..='\u{FF5E}' => {
                char::from_u32(u32::from(it) - 0xFF01 + 0x21).unwrap_or(it).to_ascii_lowercase()
            }
            _ => it.to_ascii_lowercase(),
        })
        .collect()
}
