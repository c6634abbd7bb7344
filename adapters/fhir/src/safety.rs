//! The safety fields of a request: who asks whom, which way, and how urgently.
//!
//! Each is read for certain or the message is refused with the field named. The direction follows
//! from the tiers of the two organisations; a message that states another one is refused, because
//! one of the two is wrong and nobody can tell which.

use serde_json::Value;
use tierlink_codec::CodeMaps;
use tierlink_codec::code_maps::{Meaning, Table};
use tierlink_schemas::kind::Family;
use tierlink_schemas::request::Direction;
use tierlink_schemas::{OrganisationCode, Priority, Tier};

use crate::bundle::At;
use crate::meaning::Opening;
use crate::party::Side;
use crate::reader::{Named, Reader};
use crate::{codes, systems};

impl Reader<'_> {
    /// The organisation that asks. Without a requester it is the sender.
    pub fn origin(&mut self, from: &Side) -> Option<OrganisationCode> {
        match &from.organisation {
            Named::As(code) => Some(code.clone()),
            Named::Silent => Some(self.own().clone()),
            Named::Unknown => {
                self.unknown(&from.field);
                None
            }
        }
    }

    /// The organisation that is asked: a safety field.
    pub fn target(&mut self, to: &Side, receiver: (Named, String)) -> Option<OrganisationCode> {
        match (to.organisation.clone(), receiver) {
            (Named::As(performer), (Named::As(receiver), field)) if performer != receiver => {
                let text = "the receiver of the message and the performer of the request are two \
                            organisations; name one";
                self.problem(codes::CONTRADICTION, field, text);
                None
            }
            (Named::As(code), (Named::As(_) | Named::Silent, _))
            | (Named::Silent, (Named::As(code), _)) => Some(code),
            (Named::Unknown, _) => {
                self.unknown(&to.field);
                None
            }
            (_, (Named::Unknown, field)) => {
                self.unknown(&field);
                None
            }
            (Named::Silent, (Named::Silent, field)) => {
                let text = "the message does not say by identifier who is asked; give the \
                            organisation an identifier";
                self.problem(codes::ORGANISATION_UNKNOWN, field, text);
                None
            }
        }
    }

    /// Refuses an organisation that nobody knows.
    pub fn unknown(&mut self, field: &str) {
        let text = "no organisation of this county goes by this identifier; correct it, or list it \
                    under codes.organisation in the profile";
        self.problem(codes::ORGANISATION_UNKNOWN, field, text);
    }

    fn tiers(
        &self,
        from: &OrganisationCode,
        to: &OrganisationCode,
    ) -> (Option<Tier>, Option<Tier>) {
        let own = &self.with.profile.organisation;
        let tier = |code: &OrganisationCode| {
            let listed = self.with.directory.tier(code);
            listed.or_else(|| (*code == own.code).then_some(own.tier))
        };
        (tier(from), tier(to))
    }

    /// Which family of case it is: stated, or known from the tiers.
    pub fn family(
        &mut self,
        at: At,
        opening: Opening,
        from: &OrganisationCode,
        to: &OrganisationCode,
    ) -> Option<Family> {
        let category = "category/0/coding/0";
        let system = format!("{category}/system");
        let ours = self.bundle.peek(at, &system) == Some(systems::FAMILY);
        let category =
            ours.then(|| self.bundle.take_code(at, &format!("{category}/code"))).flatten();
        let category = category
            .and_then(|code| Family::WITH_CASES.into_iter().find(|family| family.as_str() == code));
        if ours {
            self.bundle.take(at, &system);
        }
        let stated = opening.family.or(category);
        if let (Some(event), Some(category)) = (opening.family, category)
            && event != category
        {
            let field = self.bundle.field(at, "category/0/coding/0/code");
            let text = "the category and the event name different families; correct one";
            self.problem(codes::CONTRADICTION, field, text);
            return None;
        }
        if stated == Some(Family::Consultation) {
            return stated;
        }
        let (lower, upper) = self.tiers(from, to);
        let Some(descends) = lower.zip(upper).map(|(from, to)| from > to) else {
            let text = "the tier of an organisation is not configured; the direction was taken as \
                        stated";
            self.deviation(codes::NO_DIRECTORY, self.bundle.field(at, "performer"), text);
            return Some(stated.unwrap_or(Family::Referral));
        };
        let follows = if descends { Family::Transfer } else { Family::Referral };
        match stated {
            Some(stated) if stated != follows => {
                let text = "a transfer goes to a lower tier and a referral does not; the tiers of \
                            the two organisations say otherwise than the message";
                self.problem(codes::DIRECTION_CONTRADICTS, "MessageHeader.eventCoding.code", text);
                None
            }
            Some(_) | None => Some(follows),
        }
    }

    /// The direction of a referral. `None` refuses, `Some(None)` is unknown.
    #[expect(clippy::option_option, reason = "refused and unknown are different answers")]
    pub fn direction(
        &mut self,
        stated: Option<Value>,
        from: &OrganisationCode,
        to: &OrganisationCode,
    ) -> Option<Option<Direction>> {
        let field = "ServiceRequest.extension[direction]";
        let stated: Option<Direction> = match stated.map(serde_json::from_value) {
            None => None,
            Some(Ok(direction)) => Some(direction),
            Some(Err(_)) => {
                let text = "the direction is not known; use up, lateral or out";
                self.problem(codes::DIRECTION_CONTRADICTS, field, text);
                return None;
            }
        };
        let outside = self.with.directory.get(to).is_some_and(|to| to.outside);
        let (lower, upper) = self.tiers(from, to);
        let follows = if outside {
            Some(Direction::Out)
        } else {
            lower.zip(upper).map(
                |(from, to)| {
                    if from == to { Direction::Lateral } else { Direction::Up }
                },
            )
        };
        if stated.is_some() && follows.is_some() && stated != follows {
            let text = "the direction contradicts the tiers of the two organisations; leave it out \
                        or correct it";
            self.problem(codes::DIRECTION_CONTRADICTS, field, text);
            return None;
        }
        Some(follows.or(stated))
    }

    /// Reads the priority: a safety field.
    pub fn priority(&mut self, at: At, opens: bool) -> Option<Priority> {
        let ours = self.bundle.take_extensions(at, "").remove("priority");
        let field = self.bundle.field(at, "priority");
        let given = self.bundle.take_code(at, "priority");
        let maps = CodeMaps::of(self.with.profile);
        let name = given.as_deref().map(|given| match (maps.read(Table::Priority, given), given) {
            (Meaning::Code(ours), _) => ours,
            (Meaning::NoMap, "routine") => "routine",
            (Meaning::NoMap, "urgent" | "asap") => "urgent",
            (Meaning::NoMap, "stat") => "emergency",
            (Meaning::NoMap | Meaning::Unlisted, _) => "",
        });
        let known = |name: &str| Priority::ALL.into_iter().find(|p| p.as_str() == name);
        let element = name.map(known);
        let extension = ours.as_ref().map(|value| value.as_str().and_then(known));
        match (element, extension) {
            (None, None) if !opens => None,
            (None, None) => {
                let text = "the priority is missing; send routine, urgent, asap or stat";
                self.problem(codes::PRIORITY_UNKNOWN, field, text);
                None
            }
            (Some(None), _) | (_, Some(None)) => {
                let text = "the priority is not known; send routine, urgent, asap or stat, or list \
                            the code under codes.priority in the profile";
                self.problem(codes::PRIORITY_UNKNOWN, field, text);
                None
            }
            (Some(element), None) => element,
            (None, Some(extension)) => extension,
            (Some(Some(Priority::Routine | Priority::Chronic)), Some(Some(Priority::Chronic))) => {
                Some(Priority::Chronic)
            }
            (Some(element), Some(extension)) if element == extension => element,
            (Some(_), Some(_)) => {
                let text = "the priority and its extension contradict each other; correct one";
                self.problem(codes::CONTRADICTION, field, text);
                None
            }
        }
    }
}
