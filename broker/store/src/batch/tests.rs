//! Tests of a batch alone, without a database: what it decides from what was found.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use tierlink_core::case::Case;
use tierlink_core::deadline::Overdue;
use tierlink_core::find;
use tierlink_schemas::message::from_value;
use tierlink_schemas::{
    CaseNumber, Code, Kind, OrganisationCode, Problem, Refusal, Verdict, examples,
};
use uuid::Uuid;

use super::{Batch, First, SlotKnown};
use crate::Judge;
use crate::records::{
    Content, DeliveryRow, Found, Judged, Judgement, Settled, Settlement, ToJudge, Work,
};

const SENDER: &str = "330199001";

/// A judge that gives the judgement it was told to give, and remembers what it was asked.
#[derive(Default)]
struct Scripted {
    refuses: bool,
    slots: Mutex<Vec<Option<(u16, u16)>>>,
}

impl Judge for Scripted {
    fn judge(&self, _: &Work, found: &Found<'_>) -> Judgement {
        self.slots.lock().push(found.slot.map(|slot| (slot.places, slot.used)));
        if self.refuses {
            let problem = Problem::new(Code::new("R999"), "case", "no");
            return Judgement::Refused(Verdict::refused(Refusal::Rule, problem));
        }
        Judgement::Noted
    }

    fn set_right(&self, _: &Case, _: Timestamp) -> Option<Case> {
        unreachable!("nothing is set right here")
    }

    fn overdue(&self, _: &Case, _: Timestamp, _: Uuid) -> Overdue {
        Overdue::Nothing
    }

    fn settle(&self, _: &DeliveryRow, _: &Settlement) -> Settled {
        Settled { next: None, receipt: None }
    }
}

fn sender() -> OrganisationCode {
    OrganisationCode::new(SENDER).unwrap()
}

fn work(kind: Kind, id: &str, fingerprint: u8) -> Work {
    let mut value: serde_json::Value = serde_json::from_str(examples::of(kind)).unwrap();
    value["source"] = json!({ "organisation": SENDER, "message_id": id });
    let message = from_value(value).unwrap();
    Work {
        id: Uuid::now_v7(),
        organisation: sender(),
        system: None,
        format: "json",
        raw: id.as_bytes().to_vec().into(),
        fingerprint: [fingerprint; 32],
        received_at: Timestamp::UNIX_EPOCH,
        deviations: Vec::new(),
        code_map: None,
        second_message_id: Uuid::now_v7(),
        counter: 1,
        content: Content::Message(Box::new(ToJudge {
            family_stated: true,
            keys: find::keys(&message, &sender()),
            parent_keys: Vec::new(),
            message,
        })),
    }
}

fn run(batch: Batch, judge: &Scripted) -> Vec<Judged> {
    let mut batch = batch;
    for at in 0..batch.len() {
        batch.judge(at, judge);
    }
    batch.verdicts()
}

fn first(fingerprint: u8) -> HashMap<super::SourceId, First> {
    let first = First {
        id: Uuid::nil(),
        fingerprint: vec![fingerprint; 32],
        case_number: CaseNumber::read("R2600000011"),
        state: Some("accepted".to_owned()),
    };
    HashMap::from([((sender().into(), "m-1".to_owned()), first)])
}

#[test]
fn a_known_message_is_answered_without_the_judge() {
    let judge = Scripted::default();
    let mut batch = Batch::new(vec![work(Kind::SlotPublish, "m-1", 7)]);

    batch.know_firsts(first(7));
    assert!(batch.source_ids().is_empty() && batch.lookups().is_empty());
    let judged = run(batch, &judge);

    assert!(matches!(judged[0].verdict, Verdict::Repeated { message, .. } if message.is_nil()));
    assert!(judge.slots.lock().is_empty());
}

#[test]
fn what_was_refused_while_another_accepted_it_is_a_repeat() {
    let judge = Scripted { refuses: true, ..Scripted::default() };
    let mut batch =
        Batch::new(vec![work(Kind::SlotPublish, "m-1", 7), work(Kind::SlotPublish, "m-2", 7)]);
    for at in 0..batch.len() {
        batch.judge(at, &judge);
    }
    assert_eq!(batch.refused_source_ids().len(), 2);

    batch.know_firsts_late(&first(7));

    assert_eq!(batch.refusals().count(), 1, "only the other one is kept as refused");
    let judged = batch.verdicts();
    assert!(matches!(judged[0].verdict, Verdict::Repeated { .. }), "{judged:?}");
    assert!(matches!(judged[1].verdict, Verdict::Refused { .. }), "{judged:?}");
}

#[test]
fn a_refused_first_does_not_use_up_its_id() {
    let refuses = Scripted { refuses: true, ..Scripted::default() };
    let accepts = Scripted::default();
    let mut batch = Batch::new(vec![
        work(Kind::SlotPublish, "m-1", 7),
        work(Kind::SlotPublish, "m-1", 8),
        work(Kind::SlotPublish, "m-1", 9),
    ]);

    batch.judge(0, &refuses);
    batch.judge(1, &accepts);
    batch.judge(2, &accepts);
    let judged = batch.verdicts();

    assert!(!judged[0].verdict.is_positive() && !judged[0].conflict);
    assert!(matches!(judged[1].verdict, Verdict::Accepted { .. }), "{judged:?}");
    assert!(judged[2].conflict && judged[2].verdict.label() == "S010", "{judged:?}");
}

#[test]
fn a_wish_is_asked_once() {
    let mut batch = Batch::new(vec![work(Kind::ReferralSchedule, "m-1", 7)]);
    let needed = batch.needed_by_all();
    let Some(name) = needed.slots.first().cloned() else {
        panic!("the example of an appointment names a slot");
    };

    batch.know_slot(name, SlotKnown { places: Some(3), uses: [Uuid::now_v7()].into() });

    assert!(batch.needed_by_all().is_empty());
    let judge = Scripted { refuses: true, ..Scripted::default() };
    run(batch, &judge);
    assert_eq!(*judge.slots.lock(), [Some((3, 1))]);
}

#[test]
fn slots_published_and_withdrawn_together_end_withdrawn() {
    let mut withdrawing = work(Kind::SlotWithdraw, "m-2", 7);
    let Content::Message(asked) = &mut withdrawing.content else { panic!("it is a message") };
    asked.message.set_body(tierlink_schemas::Body::SlotWithdraw(
        tierlink_schemas::answer::SlotWithdraw {
            numbers: vec!["CARD-BED-0326".to_owned()],
            note: None,
        },
    ));
    let mut batch = Batch::new(vec![work(Kind::SlotPublish, "m-1", 7), withdrawing]);
    let judge = Scripted::default();

    batch.judge(0, &judge);
    batch.judge(1, &judge);

    let (gone, there): (Vec<_>, Vec<_>) = batch.new_slots.values().partition(|slot| slot.is_none());
    assert_eq!((gone.len(), there.len()), (1, 2));
}

#[test]
fn an_appointment_takes_a_slot_only_when_it_is_given() {
    let slot_of = |kind| {
        let mut value: serde_json::Value = serde_json::from_str(examples::of(kind)).unwrap();
        value["body"]["appointment"]["slot"] = json!("S-1");
        super::slot_of(&from_value(value).unwrap()).map(|(_, number)| number)
    };

    assert_eq!(slot_of(Kind::ReferralSchedule).as_deref(), Some("S-1"));
    assert_eq!(slot_of(Kind::ReferralBook), None, "it is only asked for");
    assert_eq!(slot_of(Kind::ReferralUnschedule), None, "it is given back");
}
