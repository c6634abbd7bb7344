//! What one transaction will write, gathered in memory: changed cases,
//! messages, events, deliveries.
//!
//! Works that share a transaction see each other's changes here, before anything is written. Pure:
//! `write.rs` writes it to the database.
//!
//! Architecture Invariant: every case changed in here is locked in the database, so the numbers of
//! its deliveries can be counted on from those that were read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use jiff::Timestamp;
use tierlink_core::Change;
use tierlink_core::access;
use tierlink_core::case::{Booking, Case};
use tierlink_core::decide::Event;
use tierlink_schemas::message::BusinessNumber;
use tierlink_schemas::{Deviation, LaneName, Message, OrganisationCode, SystemName, Version};
use uuid::Uuid;

use crate::records::DeliveryId;

/// A case in memory.
pub(crate) struct LoadedCase {
    /// The case, with the changes of this transaction.
    pub(crate) case: Case,
    /// What was read of it for later comparison; `None` if this transaction opens it.
    pub(crate) before: Option<Before>,
    /// Whether this transaction changed it.
    pub(crate) changed: bool,
    /// The last delivery number given so far, for each destination of this case.
    lines: HashMap<OrganisationCode, u32>,
    /// What this transaction does to the slot it uses.
    pub(crate) slot: SlotChange,
}

/// Parts of a case as they were read, to write back only what changed.
pub(crate) struct Before {
    pub(crate) open: bool,
    pub(crate) parties: BTreeSet<OrganisationCode>,
    pub(crate) numbers: Vec<BusinessNumber>,
    pub(crate) bookings: Vec<Booking>,
}

/// What this transaction does to the slot of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SlotChange {
    /// The slot stays as it is.
    #[default]
    Same,
    /// The case gives its slot back.
    Freed,
    /// The case takes this slot, and gives back any other.
    Taken(SlotName),
}

/// Identifies a slot: the organisation that published it, and the number it has there.
pub(crate) type SlotName = (OrganisationCode, String);

/// How a message came in, for its row in `messages`.
#[derive(Clone)]
pub(crate) struct Arrival {
    /// The system of the source that sent it; `None` is the default system.
    pub(crate) system: Option<SystemName>,
    pub(crate) format: &'static str,
    pub(crate) raw: Bytes,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) deviations: Vec<Deviation>,
    pub(crate) code_map: Option<Version>,
    pub(crate) received_at: Timestamp,
}

/// A message to be written.
pub(crate) struct NewMessage {
    pub(crate) message: Message,
    /// The system of the source that sent it; `None` is the default system.
    pub(crate) system: Option<SystemName>,
    /// How it came in; `None` if the broker wrote it.
    pub(crate) arrival: Option<Arrival>,
    pub(crate) case: Option<Uuid>,
    /// The case number that its verdict names, so that a repeat gets the same verdict.
    pub(crate) case_number: Option<String>,
    pub(crate) case_state: Option<String>,
    pub(crate) received_at: Timestamp,
}

/// A delivery to be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewDelivery {
    pub(crate) id: DeliveryId,
    /// The system of the destination that receives it; `None` is the default system.
    pub(crate) system: Option<SystemName>,
    pub(crate) case: Option<Uuid>,
    pub(crate) number: u32,
    pub(crate) created_at: Timestamp,
}

/// Everything that one transaction writes about messages and cases.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) loaded: BTreeMap<Uuid, LoadedCase>,
    pub(crate) messages: Vec<NewMessage>,
    pub(crate) events: Vec<(Uuid, String, Event)>,
    pub(crate) deliveries: Vec<NewDelivery>,
    /// Whose code map in which version read what is refused, and when it came.
    pub(crate) refused_with: Vec<(LaneName, Version, Timestamp)>,
    delivered: HashSet<DeliveryId>,
}

impl Changes {
    /// Adds a case that was read. If it was added before, the earlier copy stays.
    pub(crate) fn load(&mut self, case: Case) {
        self.loaded.entry(case.id).or_insert_with(|| LoadedCase {
            before: Some(Before {
                open: !case.state.is_terminal(),
                parties: access::parties(&case).cloned().collect(),
                numbers: case.numbers.clone(),
                bookings: case.bookings.clone(),
            }),
            case,
            changed: false,
            lines: HashMap::new(),
            slot: SlotChange::Same,
        });
    }

    /// Records the last delivery number given to `to` within a loaded case.
    pub(crate) fn set_last_number(&mut self, case: Uuid, to: OrganisationCode, last: u32) {
        if let Some(loaded) = self.loaded.get_mut(&case) {
            loaded.lines.insert(to, last);
        }
    }

    /// A loaded case.
    pub(crate) fn case(&self, id: Uuid) -> Option<&Case> {
        self.loaded.get(&id).map(|loaded| &loaded.case)
    }

    /// Cases that this transaction changed.
    pub(crate) fn changed_cases(&self) -> impl Iterator<Item = &LoadedCase> {
        self.loaded.values().filter(|loaded| loaded.changed)
    }

    /// Adds a change: the case, its event, its messages and their deliveries. The first message is
    /// the one that arrived, if one did. Returns how many deliveries were added.
    pub(crate) fn add(&mut self, change: Change, mut arrival: Option<Arrival>) -> u32 {
        let Change { case, event, messages, dispatches } = change;
        let id = case.id;
        let number = case.number.as_str().to_owned();
        let at = event.at;
        for message in messages {
            // A request that is restated for a new target still comes from the system that made it.
            let restated = message.source.organisation == case.origin;
            let system = match &arrival {
                Some(arrival) => arrival.system.clone(),
                None => case.request_system.clone().filter(|_| restated),
            };
            self.messages.push(NewMessage {
                system,
                received_at: message.received_at.unwrap_or(at),
                message,
                arrival: arrival.take(),
                case: Some(id),
                case_number: Some(number.clone()),
                case_state: Some(event.to_state.to_owned()),
            });
        }
        match self.loaded.get_mut(&id) {
            Some(loaded) => {
                loaded.case = case;
                loaded.changed = true;
            }
            None => {
                let loaded = LoadedCase {
                    case,
                    before: None,
                    changed: true,
                    lines: HashMap::new(),
                    slot: SlotChange::Same,
                };
                self.loaded.insert(id, loaded);
            }
        }
        self.events.push((id, number, event));
        let mut made = 0;
        for dispatch in dispatches {
            let to = LaneName::new(dispatch.to, dispatch.system);
            made += self.deliver(dispatch.message, &to, Some(id), at);
        }
        made
    }

    /// Takes a loaded case as it should have been written. It is no event, and nobody hears of it.
    pub(crate) fn correct(&mut self, case: Case) {
        if let Some(loaded) = self.loaded.get_mut(&case.id) {
            loaded.case = case;
            loaded.changed = true;
        }
    }

    /// Takes a message that the broker wrote itself, for one destination. It stands in the line
    /// of its case if the case is held.
    pub(crate) fn add_message(&mut self, message: Message, to: &LaneName, at: Timestamp) -> u32 {
        let id = message.id;
        let case = message.case.id.filter(|case| self.loaded.contains_key(case));
        self.messages.push(NewMessage {
            system: None,
            case,
            case_number: message.case.number.as_ref().map(|number| number.as_str().to_owned()),
            case_state: message.case.state.clone(),
            received_at: message.received_at.unwrap_or(at),
            message,
            arrival: None,
        });
        self.deliver(id, to, case, at)
    }

    fn deliver(
        &mut self,
        message: Uuid,
        to: &LaneName,
        case: Option<Uuid>,
        created_at: Timestamp,
    ) -> u32 {
        let id = DeliveryId { message, to: to.organisation().clone() };
        // One message is delivered to one organisation once.
        if !self.delivered.insert(id.clone()) {
            return 0;
        }
        let line = case
            .and_then(|case| self.loaded.get_mut(&case))
            .map(|loaded| loaded.lines.entry(id.to.clone()).or_insert(0));
        let number = match line {
            Some(last) => {
                *last += 1;
                *last
            }
            None => 1,
        };
        let system = to.system().cloned();
        self.deliveries.push(NewDelivery { id, system, case, number, created_at });
        1
    }
}
