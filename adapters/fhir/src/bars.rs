//! The events of BaRS, the booking and referral standard of the English health service.
//!
//! ```text
//!   receiver's Encounter   means      the table wants the ServiceRequest to be
//!   planned                accept     active
//!   cancelled              decline    revoked      (the shipped examples: active)
//!   in-progress            interim    active
//!   finished               outcome    completed    (the shipped examples: active)
//! ```
//!
//! A booking request comes from whoever refers, and asks for a time; its answer gives one. An
//! appointment that is cancelled ends no referral, unless its ServiceRequest is revoked as well.
//!
//! `quirks.bars_strict` follows the table. Without it the Encounter decides, the difference is told,
//! and only what cannot both be true is refused.

use tierlink_schemas::answer::FeedbackStage;
use tierlink_schemas::kind::Kind;

use crate::bundle::At;
use crate::codes;
use crate::meaning::{Found, Meaning, Opening, Statuses};
use crate::reader::Reader;

impl Reader<'_> {
    pub fn bars_request(&mut self, statuses: &Statuses) -> Option<Meaning> {
        let reason = statuses.reason.as_deref();
        match statuses.request.as_deref()? {
            "draft" | "active" | "on-hold" if reason == Some("delete") => {
                self.contradiction("the reason is delete and the request is still active");
                None
            }
            "draft" | "active" | "on-hold" => {
                let amends = reason == Some("update");
                Some(Meaning::Request(Opening { amends, family: None }))
            }
            status @ ("revoked" | "entered-in-error") => {
                Some(self.cancellation(statuses, status == "entered-in-error"))
            }
            _ => None,
        }
    }

    pub fn cancellation(&mut self, statuses: &Statuses, mistaken: bool) -> Meaning {
        let request = self.bundle.first("ServiceRequest");
        let mut found = Found::default();
        found.reasons.extend(request.map(|at| (at, "reasonCode/0".to_owned())));
        if let Some((at, _)) = &statuses.appointment {
            found.reasons.push((*at, "cancelationReason".to_owned()));
        }
        found.implied_reason = Some(if mistaken {
            "entered-in-error: 申请信息录入错误"
        } else {
            "revoked: 已撤销"
        });
        Meaning::Statement { kind: Kind::ReferralCancel, exact: false, found }
    }

    pub fn bars_response(&mut self, header: At, statuses: &Statuses) -> Option<Meaning> {
        let strict = self.with.profile.quirks.bars_strict;
        let answers = self.bundle.peek(header, "response/identifier").is_some();
        if !answers {
            if strict {
                let text = "a BaRS response must name what it answers";
                self.problem(codes::MISSING, "MessageHeader.response.identifier", text);
                return None;
            }
            let text =
                "the response does not name what it answers; the case is found by its numbers";
            self.deviation(codes::BARS_TOLERATED, "MessageHeader.response.identifier", text);
        }
        let request = statuses.request.as_deref()?;
        let failed = self.bundle.peek(header, "response/code").is_some_and(|code| code != "ok");
        let noshow = statuses.appointment.as_ref().is_some_and(|(_, status)| status == "noshow");
        let visit = statuses.visit.as_ref().map(|(_, status)| status.as_str());
        let task = statuses.task.as_deref();
        // What the table wants the request's status to be, for each decision.
        let (kind, stage, wanted) = match (visit, task) {
            _ if noshow => (Kind::ReferralNoShow, None, "revoked"),
            (Some("planned"), _) | (None, Some("accepted")) => {
                (Kind::ReferralAccept, None, "active")
            }
            (Some("cancelled"), _) | (None, Some("rejected")) => {
                (Kind::ReferralDecline, None, "revoked")
            }
            (Some("arrived"), _) => (Kind::ReferralArrive, None, "active"),
            (Some("in-progress" | "triaged"), _) => {
                (Kind::ReferralFeedback, Some(FeedbackStage::Interim), "active")
            }
            (Some("finished"), _) => {
                (Kind::ReferralFeedback, Some(FeedbackStage::Outcome), "completed")
            }
            (None, None) if request == "revoked" => (Kind::ReferralDecline, None, "revoked"),
            (_, _) => return None,
        };
        let impossible = match wanted {
            "revoked" => matches!(request, "completed" | "entered-in-error"),
            "completed" => matches!(request, "revoked" | "entered-in-error"),
            _ => matches!(request, "revoked" | "entered-in-error" | "completed"),
        };
        if impossible || (strict && request != wanted) || (failed && kind != Kind::ReferralDecline)
        {
            self.contradiction(
                "the statuses of the ServiceRequest, the visit and the response differ",
            );
            return None;
        }
        if request != wanted {
            let text =
                "the decision table wants another status here; the receiver's Encounter decided";
            self.deviation(codes::BARS_TOLERATED, "ServiceRequest.status", text);
        }
        self.take_statuses(statuses);
        let visit = statuses.visit.as_ref().map(|(at, _)| *at);
        let found = Found {
            stage,
            reasons: visit.map(|at| (at, "reasonCode/0".to_owned())).into_iter().collect(),
            implied_reason: Some("rejected: 已拒收"),
            appointment: None,
            visit,
        };
        Some(Meaning::Statement { kind, exact: false, found })
    }

    /// Marks the statuses that were decided on.
    fn take_statuses(&mut self, statuses: &Statuses) {
        let request = self.bundle.first("ServiceRequest");
        let visit = statuses.visit.as_ref().map(|(at, _)| *at);
        let appointment = statuses.appointment.as_ref().map(|(at, _)| *at);
        for at in [request, visit, appointment].into_iter().flatten() {
            self.bundle.take(at, "status");
        }
    }

    /// What an Appointment says, in a message that is about it. `answers`: the event is that of an
    /// answer; otherwise the request says who speaks, or else whoever asks does.
    pub fn booking(&mut self, statuses: &Statuses, answers: bool) -> Option<Meaning> {
        let (at, status) = statuses.appointment.clone()?;
        let mut found = Found { appointment: Some(at), ..Found::default() };
        let asks = !answers && !self.is_asked();
        let said = |kind, found| Some(Meaning::Statement { kind, exact: false, found });
        let meaning = match status.as_str() {
            "booked" | "proposed" | "pending" | "waitlist" if asks => {
                said(Kind::ReferralBook, found)
            }
            "booked" => said(Kind::ReferralSchedule, found),
            "cancelled" | "entered-in-error"
                if matches!(statuses.request.as_deref(), Some("revoked" | "entered-in-error")) =>
            {
                Some(self.cancellation(statuses, status == "entered-in-error"))
            }
            "cancelled" | "entered-in-error" => {
                found.reasons.push((at, "cancelationReason".to_owned()));
                found.implied_reason = Some(if status == "cancelled" {
                    "cancelled: 预约已取消"
                } else {
                    "entered-in-error: 预约录入错误"
                });
                said(Kind::ReferralUnschedule, found)
            }
            "noshow" => said(Kind::ReferralNoShow, found),
            "arrived" | "checked-in" | "fulfilled" => said(Kind::ReferralArrive, found),
            _ => None,
        };
        if meaning.is_some() {
            self.bundle.take(at, "status");
        }
        meaning
    }

    /// Whether the request says that the sender was asked, and did not ask.
    fn is_asked(&mut self) -> bool {
        let Some(request) = self.bundle.first("ServiceRequest") else { return false };
        let requester = self.whom(request, "requester").0.code();
        let performer = self.whom(request, "performer/0").0.code();
        match (requester, performer) {
            (Some(requester), _) => requester != *self.own(),
            (None, Some(performer)) => performer == *self.own(),
            (None, None) => false,
        }
    }
}
