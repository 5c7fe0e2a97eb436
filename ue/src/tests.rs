//! A UE from inside.

mod hostile;
