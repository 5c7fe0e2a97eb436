//! Effects of a radio channel on samples: noise, fading, offsets, resampling.
//!
//! Every model is a value that carries its own state: `process` takes the next block of a stream, and the result does
//! not depend on the division into blocks. Randomness comes from a seed of the caller alone, and the same seed gives
//! the same samples on every platform with IEEE 754 arithmetic. Constructors allocate, `process` does not.
//!
//! | module | effect on a stream |
//! |---|---|
//! | [`awgn`] | adds white Gaussian noise |
//! | [`fading`] | sends it through the multipath channels EPA, EVA and ETU |
//! | [`offset`] | shifts it in frequency, time and speed; gain, phase and saturation |
//! | [`tone`] | adds a line: DC, a spur |
//! | [`imbalance`] | sets its I and Q branches apart in gain and phase |
//! | [`phase_noise`] | turns it by a random walk of the phase |
//! | [`impulse`] | adds short bursts of noise |
//! | [`loss`] | removes runs of samples |
//! | [`measure`] | none: measures its level, peaks, offset and faults |
//! | [`ceiling`] | none: detects whether it was limited |
//! | [`path`] | all of the above in order: the path of one transmitter to a receiver |
//! | [`addressed`] | the same for any range of samples by itself: for an air that many share |
//! | [`array`] | gives it to several receive antennas, whose fading may be correlated |
//! | [`spectrum`] | none: measures its power over frequency |
//! | [`resample`] | changes the sample rate; fast decimation for the search of synchronisation signals |
//! | [`rng`] | the seeded generator behind the random models |

pub mod addressed;
pub mod array;
pub mod awgn;
pub mod ceiling;
pub mod fading;
pub mod imbalance;
pub mod impulse;
pub mod loss;
pub mod measure;
pub mod offset;
pub mod path;
pub mod phase_noise;
pub mod resample;
pub mod rng;
pub mod spectrum;
pub mod tone;

#[cfg(test)]
mod testing;
