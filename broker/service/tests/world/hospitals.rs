//! The hospitals' front doors, and what came in through them.
//!
//! A hospital takes a message once, whatever number of times it comes, as hospitals do that look
//! at its id. What it refused it goes on refusing until a person has cleared it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tierlink_codec::{Answered, Codec, Encoded, Profile, Writing};
use tierlink_edge::destination::{Destination, Destinations, Heard, SendResult};
use tierlink_edge::organisations::Organisations;
use tierlink_schemas::message::from_slice;
use tierlink_schemas::{Code, OrganisationCode, Problem};
use tierlink_store::DeliveryId;

use crate::dice::Dice;
use crate::faults::Faults;
use crate::power::Power;

/// What a hospital did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    Read,
    Took,
}

/// What all hospitals saw.
#[derive(Default)]
pub struct Seen {
    /// In the order in which it happened.
    pub log: Vec<(DeliveryId, Did)>,
    pub taken: BTreeSet<DeliveryId>,
    pub refused: BTreeSet<DeliveryId>,
    /// Those whose content was not the same at every try.
    pub changed: BTreeSet<DeliveryId>,
    content: BTreeMap<DeliveryId, Vec<u8>>,
    /// Hospitals where nobody answers now.
    pub out: BTreeSet<OrganisationCode>,
}

impl Seen {
    fn read(&mut self, id: &DeliveryId, bytes: &[u8]) {
        let first = self.content.entry(id.clone()).or_insert_with(|| bytes.to_vec());
        if first != bytes {
            self.changed.insert(id.clone());
        }
        self.log.push((id.clone(), Did::Read));
    }

    fn take(&mut self, id: &DeliveryId) {
        if self.taken.insert(id.clone()) {
            self.log.push((id.clone(), Did::Took));
        }
    }
}

/// The way to the hospitals, as one process has it.
#[derive(Clone)]
pub struct Town {
    pub seen: Arc<Mutex<Seen>>,
    pub power: Power,
    pub dice: Dice,
    pub faults: Faults,
}

impl Destinations for Town {
    fn open(
        &self,
        _organisations: &dyn Organisations,
        profile: &Profile,
    ) -> Result<Option<Box<dyn Destination>>, Problem> {
        let whose = profile.organisation.code.clone();
        Ok(Some(Box::new(HospitalConnection { town: self.clone(), whose })))
    }
}

struct HospitalConnection {
    town: Town,
    whose: OrganisationCode,
}

fn problem(text: &str) -> Problem {
    Problem::new(Code::new("E003"), "outbound", text)
}

fn silent() -> SendResult {
    SendResult::NoAnswer(problem("no answer"))
}

#[async_trait]
impl Destination for HospitalConnection {
    async fn send(&mut self, encoded: &Encoded, _: &dyn Codec, _: &Writing<'_>) -> Heard {
        let Town { seen, power, dice, faults } = &self.town;
        power.on().await;
        let message = from_slice(&encoded.bytes).unwrap();
        let id = DeliveryId { message: message.id, to: self.whose.clone() };
        let out = seen.lock().out.contains(&self.whose);
        if out || faults.happens(dice, 8) {
            dice.wait_between(200, 3_000).await;
            return silent().into();
        }
        dice.wait(if faults.happens(dice, 10) { 4_000 } else { 5 }).await;
        power.on().await;
        let answer = self.answer(&id, &encoded.bytes);
        // The hospital has done what it did, and its answer is on its way.
        dice.wait(5).await;
        power.on().await;
        if faults.happens(dice, 8) { silent().into() } else { answer.into() }
    }

    async fn reach(&mut self) -> Result<(), Problem> {
        Ok(())
    }

    fn certificate_ends_at(&self) -> Option<Timestamp> {
        None
    }

    async fn rest(&mut self) {}
}

impl HospitalConnection {
    fn answer(&self, id: &DeliveryId, bytes: &[u8]) -> SendResult {
        let Town { seen, dice, faults, .. } = &self.town;
        let mut seen = seen.lock();
        seen.read(id, bytes);
        let problems = vec![problem("the hospital says so")];
        if seen.refused.contains(id) {
            return SendResult::Answered(Answered::Refused { problems });
        }
        if !seen.taken.contains(id) {
            if faults.happens(dice, 5) {
                return SendResult::Answered(Answered::NotNow { problems });
            }
            if faults.happens(dice, 2) {
                seen.refused.insert(id.clone());
                return SendResult::Answered(Answered::Refused { problems });
            }
        }
        seen.take(id);
        if faults.happens(dice, 2) {
            return SendResult::Answered(Answered::Unreadable { problem: problem("garbage") });
        }
        if faults.happens(dice, 2) {
            return SendResult::Answered(Answered::Stray);
        }
        SendResult::Answered(Answered::Taken { number: None })
    }
}
