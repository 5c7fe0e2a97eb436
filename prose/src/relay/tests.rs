//! Remote UEs and relays against each other, and every order of events between them.

mod explore;
mod remote;
mod world;
