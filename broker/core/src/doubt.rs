//! Whether the clock can be trusted so far that a case may end by it.
//!
//! ```text
//!            a look disagrees                     a look disagrees
//!   certain ──────────────────▶ in doubt ──────────────────────────▶ in doubt, from the start
//!      ▲                           │
//!      └── ten agreeing minutes ───┤
//!      └── a person vouches for it ┘
//! ```
//!
//! A look disagrees in one of three ways: the wall clock moved otherwise than the steady clock of
//! the machine, which nobody sets; it is not that of the database server, where there is one; or,
//! at the first look of a process, it lies far from the newest time that is stored.
//!
//! In doubt nothing ends: no case expires and none is closed by itself. Deadlines are reported all
//! the same, and say so: to be called too early costs a look, and not to be called costs a patient.
//!
//! This file compares. It reads no clock: every look is an argument.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How far two clocks may be apart, or move apart, and still agree. A server under load answers
/// after seconds, and no deadline that ends a case is shorter than minutes.
pub const APART_MAX: SignedDuration = SignedDuration::from_secs(30);
/// How far ahead of the newest stored time a process may begin: longer than any night, because a
/// county that is awake stores something every few minutes.
pub const BEGINS_AHEAD_MAX: SignedDuration = SignedDuration::from_hours(12);
/// How long the clocks must agree before a doubt is over. A time service sets a clock within
/// minutes of the machine's start.
pub const AGREES_FOR: Duration = Duration::from_mins(10);

/// What one look at the clocks shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The wall clock, by which deadlines count.
    pub wall: Timestamp,
    /// The steady clock of the machine: only differences mean something.
    pub steady: Duration,
    /// The clock of the database server, where that is another machine's or may be.
    pub database: Option<Timestamp>,
    /// The newest time that is stored, if anything is.
    pub newest: Option<Timestamp>,
}

/// In which way the clocks disagreed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The wall clock moved otherwise than the steady clock.
    Moved,
    /// The database server has another time.
    Database,
    /// The process began far from the newest stored time.
    Stored,
}

impl Why {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Moved, Self::Database, Self::Stored];

    /// What is wrong, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Moved => "it was set, or stood still, while this process ran",
            Self::Database => "the database server has another time",
            Self::Stored => "it lies far from the newest time that is stored",
        }
    }
}

/// What a look changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Seen {
    /// Nothing: certain, or in doubt as before.
    AsBefore,
    /// The doubt begins, or begins anew for this reason.
    Doubt(Why),
    /// The doubt is over.
    Certain,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    why: Why,
    /// From when the clocks have agreed, by the steady clock.
    agrees_since: Duration,
}

/// Follows the clocks of one process.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    /// A wall time and the steady time at that moment: they must move on together.
    anchor: Option<(Timestamp, Duration)>,
    /// How far a person has accepted the database server's clock to be behind ours.
    accepted: SignedDuration,
    /// Whether the newest stored time was looked at.
    stored_was_seen: bool,
    doubt: Option<Doubt>,
}

impl Doubts {
    /// Takes a look into account.
    pub fn look(&mut self, look: &Look) -> Seen {
        if let Some(why) = self.disagrees(look) {
            self.anchor = Some((look.wall, look.steady));
            let before = self.doubt.replace(Doubt { why, agrees_since: look.steady });
            let goes_on = before.is_some_and(|before| before.why == why);
            return if goes_on { Seen::AsBefore } else { Seen::Doubt(why) };
        }
        self.anchor.get_or_insert((look.wall, look.steady));
        let over = self
            .doubt
            .is_some_and(|doubt| look.steady.saturating_sub(doubt.agrees_since) >= AGREES_FOR);
        if over {
            self.doubt = None;
            return Seen::Certain;
        }
        Seen::AsBefore
    }

    /// A person vouches for the clock as this look shows it.
    pub fn vouch(&mut self, look: &Look) {
        self.anchor = Some((look.wall, look.steady));
        self.accepted =
            look.database.map_or(SignedDuration::ZERO, |at| look.wall.duration_since(at));
        self.stored_was_seen = true;
        self.doubt = None;
    }

    /// Why the clock is in doubt; `None` if it is not.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.doubt.map(|doubt| doubt.why)
    }

    fn disagrees(&mut self, look: &Look) -> Option<Why> {
        if let Some((wall, steady)) = self.anchor {
            let moved = look.wall.duration_since(wall);
            let went = SignedDuration::try_from(look.steady.saturating_sub(steady))
                .unwrap_or(SignedDuration::MAX);
            if is_apart(moved, went) {
                return Some(Why::Moved);
            }
        }
        if let Some(database) = look.database
            && is_apart(look.wall.duration_since(database), self.accepted)
        {
            return Some(Why::Database);
        }
        if let Some(newest) = look.newest
            && !self.stored_was_seen
        {
            self.stored_was_seen = true;
            let ahead = look.wall.duration_since(newest);
            if ahead > BEGINS_AHEAD_MAX || ahead < -APART_MAX {
                return Some(Why::Stored);
            }
        }
        None
    }
}

fn is_apart(one: SignedDuration, other: SignedDuration) -> bool {
    one.checked_sub(other).is_none_or(|apart| apart.abs() > APART_MAX)
}
