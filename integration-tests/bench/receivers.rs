//! Hospitals that receive: the simulator's doors, with a desk that counts and remembers nothing.
//!
//! A silent hospital reads and says nothing, as a system does whose database stands still.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tierlink_simulator::Speaks;
use tierlink_simulator::desk::{Desk, Incoming, Reaction, Reply};
use tierlink_simulator::door::Door;
use tierlink_simulator::hl7::acknowledge;

use crate::ledger::Ledger;

/// One organisation's front door.
pub struct Receiver(Door<Counter>);

/// What counts behind it.
struct Counter {
    speaks: Speaks,
    ledger: Arc<Ledger>,
    silent: AtomicBool,
}

impl Receiver {
    /// Opens it on a free port.
    pub async fn open(speaks: Speaks, ledger: Arc<Ledger>) -> Result<Self> {
        let counter = Arc::new(Counter { speaks, ledger, silent: AtomicBool::new(false) });
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Self(Door::open(anywhere, speaks, counter).await?))
    }

    /// How it listens.
    pub fn speaks(&self) -> Speaks {
        self.0.speaks()
    }

    /// As `outbound.address` has it.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Makes it fall silent, or speak again.
    pub fn be_silent(&self, silent: bool) {
        self.0.desk().silent.store(silent, Ordering::Release);
    }
}

impl Desk for Counter {
    async fn receive(&self, message: Incoming<'_>) -> Reaction {
        if self.silent.load(Ordering::Acquire) {
            return Reaction::default();
        }
        let body = match self.speaks {
            Speaks::Hl7v2 => acknowledge(message.raw, "AA", None, ""),
            // The shortest answers that take a message.
            Speaks::Fhir => Vec::new(),
            Speaks::Json => br#"{"verdict":"accepted"}"#.to_vec(),
        };
        self.ledger.receive(message.raw);
        let reply = Reply { status: 200, body, ..Reply::default() };
        Reaction { replies: vec![reply], ..Reaction::default() }
    }

    fn taken(&self, _message: usize) {}
}
