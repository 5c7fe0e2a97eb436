//! Tests of the parts of a UE.

mod group_keys;
mod hostile;
mod stack;
