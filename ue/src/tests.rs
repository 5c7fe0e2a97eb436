//! Tests of the parts of a UE.

mod hostile;
mod stack;
