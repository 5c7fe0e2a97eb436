//! Takes typed values out of a JSON object; errors name the place.

use std::fmt;

use serde_json::Value;

use super::Object;
use crate::Plain;

/// The largest whole number of SigMF: 2^63 - 1.
const MAX_COUNT: u64 = i64::MAX as u64;

/// An invalid field of a metadata file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The key path, e.g. `captures[2].core:sample_start`.
    pub place: String,
    /// The problem there.
    pub problem: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Plain(&self.place), Plain(&self.problem))
    }
}

impl std::error::Error for FieldError {}

/// An object from which the known keys are taken one by one. A key with the value `null` counts as absent.
pub(super) struct Fields {
    place: String,
    object: Object,
    notes: Vec<FieldError>,
}

impl Fields {
    pub(super) fn new(place: String, value: Value) -> Result<Self, FieldError> {
        match value {
            Value::Object(object) => Ok(Self { place, object, notes: Vec::new() }),
            other => {
                let place = if place.is_empty() { "the file".to_owned() } else { place };
                Err(FieldError { place, problem: format!("expected an object, found {}", kind(&other)) })
            }
        }
    }

    /// Returns the keys that were not taken.
    pub(super) fn rest(self) -> Object {
        self.object
    }

    /// Returns the invalid fields that were skipped.
    pub(super) fn notes(&mut self) -> Vec<FieldError> {
        std::mem::take(&mut self.notes)
    }

    /// Takes a key that decoding does not need: an invalid value is noted and stays in the rest.
    pub(super) fn unless_wrong<T>(
        &mut self,
        key: &str,
        take: impl FnOnce(&mut Self, &str) -> Result<Option<T>, FieldError>,
    ) -> Option<T> {
        let value = self.object.get(key).cloned();
        match take(self, key) {
            Ok(taken) => taken,
            Err(error) => {
                self.notes.push(error);
                self.object.extend(value.map(|value| (key.to_owned(), value)));
                None
            }
        }
    }

    pub(super) fn error(&self, key: &str, problem: impl Into<String>) -> FieldError {
        let dot = if self.place.is_empty() { "" } else { "." };
        FieldError { place: format!("{}{dot}{key}", self.place), problem: problem.into() }
    }

    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.object.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, FieldError> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, FieldError> {
        self.typed(key, "true or false", |value| value.as_bool().ok_or(value))
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<f64>, FieldError> {
        self.typed(key, "a number", |value| value.as_f64().filter(|number| number.is_finite()).ok_or(value))
    }

    /// Takes a whole number; also one that is written as `1e6` or `48000.0`, as some programs do.
    pub(super) fn count(&mut self, key: &str) -> Result<Option<u64>, FieldError> {
        self.typed(key, "a whole number from 0 to 2^63 - 1", |value| count_of(&value).ok_or(value))
    }

    pub(super) fn required_count(&mut self, key: &str) -> Result<u64, FieldError> {
        self.count(key)?.ok_or_else(|| self.error(key, "is missing"))
    }

    pub(super) fn object(&mut self, key: &str) -> Result<Option<Object>, FieldError> {
        self.typed(key, "an object", |value| match value {
            Value::Object(object) => Ok(object),
            other => Err(other),
        })
    }

    /// Takes a list; absent counts as empty.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<Value>, FieldError> {
        let list = self.typed(key, "a list", |value| match value {
            Value::Array(list) => Ok(list),
            other => Err(other),
        });
        Ok(list?.unwrap_or_default())
    }

    fn typed<T>(
        &mut self,
        key: &str,
        expected: &str,
        convert: impl Fn(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, FieldError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => convert(value)
                .map(Some)
                .map_err(|value| self.error(key, format!("expected {expected}, found {}", kind(&value)))),
        }
    }
}

fn count_of(value: &Value) -> Option<u64> {
    let count = value.as_u64().or_else(|| {
        // Up to 2^53 a float is exact.
        value
            .as_f64()
            .filter(|n| n.fract() == 0.0 && (0.0..=9.007_199_254_740_992e15).contains(n))
            .map(|n| n as u64)
    })?;
    (count <= MAX_COUNT).then_some(count)
}

/// Returns a short description of a value for a message.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("{text:?}"),
        Value::String(_) => "a long string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
