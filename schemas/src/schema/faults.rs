//! Reports how a message violates its schema: every fault, with path and fix.
//!
//! The validator's own texts quote the message, which may identify a patient, so each is replaced
//! by a text of ours that contains only names from the schema. The exception is the name of an
//! unknown field, which is shown if it has the form of a field name.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;

use super::{places, validator};
use crate::kind::Kind;
use crate::outside;

/// Most faults to report at once. A receipt has room for as many.
pub const FAULTS_MAX: usize = 100;

/// Most permitted values to list in a text.
const OPTIONS_SHOWN_MAX: usize = 50;

/// Sort of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// A required field is missing.
    Missing,
    /// The kind has no such field.
    Unknown,
    /// Wrong type, length, form or value.
    Form,
}

/// One violation of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Sort of fault.
    pub wrong: Wrong,
    /// Path of the field, such as `body.patient.birth_date`; empty for the whole message.
    pub path: String,
    /// What is wrong and how to correct it. Never contains a value of the message.
    pub text: String,
}

/// Returns every violation of the schema of `kind`, at most [`FAULTS_MAX`].
#[must_use]
pub fn faults(kind: Kind, message: &Value) -> Vec<Fault> {
    let validator = validator(kind);
    if validator.is_valid(message) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for error in validator.iter_errors(message) {
        add(kind, &error, &mut found);
        if found.len() >= FAULTS_MAX {
            break;
        }
    }
    found.truncate(FAULTS_MAX);
    found
}

fn add(kind: Kind, error: &ValidationError<'_>, found: &mut Vec<Fault>) {
    let path = path_of(error.instance_path());
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let text = "This field must be there; add it.".to_owned();
            found.push(Fault { wrong: Wrong::Missing, path: joined(&path, name), text });
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            found.extend(unexpected.iter().map(|name| unknown(kind, &path, name)));
        }
        other => found.push(Fault { wrong: Wrong::Form, path, text: form(other) }),
    }
}

fn unknown(kind: Kind, path: &str, name: &str) -> Fault {
    let text = match places::nearest(kind, path, name) {
        Some(near) => format!("There is no such field here; did you mean `{near}`?"),
        None => format!(
            "There is no such field here; take it out, or see the fields in {kind}.schema.json."
        ),
    };
    Fault { wrong: Wrong::Unknown, path: joined(path, outside::name(name)), text }
}

fn form(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as E;
    match kind {
        E::Type { kind: TypeKind::Single(wanted) } => {
            format!("The JSON type is wrong; write {}.", article(&wanted.to_string()))
        }
        E::MaxLength { limit } => format!("The text is too long; at most {limit} characters fit."),
        E::MinLength { limit } => {
            format!("The text is too short; write at least {limit} character.")
        }
        E::MaxItems { limit } => format!("The list is too long; at most {limit} entries fit."),
        E::MinItems { limit } => format!("The list is too short; write at least {limit} entry."),
        E::Maximum { limit } => format!("The number is too large; at most {limit} is possible."),
        E::Minimum { limit } => format!("The number is too small; at least {limit} is possible."),
        E::Pattern { pattern } => format!("The text does not fit the pattern {pattern}."),
        E::Format { format } => wanted_format(format).to_owned(),
        E::Constant { expected_value } => one_of(&[expected_value.as_ref()]),
        E::Enum { options } => {
            one_of(&options.as_array().into_iter().flatten().collect::<Vec<_>>())
        }
        E::OneOfNotValid { context } | E::AnyOf { context } => one_of(&constants(context)),
        other => format!("The rule `{}` of the schema is broken.", other.keyword()),
    }
}

fn article(name: &str) -> String {
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

fn wanted_format(format: &str) -> &'static str {
    match format {
        "date-time" => {
            "This is no point in time; write date, time and offset, as in 2026-03-02T08:30:00+08:00."
        }
        "date" => "This is no day of the calendar; write it as in 2026-03-02.",
        "uuid" => "This is no UUID; write it with hyphens, as the broker gave it.",
        _ => "The form is wrong; see the schema.",
    }
}

/// The values that the branches of a choice allow.
fn constants<'a>(branches: &'a [Vec<ValidationError<'static>>]) -> Vec<&'a Value> {
    branches
        .iter()
        .flatten()
        .filter_map(|error| match error.kind() {
            ValidationErrorKind::Constant { expected_value } => Some(expected_value.as_ref()),
            _ => None,
        })
        .collect()
}

fn one_of(options: &[&Value]) -> String {
    let named: Vec<&str> =
        options.iter().filter_map(|it| it.as_str()).take(OPTIONS_SHOWN_MAX).collect();
    match named.as_slice() {
        [] => "None of the forms that the schema allows fits.".to_owned(),
        [only] => format!("The value is not known; write `{only}`."),
        several => format!("The value is not known; write one of {}.", several.join(", ")),
    }
}

/// `/body/attachments/0/title` as `body.attachments[0].title`.
fn path_of(location: &Location) -> String {
    location.segments().fold(String::new(), |path, segment| match segment {
        LocationSegment::Property(name) => joined(&path, &name),
        LocationSegment::Index(at) => format!("{path}[{at}]"),
    })
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is wrong with an accept that holds `body` and `more` in its envelope.
    fn of_accept(body: &Value, more: &Value) -> Vec<(Wrong, String, String)> {
        let mut message = json!({
            "schema": "1.0", "kind": "referral.accept", "occurred_at": "2026-03-02T08:30:00+08:00",
            "source": { "organisation": "330199001", "message_id": "A1" }, "body": body,
        });
        for (key, value) in more.as_object().unwrap() {
            message[key] = value.clone();
        }
        let found = faults(Kind::ReferralAccept, &message);
        found.into_iter().map(|fault| (fault.wrong, fault.path, fault.text)).collect()
    }

    #[test]
    fn a_right_message_has_no_fault() {
        assert_eq!(of_accept(&json!({ "opinion": "同意接收" }), &json!({})), []);
    }

    #[test]
    fn all_faults_are_told_at_once_with_path_and_fix_and_without_values() {
        let found = of_accept(
            &json!({
                "opinon": "secret", "phone": "secret".repeat(20), "hold_until": "secret",
                "by": "secret", "expert": { "organisation": "secret secret" },
            }),
            &json!({ "priority": "secret", "extras": [{ "path": "x" }] }),
        );

        let paths: Vec<&str> = found.iter().map(|(_, path, _)| path.as_str()).collect();
        for path in [
            "body.opinon",
            "body.phone",
            "body.hold_until",
            "body.by",
            "body.expert.organisation",
            "body.expert.practitioner",
            "priority",
            "extras[0].text",
        ] {
            assert!(paths.contains(&path), "{path} is not among {paths:?}");
        }
        assert!(found.iter().all(|(_, _, text)| !text.contains("secret")), "{found:?}");
        let text_of = |wanted: &str| &found.iter().find(|(_, path, _)| path == wanted).unwrap().2;
        assert!(text_of("body.opinon").contains("`opinion`"));
        assert!(text_of("priority").contains("emergency, urgent, routine, chronic"));
        assert!(text_of("body.phone").contains("64"));
        assert!(text_of("body.hold_until").contains("+08:00"));
        assert!(text_of("body.by").contains("an object"));
    }

    #[test]
    fn an_unknown_name_that_could_be_a_patients_is_not_shown() {
        for name in ["王小明", "990101195001010010", "a name", ""] {
            let found = of_accept(&json!({ name: 1 }), &json!({}));

            assert_eq!(found[0].1, "body.(unreadable name)");
        }
    }

    #[test]
    fn a_flood_of_faults_is_cut() {
        let body: serde_json::Map<_, _> =
            (0..5000).map(|at| (format!("f{at}"), json!(1))).collect();

        assert_eq!(of_accept(&Value::Object(body), &json!({})).len(), FAULTS_MAX);
    }
}
