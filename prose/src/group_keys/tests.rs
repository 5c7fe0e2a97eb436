//! What the tests of the machine use.
mod api {
    pub(crate) use super::super::*;
}
mod ad_hoc;
mod attacks;
mod calls;
mod chaos;
mod disk;
mod fake;
mod life;
mod real;
mod rig;
mod rules;
mod sealing;
