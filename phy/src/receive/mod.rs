//! The receiver: from samples with unknown timing, carrier offset and content to transport blocks.
//!
//! | module | content |
//! |---|---|
//! | [`estimate`] | channel, noise, delay and carrier offset of one allocation, from its reference signals |
//! | [`equalise`] | MMSE equaliser, despreading, soft bits |
//! | [`diversity`] | several antennas: quality of each, detection statistics |
//! | [`learn`] | pools that were not configured, and their evidence |
//! | [`presence`] | whether a channel is present at all |
//! | [`search`] | every SCI of a subframe |
//! | [`slss`] | synchronisation signals of a subframe with known timing |
//! | [`sync`] | search for synchronisation signals |
//! | [`condition`] | level, line at 0 Hz and direction of the spectrum, before anything else |
//! | [`acquire`] | begin of subframes without a synchronisation signal |
//! | [`carrier`] | offset of the grid in subcarriers |
//! | [`cancel`] | subtraction of what was decoded, and what it hid |
//! | [`receiver`] | one subframe of samples to its events |
//! | [`reference`] | every synchronisation reference in a range of samples, with its MIB |
//! | [`delay`] | delay of a known burst in samples |
//! | [`stream`] | a stream of samples to its subframes |

pub mod acquire;
pub mod cancel;
pub mod carrier;
pub mod condition;
pub mod delay;
pub mod diversity;
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
