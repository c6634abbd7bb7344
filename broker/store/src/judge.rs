//! What the store asks while a transaction is open: who decides is passed in by the caller.

use std::sync::Arc;

use jiff::Timestamp;
use tierlink_core::case::Case;
use tierlink_core::deadline::Overdue;
use uuid::Uuid;

use crate::records::{DeliveryRow, Found, Judgement, Settled, Settlement, Work};

/// Decides inside a transaction. Pure and quick: rows stay locked meanwhile.
pub trait Judge: Send + Sync {
    /// What `work` means, given what was found for it.
    fn judge(&self, work: &Work, found: &Found<'_>) -> Judgement;

    /// What a deadline that is due means for `case`.
    fn overdue(&self, case: &Case, now: Timestamp, escalation_id: Uuid) -> Overdue;

    /// `case` without what a clock wrote into it that was ahead; `None` if there is nothing.
    fn set_right(&self, case: &Case, now: Timestamp) -> Option<Case>;

    /// What an outcome means for a delivery, and the receipt that its origin wants to hear.
    fn settle(&self, delivery: &DeliveryRow, settlement: &Settlement) -> Settled;
}

/// The receipt that the origin of a delivery wants to hear. Pure, as the judge is.
pub type ReceiptOf =
    Arc<dyn Fn(&DeliveryRow) -> Option<Box<tierlink_schemas::Message>> + Send + Sync>;
