//! What decisions depend on beside the case and the message.

use std::collections::HashMap;
use std::sync::Arc;

use tierlink_core::county::County;
use tierlink_core::delivery::{RetryPolicy, Wants};
use tierlink_schemas::LaneName;

/// The configured rules of one county, as they were at one moment.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Organisations, deadlines and the lead hospital.
    pub county: Arc<County>,
    /// How each system is delivered to, by its lane. A lane without an entry gets the default.
    pub deliveries: HashMap<LaneName, DeliveryPolicy>,
}

/// How one system of an organisation is delivered to, and which receipts it wants.
#[derive(Clone, Debug)]
pub struct DeliveryPolicy {
    /// Waits between tries, and when to stop.
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
    /// The delivery policy for this lane, or the default.
    #[must_use]
    pub fn delivery(&self, lane: &LaneName) -> DeliveryPolicy {
        self.deliveries.get(lane).cloned().unwrap_or_default()
    }
}
