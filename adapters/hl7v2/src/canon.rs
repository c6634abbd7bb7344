//! A canonical body while it is being read or written, addressed by path.
//!
//! Paths are those of the canonical JSON, such as `clinical.diagnoses.0.what.code`. Both
//! directions use the same paths, so a field that is read from a place is written to that place.
//!
//! Writing takes values out. What is left at the end has no place of its own in HL7 v2 and is sent
//! as an OBX of its own (`local.rs`), so that no field is forgotten.

use serde_json::{Map, Value};

use crate::limits::{PATH_CHARS_MAX, PATH_DEPTH_MAX};

/// A canonical body that is being read or written.
#[derive(Clone, Debug)]
pub(crate) struct Canon {
    root: Value,
}

/// A path does not fit what is there: a list would get holes, or a text would become a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misfit;

impl Canon {
    /// An empty body, to be filled by reading.
    pub(crate) fn new() -> Self {
        Self { root: Value::Object(Map::new()) }
    }

    /// A body to be written.
    pub(crate) fn of(root: Value) -> Self {
        Self { root }
    }

    pub(crate) fn into_value(self) -> Value {
        self.root
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.root, |at, key| match at {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            Value::Object(fields) => fields.get(key),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).and_then(Value::as_str)
    }

    /// Number of entries in the list at `path`; 0 if there is none.
    pub(crate) fn len(&self, path: &str) -> usize {
        self.get(path).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Sets a value. Adds one entry to a list if needed; missing objects and lists on the
    /// path are created.
    pub(crate) fn set(&mut self, path: &str, value: impl Into<Value>) -> Result<(), Misfit> {
        if path.len() > PATH_CHARS_MAX || path.split('.').count() > PATH_DEPTH_MAX {
            return Err(Misfit);
        }
        let mut at = &mut self.root;
        for key in path.split('.') {
            let index = key.parse::<usize>().ok();
            if at.is_null() {
                *at = match index {
                    Some(_) => Value::Array(Vec::new()),
                    None => Value::Object(Map::new()),
                };
            }
            at = match (at, index) {
                (Value::Array(items), Some(index)) => {
                    if index == items.len() {
                        items.push(Value::Null);
                    }
                    items.get_mut(index).ok_or(Misfit)?
                }
                (Value::Object(fields), None) if !key.is_empty() => {
                    fields.entry(key).or_insert(Value::Null)
                }
                _ => return Err(Misfit),
            };
        }
        if at.is_object() || at.is_array() {
            return Err(Misfit);
        }
        *at = value.into();
        Ok(())
    }

    /// Sets a value at a path that is written in this crate and therefore fits.
    pub(crate) fn put(&mut self, path: &str, value: impl Into<Value>) {
        let _ = self.set(path, value);
    }

    /// Sets a value, if there is one.
    pub(crate) fn put_some(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(path, value);
        }
    }

    fn take_value(&mut self, path: &str) -> Option<Value> {
        let (parent, key) = match path.rsplit_once('.') {
            Some((parent, key)) => (parent, key),
            None => ("", path),
        };
        let mut at = &mut self.root;
        for step in parent.split('.').filter(|step| !step.is_empty()) {
            at = match at {
                Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?)?,
                Value::Object(fields) => fields.get_mut(step)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
        }
        match at {
            // A list keeps its length, so that the numbers of what is left stay true.
            Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?).map(Value::take),
            Value::Object(fields) => fields.remove(key),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    /// Removes and returns a text.
    pub(crate) fn take(&mut self, path: &str) -> Option<String> {
        self.text(path)?;
        match self.take_value(path) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Removes and returns a boolean.
    pub(crate) fn take_bool(&mut self, path: &str) -> Option<bool> {
        self.get(path)?.as_bool()?;
        self.take_value(path)?.as_bool()
    }

    /// The remaining values, each with its path.
    pub(crate) fn leaves(&self) -> Vec<(String, &Value)> {
        let mut leaves = Vec::new();
        collect(&self.root, &mut String::new(), &mut leaves);
        leaves
    }
}

fn collect<'v>(value: &'v Value, path: &mut String, leaves: &mut Vec<(String, &'v Value)>) {
    let length = path.len();
    let mut inside = |key: &str, value: &'v Value, path: &mut String| {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
        collect(value, path, leaves);
        path.truncate(length);
    };
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                inside(key, value, path);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                inside(&index.to_string(), value, path);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            leaves.push((path.clone(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_put_is_found_and_taken_once() {
        let mut canon = Canon::new();

        canon.put("patient.name", "王五");
        canon.put("clinical.diagnoses.0.what.code", "I21");
        canon.put("clinical.diagnoses.0.main", true);
        canon.put("clinical.diagnoses.1.what.text", "高血压");

        assert_eq!(canon.len("clinical.diagnoses"), 2);
        assert_eq!(canon.take("patient.name").as_deref(), Some("王五"));
        assert_eq!(canon.take("patient.name"), None);
        assert_eq!(canon.take_bool("clinical.diagnoses.0.main"), Some(true));
        let left: Vec<String> = canon.leaves().into_iter().map(|(path, _)| path).collect();
        assert_eq!(left, ["clinical.diagnoses.0.what.code", "clinical.diagnoses.1.what.text"]);
    }

    #[test]
    fn a_path_that_does_not_fit_changes_nothing_that_was_there() {
        let mut canon = Canon::new();
        canon.put("a.0", "x");

        assert_eq!(canon.set("a.2", "y"), Err(Misfit));
        assert_eq!(canon.set("a.b", "y"), Err(Misfit));
        assert_eq!(canon.set("a", "y"), Err(Misfit));
        assert_eq!(canon.set("a.0.b", "y"), Err(Misfit));
        assert_eq!(canon.set("", "y"), Err(Misfit));
        assert_eq!(canon.set("b..c", "y"), Err(Misfit));
        assert_eq!(canon.set(&"a.".repeat(40), "y"), Err(Misfit));
        assert_eq!(canon.get("a"), Some(&json!(["x"])));
    }
}
