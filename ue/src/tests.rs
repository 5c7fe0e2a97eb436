//! Tests of the parts of a UE.

mod group_jobs;
mod group_keys;
mod group_links;
mod hostile;
mod stack;
