//! From bytes to a canonical message: the straight line through the readers.

use std::collections::BTreeSet;

use serde_json::Value;
use tierlink_codec::{Decoded, FamilyKnown, Head, Reading};
use tierlink_schemas::codes::TableId;
use tierlink_schemas::kind::{Family, Kind};
use tierlink_schemas::message::{Extra, ReplyTo, SOURCE_MESSAGE_ID_LENGTH_MAX, Source};
use tierlink_schemas::{CaseNumber, Message, OrganisationCode, Problem, outside, reasons};
use uuid::Uuid;

use crate::bundle::{At, BUNDLE, Bundle};
use crate::events::{Dialect, dialect};
use crate::limits::EXTRAS_MAX;
use crate::meaning::Meaning;
use crate::opened::{self, Arrived};
use crate::period::When;
use crate::reader::{Named, Reader};
use crate::{codes, json, systems};

/// Reads a message.
pub fn decode(bytes: &[u8], with: &Reading<'_>) -> Decoded {
    let bundle = match opened::take(with) {
        Some(bundle) => Ok(bundle),
        None => json::read(bytes).and_then(Bundle::open),
    };
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(problem) => {
            let nothing = Head::of(Arrived::default());
            return Decoded::refused(vec![problem], Vec::new(), None).with_head(nothing);
        }
    };
    let id = message_id(&bundle);
    let head = Head::of(Arrived::of(&bundle, id.clone()));
    read(bundle, id, with).with_head(head)
}

fn read(bundle: Bundle, id: Option<String>, with: &Reading<'_>) -> Decoded {
    let mut reader = Reader::new(bundle, with);
    let read = reader.message(id.clone());
    let bent: Vec<String> = reader.bundle.bent.iter().cloned().collect();
    for field in bent {
        let text = "FHIR gives this element another shape (a list or a single one); it was read";
        reader.deviation(codes::SHAPE, field, text);
    }
    match read {
        Some((message, family)) if reader.problems.is_empty() => {
            Decoded::read(message, family, reader.deviations)
        }
        _ => {
            if reader.problems.is_empty() {
                let text = "the message could not be read; see adapters/fhir/MAPPING.md";
                reader.problem(codes::MISSING, "Bundle", text);
            }
            Decoded::refused(reader.problems, reader.deviations, id)
        }
    }
}

/// The elements that reading a message takes, such as `Patient.name.text`.
pub fn elements_read(bytes: &[u8], with: &Reading<'_>) -> BTreeSet<String> {
    let Ok(bundle) = json::read(bytes).and_then(Bundle::open) else {
        return BTreeSet::new();
    };
    let id = message_id(&bundle);
    let mut reader = Reader::new(bundle, with);
    if reader.message(id).is_none() {
        return BTreeSet::new();
    }
    reader.bundle.elements_read()
}

/// The sender's id for the message: that of the header, or else that of the Bundle.
///
/// A message that is sent again in a new Bundle keeps the id of its header and is seen as a repeat;
/// that is the rule of MedCom's reliable messaging. BaRS gives the header no id at all.
pub fn message_id(bundle: &Bundle) -> Option<String> {
    let header = bundle.first("MessageHeader").and_then(|at| bundle.peek(at, "id"));
    let id = header.or_else(|| bundle.peek(BUNDLE, "id"))?.trim();
    (id.len() <= SOURCE_MESSAGE_ID_LENGTH_MAX).then(|| id.to_owned())
}

impl Reader<'_> {
    fn message(&mut self, id: Option<String>) -> Option<(Message, FamilyKnown)> {
        let header = self.header()?;
        let Some(message_id) = id else {
            let text = "the message has no usable id; set MessageHeader.id, at most 200 characters";
            self.problem(codes::MISSING, "MessageHeader.id", text);
            return None;
        };
        self.bundle.take(header, "id");
        self.check_sender(header);
        self.choose_what_is_meant(header);
        self.leave_out_what_is_no_fact();
        self.refuse_unknown_modifiers();
        self.refuse_unknown_codes();
        self.settle_subjects();
        if !self.problems.is_empty() {
            return None;
        }
        let system = self.bundle.peek(header, "eventCoding/system").map(str::to_owned);
        let dialect = dialect(system.as_deref());
        let receiver = self.receiver(header);
        let meaning = self.meaning(header)?;
        let destination = receiver.0.clone().code();
        let (body, exact) = match meaning {
            Meaning::Request(opening) => (self.request(opening, receiver), true),
            Meaning::Statement { kind, exact, found } => {
                if receiver.0 == Named::Unknown {
                    self.unknown(&receiver.1);
                }
                (self.statement(kind, header, &found), exact)
            }
        };
        let body = body?;
        let subject = self.subject(body.kind());
        let source = Source {
            organisation: self.own().clone(),
            system: self.short(header, "source/software", 200),
            message_id,
        };
        let occurred_at = self.occurred_at();
        let mut message = Message::new(self.with.id, source, occurred_at, body);
        message.received_at = Some(self.with.received_at);
        message.subject = subject;
        self.envelope(header, &mut message);
        self.case(dialect, destination.as_ref(), &mut message);
        message.destinations.extend(destination);
        let (mut message, family) = of_family(message, exact);
        message.extras.append(&mut self.set_aside);
        match self.bundle.leftovers() {
            Ok(extras) => message.extras.extend(extras),
            Err(problem) => self.problems.push(problem),
        }
        if message.extras.len() > EXTRAS_MAX {
            let text = "the message has too many elements that no canonical field holds; split it";
            self.problems.push(Problem::new(codes::TOO_MUCH, "Bundle", text));
        }
        Some((message, family))
    }

    /// Finds the header of a message Bundle.
    fn header(&mut self) -> Option<At> {
        let kind = self.bundle.peek(BUNDLE, "type").map(str::to_owned);
        let Some(header) = self.bundle.first("MessageHeader") else {
            let text = "the Bundle has no MessageHeader; put one first";
            self.problem(codes::NO_MESSAGE, "Bundle.entry[0]", text);
            return None;
        };
        if kind.as_deref() != Some("message") {
            let text = "the Bundle is of another type; send type message";
            self.problem(codes::NO_MESSAGE, "Bundle.type", text);
            return None;
        }
        if self.bundle.all("MessageHeader").len() > 1 {
            let text = "the Bundle has several MessageHeaders; send one message per Bundle";
            self.problem(codes::NO_MESSAGE, "Bundle.entry", text);
            return None;
        }
        if header != 1 {
            let text = "the MessageHeader must be the first entry; it was read where it stands";
            self.deviation(codes::EVENT_INFERRED, "Bundle.entry[0]", text);
        }
        Some(header)
    }

    /// Of several requests or tasks the one counts that the focus names. One that it refers to is
    /// said in words; any other would be lost, so it refuses the message.
    fn choose_what_is_meant(&mut self, header: At) {
        let focused: Vec<At> = (0..self.bundle.count(header, "focus").min(20))
            .filter_map(|index| self.bundle.follow(header, &format!("focus/{index}")))
            .collect();
        for kind in ["ServiceRequest", "Task"] {
            let all = self.bundle.all(kind);
            if all.len() < 2 {
                continue;
            }
            let mut meant = all.iter().copied().filter(|at| focused.contains(at));
            let one = meant.next().filter(|_| meant.next().is_none());
            for other in all.iter().copied().filter(|at| Some(*at) != one) {
                if one.is_some_and(|one| self.bundle.refers(one, other)) {
                    self.say_whole(other);
                    self.bundle.leave_out(other);
                } else {
                    let text = "there are several of these and one message says one thing; send \
                                each in a message of its own";
                    self.problem(codes::CONTRADICTION, self.bundle.field(other, ""), text);
                }
            }
        }
    }

    /// Refuses a message that names another sender than the one who sent it.
    fn check_sender(&mut self, header: At) {
        let sender = self.whom(header, "sender");
        let (endpoint, field) = self.endpoint(header, "source/endpoint");
        for (named, field) in [sender, (endpoint, field)] {
            if let Named::As(code) = named
                && code != *self.own()
            {
                let text = "the message names another organisation as its sender than the one \
                            whose connection it came over; correct the sender";
                self.problem(codes::SENDER_DIFFERS, field, text);
            }
        }
    }

    /// The organisation that an endpoint names, where it is more than a network address.
    fn endpoint(&mut self, at: At, path: &str) -> (Named, String) {
        let field = self.bundle.field(at, path);
        let Some(text) = self.bundle.peek(at, path).map(str::to_owned) else {
            return (Named::Silent, field);
        };
        let named = if let Some(code) = text.strip_prefix(systems::ORGANISATION) {
            self.named(Some(systems::ORGANISATION), code, &field)
        } else {
            let found = self.with.directory.resolve(&text);
            found.map_or(Named::Silent, |found| Named::As(found.code.clone()))
        };
        if matches!(named, Named::As(_)) {
            self.bundle.take(at, path);
        }
        (named, field)
    }

    /// The organisation that the message is addressed to, and where it says so.
    fn receiver(&mut self, header: At) -> (Named, String) {
        let (receiver, at) = self.whom(header, "destination/0/receiver");
        let (endpoint, field) = self.endpoint(header, "destination/0/endpoint");
        match (receiver, endpoint) {
            (Named::As(one), Named::As(other)) if one != other => (Named::Unknown, field),
            (Named::Silent, named) => (named, field),
            (named, _) => (named, at),
        }
    }

    /// When it was said: the Bundle's time, because the request of a statement is older than it.
    fn occurred_at(&mut self) -> jiff::Timestamp {
        let mut stated = self.time(BUNDLE, "timestamp");
        for kind in ["Task", "ServiceRequest"] {
            if let Some(at) = self.bundle.first(kind)
                && let Some(When::Instant(authored)) = self.when(at, "authoredOn")
            {
                stated.get_or_insert(authored);
            }
        }
        stated.unwrap_or_else(|| {
            let text =
                "the message does not say when it happened; the time of its arrival was taken";
            self.deviation(codes::TIME, "Bundle.timestamp", text);
            self.with.received_at
        })
    }

    /// Reads what stands around the body.
    fn envelope(&mut self, header: At, message: &mut Message) {
        let kind = message.kind();
        if let Some(answered) =
            self.short(header, "response/identifier", SOURCE_MESSAGE_ID_LENGTH_MAX)
        {
            let answered = answered.trim().to_owned();
            // Our own messages go out under their id, which is of UUID version 7.
            let plain = answered.trim_start_matches("urn:uuid:");
            let ours = Uuid::parse_str(plain).ok().filter(|id| id.get_version_num() == 7);
            message.in_reply_to =
                Some(ReplyTo { id: ours, organisation: None, message_id: Some(answered) });
        }
        self.response_code(header, kind);
        let at = self.bundle.first(if kind.states_request() { "ServiceRequest" } else { "Task" });
        if let Some(at) = at {
            message.priority = self.priority(at, kind.states_request());
        }
        let ours = self.bundle.take_extensions(header, "");
        for (name, value) in ours {
            if !takes(message, &name, &value) {
                self.keep_whole(
                    &format!("MessageHeader.extension[{}]", outside::name(&name)),
                    &value,
                );
            }
        }
    }

    /// `MessageHeader.response.code`. An error says that what was asked was not taken (R4,
    /// response-code), so beside any other decision than a refusal it contradicts the event.
    fn response_code(&mut self, header: At, kind: Kind) {
        let Some(code) = self.bundle.peek(header, "response/code") else { return };
        let declines = reasons::table_of(kind) == Some(TableId::DeclineReason);
        if code == "ok" || kind == Kind::Receipt || declines {
            self.bundle.take(header, "response/code");
            return;
        }
        let text = "this says that a message was not taken, and the event says the contrary; send \
                    `ok` with the decision, or the error alone as the answer to the request";
        self.problem(codes::MODIFIER, "MessageHeader.response.code", text);
    }

    /// Reads every number that the message gives the case.
    fn case(&mut self, dialect: Dialect, other: Option<&OrganisationCode>, message: &mut Message) {
        let kind = message.kind();
        let mut places = Vec::new();
        let (asker, answerer) = self.sides_of_the_request(kind, other);
        for (resource, lists) in [
            ("Task", &["basedOn", "identifier", "focus"][..]),
            ("ServiceRequest", &["identifier"][..]),
            ("Appointment", &["basedOn"][..]),
        ] {
            let Some(at) = self.bundle.first(resource) else {
                continue;
            };
            for list in lists {
                for index in 0..self.bundle.count(at, list).min(20) {
                    let one = match *list {
                        "identifier" => format!("identifier/{index}"),
                        "focus" => "focus/identifier".to_owned(),
                        _ => format!("{list}/{index}/identifier"),
                    };
                    // A Task has the number of who works on it; everything else is the request's.
                    let own = resource == "Task" && *list == "identifier";
                    places.push((at, one, own));
                }
            }
        }
        for (at, place, own) in places {
            let whose = match self.bundle.peek(at, &format!("{place}/type/coding/0/code")) {
                Some("PLAC") => asker.clone(),
                Some("FILL") => answerer.clone(),
                Some(_) | None if own => self.own().clone(),
                Some(_) | None => asker.clone(),
            };
            let assigner = self.whom(at, &format!("{place}/assigner")).0.code();
            // Either side cancels an appointment, so the number may be of either.
            let system = self.bundle.peek(at, &format!("{place}/system"));
            let is_marked = system.is_some_and(|system| system.starts_with("urn:tierlink:"));
            let of_either = kind == Kind::ReferralUnschedule && assigner.is_none() && !is_marked;
            let number = self.bundle.peek(at, &format!("{place}/value")).map(str::to_owned);
            self.case_identifier(at, &place, &assigner.unwrap_or(whose), message);
            if let Some(number) = number.filter(|_| of_either)
                && message.case.numbers.iter().any(|known| known.number == number.trim())
            {
                let number = number.trim().to_owned();
                if !message.case.unassigned.contains(&number) {
                    message.case.unassigned.push(number);
                }
            }
        }
        let named = |m: &Message| {
            m.case.id.is_some() || m.case.number.is_some() || !m.case.numbers.is_empty()
        };
        if !named(message) && dialect != Dialect::Own {
            self.case_by_resource(other, message);
        }
        let needs = match kind.family() {
            Family::Slot | Family::Receipt => false,
            Family::Referral | Family::Transfer | Family::Consultation | Family::Status => {
                !kind.opens()
            }
        };
        if needs && !named(message) && message.in_reply_to.is_none() {
            let text = "the message does not say which case it is about; give our case number or \
                        your own number of the case";
            self.problem(codes::CASE_UNNAMED, "Task.basedOn[0].identifier", text);
        }
    }

    /// Who asked and who answers, for numbers of a request that do not say whose they are.
    ///
    /// `ServiceRequest.identifier` is given by whoever asks (R4). Who that is the request says, or
    /// else what is said: a decision is said by the one who was asked.
    fn sides_of_the_request(
        &mut self,
        kind: Kind,
        other: Option<&OrganisationCode>,
    ) -> (OrganisationCode, OrganisationCode) {
        let own = self.own().clone();
        let other = other.cloned().unwrap_or_else(|| own.clone());
        let request = self.bundle.first("ServiceRequest");
        let requester = request.and_then(|at| self.whom(at, "requester").0.code());
        let own_asked = match requester {
            Some(requester) => requester == own,
            None => !is_said_by_the_one_asked(kind),
        };
        if own_asked { (own, other) } else { (other, own) }
    }

    fn case_identifier(
        &mut self,
        at: At,
        place: &str,
        whose_it_is: &OrganisationCode,
        message: &mut Message,
    ) {
        let (value, system) = (format!("{place}/value"), format!("{place}/system"));
        let Some(number) = self.bundle.peek(at, &value).map(|v| v.trim().to_owned()) else {
            return;
        };
        let whose = self.bundle.peek(at, &system).map(str::to_owned);
        let read = match whose.as_deref() {
            Some(systems::CASE_NUMBER) => {
                if let Some(number) = CaseNumber::read(&number) {
                    message.case.number.get_or_insert(number);
                } else {
                    let text = "this is no case number of ours; its check digit does not fit";
                    self.problem(codes::CASE_UNNAMED, self.bundle.field(at, &value), text);
                }
                true
            }
            Some(systems::CASE_ID) => match number.parse() {
                Ok(id) => *message.case.id.get_or_insert(id) == id,
                Err(_) => false,
            },
            Some(system) if system.starts_with(systems::ORGANISATION) => {
                let code = system.strip_prefix(systems::ORGANISATION).unwrap_or_default();
                OrganisationCode::new(code).is_ok_and(|code| added(message, &code, &number))
            }
            _ => match CaseNumber::read(&number) {
                Some(number) if message.case.number.is_none() => {
                    message.case.number = Some(number);
                    true
                }
                _ => added(message, whose_it_is, &number),
            },
        };
        if read {
            self.bundle.take(at, &value);
            self.bundle.take(at, &system);
        }
    }

    /// Names the case by the sender's own resources, where it has no other number.
    ///
    /// BaRS correlates by the id of the ServiceRequest, which stays the same for the whole journey,
    /// and its cancelled bookings carry nothing but the `fullUrl` of the Appointment.
    fn case_by_resource(&mut self, other: Option<&OrganisationCode>, message: &mut Message) {
        let own = self.own().clone();
        let answers = message.in_reply_to.is_some();
        let request = self.bundle.first("ServiceRequest");
        let at = request.or_else(|| self.bundle.first("Appointment"));
        let based_on = at.and_then(|at| self.bundle.take(at, "basedOn/0/reference"));
        let reference = match (request, based_on) {
            (None, Some(reference)) => Some(reference),
            _ => at.and_then(|at| self.id_of(at)),
        };
        let id = reference.and_then(|r| r.rsplit(['/', ':']).next().map(str::to_owned));
        let whose = if answers { other.cloned() } else { Some(own.clone()) };
        // Only an id that is unique in the world names a case; `1` names a resource in a Bundle.
        let id = id.filter(|id| Uuid::parse_str(id).is_ok());
        if let (Some(id), Some(whose)) = (id, whose) {
            message.add_number(whose, &id);
        }
        if answers
            && let Some(visit) = self.bundle.all("Encounter").last().copied()
            && let Some(number) = self.short(visit, "identifier/0/value", 100)
        {
            message.add_number(own, &number);
        }
    }

    fn id_of(&self, at: At) -> Option<String> {
        let id = self.bundle.peek(at, "id").or_else(|| self.bundle.full_url(at))?;
        Some(id.to_owned())
    }
}

/// Whether a kind is a decision or a report of the organisation that was asked. What either side may
/// say counts as said by the one that asked.
const fn is_said_by_the_one_asked(kind: Kind) -> bool {
    match kind {
        Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralSchedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationNoShow
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::StatusReport => true,
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferDischarge
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::Receipt => false,
    }
}

/// Takes an extension of the header into the envelope, and says whether it fitted.
fn takes(message: &mut Message, name: &str, value: &Value) -> bool {
    let text = value.as_str();
    match name {
        "trace" => {
            message.trace = text.filter(|trace| trace.len() <= 64).map(str::to_owned);
            message.trace.is_some()
        }
        "caused_by" => {
            message.caused_by = text.and_then(|id| id.parse().ok());
            message.caused_by.is_some()
        }
        "case_state" => {
            message.case.state = text.filter(|state| state.len() <= 40).map(str::to_owned);
            message.case.state.is_some()
        }
        "case_parent" => {
            message.case.parent = text.and_then(CaseNumber::read);
            message.case.parent.is_some()
        }
        "extras" => match serde_json::from_value::<Vec<Extra>>(value.clone()) {
            Ok(extras) => {
                message.extras = extras;
                true
            }
            Err(_) => false,
        },
        _ => false,
    }
}

/// Adds a number, and says whether it is the number that stands there now.
fn added(message: &mut Message, organisation: &OrganisationCode, number: &str) -> bool {
    message.add_number(organisation.clone(), number);
    message.case.number_of(organisation) == Some(number)
}

/// Reads a statement as one of the family that the case number states, where there is one.
fn of_family(message: Message, exact: bool) -> (Message, FamilyKnown) {
    if exact {
        return (message, FamilyKnown::Stated);
    }
    let letter = message.case.number.as_ref().and_then(|number| number.as_str().chars().next());
    match letter.and_then(Family::of_letter) {
        None => (message, FamilyKnown::ByCase),
        Some(family) => match message.adapted(family) {
            Ok(message) => (message, FamilyKnown::Stated),
            Err(message) => (*message, FamilyKnown::ByCase),
        },
    }
}
