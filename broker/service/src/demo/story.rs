//! The story, as data: what is told, by whom, and what must be heard before it goes on.
//!
//! ```text
//!   Asks(who, act, to)  who opens a case with somebody
//!   Says(who, act)      who sends a message and hears AA, 200 or the like
//!   Hears(who, kind)    the story goes on only when that has reached who
//! ```
//!
//! Several flows run at once, as in a county. Nothing here knows a format or a socket.

use tierlink_simulator::{Act, Case, Sort};

use super::cast::{Org, Patient};

/// One step of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody asks somebody else, and is told that the request was taken.
    Asks(Org, Act, Org),
    /// Somebody sends a message and is told that it was taken.
    Says(Org, Act),
    /// Somebody has received a message of this kind about this case. What people must hear waits for
    /// them in their lane.
    Hears(Org, &'static str),
    /// Its listener closes: connections are refused.
    GoesDown(Org),
    /// After the usual while, and after at least one try failed, it listens again.
    ComesBack(Org),
    /// From now on it refuses messages of this kind about this case.
    Refuses(Org, &'static str),
    /// It breaks off before it answers the next message of this kind about this case, so that the
    /// message comes again.
    Stumbles(Org, &'static str),
    /// An operator waits until the refused delivery is parked with others behind it, has the
    /// hospital repaired, and replays it.
    Replay(Org),
}

/// One flow: one case from its first message to the state in which it must end.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// A name for programs.
    pub key: &'static str,
    /// 名称.
    pub zh: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// What sort of case.
    pub sort: Sort,
    /// Who opens it.
    pub origin: Org,
    /// The number that the origin prints on paper.
    pub own_number: &'static str,
    /// Who it is about.
    pub patient: Patient,
    /// The flow whose case is this one's parent: it begins when that one has ended.
    pub after: Option<&'static str>,
    /// The further system of an organisation that takes part, where it is not the default one.
    pub through: Option<(Org, &'static str)>,
    /// What happens.
    pub steps: &'static [Step],
    /// The state in which the case must end.
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
