//! JSON as hospitals send it, into a tree that loses nothing.
//!
//! Three things differ from `serde_json` alone. Numbers stay the text that was sent, because `7.10`
//! on a laboratory sheet is not `7.1`. A name that occurs twice in one object is refused, because
//! one of the two values would be dropped without a word. And the number of nodes is bounded.
//!
//! Nesting is bounded by `serde_json` itself, at 128 levels.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};
use tierlink_schemas::Problem;

use crate::codes;
use crate::limits::{MESSAGE_BYTES_MAX, NODES_MAX};

/// Reads a tree in which every number has become its own text.
pub fn read(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(too_much("the message is too long; send large papers by reference"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        unreadable(format!("byte {at} is not UTF-8, which FHIR requires; set the sender to UTF-8"))
    })?;
    let text = numbers_as_text(text.trim_start_matches('\u{feff}'));
    let nodes = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let read = Tree { nodes: &nodes }.deserialize(&mut deserializer);
    let tree = read.and_then(|tree| deserializer.end().map(|()| tree));
    if nodes.get() > NODES_MAX {
        return Err(too_much("the message has too many elements; split it"));
    }
    tree.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        unreadable(format!(
            "the JSON is broken, too deep or names an element twice near line {line}, column \
             {column}; check that it is complete"
        ))
    })
}

fn unreadable(text: String) -> Problem {
    Problem::new(codes::UNREADABLE, "Bundle", text)
}

fn too_much(text: &str) -> Problem {
    Problem::new(codes::TOO_MUCH, "Bundle", text)
}

/// Puts every number outside of texts between quotation marks.
fn numbers_as_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len() + 64);
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_text(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(bytes, at);
                // Slicing is safe: every byte of a number is one ASCII character.
                if serde_json::from_str::<IgnoredAny>(&text[at..end]).is_ok() {
                    out.push_str(&text[copied..at]);
                    out.push('"');
                    out.push_str(&text[at..end]);
                    out.push('"');
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    out.push_str(&text[copied..]);
    out
}

/// One past the closing quotation mark of the text whose content starts at `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let more = bytes[start..]
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    start + more.count()
}

#[derive(Clone, Copy)]
struct Tree<'a> {
    nodes: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > NODES_MAX {
            return Err(D::Error::custom("too many elements"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("an element occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
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
