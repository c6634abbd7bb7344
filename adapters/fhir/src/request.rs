//! Requests: what opens a case or amends one, as a ServiceRequest with all that hangs on it.
//!
//! This is the way in; the way out is `asking.rs`, and the safety fields are in `safety.rs`.

use serde_json::{Value, json};
use tierlink_schemas::kind::{Body, Family, Kind};
use tierlink_schemas::{CaseNumber, OrganisationCode};

use crate::bundle::At;
use crate::meaning::Opening;
use crate::party::Side;
use crate::reader::{Named, Reader};
use crate::settle::Missing;
use crate::writer::Rest;
use crate::{codes, parts};

/// Objects of which FHIR elements hold one part and our extensions the other.
const SHARED: [&str; 4] = ["stay", "plan", "clinical", "reading"];

impl Reader<'_> {
    /// Reads a request, or refuses the message.
    pub fn request(&mut self, opening: Opening, receiver: (Named, String)) -> Option<Body> {
        let Some(at) = self.bundle.first("ServiceRequest") else {
            let text = "the event asks for care; add a ServiceRequest";
            self.problem(codes::MISSING, "ServiceRequest", text);
            return None;
        };
        self.bundle.take(at, "status");
        let from = self.side(at, "requester");
        let mut to = self.side(at, "performer/0");
        let header = self.bundle.first("MessageHeader");
        if let (Named::Silent, Some(header)) = (&to.organisation, header) {
            // Nobody is named to perform it: whoever receives the message is asked.
            let receiver = self.side(header, "destination/0/receiver");
            to.fill_in(receiver);
        }
        let from_code = self.origin(&from);
        let to_code = self.target(&to, receiver);
        let subject = self.bundle.follow(at, "subject");
        let patient = self.patient(subject);
        let mut rest = Rest(self.extensions(at, ""));
        if let Some(task) = self.bundle.first("Task") {
            for (name, value) in self.extensions(task, "") {
                rest.0.entry(name).or_insert(value);
            }
        }
        rest.take("priority");
        let (from_code, to_code) = (from_code?, to_code?);
        let family = self.family(at, opening, &from_code, &to_code)?;
        let kind = opening.kind(family);
        let mut body = Rest::default();
        body.0.insert("from".into(), self.party(at, from, from_code.clone()));
        body.0.insert("to".into(), self.party(at, to, to_code.clone()));
        body.0.insert("patient".into(), serde_json::to_value(patient?).unwrap_or_default());
        if family == Family::Referral {
            let stated = rest.take("direction");
            let direction = self.direction(stated, &from_code, &to_code)?;
            if let Some(direction) = direction {
                body.0.insert("direction".into(), json!(direction));
            }
        }
        self.visit_of_request(at, family, &mut body);
        self.elements(at, family, &mut body);
        if family == Family::Transfer {
            self.care_plan(&mut body);
        }
        self.built(kind, at, body, rest)
    }

    /// Joins what elements and extensions said, and adds the lists and long texts.
    pub fn built(&mut self, kind: Kind, at: At, mut base: Rest, mut rest: Rest) -> Option<Body> {
        for name in SHARED {
            if !(rest.has(name) && base.has(name)) {
                continue;
            }
            if let (Some(mut ours), Some(theirs)) = (rest.object(name), base.object(name)) {
                ours.0.extend(theirs.0);
                rest.0.insert(name.to_owned(), Value::Object(ours.0));
            }
        }
        if let Some(list) = parts::required_list(kind) {
            base.0.entry(list.to_owned()).or_insert_with(|| json!([]));
        }
        let place = self.bundle.field(at, "extension");
        let settled = self.settle(&place, &base, rest, |value| Body::read(kind, value));
        let mut body = match settled {
            Ok(body) => Rest::of(&body),
            Err(missing) => {
                self.missing(kind, at, missing);
                return None;
            }
        };
        self.parts(kind, &mut body);
        self.tell_what_was_left_out(kind, &mut body);
        let read = Body::read(kind, Value::Object(body.0)).ok();
        if read.is_none() {
            self.missing(kind, at, Missing(None));
        }
        read
    }

    fn missing(&mut self, kind: Kind, at: At, missing: Missing) {
        let (field, text) = match missing.0 {
            Some(name) => (
                self.bundle.field(at, &format!("extension[{name}]")),
                format!("{kind} needs `{name}`; adapters/fhir/MAPPING.md says where it stands"),
            ),
            None => (
                self.bundle.field(at, ""),
                format!("the content does not fit {kind}; see adapters/fhir/MAPPING.md"),
            ),
        };
        self.problem(codes::MISSING, field, text);
    }

    fn party(&mut self, at: At, side: Side, code: OrganisationCode) -> Value {
        let place = side.field.clone();
        let (party, rest) = side.party(code);
        let party = self.filled_in(at, &place, party, rest);
        serde_json::to_value(party).unwrap_or_default()
    }

    fn visit_of_request(&mut self, at: At, family: Family, body: &mut Rest) {
        let Some(visit) = self.bundle.follow(at, "encounter") else {
            return;
        };
        if let Some(number) = self.short(visit, "identifier/0/value", 64) {
            body.put_at("from/encounter", number.into());
        }
        if family != Family::Transfer {
            return;
        }
        for (element, path) in
            [("period/start", "stay/admitted_at"), ("period/end", "stay/discharged_at")]
        {
            if let Some(at) = self.time(visit, element) {
                body.put_at(path, at.to_string().into());
            }
        }
        if let Some(ended) = self.concept(visit, "hospitalization/dischargeDisposition") {
            body.put_at("stay/disposition", json!(ended));
        }
    }

    /// Reads the elements of the ServiceRequest itself.
    fn elements(&mut self, at: At, family: Family, body: &mut Rest) {
        let code = match family {
            Family::Referral => "purpose",
            Family::Consultation if self.bundle.peek(at, "category/1/coding/0/code").is_some() => {
                self.bundle.take_all(at, "category/1");
                "reading/exam"
            }
            Family::Transfer
            | Family::Consultation
            | Family::Slot
            | Family::Status
            | Family::Receipt => "kind",
        };
        if family != Family::Transfer
            && let Some(concept) = self.concept(at, "code")
        {
            body.put_at(code, json!(concept));
        }
        if family == Family::Consultation {
            let based_on = "basedOn/0/identifier";
            let number =
                self.bundle.peek(at, &format!("{based_on}/value")).and_then(CaseNumber::read);
            if let Some(number) = number {
                self.bundle.take_all(at, based_on);
                body.put_at("parent", json!(number));
            }
        } else {
            let reasons: Vec<Value> = (0..self.bundle.count(at, "reasonCode").min(20))
                .filter_map(|i| self.concept(at, &format!("reasonCode/{i}")))
                .map(|reason| json!(reason))
                .collect();
            if !reasons.is_empty() {
                body.put_at("reasons", reasons.into());
            }
        }
        if family == Family::Transfer
            && let Some(number) = self.short(at, "basedOn/0/identifier/value", 100)
        {
            body.put_at("parent_referral", number.into());
        }
        if family == Family::Referral
            && let Some(until) = self.time(at, "occurrencePeriod/end")
        {
            body.put_at("valid_until", until.to_string().into());
        }
        let notes: Vec<Value> = (0..self.bundle.count(at, "note").min(500))
            .filter_map(|i| self.bundle.take(at, &format!("note/{i}/text")))
            .map(Value::from)
            .collect();
        if !notes.is_empty() {
            body.put_at("clinical/notes", notes.into());
        }
        if let Some(consent) = self.consent() {
            body.put_at("consent", json!(consent));
        }
        let wanted: Vec<Value> = self
            .bundle
            .all("Appointment")
            .into_iter()
            .filter(|at| self.bundle.peek(*at, "status") == Some("proposed"))
            .take(20)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|at| {
                self.bundle.take(at, "status");
                json!(self.appointment(at))
            })
            .collect();
        match family {
            Family::Consultation if !wanted.is_empty() => body.put_at("wanted", wanted.into()),
            Family::Referral => {
                if let Some(first) = wanted.into_iter().next() {
                    body.put_at("wanted", first);
                }
            }
            Family::Transfer
            | Family::Consultation
            | Family::Slot
            | Family::Status
            | Family::Receipt => {}
        }
    }
}
