//! What a lane asks of whoever keeps the deliveries: which are still due, and what comes after a try.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tierlink_schemas::delivery::{DeliveryId, InPlace, Outcome};
use tierlink_schemas::{Code, LaneName, Loss, Problem, Version};
use tokio::sync::oneshot;
use uuid::Uuid;

/// A delivery that its destination must still get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDelivery {
    /// Which.
    pub id: DeliveryId,
    /// The lane that it belongs to.
    pub lane: LaneName,
    /// Its case, where it has one, for the log.
    pub case: Option<Uuid>,
    /// How often it was queued anew. A parcel of another round is void.
    pub round: u32,
    /// Tries so far, in all rounds.
    pub attempts: u32,
    /// When the delivery was created, by the clock of whoever keeps it.
    pub created_at: Timestamp,
    /// When its first try without an answer was, in this round.
    pub silent_since: Option<Timestamp>,
}

/// Says what is due. An error means that it cannot be said now; it was logged where it happened.
#[async_trait]
pub trait Due: Send + Sync {
    /// Those of these deliveries and rounds that still wait for an answer. `lane` asks.
    async fn still_due(
        &self,
        lane: &LaneName,
        asked: Vec<(DeliveryId, u32)>,
    ) -> Result<Vec<DueDelivery>, Problem>;

    /// Those of these of which nothing is known: they came from somebody else's bus, or what is
    /// known is an old copy. `lane` asks.
    async fn unknown(
        &self,
        lane: &LaneName,
        asked: Vec<DeliveryId>,
    ) -> Result<Vec<DeliveryId>, Problem>;
}

/// One try at a delivery, ended.
#[derive(Clone, Debug)]
pub struct Try {
    /// Which delivery.
    pub id: DeliveryId,
    /// The lane that tried.
    pub lane: LaneName,
    /// In which round.
    pub round: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Tries in all rounds, this one included.
    pub attempts: u32,
    /// Tries of the lane since it took the delivery from the bus, this one included.
    pub in_place: InPlace,
    /// When the first try without an answer was, in this round.
    pub silent_since: Option<Timestamp>,
    /// What the format could not carry.
    pub losses: Vec<Loss>,
    /// Version of the code maps that wrote it, if the profile gives any.
    pub code_map: Option<Version>,
    /// When it ended, by the clock of the lane.
    pub at: Timestamp,
}

impl Try {
    /// Why it did not end well, in one problem.
    #[must_use]
    pub fn problem(&self) -> Problem {
        self.outcome.problems().first().cloned().unwrap_or_else(no_answer)
    }
}

pub(crate) fn no_answer() -> Problem {
    Problem::new(Code::new("E003"), "outbound", "no answer to this message came")
}

/// Hears whether an outcome is on disk.
pub type OnDisk = oneshot::Receiver<Result<(), Problem>>;

/// What the lane does after a try.
#[derive(Debug)]
pub enum AfterTry {
    /// It has done with the delivery, once the outcome is on disk.
    Settled(OnDisk),
    /// It keeps the delivery and tries it again.
    TryAgain {
        /// After this wait.
        after: Duration,
    },
    /// It gives the parcel back to the bus: nobody can say now what becomes of the delivery.
    GiveBack,
}

/// Hears what came of tries.
#[async_trait]
pub trait Outcomes: Send + Sync {
    /// Takes note of a try and says what comes next.
    async fn report(&self, tried: &Try) -> AfterTry;
}
