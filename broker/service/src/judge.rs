//! The judge that stores call inside their transactions: it asks the core and translates.
//!
//! Pure and quick. It holds the configuration as it was when the batch began, so that one batch
//! is judged by one set of rules.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tierlink_codec::Profile;
use tierlink_codec::profile::Receipts;
use tierlink_core::case::Case;
use tierlink_core::decide::{Refused, SlotUse};
use tierlink_core::delivery::{self, Circumstances, RetryPolicy, Sent, Step};
use tierlink_core::{Ask, Change, Decision, deadline, decide, find};
use tierlink_schemas::{Message, Verdict};
use tierlink_store::{
    Content, DeliveryRow, Found, Judge, Judgement, Settled, Settlement, ToJudge, Work,
};
use tracing::{Span, debug, instrument};
use uuid::Uuid;

use crate::config::Config;

/// How often and how long an organisation is tried.
#[must_use]
pub fn retry_policy(profile: &Profile) -> RetryPolicy {
    let retry = &profile.retry;
    RetryPolicy {
        first_wait: Duration::from_millis(retry.first_wait_ms),
        wait_max: Duration::from_millis(retry.wait_ms_max),
        growth_percent: retry.growth_percent,
        give_up_after: Duration::from_hours(u64::from(retry.give_up_after_hours)),
    }
}

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

/// The core, with one configuration.
pub struct CoreJudge {
    /// The configuration.
    pub config: Arc<Config>,
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

    fn overdue(&self, case: &Case, now: Timestamp, spare: Uuid) -> Option<Box<Change>> {
        deadline::overdue(case, &self.config.county, now, spare).map(Box::new)
    }

    fn settle(&self, row: &DeliveryRow, settlement: &Settlement) -> Settled {
        let circumstances = Circumstances {
            now: settlement.at,
            attempts: settlement.attempts,
            silent_since: settlement.silent_since_with(row),
            jitter: f64::from(settlement.spare.as_bytes()[15]) / 255.0,
        };
        let policy =
            self.config.profiles.get(&row.id.to).map_or_else(RetryPolicy::default, retry_policy);
        let event = delivery::Event::Answered(settlement.outcome.clone());
        let next = match delivery::step(&row.state, &event, &circumstances, &policy) {
            Step::Move(next) => next,
            Step::Ignore => return Settled { next: None, receipt: None },
        };
        let receipt = delivery::receipt_for(
            &sent(row, settlement.attempts),
            &next,
            Some(&settlement.outcome),
            self.wants(row),
            &self.config.county.broker,
            settlement.at,
            settlement.spare,
        );
        Settled { next: Some(next), receipt: receipt.map(Box::new) }
    }
}

impl CoreJudge {
    /// What the origin hears when a person drops a delivery, if it wants receipts.
    #[must_use]
    pub fn withdrawn(&self, row: &DeliveryRow, at: Timestamp, spare: Uuid) -> Option<Box<Message>> {
        let broker = &self.config.county.broker;
        let sent = sent(row, row.attempts);
        let wants = self.wants(row);
        let next = delivery::State::Withdrawn;
        delivery::receipt_for(&sent, &next, None, wants, broker, at, spare).map(Box::new)
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
            slot: found.slot.map(|slot| SlotUse { places: slot.places, used: slot.used }),
            county: &self.config.county,
            now: work.received_at,
            counter: work.counter,
            spare: work.spare,
        });
        match decision {
            Decision::Changed(change) => Judgement::Changed(change),
            Decision::Answered(message) => Judgement::Answered(message),
            Decision::Noted => Judgement::Noted,
            Decision::Refused(refused) => refuse(refused),
        }
    }

    fn wants(&self, row: &DeliveryRow) -> delivery::Wants {
        match self.config.profiles.get(&row.source).map(|profile| profile.outbound.receipts) {
            None | Some(Receipts::None) => delivery::Wants::None,
            Some(Receipts::Problems) => delivery::Wants::Problems,
            Some(Receipts::All) => delivery::Wants::All,
        }
    }
}
