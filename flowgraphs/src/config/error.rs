//! What is wrong with a configuration: the operator's fault.

use std::fmt;

/// What is wrong, where, and what to do. Shown as these three, with semicolons between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    what: String,
    place: String,
    remedy: String,
    usage: bool,
}

impl ConfigError {
    /// `what` is wrong in `place`; `remedy` mends it. An empty part is left out.
    pub fn new(what: impl Into<String>, place: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), place: place.into(), remedy: remedy.into(), usage: false }
    }

    /// The same for a command line that is wrong whatever the files hold.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(what, "", remedy) }
    }

    /// Whether the command line itself is wrong.
    pub fn is_usage(&self) -> bool {
        self.usage
    }

    /// The same, in a larger place: `place` goes in front of the place that is named.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.place = match self.place.as_str() {
            "" => place.to_owned(),
            inner => format!("{place} {inner}"),
        };
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.what, &self.place, &self.remedy];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
        f.write_str(&parts.join("; "))
    }
}

impl std::error::Error for ConfigError {}
