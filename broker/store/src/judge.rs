//! What the store asks while a transaction is open. The caller passes in who decides.

use std::sync::Arc;

use jiff::Timestamp;
use tierlink_core::case::Case;
use uuid::Uuid;

use crate::records::{DeliveryRow, Found, Judgement, Settled, Settlement, Work};

/// Decides inside a transaction. Must be pure and quick, because rows stay locked meanwhile.
pub trait Judge: Send + Sync {
    /// Decides about `work`, given what was found for it.
    fn judge(&self, work: &Work, found: &Found<'_>) -> Judgement;

    /// Decides what follows from a deadline of `case` that is due.
    fn overdue(
        &self,
        case: &Case,
        now: Timestamp,
        escalation_id: Uuid,
    ) -> Option<Box<tierlink_core::Change>>;

    /// Decides what an outcome means for a delivery. Returns its next state and the receipt
    /// for its origin.
    fn settle(&self, delivery: &DeliveryRow, settlement: &Settlement) -> Settled;
}

/// Makes the receipt for the origin of a dropped delivery. Pure, as the judge is.
pub type ReceiptOf =
    Arc<dyn Fn(&DeliveryRow) -> Option<Box<tierlink_schemas::Message>> + Send + Sync>;
