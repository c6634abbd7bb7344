//! Our extensions: how what FHIR has no element for travels all the same.
//!
//! ```text
//!   { "transport": { "mode": "120", "needs": "吸氧" }, "flags": [ {code} ] }
//!        │                                              │
//!        ▼                                              ▼
//!   extension urn:tierlink:extension:transport     … :flags
//!     extension mode  valueString                    extension item valueCodeableConcept
//!     extension needs valueString
//! ```
//!
//! A list has children that are all called `item`. Whatever the writers of this crate do not put
//! into an element goes through here, so a field that is added to the canonical schema tomorrow
//! travels without a change in this crate.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Number, Value};

use crate::systems;

/// What the children of a list are called. No canonical field has this name.
const ITEM: &str = "item";

/// Writes every member of an object as an extension of its own.
pub fn write_all(object: Map<String, Value>) -> Vec<Value> {
    object
        .into_iter()
        .filter_map(|(name, value)| write(&format!("{}{name}", systems::EXTENSION), value))
        .collect()
}

/// Writes one value. Nothing comes of empty ones: FHIR knows no empty elements.
fn write(url: &str, value: Value) -> Option<Value> {
    let (name, value) = match value {
        Value::Null => return None,
        Value::Bool(value) => ("valueBoolean", Value::Bool(value)),
        Value::Number(number) => match number.as_i64().and_then(|n| i32::try_from(n).ok()) {
            Some(small) => ("valueInteger", small.into()),
            None => ("valueDecimal", Value::Number(number)),
        },
        Value::String(text) if text.trim().is_empty() => return None,
        Value::String(text) => (name_of_text(&text), Value::String(text)),
        Value::Array(items) => {
            ("extension", children(items.into_iter().map(|v| (ITEM.into(), v)))?)
        }
        Value::Object(object) if is_coded(&object) => ("valueCodeableConcept", concept(&object)),
        Value::Object(object) => ("extension", children(object.into_iter())?),
    };
    // By hand, because `json!` would copy everything below once more at every level.
    let members = [("url", Value::from(url)), (name, value)];
    Some(Value::Object(members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()))
}

fn children(members: impl Iterator<Item = (String, Value)>) -> Option<Value> {
    let children: Vec<Value> = members.filter_map(|(name, value)| write(&name, value)).collect();
    (!children.is_empty()).then_some(Value::Array(children))
}

/// Instants and days are typed as such, so that others can sort by them. Both come back as text.
fn name_of_text(text: &str) -> &'static str {
    if text.contains('T') && text.parse::<Timestamp>().is_ok_and(|at| at.to_string() == text) {
        "valueInstant"
    } else if text.parse::<Date>().is_ok_and(|on| on.to_string() == text) {
        "valueDate"
    } else {
        "valueString"
    }
}

/// Whether the object is a code with its system and words (`Coded`, `Reason`).
fn is_coded(object: &Map<String, Value>) -> bool {
    let text = |name: &str| object.get(name).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
    (text("code") || text("text"))
        && object.iter().all(|(name, value)| match name.as_str() {
            "code" | "system" | "text" => {
                value.as_str().is_some_and(|text| !text.trim().is_empty())
            }
            // Beside no coding of its own, the first of them would be read as it.
            "translations" => text("code"),
            _ => false,
        })
}

/// Writes code, system and words as a `CodeableConcept`.
pub fn concept(coded: &Map<String, Value>) -> Value {
    let text =
        |name: &str| coded.get(name).and_then(Value::as_str).filter(|t| !t.trim().is_empty());
    let mut concept = Map::new();
    let mut coding = Map::new();
    if let Some(system) = text("system") {
        coding.insert("system".into(), systems::uri(system).into());
    }
    if let Some(code) = text("code") {
        coding.insert("code".into(), code.into());
    }
    let mut codings: Vec<Value> = Vec::new();
    let translations = coded.get("translations").and_then(Value::as_array);
    if !coding.is_empty() || translations.is_some() {
        codings.push(coding.into());
    }
    codings.extend(translations.into_iter().flatten().map(translation));
    if !codings.is_empty() {
        concept.insert("coding".into(), codings.into());
    }
    if let Some(words) = text("text") {
        concept.insert("text".into(), words.into());
    }
    Value::Object(concept)
}

/// Writes a translation as a `Coding`.
fn translation(coded: &Value) -> Value {
    let mut coding = Map::new();
    let text = |name: &str| coded.get(name).and_then(Value::as_str);
    coding.extend(text("system").map(|system| ("system".to_owned(), systems::uri(system).into())));
    coding.extend(text("code").map(|code| ("code".to_owned(), code.into())));
    coding.extend(text("text").map(|words| ("display".to_owned(), words.into())));
    coding.into()
}

/// Reads the value of an extension whose numbers have become texts (see `json.rs`).
///
/// Gives nothing where the extension has no value of a form that we write; then it is kept whole
/// among the extras. `depth` bounds the nesting.
pub fn read(extension: &Map<String, Value>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    if let Some(Value::Array(children)) = extension.get("extension") {
        // A value beside children is not FHIR; one of the two would be lost.
        return (extension.len() == 2).then(|| read_children(children, depth)).flatten();
    }
    let mut values = extension.iter().filter(|(name, _)| *name != "url" && *name != "id");
    let (name, value) = values.next()?;
    if values.next().is_some() || !name.starts_with("value") {
        return None;
    }
    match (name.as_str(), value) {
        ("valueInteger" | "valueDecimal" | "valuePositiveInt" | "valueUnsignedInt", value) => {
            read_number(value.as_str()?)
        }
        (_, Value::Bool(value)) => Some(Value::Bool(*value)),
        (_, Value::String(text)) => Some(Value::String(text.clone())),
        ("valueCodeableConcept", Value::Object(concept)) => read_concept(concept),
        (_, _) => None,
    }
}

fn read_children(children: &[Value], depth: usize) -> Option<Value> {
    let mut read_all = Vec::with_capacity(children.len());
    for child in children {
        let child = child.as_object()?;
        read_all.push((child.get("url")?.as_str()?, read(child, depth)?));
    }
    if read_all.iter().all(|(url, _)| *url == ITEM) {
        return Some(Value::Array(read_all.into_iter().map(|(_, value)| value).collect()));
    }
    let mut object = Map::new();
    for (url, value) in read_all {
        if object.insert(url.to_owned(), value).is_some() {
            return None;
        }
    }
    Some(Value::Object(object))
}

fn read_number(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    Number::from_f64(text.parse().ok()?).map(Value::Number)
}

/// Only the form that we write ourselves: the first coding has no display beside a text, and the
/// others are translations.
fn read_concept(concept: &Map<String, Value>) -> Option<Value> {
    let mut coded = Map::new();
    for (name, value) in concept {
        match (name.as_str(), value) {
            ("text", Value::String(text)) => {
                coded.insert("text".into(), text.as_str().into());
            }
            ("coding", Value::Array(codings)) => {
                let (Value::Object(coding), more) = codings.split_first()? else {
                    return None;
                };
                let translations: Option<Vec<Value>> = more.iter().map(read_translation).collect();
                let translations = translations?;
                if !translations.is_empty() {
                    coded.insert("translations".into(), translations.into());
                }
                for (name, value) in coding {
                    match (name.as_str(), value) {
                        ("code", Value::String(code)) => {
                            coded.insert("code".into(), code.as_str().into());
                        }
                        ("system", Value::String(uri)) => {
                            coded.insert("system".into(), systems::name(uri).into());
                        }
                        ("display", Value::String(text)) if !concept.contains_key("text") => {
                            coded.insert("text".into(), text.as_str().into());
                        }
                        (_, _) => return None,
                    }
                }
            }
            (_, _) => return None,
        }
    }
    Some(Value::Object(coded))
}

/// Reads a `Coding` as a translation: it has a code.
fn read_translation(coding: &Value) -> Option<Value> {
    let coding = coding.as_object()?;
    let mut read = Map::from_iter([("code".to_owned(), coding.get("code")?.as_str()?.into())]);
    for (name, value) in coding {
        match (name.as_str(), value) {
            ("code", _) => {}
            ("system", Value::String(uri)) => {
                read.insert("system".into(), systems::name(uri).into());
            }
            ("display", Value::String(text)) => {
                read.insert("text".into(), text.as_str().into());
            }
            (_, _) => return None,
        }
    }
    Some(read.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EXTENSION_DEPTH_MAX;
    use serde_json::json;

    #[test]
    fn whatever_is_written_comes_back() {
        let object = json!({
            "mode": "120",
            "on": "2026-11-21",
            "at": "2026-11-21T00:00:00Z",
            "flags": [{"code": "1", "system": "GB/T 3304", "text": "汉"}, {"text": "孕产妇"}],
            "translated": {"code": "1", "text": "汉", "translations": [{"code": "2", "text": "Han"}]},
            "one": ["only"],
            "nested": {"yes": true, "count": 3, "size_bytes": 5_000_000_000_u64, "deep": [{"a": [1]}]},
        });

        let written = json!(write_all(object.as_object().unwrap().clone()));
        let read_again = crate::json::read(written.to_string().as_bytes()).unwrap();
        let mut found = Map::new();
        for extension in read_again.as_array().unwrap() {
            let extension = extension.as_object().unwrap();
            let name = extension["url"].as_str().unwrap().strip_prefix(systems::EXTENSION).unwrap();
            found.insert(name.to_owned(), read(extension, EXTENSION_DEPTH_MAX).unwrap());
        }

        assert_eq!(Value::Object(found), object);
    }

    #[test]
    fn what_is_half_understood_is_not_read() {
        for odd in [
            json!({"url": "x", "valueString": "a", "valueCode": "b"}),
            json!({"url": "x", "extension": [{"url": "a", "valueString": "1"}, {"url": "a", "valueString": "2"}]}),
            json!({"url": "x", "valueCodeableConcept": {"coding": [{"code": "1"}, {"display": "2"}]}}),
            json!({"url": "x", "valueCodeableConcept": {"coding": [{"code": "1", "version": "2"}]}}),
            json!({"url": "x"}),
        ] {
            assert_eq!(read(odd.as_object().unwrap(), EXTENSION_DEPTH_MAX), None, "{odd}");
        }
    }
}
