//! How a hospital treats one message.

use serde::Deserialize;

/// How one message is treated. The names in quotes are those of scripts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// `take`: taken, with a correct answer.
    #[default]
    Take,
    /// `refuse`: refused for good, with AE and ERR, or HTTP 422. The answer quotes the patient, as
    /// bad systems do.
    Refuse,
    /// `not-now`: AR with error 206, or HTTP 503.
    NotNow,
    /// `other-id`: answered in the name of another message: a wrong MSA-2.
    OtherId,
    /// `garbage`: answered with something that is no answer.
    Garbage,
    /// `mute`: the connection is closed without an answer.
    Mute,
    /// `silent`: the connection stays open, and no answer ever comes.
    Silent,
    /// `late`: taken; but the answer comes three seconds later, on the same connection.
    Late,
    /// `two-minds`: refused, and then called taken, which it is not: AE, then AA to the same
    /// message, and the end of the connection.
    TwoMinds,
}

impl Turn {
    /// The answers that go out, one behind the other.
    pub(crate) fn answers(self) -> &'static [Self] {
        match self {
            Self::TwoMinds => &[Self::Refuse, Self::Take],
            Self::Take | Self::Late => &[Self::Take],
            Self::Refuse => &[Self::Refuse],
            Self::NotNow => &[Self::NotNow],
            Self::OtherId => &[Self::OtherId],
            Self::Garbage => &[Self::Garbage],
            Self::Mute | Self::Silent => &[],
        }
    }

    /// Whether the hospital has the message now, and says so.
    pub(crate) fn takes(self) -> bool {
        matches!(self, Self::Take | Self::Late)
    }

    /// Its name in scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Refuse => "refuse",
            Self::NotNow => "not-now",
            Self::OtherId => "other-id",
            Self::Garbage => "garbage",
            Self::Mute => "mute",
            Self::Silent => "silent",
            Self::Late => "late",
            Self::TwoMinds => "two-minds",
        }
    }
}
