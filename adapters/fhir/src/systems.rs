//! The URIs of this crate, and the conversion of code system names to URIs and back.
//!
//! FHIR wants a URI where the canonical schema has a short name (`GB/T 3304`). Systems with a
//! registered OID use it; every other name that is no URI yet is wrapped, so that it comes back
//! as it was.

/// `MessageHeader.eventCoding.system`; the code is the canonical kind.
pub const EVENT: &str = "urn:tierlink:event";
/// URI of case numbers.
pub const CASE_NUMBER: &str = "urn:tierlink:case-number";
/// URI of case ids.
pub const CASE_ID: &str = "urn:tierlink:case-id";
/// Prefix of the code of an organisation, for numbers that the organisation assigns.
pub const ORGANISATION: &str = "urn:tierlink:organisation:";
/// Prefix of the name of each of our extensions.
pub const EXTENSION: &str = "urn:tierlink:extension:";
/// URI of our error codes.
pub const ERROR: &str = "urn:tierlink:error";
/// URI of the family of a case, in `ServiceRequest.category`.
pub const FAMILY: &str = "urn:tierlink:family";
/// URI of codes for texts that have no national data element.
pub const TEXT: &str = "urn:tierlink:text";
/// URI of kinds of patient numbers.
pub const IDENTIFIER_KIND: &str = "urn:tierlink:identifier-kind";
/// URI of kinds of attachments.
pub const ATTACHMENT_KIND: &str = "urn:tierlink:attachment-kind";
/// URI of kinds of slots.
pub const SLOT_KIND: &str = "urn:tierlink:slot-kind";
/// URI of reason codes, from the tables in `schemas/codes`.
pub const REASON: &str = "urn:tierlink:reason";
/// URI of kinds of identity documents, CV02.01.101.
pub const IDENTITY_DOCUMENT: &str = "urn:tierlink:codes:CV02.01.101";
/// OID of resident identity numbers (公民身份号码).
pub const IDENTITY_NUMBER: &str = "urn:oid:2.16.156.10011.1.3";
/// OID of the national data elements (卫生信息数据元目录, WS/T 363).
pub const DATA_ELEMENT: &str = "urn:oid:2.16.156.10011.2.2.1";
/// OID of electronic health cards (电子健康卡).
pub const HEALTH_CARD: &str = "urn:oid:2.16.156.10011.1.19";
/// OID of outpatient numbers (门诊号).
pub const OUTPATIENT: &str = "urn:oid:2.16.156.10011.1.11";
/// OID of inpatient numbers (住院号).
pub const INPATIENT: &str = "urn:oid:2.16.156.10011.1.12";
/// OID of medical record numbers (病案号).
pub const RECORD: &str = "urn:oid:2.16.156.10011.1.13";

/// The canonical name of our table of departments.
pub const DEPARTMENT: &str = "department";

/// How the names of national code systems begin. 2.16.156 is the arc of China.
const NATIONAL: [&str; 9] = [
    "urn:oid:2.16.156.",
    "2.16.156.",
    "ICD-10-CN",
    "ICD-9-CM-3-CN",
    "GB/T ",
    "GB ",
    "WS/T ",
    "WS ",
    "CV",
];

/// Before a code system's name that is no URI.
const WRAPPED: &str = "urn:tierlink:codes:";

/// Names that have an OID. One name per OID, so that the way back is certain.
const REGISTERED: [(&str, &str); 6] = [
    ("GB/T 2261.1", "urn:oid:2.16.156.10011.2.3.3.4"),
    ("GB/T 2261.2", "urn:oid:2.16.156.10011.2.3.3.5"),
    ("GB/T 3304", "urn:oid:2.16.156.10011.2.3.3.3"),
    ("GB/T 4761", "urn:oid:2.16.156.10011.2.3.3.8"),
    ("CV06.00.226", "urn:oid:2.16.156.10011.2.3.1.265"),
    ("CV05.10.010", "urn:oid:2.16.156.10011.2.3.1.148"),
];

/// The URI of a code system that goes by `name`.
pub fn uri(name: &str) -> String {
    if let Some((_, uri)) = REGISTERED.iter().find(|(known, _)| *known == name) {
        return (*uri).to_owned();
    }
    let is_uri = name.contains(':') && !name.starts_with(WRAPPED) && is_plain(name);
    let registered = REGISTERED.iter().any(|(_, uri)| *uri == name);
    if is_uri && !registered {
        return name.to_owned();
    }
    format!("{WRAPPED}{}", escaped(name))
}

/// The name of the code system that has this URI.
pub fn name(uri: &str) -> String {
    if let Some((name, _)) = REGISTERED.iter().find(|(_, known)| *known == uri) {
        return (*name).to_owned();
    }
    uri.strip_prefix(WRAPPED).and_then(unescaped).unwrap_or_else(|| uri.to_owned())
}

/// Whether a code system is one that hospitals here count by: those of the national register of
/// OIDs, and our tables of the national editions.
pub fn is_national(uri: &str) -> bool {
    let name = name(uri.trim());
    NATIONAL.iter().any(|start| name.starts_with(start))
}

/// Whether a text may stand in a URI as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
}

/// Percent-encodes whatever may not stand in a URI.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(half), 16).map(|c| c.to_ascii_uppercase()));
            }
        }
    }
    out
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first == b'%' {
            let (code, more) = rest.split_at_checked(2)?;
            out.push(u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?);
            rest = more;
        } else {
            out.push(*first);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_code_system_comes_back() {
        let names = [
            "GB/T 3304",
            "ICD-10-CN",
            "http://snomed.info/sct",
            "urn:oid:2.16.156.10011.2.3.3.3",
            "诊疗科目 50%",
            "urn:tierlink:codes:x",
            "a:b c",
            "",
        ];
        for system in names {
            let there = uri(system);

            assert!(is_plain(&there), "{there}");
            assert_eq!(name(&there), system);
        }
    }
}
