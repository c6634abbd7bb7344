//! Types for the flows: what is sent by whom, and what must be received before the flow goes on.
//!
//! ```text
//!   Asks(who, act, to)  who opens a case with to
//!   Says(who, act)      who sends a message and gets a positive answer
//!   Hears(who, kind)    the flow goes on only when who has received that
//! ```
//!
//! Several flows run at the same time, as in a county. Nothing here knows a format or a socket.

use tierlink_simulator::{Act, Case, Sort};

use super::cast::{Org, Patient};

/// One step of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An organisation sends a request to another one, and the broker accepts it.
    Asks(Org, Act, Org),
    /// An organisation sends a message, and the broker accepts it.
    Says(Org, Act),
    /// Somebody has received a message of this kind about this case. What people must hear waits for
    /// them in their lane.
    Hears(Org, &'static str),
    /// Its server stops: connections are refused.
    GoesDown(Org),
    /// Its server starts again, after a fixed time and at least one failed try.
    ComesBack(Org),
    /// From now on it refuses messages of this kind about this case.
    Refuses(Org, &'static str),
    /// It closes the connection instead of answering the next message of this kind about this case,
    /// so the broker sends it again.
    Stumbles(Org, &'static str),
    /// An operator waits until the refused delivery is parked with others behind it, repairs the
    /// hospital, and replays it.
    Replay(Org),
}

/// One flow: one case, from its first message to the state in which it must end.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// A key for programs.
    pub key: &'static str,
    /// Its Chinese name.
    pub zh: &'static str,
    /// Its English name.
    pub en: &'static str,
    /// The family of the case.
    pub sort: Sort,
    /// The organisation that opens it.
    pub origin: Org,
    /// The number that the origin gives it.
    pub own_number: &'static str,
    /// The patient of the case.
    pub patient: Patient,
    /// The flow whose case is the parent: this one begins when that has ended.
    pub after: Option<&'static str>,
    /// The further system of an organisation that takes part, where it is not the default one.
    pub through: Option<(Org, &'static str)>,
    /// What happens.
    pub steps: &'static [Step],
    /// Name of the state in which the case must end.
    pub ends: &'static str,
}

impl Flow {
    /// Which further system of this organisation takes part; `None`: its default one.
    #[must_use]
    pub fn system_of(&self, org: Org) -> Option<&'static str> {
        self.through.filter(|(whose, _)| *whose == org).map(|(_, name)| name)
    }

    /// The case, as hospitals write about it.
    #[must_use]
    pub fn case(&self) -> Case {
        Case {
            sort: self.sort,
            origin: self.origin.code().to_owned(),
            own_number: self.own_number.to_owned(),
            patient: self.patient.person(),
            experts: vec![Org::Lead.party(), Org::City.party()],
        }
    }
}
