//! Channel coding of TS 36.212 §5.
