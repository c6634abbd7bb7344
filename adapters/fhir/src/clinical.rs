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
use serde_json::{Map, Value, json};
use tierlink_schemas::clinical::{
    Allergy, Attachment, AttachmentKind, Criticality, Diagnosis, Procedure, Severity,
};

use crate::bundle::At;
use crate::items::{NOTE_CHARS_MAX, annotation, modifier, value_of};
use crate::modifiers;
use crate::reader::Reader;
use crate::writer::{Rest, Writer, organisation_identifier, put, resource};
use crate::{codes, medication, observation, systems};

/// What stands for a reaction of which only the severity is known.
const UNTOLD: &str = "未描述";

/// What of each resource has no field of its own and goes into the remark on the item.
const CONDITION_NOTES: [(&str, &str); 7] = [
    ("severity", "程度"),
    ("bodySite/0", "部位"),
    ("stage/0/summary", "分期"),
    ("onsetString", "起病"),
    ("onsetDateTime", "起病"),
    ("abatementString", "转归"),
    ("abatementDateTime", "转归"),
];
const ALLERGY_NOTES: [(&str, &str); 4] = [
    ("type", "类型"),
    ("category/0", "类别"),
    ("onsetDateTime", "起病"),
    ("lastOccurrence", "最近发作"),
];
const PROCEDURE_NOTES: [(&str, &str); 4] = [
    ("bodySite/0", "部位"),
    ("outcome", "结果"),
    ("complication/0", "并发症"),
    ("performedPeriod/end", "结束"),
];

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
                if self.modifier(at, &modifiers::DOCUMENT).is_err() {
                    return Vec::new();
                }
                match self.modifier(at, &modifiers::PAPER) {
                    Ok(Some("preliminary")) => {
                        let place = self.bundle.field(at, "docStatus");
                        let text = format!("{}为初步文书", self.bundle.field(at, ""));
                        self.said.push((place, text));
                    }
                    Ok(_) => {}
                    Err(_) => return Vec::new(),
                }
                let contents = self.bundle.count(at, "content").max(1);
                (0..contents).map(|index| self.paper(at, index)).map(|p| json(&p)).collect()
            }
            Shape::Slot => vec![Value::Object(self.slot(at).0)],
            Shape::Condition => self.diagnosis(at).iter().map(json).collect(),
            Shape::Allergy => self.allergy(at).iter().map(json).collect(),
            Shape::Observation => self.observation(at).iter().map(json).collect(),
            Shape::Procedure => self.procedure(at).iter().map(json).collect(),
            Shape::Statement => {
                self.medication(at, &modifiers::STATEMENT).iter().map(json).collect()
            }
            Shape::Prescription => {
                self.medication(at, &modifiers::PRESCRIPTION).iter().map(json).collect()
            }
        }
    }

    fn diagnosis(&mut self, at: At) -> Option<Diagnosis> {
        let certainty = self.modifier(at, &modifiers::CONDITION_CERTAINTY).ok()?.map(value_of);
        let status = self.modifier(at, &modifiers::CONDITION_STATUS).ok()?.map(value_of);
        let what = self.concept(at, "code")?;
        let on = self.day(at, "recordedDate");
        let note = self.notes(at, &CONDITION_NOTES, Vec::new());
        let item = Diagnosis {
            what,
            on,
            certainty: certainty.flatten(),
            status: status.flatten(),
            note,
            ..Diagnosis::default()
        };
        Some(self.with_rest(at, item))
    }

    fn allergy(&mut self, at: At) -> Option<Allergy> {
        let certainty = self.modifier(at, &modifiers::ALLERGY_CERTAINTY).ok()?.map(value_of);
        let status = self.modifier(at, &modifiers::ALLERGY_STATUS).ok()?.map(value_of);
        let substance =
            self.concept(at, "code").or_else(|| self.concept(at, "reaction/0/substance"))?;
        let item = Allergy {
            substance,
            reaction: self.reactions(at),
            severity: self.severity(at),
            criticality: self.criticality(at),
            certainty: certainty.flatten(),
            status: status.flatten(),
            note: self.notes(at, &ALLERGY_NOTES, Vec::new()),
        };
        Some(self.with_rest(at, item))
    }

    /// Every reaction in words.
    fn reactions(&mut self, at: At) -> Option<String> {
        let mut words = Vec::new();
        for index in 0..self.bundle.count(at, "reaction").min(20) {
            let one = format!("reaction/{index}");
            for nth in 0..self.bundle.count(at, &format!("{one}/manifestation")).min(20) {
                let said = self.phrase(at, &format!("{one}/manifestation/{nth}"));
                words.extend(said.filter(|words| words != UNTOLD));
            }
            words.extend(self.short(at, &format!("{one}/description"), NOTE_CHARS_MAX));
        }
        let words = words.join("；");
        (!words.is_empty() && words.chars().count() <= NOTE_CHARS_MAX).then_some(words)
    }

    /// How bad the worst reaction was.
    fn severity(&mut self, at: At) -> Option<Severity> {
        let mut worst = None;
        for index in 0..self.bundle.count(at, "reaction").min(20) {
            let path = format!("reaction/{index}/severity");
            let Some(code) = self.bundle.take_code(at, &path) else { continue };
            let found = match code.as_str() {
                "mild" => 0,
                "moderate" => 1,
                "severe" => 2,
                _ => {
                    let text = "the severity is not known; send mild, moderate or severe";
                    self.problem(codes::MODIFIER, self.bundle.field(at, &path), text);
                    continue;
                }
            };
            worst = worst.max(Some(found));
        }
        worst.and_then(|worst| {
            [Severity::Mild, Severity::Moderate, Severity::Severe].get(worst).copied()
        })
    }

    fn criticality(&mut self, at: At) -> Option<Criticality> {
        match self.bundle.take_code(at, "criticality")?.as_str() {
            "low" => Some(Criticality::Low),
            "high" => Some(Criticality::High),
            "unable-to-assess" => Some(Criticality::UnableToAssess),
            _ => {
                let text = "the criticality is not known; send low, high or unable-to-assess";
                self.problem(codes::MODIFIER, self.bundle.field(at, "criticality"), text);
                None
            }
        }
    }

    fn procedure(&mut self, at: At) -> Option<Procedure> {
        let status = self.modifier(at, &modifiers::PROCEDURE).ok()?;
        let what = self.concept(at, "code")?;
        let mut words = Vec::new();
        let done_at = self
            .instant_or_words(at, "performedDateTime", "时间", &mut words)
            .or_else(|| self.instant_or_words(at, "performedPeriod/start", "开始", &mut words));
        let item = Procedure {
            what,
            at: done_at,
            status: status.and_then(value_of).unwrap_or_default(),
            note: self.notes(at, &PROCEDURE_NOTES, words),
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
        // R4 allows white space in base64Binary, and many libraries break its lines.
        let inline = inline.map(|mut data| {
            data.retain(|letter| !letter.is_ascii_whitespace());
            data
        });
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
}

/// Writes one item as a part of the message.
pub fn write(writer: &mut Writer<'_>, shape: Shape, label: &str, item: Value) {
    let Value::Object(members) = item else { return };
    let mut rest = Rest(members);
    let mut out = resource(shape.kind());
    match shape {
        Shape::Condition => {
            modifier(&mut rest, &mut out, "certainty", &modifiers::CONDITION_CERTAINTY);
            modifier(&mut rest, &mut out, "status", &modifiers::CONDITION_STATUS);
            put(&mut out, "note", annotation(&mut rest));
            put(&mut out, "code", rest.concept("what"));
            put(&mut out, "recordedDate", rest.take("on"));
        }
        Shape::Allergy => {
            modifier(&mut rest, &mut out, "certainty", &modifiers::ALLERGY_CERTAINTY);
            modifier(&mut rest, &mut out, "status", &modifiers::ALLERGY_STATUS);
            put(&mut out, "note", annotation(&mut rest));
            put(&mut out, "code", rest.concept("substance"));
            let criticality = rest.text("criticality").map(|it| it.replace('_', "-"));
            put(&mut out, "criticality", criticality.map(Value::from));
            let mut reaction = Map::new();
            put(&mut reaction, "severity", rest.take("severity"));
            let words = rest.text("reaction");
            // FHIR requires a manifestation; where only the severity is known, it says just that.
            let told = words.or_else(|| (!reaction.is_empty()).then(|| UNTOLD.to_owned()));
            put(&mut reaction, "manifestation", told.map(|text| json!([{ "text": text }])));
            put(&mut out, "reaction", (!reaction.is_empty()).then(|| json!([reaction])));
        }
        Shape::Observation => observation::write(&mut rest, &mut out),
        Shape::Procedure => {
            put(&mut out, "status", Value::from("completed"));
            modifier(&mut rest, &mut out, "status", &modifiers::PROCEDURE);
            put(&mut out, "code", rest.concept("what"));
            put(&mut out, "performedDateTime", rest.take("at"));
            put(&mut out, "note", annotation(&mut rest));
        }
        Shape::Statement => {
            medication::write(&mut rest, &mut out, "dosage", &modifiers::STATEMENT);
        }
        Shape::Prescription => {
            put(&mut out, "intent", Value::from("plan"));
            let status = &modifiers::PRESCRIPTION;
            medication::write(&mut rest, &mut out, "dosageInstruction", status);
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

fn write_paper(rest: &mut Rest, out: &mut Map<String, Value>) {
    put(out, "status", Value::from("current"));
    let kind = rest.take("kind");
    let coding = json!([{ "system": systems::ATTACHMENT_KIND, "code": kind }]);
    put(out, "type", json!({ "coding": coding }));
    put(out, "masterIdentifier", rest.take("number").map(|number| json!({ "value": number })));
    let source = rest.text("source");
    let source = source.map(|code| json!({ "identifier": organisation_identifier(&code) }));
    put(out, "custodian", source);
    let mut attachment = Map::new();
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

fn write_slot(rest: &mut Rest, out: &mut Map<String, Value>) {
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
