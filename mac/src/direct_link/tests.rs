mod attacks;
mod lifecycle;
mod rig;
