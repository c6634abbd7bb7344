//! The safety fields: where a wrong or missing value could harm a patient.
//!
//! They say who the patient is, how urgent the case is, who sends the patient, in which direction
//! and to whom. Codecs refuse a message in which one of these cannot be read with certainty. If a
//! destination's format or code map cannot carry one, the delivery is parked. This is the only
//! list of them.

use crate::problem::Loss;

/// Safety fields within a body or the context of a case, by the beginning of their paths. A name
/// that ends with a dot includes everything below it.
const WITHIN: [&str; 5] =
    ["patient.", "from.organisation", "to.organisation", "direction", "destination"];

/// Safety fields of the whole message.
const OF_MESSAGE: [&str; 3] = ["priority", "subject.", "destinations"];

/// Parts of a message that contain safety fields.
const PARTS: [&str; 2] = ["body.", "context."];

/// The recipient in messages that state no other side, such as a redirection.
const RECIPIENT: &str = "to";

/// Whether a field of a body, or of the context of a case, is a safety field.
#[must_use]
pub fn is_within(path: &str) -> bool {
    path == RECIPIENT || is_one(&WITHIN, path)
}

/// Whether a field of a canonical message is a safety field, such as `body.to.organisation`.
#[must_use]
pub fn is_safety(path: &str) -> bool {
    let within = PARTS.iter().find_map(|part| path.strip_prefix(part));
    within.map_or_else(|| is_one(&OF_MESSAGE, path), is_within)
}

fn is_one(fields: &[&str], path: &str) -> bool {
    fields.iter().any(|field| {
        path.strip_prefix(field)
            .is_some_and(|rest| field.ends_with('.') || rest.is_empty() || rest.starts_with('['))
    })
}

/// The loss of a field in an outgoing message; it stops the delivery if it is a safety field.
#[must_use]
pub fn loss(path: &str, text: impl Into<String>) -> Loss {
    if is_safety(path) { Loss::of_safety(path, text) } else { Loss::plain(path, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safety_fields_are_known_by_their_paths() {
        for path in [
            "priority",
            "subject.sex",
            "destinations[0]",
            "body.patient.document.number",
            "body.to.organisation",
            "body.to",
            "context.from.organisation",
            "body.direction",
        ] {
            assert!(is_safety(path), "{path}");
        }
        for path in [
            "case.numbers[0].organisation",
            "body.to.department.code",
            "body.patients",
            "body.reason.code",
            "source.organisation",
            "body.attachments[0].source",
        ] {
            assert!(!is_safety(path), "{path}");
        }
    }
}
