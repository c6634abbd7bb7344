//! A small invented county, and the core as its judge.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use tierlink_core::case::Case;
use tierlink_core::county::{County, Member, System};
use tierlink_core::deadline::TimeLimits;
use tierlink_core::deadline::{Clock, Overdue};
use tierlink_core::delivery::Wants;
use tierlink_core::traffic::Traffic;
use tierlink_judge::{CoreJudge, DeliveryPolicy, Policy};
use tierlink_schemas::calendar::{Calendar, OpeningHours};
use tierlink_schemas::{Kind, LaneName, OrganisationCode, SystemName, Tier};
use tierlink_store::{DeliveryRow, Found, Judge, Judgement, Settled, Settlement, Work};
use uuid::Uuid;

pub const TOWNSHIP: &str = "330199101";
pub const OTHER_TOWNSHIP: &str = "330199103";
pub const HOSPITAL: &str = "330199001";
pub const OTHER_HOSPITAL: &str = "330199002";
pub const STRANGER: &str = "330199109";
pub const VILLAGE: &str = "330199201";
const BROKER: &str = "tierlink";

pub fn code(text: &str) -> OrganisationCode {
    OrganisationCode::new(text).unwrap()
}

/// Writes every event under the first number, for a transaction that must fail.
struct Spoilt(CoreJudge);

pub fn core() -> Arc<dyn Judge> {
    Arc::new(judge())
}

/// The core, while the clock is in doubt.
pub fn doubtful_core() -> Arc<dyn Judge> {
    Arc::new(judge().by_clock(Clock::InDoubt))
}

/// The core, for a hospital of which the system `desk` takes amendments, and a township whose ward
/// has a system of its own.
pub fn core_with_systems() -> Arc<dyn Judge> {
    let mut county = county();
    let mut give = |organisation: &str, further: &str, takes: &[Traffic]| {
        let system = |name: &str, is_default, takes: &[Traffic]| System {
            name: SystemName::new(name).unwrap(),
            is_default,
            gives: BTreeSet::new(),
            takes: takes.iter().copied().collect(),
        };
        let member = county.members.get_mut(&code(organisation)).unwrap();
        member.systems = vec![system("his", true, &[]), system(further, false, takes)];
    };
    give(HOSPITAL, "desk", &[Traffic::Kind(Kind::ReferralAmend)]);
    give(TOWNSHIP, "ward", &[]);
    Arc::new(judge_of(county))
}

/// Writes events that clash with those that are there.
pub fn spoilt_core() -> Arc<dyn Judge> {
    Arc::new(Spoilt(judge()))
}

/// Every organisation wants all receipts.
fn judge() -> CoreJudge {
    judge_of(county())
}

fn judge_of(county: County) -> CoreJudge {
    let wants = DeliveryPolicy { receipts: Wants::All, ..DeliveryPolicy::default() };
    let systems = county.members.iter().flat_map(|(code, member)| {
        let further = member.systems.iter().filter(|system| !system.is_default);
        let further = further.map(|system| Some(system.name.clone()));
        further.chain([None]).map(|system| LaneName::new(code.clone(), system))
    });
    let deliveries = systems.map(|lane| (lane, wants.clone())).collect();
    CoreJudge::new(Arc::new(Policy { county: Arc::new(county), deliveries }))
}

fn county() -> County {
    let mut members = HashMap::new();
    let mut add = |organisation: &str, tier, parent: Option<&str>| {
        let member = Member { tier, parent: parent.map(code), outside: false, systems: Vec::new() };
        members.insert(code(organisation), member);
    };
    add(HOSPITAL, Tier::County, None);
    add(OTHER_HOSPITAL, Tier::County, None);
    add(TOWNSHIP, Tier::Township, Some(HOSPITAL));
    add(OTHER_TOWNSHIP, Tier::Township, Some(HOSPITAL));
    add(STRANGER, Tier::Township, Some(OTHER_HOSPITAL));
    add(VILLAGE, Tier::Village, Some(TOWNSHIP));
    County {
        members,
        lead: Some(code(HOSPITAL)),
        broker: code(BROKER),
        calendar: Calendar::china(OpeningHours::office()).unwrap(),
        limits: TimeLimits::default(),
        one_person_emergency_reading: false,
    }
}

impl Judge for Spoilt {
    fn judge(&self, work: &Work, found: &Found<'_>) -> Judgement {
        match self.0.judge(work, found) {
            Judgement::Changed(mut change) => {
                change.event.number = 1;
                Judgement::Changed(change)
            }
            other @ (Judgement::Answered(_) | Judgement::Noted | Judgement::Refused(_)) => other,
        }
    }

    fn overdue(&self, case: &Case, now: Timestamp, escalation_id: Uuid) -> Overdue {
        self.0.overdue(case, now, escalation_id)
    }

    fn set_right(&self, case: &Case, now: Timestamp) -> Option<Case> {
        self.0.set_right(case, now)
    }

    fn settle(&self, row: &DeliveryRow, settlement: &Settlement) -> Settled {
        self.0.settle(row, settlement)
    }
}
