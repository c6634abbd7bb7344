//! One hospital's front door, seen from outside: send and listen, whatever the transport.
//!
//! Sending cannot fail: silence is an answer too, with a code that says what kind of silence.
//! `network.rs` sends over MLLP and HTTP; tests play hospitals of their own.

use std::time::Duration;

use async_trait::async_trait;
use tierlink_codec::{Answered, Codec, Encoded, Profile, Writing};
use tierlink_schemas::Problem;

use crate::organisations::Organisations;

/// How long a hospital may take to answer, unless its profile says otherwise.
pub const ANSWER_LASTS: Duration = Duration::from_secs(30);

/// What came of sending.
#[derive(Debug)]
pub enum SendResult {
    /// An answer, read.
    Answered(Answered),
    /// No answer. The destination may have the message all the same.
    NoAnswer(Problem),
}

/// A front door.
#[async_trait]
pub trait Destination: Send {
    /// Sends a message and reads the answer to it.
    async fn send(
        &mut self,
        encoded: &Encoded,
        codec: &dyn Codec,
        with: &Writing<'_>,
    ) -> SendResult;

    /// Tries whether somebody is there, without sending anything.
    async fn reach(&mut self) -> Result<(), Problem>;
}

/// Opens destinations.
pub trait Destinations: Send + Sync {
    /// Opens the front door of `profile`'s organisation. `None` when it has no address yet.
    fn open(
        &self,
        organisations: &dyn Organisations,
        profile: &Profile,
    ) -> Result<Option<Box<dyn Destination>>, Problem>;
}

/// How long the hospital with this profile may take to answer.
#[must_use]
pub fn answer_lasts(profile: &Profile) -> Duration {
    let seconds = profile.outbound.answer_seconds;
    seconds.map_or(ANSWER_LASTS, |seconds| Duration::from_secs(u64::from(seconds)))
}
