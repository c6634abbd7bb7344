//! What all writers share: the entries so far, and ids that are the same at every try.
//!
//! A writer takes out of a canonical object what FHIR has an element for and hands the rest to
//! `extension.rs`. The ids are derived (UUID version 5) from the message and the destination, so
//! the same message gives the same bytes.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tierlink_codec::CodeMaps;
use tierlink_codec::code_maps::{Meaning, Table, unlisted, words};
use tierlink_schemas::{Loss, Message, OrganisationCode};
use uuid::Uuid;

use crate::{extension, systems};

/// The namespace of all derived ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d5f_0b7e_2c64_4f0a_9b1d_7469_6572_6c6b);

/// The state of writing one message.
pub struct Writer<'a> {
    /// The message that is written.
    pub message: &'a Message,
    /// Code of the organisation that receives it.
    pub to: &'a OrganisationCode,
    /// The receiver's code maps.
    pub maps: CodeMaps<'a>,
    /// What FHIR could not carry.
    pub losses: Vec<Loss>,
    /// References to the resources that the focus of the message must name.
    pub parts: Vec<Value>,
    /// The reference to the patient, once it is written.
    pub subject: Option<Value>,
    entries: Vec<Value>,
    seed: Uuid,
}

impl<'a> Writer<'a> {
    /// A writer that has written nothing yet.
    pub fn new(message: &'a Message, to: &'a OrganisationCode, maps: CodeMaps<'a>) -> Self {
        let seed = format!("{}/{to}", message.id);
        let seed = Uuid::new_v5(&NAMESPACE, seed.as_bytes());
        Self {
            message,
            to,
            maps,
            losses: Vec::new(),
            parts: Vec::new(),
            subject: None,
            entries: Vec::new(),
            seed,
        }
    }

    /// The codings of one of our codes: the receiver's own before ours, where a map gives it. What
    /// the map does not list keeps its words.
    pub fn codings(&mut self, table: Table, system: &str, ours: &str, path: &str) -> Vec<Value> {
        match self.maps.write(table, ours) {
            Meaning::NoMap => vec![json!({ "system": system, "code": ours })],
            Meaning::Code(theirs) => {
                vec![json!({ "code": theirs }), json!({ "system": system, "code": ours })]
            }
            Meaning::Unlisted => {
                self.losses.push(unlisted(table, path));
                words(table, ours).map(|words| json!({ "display": words })).into_iter().collect()
            }
        }
    }

    /// A code of the receiver for an element that holds one code only.
    pub fn code(&mut self, table: Table, ours: &str, plain: &str, path: &str) -> Option<Value> {
        match self.maps.write(table, ours) {
            Meaning::NoMap => Some(plain.into()),
            Meaning::Code(theirs) => Some(theirs.into()),
            Meaning::Unlisted => {
                self.losses.push(unlisted(table, path));
                None
            }
        }
    }

    /// A department, whose code is the receiver's own already, with ours beside it.
    pub fn department(&self, party: &mut Rest) -> Option<Value> {
        let coded = party.object("department")?.0;
        let theirs = coded.get("code").and_then(Value::as_str).map(str::to_owned);
        let mut concept = extension::concept(&coded);
        if let Some(Meaning::Code(ours)) =
            theirs.map(|theirs| self.maps.read(Table::Department, &theirs))
            && let Some(Value::Array(codings)) = concept.get_mut("coding")
        {
            codings.push(json!({ "system": systems::uri(systems::DEPARTMENT), "code": ours }));
        }
        Some(concept)
    }

    /// The identifiers of an organisation, which the receiver may call by a code of its own.
    pub fn organisation_identifiers(&self, known_as: &str) -> Vec<Value> {
        match self.maps.read(Table::Organisation, known_as) {
            Meaning::Code(ours) if ours != known_as => {
                vec![json!({ "value": known_as }), organisation_identifier(ours)]
            }
            Meaning::Code(_) | Meaning::NoMap | Meaning::Unlisted => {
                vec![organisation_identifier(known_as)]
            }
        }
    }

    /// The id of the Bundle.
    pub fn bundle_id(&self) -> Uuid {
        self.seed
    }

    /// Adds a resource under an id derived from `label`, and gives the reference to it.
    pub fn add(&mut self, label: &str, mut resource: Map<String, Value>) -> Value {
        let id = Uuid::new_v5(&self.seed, label.as_bytes());
        let full_url = format!("urn:uuid:{id}");
        if !self.entries.iter().any(|entry| entry["fullUrl"] == full_url.as_str()) {
            resource.insert("id".into(), id.to_string().into());
            self.entries.push(entry(full_url.clone(), resource));
        }
        json!({ "reference": full_url })
    }

    /// Adds a part that the focus shall name.
    pub fn add_part(&mut self, label: &str, resource: Map<String, Value>) {
        let reference = self.add(label, resource);
        self.parts.push(reference);
    }

    /// The finished entries.
    pub fn finish(self) -> (Vec<Value>, Vec<Loss>) {
        (self.entries, self.losses)
    }
}

/// A canonical object, from which parts are removed as they are written.
#[derive(Debug, Default)]
pub struct Rest(pub Map<String, Value>);

impl Rest {
    /// All members of a canonical value.
    pub fn of<T: Serialize>(value: &T) -> Self {
        match serde_json::to_value(value) {
            Ok(Value::Object(members)) => Self(members),
            Ok(_) | Err(_) => Self::default(),
        }
    }

    /// Removes and returns a member.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !is_empty(value))
    }

    /// Removes and returns a text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                self.0.insert(name.to_owned(), other);
                None
            }
            None => None,
        }
    }

    /// Removes and returns an object.
    pub fn object(&mut self, name: &str) -> Option<Rest> {
        match self.take(name) {
            Some(Value::Object(members)) => Some(Self(members)),
            Some(other) => {
                self.0.insert(name.to_owned(), other);
                None
            }
            None => None,
        }
    }

    /// Removes and returns a code with system and text, as a CodeableConcept.
    pub fn concept(&mut self, name: &str) -> Option<Value> {
        self.object(name).map(|coded| extension::concept(&coded.0))
    }

    /// Removes a telephone number and returns it as a list of contact points.
    pub fn phone(&mut self, name: &str) -> Option<Value> {
        self.text(name).map(|number| json!([{ "system": "phone", "value": number }]))
    }

    /// Takes the member at a path such as `clinical/diagnoses`.
    pub fn take_at(&mut self, path: &str) -> Option<Value> {
        match path.split_once('/') {
            None => self.take(path),
            Some((first, below)) => {
                let mut inner = self.object(first)?;
                let found = inner.take_at(below);
                self.0.insert(first.to_owned(), Value::Object(inner.0));
                found
            }
        }
    }

    /// Puts a member at a path, and gives the value back where something else is in the way.
    pub fn put_at(&mut self, path: &str, value: Value) {
        match path.split_once('/') {
            None => {
                self.0.insert(path.to_owned(), value);
            }
            Some((first, below)) => {
                let mut inner = self.object(first).unwrap_or_default();
                inner.put_at(below, value);
                self.0.insert(first.to_owned(), Value::Object(inner.0));
            }
        }
    }

    /// Whether there is something at a path.
    pub fn has(&self, path: &str) -> bool {
        let mut here = &self.0;
        let mut steps = path.split('/').peekable();
        while let Some(step) = steps.next() {
            match here.get(step) {
                Some(Value::Object(inner)) if steps.peek().is_some() => here = inner,
                Some(value) => return steps.peek().is_none() && !is_empty(value),
                None => return false,
            }
        }
        false
    }

    /// Everything that is left, as our extensions.
    pub fn extensions(self) -> Vec<Value> {
        extension::write_all(self.0)
    }

    /// Ends a resource: what is left of the canonical object goes into its extensions.
    pub fn close(self, resource: &mut Map<String, Value>) {
        let extensions = self.extensions();
        if !extensions.is_empty() {
            resource.insert("extension".into(), extensions.into());
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// An entry of the Bundle. Put together by hand, because `json!` copies what it is given.
pub fn entry(full_url: String, resource: Map<String, Value>) -> Value {
    let members = [("fullUrl", Value::String(full_url)), ("resource", Value::Object(resource))];
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

/// A resource of a type, without elements yet.
pub fn resource(kind: &str) -> Map<String, Value> {
    Map::from_iter([("resourceType".to_owned(), kind.into())])
}

/// Puts an element into a resource, if there is one.
pub fn put(resource: &mut Map<String, Value>, name: &str, value: impl Into<Option<Value>>) {
    if let Some(value) = value.into() {
        resource.insert(name.to_owned(), value);
    }
}

/// An Identifier with system and value.
pub fn identifier(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

/// The identifier of an organisation in this county.
pub fn organisation_identifier(code: &str) -> Value {
    identifier(systems::ORGANISATION.trim_end_matches(':'), code)
}
