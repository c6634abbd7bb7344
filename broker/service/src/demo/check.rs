//! What must hold when the story is over: nothing lost, nothing doubled, nothing reordered.
//!
//! Two independent records are compared: what the broker's store says it delivered (custody), and
//! what each simulated hospital wrote into its own journal.
//!
//! - **lost**: the broker took a message from a sender and there is no event of it; or custody
//!   names a hop that its hospital never took.
//! - **doubled**: one message had two events; or a hospital took a message twice with different
//!   content, or one that no custody knows. A repeat of the very same bytes is no second effect.
//! - **reordered**: a hospital took two messages of one case in another order than decided.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::cast::Org;
use super::hospital::{Heard, Said};

/// One message on its way to one organisation, as custody has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The number of the case.
    pub case: String,
    /// To whom.
    pub to: Org,
    /// Its number within (case, destination).
    pub number: u32,
    /// The id that the destination sees.
    pub wire_id: String,
}

/// One event of a case: who said it, under which id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// Who.
    pub by: Org,
    /// The sender's id for the message.
    pub message_id: String,
}

/// What one hospital wrote down.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What reached it.
    pub heard: Vec<Heard>,
    /// What the broker took from it.
    pub said: Vec<Said>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Messages that are gone.
    pub lost: usize,
    /// Messages with two effects.
    pub doubled: usize,
    /// Messages that overtook others of their case.
    pub reordered: usize,
    /// Messages that came again unchanged, which is allowed.
    pub repeats: usize,
    /// Where, for people. Numbers and kinds only.
    pub where_found: Vec<String>,
}

impl Findings {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.reordered == 0
    }
}

/// Compares custody and events with the hospitals' journals.
#[must_use]
pub fn check(hops: &[Hop], events: &[Told], records: &BTreeMap<Org, Record>) -> Findings {
    let mut found = Findings::default();
    senders(events, records, &mut found);
    for (org, record) in records {
        receiver(*org, hops, record, &mut found);
    }
    found.where_found.sort();
    found
}

fn senders(events: &[Told], records: &BTreeMap<Org, Record>, found: &mut Findings) {
    let mut times: HashMap<&Told, usize> = HashMap::new();
    for event in events {
        *times.entry(event).or_default() += 1;
    }
    for (told, times) in &times {
        if *times > 1 {
            found.doubled += 1;
            found.where_found.push(format!("{} events of {}", times, told.message_id));
        }
    }
    for (org, record) in records {
        for said in &record.said {
            let told = Told { by: *org, message_id: said.message_id.clone() };
            if !times.contains_key(&told) {
                found.lost += 1;
                let text =
                    format!("{} {} of {} has no event", said.kind, said.message_id, org.short());
                found.where_found.push(text);
            }
        }
    }
}

fn receiver(org: Org, hops: &[Hop], record: &Record, found: &mut Findings) {
    let mut first: HashMap<&str, (usize, u64)> = HashMap::new();
    let mut changed: HashSet<&str> = HashSet::new();
    for (at, heard) in record.heard.iter().enumerate().filter(|(_, heard)| heard.taken) {
        match first.get(heard.wire_id.as_str()) {
            None => {
                first.insert(&heard.wire_id, (at, heard.fingerprint));
            }
            Some((_, fingerprint)) if *fingerprint == heard.fingerprint => found.repeats += 1,
            Some(_) => {
                changed.insert(&heard.wire_id);
            }
        }
    }
    let mine: Vec<&Hop> = hops.iter().filter(|hop| hop.to == org).collect();
    let known: HashSet<&str> = mine.iter().map(|hop| hop.wire_id.as_str()).collect();
    for id in first.keys().filter(|id| changed.contains(**id) || !known.contains(**id)) {
        found.doubled += 1;
        found
            .where_found
            .push(format!("{} took {id} more than once, or nobody sent it", org.short()));
    }
    let mut cases: HashMap<&str, Vec<&Hop>> = HashMap::new();
    for hop in mine {
        cases.entry(&hop.case).or_default().push(hop);
    }
    for (case, mut line) in cases {
        line.sort_by_key(|hop| hop.number);
        let mut latest = None;
        for hop in line {
            let Some((at, _)) = first.get(hop.wire_id.as_str()).copied() else {
                found.lost += 1;
                let text = format!("{case}: no. {} never reached {}", hop.number, org.short());
                found.where_found.push(text);
                continue;
            };
            if latest.is_some_and(|latest| at < latest) {
                found.reordered += 1;
                let text = format!("{case}: no. {} overtook others to {}", hop.number, org.short());
                found.where_found.push(text);
            }
            latest = latest.max(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(number: u32, wire_id: &str) -> Hop {
        Hop { case: "R1".to_owned(), to: Org::City, number, wire_id: wire_id.to_owned() }
    }

    fn heard(wire_id: &str, fingerprint: u64) -> Heard {
        Heard {
            wire_id: wire_id.to_owned(),
            kind: "referral.accept".to_owned(),
            ours: None,
            numbers: Vec::new(),
            fingerprint,
            taken: true,
        }
    }

    fn found(hops: &[Hop], heard: Vec<Heard>) -> Findings {
        let record = Record { heard, said: Vec::new() };
        check(hops, &[], &BTreeMap::from([(Org::City, record)]))
    }

    fn figures(found: &Findings) -> (usize, usize, usize, usize) {
        (found.lost, found.doubled, found.reordered, found.repeats)
    }

    #[test]
    fn what_arrives_once_and_in_order_is_clean() {
        let found = found(&[hop(1, "a"), hop(2, "b")], vec![heard("a", 1), heard("b", 2)]);

        assert!(found.is_clean());
        assert_eq!(figures(&found), (0, 0, 0, 0));
    }

    #[test]
    fn a_hop_that_its_hospital_never_took_is_lost() {
        let refused = Heard { taken: false, ..heard("b", 2) };

        let found = found(&[hop(1, "a"), hop(2, "b")], vec![heard("a", 1), refused]);

        assert_eq!(figures(&found), (1, 0, 0, 0));
    }

    #[test]
    fn the_same_bytes_again_are_a_repeat_and_other_bytes_are_doubled() {
        let hops = [hop(1, "a")];

        assert_eq!(figures(&found(&hops, vec![heard("a", 1), heard("a", 1)])), (0, 0, 0, 1));
        assert_eq!(figures(&found(&hops, vec![heard("a", 1), heard("a", 9)])), (0, 1, 0, 0));
    }

    #[test]
    fn what_no_custody_knows_is_an_effect_too_many() {
        let found = found(&[hop(1, "a")], vec![heard("a", 1), heard("x", 2)]);

        assert_eq!(figures(&found), (0, 1, 0, 0));
    }

    #[test]
    fn a_message_that_overtakes_its_case_is_reordered() {
        let hops = [hop(1, "a"), hop(2, "b"), hop(3, "c")];

        let found = found(&hops, vec![heard("a", 1), heard("c", 3), heard("b", 2)]);

        assert_eq!(figures(&found), (0, 0, 1, 0));
    }

    #[test]
    fn a_message_that_the_broker_took_must_have_exactly_one_event() {
        let told = Told { by: Org::City, message_id: "m1".to_owned() };
        let said = Said { message_id: "m1".to_owned(), kind: "referral.accept" };
        let record = Record { heard: Vec::new(), said: vec![said] };
        let records = BTreeMap::from([(Org::City, record)]);

        assert_eq!(check(&[], &[], &records).lost, 1);
        assert!(check(&[], std::slice::from_ref(&told), &records).is_clean());
        assert_eq!(check(&[], &[told.clone(), told], &records).doubled, 1);
    }
}
