//! The receiver: from samples with unknown timing, carrier offset and content to transport blocks.
//!
//! | module | what it does |
//! |---|---|
//! | [`estimate`] | channel, noise, delay and carrier offset of one allocation, from its reference signals |
//! | [`equalise`] | MMSE equaliser, despreading, soft bits |
//! | [`learn`] | pools that nobody told, and what they were learnt from |
//! | [`presence`] | whether a channel is there at all |
//! | [`search`] | every SCI of a subframe |
//! | [`slss`] | synchronisation signals of a subframe whose timing is known |
//! | [`sync`] | search for synchronisation signals |
//! | [`condition`] | level, line at 0 Hz and sense of the spectrum, before anything else |
//! | [`acquire`] | where subframes begin when there is no synchronisation signal |
//! | [`carrier`] | by how many subcarriers the grid is off |
//! | [`receiver`] | one subframe of samples to what was heard in it |
//! | [`reference`] | every synchronisation reference of a stretch of samples, with its MIB |
//! | [`delay`] | a known burst in samples: how late it is |
//! | [`stream`] | a stream of samples to its subframes |

pub mod acquire;
pub mod carrier;
pub mod condition;
pub mod delay;
pub mod equalise;
pub mod estimate;
pub mod learn;
pub mod presence;
pub mod receiver;
pub mod reference;
pub mod search;
pub mod slss;
pub mod stream;
pub mod sync;
mod tuning;
