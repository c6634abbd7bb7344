//! Reads JSON strictly, with the limits and error texts of this format.

use tierlink_codec::strict_json::{self, JsonLimits, Numbers, Refused};
use tierlink_schemas::Problem;

use crate::codes::D090_NOT_JSON;

pub(crate) use strict_json::{Read, unmarked};

/// Largest message, in bytes. A few inline attachments fit; more should be sent by reference.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Deepest nesting. Messages need eight levels.
pub const DEPTH_MAX: usize = 32;

/// Most values in one message. The largest discharge has about ten thousand.
pub const VALUES_MAX: usize = 200_000;

/// The field of a problem that concerns the whole message.
pub(crate) const WHOLE: &str = "(message)";

const LIMITS: JsonLimits = JsonLimits {
    bytes_max: MESSAGE_BYTES_MAX,
    depth_max: DEPTH_MAX,
    values_max: VALUES_MAX,
    numbers: Numbers::Read,
};

/// Reads JSON. A problem gives the place by line and column, never by content.
pub(crate) fn read(bytes: &[u8]) -> Result<Read, Problem> {
    strict_json::read(bytes, &LIMITS).map_err(|refused| {
        let text = match refused {
            Refused::TooLong => format!(
                "The message is larger than {} MiB; send attachments by reference.",
                MESSAGE_BYTES_MAX / (1024 * 1024)
            ),
            Refused::NotUtf8 { byte } => format!(
                "The message is not UTF-8 (byte {byte}); write JSON as UTF-8, not GBK."
            ),
            Refused::TooDeep { line, column } => format!(
                "The message is nested too deeply; follow the schema (line {line}, column {column})."
            ),
            Refused::TooManyValues { line, column } => format!(
                "The message holds too many values; send less at once (line {line}, column {column})."
            ),
            Refused::Broken { line, column } => format!(
                "This is not valid JSON (line {line}, column {column}); correct it there."
            ),
        };
        Problem::new(D090_NOT_JSON, WHOLE, text)
    })
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
        // `汪` in GBK.
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
