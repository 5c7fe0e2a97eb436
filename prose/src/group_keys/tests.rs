//! What the tests of the machine use.
mod api {
    pub(crate) use super::super::*;
}
mod attacks;
mod chaos;
mod fake;
mod life;
mod real;
mod rig;
mod rules;
