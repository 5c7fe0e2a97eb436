//! The receiver: from samples with unknown timing, carrier offset and content to transport blocks.
//!
//! | module | what it does |
//! |---|---|
//! | [`estimate`] | channel, noise, delay and carrier offset of one allocation, from its reference signals |
//! | [`equalise`] | MMSE equaliser, despreading, soft bits |
//! | [`sync`] | search for synchronisation signals |

pub mod equalise;
pub mod estimate;
pub mod sync;
