//! What the store asks while a transaction is open. The caller passes in who decides.

use std::sync::Arc;

use jiff::Timestamp;
use tierlink_core::case::Case;
use tierlink_core::deadline::Overdue;
use uuid::Uuid;

use crate::records::{DeliveryRow, Found, Judgement, Settled, Settlement, Work};

/// Decides inside a transaction. Must be pure and quick, because rows stay locked meanwhile.
pub trait Judge: Send + Sync {
    /// Decides about `work`, given what was found for it.
    fn judge(&self, work: &Work, found: &Found<'_>) -> Judgement;

    /// What a deadline that is due means for `case`.
    fn overdue(&self, case: &Case, now: Timestamp, escalation_id: Uuid) -> Overdue;

    /// `case` without what a clock wrote into it that was ahead; `None` if there is nothing.
    fn set_right(&self, case: &Case, now: Timestamp) -> Option<Case>;

    /// Decides what an outcome means for a delivery. Returns its next state and the receipt
    /// for its origin.
    fn settle(&self, delivery: &DeliveryRow, settlement: &Settlement) -> Settled;
}

/// Makes the receipt for the origin of a dropped delivery. Pure, as the judge is.
pub type ReceiptOf =
    Arc<dyn Fn(&DeliveryRow) -> Option<Box<tierlink_schemas::Message>> + Send + Sync>;
