//! The life of a consultation (远程会诊) and of a reading (心电、影像、检验、病理).
//!
//! ```text
//!   in_review ─▶ dispatched ─▶ accepted ─▶ scheduled ─▶ in_session ─▶ opinion_issued
//!       │ ▲        │ │ ▲          └──── offline: opinion ────────────▶      │
//!       ▼ │        │ ▼ │                                               acknowledge
//!     returned ◀───┘ declined, no_show                                      ▼
//!                                                        closed ◀───── acknowledged
//!   uploaded ─claim─▶ claimed ─report─▶ written ─audit─▶ reported ──────────┘
//!       ▲                │  ▲── audit not passed ──┘
//!       └─amend─ recollect
//! ```
//!
//! A declined consultation is no end: whoever dispatched it, or the origin, sends it elsewhere. A
//! centre that sets a session has accepted for all. A corrected report must be audited again, and a
//! corrected opinion be read again.
//!
//! A critical value is an axis of its own: it can be raised from `claimed` on, even after the case
//! is closed, and reading it back changes no state.
//!
//! `state` holds states and acts, `steps` the answer to each pair.

mod state;
mod steps;

pub use state::{Act, State};
pub use steps::step;
