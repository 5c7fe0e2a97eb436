//! TOML with messages for people.

use super::ConfigError;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::path::Path;

/// No configuration is longer: a recording that was named by mistake is not read into memory.
const MAX_BYTES: u64 = 16 << 20;

/// The text of a file, or of standard input (`-`).
pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    let place = path.display().to_string();
    let remedy =
        "check the name; `sidelink generate --example` and `sidelink ue --example` print files to start from";
    let failed = |e: std::io::Error| ConfigError::new(format!("cannot read it: {e}"), place.clone(), remedy);
    let mut input: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    Read::by_ref(&mut input).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::new("larger than any configuration", place, "is it a recording?"));
    }
    String::from_utf8(bytes)
        .map_err(|_| ConfigError::new("not text", place, "it must be TOML; is it a recording?"))
}

/// Parse TOML; `name` is that of the file.
pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().and_then(|s| text.get(..s.start)).map(|before| before.matches('\n').count() + 1);
        let place = line.map_or_else(|| name.to_owned(), |line| format!("{name} line {line}"));
        let (what, remedy) = explain(e.message().trim());
        ConfigError::new(what, place, remedy)
    })
}

/// Parse a JSON value; `place` is where it stands.
pub(crate) fn parse_json<T: DeserializeOwned>(
    value: serde_json::Value,
    place: &str,
) -> Result<T, ConfigError> {
    serde_json::from_value(value).map_err(|e| {
        let (what, remedy) = explain(&e.to_string());
        ConfigError::new(what, place, remedy)
    })
}

/// What and what to do, from serde's message. Its words for a key that does not exist are "unknown field `x`, expected one
/// of `a`, `b`" (or "`a` or `b`", or "`a`").
fn explain(message: &str) -> (String, String) {
    let message = message.replace('\n', " ");
    let Some(rest) = ["unknown field ", "unknown variant "].iter().find_map(|p| message.strip_prefix(p))
    else {
        return (message, String::new());
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next() else { return (message, String::new()) };
    let known: Vec<&str> = quoted.collect();
    let what = if message.starts_with("unknown field") { "key" } else { "value" };
    let remedy = match nearest(unknown, &known) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => "leave it out".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    };
    (format!("unknown {what} {unknown:?}"), remedy)
}

/// The known name that is closest to `unknown`, if one is close: at most a third of its letters differ, rounded up.
pub(crate) fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let flat = |s: &str| s.to_lowercase().replace('_', "-");
    let unknown = flat(unknown);
    let best = known.iter().map(|k| (edit_distance(&unknown, &flat(k)), *k)).min_by_key(|(d, _)| *d)?;
    (best.0 <= best.1.chars().count().div_ceil(3)).then_some(best.1)
}

/// Levenshtein distance, row by row.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, d) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("prbb", "prb", 1)]
        {
            assert_eq!(edit_distance(a, b), d, "{a} {b}");
            assert_eq!(edit_distance(b, a), d, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let known = ["prb", "rate", "sync-offset", "communication"];
        assert_eq!(nearest("sync_offset", &known), Some("sync-offset"));
        assert_eq!(nearest("comunication", &known), Some("communication"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
