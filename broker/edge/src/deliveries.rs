//! What a lane asks the keeper of deliveries: which are still due, and what follows after a try.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tierlink_schemas::delivery::{BodyHash, DeliveryId, InPlace, Outcome};
use tierlink_schemas::{Code, LaneName, Loss, Problem, Version};
use tokio::sync::oneshot;
use uuid::Uuid;

/// A delivery that its destination must still receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDelivery {
    /// The message and the destination that it is delivered to.
    pub id: DeliveryId,
    /// The lane that it is delivered on.
    pub lane: LaneName,
    /// Id of its case, for the log; `None` for messages about no case.
    pub case: Option<Uuid>,
    /// How often it was queued anew. Parcels of other rounds are void.
    pub round: u32,
    /// Tries so far, in all rounds.
    pub attempts: u32,
    /// When it was created, by the clock of the keeper.
    pub created_at: Timestamp,
    /// When the first unanswered try of this round was made; `None` if none was.
    pub silent_since: Option<Timestamp>,
    /// The hash of its message as it is stored. Nothing else may be sent.
    pub body_hash: BodyHash,
}

/// What is on record of a delivery, however it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The message and the destination that it is delivered to.
    pub id: DeliveryId,
    /// The lane that it is delivered on.
    pub lane: LaneName,
    /// How often it was queued anew. No parcel of a later round was ever published.
    pub round: u32,
    /// The hash of its message as it is stored.
    pub body_hash: BodyHash,
}

/// Says which deliveries are due. An error means that this is unknown now; it was logged
/// where it occurred.
#[async_trait]
pub trait Due: Send + Sync {
    /// Returns those of these deliveries and rounds that still wait for an answer. `lane`
    /// is the asker.
    async fn still_due(
        &self,
        lane: &LaneName,
        asked: Vec<(DeliveryId, u32)>,
    ) -> Result<Vec<DueDelivery>, Problem>;

    /// Returns what is on record of these. What is left out was published by another broker, or
    /// the records were restored from an older copy. `lane` is the asker.
    async fn on_record(
        &self,
        lane: &LaneName,
        asked: Vec<DeliveryId>,
    ) -> Result<Vec<Recorded>, Problem>;

    /// Has these rounds of these deliveries published again, as far as they still wait for an
    /// answer, because what came from the bus in their place was not what was published. `lane` is
    /// the asker.
    async fn publish_again(
        &self,
        lane: &LaneName,
        changed: Vec<(DeliveryId, u32)>,
    ) -> Result<(), Problem>;
}

/// A finished try at a delivery.
#[derive(Clone, Debug)]
pub struct Try {
    /// The message and the destination that it was sent to.
    pub id: DeliveryId,
    /// The lane that tried.
    pub lane: LaneName,
    /// The round of the delivery.
    pub round: u32,
    /// What the destination answered, or why there is no answer.
    pub outcome: Outcome,
    /// Tries in all rounds, this one included.
    pub attempts: u32,
    /// Tries since the lane took the delivery from the bus, this one included.
    pub in_place: InPlace,
    /// The wait that the destination asked for; `None` if it asked for none.
    pub retry_after: Option<Duration>,
    /// When the first unanswered try of this round was made; `None` if none was.
    pub silent_since: Option<Timestamp>,
    /// What the outgoing format could not carry.
    pub losses: Vec<Loss>,
    /// The version of the receiver's code maps that wrote it; `None` if its profile has none.
    pub code_map: Option<Version>,
    /// When it ended, by the clock of the lane's process.
    pub at: Timestamp,
}

impl Try {
    /// The first problem of a try that was not accepted.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.outcome.problems().first().cloned().unwrap_or_else(no_answer)
    }
}

pub(crate) fn no_answer() -> Problem {
    Problem::new(Code::new("E003"), "outbound", "no answer to this message came")
}

/// Resolves once the outcome is on disk, or could not be written.
pub type OnDisk = oneshot::Receiver<Result<(), Problem>>;

/// What the lane does after a try.
#[derive(Debug)]
pub enum AfterTry {
    /// It is done with the delivery, once the outcome is on disk.
    Settled {
        /// The outcome that is recorded, which is not always what was heard.
        outcome: Outcome,
        /// How long it sends nothing at all.
        quiet_for: Duration,
        /// When it is recorded.
        on_disk: OnDisk,
    },
    /// It keeps the delivery and tries again.
    TryAgain {
        /// The wait before the next try.
        after: Duration,
    },
    /// It returns the parcel to the bus, because nobody can say now what must follow.
    GiveBack,
}

/// Receives the results of tries.
#[async_trait]
pub trait Outcomes: Send + Sync {
    /// Records a try and says what follows.
    async fn report(&self, tried: &Try) -> AfterTry;
}
