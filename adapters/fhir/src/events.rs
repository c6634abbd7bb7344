//! What a message means: our own event, a BaRS event, or a plain ServiceRequest and Task.
//!
//! ```text
//!   eventCoding of ours ─▶ exactly that kind; statuses that contradict it refuse the message
//!   BaRS event          ─▶ event, ServiceRequest.status, the receiver's Encounter.status, the
//!                          Appointment and response.identifier are decided on together
//!   anything else       ─▶ Task.status and ServiceRequest.status; told as a deviation
//! ```
//!
//! The examples that BaRS ships contradict its decision table: both rejections leave the
//! ServiceRequest `active` and say no through the Encounter alone. `quirks.bars_strict` follows the
//! table; otherwise the Encounter decides and the difference is told. `reason` is only advice.

use tierlink_schemas::answer::FeedbackStage;
use tierlink_schemas::kind::Kind;

use crate::bundle::At;
use crate::codes;
use crate::meaning::{Found, Meaning, Opening, Statuses};
use crate::reader::{Named, Reader};
use crate::statement::task_status;
use crate::systems;

/// Last part of the code systems that BaRS versions use for events.
const BARS_EVENTS: [&str; 2] = ["message-events-bars", "message-event-servicerequest"];

/// Where the event of a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Our own events.
    Own,
    /// The booking and referral standard of the English health service.
    Bars,
    /// Any other FHIR message.
    Plain,
}

/// Which dialect an event belongs to.
pub fn dialect(system: Option<&str>) -> Dialect {
    match system {
        Some(systems::EVENT) => Dialect::Own,
        Some(system) if BARS_EVENTS.iter().any(|known| system.ends_with(known)) => Dialect::Bars,
        Some(_) | None => Dialect::Plain,
    }
}

impl Reader<'_> {
    /// Decides what the message means, or refuses it.
    pub fn meaning(&mut self, header: At) -> Option<Meaning> {
        let system = self.bundle.peek(header, "eventCoding/system").map(str::to_owned);
        let code = self.bundle.peek(header, "eventCoding/code").map(str::to_owned);
        let dialect = dialect(system.as_deref());
        let statuses = self.statuses(header);
        let meaning = match (dialect, code.as_deref()) {
            (Dialect::Own, Some(code)) => self.own_event(code, &statuses),
            (Dialect::Bars, Some("servicerequest-request")) => self.bars_request(&statuses),
            (Dialect::Bars, Some("servicerequest-response")) => {
                self.bars_response(header, &statuses)
            }
            (Dialect::Bars, Some(event @ ("booking-request" | "booking-response"))) => {
                self.booking(&statuses, event == "booking-response")
            }
            (Dialect::Own | Dialect::Bars, _) => None,
            (Dialect::Plain, _) => {
                let text = "the event is none of ours; what the message means was read from the \
                            statuses of Task and ServiceRequest";
                self.deviation(codes::EVENT_INFERRED, "MessageHeader.eventCoding", text);
                let about = self.focus(header).map(|at| self.bundle.kind(at).to_owned());
                self.plain(&statuses, about.as_deref() == Some("Appointment"))
            }
        };
        if meaning.is_none() && self.problems.is_empty() {
            let text = "this event is not known, or the statuses do not say what happened; see \
                        adapters/fhir/MAPPING.md for what is read";
            self.problem(codes::EVENT_UNKNOWN, "MessageHeader.eventCoding.code", text);
        }
        if meaning.is_some() {
            if dialect != Dialect::Plain {
                self.bundle.take(header, "eventCoding/system");
                self.bundle.take(header, "eventCoding/code");
            }
            if let Some(task) = self.bundle.first("Task") {
                self.bundle.take(task, "status");
            }
        }
        meaning
    }

    fn statuses(&mut self, header: At) -> Statuses {
        let focus = self.focus(header);
        let status = |r: &Self, at: Option<At>| {
            at.and_then(|at| r.bundle.peek(at, "status")).map(|s| s.trim().to_owned())
        };
        let request = self.bundle.first("ServiceRequest");
        let visit = focus
            .filter(|at| self.bundle.kind(*at) == "Encounter")
            .or_else(|| self.visit_of_the_speaker(request));
        let appointment = focus
            .filter(|at| self.bundle.kind(*at) == "Appointment")
            .or_else(|| self.bundle.first("Appointment"));
        Statuses {
            request: status(self, request),
            task: status(self, self.bundle.first("Task")),
            visit: visit.and_then(|at| Some((at, status(self, Some(at))?))),
            appointment: appointment.and_then(|at| Some((at, status(self, Some(at))?))),
            reason: self.bundle.peek(header, "reason/coding/0/code").map(str::to_owned),
        }
    }

    /// The visit that the message speaks of: one at the organisation that speaks, or else one that
    /// is neither the request's nor at another organisation. Several with unlike statuses say
    /// nothing for certain.
    fn visit_of_the_speaker(&mut self, request: Option<At>) -> Option<At> {
        let of_request = request.and_then(|request| self.bundle.follow(request, "encounter"));
        let (mut own, mut open) = (Vec::new(), Vec::new());
        for at in self.bundle.all("Encounter") {
            match self.whom(at, "serviceProvider").0 {
                Named::As(code) if code == *self.own() => own.push(at),
                Named::As(_) => {}
                Named::Unknown | Named::Silent if Some(at) == of_request => {}
                Named::Unknown | Named::Silent => open.push(at),
            }
        }
        let candidates = if own.is_empty() { open } else { own };
        let status = |at: &At| self.bundle.peek(*at, "status").map(str::trim);
        let first = candidates.first().copied()?;
        if candidates.iter().any(|at| status(at) != status(&first)) {
            self.contradiction("several visits have unlike statuses, and none is marked as yours");
            return None;
        }
        Some(first)
    }

    /// The resource that the header points at, if it is one that decides.
    fn focus(&mut self, header: At) -> Option<At> {
        let count = self.bundle.count(header, "focus").min(20);
        let targets: Vec<At> =
            (0..count).filter_map(|i| self.bundle.follow(header, &format!("focus/{i}"))).collect();
        targets.into_iter().find(|at| matches!(self.bundle.kind(*at), "Encounter" | "Appointment"))
    }

    fn own_event(&mut self, code: &str, statuses: &Statuses) -> Option<Meaning> {
        let kind = Kind::read(code)?;
        let task = statuses.task.as_deref();
        let request = statuses.request.as_deref();
        let ended = matches!(request, Some("revoked" | "entered-in-error" | "completed"));
        let no = matches!(task, Some("rejected" | "cancelled" | "failed" | "entered-in-error"));
        let booked = statuses.appointment.as_ref().map(|(_, status)| status.as_str());
        let unbooked = matches!(booked, Some("cancelled" | "noshow" | "entered-in-error"));
        let contradicts = match kind {
            Kind::ReferralSubmit
            | Kind::ReferralAmend
            | Kind::TransferOffer
            | Kind::TransferAmend
            | Kind::ConsultationRequest
            | Kind::ConsultationAmend => ended || no,
            Kind::ReferralReview
            | Kind::ReferralReturn
            | Kind::ReferralRedirect
            | Kind::ReferralNoShow
            | Kind::ReferralFeedback
            | Kind::ReferralClose
            | Kind::TransferRedirect
            | Kind::TransferDischarge
            | Kind::TransferFollowUp
            | Kind::TransferClose
            | Kind::ConsultationReview
            | Kind::ConsultationReturn
            | Kind::ConsultationStart
            | Kind::ConsultationOpinion
            | Kind::ConsultationAcknowledge
            | Kind::ConsultationNoShow
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
            | Kind::Receipt => false,
            Kind::ReferralAccept
            | Kind::ReferralArrive
            | Kind::TransferAccept
            | Kind::TransferReceive
            | Kind::ConsultationAccept => no,
            Kind::ReferralDecline | Kind::TransferDecline | Kind::ConsultationDecline => {
                matches!(task, Some("accepted" | "in-progress" | "completed"))
            }
            Kind::ReferralSchedule | Kind::ConsultationSchedule | Kind::ReferralBook => {
                no || unbooked
            }
            Kind::ReferralUnschedule => {
                ended
                    || no
                    || booked.is_some_and(|it| !matches!(it, "cancelled" | "entered-in-error"))
            }
            Kind::ReferralCancel
            | Kind::ReferralConfirmCancel
            | Kind::TransferCancel
            | Kind::ConsultationCancel => {
                matches!(task, Some("accepted" | "completed" | "rejected"))
            }
            Kind::ReferralRefuseCancel => matches!(task, Some("cancelled" | "rejected")),
        };
        if contradicts {
            self.contradiction(
                "the event and the status of Task or ServiceRequest say different things",
            );
            return None;
        }
        let ends = kind == Kind::ReferralFeedback && task == Some("completed");
        if !ends && task.is_some_and(|task| task != task_status(kind)) {
            let text = "the event was followed; our profile gives this event another Task.status";
            self.deviation(codes::EVENT_INFERRED, "Task.status", text);
        }
        if kind.states_request() {
            return Some(Meaning::Request(Opening {
                amends: !kind.opens(),
                family: Some(kind.family()),
            }));
        }
        let mut found = Found {
            appointment: statuses.appointment.as_ref().map(|(at, _)| *at),
            visit: statuses.visit.as_ref().map(|(at, _)| *at),
            ..Found::default()
        };
        if let Some(at) = found.appointment.filter(|_| kind == Kind::ReferralUnschedule) {
            found.reasons.push((at, "cancelationReason".to_owned()));
        }
        Some(Meaning::Statement { kind, exact: true, found })
    }

    fn plain(&mut self, statuses: &Statuses, about_appointment: bool) -> Option<Meaning> {
        let request = statuses.request.as_deref();
        if let Some(status @ ("revoked" | "entered-in-error")) = request {
            if matches!(statuses.task.as_deref(), Some("accepted" | "in-progress" | "completed")) {
                self.contradiction("the request is withdrawn and its Task goes on");
                return None;
            }
            if statuses.task.as_deref() != Some("rejected") {
                return Some(self.cancellation(statuses, status == "entered-in-error"));
            }
        }
        let said = |kind, found| Some(Meaning::Statement { kind, exact: false, found });
        let found = Found {
            appointment: statuses.appointment.as_ref().map(|(at, _)| *at),
            visit: statuses.visit.as_ref().map(|(at, _)| *at),
            ..Found::default()
        };
        let booked = statuses.appointment.as_ref().map(|(_, status)| status.as_str());
        let arrived = statuses.visit.as_ref().is_some_and(|(_, status)| status == "arrived");
        match statuses.task.as_deref() {
            // Nobody but the request says who speaks; without one it is whoever gives appointments.
            None if request.is_none() => self.booking(statuses, true),
            None if about_appointment => self.booking(statuses, false),
            Some("accepted") if matches!(booked, Some("cancelled" | "entered-in-error")) => {
                self.booking(statuses, true)
            }
            None | Some("draft" | "requested" | "ready") => {
                request.filter(|s| matches!(*s, "draft" | "active" | "on-hold"))?;
                let amends = statuses.reason.as_deref() == Some("update");
                Some(Meaning::Request(Opening { amends, family: None }))
            }
            Some("accepted") if booked == Some("booked") => said(Kind::ReferralSchedule, found),
            Some("accepted") => said(Kind::ReferralAccept, found),
            Some("rejected") => said(Kind::ReferralDecline, found),
            Some("on-hold") => said(Kind::ReferralReturn, found),
            Some("cancelled") => said(Kind::ReferralCancel, found),
            Some("in-progress") if arrived => said(Kind::ReferralArrive, found),
            Some("in-progress") => {
                said(Kind::ReferralFeedback, Found { stage: Some(FeedbackStage::Interim), ..found })
            }
            Some("completed") => {
                said(Kind::ReferralFeedback, Found { stage: Some(FeedbackStage::Outcome), ..found })
            }
            Some(_) => None,
        }
    }
}
