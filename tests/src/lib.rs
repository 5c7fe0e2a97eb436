//! What the tests of the whole have in common: reading other makers' recordings and their ground truth.
#![allow(clippy::disallowed_methods)]

pub mod ground_truth;
