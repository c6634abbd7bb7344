//! Bytes to JSON, strictly: UTF-8, no field twice, bounded in size, depth and number of values.
//!
//! JSON readers differ on a field that is there twice; a broker that guesses which one was meant
//! could send a patient to the wrong place. So it is refused, with its path.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use tierlink_schemas::{Problem, schema};

use crate::codes::D090_NOT_JSON;

/// Largest message. A handful of inline attachments fit; more should travel by reference.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Deepest nesting. Messages need eight levels.
pub const DEPTH_MAX: usize = 32;

/// Most values in one message. The fullest discharge has some ten thousand.
pub const VALUES_MAX: usize = 200_000;

/// Most repeated fields that are reported.
const TWICE_MAX: usize = 100;

/// The largest whole number that a float holds exactly.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// Some editors begin every file with this mark. RFC 8259 lets a reader ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where a problem stands that concerns no single field.
pub(crate) const WHOLE: &str = "(message)";

/// JSON that was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// What was read. Of a field that is there twice, the last.
    pub(crate) value: Value,
    /// Paths of the fields that are there twice.
    pub(crate) twice: Vec<String>,
    /// Whether a byte order mark stood before it.
    pub(crate) marked: bool,
}

/// The bytes without a byte order mark, and whether there was one.
pub(crate) fn unmarked(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    }
}

/// Reads JSON. The problem names the place by line and column, never by what stands there.
pub(crate) fn read(bytes: &[u8]) -> Result<Read, Problem> {
    let refuse = |text: String| Problem::new(D090_NOT_JSON, WHOLE, text);
    if bytes.len() > MESSAGE_BYTES_MAX {
        let most = MESSAGE_BYTES_MAX / (1024 * 1024);
        return Err(refuse(format!(
            "The message is larger than {most} MiB; send attachments by reference."
        )));
    }
    let (bytes, marked) = unmarked(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        refuse(format!("The message is not UTF-8 (byte {at}); write JSON as UTF-8, not GBK."))
    })?;

    let mut state = State::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Seed { state: &mut state, depth: 0 }.deserialize(&mut reader);
    let value = read.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        refuse(match state.limit {
            Some(limit) => format!("{limit} (line {line}, column {column})."),
            None => {
                format!("This is no JSON (line {line}, column {column}); check what stands there.")
            }
        })
    })?;
    Ok(Read { value, twice: state.twice, marked })
}

#[derive(Default)]
struct State {
    path: String,
    values: usize,
    twice: Vec<String>,
    limit: Option<&'static str>,
}

struct Seed<'a> {
    state: &'a mut State,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.state.values += 1;
        if self.state.values > VALUES_MAX {
            self.state.limit = Some("The message holds too many values; send less at once");
            return Err(de::Error::custom("too many values"));
        }
        reader.deserialize_any(self)
    }
}

impl Seed<'_> {
    fn deeper<E: de::Error>(&mut self) -> Result<usize, E> {
        if self.depth >= DEPTH_MAX {
            self.state.limit = Some("The message is nested too deeply; follow the schema");
            return Err(E::custom("too deep"));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    /// `7.0` is the whole number 7, for the schema and for us.
    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        if it.fract() == 0.0 && it.abs() < EXACT_FLOAT_MAX {
            let whole = format!("{it:.0}").parse::<i64>().map(Value::from);
            return Ok(whole.unwrap_or_else(|_| Value::from(it)));
        }
        Ok(Number::from_f64(it).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::String(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let length = self.state.path.len();
        let mut read = Vec::new();
        loop {
            self.state.path.push('[');
            self.state.path.push_str(&read.len().to_string());
            self.state.path.push(']');
            let item = items.next_element_seed(Seed { state: self.state, depth })?;
            self.state.path.truncate(length);
            match item {
                Some(item) => read.push(item),
                None => return Ok(Value::Array(read)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let length = self.state.path.len();
        let mut read = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if length > 0 {
                self.state.path.push('.');
            }
            self.state.path.push_str(schema::shown(&name));
            let value = fields.next_value_seed(Seed { state: self.state, depth })?;
            if read.insert(name, value).is_some() && self.state.twice.len() < TWICE_MAX {
                self.state.twice.push(self.state.path.clone());
            }
            self.state.path.truncate(length);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text_of_problem(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().text
    }

    #[test]
    fn json_is_read_as_it_is() {
        let text = r#" {"a":[1,-2,3.5,7.0,true,null,"汪·𠮷"],"b":{}} "#;

        let read = read(text.as_bytes()).unwrap();

        assert_eq!(read.value, json!({ "a": [1, -2, 3.5, 7, true, null, "汪·𠮷"], "b": {} }));
        assert_eq!(read.twice, Vec::<String>::new());
        assert!(!read.marked);
    }

    #[test]
    fn a_byte_order_mark_is_seen_and_left_out() {
        assert!(read(b"\xEF\xBB\xBF{}").unwrap().marked);
    }

    #[test]
    fn other_charsets_are_refused_with_their_place() {
        // 汪 in GBK.
        assert!(text_of_problem(b"{\"name\":\"\xCD\xF4\"}").contains("byte 9"));
        assert!(text_of_problem(b"\xFF\xFE{\0").contains("UTF-8"));
    }

    #[test]
    fn every_field_that_is_there_twice_is_named() {
        let read = read(br#"{"a":1,"b":[{"c":1,"c":2}],"a":3,"x y":1,"x y":2}"#).unwrap();

        assert_eq!(read.twice, ["b[0].c", "a", "(unreadable name)"]);
    }

    #[test]
    fn what_is_no_json_is_refused_with_line_and_column_and_without_its_text() {
        for wrong in
            ["", "{", "{\"secret\":secret}", "{} {}", "[1,]", "\"\\ud800\"", "1e999", "{'a':1}"]
        {
            let text = text_of_problem(wrong.as_bytes());

            assert!(text.contains("line 1"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn size_depth_and_number_of_values_are_bounded() {
        assert!(text_of_problem(&vec![b' '; MESSAGE_BYTES_MAX + 1]).contains("MiB"));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(text_of_problem(nested(DEPTH_MAX + 1).as_bytes()).contains("deep"));
        assert!(text_of_problem("[".repeat(100_000).as_bytes()).contains("deep"));
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(read(many(VALUES_MAX).as_bytes()).is_ok());
        assert!(text_of_problem(many(VALUES_MAX + 1).as_bytes()).contains("too many"));
    }
}
