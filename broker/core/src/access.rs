//! Who may see what of a case. The one place that says so: routing, the store, the API and the
//! command line ask here.
//!
//! ```text
//!   part                    sees of the case                  numbers of linked cases
//!   operator                everything but what messages say   all
//!   origin, reviewer,       everything                        of those in which it has a part too
//!     watcher
//!   target, expert          everything, once the reviews       of those in which it has a part too
//!                             have let the case go to it
//!   past target             what was recorded until it left   none
//!   stranger                nothing, not even that it exists  none
//! ```
//!
//! **Release.** Before the reviews have let a case go, its target and its experts are strangers to
//! it, and so are the reviewers whose turn has not come: however it ends, returned, cancelled or
//! expired, they never learn that it existed. Who was only named for a while and then left out
//! stays a stranger too.
//!
//! A message is read by who sent it and by who receives it. The bytes as they came are for their
//! sender alone.

use std::cmp::Ordering;

use jiff::Timestamp;
use tierlink_schemas::{Kind, OrganisationCode, Priority};

use crate::case::{AskedExpert, Case, PastTarget, State};
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
    /// It has the case now: the reviews have let it go.
    Target,
    /// Its review is waited for.
    Reviewer,
    /// One of its experts is asked, and the reviews have let the case go to it.
    Expert,
    /// It hears of every event: it reviewed the case, or was called because a deadline passed.
    Watcher,
    /// It was the target and has no other part now.
    PastTarget {
        /// When the case last left it.
        until: Timestamp,
    },
    /// It has no part that it may know of.
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

/// Whether the reviews have let `case` go to its target.
#[must_use]
pub fn is_released(case: &Case) -> bool {
    case.reviews.is_empty()
}

/// Those whose review is waited for now: the next reviewer of the case, or of experts who were
/// added after its release. May name somebody twice.
pub fn reviewers(case: &Case) -> impl Iterator<Item = &OrganisationCode> {
    let released = is_released(case);
    let held = case.experts.iter().filter(move |_| released);
    case.reviews.first().into_iter().chain(held.filter_map(|asked| Some(&asked.held.as_ref()?.by)))
}

/// The experts to whom the reviews have let `case` go.
pub fn asked_experts(case: &Case) -> impl Iterator<Item = &AskedExpert> {
    let released = is_released(case);
    case.experts.iter().filter(move |asked| released && asked.held.is_none())
}

/// The last time that `case` left `organisation`, if it had come to it.
fn last_left<'a>(case: &'a Case, organisation: &OrganisationCode) -> Option<&'a PastTarget> {
    let heard = case.past_targets.iter().filter(|past| past.heard);
    heard.filter(|past| past.organisation == *organisation).max_by_key(|past| past.until)
}

/// The part of `organisation` in `case`.
#[must_use]
pub fn part_of(case: &Case, organisation: &OrganisationCode) -> Part {
    if case.origin == *organisation {
        Part::Origin
    } else if case.target == *organisation && is_released(case) {
        Part::Target
    } else if reviewers(case).any(|reviewer| reviewer == organisation) {
        Part::Reviewer
    } else if asked_experts(case).any(|asked| asked.expert.organisation == *organisation) {
        Part::Expert
    } else if case.watchers.contains(organisation) {
        Part::Watcher
    } else {
        last_left(case, organisation)
            .map_or(Part::Stranger, |past| Part::PastTarget { until: past.until })
    }
}

/// Everyone who has a part in `case` or had one, and may know it. May name somebody twice.
pub fn parties(case: &Case) -> impl Iterator<Item = &OrganisationCode> {
    std::iter::once(&case.origin)
        .chain(is_released(case).then_some(&case.target))
        .chain(reviewers(case))
        .chain(&case.watchers)
        .chain(case.past_targets.iter().filter(|past| past.heard).map(|past| &past.organisation))
        .chain(asked_experts(case).map(|asked| &asked.expert.organisation))
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

/// Whether the asker sees what became of a delivery of `case` to `to`, made at `made_at`. Whoever the
/// case has left sees those from before; of those with which it left, its own and the origin's: how
/// its successor fares with the case is none of its business.
#[must_use]
pub fn sees_delivery(
    case: &Case,
    asker: Asker<'_>,
    to: &OrganisationCode,
    made_at: Timestamp,
) -> bool {
    let until = match view(case, asker) {
        View::Whole => return true,
        View::Nothing => return false,
        View::Until(until) => until,
    };
    let own = match asker {
        Asker::Organisation(organisation) => to == organisation,
        Asker::Operator => true,
    };
    // Stores keep microseconds.
    match made_at.as_microsecond().cmp(&until.as_microsecond()) {
        Ordering::Less => true,
        Ordering::Equal => own || *to == case.origin,
        Ordering::Greater => false,
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

/// Whether `organisation` sees all of `case` as it stands.
#[must_use]
pub fn sees_whole(case: &Case, organisation: &OrganisationCode) -> bool {
    match view(case, Asker::Organisation(organisation)) {
        View::Whole => true,
        View::Until(_) | View::Nothing => false,
    }
}

/// Whether `case` is among the open cases of `organisation`: it is open and has not left it.
#[must_use]
pub fn is_open_for(case: &Case, organisation: &OrganisationCode) -> bool {
    sees_whole(case, organisation) && !case.state.is_terminal()
}

/// How urgent `case` is for the asker: for a past target, as it was when the case left it.
#[must_use]
pub fn priority(case: &Case, asker: Asker<'_>) -> Priority {
    let organisation = match asker {
        Asker::Operator => return case.priority,
        Asker::Organisation(organisation) => organisation,
    };
    match part_of(case, organisation) {
        Part::PastTarget { .. } => {
            last_left(case, organisation).and_then(|past| past.priority).unwrap_or(case.priority)
        }
        Part::Origin
        | Part::Target
        | Part::Reviewer
        | Part::Expert
        | Part::Watcher
        | Part::Stranger => case.priority,
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

/// Whether a reviewer says it of a case under its review.
const fn is_of_reviewers(kind: Kind) -> bool {
    match kind {
        Kind::ReferralReview
        | Kind::ReferralReturn
        | Kind::ReferralRedirect
        | Kind::ConsultationReview
        | Kind::ConsultationReturn => true,
        Kind::ReferralSubmit
        | Kind::ReferralAmend
        | Kind::ReferralAccept
        | Kind::ReferralDecline
        | Kind::ReferralSchedule
        | Kind::ReferralBook
        | Kind::ReferralUnschedule
        | Kind::ReferralArrive
        | Kind::ReferralNoShow
        | Kind::ReferralFeedback
        | Kind::ReferralCancel
        | Kind::ReferralConfirmCancel
        | Kind::ReferralRefuseCancel
        | Kind::ReferralClose
        | Kind::TransferOffer
        | Kind::TransferAmend
        | Kind::TransferAccept
        | Kind::TransferDecline
        | Kind::TransferRedirect
        | Kind::TransferDischarge
        | Kind::TransferReceive
        | Kind::TransferFollowUp
        | Kind::TransferCancel
        | Kind::TransferClose
        | Kind::ConsultationRequest
        | Kind::ConsultationAmend
        | Kind::ConsultationAccept
        | Kind::ConsultationDecline
        | Kind::ConsultationSchedule
        | Kind::ConsultationStart
        | Kind::ConsultationOpinion
        | Kind::ConsultationAcknowledge
        | Kind::ConsultationNoShow
        | Kind::ConsultationCancel
        | Kind::ConsultationClose
        | Kind::ConsultationClaim
        | Kind::ConsultationRecollect
        | Kind::ConsultationReport
        | Kind::ConsultationAudit
        | Kind::ConsultationCritical
        | Kind::SlotPublish
        | Kind::SlotWithdraw
        | Kind::StatusQuery
        | Kind::StatusReport
        | Kind::Receipt => false,
    }
}

/// In which role `organisation`, which sees `case`, says something of `kind` about it as it stands.
/// The strongest role counts; a lead hospital that asked itself reviews its own case, too, when
/// somebody else sends it out of the county.
#[must_use]
pub fn role_of(case: &Case, organisation: &OrganisationCode, kind: Kind) -> Role {
    let reviews = case.reviews.first() == Some(organisation);
    let declined = case.state == State::Consultation(consultation::State::Declined);
    let dispatches = declined && case.terms.dispatcher.as_ref() == Some(organisation);
    if case.origin == *organisation && !(reviews && is_of_reviewers(kind)) {
        Role::Origin
    } else if reviews || dispatches {
        Role::Reviewer
    } else if case.target == *organisation {
        Role::Target
    } else if asked_experts(case).any(|asked| asked.expert.organisation == *organisation) {
        Role::Expert
    } else {
        Role::Watcher
    }
}
