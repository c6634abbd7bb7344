//! Appointments, visits, care plans and consents: single resources that several kinds share.

use serde_json::{Map, Value, json};
use tierlink_schemas::answer::Appointment;
use tierlink_schemas::request::{Consent, PlannedFollowUp};

use crate::bundle::At;
use crate::party::write_practitioner;
use crate::reader::Reader;
use crate::writer::{Rest, Writer, put, resource};

/// HL7's classes of encounters.
const CLASSES: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// HL7's scopes of consents.
const SCOPES: &str = "http://terminology.hl7.org/CodeSystem/consentscope";

impl Reader<'_> {
    /// Reads one appointment.
    pub fn appointment(&mut self, at: At) -> Appointment {
        let mut appointment = Appointment {
            number: self.short(at, "identifier/0/value", 100),
            start: self.time(at, "start"),
            end: self.time(at, "end"),
            department: self
                .department(at, "specialty/0")
                .or_else(|| self.department(at, "serviceType/0")),
            slot: self.short(at, "slot/0/identifier/value", 64),
            instructions: self.short(at, "patientInstruction", 1_000),
            ..Appointment::default()
        };
        for index in 0..self.bundle.count(at, "participant") {
            let actor = format!("participant/{index}/actor");
            let Some(who) = self.bundle.follow(at, &actor) else {
                continue;
            };
            match self.bundle.kind(who) {
                "Practitioner" if appointment.practitioner.is_none() => {
                    appointment.practitioner = self.practitioner(who);
                }
                "PractitionerRole" if appointment.practitioner.is_none() => {
                    appointment.practitioner = self.person(at, &actor);
                }
                "Location" if appointment.place.is_none() => {
                    appointment.place = self.short(who, "name", 200);
                }
                _ => {}
            }
        }
        if let Some(slot) = self.bundle.follow(at, "slot/0") {
            appointment.slot = self.short(slot, "identifier/0/value", 64).or_else(|| {
                let url = self.bundle.full_url(slot)?;
                url.strip_prefix("urn:uuid:").filter(|id| id.len() <= 64).map(str::to_owned)
            });
        }
        let rest = Rest(self.extensions(at, ""));
        self.filled_in(at, "extension", appointment, rest)
    }

    /// Reads the informed consent. Consents to other things, such as sharing records, are not it.
    pub fn consent(&mut self) -> Option<Consent> {
        let all = self.bundle.all("Consent");
        let treats = |at: &At| self.bundle.peek(*at, "scope/coding/0/code") == Some("treatment");
        let at = all.into_iter().find(treats)?;
        let status = self.bundle.take_code(at, "status");
        let denied = self.bundle.take_code(at, "provision/type").as_deref() == Some("deny");
        let consent = Consent {
            given: status.as_deref() == Some("active") && !denied,
            signer: self.short(at, "performer/0/display", 100),
            relation: None,
            at: self.time(at, "dateTime"),
            emergency_exception: false,
        };
        if !matches!(status.as_deref(), Some("active" | "rejected")) {
            self.bundle.give_back(at, "status");
        }
        let rest = Rest(self.extensions(at, ""));
        Some(self.filled_in(at, "extension", consent, rest))
    }

    /// Reads the plan of a transfer into its body.
    pub fn care_plan(&mut self, body: &mut Rest) {
        let Some(at) = self.bundle.first("CarePlan") else {
            return;
        };
        if let Some(treatment) = self.short(at, "description", 20_000) {
            body.put_at("plan/treatment", treatment.into());
        }
        let mut planned = Vec::new();
        for index in 0..self.bundle.count(at, "activity").min(100) {
            let detail = format!("activity/{index}/detail");
            let item = PlannedFollowUp {
                on: self
                    .day(at, &format!("{detail}/scheduledPeriod/start"))
                    .or_else(|| self.day(at, &format!("{detail}/scheduledString"))),
                what: self.short(at, &format!("{detail}/description"), 1_000).unwrap_or_default(),
                by: self.short(at, &format!("{detail}/performer/0/display"), 200),
            };
            if item != PlannedFollowUp::default() {
                planned.push(serde_json::to_value(&item).unwrap_or_default());
            }
        }
        if !planned.is_empty() {
            body.put_at("plan/follow_ups", planned.into());
        }
    }
}

/// Writes an appointment.
pub fn write(writer: &mut Writer<'_>, label: &str, status: &str, mut rest: Rest) -> Value {
    let mut out = resource("Appointment");
    put(&mut out, "status", Value::from(status));
    put(&mut out, "identifier", rest.text("number").map(|number| json!([{ "value": number }])));
    for name in ["start", "end"] {
        put(&mut out, name, rest.take(name));
    }
    put(&mut out, "specialty", writer.department(&mut rest).map(|department| json!([department])));
    let slot = rest.text("slot").map(|slot| json!([{ "identifier": { "value": slot } }]));
    put(&mut out, "slot", slot);
    put(&mut out, "patientInstruction", rest.take("instructions"));
    let doctor = rest.object("practitioner").and_then(|person| write_practitioner(writer, person));
    let mut participants: Vec<Value> = [writer.subject.clone(), doctor]
        .into_iter()
        .flatten()
        .map(|actor| json!({ "actor": actor, "status": "accepted" }))
        .collect();
    if participants.is_empty() {
        // FHIR requires somebody; where the patient is not told, only the status is certain.
        participants.push(json!({ "status": "accepted" }));
    }
    put(&mut out, "participant", Value::from(participants));
    rest.close(&mut out);
    writer.add(label, out)
}

/// Writes the informed consent.
pub fn write_consent(writer: &mut Writer<'_>, mut rest: Rest) {
    let given = rest.take("given") == Some(Value::Bool(true));
    let mut out = resource("Consent");
    put(&mut out, "status", Value::from(if given { "active" } else { "rejected" }));
    let scope = json!([{ "system": SCOPES, "code": "treatment" }]);
    put(&mut out, "scope", json!({ "coding": scope }));
    let category = json!([{ "system": "http://loinc.org", "code": "59284-0" }]);
    put(&mut out, "category", json!([{ "coding": category }]));
    put(&mut out, "patient", writer.subject.clone());
    put(&mut out, "dateTime", rest.take("at"));
    put(&mut out, "performer", rest.text("signer").map(|name| json!([{ "display": name }])));
    rest.close(&mut out);
    writer.add_part("Consent", out);
}

/// Writes the part of a transfer's plan that CarePlan has elements for.
pub fn write_care_plan(writer: &mut Writer<'_>, body: &mut Rest) {
    let treatment = body.take_at("plan/treatment");
    let planned = body.take_at("plan/follow_ups");
    if treatment.is_none() && planned.is_none() {
        return;
    }
    let mut out = resource("CarePlan");
    put(&mut out, "status", Value::from("active"));
    put(&mut out, "intent", Value::from("plan"));
    put(&mut out, "subject", writer.subject.clone());
    put(&mut out, "description", treatment);
    if let Some(Value::Array(planned)) = planned {
        let activities: Vec<Value> = planned.into_iter().filter_map(write_activity).collect();
        put(&mut out, "activity", (!activities.is_empty()).then(|| activities.into()));
    }
    writer.add_part("CarePlan", out);
}

fn write_activity(planned: Value) -> Option<Value> {
    let Value::Object(planned) = planned else {
        return None;
    };
    let mut planned = Rest(planned);
    let mut detail = Map::new();
    put(&mut detail, "status", Value::from("scheduled"));
    put(&mut detail, "description", planned.take("what"));
    let on = planned.take("on");
    put(&mut detail, "scheduledPeriod", on.map(|on| json!({ "start": on })));
    put(&mut detail, "performer", planned.text("by").map(|name| json!([{ "display": name }])));
    Some(json!({ "detail": detail }))
}

/// Writes a visit: its number, status, start and end, and how it ended.
pub fn write_visit(
    writer: &mut Writer<'_>,
    status: &str,
    number: Option<Value>,
    (start, end): (Option<Value>, Option<Value>),
    disposition: Option<Value>,
) -> Value {
    let mut out = resource("Encounter");
    put(&mut out, "status", Value::from(status));
    let class = if end.is_some() || disposition.is_some() { "IMP" } else { "AMB" };
    put(&mut out, "class", json!({ "system": CLASSES, "code": class }));
    put(&mut out, "subject", writer.subject.clone());
    put(&mut out, "identifier", number.map(|number| json!([{ "value": number }])));
    let mut period = Map::new();
    put(&mut period, "start", start);
    put(&mut period, "end", end);
    put(&mut out, "period", (!period.is_empty()).then(|| period.into()));
    let ended = disposition.map(|code| json!({ "dischargeDisposition": code }));
    put(&mut out, "hospitalization", ended);
    writer.add("Encounter", out)
}
