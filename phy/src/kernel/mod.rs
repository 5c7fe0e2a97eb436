//! Vectorised inner loops and their scalar truth. The only unsafe code of the crate.
