//! TOML with messages for people.

use serde::de::DeserializeOwned;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Size limit of a configuration: a recording that was named by mistake is not read into memory.
const MAX_BYTES: u64 = 16 << 20;

/// An error in a text: what is wrong, where, and what to do. Displayed as these three parts with semicolons between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    what: String,
    place: String,
    remedy: String,
}

impl TextError {
    /// `what` is wrong in `place`; `remedy` tells what to do. An empty part is left out.
    pub fn new(what: impl Into<String>, place: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), place: place.into(), remedy: remedy.into() }
    }

    /// Returns the same error in a larger place: `place` is put in front of the place.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.place = match self.place.as_str() {
            "" => place.to_owned(),
            inner => format!("{place} {inner}"),
        };
        self
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.what, &self.place, &self.remedy];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
        f.write_str(&parts.join("; "))
    }
}

impl std::error::Error for TextError {}

/// Reads a file, or standard input (`-`), as text.
///
/// # Errors
/// It cannot be read, is larger than any configuration, or is not text.
pub fn read(path: &Path) -> Result<String, TextError> {
    let place = path.display().to_string();
    let remedy =
        "check the name; `sidelink generate --example` and `sidelink ue --example` print files to start from";
    let failed = |e: std::io::Error| TextError::new(format!("cannot read it: {e}"), place.clone(), remedy);
    // With room from the start: growing would leave copies in memory, and the text may hold keys.
    let mut bytes = Vec::new();
    let mut input: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => {
            let file = std::fs::File::open(path).map_err(failed)?;
            let length = file.metadata().map_or(0, |about| about.len());
            bytes.reserve_exact(length.min(MAX_BYTES) as usize + 64);
            Box::new(file)
        }
    };
    Read::by_ref(&mut input).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(TextError::new("larger than any configuration", place, "is it a recording?"));
    }
    String::from_utf8(bytes)
        .map_err(|_| TextError::new("not text", place, "it must be TOML; is it a recording?"))
}

/// Parses TOML; `name` is that of the file.
///
/// # Errors
/// The line, and the nearest key that exists.
pub fn parse_toml<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, TextError> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().and_then(|s| text.get(..s.start)).map(|before| before.matches('\n').count() + 1);
        let place = line.map_or_else(|| name.to_owned(), |line| format!("{name} line {line}"));
        let (what, remedy) = explain(e.message().trim());
        TextError::new(what, place, remedy)
    })
}

/// Splits serde's message into error and remedy. Its message for an unknown key is "unknown field `x`, expected one of
/// `a`, `b`" (or "`a` or `b`", or "`a`").
pub fn explain(message: &str) -> (String, String) {
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

/// Returns the known name that is closest to `unknown`, if one is close: at most a third of its letters differ, rounded
/// up.
pub fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let flat = |s: &str| s.to_lowercase().replace('_', "-");
    let unknown = flat(unknown);
    let best = known.iter().map(|k| (edit_distance(&unknown, &flat(k)), *k)).min_by_key(|(d, _)| *d)?;
    (best.0 <= best.1.chars().count().div_ceil(3)).then_some(best.1)
}

/// Computes the Levenshtein distance, row by row.
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
