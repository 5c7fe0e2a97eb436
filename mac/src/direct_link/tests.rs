mod attacks;
mod authentication;
mod chaos;
mod lifecycle;
mod rig;
