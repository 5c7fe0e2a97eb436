//! What is wrong with a configuration: the operator's fault.

use sidelink_radio::text::TextError;
use std::fmt;

/// What is wrong, where, and what to do. Shown as these three, with semicolons between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    text: TextError,
    usage: bool,
}

impl ConfigError {
    /// `what` is wrong in `place`; `remedy` mends it. An empty part is left out.
    pub fn new(what: impl Into<String>, place: impl Into<String>, remedy: impl Into<String>) -> Self {
        TextError::new(what, place, remedy).into()
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
    pub fn within(self, place: &str) -> Self {
        Self { text: self.text.within(place), ..self }
    }
}

impl From<TextError> for ConfigError {
    fn from(text: TextError) -> Self {
        Self { text, usage: false }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl std::error::Error for ConfigError {}
