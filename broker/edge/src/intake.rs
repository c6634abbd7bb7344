//! Where doors hand in what came.

use std::sync::Arc;

use async_trait::async_trait;
use tierlink_codec::{Answer, Arrived, Codec, Profile};
use tierlink_schemas::{Code, Problem};

/// Who sent it cannot be told, or may not send in this name.
pub const UNKNOWN_SENDER: Code = Code::new("A003");

/// The name under which bytes of unknown senders are kept.
pub const UNKNOWN_ORGANISATION: &str = "UNKNOWN";

/// Takes messages. An answer is given only when what it says is on disk.
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

    /// Refuses bytes whose sender cannot be told, and keeps them for the operator. `guess` and
    /// `codec` say how to answer.
    async fn refuse_unknown(
        &self,
        guess: &Profile,
        codec: &Arc<dyn Codec>,
        arrived: Arrived,
        problem: Problem,
    ) -> Answer;
}
