//! Why an act was refused. Nothing was done or recorded then.

use tierlink_core::delivery::State;
use tierlink_schemas::Code;
use tierlink_store::{Act, LeftBehind};

use super::person::Unsaid;

/// Error code: the reason or a name is missing or too long.
pub const UNSAID: Code = Code::new("A012");
/// Error code: there is no such delivery, lane, organisation or token.
pub const UNKNOWN: Code = Code::new("A013");
/// Error code: the delivery is not parked.
pub const NOT_PARKED: Code = Code::new("A014");
/// Error code: a valid token has this name already.
pub const NAME_TAKEN: Code = Code::new("A015");

/// A reload would drop an organisation or a system.
pub const WOULD_LEAVE: Code = Code::new("A016");

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The reason or a name is not valid.
    #[error(transparent)]
    Unsaid(#[from] Unsaid),
    /// There is no such delivery.
    #[error(
        "no message goes to this organisation under this id; see the list of parked deliveries"
    )]
    NoSuchDelivery,
    /// There is no such organisation, so it has neither lanes nor tokens.
    #[error("no profile has this organisation's code; see the list of lanes, or add a profile")]
    NoSuchOrganisation,
    /// There is no such token.
    #[error("no token of this name works; `tierlink token list` shows those that do")]
    NoSuchToken,
    /// The delivery is in another state. Somebody may have acted before.
    #[error("this delivery is not parked (any more), it is {}; see the list of acts", state_word(.0))]
    NotParked(State),
    /// A valid token has this name already.
    #[error("a token of this name works already; choose another, or revoke that one first")]
    NameTaken,
    /// A reload would drop systems that nobody has named for it.
    #[error("{} would leave the configuration, and nobody has agreed to it", named(.0))]
    WouldLeave(Vec<LeftBehind>),
    /// The store did not take it.
    #[error("nothing was done")]
    Store(#[source] tierlink_store::Error),
}

impl Refusal {
    /// The stable error code. Each has a page in `ops/errors/`.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unsaid(_) => UNSAID,
            Self::NoSuchDelivery | Self::NoSuchOrganisation | Self::NoSuchToken => UNKNOWN,
            Self::NotParked(_) => NOT_PARKED,
            Self::NameTaken => NAME_TAKEN,
            Self::WouldLeave(_) => WOULD_LEAVE,
            Self::Store(error) => error.code(),
        }
    }

    /// The refusal if the subject of this act does not exist.
    pub(super) fn unknown(act: &Act) -> Self {
        match act {
            Act::Replay(_) | Act::Drop(_) => Self::NoSuchDelivery,
            Act::Pause(_) | Act::Resume(_) | Act::CreateToken(_) => Self::NoSuchOrganisation,
            Act::RevokeToken(_) => Self::NoSuchToken,
            Act::Reload { .. } | Act::VouchForClock | Act::AgreeToRemoval(_) => {
                unreachable!("it names nothing that could be unknown")
            }
        }
    }
}

fn named(left: &[LeftBehind]) -> String {
    let names: Vec<String> = left.iter().map(|left| left.lane.to_string()).collect();
    names.join(", ")
}

/// The state of a delivery, as people call it.
#[must_use]
pub fn state_word(state: &State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Published => "on the bus",
        State::Waiting { .. } => "waiting",
        State::Delivered => "delivered",
        State::Parked { .. } => "parked",
        State::Withdrawn => "withdrawn",
    }
}
