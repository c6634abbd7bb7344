//! A code table as the program holds it.

use std::collections::HashMap;
use std::time::Duration;

/// Names every table once: the enum, the list of all, the key and the file must not drift apart.
macro_rules! tables {
    ($($(#[$doc:meta])* $id:ident = $key:literal,)+) => {
        /// A code table of this project.
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
    /// 性别, GB/T 2261.1-2003.
    Sex = "sex",
    /// 婚姻状况, GB/T 2261.2-2003.
    MaritalStatus = "marital_status",
    /// 民族, GB/T 3304-1991.
    Ethnicity = "ethnicity",
    /// 省级行政区划, GB/T 2260-2007.
    Province = "province",
    /// 身份证件类别, CV02.01.101.
    IdentityDocument = "identity_document",
    /// 医保人员证件类型; names the [`TableId::IdentityDocument`] row that it means.
    InsuranceDocument = "insurance_document",
    /// 家庭关系, GB/T 4761-2008.
    ContactRelation = "contact_relation",
    /// 医疗保险类别, CV02.01.204.
    InsuranceCategory = "insurance_category",
    /// 险种类型; names the [`TableId::InsuranceCategory`] row that it means.
    InsuranceKind = "insurance_kind",
    /// 患者类型, CV09.00.404.
    PatientType = "patient_type",
    /// 入院途径, CV09.00.403.
    AdmissionRoute = "admission_route",
    /// 离院方式, CV06.00.226.
    Disposition = "disposition",
    /// 病情转归, CV05.10.010.
    Outcome = "outcome",
    /// 诊疗科目, 卫医发〔1994〕第27号.
    Department = "department",
    /// 卫生机构类别, WS 218-2002.
    OrganisationCategory = "organisation_category",
    /// 医院等级.
    HospitalLevel = "hospital_level",
    /// 机构层级, from village to national.
    Tier = "tier",
    /// 紧急程度, with its deadlines.
    Urgency = "urgency",
    /// 转诊方向.
    ReferralDirection = "referral_direction",
    /// 转诊类型.
    ReferralKind = "referral_kind",
    /// 转诊目的.
    ReferralPurpose = "referral_purpose",
    /// 上转原因.
    ReasonUp = "reason_up",
    /// 下转原因.
    ReasonDown = "reason_down",
    /// 退回原因: the origin completes the request and submits it again.
    ReturnReason = "return_reason",
    /// 拒收原因.
    DeclineReason = "decline_reason",
    /// 改派原因.
    RedirectReason = "redirect_reason",
    /// 取消原因.
    CancelReason = "cancel_reason",
    /// 无上转单原因: why a transfer names no parent referral.
    NoReferralReason = "no_referral_reason",
    /// 会诊类型, with its deadlines.
    ConsultationType = "consultation_type",
    /// 远程诊断服务 of the reading centres, with its deadlines.
    ReadingService = "reading_service",
    /// 重新采集原因.
    RecollectReason = "recollect_reason",
    /// 危急值闭环状态, with its deadlines.
    CriticalValueStatus = "critical_value_status",
}

impl TableId {
    /// The table with this key, if there is one.
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

/// One code and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The code, exactly as it travels.
    pub code: String,
    /// The official Chinese name, or ours where the table is a project default.
    pub name: String,
    /// The English name; ours, for people who cannot read the Chinese one.
    pub name_en: String,
    /// Other names that hospitals print for the same thing.
    pub aliases: Vec<String>,
    pub(super) extra: Vec<(String, String)>,
}

impl Row {
    /// What the row holds in one of the table's own columns; `None` if it is empty there.
    #[must_use]
    pub fn column(&self, column: &str) -> Option<&str> {
        let (_, value) = self.extra.iter().find(|(name, _)| name == column)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// A column of minutes, as a duration; `None` if it is empty for this row.
    #[must_use]
    pub fn minutes(&self, column: &str) -> Option<Duration> {
        let minutes: u32 = self.column(column)?.parse().ok()?;
        Some(Duration::from_mins(minutes.into()))
    }

    /// Whether this code needs a sentence beside it, because alone it does not tell what to do.
    #[must_use]
    pub fn needs_text(&self) -> bool {
        self.column("needs_text") == Some("yes")
    }
}

/// One code table, complete and checked.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) id: TableId,
    pub(super) title: String,
    pub(super) standard: String,
    pub(super) oid: Option<String>,
    pub(super) confidence: String,
    pub(super) rows: Vec<Row>,
    pub(super) by_code: HashMap<String, usize>,
    /// `None` marks a name that several rows share.
    pub(super) by_name: HashMap<String, Option<usize>>,
}

impl Table {
    /// Which table this is.
    #[must_use]
    pub const fn id(&self) -> TableId {
        self.id
    }

    /// What the table lists, in Chinese and English.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The standard and table number that the codes come from, or `project default`.
    #[must_use]
    pub fn standard(&self) -> &str {
        &self.standard
    }

    /// The object identifier under which shared documents (WS/T 500, WS/T 483) name the table.
    #[must_use]
    pub fn oid(&self) -> Option<&str> {
        self.oid.as_deref()
    }

    /// How sure we are of the rows, in words.
    #[must_use]
    pub fn confidence(&self) -> &str {
        &self.confidence
    }

    /// Every row, in the order of the file, which is the order to show to people.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row with exactly this code.
    #[must_use]
    pub fn lookup(&self, code: &str) -> Option<&Row> {
        self.by_code.get(code).map(|at| &self.rows[*at])
    }

    /// The one row that goes by this name, be it official, English or an alias.
    ///
    /// Spaces, full-width forms and the case of Latin letters do not matter. A name that several
    /// rows share (`其他` occurs in many departments) finds none of them.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Row> {
        let at = self.by_name.get(&fold(name)).copied().flatten()?;
        Some(&self.rows[at])
    }
}

/// The form in which two names are compared: no spaces, ASCII instead of full-width, lower case.
pub(super) fn fold(name: &str) -> String {
    name.chars()
        .filter(|it| !it.is_whitespace())
        .map(|it| match it {
            // Full-width forms stand at a fixed distance from ASCII.
            '\u{FF01}'..='\u{FF5E}' => {
                char::from_u32(u32::from(it) - 0xFF01 + 0x21).unwrap_or(it).to_ascii_lowercase()
            }
            _ => it.to_ascii_lowercase(),
        })
        .collect()
}
