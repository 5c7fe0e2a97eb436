mod costs;
mod crashes;
mod floods;
mod life;
mod loss;
mod proposals;
mod revocation;
mod rig;
