//! Whether a parcel is the one that the broker put into the lane.
//!
//! The bus is not trusted: whoever may write to RabbitMQ can change a parcel, copy one from another
//! lane, make one up, or put back one that was delivered long ago. So a parcel only says that
//! something may be due; what is due, and the hash of what must be sent, come from the keeper of
//! deliveries. A hash in the parcel itself would prove nothing, because whoever changes the one can
//! change the other.
//!
//! An honest repeat of RabbitMQ and an old parcel that somebody put back look the same, and are
//! treated the same: without a word and without an effect.

use tierlink_bus::Parcel;
use tierlink_schemas::delivery::BodyHash;
use tierlink_schemas::{Code, LaneName};

use super::parts::UNREADABLE;
use crate::deliveries::{DueDelivery, Recorded};

/// Error code: a parcel is not what the broker published.
pub const CHANGED: Code = Code::new("B012");

/// Why a parcel is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Its name cannot be read, or is of another organisation.
    Name,
    /// No record of its delivery exists.
    Unknown,
    /// Its delivery belongs to another system of the organisation.
    OtherLane,
    /// The delivery was never in this round.
    Round,
    /// Its content is not what is stored for the delivery.
    Body,
}

impl Foreign {
    /// The words for the log. They hold nothing of the parcel.
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Name => "its name is none of this lane",
            Self::Unknown => "the store does not know its delivery",
            Self::OtherLane => "it is for another system",
            Self::Round => "its delivery was never in that round",
            Self::Body => "its content is not what is stored for its delivery",
        }
    }

    /// The error code. Each has a page in `ops/errors/`.
    pub(super) const fn code(self) -> Code {
        match self {
            Self::Name | Self::Unknown | Self::OtherLane => UNREADABLE,
            Self::Round | Self::Body => CHANGED,
        }
    }

    /// Whether somebody changed a parcel that the broker had published.
    pub(super) const fn is_change(self) -> bool {
        match self {
            Self::Name | Self::Unknown | Self::OtherLane => false,
            Self::Round | Self::Body => true,
        }
    }
}

/// Compares a parcel with the delivery that is due. Its round was compared already.
pub(super) fn compare(parcel: &Parcel, due: &DueDelivery, lane: &LaneName) -> Result<(), Foreign> {
    if due.lane != *lane {
        return Err(Foreign::OtherLane);
    }
    is_stored(parcel, due.body_hash)
}

/// Compares a parcel that is not due with what is on record of its delivery.
pub(super) fn compare_old(
    parcel: &Parcel,
    on_record: Option<&Recorded>,
    lane: &LaneName,
) -> Result<(), Foreign> {
    let Some(on_record) = on_record else { return Err(Foreign::Unknown) };
    if on_record.lane != *lane {
        return Err(Foreign::OtherLane);
    }
    if parcel.round > on_record.round {
        return Err(Foreign::Round);
    }
    is_stored(parcel, on_record.body_hash)
}

fn is_stored(parcel: &Parcel, stored: BodyHash) -> Result<(), Foreign> {
    if BodyHash::of(&parcel.body) == stored { Ok(()) } else { Err(Foreign::Body) }
}
