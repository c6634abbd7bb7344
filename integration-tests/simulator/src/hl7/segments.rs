//! The segments that several HL7 v2 messages share, as a hospital writes them.
//!
//! Only strings are joined here. What HL7 has no field for goes into OBX of the county's
//! implementation guide (coding system `99TL`).

use jiff::Timestamp;
use serde_json::Value;

use super::GUIDE;
use crate::{Person, Statement};

/// An instant as HL7 writes it, on the county's wall clock.
pub(super) fn time(s: &Statement<'_>, at: Timestamp) -> String {
    s.local(at).strftime("%Y%m%d%H%M%S").to_string()
}

/// A text with HL7's delimiters escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\E\\"),
            '|' => out.push_str("\\F\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            other => out.push(other),
        }
    }
    out
}

/// A segment from its fields: number and content.
pub(super) fn line(name: &str, fields: &[(usize, &str)]) -> String {
    let last = fields.iter().map(|(at, _)| *at).max().unwrap_or(0);
    let mut all = vec![""; last + 1];
    for (at, content) in fields {
        all[*at] = content;
    }
    all[0] = name;
    all.join("|")
}

/// A field of the county's guide, as OBX.
pub(super) struct Field {
    path: String,
    value: String,
    kind: &'static str,
}

pub(super) fn text(path: &str, value: &str) -> Field {
    Field { path: path.to_owned(), value: escaped(value), kind: "ST" }
}

/// Every leaf of a canonical part as a field of the guide, under the path of the part.
pub(super) fn guided(path: &str, part: &Value) -> Vec<Field> {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let leaf = |value: String, kind| vec![Field { path: path.to_owned(), value, kind }];
    match part {
        Value::Null => Vec::new(),
        Value::Bool(true) => leaf("Y".to_owned(), "ID"),
        Value::Bool(false) => leaf("N".to_owned(), "ID"),
        Value::Number(number) => leaf(number.to_string(), "NM"),
        Value::String(words) => leaf(escaped(words), "ST"),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(nth, item)| guided(&below(&nth.to_string()), item))
            .collect(),
        Value::Object(members) => {
            members.iter().flat_map(|(name, member)| guided(&below(name), member)).collect()
        }
    }
}

pub(super) fn yes(path: &str) -> Field {
    Field { path: path.to_owned(), value: "Y".to_owned(), kind: "ID" }
}

/// Values and fields of the guide, numbered on.
pub(super) fn results<'f>(
    values: &[(&str, &str, &str, &str)],
    fields: impl IntoIterator<Item = &'f Field>,
) -> Vec<String> {
    let values = values.iter().map(|(kind, what, value, unit)| {
        [(*kind).to_owned(), (*what).to_owned(), (*value).to_owned(), (*unit).to_owned()]
    });
    let fields = fields.into_iter().map(|field| {
        let question = format!("{}^^{GUIDE}", field.path);
        [field.kind.to_owned(), question, field.value.clone(), String::new()]
    });
    let all = values.chain(fields).enumerate();
    all.map(|(nth, [kind, question, value, unit])| {
        let nth = (nth + 1).to_string();
        line("OBX", &[(1, &nth), (2, &kind), (3, &question), (5, &value), (6, &unit), (11, "F")])
    })
    .collect()
}

pub(super) fn notes(words: &[&str]) -> Vec<String> {
    let numbered = words.iter().enumerate();
    numbered
        .map(|(nth, words)| line("NTE", &[(1, &(nth + 1).to_string()), (3, &escaped(words))]))
        .collect()
}

pub(super) fn patient(s: &Statement<'_>) -> String {
    let Person { name, number, born, sex, phone, address, .. } = &s.case.patient;
    let identifiers = format!("{}^^^{}^OPN~{number}^^^^NI", s.encounter(), s.by.facility);
    let usual = if *sex == "female" { "F" } else { "M" };
    line(
        "PID",
        &[
            (1, "1"),
            (3, &identifiers),
            (5, &escaped(name)),
            (7, &born.replace('-', "")),
            (8, s.by.own_code("sex", sex).unwrap_or(usual)),
            (11, &escaped(address)),
            (13, phone),
        ],
    )
}

/// The number of the case as its owner and this hospital write it.
pub(super) fn origin_number(s: &Statement<'_>) -> String {
    if s.case.origin.is_empty() {
        return s.case.own_number.clone();
    }
    format!("{}^{}", s.case.own_number, s.by.calls(&s.case.origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stands_at_its_number() {
        assert_eq!(line("PV1", &[(1, "1"), (5, "R1")]), "PV1|1||||R1");
    }

    #[test]
    fn delimiters_in_texts_are_escaped() {
        assert_eq!(escaped("a|b^c&d~e\\f"), "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f");
    }
}
