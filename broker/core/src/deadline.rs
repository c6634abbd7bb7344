//! Until when somebody must act, and what happens when nobody does.
//!
//! ```text
//!   case changes ──deadlines_of──▶ one deadline for each thing that is waited for
//!   due ──overdue──▶ a status report: first to whoever must act,
//!                    then also to the origin and the lead hospital, again and again;
//!                    `expire` and `close` end the case instead
//! ```
//!
//! A deadline that was reported once and then forgotten would give the patient up, so it is
//! reported until somebody acts. Its distance grows after a while, so that a weekend does not bury
//! the lane. The clock itself runs in the service: `now` is an argument.
//!
//! `names` says what can be waited for, `limits` how long, `waits` for what in which state,
//! `overdue` what happens then.

pub(crate) mod limits;
pub(crate) mod names;
mod overdue;
pub(crate) mod waits;

pub use limits::{Limit, MINUTES_MAX, Pace, ReadingPace, TimeLimits};
pub use names::{Deadline, Name};
pub use overdue::{Clock, ESCALATIONS_AT_FULL_PACE, Overdue, overdue, set_right};
pub use waits::deadlines_of;
