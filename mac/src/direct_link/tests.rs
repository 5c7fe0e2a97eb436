mod attacks;
mod authentication;
mod chaos;
mod lifecycle;
mod nr;
mod rig;
