//! Implements the store's `Judge` with the rules of `tierlink_core`.

use std::sync::Arc;

use jiff::Timestamp;
use tierlink_core::case::Case;
use tierlink_core::deadline::{Clock, Overdue};
use tierlink_core::decide::Refused;
use tierlink_core::delivery::{self, Circumstances, Sent, Step};
use tierlink_core::{Ask, Decision, deadline, decide, find};
use tierlink_schemas::{Message, Verdict};
use tierlink_store::{
    Content, DeliveryRow, Found, Judge, Judgement, Settled, Settlement, ToJudge, Work,
};
use tracing::{Span, debug, instrument};
use uuid::Uuid;

use crate::policy::Policy;

fn refuse(refused: Refused) -> Judgement {
    Judgement::Refused(Verdict::refused(refused.refusal, refused.problem))
}

fn sent(row: &DeliveryRow, attempts: u32) -> Sent<'_> {
    Sent {
        message: row.id.message,
        kind: row.kind,
        source: &row.source,
        source_message_id: &row.source_message_id,
        to: &row.id.to,
        case: row.case,
        case_number: row.case_number.as_ref(),
        attempts,
    }
}

/// Decides by the rules of the core, with one policy.
pub struct CoreJudge {
    policy: Arc<Policy>,
    clock: Clock,
}

impl Judge for CoreJudge {
    #[instrument(level = "debug", skip_all, fields(message.id = %work.id, case.id))]
    fn judge(&self, work: &Work, found: &Found<'_>) -> Judgement {
        let judgement = match &work.content {
            Content::Refused { verdict, .. } => Judgement::Refused(verdict.clone()),
            Content::Message(to_judge) => self.judge_message(work, to_judge, found),
        };
        let (case, what) = match &judgement {
            Judgement::Changed(change) => (Some(change.case.id), "the case changes"),
            Judgement::Answered(answer) => (answer.case.id, "it is answered"),
            Judgement::Noted => (None, "it is noted"),
            Judgement::Refused(_) => (None, "it is refused"),
        };
        if let Some(case) = case {
            Span::current().record("case.id", tracing::field::display(case));
        }
        debug!("Judged a message: {what}.");
        judgement
    }

    fn overdue(&self, case: &Case, now: Timestamp, escalation_id: Uuid) -> Overdue {
        deadline::overdue(case, &self.policy.county, now, escalation_id, self.clock)
    }

    fn set_right(&self, case: &Case, now: Timestamp) -> Option<Case> {
        deadline::set_right(case, &self.policy.county, now)
    }

    fn settle(&self, row: &DeliveryRow, settlement: &Settlement) -> Settled {
        let circumstances = Circumstances {
            now: settlement.at,
            attempts: settlement.attempts,
            silent_since: settlement.silent_since_with(row),
            jitter: f64::from(settlement.receipt_id.as_bytes()[15]) / 255.0,
        };
        let retry = self.policy.delivery(&row.lane()).retry;
        let event = delivery::Event::Answered(settlement.outcome.clone());
        let next = match delivery::step(&row.state, &event, &circumstances, &retry) {
            Step::Move(next) => next,
            Step::Ignore => return Settled { next: None, receipt: None },
        };
        let receipt = delivery::receipt_for(
            &sent(row, settlement.attempts),
            &next,
            Some(&settlement.outcome),
            self.policy.delivery(&row.source_lane()).receipts,
            &self.policy.county.broker,
            settlement.at,
            settlement.receipt_id,
        );
        Settled { next: Some(next), receipt: receipt.map(Box::new) }
    }
}

impl CoreJudge {
    /// Uses this policy for every decision.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy, clock: Clock::Certain }
    }

    /// Judges passed deadlines by a clock that may be in doubt.
    #[must_use]
    pub fn by_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The receipt for the origin when a person drops a delivery; `None` if it wants none.
    #[must_use]
    pub fn withdrawn(
        &self,
        row: &DeliveryRow,
        at: Timestamp,
        receipt_id: Uuid,
    ) -> Option<Box<Message>> {
        let broker = &self.policy.county.broker;
        let sent = sent(row, row.attempts);
        let wants = self.policy.delivery(&row.source_lane()).receipts;
        let next = delivery::State::Withdrawn;
        delivery::receipt_for(&sent, &next, None, wants, broker, at, receipt_id).map(Box::new)
    }

    fn judge_message(&self, work: &Work, to_judge: &ToJudge, found: &Found<'_>) -> Judgement {
        let sender = &to_judge.message.source.organisation;
        let opens = to_judge.message.kind().opens();
        let case = match find::pick(&found.cases, sender, opens).case() {
            Ok(case) => case,
            Err(refused) => return refuse(refused),
        };
        let parent = match find::pick(&found.parents, sender, false).case() {
            Ok(parent) => parent,
            Err(refused) => return refuse(refused),
        };
        let decision = decide(&Ask {
            message: &to_judge.message,
            family_stated: to_judge.family_stated,
            case,
            parent,
            request: found.request,
            taken: &found.booked,
            slot: found.slot,
            county: &self.policy.county,
            now: work.received_at,
            counter: work.counter,
            second_message_id: work.second_message_id,
        });
        match decision {
            Decision::Changed(change) => Judgement::Changed(change),
            Decision::Answered(message) => Judgement::Answered(message),
            Decision::Noted => Judgement::Noted,
            Decision::Refused(refused) => refuse(refused),
        }
    }
}
