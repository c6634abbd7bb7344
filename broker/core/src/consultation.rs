//! The states of a consultation (远程会诊) and of a reading (心电、影像、检验、病理).
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
//! `declined` is not final: whoever dispatched the consultation, or the origin, sends it elsewhere.
//! A centre that sets a session has accepted for everybody asked. A corrected report must be
//! audited again, and a corrected opinion must be acknowledged again.
//!
//! A critical value is independent of the state: it can be raised from `claimed` on, even after the
//! case is closed, and acknowledging it changes no state.
//!
//! `state` has the states and acts, `steps` the result of each act in each state.

mod state;
mod steps;

pub use state::{Act, State};
pub use steps::step;
