//! Reads JSON strictly: UTF-8, no repeated names, limited in size, depth and number of values. Both
//! JSON formats use it.
//!
//! JSON readers differ in which value they take when a name occurs twice in an object. If a
//! broker guessed, it could send a patient to the wrong place, so every repetition is reported
//! with its path.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use tierlink_schemas::outside;

/// Most repeated names to report.
const TWICE_MAX: usize = 100;

/// 2^53. A 64-bit float holds every smaller whole number exactly.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// A byte order mark, which some editors write. RFC 8259 section 8.1 allows a reader to ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Limits of a JSON format, each with an error of its own in [`Refused`].
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// Largest message, in bytes.
    pub bytes_max: usize,
    /// Deepest nesting. `serde_json` itself stops at 128.
    pub depth_max: usize,
    /// Most values in one message, objects and arrays included.
    pub values_max: usize,
    /// How to read numbers.
    pub numbers: Numbers,
}

/// How to read numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As numbers; `7.0` becomes the whole number 7.
    Read,
    /// As the text that was sent, because in a laboratory result `7.10` is more precise than `7.1`.
    AsText,
}

/// JSON that was read.
#[derive(Debug)]
pub struct Read {
    /// The value. Of a name that occurs twice, the last one is in it.
    pub value: Value,
    /// Paths of the names that occur twice.
    pub twice: Vec<String>,
    /// Whether it began with a byte order mark.
    pub marked: bool,
}

/// Why bytes are refused. Names positions only, because the content may be a patient's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// More bytes than the format takes.
    TooLong,
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// Offset of the first byte that is not UTF-8, from 0.
        byte: usize,
    },
    /// Nested too deeply.
    TooDeep {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Too many values.
    TooManyValues {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The text is not JSON.
    Broken {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

/// Removes a byte order mark. Says whether there was one.
#[must_use]
pub fn unmarked(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    }
}

/// Reads JSON within these limits.
pub fn read(bytes: &[u8], limits: &JsonLimits) -> Result<Read, Refused> {
    if bytes.len() > limits.bytes_max {
        return Err(Refused::TooLong);
    }
    let (bytes, marked) = unmarked(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Refused::NotUtf8 { byte: error.valid_up_to() })?;
    let text = match limits.numbers {
        Numbers::Read => Cow::Borrowed(text),
        Numbers::AsText => Cow::Owned(numbers_as_text(text)),
    };
    let mut state =
        State { limits, path: String::new(), values: 0, twice: Vec::new(), exceeded: None };
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = Seed { state: &mut state, depth: 0 }.deserialize(&mut reader);
    let value = read.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match state.exceeded {
            Some(Exceeded::Values) => Refused::TooManyValues { line, column },
            Some(Exceeded::Depth) => Refused::TooDeep { line, column },
            None => Refused::Broken { line, column },
        }
    })?;
    Ok(Read { value, twice: state.twice, marked })
}

/// Writes every number as a JSON text, leaving texts untouched.
fn numbers_as_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len() + 64);
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_text(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(bytes, at);
                // The slice is valid: a number consists of ASCII characters only.
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

/// The offset behind the closing quotation mark of the text whose content starts at `at`.
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

/// The state of reading one message.
struct State<'l> {
    limits: &'l JsonLimits,
    /// Path of the value that is being read.
    path: String,
    /// Number of values so far.
    values: usize,
    twice: Vec<String>,
    exceeded: Option<Exceeded>,
}

/// The limit that ended reading.
#[derive(Clone, Copy)]
enum Exceeded {
    Values,
    Depth,
}

/// Reads one value at a known depth.
struct Seed<'a, 'l> {
    state: &'a mut State<'l>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.state.values += 1;
        if self.state.values > self.state.limits.values_max {
            self.state.exceeded = Some(Exceeded::Values);
            return Err(de::Error::custom("too many values"));
        }
        reader.deserialize_any(self)
    }
}

impl Seed<'_, '_> {
    /// The depth of the values inside, or an error beyond the limit.
    fn deeper<E: de::Error>(&mut self) -> Result<usize, E> {
        if self.depth >= self.state.limits.depth_max {
            self.state.exceeded = Some(Exceeded::Depth);
            return Err(E::custom("too deep"));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
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

    /// Reads `7.0` as the whole number 7, as JSON Schema does.
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
            self.state.path.push_str(outside::name(&name));
            let value = fields.next_value_seed(Seed { state: self.state, depth })?;
            if read.insert(name, value).is_some() && self.state.twice.len() < TWICE_MAX {
                self.state.twice.push(self.state.path.clone());
            }
            self.state.path.truncate(length);
        }
        Ok(Value::Object(read))
    }
}
