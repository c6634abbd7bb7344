//! The strict reader of `tierlink_codec` with the limits and the words of this format: a tree in
//! which every number has become its own text, and which loses nothing.

use serde_json::Value;
use tierlink_codec::strict_json::{self, JsonLimits, Numbers, Refused};
use tierlink_schemas::Problem;

use crate::codes;
use crate::limits::{DEPTH_MAX, MESSAGE_BYTES_MAX, NODES_MAX};

const LIMITS: JsonLimits = JsonLimits {
    bytes_max: MESSAGE_BYTES_MAX,
    depth_max: DEPTH_MAX,
    values_max: NODES_MAX,
    numbers: Numbers::AsText,
};

/// Reads a tree. An element that occurs twice is refused, because one of the two values would be
/// dropped without a word.
pub fn read(bytes: &[u8]) -> Result<Value, Problem> {
    let read = strict_json::read(bytes, &LIMITS).map_err(|refused| match refused {
        Refused::TooLong => too_much("the message is too long; send large papers by reference"),
        Refused::TooManyValues { .. } => too_much("the message has too many elements; split it"),
        Refused::NotUtf8 { byte } => unreadable(format!(
            "byte {byte} is not UTF-8, which FHIR requires; set the sender to UTF-8"
        )),
        Refused::TooDeep { line, column } => unreadable(format!(
            "the JSON is nested too deeply at line {line}, column {column}; follow FHIR"
        )),
        Refused::Broken { line, column } => unreadable(format!(
            "the JSON is broken near line {line}, column {column}; check that it is complete"
        )),
    })?;
    if !read.twice.is_empty() {
        let text = "an element occurs twice in one object, and which one is meant nobody can \
                    know; send it once";
        return Err(unreadable(text.to_owned()));
    }
    Ok(read.value)
}

fn unreadable(text: String) -> Problem {
    Problem::new(codes::UNREADABLE, "Bundle", text)
}

fn too_much(text: &str) -> Problem {
    Problem::new(codes::TOO_MUCH, "Bundle", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_last_zero() {
        let tree = read(br#"{"value": 7.10, "text": "a \" 5.0", "list": [1, -2e3]}"#).unwrap();

        assert_eq!(tree["value"], "7.10");
        assert_eq!(tree["text"], "a \" 5.0");
        assert_eq!(tree["list"], serde_json::json!(["1", "-2e3"]));
    }

    #[test]
    fn an_element_that_occurs_twice_is_refused() {
        let problem = read(br#"{"priority": "routine", "priority": "stat"}"#).unwrap_err();

        assert_eq!(problem.code, codes::UNREADABLE);
        assert!(!problem.text.contains("stat"));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let deep = "[".repeat(100_000);

        assert_eq!(read(deep.as_bytes()).unwrap_err().code, codes::UNREADABLE);
    }

    #[test]
    fn other_charsets_are_refused_and_not_guessed() {
        let gbk = b"{\"name\": \"\xd5\xc5\"}";

        assert_eq!(read(gbk).unwrap_err().code, codes::UNREADABLE);
    }

    #[test]
    fn broken_numbers_are_broken_json() {
        for broken in ["{\"a\": 01}", "{\"a\": 1.}", "{\"a\": --1}", "{\"a\": 1 2}", "tru1", "\"\\"]
        {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
