//! What decisions depend on besides the case and the message.

use std::collections::HashMap;
use std::sync::Arc;

use tierlink_core::county::County;
use tierlink_core::delivery::{RetryPolicy, Wants};
use tierlink_schemas::LaneName;

/// The rules of one county at one time.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Organisations, deadlines and who leads.
    pub county: Arc<County>,
    /// How each system is delivered to, by its lane. One that is missing here gets the default.
    pub deliveries: HashMap<LaneName, DeliveryPolicy>,
}

/// How one system of an organisation is delivered to, and what it wants to hear of its own messages.
#[derive(Clone, Debug)]
pub struct DeliveryPolicy {
    /// How often and how long it is tried.
    pub retry: RetryPolicy,
    /// Which receipts it wants for messages that it sent.
    pub receipts: Wants,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), receipts: Wants::None }
    }
}

impl Policy {
    /// How the system with this lane is delivered to.
    #[must_use]
    pub fn delivery(&self, lane: &LaneName) -> DeliveryPolicy {
        self.deliveries.get(lane).cloned().unwrap_or_default()
    }
}
