//! Organisations and doctors, as messages name them.

/// A doctor who does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// The number that the hospital uses for the person.
    pub code: &'static str,
    /// Name of the doctor.
    pub name: &'static str,
    /// Professional title (专业技术职务).
    pub title: &'static str,
}

impl Default for Doctor {
    fn default() -> Self {
        Self { code: "YS0001", name: "林知夏", title: "主治医师" }
    }
}

/// Who reads ECGs.
pub const READER: Doctor = Doctor { code: "XD2003", name: "陆一帆", title: "主治医师" };

/// Who audits what the reader wrote: never the same person.
pub const AUDITOR: Doctor = Doctor { code: "XD2001", name: "石青岚", title: "副主任医师" };

/// An organisation as a message names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Its code in the county.
    pub code: String,
    /// 名称; empty if the sender does not know it.
    pub name: String,
    /// The telephone of its referral desk; empty if the sender does not know it.
    pub phone: String,
    /// The doctor who signs its messages, if the sender knows one.
    pub doctor: Option<Doctor>,
}
