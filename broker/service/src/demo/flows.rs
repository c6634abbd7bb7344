//! The flows of the demo: what happens to each case, step by step.
//!
//! Each flow is one case, and states the state in which it must end.

use super::cast::{self, Org};
use super::story::{Flow, Step};
use tierlink_simulator::{Act, Sort};

use Act::{
    Accept, AcceptAsExpert, Acknowledge, Arrive, AskForExperts, AskForReading, Audit, Claim, Close,
    Critical, Discharge, FollowUp, Offer, Opinion, Outcome, ReadBack, Receive, Refer, Report,
    Review, Schedule, ScheduleSession, Start,
};
use Org::{Baima, City, Fengqiao, Lead, Liuwan, Qingshi};
use Step::{Asks, ComesBack, GoesDown, Hears, Refuses, Replay, Says, Stumbles};

/// The flows of the demo.
pub const FLOWS: [Flow; 8] = [
    Flow {
        key: "up-referral",
        zh: "上转",
        en: "up-referral",
        sort: Sort::Referral,
        origin: Qingshi,
        own_number: "QS2026-0101",
        patient: cast::WANG,
        after: None,
        through: None,
        steps: &[
            Asks(Qingshi, Refer, Lead),
            Hears(Lead, "referral.submit"),
            Says(Lead, Accept),
            Hears(Qingshi, "referral.accept"),
            Says(Lead, Schedule),
            Hears(Qingshi, "referral.schedule"),
            Says(Lead, Arrive),
            Hears(Qingshi, "referral.arrive"),
            Says(Lead, Outcome),
            Hears(Qingshi, "referral.feedback"),
        ],
        ends: "completed",
    },
    Flow {
        key: "discharge-back",
        zh: "下转及随访",
        en: "discharge-back with follow-up",
        sort: Sort::Transfer,
        origin: Lead,
        own_number: "XZ2026-0201",
        patient: cast::WANG,
        after: Some("up-referral"),
        through: None,
        steps: &[
            Asks(Lead, Offer, Qingshi),
            Hears(Qingshi, "transfer.offer"),
            Stumbles(Lead, "transfer.accept"),
            Says(Qingshi, Accept),
            Hears(Lead, "transfer.accept"),
            Says(Lead, Discharge),
            Hears(Qingshi, "transfer.discharge"),
            Says(Qingshi, Receive),
            Hears(Lead, "transfer.receive"),
            Says(Qingshi, FollowUp),
            Hears(Lead, "transfer.follow-up"),
            Says(Qingshi, Close),
            Hears(Lead, "transfer.close"),
        ],
        ends: "closed",
    },
    Flow {
        key: "out-of-county",
        zh: "县外转诊",
        en: "out-of-county referral",
        sort: Sort::Referral,
        origin: Baima,
        own_number: "BM2026-0301",
        patient: cast::AYGULI,
        after: None,
        through: None,
        steps: &[
            Asks(Baima, Refer, City),
            Hears(Lead, "referral.submit"),
            Says(Lead, Review),
            Hears(City, "referral.submit"),
            Says(City, Accept),
            Hears(Baima, "referral.accept"),
            Says(City, Schedule),
            Hears(Baima, "referral.schedule"),
            Says(City, Arrive),
            Hears(Baima, "referral.arrive"),
            Says(City, Outcome),
            Hears(Baima, "referral.feedback"),
        ],
        ends: "completed",
    },
    Flow {
        key: "village-referral",
        zh: "村级上转及审核",
        en: "village referral with review",
        sort: Sort::Referral,
        origin: Liuwan,
        own_number: "LW2026-0801",
        patient: cast::SHI,
        after: None,
        through: None,
        steps: &[
            Asks(Liuwan, Refer, Lead),
            Hears(Qingshi, "referral.submit"),
            Says(Qingshi, Review),
            Hears(Lead, "referral.submit"),
            Says(Lead, Accept),
            Hears(Liuwan, "referral.accept"),
            Says(Lead, Arrive),
            Hears(Liuwan, "referral.arrive"),
            Says(Lead, Outcome),
            Hears(Liuwan, "referral.feedback"),
        ],
        ends: "completed",
    },
    Flow {
        key: "consultation",
        zh: "远程会诊(两位专家)",
        en: "consultation, two experts",
        sort: Sort::Consultation,
        origin: Fengqiao,
        own_number: "HZ2026-0401",
        patient: cast::HE,
        after: None,
        through: Some((Lead, "desk")),
        steps: &[
            Asks(Fengqiao, AskForExperts, Lead),
            Hears(Lead, "consultation.request"),
            Says(Lead, Review),
            Hears(City, "consultation.request"),
            Says(Lead, AcceptAsExpert),
            Hears(Fengqiao, "consultation.accept"),
            Says(City, AcceptAsExpert),
            Hears(Lead, "consultation.accept"),
            Says(Lead, ScheduleSession),
            Hears(Fengqiao, "consultation.schedule"),
            Hears(City, "consultation.schedule"),
            Says(Lead, Start),
            Hears(Fengqiao, "consultation.start"),
            Says(Lead, Opinion),
            Hears(Fengqiao, "consultation.opinion"),
            Says(Fengqiao, Acknowledge),
            Hears(Lead, "consultation.acknowledge"),
            Says(Fengqiao, Close),
            Hears(Lead, "consultation.close"),
        ],
        ends: "closed",
    },
    Flow {
        key: "emergency-ecg",
        zh: "急诊心电诊断",
        en: "emergency ECG reading",
        sort: Sort::Consultation,
        origin: Liuwan,
        own_number: "XD2026-0501",
        patient: cast::LI,
        after: None,
        through: Some((Lead, "ecg")),
        steps: &[
            Asks(Liuwan, AskForReading, Lead),
            Hears(Lead, "consultation.request"),
            Says(Lead, Claim),
            Hears(Liuwan, "consultation.claim"),
            Says(Lead, Critical),
            Hears(Liuwan, "consultation.critical"),
            Says(Liuwan, ReadBack),
            Hears(Lead, "consultation.acknowledge"),
            Says(Lead, Report),
            Says(Lead, Audit),
            Hears(Liuwan, "consultation.audit"),
            Says(Liuwan, Acknowledge),
            Says(Liuwan, Close),
            Hears(Lead, "consultation.close"),
        ],
        ends: "closed",
    },
    Flow {
        key: "hospital-down",
        zh: "对方系统宕机",
        en: "hospital down for a while",
        sort: Sort::Transfer,
        origin: Lead,
        own_number: "XZ2026-0601",
        patient: cast::ZHU,
        after: None,
        through: None,
        steps: &[
            GoesDown(Baima),
            Asks(Lead, Offer, Baima),
            ComesBack(Baima),
            Hears(Baima, "transfer.offer"),
            Says(Baima, Accept),
            Hears(Lead, "transfer.accept"),
            Says(Lead, Discharge),
            Hears(Baima, "transfer.discharge"),
            Says(Baima, Receive),
            Hears(Lead, "transfer.receive"),
        ],
        ends: "received",
    },
    Flow {
        key: "refused-once",
        zh: "对方拒收,人工重放",
        en: "refused, then replayed",
        sort: Sort::Referral,
        origin: Qingshi,
        own_number: "QS2026-0701",
        patient: cast::FANG,
        after: None,
        through: None,
        steps: &[
            Refuses(Qingshi, "referral.schedule"),
            Asks(Qingshi, Refer, Lead),
            Hears(Lead, "referral.submit"),
            Says(Lead, Accept),
            Hears(Qingshi, "referral.accept"),
            Says(Lead, Schedule),
            Says(Lead, Arrive),
            Replay(Qingshi),
            Hears(Qingshi, "referral.schedule"),
            Hears(Qingshi, "referral.arrive"),
            Says(Lead, Outcome),
            Hears(Qingshi, "referral.feedback"),
        ],
        ends: "completed",
    },
];

/// Time in which the emergency ECG must be audited after its upload (`emergency` in
/// `[deadlines.readings.ecg_routine]` of `county.toml`).
pub const ECG_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// Key of the flow of the emergency ECG.
pub const ECG: &str = "emergency-ecg";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flow_opens_its_own_case_first() {
        for flow in &FLOWS {
            let first = flow.steps.iter().find_map(|step| match step {
                Asks(who, act, _) => Some((*who, *act)),
                Says(..) | Hears(..) | GoesDown(_) | ComesBack(_) | Refuses(..) | Stumbles(..)
                | Replay(_) => None,
            });

            let (who, act) = first.unwrap();
            assert_eq!(who, flow.origin, "{}", flow.key);
            assert!(act.asks(), "{}", flow.key);
        }
    }

    #[test]
    fn whatever_is_waited_for_is_said_by_somebody_else() {
        for flow in &FLOWS {
            let said: Vec<(Org, &str)> = flow
                .steps
                .iter()
                .filter_map(|step| match step {
                    Asks(who, act, _) | Says(who, act) => Some((*who, act.kind(flow.sort))),
                    Hears(..) | GoesDown(_) | ComesBack(_) | Refuses(..) | Stumbles(..)
                    | Replay(_) => None,
                })
                .collect();
            for step in flow.steps {
                let Hears(who, kind) = step else { continue };
                let by_another = said.iter().any(|(by, what)| by != who && what == kind);
                assert!(by_another, "{}: nobody tells {} of {kind}", flow.key, who.short());
            }
        }
    }

    #[test]
    fn no_two_flows_share_a_number() {
        for (at, flow) in FLOWS.iter().enumerate() {
            assert!(FLOWS[at + 1..].iter().all(|other| other.own_number != flow.own_number));
        }
    }
}
