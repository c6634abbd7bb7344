//! Acts of people, as they are asked for, recorded and listed. `desk.rs` does and records them.

use std::fmt;

use jiff::Timestamp;
use tierlink_core::delivery::State;
use tierlink_schemas::{LaneName, OrganisationCode, SystemName};
use uuid::Uuid;

use crate::records::{DeliveryId, TokenRow};

/// What a person asks for, with what it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send a parked delivery again.
    Replay(DeliveryId),
    /// Give a parked delivery up, so that what waits behind it goes on.
    Drop(DeliveryId),
    /// Stop delivering to a system of an organisation. What it must receive waits.
    Pause(LaneName),
    /// Deliver to it again.
    Resume(LaneName),
    /// Create this API token. Whoever presents it may call the API in the name it stands for.
    CreateToken(TokenRow),
    /// Make the token of this name useless.
    RevokeToken(String),
    /// Put another configuration in force.
    Reload {
        /// The configuration that was in force until then.
        before: ConfigFingerprint,
        /// The configuration that is in force from then on.
        after: ConfigFingerprint,
    },
    /// Say that the clock is right, so that cases may end by it again.
    VouchForClock,
    /// Agree that the system with this lane, or the whole organisation if it is the default one,
    /// leaves the configuration at the next reload.
    AgreeToRemoval(LaneName),
}

impl Act {
    /// Its name, without what it concerns.
    #[must_use]
    pub const fn name(&self) -> ActName {
        match self {
            Self::Replay(_) => ActName::Replay,
            Self::Drop(_) => ActName::Drop,
            Self::Pause(_) => ActName::Pause,
            Self::Resume(_) => ActName::Resume,
            Self::CreateToken(_) => ActName::CreateToken,
            Self::RevokeToken(_) => ActName::RevokeToken,
            Self::Reload { .. } => ActName::Reload,
            Self::VouchForClock => ActName::VouchForClock,
            Self::AgreeToRemoval(_) => ActName::AgreeToRemoval,
        }
    }
}

/// The name of an act, as it is recorded and listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActName {
    /// Name of [`Act::Replay`]: `replay`.
    Replay,
    /// Name of [`Act::Drop`]: `drop`.
    Drop,
    /// Name of [`Act::Pause`]: `pause`.
    Pause,
    /// Name of [`Act::Resume`]: `resume`.
    Resume,
    /// Name of [`Act::CreateToken`]: `token-create`.
    CreateToken,
    /// Name of [`Act::RevokeToken`]: `token-revoke`.
    RevokeToken,
    /// Name of [`Act::Reload`]: `reload`.
    Reload,
    /// See [`Act::VouchForClock`].
    VouchForClock,
    /// See [`Act::AgreeToRemoval`].
    AgreeToRemoval,
}

impl ActName {
    /// Every act.
    pub const ALL: [Self; 9] = [
        Self::Replay,
        Self::Drop,
        Self::Pause,
        Self::Resume,
        Self::CreateToken,
        Self::RevokeToken,
        Self::Reload,
        Self::VouchForClock,
        Self::AgreeToRemoval,
    ];

    /// The name in the table, on the command line and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Drop => "drop",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::CreateToken => "token-create",
            Self::RevokeToken => "token-revoke",
            Self::Reload => "reload",
            Self::VouchForClock => "clock-vouch",
            Self::AgreeToRemoval => "lane-remove",
        }
    }

    /// The act of this name.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == name)
    }
}

impl fmt::Display for ActName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The way by which an act came in. It tells an operator's login name from a token's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// The command line: who acts is a user of that machine.
    CommandLine,
    /// The HTTP API: who acts is an operator's token.
    Api,
    /// A signal to the process: who acts is the user that the process runs as.
    Signal,
}

impl Through {
    /// The name in the table and in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommandLine => "command-line",
            Self::Api => "api",
            Self::Signal => "signal",
        }
    }
}

/// SHA-256 of a configuration. Two that differ in any setting have different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigFingerprint(pub [u8; 32]);

impl fmt::Display for ConfigFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An act that is to be done and recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAct {
    /// Our id for the record, a UUIDv7 made from the time `at`.
    pub id: Uuid,
    /// What is asked for.
    pub act: Act,
    /// Who asks: a login name or the name of an operator's token (see [`Through`]),
    /// without control characters.
    pub by: String,
    /// How it was asked for.
    pub through: Through,
    /// The reason that the person gave, without control characters. Required.
    pub why: String,
    /// When it is done, by the clock of the process that does it.
    pub at: Timestamp,
}

/// Result of asking for an act.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Acted {
    /// It is done and recorded.
    Done,
    /// Nothing had to change: the lane was paused already, or was not paused. Nothing was recorded.
    AsBefore,
    /// The delivery is not parked (any more), but in this state. Nothing was done or recorded.
    NotParked(State),
    /// There is no such delivery or token. Nothing was done or recorded.
    Unknown,
    /// A token of this name works already. Nothing was done or recorded.
    NameTaken,
}

/// An act as it was recorded. Texts are as they were written: a later release may know more acts
/// and ways in than this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActRow {
    /// The id of the record, a UUIDv7: a later act has a greater one.
    pub id: Uuid,
    /// Its name: one of [`ActName`], or one of a later release.
    pub act: String,
    /// Who did it: a login name or the name of an operator's token, depending on `through`.
    pub by: String,
    /// How it was asked for: the name of a [`Through`], or a name that a later release added.
    pub through: String,
    /// The reason that the person gave.
    pub why: String,
    /// When it was done, by the clock of the process that did it.
    pub at: Timestamp,
    /// The message whose delivery was replayed or dropped.
    pub message: Option<Uuid>,
    /// The organisation that it concerns: the destination of the delivery, or the organisation that
    /// the lane or token belongs to.
    pub organisation: Option<OrganisationCode>,
    /// The system whose lane it concerns; `None` for the organisation's default system.
    pub system: Option<SystemName>,
    /// The name of the token that was created or revoked.
    pub token: Option<String>,
    /// Fingerprint of the configuration that was in force before, in hexadecimal.
    pub config_before: Option<String>,
    /// Fingerprint of the configuration that is in force since, in hexadecimal.
    pub config_after: Option<String>,
}

/// Filter and page for a list of acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActQuery {
    /// Only acts of this name.
    pub act: Option<ActName>,
    /// Only acts that concern this organisation.
    pub organisation: Option<OrganisationCode>,
    /// Only acts by this person (exact match with [`ActRow::by`]).
    pub by: Option<String>,
    /// Only acts done at this time or later. Compared to the millisecond.
    pub since: Option<Timestamp>,
    /// Only acts older than this one. For paging: the id of the last act on the previous page.
    pub after: Option<Uuid>,
    /// Number of acts on the page.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_has_a_name_of_its_own() {
        for act in ActName::ALL {
            assert_eq!(ActName::read(act.as_str()), Some(act));
        }
    }
}
