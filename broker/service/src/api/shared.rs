//! The state that all handlers share.

use std::sync::Arc;

use tierlink_store::Queries;

use crate::desk::Desk;
use crate::health::Health;
use crate::intake::Intake;
use crate::tokens::Tokens;

/// The parts of the broker that handlers use.
#[derive(Clone)]
pub struct Api {
    /// Accepts messages over HTTP.
    pub intake: Arc<Intake>,
    /// Queries of the store.
    pub store: Arc<dyn Queries>,
    /// Performs acts of operators.
    pub desk: Arc<Desk>,
    /// The valid tokens.
    pub tokens: Arc<Tokens>,
    /// Health and metrics of the process.
    pub health: Arc<Health>,
}
