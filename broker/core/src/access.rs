//! Who may see what of a case. The one place that says so: the store, the API and the command line
//! ask here.
//!
//! ```text
//!   part                    sees of the case                  numbers of linked cases
//!   operator                everything but what messages say   all
//!   origin, target,         everything                        of those in which it has a part too
//!     reviewer, expert, watcher
//!   past target             what was recorded until it left   none
//!   stranger                nothing, not even that it exists  none
//! ```
//!
//! A message is read by who sent it and by who receives it. The bytes as they came are for their
//! sender alone.

use jiff::Timestamp;
use tierlink_schemas::OrganisationCode;

use crate::case::{Case, State};
use crate::consultation;
use crate::rule::Role;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// Whoever runs the broker, at its command line or with an operator's token.
    Operator,
    /// A system or a person of this organisation.
    Organisation(&'a OrganisationCode),
}

impl<'a> From<Option<&'a OrganisationCode>> for Asker<'a> {
    fn from(organisation: Option<&'a OrganisationCode>) -> Self {
        organisation.map_or(Self::Operator, Self::Organisation)
    }
}

/// The part of an organisation in a case. The strongest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It asked.
    Origin,
    /// It has the case now, or will once the reviews are passed.
    Target,
    /// Its review is still to come.
    Reviewer,
    /// One of its experts is asked.
    Expert,
    /// It hears of every event: it reviewed the case, or was called because a deadline passed.
    Watcher,
    /// It was the target and has no other part now.
    PastTarget {
        /// When the case last left it.
        until: Timestamp,
    },
    /// It has no part and never had one.
    Stranger,
}

/// How much of a case somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Everything.
    Whole,
    /// Events and deliveries up to this time, and nothing of where the case stands now.
    Until(Timestamp),
    /// Nothing: for the asker the case does not exist.
    Nothing,
}

/// How much of a message somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageView {
    /// The message, and the bytes as they came.
    WithRaw,
    /// The message as it goes out.
    Canonical,
    /// Nothing: for the asker the message does not exist.
    Nothing,
}

/// The part of `organisation` in `case`.
#[must_use]
pub fn part_of(case: &Case, organisation: &OrganisationCode) -> Part {
    if case.origin == *organisation {
        Part::Origin
    } else if case.target == *organisation {
        Part::Target
    } else if case.reviews.contains(organisation) {
        Part::Reviewer
    } else if case.experts.iter().any(|asked| asked.expert.organisation == *organisation) {
        Part::Expert
    } else if case.watchers.contains(organisation) {
        Part::Watcher
    } else {
        let past = case.past_targets.iter().filter(|past| past.organisation == *organisation);
        past.map(|past| past.until).max().map_or(Part::Stranger, |until| Part::PastTarget { until })
    }
}

/// Everyone who has a part in `case` or had one. May name somebody twice.
pub fn parties(case: &Case) -> impl Iterator<Item = &OrganisationCode> {
    [&case.origin, &case.target]
        .into_iter()
        .chain(&case.reviews)
        .chain(&case.watchers)
        .chain(case.past_targets.iter().map(|past| &past.organisation))
        .chain(case.experts.iter().map(|asked| &asked.expert.organisation))
}

/// How much of `case` the asker sees.
#[must_use]
pub fn view(case: &Case, asker: Asker<'_>) -> View {
    let organisation = match asker {
        Asker::Operator => return View::Whole,
        Asker::Organisation(organisation) => organisation,
    };
    match part_of(case, organisation) {
        Part::Origin | Part::Target | Part::Reviewer | Part::Expert | Part::Watcher => View::Whole,
        Part::PastTarget { until } => View::Until(until),
        Part::Stranger => View::Nothing,
    }
}

/// Whether `organisation` sees anything of `case`.
#[must_use]
pub fn sees(case: &Case, organisation: &OrganisationCode) -> bool {
    match view(case, Asker::Organisation(organisation)) {
        View::Whole | View::Until(_) => true,
        View::Nothing => false,
    }
}

/// Whether `case` is among the open cases of `organisation`: it is open and has not left it.
#[must_use]
pub fn is_open_for(case: &Case, organisation: &OrganisationCode) -> bool {
    match view(case, Asker::Organisation(organisation)) {
        View::Whole => !case.state.is_terminal(),
        View::Until(_) | View::Nothing => false,
    }
}

/// Whether the asker may know that `case` is linked with `linked`, as its parent or its child.
#[must_use]
pub fn sees_link(case: &Case, linked: &Case, asker: Asker<'_>) -> bool {
    match (view(case, asker), view(linked, asker)) {
        (View::Whole, View::Whole | View::Until(_)) => true,
        (View::Whole, View::Nothing) | (View::Until(_) | View::Nothing, _) => false,
    }
}

/// How much of a message the asker reads: `source` sent it, and `receives` says whether it was sent
/// on to the asker.
#[must_use]
pub fn message_view(asker: Asker<'_>, source: &OrganisationCode, receives: bool) -> MessageView {
    match asker {
        Asker::Organisation(organisation) if organisation == source => MessageView::WithRaw,
        Asker::Organisation(_) if receives => MessageView::Canonical,
        // Operators look after queues and numbers, not after patients.
        Asker::Operator | Asker::Organisation(_) => MessageView::Nothing,
    }
}

/// What `organisation`, which sees `case`, may say about it as it stands. The strongest role counts.
#[must_use]
pub fn role_of(case: &Case, organisation: &OrganisationCode) -> Role {
    let declined = case.state == State::Consultation(consultation::State::Declined);
    let dispatches = declined && case.terms.dispatcher.as_ref() == Some(organisation);
    if case.origin == *organisation {
        Role::Origin
    } else if case.reviews.first() == Some(organisation) || dispatches {
        Role::Reviewer
    } else if case.target == *organisation {
        Role::Target
    } else if case.experts.iter().any(|asked| asked.expert.organisation == *organisation) {
        Role::Expert
    } else {
        Role::Watcher
    }
}
