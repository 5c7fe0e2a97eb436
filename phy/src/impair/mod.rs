//! What a radio channel does to samples.
