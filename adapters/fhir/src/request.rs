//! Requests: what opens a case or amends one, as a ServiceRequest with all that hangs on it.
//!
//! Here the safety fields are decided. Priority, direction and recipient are read for certain or
//! the message is refused with the field named; nothing is guessed.

use serde_json::{Value, json};
use tierlink_schemas::kind::{Body, Family, Kind};
use tierlink_schemas::request::Direction;
use tierlink_schemas::{CaseNumber, OrganisationCode, Priority, Tier};

use crate::appointment::{write as write_appointment, write_care_plan, write_consent, write_visit};
use crate::bundle::At;
use crate::events::Opening;
use crate::party::{Side, write_side};
use crate::reader::{Named, Reader};
use crate::settle::Missing;
use crate::writer::{Rest, Writer, identifier, put, resource};
use crate::{codes, parts, patient, systems};

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
        let to = self.side(at, "performer/0");
        let from_code = self.origin(&from);
        let to_code = self.target(&to, receiver);
        let subject = self.bundle.follow(at, "subject");
        let patient = self.patient(subject);
        let mut rest = Rest(self.bundle.take_extensions(at, ""));
        if let Some(task) = self.bundle.first("Task") {
            for (name, value) in self.bundle.take_extensions(task, "") {
                rest.0.entry(name).or_insert(value);
            }
        }
        rest.take("priority");
        let (from_code, to_code) = (from_code?, to_code?);
        let family = self.family(at, opening, &from_code, &to_code)?;
        let kind = opening.kind(family);
        let mut body = Rest::default();
        body.0
            .insert("from".into(), self.party(at, from, from_code.clone()));
        body.0
            .insert("to".into(), self.party(at, to, to_code.clone()));
        body.0.insert(
            "patient".into(),
            serde_json::to_value(patient?).unwrap_or_default(),
        );
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
        let settled = self.settle(&place, base, rest, |value| Body::read(kind, value));
        let mut body = match settled {
            Ok(body) => Rest::of(&body),
            Err(missing) => {
                self.missing(kind, at, missing);
                return None;
            }
        };
        self.parts(kind, &mut body);
        match Body::read(kind, Value::Object(body.0)) {
            Ok(body) => Some(body),
            Err(_) => {
                self.missing(kind, at, Missing(None));
                None
            }
        }
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

    /// The organisation that asks. Without a requester it is the sender.
    fn origin(&mut self, from: &Side) -> Option<OrganisationCode> {
        match &from.organisation {
            Named::As(code) => Some(code.clone()),
            Named::Silent => Some(self.own().clone()),
            Named::Unknown => {
                self.unknown(&from.field);
                None
            }
        }
    }

    /// The organisation that is asked: a safety field.
    fn target(&mut self, to: &Side, receiver: (Named, String)) -> Option<OrganisationCode> {
        match (to.organisation.clone(), receiver) {
            (Named::As(performer), (Named::As(receiver), field)) if performer != receiver => {
                let text = "the receiver of the message and the performer of the request are two \
                            organisations; name one";
                self.problem(codes::CONTRADICTION, field, text);
                None
            }
            (Named::As(code), (Named::As(_) | Named::Silent, _))
            | (Named::Silent, (Named::As(code), _)) => Some(code),
            (Named::Unknown, _) => {
                self.unknown(&to.field);
                None
            }
            (_, (Named::Unknown, field)) => {
                self.unknown(&field);
                None
            }
            (Named::Silent, (Named::Silent, field)) => {
                let text = "the message does not say by identifier who is asked; give the \
                            organisation an identifier";
                self.problem(codes::ORGANISATION_UNKNOWN, field, text);
                None
            }
        }
    }

    /// Refuses an organisation that nobody knows.
    pub fn unknown(&mut self, field: &str) {
        let text = "no organisation of this county goes by this identifier; correct it, or list it \
                    under codes.organisation in the profile";
        self.problem(codes::ORGANISATION_UNKNOWN, field, text);
    }

    fn tiers(
        &self,
        from: &OrganisationCode,
        to: &OrganisationCode,
    ) -> (Option<Tier>, Option<Tier>) {
        let own = &self.with.profile.organisation;
        let tier = |code: &OrganisationCode| {
            let listed = self.with.directory.tier(code);
            listed.or_else(|| (*code == own.code).then_some(own.tier))
        };
        (tier(from), tier(to))
    }

    /// Which family of case it is: stated, or known from the tiers.
    fn family(
        &mut self,
        at: At,
        opening: Opening,
        from: &OrganisationCode,
        to: &OrganisationCode,
    ) -> Option<Family> {
        let category = "category/0/coding/0";
        let system = format!("{category}/system");
        let ours = self.bundle.peek(at, &system) == Some(systems::FAMILY);
        let category = ours
            .then(|| self.bundle.take_code(at, &format!("{category}/code")))
            .flatten();
        let category = category.and_then(|code| {
            Family::WITH_CASES
                .into_iter()
                .find(|family| family.as_str() == code)
        });
        if ours {
            self.bundle.take(at, &system);
        }
        let stated = opening.family.or(category);
        if let (Some(event), Some(category)) = (opening.family, category)
            && event != category
        {
            let field = self.bundle.field(at, "category/0/coding/0/code");
            let text = "the category and the event name different families; correct one";
            self.problem(codes::CONTRADICTION, field, text);
            return None;
        }
        if stated == Some(Family::Consultation) {
            return stated;
        }
        let (lower, upper) = self.tiers(from, to);
        let Some(descends) = lower.zip(upper).map(|(from, to)| from > to) else {
            let text = "the tier of an organisation is not configured; the direction was taken as \
                        stated";
            self.deviation(
                codes::NO_DIRECTORY,
                self.bundle.field(at, "performer"),
                text,
            );
            return Some(stated.unwrap_or(Family::Referral));
        };
        let follows = if descends {
            Family::Transfer
        } else {
            Family::Referral
        };
        match stated {
            Some(stated) if stated != follows => {
                let text = "a transfer goes to a lower tier and a referral does not; the tiers of \
                            the two organisations say otherwise than the message";
                self.problem(
                    codes::DIRECTION_CONTRADICTS,
                    "MessageHeader.eventCoding.code",
                    text,
                );
                None
            }
            Some(_) | None => Some(follows),
        }
    }

    /// The direction of a referral. `None` refuses, `Some(None)` is unknown.
    #[expect(
        clippy::option_option,
        reason = "refused and unknown are different answers"
    )]
    fn direction(
        &mut self,
        stated: Option<Value>,
        from: &OrganisationCode,
        to: &OrganisationCode,
    ) -> Option<Option<Direction>> {
        let field = "ServiceRequest.extension[direction]";
        let stated: Option<Direction> = match stated.map(serde_json::from_value) {
            None => None,
            Some(Ok(direction)) => Some(direction),
            Some(Err(_)) => {
                let text = "the direction is not known; use up, lateral or out";
                self.problem(codes::DIRECTION_CONTRADICTS, field, text);
                return None;
            }
        };
        let outside = self.with.directory.get(to).is_some_and(|to| to.outside);
        let (lower, upper) = self.tiers(from, to);
        let follows = if outside {
            Some(Direction::Out)
        } else {
            lower.zip(upper).map(|(from, to)| {
                if from == to {
                    Direction::Lateral
                } else {
                    Direction::Up
                }
            })
        };
        if stated.is_some() && follows.is_some() && stated != follows {
            let text = "the direction contradicts the tiers of the two organisations; leave it out \
                        or correct it";
            self.problem(codes::DIRECTION_CONTRADICTS, field, text);
            return None;
        }
        Some(follows.or(stated))
    }

    /// Reads the priority: a safety field.
    pub fn priority(&mut self, at: At, opens: bool) -> Option<Priority> {
        let ours = self.bundle.take_extensions(at, "").remove("priority");
        let field = self.bundle.field(at, "priority");
        let given = self.bundle.take_code(at, "priority");
        let map = &self.with.profile.codes.priority;
        let name = given.as_deref().map(|given| match (map.get(given), given) {
            (Some(ours), _) => ours.as_str(),
            (None, _) if !map.is_empty() && ours.is_none() => "",
            (None, "routine") => "routine",
            (None, "urgent" | "asap") => "urgent",
            (None, "stat") => "emergency",
            (None, _) => "",
        });
        let known = |name: &str| Priority::ALL.into_iter().find(|p| p.as_str() == name);
        let element = name.map(known);
        let extension = ours.as_ref().map(|value| value.as_str().and_then(known));
        match (element, extension) {
            (None, None) if !opens => None,
            (None, None) => {
                let text = "the priority is missing; send routine, urgent, asap or stat";
                self.problem(codes::PRIORITY_UNKNOWN, field, text);
                None
            }
            (Some(None), _) | (_, Some(None)) => {
                let text = "the priority is not known; send routine, urgent, asap or stat, or list \
                            the code under codes.priority in the profile";
                self.problem(codes::PRIORITY_UNKNOWN, field, text);
                None
            }
            (Some(element), None) => element,
            (None, Some(extension)) => extension,
            (Some(Some(Priority::Routine | Priority::Chronic)), Some(Some(Priority::Chronic))) => {
                Some(Priority::Chronic)
            }
            (Some(element), Some(extension)) if element == extension => element,
            (Some(_), Some(_)) => {
                let text = "the priority and its extension contradict each other; correct one";
                self.problem(codes::CONTRADICTION, field, text);
                None
            }
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
        for (element, path) in [
            ("period/start", "stay/admitted_at"),
            ("period/end", "stay/discharged_at"),
        ] {
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
            _ => "kind",
        };
        if family != Family::Transfer
            && let Some(concept) = self.concept(at, "code")
        {
            body.put_at(code, json!(concept));
        }
        if family == Family::Consultation {
            let based_on = "basedOn/0/identifier";
            let number = self
                .bundle
                .peek(at, &format!("{based_on}/value"))
                .and_then(CaseNumber::read);
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
            _ => {}
        }
    }
}

/// Writes a request, and gives the reference to its ServiceRequest.
pub fn write(writer: &mut Writer<'_>, identifiers: Vec<Value>, body: &mut Rest) -> Value {
    let message = writer.message;
    let kind = message.kind();
    let family = kind.family();
    if let Some(patient) = message.body.patient() {
        body.take("patient");
        writer.subject = Some(patient::write(writer, patient));
    }
    let mut out = resource("ServiceRequest");
    put(
        &mut out,
        "identifier",
        (!identifiers.is_empty()).then(|| identifiers.into()),
    );
    put(&mut out, "status", Value::from("active"));
    put(&mut out, "intent", Value::from("order"));
    let mut categories =
        vec![json!({ "coding": [{ "system": systems::FAMILY, "code": family.as_str() }] })];
    let code = match family {
        Family::Referral => body.concept("purpose"),
        Family::Consultation => {
            let exam = body.take_at("reading/exam");
            if exam.is_some() {
                categories
                    .push(json!({ "coding": [{ "system": systems::FAMILY, "code": "reading" }] }));
            }
            match exam {
                Some(Value::Object(exam)) => Some(crate::extension::concept(&exam)),
                Some(_) | None => body.concept("kind"),
            }
        }
        _ => None,
    };
    put(&mut out, "category", Value::from(categories));
    put(&mut out, "code", code);
    write_priority(message.priority, &mut out);
    put(&mut out, "subject", writer.subject.clone());
    put(&mut out, "authoredOn", json!(message.occurred_at));
    write_sides(writer, body, &mut out);
    let number = body
        .take_at("parent")
        .map(|n| json!({ "system": systems::CASE_NUMBER, "value": n }));
    let number = number.or_else(|| body.take("parent_referral").map(|n| json!({ "value": n })));
    put(
        &mut out,
        "basedOn",
        number.map(|number| json!([{ "identifier": number }])),
    );
    put(
        &mut out,
        "occurrencePeriod",
        body.take("valid_until").map(|end| json!({ "end": end })),
    );
    if let Some(Value::Array(reasons)) = body.take("reasons") {
        let reasons: Vec<Value> = reasons
            .iter()
            .filter_map(Value::as_object)
            .map(crate::extension::concept)
            .collect();
        put(&mut out, "reasonCode", Value::from(reasons));
    }
    if let Some(Value::Array(notes)) = body.take_at("clinical/notes") {
        let notes: Vec<Value> = notes
            .into_iter()
            .map(|note| json!({ "text": note }))
            .collect();
        put(&mut out, "note", Value::from(notes));
    }
    write_rest(writer, kind, body);
    let parts = std::mem::take(&mut writer.parts);
    put(
        &mut out,
        "supportingInfo",
        (!parts.is_empty()).then(|| parts.into()),
    );
    writer.add("ServiceRequest", out)
}

fn write_sides(writer: &mut Writer<'_>, body: &mut Rest, out: &mut serde_json::Map<String, Value>) {
    let number = body.take_at("from/encounter");
    let admitted = body.take_at("stay/admitted_at");
    let discharged = body.take_at("stay/discharged_at");
    let disposition = match body.take_at("stay/disposition") {
        Some(Value::Object(coded)) => Some(crate::extension::concept(&coded)),
        Some(_) | None => None,
    };
    if number.is_some() || admitted.is_some() || discharged.is_some() || disposition.is_some() {
        let visit = write_visit(
            writer,
            "unknown",
            number,
            (admitted, discharged),
            disposition,
        );
        put(out, "encounter", visit);
    }
    if let Some(from) = body.object("from") {
        put(out, "requester", write_side(writer, "from", from));
    }
    if let Some(to) = body.object("to") {
        put(out, "performer", json!([write_side(writer, "to", to)]));
    }
}

fn write_rest(writer: &mut Writer<'_>, kind: Kind, body: &mut Rest) {
    if let Some(consent) = body.object("consent") {
        write_consent(writer, consent);
    }
    let wanted = match body.take("wanted") {
        Some(Value::Array(wanted)) => wanted,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for (index, wanted) in wanted.into_iter().enumerate() {
        if let Value::Object(wanted) = wanted {
            let wanted =
                write_appointment(writer, &format!("wanted/{index}"), "proposed", Rest(wanted));
            writer.parts.push(wanted);
        }
    }
    if kind.family() == Family::Transfer {
        write_care_plan(writer, body);
    }
    parts::write(writer, kind, body);
}

/// Writes the priority. FHIR has no word for chronic cases, so an extension says it.
pub fn write_priority(priority: Option<Priority>, out: &mut serde_json::Map<String, Value>) {
    let Some(priority) = priority else { return };
    let code = match priority {
        Priority::Emergency => "stat",
        Priority::Urgent => "urgent",
        Priority::Routine | Priority::Chronic => "routine",
    };
    put(out, "priority", Value::from(code));
    if priority == Priority::Chronic {
        let url = format!("{}priority", systems::EXTENSION);
        put(
            out,
            "extension",
            json!([{ "url": url, "valueCode": "chronic" }]),
        );
    }
}

/// The identifiers of a case, ours first.
pub fn case_identifiers(message: &tierlink_schemas::Message) -> Vec<Value> {
    let case = &message.case;
    let ours = case
        .number
        .iter()
        .map(|n| identifier(systems::CASE_NUMBER, n.as_str()));
    let id = case
        .id
        .iter()
        .map(|id| identifier(systems::CASE_ID, &id.to_string()));
    let theirs = case.numbers.iter().map(|n| {
        identifier(
            &format!("{}{}", systems::ORGANISATION, n.organisation),
            &n.number,
        )
    });
    ours.chain(id).chain(theirs).collect()
}
