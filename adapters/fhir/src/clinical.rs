//! Lists that become resources of their own: diagnoses, values, medicines, papers, slots.
//!
//! ```text
//!   clinical.diagnoses[]    ◀─▶ Condition            attachments[] ◀─▶ DocumentReference
//!   clinical.allergies[]    ◀─▶ AllergyIntolerance   slots[]       ◀─▶ Slot
//!   clinical.observations[] ◀─▶ Observation          long texts    ◀─▶ Observation with the code
//!   clinical.medications[]  ◀─▶ MedicationStatement                   of the data element
//! ```
//!
//! Which list a kind of message has, and which texts, is in `parts.rs`; this file knows one item.

use serde::Serialize;
use serde_json::{Number, Value, json};
use tierlink_schemas::clinical::{
    Allergy, Attachment, AttachmentKind, Diagnosis, Medication, Observation, Procedure,
};

use crate::bundle::At;
use crate::reader::Reader;
use crate::writer::{Rest, Writer, organisation_identifier, put, resource};
use crate::{codes, systems};

/// Longest text that is taken for a number. A longer one is a text made of digits.
const NUMBER_CHARS_MAX: usize = 24;

/// What kind of resource an item becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A diagnosis, as Condition.
    Condition,
    /// An allergy, as AllergyIntolerance.
    Allergy,
    /// An observed value, as Observation.
    Observation,
    /// An operation or procedure, as Procedure.
    Procedure,
    /// A medicine that the patient takes, as MedicationStatement.
    Statement,
    /// A medicine to continue, as MedicationRequest.
    Prescription,
    /// An attachment, as DocumentReference.
    Document,
    /// A published slot, as Slot.
    Slot,
}

impl Shape {
    /// The type of the resource.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Condition => "Condition",
            Self::Allergy => "AllergyIntolerance",
            Self::Observation => "Observation",
            Self::Procedure => "Procedure",
            Self::Statement => "MedicationStatement",
            Self::Prescription => "MedicationRequest",
            Self::Document => "DocumentReference",
            Self::Slot => "Slot",
        }
    }

    /// Where the resource names the patient.
    const fn subject(self) -> Option<&'static str> {
        match self {
            Self::Condition
            | Self::Observation
            | Self::Procedure
            | Self::Statement
            | Self::Prescription
            | Self::Document => Some("subject"),
            Self::Allergy => Some("patient"),
            Self::Slot => None,
        }
    }
}

impl Reader<'_> {
    /// Reads the items that one resource holds; a DocumentReference may hold several.
    pub fn items(&mut self, shape: Shape, at: At) -> Vec<Value> {
        match shape {
            Shape::Document => {
                let contents = self.bundle.count(at, "content").max(1);
                (0..contents).map(|index| self.paper(at, index)).map(|p| json(&p)).collect()
            }
            Shape::Slot => vec![Value::Object(self.slot(at).0)],
            Shape::Condition => self.diagnosis(at).iter().map(json).collect(),
            Shape::Allergy => self.allergy(at).iter().map(json).collect(),
            Shape::Observation => self.observation(at).iter().map(json).collect(),
            Shape::Procedure => self.procedure(at).iter().map(json).collect(),
            Shape::Statement | Shape::Prescription => {
                self.medication(at).iter().map(json).collect()
            }
        }
    }

    fn diagnosis(&mut self, at: At) -> Option<Diagnosis> {
        let what = self.concept(at, "code")?;
        let item = Diagnosis { what, main: false, on: self.day(at, "recordedDate") };
        Some(self.with_rest(at, item))
    }

    fn allergy(&mut self, at: At) -> Option<Allergy> {
        let item = Allergy {
            substance: self
                .concept(at, "code")
                .or_else(|| self.concept(at, "reaction/0/substance"))?,
            reaction: self
                .short(at, "reaction/0/manifestation/0/text", 400)
                .or_else(|| self.short(at, "reaction/0/manifestation/0/coding/0/display", 400))
                .or_else(|| self.short(at, "reaction/0/description", 400)),
        };
        Some(self.with_rest(at, item))
    }

    fn observation(&mut self, at: At) -> Option<Observation> {
        let mut item = Observation { what: self.concept(at, "code")?, ..Observation::default() };
        item.value = self.value(at);
        item.unit = self
            .short(at, "valueQuantity/unit", 64)
            .or_else(|| self.short(at, "valueQuantity/code", 64));
        item.range = self.short(at, "referenceRange/0/text", 128).or_else(|| {
            let low = self.short(at, "referenceRange/0/low/value", 40)?;
            let high = self.short(at, "referenceRange/0/high/value", 40)?;
            Some(format!("{low}-{high}"))
        });
        item.flag = self
            .short(at, "interpretation/0/text", 32)
            .or_else(|| self.short(at, "interpretation/0/coding/0/code", 32));
        item.at = self.time(at, "effectiveDateTime").or_else(|| self.time(at, "effectiveInstant"));
        Some(self.with_rest(at, item))
    }

    /// The value as it was written: a number keeps its zeros, a code its words.
    fn value(&mut self, at: At) -> Option<String> {
        let number = self.short(at, "valueQuantity/value", 20_000);
        if let Some(number) = number {
            let written = self.extensions(at, "valueQuantity").remove("as_written");
            let written = written.as_ref().and_then(Value::as_str);
            let same = |text: &&str| text.parse::<f64>().ok() == number.parse::<f64>().ok();
            let number = written.filter(same).map_or(number, str::to_owned);
            let sign = self.short(at, "valueQuantity/comparator", 2).unwrap_or_default();
            return Some(sign + &number);
        }
        for name in ["valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueTime"] {
            if let Some(text) = self.short(at, name, 20_000) {
                return Some(text);
            }
        }
        self.short(at, "valueCodeableConcept/text", 20_000)
            .or_else(|| self.short(at, "valueCodeableConcept/coding/0/display", 20_000))
            .or_else(|| self.short(at, "valueCodeableConcept/coding/0/code", 20_000))
    }

    fn procedure(&mut self, at: At) -> Option<Procedure> {
        let item = Procedure {
            what: self.concept(at, "code")?,
            at: self
                .time(at, "performedDateTime")
                .or_else(|| self.time(at, "performedPeriod/start")),
            note: self.short(at, "note/0/text", 400),
        };
        Some(self.with_rest(at, item))
    }

    fn medication(&mut self, at: At) -> Option<Medication> {
        let drug = self.concept(at, "medicationCodeableConcept").or_else(|| {
            let medication = self.bundle.follow(at, "medicationReference")?;
            self.concept(medication, "code")
        })?;
        let quantity = "dosage/0/doseAndRate/0/doseQuantity";
        let dose = self.short(at, &format!("{quantity}/value"), 40).map(|value| {
            let unit = self.short(at, &format!("{quantity}/unit"), 40).unwrap_or_default();
            format!("{value} {unit}").trim().to_owned()
        });
        // MedicationRequest calls the same element `dosageInstruction`.
        let text = |r: &mut Self, path: &str, max| {
            r.short(at, &format!("dosage/0/{path}"), max)
                .or_else(|| r.short(at, &format!("dosageInstruction/0/{path}"), max))
        };
        let item = Medication {
            drug,
            dose,
            frequency: text(self, "timing/code/text", 100),
            route: text(self, "route/text", 100)
                .or_else(|| text(self, "route/coding/0/display", 100)),
            days: None,
            stocked_below: None,
            note: self.short(at, "note/0/text", 400).or_else(|| text(self, "text", 400)),
        };
        Some(self.with_rest(at, item))
    }

    fn paper(&mut self, at: At, index: usize) -> Attachment {
        let attachment = format!("content/{index}/attachment");
        let part = |name: &str| format!("{attachment}/{name}");
        let system = self.bundle.peek(at, "type/coding/0/system");
        let ours = system == Some(systems::ATTACHMENT_KIND);
        let kind = self.bundle.peek(at, "type/coding/0/code").filter(|_| ours);
        let kind = kind.and_then(|code| serde_json::from_value(code.into()).ok());
        if kind.is_some() {
            self.bundle.take_all(at, "type/coding/0");
        }
        let binary = self.bundle.follow_text(at, &part("url"));
        let inline = self
            .bundle
            .take(at, &part("data"))
            .or_else(|| binary.and_then(|binary| self.bundle.take(binary, "data")));
        let media_type = self
            .short(at, &part("contentType"), 100)
            .or_else(|| binary.and_then(|binary| self.short(binary, "contentType", 100)));
        if media_type.is_none() {
            let field = self.bundle.field(at, &part("contentType"));
            self.deviation(
                codes::SHAPE,
                field,
                "the media type is missing; it was read as unknown",
            );
        }
        let size = part("size");
        let size_bytes = self.bundle.take_code(at, &size).and_then(|size| size.parse().ok());
        let source = self.bundle.peek(at, "custodian/identifier/value").is_some();
        let item = Attachment {
            kind: kind.unwrap_or(AttachmentKind::Other),
            title: self
                .short(at, &part("title"), 200)
                .or_else(|| self.short(at, "description", 200))
                .or_else(|| self.short(at, "type/text", 200))
                .unwrap_or_default(),
            media_type: media_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            content: inline.map(std::sync::Arc::new),
            reference: if binary.is_some() { None } else { self.short(at, &part("url"), 1_000) },
            sha256: None,
            size_bytes,
            source: source.then(|| self.whom(at, "custodian").0.code()).flatten(),
            number: self.short(at, "masterIdentifier/value", 100),
            recognition: None,
        };
        if index == 0 { self.with_rest(at, item) } else { item }
    }

    fn slot(&mut self, at: At) -> Rest {
        let mut slot = Rest(self.extensions(at, ""));
        let number = self.bundle.take_code(at, "identifier/0/value");
        let number = number.or_else(|| self.bundle.take_code(at, "id"));
        let kind =
            self.bundle.peek(at, "serviceType/0/coding/0/system") == Some(systems::SLOT_KIND);
        let kind = kind.then(|| self.bundle.take_code(at, "serviceType/0/coding/0/code")).flatten();
        if kind.is_some() {
            self.bundle.take(at, "serviceType/0/coding/0/system");
        }
        let texts = [
            ("number", number),
            ("kind", kind),
            ("start", self.time(at, "start").map(|t| t.to_string())),
            ("end", self.time(at, "end").map(|t| t.to_string())),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                slot.0.insert(name.to_owned(), text.into());
            }
        }
        if let Some(department) = self.concept(at, "specialty/0") {
            slot.0.insert("department".to_owned(), json(&department));
        }
        slot.0.entry("places").or_insert_with(|| 1.into());
        slot
    }

    fn with_rest<T: Serialize + serde::de::DeserializeOwned>(&mut self, at: At, item: T) -> T {
        let rest = Rest(self.extensions(at, ""));
        self.filled_in(at, "extension", item, rest)
    }
}

/// Writes one item as a part of the message.
pub fn write(writer: &mut Writer<'_>, shape: Shape, label: &str, item: Value) {
    let Value::Object(members) = item else { return };
    let mut rest = Rest(members);
    let mut out = resource(shape.kind());
    match shape {
        Shape::Condition => {
            put(&mut out, "code", rest.concept("what"));
            put(&mut out, "recordedDate", rest.take("on"));
        }
        Shape::Allergy => {
            put(&mut out, "code", rest.concept("substance"));
            let reaction = rest.text("reaction");
            put(
                &mut out,
                "reaction",
                reaction.map(|r| json!([{ "manifestation": [{ "text": r }] }])),
            );
        }
        Shape::Observation => write_observation(&mut rest, &mut out),
        Shape::Procedure => {
            put(&mut out, "status", Value::from("completed"));
            put(&mut out, "code", rest.concept("what"));
            put(&mut out, "performedDateTime", rest.take("at"));
            put(&mut out, "note", rest.text("note").map(|note| json!([{ "text": note }])));
        }
        Shape::Statement => write_medication(&mut rest, &mut out, "dosage"),
        Shape::Prescription => {
            put(&mut out, "intent", Value::from("plan"));
            write_medication(&mut rest, &mut out, "dosageInstruction");
        }
        Shape::Document => write_paper(&mut rest, &mut out),
        Shape::Slot => write_slot(&mut rest, &mut out),
    }
    rest.close(&mut out);
    if let (Some(name), Some(subject)) = (shape.subject(), writer.subject.clone()) {
        put(&mut out, name, subject);
    }
    writer.add_part(label, out);
}

fn write_observation(rest: &mut Rest, out: &mut serde_json::Map<String, Value>) {
    put(out, "status", Value::from("final"));
    put(out, "code", rest.concept("what"));
    put(out, "effectiveDateTime", rest.take("at"));
    if let Some(text) = rest.text("value") {
        // Only what JSON calls a number is a quantity; `阴性` and `7.10 (复查)` are words.
        match serde_json::from_str::<Number>(&text).ok().filter(|_| text.len() <= NUMBER_CHARS_MAX)
        {
            Some(number) => {
                let same = number.to_string() == text;
                let mut quantity = serde_json::Map::new();
                put(&mut quantity, "value", Value::Number(number));
                put(&mut quantity, "unit", rest.take("unit"));
                if !same {
                    let mut written = Rest::default();
                    written.0.insert("as_written".to_owned(), text.into());
                    written.close(&mut quantity);
                }
                put(out, "valueQuantity", Value::Object(quantity));
            }
            None => put(out, "valueString", Value::from(text)),
        }
    }
    put(out, "referenceRange", rest.text("range").map(|range| json!([{ "text": range }])));
    put(out, "interpretation", rest.text("flag").map(|flag| json!([{ "text": flag }])));
}

fn write_medication(rest: &mut Rest, out: &mut serde_json::Map<String, Value>, element: &str) {
    put(out, "status", Value::from("active"));
    put(out, "medicationCodeableConcept", rest.concept("drug"));
    let mut dosage = serde_json::Map::new();
    let frequency = rest.text("frequency");
    put(&mut dosage, "timing", frequency.map(|text| json!({ "code": { "text": text } })));
    put(&mut dosage, "route", rest.text("route").map(|text| json!({ "text": text })));
    put(out, element, (!dosage.is_empty()).then(|| json!([dosage])));
    put(out, "note", rest.text("note").map(|note| json!([{ "text": note }])));
}

fn write_paper(rest: &mut Rest, out: &mut serde_json::Map<String, Value>) {
    put(out, "status", Value::from("current"));
    let kind = rest.take("kind");
    let coding = json!([{ "system": systems::ATTACHMENT_KIND, "code": kind }]);
    put(out, "type", json!({ "coding": coding }));
    put(out, "masterIdentifier", rest.take("number").map(|number| json!({ "value": number })));
    let source = rest.text("source");
    let source = source.map(|code| json!({ "identifier": organisation_identifier(&code) }));
    put(out, "custodian", source);
    let mut attachment = serde_json::Map::new();
    put(&mut attachment, "contentType", rest.take("media_type"));
    put(&mut attachment, "title", rest.take("title"));
    put(&mut attachment, "data", rest.take("content"));
    // A Study UID or an object key is no URL and travels as an extension.
    if rest.0.get("reference").and_then(Value::as_str).is_some_and(|url| url.contains(':')) {
        put(&mut attachment, "url", rest.take("reference"));
    }
    let size = rest.0.get("size_bytes").and_then(Value::as_i64);
    if size.is_some_and(|size| i32::try_from(size).is_ok()) {
        put(&mut attachment, "size", rest.take("size_bytes"));
    }
    put(out, "content", json!([{ "attachment": attachment }]));
}

fn write_slot(rest: &mut Rest, out: &mut serde_json::Map<String, Value>) {
    put(out, "identifier", rest.text("number").map(|number| json!([{ "value": number }])));
    let kind = rest.take("kind");
    let coding = json!([{ "system": systems::SLOT_KIND, "code": kind }]);
    put(out, "serviceType", json!([{ "coding": coding }]));
    put(out, "specialty", rest.concept("department").map(|department| json!([department])));
    // FHIR requires a schedule; ours has nothing to say about it.
    put(out, "schedule", json!({ "display": "schedule" }));
    put(out, "status", Value::from("free"));
    put(out, "start", rest.take("start"));
    put(out, "end", rest.take("end"));
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
