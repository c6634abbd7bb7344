//! Sends messages to one hospital and reads its answers, over any transport.
//!
//! Sending has no error: a missing answer is a result too, with a code that says why. `network.rs`
//! sends over MLLP and HTTP; tests use hospitals of their own.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tierlink_codec::{Answered, Codec, Encoded, Profile, Writing};
use tierlink_schemas::Problem;

use crate::organisations::Organisations;

/// How long to wait for a hospital's answer, unless its profile sets a time.
pub const ANSWER_LASTS: Duration = Duration::from_secs(30);

/// Result of sending a message.
#[derive(Debug)]
pub enum SendResult {
    /// The hospital answered.
    Answered(Answered),
    /// Something answered, and it is not the hospital's own word on this message: a gateway, a proxy,
    /// a login page, a check of who we are.
    TurnedAway {
        /// The HTTP status.
        status: u16,
        /// What came instead of an answer.
        problem: Problem,
    },
    /// There was no answer. The hospital may have the message nevertheless.
    NoAnswer(Problem),
}

/// What came of sending a message.
#[derive(Debug)]
pub struct Heard {
    /// The answer, or why there is none.
    pub result: SendResult,
    /// The wait that the other side asked for (`Retry-After`); `None` if it asked for none.
    pub retry_after: Option<Duration>,
}

impl From<SendResult> for Heard {
    fn from(result: SendResult) -> Self {
        Self { result, retry_after: None }
    }
}

/// A connection to one hospital.
#[async_trait]
pub trait Destination: Send {
    /// Sends a message and reads the answer to it.
    async fn send(&mut self, encoded: &Encoded, codec: &dyn Codec, with: &Writing<'_>) -> Heard;

    /// Checks whether the hospital can be reached. Sends nothing.
    async fn reach(&mut self) -> Result<(), Problem>;

    /// When the certificate ends that it showed last; `None` if it has shown none.
    fn certificate_ends_at(&self) -> Option<Timestamp>;

    /// Ends the connection, if there is one, and gives back what only a busy way needs. The next
    /// message makes a new one.
    async fn rest(&mut self);
}

/// Makes connections to hospitals.
pub trait Destinations: Send + Sync {
    /// Makes a connection to the system with this profile. `None` if it has no address.
    fn open(
        &self,
        organisations: &dyn Organisations,
        profile: &Profile,
    ) -> Result<Option<Box<dyn Destination>>, Problem>;
}

/// How long to wait for an answer of the system with this profile.
#[must_use]
pub fn answer_lasts(profile: &Profile) -> Duration {
    let seconds = profile.outbound.answer_seconds;
    seconds.map_or(ANSWER_LASTS, |seconds| Duration::from_secs(u64::from(seconds)))
}
