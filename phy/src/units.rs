//! Quantities with their units, so that a bare number is never mistaken for another.
