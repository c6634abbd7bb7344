//! Bugs to plant. Each one breaks one promise, and the check of that promise must see it.

/// A fault built into the broker on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The store forgets to write an outbox row.
    DropOutboxRow,
    /// The store says "written" before it is.
    AnswerBeforeCommit,
    /// The store takes a repeat for something new.
    IgnoreRepeat,
    /// The store tells the sender of a repeat something else than the first time.
    MisrememberVerdict,
    /// The store hands out a whole line at once, so that the bus decides the order.
    HandOutAll,
    /// The store does not queue again what the bus lost.
    ForgetRepair,
    /// The store does not keep that a case has ended.
    ReviveEnded,
    /// The store parks what a hospital took.
    ParkWhatWasTaken,
    /// A repeat to a hospital says something else than the first try.
    ChangeContent,
}
