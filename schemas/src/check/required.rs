//! Checks fields that the profile of one organisation requires in addition.

use serde_json::Value;

use super::found::{C002_REQUIRED_HERE, Checked, Rules};
use crate::kind::Kind;
use crate::schema;

pub(super) fn check(kind: Kind, message: &Value, with: &Rules<'_>, found: &mut Checked) {
    for path in with.required {
        // Paths that the kind does not have are ignored: an acceptance has no patient.
        if schema::knows(kind, path) && !is_filled(Some(message), path) {
            let fix = "This organisation must fill this field (`required` in its profile).";
            found.refuse(C002_REQUIRED_HERE, path, fix);
        }
    }
}

/// Whether `path` leads to a value. A list without an index means each of its entries.
fn is_filled(value: Option<&Value>, path: &str) -> bool {
    let Some(value) = value else { return false };
    if path.is_empty() {
        return holds_something(value);
    }
    if let Value::Array(items) = value {
        return match index(path) {
            Some((at, rest)) => is_filled(items.get(at), rest),
            None => !items.is_empty() && items.iter().all(|item| is_filled(Some(item), path)),
        };
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let rest = path[end..].strip_prefix('.').unwrap_or(&path[end..]);
    is_filled(value.get(&path[..end]), rest)
}

/// `[3].title` as 3 and `title`.
fn index(path: &str) -> Option<(usize, &str)> {
    let (at, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((at.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

fn holds_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_followed_through_lists() {
        let message = json!({ "body": {
            "phone": " ", "plan": {}, "papers": [{ "title": "a" }, { "title": "" }], "none": [],
            "days": 0,
        }});
        let filled = |path| is_filled(Some(&message), path);

        assert!(filled("body.days"));
        assert!(filled("body.papers"));
        assert!(filled("body.papers[0].title"));
        assert!(!filled("body.papers[1].title"));
        assert!(!filled("body.papers[7].title"));
        assert!(!filled("body.papers.title"));
        assert!(!filled("body.phone"));
        assert!(!filled("body.plan"));
        assert!(!filled("body.none.title"));
        assert!(!filled("body.missing.deeper"));
        assert!(!filled("body.days.deeper"));
    }
}
