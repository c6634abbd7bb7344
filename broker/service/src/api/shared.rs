//! The state that all handlers share.

use std::sync::Arc;

use tierlink_edge::environment::Environment;
use tierlink_edge::rates::Rates;
use tierlink_store::Queries;

use crate::desk::Desk;
use crate::health::Health;
use crate::intake::Intake;

/// The parts of the broker that handlers use.
#[derive(Clone)]
pub struct Api {
    /// Accepts messages over HTTP.
    pub intake: Arc<Intake>,
    /// Queries of the store.
    pub store: Arc<dyn Queries>,
    /// Performs acts of operators.
    pub desk: Arc<Desk>,
    /// How much each sender may send.
    pub rates: Arc<Rates>,
    /// How we are.
    pub health: Arc<Health>,
    /// The time.
    pub environment: Arc<dyn Environment>,
}
