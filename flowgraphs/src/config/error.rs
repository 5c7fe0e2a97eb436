//! Errors of a configuration: the operator's fault.

use sidelink_radio::text::TextError;
use std::fmt;

/// An error with its place and a remedy. It is displayed as these three parts, with semicolons between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    text: TextError,
    usage: bool,
}

impl ConfigError {
    /// Makes the error that `what` is wrong in `place`; `remedy` says what to do. An empty part is left out.
    pub fn new(what: impl Into<String>, place: impl Into<String>, remedy: impl Into<String>) -> Self {
        TextError::new(what, place, remedy).into()
    }

    /// Makes the error of a command line that is wrong with any files.
    pub fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(what, "", remedy) }
    }

    /// Whether the command line itself is wrong.
    pub fn is_usage(&self) -> bool {
        self.usage
    }

    /// Returns the same error in a larger place: `place` is put in front of the place.
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

impl From<sidelink_store::Error> for ConfigError {
    fn from(error: sidelink_store::Error) -> Self {
        let place = error.place();
        match &error {
            sidelink_store::Error::Toml { message, .. } => {
                let (what, remedy) = sidelink_radio::text::explain(message);
                Self::new(what, place, remedy)
            }
            _ => Self::new(
                error.what_dated(&|seconds| crate::readable::seconds_and_date(seconds.into())),
                place,
                error.remedy(),
            ),
        }
    }
}

impl From<sidelink_ue::BuildError> for ConfigError {
    fn from(error: sidelink_ue::BuildError) -> Self {
        match error {
            // the store's errors are formatted separately: dates, the nearest key
            sidelink_ue::BuildError::Store(error) => error.into(),
            _ => Self::new(error.what(), error.place(), error.remedy()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl std::error::Error for ConfigError {}
