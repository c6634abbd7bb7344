//! Which case a message means: the keys that it names, and the choice among what was found.
//!
//! ```text
//!   message ──keys──▶ [our id, our number, their numbers, the answered message]
//!                          └──the store looks each up──▶ pick ──▶ one case, none, or a refusal
//! ```
//!
//! Nothing is guessed. Keys that name two different cases refuse the message: a decision that
//! lands on the wrong patient is worse than one that comes late. Only cases in which the sender
//! has a part count, so nobody learns from an answer that somebody else's case exists.

use tierlink_schemas::message::ids_of_control_id;
use tierlink_schemas::{Body, CaseNumber, Message, OrganisationCode};
use uuid::Uuid;

use crate::access;
use crate::bodies::no_request;
use crate::case::Case;
use crate::rule::{Refused, Rule};

/// One way to find a case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// By our id.
    Id(Uuid),
    /// By our number.
    Number(CaseNumber),
    /// By a hospital's own number.
    Theirs {
        /// Whose number; `None` where the message does not say.
        organisation: Option<OrganisationCode>,
        /// The number.
        number: String,
    },
    /// By the wire id of the message that this one answers: ids from `first` to `last`.
    Answered {
        /// The first id that has the wire id.
        first: Uuid,
        /// The last one.
        last: Uuid,
    },
    /// By our id of the message that this one answers.
    AnsweredId(Uuid),
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picked<'a> {
    /// No case of the sender's.
    None,
    /// This one.
    One(&'a Case),
    /// The keys name different cases.
    Contradiction,
    /// A key fits several cases, and no other key tells which.
    Ambiguous,
}

impl<'a> Picked<'a> {
    /// The case, or the refusal. That there is none is for `decide` to judge.
    pub fn case(self) -> Result<Option<&'a Case>, Refused> {
        match self {
            Self::None => Ok(None),
            Self::One(case) => Ok(Some(case)),
            Self::Contradiction => Err(Rule::Contradiction.refuse()),
            Self::Ambiguous => Err(Rule::Ambiguous.refuse()),
        }
    }
}

/// How the case of `message` may be found, in order of trust.
///
/// An opening message is found only by what names its own case: what it answers is another one.
#[must_use]
pub fn keys(message: &Message, sender: &OrganisationCode) -> Vec<Key> {
    let mut keys = Vec::new();
    let case = &message.case;
    add(&mut keys, case.id.map(Key::Id));
    add(&mut keys, case.number.clone().map(Key::Number));
    if message.kind().opens() {
        let own = case.number_of(sender);
        add(&mut keys, own.map(|number| theirs(Some(sender), number)));
        return keys;
    }
    for number in &case.numbers {
        add(&mut keys, CaseNumber::read(&number.number).map(Key::Number));
        add(&mut keys, Some(theirs(Some(&number.organisation), &number.number)));
    }
    // Whose number it is, the message does not say: of any side that the sender may see.
    for number in &case.unassigned {
        add(&mut keys, Some(theirs(None, number)));
    }
    let Some(answered) = &message.in_reply_to else {
        return keys;
    };
    add(&mut keys, answered.id.map(Key::AnsweredId));
    add(&mut keys, answered.message_id.as_deref().and_then(answered_key));
    keys
}

/// How the case that an opening message names as its parent may be found.
#[must_use]
pub fn parent_keys(message: &Message) -> Vec<Key> {
    let mut keys = Vec::new();
    if !message.kind().opens() {
        return keys;
    }
    add(&mut keys, message.case.parent.clone().map(Key::Number));
    match &message.body {
        Body::TransferOffer(offer) => {
            if let Some(number) = &offer.parent_referral {
                add(&mut keys, Some(named_number(number)));
            }
        }
        Body::ConsultationRequest(request) => {
            add(&mut keys, request.parent.clone().map(Key::Number));
        }
        Body::ReferralSubmit(_)
        | Body::ReferralAmend(_)
        | Body::TransferAmend(_)
        | Body::ConsultationAmend(_)
        | no_request!() => {}
    }
    keys
}

/// Chooses the case that `message` means. `found` holds, for each key, the cases that it names.
///
/// A number may be used again once its case has ended, so open cases come before ended ones.
#[must_use]
pub fn pick<'a>(found: &[Vec<&'a Case>], sender: &OrganisationCode, opens: bool) -> Picked<'a> {
    let sets: Vec<Vec<&'a Case>> = found
        .iter()
        .map(|cases| visible(cases, sender, opens))
        .filter(|cases| !cases.is_empty())
        .collect();
    let Some(one) = sets.iter().find(|cases| cases.len() == 1).and_then(|cases| cases.first())
    else {
        return if sets.is_empty() { Picked::None } else { Picked::Ambiguous };
    };
    if sets.iter().all(|cases| cases.iter().any(|case| case.id == one.id)) {
        Picked::One(one)
    } else {
        Picked::Contradiction
    }
}

/// The cases of one key that count: the sender's, each once, open ones first.
fn visible<'a>(cases: &[&'a Case], sender: &OrganisationCode, opens: bool) -> Vec<&'a Case> {
    let mut seen: Vec<&'a Case> = Vec::new();
    for case in cases {
        if access::sees(case, sender) && !seen.iter().any(|other| other.id == case.id) {
            seen.push(case);
        }
    }
    let open: Vec<&'a Case> =
        seen.iter().copied().filter(|case| !case.state.is_terminal()).collect();
    // An opening message may use the number of an ended case again.
    if opens || !open.is_empty() { open } else { seen }
}

/// A hospital's number, or ours if it reads as one: the check digit makes a mix-up unlikely, and
/// the case must be the sender's all the same.
fn named_number(text: &str) -> Key {
    CaseNumber::read(text).map_or_else(|| theirs(None, text), Key::Number)
}

fn theirs(organisation: Option<&OrganisationCode>, number: &str) -> Key {
    Key::Theirs { organisation: organisation.cloned(), number: number.trim().to_owned() }
}

/// What the answering side received as the id of a message: the wire id, or our id in full.
fn answered_key(text: &str) -> Option<Key> {
    let text = text.trim();
    if let Some((first, last)) = ids_of_control_id(text) {
        return Some(Key::Answered { first, last });
    }
    Uuid::parse_str(text).ok().map(Key::AnsweredId)
}

fn add(keys: &mut Vec<Key>, key: Option<Key>) {
    if let Some(key) = key
        && !keys.contains(&key)
    {
        keys.push(key);
    }
}
