//! Checks codes against the table that they name or that their field has; and telephone numbers.
//!
//! An unknown code is never guessed. In these fields it does no harm, because the text beside it
//! still tells the reader, so it is noted, and the hospital's profile should map it. Codes that
//! must be known for safety (reasons, documents) are checked with their fields.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::found::{C025_PHONE, C026_UNKNOWN_CODE, Checked, each};
use crate::codes::{self, TableId};
use crate::kind::Body;
use crate::message::Message;
use crate::person::Coded;

/// Fewest digits of a telephone number. Hospitals have short internal numbers.
const PHONE_DIGITS_MIN: usize = 3;

pub(super) fn check(message: &Message, value: &Value, found: &mut Checked) {
    each(value, &mut String::new(), &mut |path, value| {
        // The broker writes the context, from messages that were checked when they arrived.
        if path == "context" {
            return false;
        }
        if let Some(object) = value.as_object() {
            let text = |key| object.get(key).and_then(Value::as_str);
            if let Some((system, code)) = text("system").zip(text("code"))
                && let Some(table) = table_of(system)
                && codes::lookup(table, code).is_none()
            {
                unknown(table, path, found);
            }
        }
        let name = path.rsplit('.').next().unwrap_or_default();
        if name == "phone" && value.as_str().is_some_and(|phone| !is_phone(phone)) {
            let fix = "This does not look like a telephone number; it was kept. Nobody may be able to call.";
            found.note(C025_PHONE, path, fix);
        }
        true
    });
    for (path, table, coded) in fields_with_a_table(message) {
        if let (Some(code), None) = (&coded.code, &coded.system)
            && codes::lookup(table, code).is_none()
        {
            unknown(table, &path, found);
        }
    }
}

fn unknown(table: TableId, path: &str, found: &mut Checked) {
    let fix = format!(
        "The code is not in codes/{table}.csv; it was kept as it is. Map it in the profile, or write the words only."
    );
    found.note(C026_UNKNOWN_CODE, format!("{path}.code"), fix);
}

/// Fields whose code is from one table even if the sender names none.
fn fields_with_a_table(message: &Message) -> Vec<(String, TableId, &Coded)> {
    let mut fields: Vec<(String, TableId, &Coded)> = Vec::new();
    let mut add = |path: &str, table, coded| fields.push((path.to_owned(), table, coded));
    match &message.body {
        Body::ReferralSubmit(it) | Body::ReferralAmend(it) => {
            for (at, reason) in it.reasons.iter().enumerate() {
                add(&format!("body.reasons[{at}]"), TableId::ReasonUp, reason);
            }
            if let Some(purpose) = &it.purpose {
                add("body.purpose", TableId::ReferralPurpose, purpose);
            }
        }
        Body::TransferOffer(it) | Body::TransferAmend(it) => {
            for (at, reason) in it.reasons.iter().enumerate() {
                add(&format!("body.reasons[{at}]"), TableId::ReasonDown, reason);
            }
            if let Some(disposition) = &it.stay.disposition {
                add("body.stay.disposition", TableId::Disposition, disposition);
            }
            if let Some(outcome) = &it.stay.outcome {
                add("body.stay.outcome", TableId::Outcome, outcome);
            }
        }
        Body::TransferDischarge(it) => {
            if let Some(disposition) = &it.disposition {
                add("body.disposition", TableId::Disposition, disposition);
            }
        }
        Body::ConsultationRequest(it) | Body::ConsultationAmend(it) => {
            if let Some(kind) = &it.kind {
                add("body.kind", TableId::ConsultationType, kind);
            }
            if let Some(reading) = &it.reading {
                add("body.reading.exam", TableId::ReadingService, &reading.exam);
            }
        }
        _ => {}
    }
    if let Some(patient) = message.body.patient() {
        if let Some(ethnicity) = &patient.ethnicity {
            add("body.patient.ethnicity", TableId::Ethnicity, ethnicity);
        }
        if let Some(status) = &patient.marital_status {
            add("body.patient.marital_status", TableId::MaritalStatus, status);
        }
        for category in patient.insurance.iter().flat_map(|it| &it.category) {
            add("body.patient.insurance.category", TableId::InsuranceCategory, category);
        }
        for relation in patient.contact.iter().flat_map(|it| &it.relation) {
            add("body.patient.contact.relation", TableId::ContactRelation, relation);
        }
    }
    fields
}

/// Every name that messages use for our tables: key, object identifier, and standard with or
/// without its year.
static SYSTEMS: LazyLock<HashMap<String, Option<TableId>>> = LazyLock::new(|| {
    let mut systems: HashMap<String, Option<TableId>> = HashMap::new();
    for id in TableId::ALL {
        let table = codes::table(*id);
        let mut names = vec![id.key().to_owned()];
        names.extend(table.oid().map(str::to_owned));
        names.extend(standard_names(table.standard()));
        for name in names {
            // A name that two tables share, such as `WS 364`, finds neither.
            systems
                .entry(name)
                .and_modify(|held| {
                    if *held != Some(*id) {
                        *held = None;
                    }
                })
                .or_insert(Some(*id));
        }
    }
    systems
});

/// Splits standards: `GB/T 3304-1991` is also `GB/T 3304`; `WS 364.3-2011 CV02.01.101`
/// is also `CV02.01.101`.
fn standard_names(standard: &str) -> Vec<String> {
    if standard == "project default" {
        return Vec::new();
    }
    let mut names = vec![standard.to_owned()];
    if let Some((series, year)) = standard.rsplit_once('-')
        && year.len() == 4
        && year.bytes().all(|b| b.is_ascii_digit())
    {
        names.push(series.to_owned());
    }
    names.extend(standard.split(' ').find(|word| word.starts_with("CV")).map(str::to_owned));
    names
}

/// The table that `system` names, if it is one of ours.
fn table_of(system: &str) -> Option<TableId> {
    let system = system.trim().strip_prefix("urn:oid:").unwrap_or(system.trim());
    SYSTEMS.get(system).copied().flatten()
}

/// Whether it consists of digits and usual separators: `0571-8888 (转) 801`, `+86 139…`.
fn is_phone(phone: &str) -> bool {
    let digits = phone.chars().filter(|c| c.is_ascii_digit() || ('０'..='９').contains(c)).count();
    let rest = |c: char| "+-－—()（）/、，,;； .#*转分机ext".contains(c);
    let plain = phone
        .chars()
        .all(|c| c.is_ascii_digit() || ('０'..='９').contains(&c) || rest(c.to_ascii_lowercase()));
    plain && digits >= PHONE_DIGITS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_key_standard_and_object_identifier() {
        assert_eq!(table_of("ethnicity"), Some(TableId::Ethnicity));
        assert_eq!(table_of("GB/T 3304"), Some(TableId::Ethnicity));
        assert_eq!(table_of("GB/T 3304-1991"), Some(TableId::Ethnicity));
        assert_eq!(table_of("CV06.00.226"), Some(TableId::Disposition));
        assert_eq!(table_of("urn:oid:2.16.156.10011.2.3.3.3"), Some(TableId::Ethnicity));
        assert_eq!(table_of("project default"), None);
        assert_eq!(table_of("ICD-10-CN"), None);
    }

    #[test]
    fn telephone_numbers_are_known_as_people_write_them() {
        for right in
            ["13900000001", "+86 139-0000-0001", "0571-88880000转801", "120", "（0571）8888"]
        {
            assert!(is_phone(right), "{right}");
        }
        for wrong in ["", "12", "不详", "see file"] {
            assert!(!is_phone(wrong), "{wrong}");
        }
    }
}
