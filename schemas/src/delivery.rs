//! Deliveries, as the lanes that try them and the store that keeps them refer to them.
//!
//! Not here: states of deliveries and what an outcome leads to. Only the core knows those.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{OrganisationCode, Problem};

/// Identifies a delivery: a message and one of its destinations. The same at every try.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// Id of the message.
    pub message: Uuid,
    /// Code of the destination organisation.
    pub to: OrganisationCode,
}

/// SHA-256 over the bytes of a canonical message, as they are stored.
///
/// It tells the bytes that the store wrote from any others, so whoever carries them need not be
/// trusted. It proves nothing by itself, because everybody can compute it: it must come from where
/// the message is kept, and never from who carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyHash([u8; 32]);

impl BodyHash {
    /// The hash of `body`.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// A hash that was stored; `None` unless it has 32 bytes.
    #[must_use]
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A hash as [`hex`](Self::hex) writes it.
    #[must_use]
    pub fn read_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// 64 hexadecimal digits in lower case, as `sha256sum` prints them.
    #[must_use]
    pub fn hex(&self) -> String {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// The 32 bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Hides the hash: over a short text it would let its reader guess what the text is.
impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyHash(hidden)")
    }
}

/// How a try ended, as the lane saw it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The destination accepted responsibility.
    Taken {
        /// Its own number for the message, where it gave one.
        number: Option<String>,
    },
    /// The destination refused the message.
    Refused {
        /// Why. Names fields and never values.
        problems: Vec<Problem>,
    },
    /// The message cannot be written in the destination's format without losing a safety field.
    Unsendable {
        /// Which fields, and why.
        problems: Vec<Problem>,
    },
    /// The destination answered "not now".
    NotNow {
        /// Why it cannot take the message now, as far as it said.
        problems: Vec<Problem>,
    },
    /// No answer came. The destination may have the message nevertheless.
    Unanswered {
        /// Why there was no answer, such as a timeout or a broken connection.
        problems: Vec<Problem>,
    },
    /// An answer came that is not the destination's own word on this message: from a gateway or a
    /// proxy, a login page, a check of who we are. It may be about this message or about all.
    TurnedAway {
        /// The HTTP status; `None` over MLLP.
        status: Option<u16>,
        /// What came instead of an answer.
        problems: Vec<Problem>,
    },
    /// The lane is held: nothing gets through to the destination, whatever the message.
    Held {
        /// What the last try met.
        problems: Vec<Problem>,
    },
    /// An adapter beside the hospital, which retries by itself, stopped trying.
    GaveUp {
        /// The result of its last try.
        problems: Vec<Problem>,
    },
}

impl Outcome {
    /// Why it was not taken; empty if it was.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Taken { .. } => &[],
            Self::Refused { problems }
            | Self::Unsendable { problems }
            | Self::NotNow { problems }
            | Self::Unanswered { problems }
            | Self::TurnedAway { problems, .. }
            | Self::Held { problems }
            | Self::GaveUp { problems } => problems,
        }
    }
}

/// The tries that a lane has made in place, while it keeps the delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InPlace {
    /// Number of tries, the last one included.
    pub tries: u32,
    /// Number of tries that were answered with "not now".
    pub not_now: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_everybody_writes_it() {
        // The example of FIPS 180-4.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash = BodyHash::of(b"abc");

        assert_eq!(hash.hex(), hex);
        assert_eq!(BodyHash::read_hex(hex), Some(hash));
        assert_eq!(BodyHash::stored(hash.as_bytes()), Some(hash));
        for wrong in ["", "ba78", &hex.to_uppercase(), &hex.replacen('b', "g", 1)] {
            assert_eq!(BodyHash::read_hex(wrong), None, "{wrong}");
        }
    }
}
