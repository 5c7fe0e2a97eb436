//! What the tests of the whole have in common: the command within a test, other makers' recordings and their ground truth.
#![allow(clippy::disallowed_methods)]

pub mod command;
pub mod ground_truth;
pub mod program;
pub mod project;
