//! Appointments, visits, care plans and consents: single resources that several kinds share.

use jiff::civil::Date;
use serde_json::{Map, Value, json};
use tierlink_schemas::answer::Appointment;
use tierlink_schemas::request::{Consent, PlannedFollowUp};

use crate::bundle::At;
use crate::codes;
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
            start: self.exact(at, "start"),
            end: self.exact(at, "end"),
            department: self
                .department(at, "specialty/0")
                .or_else(|| self.department(at, "serviceType/0")),
            slot: self.short(at, "slot/0/identifier/value", 64),
            instructions: self.short(at, "patientInstruction", 4_000),
            ..Appointment::default()
        };
        if appointment.start.is_none() {
            self.requested_period(at, &mut appointment);
        }
        let minutes = self.bundle.take_code(at, "minutesDuration").and_then(|it| it.parse().ok());
        if let (Some(start), None, Some(minutes)) = (appointment.start, appointment.end, minutes) {
            let length = jiff::SignedDuration::from_mins(i64::from(u16::min(minutes, 10_080)));
            appointment.end = start.checked_add(length).ok();
        }
        for index in 0..self.bundle.count(at, "participant").min(50) {
            self.participant(at, index, &mut appointment);
        }
        if let Some(slot) = self.bundle.follow(at, "slot/0") {
            appointment.slot = self.short(slot, "identifier/0/value", 64).or_else(|| {
                let url = self.bundle.full_url(slot)?;
                url.strip_prefix("urn:uuid:").filter(|id| id.len() <= 64).map(str::to_owned)
            });
        }
        let rest = Rest(self.extensions(at, ""));
        let appointment = self.filled_in(at, "extension", appointment, rest);
        if let Some(number) = &appointment.queue_number {
            self.bundle.take_if(at, "comment", &queued(number));
        }
        appointment
    }

    /// The day of a planned follow-up. Words such as 出院后一周 stay words.
    fn planned_day(&mut self, at: At, detail: &str) -> Option<Date> {
        let words = format!("{detail}/scheduledString");
        let is_day =
            self.bundle.peek(at, &words).is_some_and(|it| it.trim().parse::<Date>().is_ok());
        if is_day {
            return self.day(at, &words);
        }
        self.day(at, &format!("{detail}/scheduledPeriod/start"))
    }

    /// A time that is only asked for may be a period. A day of it is said in words.
    fn requested_period(&mut self, at: At, appointment: &mut Appointment) {
        appointment.start = self.about(at, "requestedPeriod/0/start", "期望开始");
        appointment.end = self.about(at, "requestedPeriod/0/end", "期望结束");
    }

    fn participant(&mut self, at: At, index: usize, appointment: &mut Appointment) {
        let one = format!("participant/{index}");
        let actor = format!("{one}/actor");
        if self.bundle.peek(at, &format!("{one}/status")) == Some("declined") {
            self.bundle.take_all(at, &one);
            let text = "this participant has declined and does not take part; left out";
            self.deviation(codes::LEFT_OUT, self.bundle.field(at, &format!("{one}/status")), text);
            return;
        }
        let who = self.bundle.follow(at, &actor);
        let person = match who.map(|who| self.bundle.kind(who).to_owned()).as_deref() {
            Some("Practitioner" | "PractitionerRole") => self.person(at, &actor),
            Some("Location") => {
                let name = who.and_then(|who| self.short(who, "name", 200));
                appointment.place = appointment.place.take().or(name);
                None
            }
            Some("HealthcareService") => {
                let department = who.and_then(|who| self.department(who, "specialty/0"));
                appointment.department = appointment.department.take().or(department);
                None
            }
            Some(_) | None => None,
        };
        match person {
            Some(person) if appointment.practitioner.is_none() => {
                appointment.practitioner = Some(person);
            }
            other => appointment.other_practitioners.extend(other),
        }
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
        let status = self.bundle.take_code(at, "status");
        if let Some(status) = status.filter(|status| status != "active") {
            self.said.push((self.bundle.field(at, "status"), format!("治疗计划状态：{status}")));
        }
        self.bundle.take(at, "intent");
        if let Some(treatment) = self.short(at, "description", 20_000) {
            body.put_at("plan/treatment", treatment.into());
        }
        let mut planned = Vec::new();
        for index in 0..self.bundle.count(at, "activity").min(100) {
            let detail = format!("activity/{index}/detail");
            let status = format!("{detail}/status");
            match self.bundle.take_code(at, &status).as_deref() {
                None
                | Some("not-started" | "scheduled" | "in-progress" | "on-hold" | "unknown") => {}
                Some(_) => {
                    self.bundle.take_all(at, &detail);
                    let text = "this is not planned any more, or its status is not known; left out";
                    self.deviation(codes::LEFT_OUT, self.bundle.field(at, &status), text);
                    self.left_out.push(self.bundle.field(at, &detail));
                    continue;
                }
            }
            let item = PlannedFollowUp {
                on: self.planned_day(at, &detail),
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

/// The place in the queue, in words.
fn queued(number: &str) -> String {
    format!("号序：{number}")
}

/// Writes an appointment; `why` it is cancelled, if it is.
pub fn write(
    writer: &mut Writer<'_>,
    label: &str,
    status: &str,
    why: Option<Value>,
    mut rest: Rest,
) -> Value {
    let mut out = resource("Appointment");
    put(&mut out, "status", Value::from(status));
    put(&mut out, "cancelationReason", why);
    put(&mut out, "identifier", rest.text("number").map(|number| json!([{ "value": number }])));
    for name in ["start", "end"] {
        put(&mut out, name, rest.take(name));
    }
    put(&mut out, "specialty", writer.department(&mut rest).map(|department| json!([department])));
    let slot = rest.text("slot").map(|slot| json!([{ "identifier": { "value": slot } }]));
    put(&mut out, "slot", slot);
    put(&mut out, "patientInstruction", rest.take("instructions"));
    let doctor = rest.object("practitioner").and_then(|person| write_practitioner(writer, person));
    let others = match rest.take("other_practitioners") {
        Some(Value::Array(others)) => others,
        Some(_) | None => Vec::new(),
    };
    let others: Vec<Value> = others
        .into_iter()
        .filter_map(|person| {
            let Value::Object(person) = person else { return None };
            write_practitioner(writer, Rest(person))
        })
        .collect();
    if let Some(number) = rest.0.get("queue_number").and_then(Value::as_str) {
        // FHIR has no element for it; whoever does not know our extension reads the comment.
        put(&mut out, "comment", Value::from(queued(number)));
    }
    let mut participants: Vec<Value> = [writer.subject.clone(), doctor]
        .into_iter()
        .flatten()
        .chain(others)
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
