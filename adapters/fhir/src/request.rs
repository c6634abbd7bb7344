//! Requests: what opens a case or amends one, as a ServiceRequest with all that hangs on it.
//!
//! This is the way in; the way out is `asking.rs`, and the safety fields are in `safety.rs`.

use serde_json::{Value, json};
use tierlink_schemas::kind::{Body, Family, Kind};
use tierlink_schemas::person::Coded;
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
        if self.bundle.take(at, "status").is_none() {
            let text = "the request has no status; it was read as active";
            self.deviation(codes::SHAPE, self.bundle.field(at, "status"), text);
        }
        let from = self.side(at, "requester");
        let mut to = self.side(at, "performer/0");
        self.further_performers(at, &mut to);
        let header = self.bundle.first("MessageHeader");
        if let (Named::Silent, Some(header)) = (&to.organisation, header) {
            // Nobody is named to perform it: whoever receives the message is asked.
            let receiver = self.side(header, "destination/0/receiver");
            to.fill_in(receiver);
        }
        let from_code = self.origin(&from);
        let to_code = self.target(&to, receiver);
        let patient = self.patient();
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
        self.say_times(at);
        self.bundle.take(at, "intent");
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
        self.say_the_rest(kind, &mut body);
        self.say_what_is_not_stated(kind, at, &mut body);
        let read = Body::read(kind, Value::Object(body.0)).ok();
        if read.is_none() {
            self.missing(kind, at, Missing(None));
        }
        read
    }

    /// A referral whose content is a letter states no illness of its own: it is said where it stands.
    fn say_what_is_not_stated(&mut self, kind: Kind, at: At, body: &mut Rest) {
        let says_what = body.has("clinical/diagnoses") || body.has("clinical/chief_complaint");
        if kind.family() != Family::Referral || !kind.states_request() || says_what {
            return;
        }
        let elsewhere = if body.has("attachments") {
            "未说明，见所附文件"
        } else if body.has("clinical/observations") {
            "未说明，见检查结果"
        } else {
            return;
        };
        body.put_at("clinical/chief_complaint", elsewhere.into());
        let text = "no diagnosis and no complaint is stated; carried as 未说明, not stated";
        self.deviation(codes::NOT_STATED, self.bundle.field(at, "reasonReference"), text);
    }

    fn missing(&mut self, kind: Kind, at: At, missing: Missing) {
        let (field, text) = match missing.0 {
            Some(name) => (
                format!("{}.extension[{name}]", self.bundle.field(at, "")),
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

    /// A request goes to one organisation; further performers are people in it.
    fn further_performers(&mut self, at: At, to: &mut Side) {
        for index in 1..self.bundle.count(at, "performer").min(20) {
            let path = format!("performer/{index}");
            let other = self.side(at, &path);
            let elsewhere = match (&to.organisation, &other.organisation) {
                (Named::As(one), Named::As(other)) => one != other,
                (_, Named::Unknown) => true,
                (_, Named::As(_) | Named::Silent) => false,
            };
            if elsewhere {
                let text = "a second organisation is asked; send it a request of its own";
                self.problem(codes::CONTRADICTION, self.bundle.field(at, &path), text);
                continue;
            }
            if to.has_practitioner()
                && let Some(name) = other.practitioner_name()
            {
                let field = self.bundle.field(at, &path);
                self.said.push((field, format!("另请：{name}")));
            }
            to.fill_in(other);
        }
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
        for (element, label, path) in [
            ("period/start", "入院时间", "stay/admitted_at"),
            ("period/end", "出院时间", "stay/discharged_at"),
        ] {
            if let Some(at) = self.about(visit, element, label) {
                body.put_at(path, at.to_string().into());
            }
        }
        if let Some(ended) = self.concept(visit, "hospitalization/dischargeDisposition") {
            body.put_at("stay/disposition", json!(ended));
        }
    }

    /// The reasons that are diagnoses, findings or papers of the same message.
    fn reasons_referred_to(&mut self, at: At) -> Vec<Coded> {
        let mut reasons = Vec::new();
        for index in 0..self.bundle.count(at, "reasonReference").min(20) {
            let path = format!("reasonReference/{index}");
            let found = match self.bundle.follow(at, &path) {
                Some(target) if self.bundle.kind(target) == "DocumentReference" => self
                    .bundle
                    .peek(target, "description")
                    .or_else(|| self.bundle.peek(target, "content/0/attachment/title"))
                    .map(Coded::text),
                Some(target) => self.concept(target, "code"),
                None => None,
            };
            let found = found.or_else(|| {
                let words = self.short(at, &format!("{path}/display"), 1_000)?;
                Some(Coded::text(words))
            });
            reasons.extend(found);
        }
        reasons
    }

    /// Times of the request that no field holds are said in words.
    fn say_times(&mut self, at: At) {
        for (element, label) in
            [("occurrencePeriod/start", "期望开始时间"), ("occurrenceDateTime", "期望时间")]
        {
            if let Some(instant) = self.about(at, element, label) {
                let zoned = instant.to_zoned(self.zone());
                let text = format!("{label}：{}", zoned.strftime("%Y-%m-%d %H:%M"));
                self.said.push((self.bundle.field(at, element), text));
            }
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
            let mut reasons: Vec<Value> = (0..self.bundle.count(at, "reasonCode").min(20))
                .filter_map(|i| self.concept(at, &format!("reasonCode/{i}")))
                .map(|reason| json!(reason))
                .collect();
            let referred = self.reasons_referred_to(at);
            reasons.extend(referred.into_iter().map(|reason| json!(reason)));
            reasons.truncate(20);
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
            && let Some(until) = self.end(at, "occurrencePeriod/end")
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
