//! The organisation's own codes, turned into ours as its profile says.
//!
//! A map that is given is complete. A code of a safety field (sex, priority, recipient) that it
//! does not list is refused, because `1` may mean either sex; any other is kept and noted.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tierlink_codec::{Directory, Profile, Reading};
use tierlink_schemas::codes::TableId;
use tierlink_schemas::{Deviation, Problem};

use crate::codes::{D096_NOT_THE_SENDER, D097_UNMAPPED};
use crate::tidy::note;

/// Fields that hold an organisation's code wherever they hold a text.
const ORGANISATIONS: [&str; 6] =
    ["organisation", "to", "suggestion", "with", "destination", "source"];

/// Organisations on which it depends where the patient goes.
const RECIPIENTS: [&str; 3] = ["body.from.organisation", "body.to.organisation", "body.to"];

/// Turns every mapped code of `message` into ours, and makes sure that the sender is the source.
pub(crate) fn apply(
    message: &mut Map<String, Value>,
    with: &Reading<'_>,
    notes: &mut Vec<Deviation>,
) -> Vec<Problem> {
    let codes = &with.profile.codes;
    let mut mapping =
        Mapping { profile: with.profile, directory: with.directory, notes, problems: Vec::new() };
    if let Some(priority) = message.get_mut("priority") {
        mapping.safety(&codes.priority, priority, "priority");
    }
    let subject = message.get_mut("subject");
    if let Some(sex) = subject.and_then(|subject| subject.get_mut("sex")) {
        mapping.safety(&codes.sex, sex, "subject.sex");
    }
    if let Some(Value::Object(body)) = message.get_mut("body") {
        if let Some(sex) = body.get_mut("patient").and_then(|patient| patient.get_mut("sex")) {
            mapping.safety(&codes.sex, sex, "body.patient.sex");
        }
        if let Some(code) = body.get_mut("reason").and_then(|reason| reason.get_mut("code"))
            && let Some(ours) = mapped(&codes.reason, code)
        {
            *code = json!(ours);
        }
    }
    for (name, value) in message.iter_mut() {
        if !["source", "extras", "trace"].contains(&name.as_str()) {
            mapping.walk(name, name, value);
        }
    }
    if let Some(Value::Object(source)) = message.get_mut("source") {
        mapping.source(source);
    }
    mapping.problems
}

/// What the map makes of a code. Numbers count as written.
fn mapped<'a>(map: &'a BTreeMap<String, String>, code: &Value) -> Option<&'a str> {
    let ours = match code {
        Value::String(text) => map.get(text.trim()),
        Value::Number(number) => map.get(&number.to_string()),
        _ => None,
    };
    ours.map(String::as_str)
}

struct Mapping<'a> {
    profile: &'a Profile,
    directory: &'a Directory,
    notes: &'a mut Vec<Deviation>,
    problems: Vec<Problem>,
}

impl Mapping<'_> {
    /// A field in which a wrong guess harms somebody.
    fn safety(&mut self, map: &BTreeMap<String, String>, code: &mut Value, path: &str) {
        if map.is_empty() {
            return;
        }
        match mapped(map, code) {
            Some(ours) => *code = json!(ours),
            None => self.unmapped(path),
        }
    }

    fn unmapped(&mut self, path: &str) {
        let text = "The code is not in the map of this organisation's profile, and a guess could harm the patient; \
                    add it to the profile or correct it.";
        self.problems.push(Problem::new(D097_UNMAPPED, path, text));
    }

    fn walk(&mut self, name: &str, path: &str, value: &mut Value) {
        match value {
            Value::String(_) if ORGANISATIONS.contains(&name) || name == "destinations" => {
                self.organisation(value, path);
            }
            Value::Object(fields) => {
                if name == "department" {
                    self.department(fields, path);
                }
                for (inner, value) in fields.iter_mut() {
                    let shown = tierlink_schemas::schema::shown(inner);
                    self.walk(inner, &format!("{path}.{shown}"), value);
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.walk(name, &format!("{path}[{at}]"), item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// By the map, or by a name that the directory knows for one organisation only.
    fn organisation(&mut self, value: &mut Value, path: &str) {
        if let Some(ours) = self.ours(value) {
            *value = json!(ours);
            return;
        }
        let recipient = RECIPIENTS.contains(&path) || path.starts_with("destinations");
        if recipient && !self.profile.codes.organisation.is_empty() {
            self.unmapped(path);
        }
    }

    fn ours(&self, value: &Value) -> Option<String> {
        if let Some(ours) = mapped(&self.profile.codes.organisation, value) {
            return Some(ours.to_owned());
        }
        let found = self.directory.resolve(value.as_str()?)?;
        Some(found.code.as_str().to_owned())
    }

    fn department(&mut self, department: &mut Map<String, Value>, path: &str) {
        let map = &self.profile.codes.department;
        let Some(code) = department.get("code").filter(|_| !map.is_empty()) else {
            return;
        };
        if let Some(ours) = mapped(map, code) {
            department.insert("code".to_owned(), json!(ours));
            department.insert("system".to_owned(), json!(TableId::Department.key()));
        } else {
            let text = "The code is not in the profile's map of departments; it was kept as it is.";
            note(self.notes, format!("{path}.code"), text);
        }
    }

    /// Nobody speaks in another's name.
    fn source(&mut self, source: &mut Map<String, Value>) {
        const PATH: &str = "source.organisation";
        let sender = self.profile.organisation.code.as_str();
        let Some(stated) = source.get("organisation") else {
            return;
        };
        if stated.as_str() == Some(sender) {
            return;
        }
        if self.ours(stated).as_deref() == Some(sender) {
            note(
                self.notes,
                PATH,
                "Another name of the sender was read as its code; send the code.",
            );
            source.insert("organisation".to_owned(), json!(sender));
            return;
        }
        let text = "The source is not the organisation that sends; write the sender's own code, or leave it out.";
        self.problems.push(Problem::new(D096_NOT_THE_SENDER, PATH, text));
    }
}
