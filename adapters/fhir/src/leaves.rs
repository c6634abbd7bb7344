//! Walking through every text of a tree.

use serde_json::Value;

/// Calls `found` with the pointer and the text of every leaf.
pub fn each_leaf(value: &Value, pointer: &mut String, found: &mut impl FnMut(&str, &str)) {
    let length = pointer.len();
    match value {
        Value::Null => {}
        Value::Bool(value) => found(pointer, if *value { "true" } else { "false" }),
        Value::Number(number) => found(pointer, &number.to_string()),
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => found(pointer, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                each_leaf(item, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                each_leaf(member, pointer, found);
                pointer.truncate(length);
            }
        }
    }
}
