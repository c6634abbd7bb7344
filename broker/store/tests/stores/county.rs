//! A small invented county, and the core as its judge.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tierlink_core::case::Case;
use tierlink_core::county::{County, Member};
use tierlink_core::deadline::{self, TimeLimits};
use tierlink_core::decide::{Refused, SlotUse};
use tierlink_core::delivery::{self, Circumstances, RetryPolicy, Sent, Step, Wants};
use tierlink_core::find::{self, Picked};
use tierlink_core::{Ask, Change, Decision, decide};
use tierlink_schemas::calendar::{Calendar, OpeningHours};
use tierlink_schemas::{Code, OrganisationCode, Problem, Refusal, Tier, Verdict};
use tierlink_store::{Content, DeliveryRow, Found, Judge, Judgement, Settled, Settlement, Work};
use uuid::Uuid;

pub const TOWNSHIP: &str = "330199101";
pub const OTHER_TOWNSHIP: &str = "330199103";
pub const HOSPITAL: &str = "330199001";
pub const OTHER_HOSPITAL: &str = "330199002";
pub const STRANGER: &str = "330199109";
const BROKER: &str = "tierlink";

pub fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

/// The core, judging for this county.
pub struct Core {
    county: County,
    /// Every event gets this number, for a transaction that must fail.
    spoilt: Option<u32>,
}

pub fn core() -> Arc<dyn Judge> {
    Arc::new(Core { county: county(), spoilt: None })
}

/// Writes events that clash with those that are there.
pub fn spoilt_core() -> Arc<dyn Judge> {
    Arc::new(Core { county: county(), spoilt: Some(1) })
}

fn county() -> County {
    let mut members = HashMap::new();
    let mut add = |organisation: &str, tier, parent: Option<&str>| {
        let member = Member { tier, parent: parent.map(code), outside: false };
        members.insert(code(organisation), member);
    };
    add(HOSPITAL, Tier::County, None);
    add(OTHER_HOSPITAL, Tier::County, None);
    add(TOWNSHIP, Tier::Township, Some(HOSPITAL));
    add(OTHER_TOWNSHIP, Tier::Township, Some(HOSPITAL));
    add(STRANGER, Tier::Township, Some(OTHER_HOSPITAL));
    County {
        members,
        lead: Some(code(HOSPITAL)),
        broker: code(BROKER),
        calendar: Calendar::china(OpeningHours::office()).unwrap(),
        limits: TimeLimits::default(),
        one_person_emergency_reading: false,
    }
}

impl Judge for Core {
    fn judge(&self, work: &Work, found: &Found<'_>) -> Judgement {
        let Content::Message(asked) = &work.content else {
            panic!("a store refuses what was refused already without asking");
        };
        let message = &asked.message;
        let sender = &message.source.organisation;
        let case = match find::pick(&found.cases, sender, message.kind().opens()) {
            Picked::None => None,
            Picked::One(case) => Some(case),
            Picked::Contradiction | Picked::Ambiguous => {
                let problem = Problem::new(Code::new("R000"), "case", "not certain");
                return Judgement::Refused(Verdict::refused(Refusal::Invalid, problem));
            }
        };
        let parent = match find::pick(&found.parents, sender, false) {
            Picked::One(parent) => Some(parent),
            Picked::None | Picked::Contradiction | Picked::Ambiguous => None,
        };
        let decision = decide(&Ask {
            message,
            family_stated: asked.family_stated,
            case,
            parent,
            request: found.request,
            taken: &found.booked,
            slot: found.slot.map(|slot| SlotUse { places: slot.places, used: slot.used }),
            county: &self.county,
            now: work.received_at,
            counter: work.counter,
            spare: work.spare,
        });
        match decision {
            Decision::Changed(mut change) => {
                change.event.number = self.spoilt.unwrap_or(change.event.number);
                Judgement::Changed(change)
            }
            Decision::Answered(message) => Judgement::Answered(message),
            Decision::Noted => Judgement::Noted,
            Decision::Refused(Refused { refusal, problem }) => {
                Judgement::Refused(Verdict::refused(refusal, problem))
            }
        }
    }

    fn overdue(&self, case: &Case, now: Timestamp, spare: Uuid) -> Option<Box<Change>> {
        deadline::overdue(case, &self.county, now, spare).map(Box::new)
    }

    fn settle(&self, row: &DeliveryRow, settlement: &Settlement) -> Settled {
        let at = Circumstances {
            now: settlement.at,
            attempts: settlement.attempts,
            silent_since: settlement.silent_since_with(row),
            jitter: 0.0,
        };
        let event = delivery::Event::Answered(settlement.outcome.clone());
        let Step::Move(next) = delivery::step(&row.state, &event, &at, &RetryPolicy::default())
        else {
            return Settled { next: None, receipt: None };
        };
        let receipt = delivery::receipt_for(
            &Sent {
                message: row.id.message,
                kind: row.kind,
                source: &row.source,
                source_message_id: &row.source_message_id,
                to: &row.id.to,
                case: row.case,
                case_number: row.case_number.as_ref(),
                attempts: settlement.attempts,
            },
            &next,
            Some(&settlement.outcome),
            Wants::All,
            &self.county.broker,
            settlement.at,
            settlement.spare,
        );
        Settled { next: Some(next), receipt: receipt.map(Box::new) }
    }
}
