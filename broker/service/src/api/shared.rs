//! What the handlers of all routes share.

use std::sync::Arc;

use tierlink_edge::environment::Environment;
use tierlink_edge::rates::Rates;
use tierlink_store::Queries;

use crate::desk::Desk;
use crate::health::Health;
use crate::intake::Intake;

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    /// Where messages go.
    pub intake: Arc<Intake>,
    /// What can be read of the store.
    pub store: Arc<dyn Queries>,
    /// What operators do.
    pub desk: Arc<Desk>,
    /// How much each sender may send.
    pub rates: Arc<Rates>,
    /// How we are.
    pub health: Arc<Health>,
    /// The time.
    pub environment: Arc<dyn Environment>,
}
