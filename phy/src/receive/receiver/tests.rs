//! The receiver against two UEs at one place, several antennas, and signals of other systems.

mod antennas;
mod collisions;
mod damaged;
mod foreign;
mod late;
mod layers;
