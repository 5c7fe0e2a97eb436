//! A UE from inside.

mod hostile;
mod stack;
