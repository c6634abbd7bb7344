//! Deadlines: until when somebody must act, and what happens when nobody does.
//!
//! ```text
//!   case changes ──deadlines_of──▶ one deadline for each thing that is waited for
//!   due ──overdue──▶ a status report: first to whoever must act,
//!                    then also to the origin and the lead hospital, again and again;
//!                    `expire` and `close` end the case instead
//! ```
//!
//! A passed deadline is reported again until somebody acts, because a case that is reported once
//! and then forgotten endangers the patient. The interval grows after a while, so that a weekend
//! does not fill the lane. The clock runs in the service: `now` is an argument.
//!
//! `names` lists what can be waited for, `limits` says how long, `waits` says what each state waits
//! for, and `overdue` what happens when the time has passed.

pub(crate) mod limits;
pub(crate) mod names;
mod overdue;
pub(crate) mod waits;

pub use limits::{Limit, MINUTES_MAX, Pace, ReadingPace, TimeLimits};
pub use names::{Deadline, Name};
pub use overdue::{Clock, ESCALATIONS_AT_FULL_PACE, Overdue, overdue, set_right};
pub use waits::deadlines_of;
