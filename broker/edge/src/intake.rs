//! The interface through which doors pass on what arrived.

use std::sync::Arc;

use async_trait::async_trait;
use tierlink_codec::{Answer, Arrived, Codec, Profile};
use tierlink_schemas::{Code, Problem};

/// Error code: the sender cannot be determined, or may not send in this name.
pub const UNKNOWN_SENDER: Code = Code::new("A003");

/// The organisation code under which refused messages of unknown senders are stored.
pub const UNKNOWN_ORGANISATION: &str = "UNKNOWN";

/// Accepts messages. Returns an answer only when what it says is on disk.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Takes a message of an authenticated system, and returns the answer in its format. `codec` is
    /// that of the format in which it came.
    async fn take(&self, sender: &Profile, codec: &Arc<dyn Codec>, message: Arrived) -> Answer;

    /// Answers that the message was not stored and may be sent again. Keeps nothing.
    fn not_now(
        &self,
        sender: &Profile,
        codec: &Arc<dyn Codec>,
        message: &[u8],
        problem: &Problem,
    ) -> Answer;

    /// Refuses bytes whose sender cannot be determined, and stores them for the operator. `guess`
    /// and `codec` determine the form of the answer.
    async fn refuse_unknown(
        &self,
        guess: &Profile,
        codec: &Arc<dyn Codec>,
        arrived: Arrived,
        problem: Problem,
    ) -> Answer;
}
