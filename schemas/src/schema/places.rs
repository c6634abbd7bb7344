//! Looks fields up in a schema by path: which exist, and which name is similar.
//!
//! Paths are written as in problems: `body.patient.phone`, `body.attachments[0].title`. Without an
//! index, `body.attachments.title` means the title of every attachment.

use serde_json::Value;

use super::cached;
use crate::kind::Kind;

/// Longest name to compare, in characters. No field name is longer.
const NAME_CHARS_MAX: usize = 40;

/// Most digits of an index. No list is longer.
const INDEX_DIGITS_MAX: usize = 6;

/// Most different letters for a suggestion to be useful.
const DISTANCE_MAX: usize = 3;

/// Whether messages of this kind have a field at `path`.
#[must_use]
pub fn knows(kind: Kind, path: &str) -> bool {
    at(kind, path).is_some()
}

/// Whether messages of some kind have a field at `path`. If not, it was mistyped.
#[must_use]
pub fn some_kind_knows(path: &str) -> bool {
    Kind::ALL.iter().any(|kind| knows(*kind, path))
}

/// The field of the object at `path` with the name most similar to `name`, if one is similar.
#[must_use]
pub fn nearest(kind: Kind, path: &str, name: &str) -> Option<String> {
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        return None;
    }
    let name = folded(name);
    let properties = at(kind, path)?.get("properties")?.as_object()?;
    let likely = properties
        .keys()
        .map(|known| (distance(&folded(known), &name), known))
        .min_by_key(|(distance, known)| (*distance, known.len()))?;
    // At most a third of the letters may differ, so that `at` is not taken for `by`.
    let close = likely.0 <= DISTANCE_MAX.min(name.len() / 3);
    close.then(|| likely.1.clone())
}

/// The schema of the field at `path`; of the whole message for an empty path.
fn at(kind: Kind, path: &str) -> Option<&'static Value> {
    let root = cached(kind);
    let mut here = root;
    for segment in path.split('.').filter(|_| !path.is_empty()) {
        let name = name_in(segment)?;
        here = item(root, followed(root, here)?)?;
        here = here.get("properties")?.get(name)?;
    }
    item(root, followed(root, here)?)
}

/// The name in `attachments[3]`. Only a number may be in the brackets.
fn name_in(segment: &str) -> Option<&str> {
    let Some((name, index)) = segment.split_once('[') else {
        return Some(segment);
    };
    let index = index.strip_suffix(']')?;
    let number = (1..=INDEX_DIGITS_MAX).contains(&index.len());
    (number && index.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}

/// The schema of a list's entries; any other schema itself.
fn item<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema.get("items") {
        Some(items) => followed(root, items),
        None => Some(schema),
    }
}

/// Resolves a `$ref`.
fn followed<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.strip_prefix('#')?),
        None => Some(schema),
    }
}

/// A name in the form for comparison: `birthDate` equals `birth_date`.
fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The Levenshtein distance of two names.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (place, known) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != known);
            diagonal = row[place + 1];
            row[place + 1] = change.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_where_the_kind_has_the_field() {
        assert!(knows(Kind::ReferralSubmit, "body.patient.document.number"));
        assert!(knows(Kind::ReferralSubmit, "body.attachments[3].title"));
        assert!(knows(Kind::ReferralSubmit, "body.attachments.title"));
        assert!(knows(Kind::ReferralSubmit, "priority"));
        assert!(!knows(Kind::ReferralAccept, "body.patient.document.number"));
        assert!(!knows(Kind::ReferralSubmit, "body.patient.phon"));
        assert!(!knows(Kind::ReferralSubmit, "body.patient.phone.number"));
        for odd in [
            "body..patient",
            "body.",
            ".",
            "body.attachments[x]",
            "body.attachments[0]x",
            "body.attachments[",
        ] {
            assert!(!knows(Kind::ReferralSubmit, odd), "{odd}");
        }
    }

    #[test]
    fn a_mistyped_path_is_known_to_no_kind() {
        assert!(some_kind_knows("body.appointment.room"));
        assert!(!some_kind_knows("body.appointment.raum"));
    }

    #[test]
    fn the_nearest_name_is_found_whatever_its_spelling() {
        let near = |path: &str, name: &str| nearest(Kind::ReferralSubmit, path, name);

        assert_eq!(near("body.patient", "birthDate").as_deref(), Some("birth_date"));
        assert_eq!(near("body.patient", "adress").as_deref(), Some("address"));
        assert_eq!(near("", "ocurred_at").as_deref(), Some("occurred_at"));
        assert_eq!(near("body.patient", "shoe_size"), None);
        assert_eq!(near("body.patient", "x"), None);
        assert_eq!(near("body.patient", &"a".repeat(5000)), None);
        assert_eq!(near("no.such.place", "name"), None);
    }
}
