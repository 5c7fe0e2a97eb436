//! TOML and JSON with messages for people.

use super::ConfigError;
use serde::de::DeserializeOwned;
use sidelink_radio::text;
use std::path::Path;

/// Reads a file, or standard input (`-`), as text.
pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    Ok(text::read(path)?)
}

/// Parses TOML; `name` is that of the file.
pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, ConfigError> {
    Ok(text::parse_toml(text, name)?)
}

/// Parses a JSON value; `place` is its place.
pub(crate) fn parse_json<T: DeserializeOwned>(
    value: serde_json::Value,
    place: &str,
) -> Result<T, ConfigError> {
    serde_json::from_value(value).map_err(|e| {
        let (what, remedy) = text::explain(&e.to_string());
        ConfigError::new(what, place, remedy)
    })
}
