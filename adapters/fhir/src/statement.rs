//! What is said about a case once it is open: a Task, and beside it what FHIR has resources for.
//!
//! ```text
//!   decline  ─▶ Task.status rejected, Task.statusReason
//!   schedule ─▶ Task accepted, Appointment booked
//!   book, unschedule ─▶ Appointment proposed, cancelled with Appointment.cancelationReason
//!   arrive   ─▶ Task in-progress, Encounter arrived
//!   who did it ─▶ MessageHeader.author
//! ```
//!
//! A coded reason is never invented. A code that no table knows becomes the table's "other" with
//! the sender's words, and that is told.

use serde_json::{Map, Value, json};
use tierlink_codec::CodeMaps;
use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_schemas::answer::{Reason, ReceiptOutcome};
use tierlink_schemas::codes::{self as tables, TableId};
use tierlink_schemas::kind::{Body, Kind};
use tierlink_schemas::person::Coded;
use tierlink_schemas::reasons;
use tierlink_schemas::remarks::field_of;

use crate::appointment::{write as write_appointment, write_visit};
use crate::bundle::At;
use crate::meaning::Found;
use crate::party::{beside, write_practitioner};
use crate::reader::Reader;
use crate::writer::{Rest, Writer, put, resource};
use crate::{codes, parts, systems};

/// The field that names who acted.
const fn actor(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralFeedback
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationRecollect
        | Kind::ConsultationCritical => Some("by"),
        Kind::ConsultationClaim => Some("reader"),
        Kind::ConsultationReport => Some("writer"),
        Kind::ConsultationAudit => Some("auditor"),
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralSchedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferDischarge
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationNoShow
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => None,
    }
}

/// The status of the Appointment that a kind's body has.
const fn appointment_status(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ReferralSchedule | Kind::ConsultationSchedule | Kind::StatusReport => Some("booked"),
        Kind::ReferralBook => Some("proposed"),
        Kind::ReferralUnschedule => Some("cancelled"),
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::Receipt => None,
    }
}

/// The field of a kind that holds words alone, and nothing but words of the one who speaks.
fn plain_words(kind: Kind) -> Option<&'static str> {
    field_of(kind).filter(|field| matches!(*field, "opinion" | "note"))
}

/// The status that our own Task has for a kind.
pub const fn task_status(kind: Kind) -> &'static str {
    match kind {
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralRedirect
        | Kind::ReferralBook
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferRedirect
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::StatusQuery => "requested",
        Kind::ReferralReview | Kind::ConsultationReview | Kind::ConsultationClaim => "received",
        Kind::ReferralReturn | Kind::ConsultationReturn | Kind::ConsultationRecollect => "on-hold",
        Kind::ReferralAccept
        | Kind::ReferralSchedule
        | Kind::ReferralUnschedule
        | Kind::ReferralRefuseCancel
        | Kind::TransferAccept
        | Kind::ConsultationAccept
        | Kind::ConsultationSchedule => "accepted",
        Kind::ReferralDecline | Kind::TransferDecline | Kind::ConsultationDecline => "rejected",
        Kind::ReferralArrive
        | Kind::ReferralFeedback
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::ConsultationStart
        | Kind::ConsultationReport
        | Kind::ConsultationCritical
        | Kind::StatusReport => "in-progress",
        Kind::ReferralNoShow | Kind::ConsultationNoShow => "failed",
        Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::TransferCancel
        | Kind::ConsultationCancel
        | Kind::SlotWithdraw => "cancelled",
        Kind::ReferralClose
        | Kind::TransferClose
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationClose
        | Kind::ConsultationAudit
        | Kind::SlotPublish
        | Kind::Receipt => "completed",
    }
}

impl Reader<'_> {
    /// Reads what is said about a case, or refuses the message.
    pub fn statement(&mut self, kind: Kind, header: At, found: &Found) -> Option<Body> {
        let task = self.bundle.first("Task");
        let at = task.unwrap_or(header);
        let mut rest = Rest(self.extensions(at, ""));
        rest.take("priority");
        let mut body = Rest::default();
        if let Some(table) = reasons::table_of(kind) {
            let reason = self.reason(table, task, found)?;
            body.0.insert("reason".into(), json!(reason));
        }
        if let Some(name) = actor(kind)
            && let Some(person) = self.person(header, "author")
        {
            body.0.insert(name.into(), json!(person));
        }
        if kind == Kind::ReferralFeedback
            && let Some(stage) = found.stage
        {
            rest.0.insert("stage".into(), json!(stage));
        }
        self.words_of_the_task(kind, task, &mut body);
        self.appointment_of(kind, found, &mut body);
        self.visit_of(kind, found, &mut body);
        self.communication(kind, &mut body);
        if kind == Kind::SlotWithdraw && !rest.has("numbers") {
            let slots = self.bundle.all("Slot");
            let numbers: Vec<Value> = slots
                .into_iter()
                .filter_map(|slot| self.bundle.take_code(slot, "identifier/0/value"))
                .map(Value::from)
                .collect();
            body.0.insert("numbers".into(), numbers.into());
        }
        self.built(kind, at, body, rest)
    }

    /// Reads `Task.note` where the kind has a field for words alone. Where words stand beside
    /// something else, such as a reason, they are added to it later.
    fn words_of_the_task(&mut self, kind: Kind, task: Option<At>, body: &mut Rest) {
        let Some((task, field)) = task.zip(plain_words(kind)) else { return };
        let notes = self.bundle.count(task, "note").min(50);
        let texts: Vec<String> = (0..notes)
            .filter_map(|index| self.bundle.take(task, &format!("note/{index}/text")))
            .collect();
        if !texts.is_empty() {
            body.0.insert(field.to_owned(), texts.join("\n").into());
        }
    }

    /// Reads the coded reason.
    fn reason(&mut self, table: TableId, task: Option<At>, found: &Found) -> Option<Reason> {
        let places = task.map(|task| (task, "statusReason".to_owned())).into_iter();
        for (at, path) in places.chain(found.reasons.iter().cloned()) {
            if let Some(mut given) = self.concept(at, &path) {
                let field = self.bundle.field(at, &path);
                let beside = beside(&mut given, systems::REASON);
                return Some(self.known_reason(table, given, beside, &field));
            }
        }
        if let Some(words) = found.implied_reason {
            let text =
                "no reason was given; it was read as another reason, with the status as its words";
            self.deviation(codes::CODE_UNKNOWN, "Task.statusReason", text);
            return Some(Reason {
                code: reasons::other(table).to_owned(),
                text: Some(words.to_owned()),
            });
        }
        let text =
            "a reason is required; send Task.statusReason with a code of the table, or words";
        self.problem(codes::MISSING, "Task.statusReason", text);
        None
    }

    fn known_reason(
        &mut self,
        table: TableId,
        given: Coded,
        beside: Option<String>,
        field: &str,
    ) -> Reason {
        let Coded { code, system, text, translations: _ } = given;
        // A code that is said to be ours is left to the checks behind all formats.
        let ours = system.as_deref() == Some(systems::REASON);
        let maps = CodeMaps::of(self.with.profile);
        let theirs = code.as_deref().filter(|_| !ours);
        if let Some(Meaning::Code(ours)) = theirs.map(|code| maps.read(Table::Reason, code)) {
            return Reason { code: ours.to_owned(), text };
        }
        if let Some(ours) = beside {
            return Reason { code: ours, text };
        }
        let listed = |code: &String| system.is_none() && tables::lookup(table, code).is_some();
        if let Some(code) = code.as_ref().filter(|code| ours || listed(code)) {
            return Reason { code: code.clone(), text };
        }
        if let Some(row) = text.as_ref().and_then(|text| tables::by_name(table, text)) {
            return Reason { code: row.code.clone(), text };
        }
        let advice = "no table lists this reason; it was read as another reason with the sender's \
                      words; list it under codes.reason in the profile";
        self.deviation(codes::CODE_UNKNOWN, field, advice);
        let words = match (text, code) {
            (Some(text), Some(code)) => format!("{text} ({code})"),
            (Some(words), None) | (None, Some(words)) => words,
            (None, None) => String::new(),
        };
        Reason { code: reasons::other(table).to_owned(), text: Some(words) }
    }

    fn appointment_of(&mut self, kind: Kind, found: &Found, body: &mut Rest) {
        let at = found.appointment.or_else(|| self.bundle.first("Appointment"));
        let Some((status, at)) = appointment_status(kind).zip(at) else { return };
        if status == "booked" {
            self.bundle.take_if(at, "status", status);
        } else {
            // Several statuses mean the others; whether this one does was decided before.
            self.bundle.take(at, "status");
        }
        if self.bundle.peek(at, "status").is_none() {
            let text = format!("the appointment has no status; it was read as {status}");
            self.deviation(codes::SHAPE, self.bundle.field(at, "status"), text);
        }
        body.0.insert("appointment".into(), json!(self.appointment(at)));
    }

    fn visit_of(&mut self, kind: Kind, found: &Found, body: &mut Rest) {
        let Some(at) = found.visit.or_else(|| self.bundle.first("Encounter")) else {
            return;
        };
        match kind {
            Kind::ReferralArrive | Kind::TransferReceive => {
                if let Some(number) = self.short(at, "identifier/0/value", 64) {
                    body.0.insert("encounter".into(), number.into());
                }
                if let Some(time) = self.about(at, "period/start", "到诊时间") {
                    body.0.insert("at".into(), json!(time));
                }
                self.bundle.take_if(at, "status", "arrived");
                if kind == Kind::ReferralArrive
                    && self.bundle.peek(at, "status") == Some("in-progress")
                {
                    self.bundle.take(at, "status");
                    body.0.insert("admitted".into(), true.into());
                }
            }
            Kind::TransferDischarge => {
                if let Some(time) = self.about(at, "period/end", "出院时间") {
                    body.0.insert("at".into(), json!(time));
                }
                if let Some(ended) = self.concept(at, "hospitalization/dischargeDisposition") {
                    body.0.insert("disposition".into(), json!(ended));
                }
                self.bundle.take_if(at, "status", "finished");
            }
            Kind::ReferralSubmit
            | Kind::ReferralAmend
            | Kind::ReferralReview
            | Kind::ReferralReturn
            | Kind::ReferralAccept
            | Kind::ReferralDecline
            | Kind::ReferralRedirect
            | Kind::ReferralSchedule
            | Kind::ReferralBook
            | Kind::ReferralUnschedule
            | Kind::ReferralNoShow
            | Kind::ReferralFeedback
            | Kind::ReferralCancel
            | Kind::ReferralConfirmCancel
            | Kind::ReferralRefuseCancel
            | Kind::ReferralClose
            | Kind::TransferOffer
            | Kind::TransferAmend
            | Kind::TransferAccept
            | Kind::TransferDecline
            | Kind::TransferRedirect
            | Kind::TransferFollowUp
            | Kind::TransferCancel
            | Kind::TransferClose
            | Kind::ConsultationRequest
            | Kind::ConsultationAmend
            | Kind::ConsultationReview
            | Kind::ConsultationReturn
            | Kind::ConsultationAccept
            | Kind::ConsultationDecline
            | Kind::ConsultationSchedule
            | Kind::ConsultationStart
            | Kind::ConsultationOpinion
            | Kind::ConsultationAcknowledge
            | Kind::ConsultationNoShow
            | Kind::ConsultationCancel
            | Kind::ConsultationClose
            | Kind::ConsultationClaim
            | Kind::ConsultationRecollect
            | Kind::ConsultationReport
            | Kind::ConsultationAudit
            | Kind::ConsultationCritical
            | Kind::SlotPublish
            | Kind::SlotWithdraw
            | Kind::StatusQuery
            | Kind::StatusReport
            | Kind::Receipt => {}
        }
    }

    /// Reads letters that other profiles send as Communication.
    fn communication(&mut self, kind: Kind, body: &mut Rest) {
        if kind != Kind::ReferralFeedback {
            return;
        }
        let Some(at) = self.bundle.first("Communication") else {
            return;
        };
        let mut letters = Vec::new();
        for index in 0..self.bundle.count(at, "payload") {
            letters.extend(self.short(at, &format!("payload/{index}/contentString"), 20_000));
        }
        if !letters.is_empty() {
            body.0.insert("summary".into(), letters.join("\n").into());
        }
    }
}

/// Writes a statement's resources and gives what its Task shall say about the reason.
pub fn write(
    writer: &mut Writer<'_>,
    header: &mut Map<String, Value>,
    body: &mut Rest,
) -> Option<Value> {
    let kind = writer.message.kind();
    if let Some(person) = actor(kind).and_then(|name| body.object(name)) {
        put(header, "author", write_practitioner(writer, person));
    }
    let reason = reasons::table_of(kind).and_then(|_| body.object("reason")).map(|mut reason| {
        let code = reason.text("code").unwrap_or_default();
        let mut out = Map::new();
        let path = "body.reason.code";
        let codings = writer.codings(Table::Reason, systems::REASON, &code, path);
        put(&mut out, "coding", Value::from(codings));
        put(&mut out, "text", reason.take("text"));
        Value::Object(out)
    });
    let mut reason = reason;
    if let Some(status) = appointment_status(kind) {
        // A cancelled appointment has its reason itself, also where nothing else is said of it.
        let cancelled = kind == Kind::ReferralUnschedule;
        let why = reason.take_if(|_| cancelled);
        let appointment = body.object("appointment").or_else(|| cancelled.then(Rest::default));
        if let Some(appointment) = appointment {
            let appointment = write_appointment(writer, "Appointment", status, why, appointment);
            writer.parts.push(appointment);
        }
    }
    let visit = match kind {
        Kind::ReferralArrive | Kind::TransferReceive => {
            let admitted = body.take("admitted") == Some(Value::Bool(true));
            let status = if admitted { "in-progress" } else { "arrived" };
            let (number, at) = (body.take("encounter"), body.take("at"));
            Some(write_visit(writer, status, number, (at, None), None))
        }
        Kind::TransferDischarge => {
            let (at, ended) = (body.take("at"), body.concept("disposition"));
            Some(write_visit(writer, "finished", None, (None, at), ended))
        }
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralRedirect
        | Kind::ReferralSchedule
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationReview
        | Kind::ConsultationReturn
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => None,
    };
    writer.parts.extend(visit);
    parts::write(writer, kind, body);
    reason
}

/// Writes the outcome of a receipt the way a response header says it.
pub const fn response_code(outcome: ReceiptOutcome) -> &'static str {
    match outcome {
        ReceiptOutcome::Delivered => "ok",
        ReceiptOutcome::Silent => "transient-error",
        ReceiptOutcome::Refused | ReceiptOutcome::Unsendable | ReceiptOutcome::Withdrawn => {
            "fatal-error"
        }
    }
}

/// Writes the Task that every message of ours has.
pub fn write_task(
    writer: &mut Writer<'_>,
    identifiers: &[Value],
    request: Option<Value>,
    reason: Option<Value>,
    sides: Option<(Value, Value)>,
    mut body: Rest,
) -> Value {
    let message = writer.message;
    let mut out = resource("Task");
    let kind = message.kind();
    let words = plain_words(kind).and_then(|field| body.text(field));
    put(&mut out, "note", words.map(|text| json!([{ "text": text }])));
    // The last feedback ends the task; our field beside it says the same.
    let ends = body.0.get("stage").and_then(Value::as_str) == Some("outcome");
    let status = if ends { "completed" } else { task_status(kind) };
    body.close(&mut out);
    put(&mut out, "status", Value::from(status));
    put(&mut out, "intent", Value::from("order"));
    put(&mut out, "statusReason", reason);
    put(&mut out, "for", writer.subject.clone());
    if let Some((from, to)) = sides {
        put(&mut out, "requester", from);
        put(&mut out, "owner", to);
    }
    put(&mut out, "authoredOn", json!(message.occurred_at));
    if let Some(request) = request {
        put(&mut out, "focus", request);
    } else {
        let based_on: Vec<Value> = identifiers.iter().map(|i| json!({ "identifier": i })).collect();
        put(&mut out, "basedOn", (!based_on.is_empty()).then(|| based_on.into()));
        let focus = identifiers.first();
        put(&mut out, "focus", focus.map(|i| json!({ "type": "ServiceRequest", "identifier": i })));
        let mut priority = Map::new();
        crate::asking::write_priority(writer, message.priority, &mut priority);
        put(&mut out, "priority", priority.remove("priority"));
        if let Some(Value::Array(chronic)) = priority.remove("extension") {
            let held = out.entry("extension").or_insert_with(|| json!([]));
            if let Value::Array(held) = held {
                held.extend(chronic);
            }
        }
    }
    let outputs: Vec<Value> = std::mem::take(&mut writer.parts)
        .into_iter()
        .map(|part| json!({ "type": { "text": "part" }, "valueReference": part }))
        .collect();
    put(&mut out, "output", (!outputs.is_empty()).then(|| outputs.into()));
    writer.add("Task", out)
}
