//! RADIUS over UDP. RFC 2865, from memory.

use std::sync::Arc;

use crate::runtime::{AaaCommand, Address};
use crate::status::Counters;
use crate::udp::{Datagram, Sink};

/// The port of authentication.
pub(crate) const PORT: u16 = 1812;

/// An AAA server that takes what comes.
pub(crate) struct Radius {
    pub(crate) aaa: Address<AaaCommand>,
    pub(crate) counters: Arc<Counters>,
}

impl Sink for Radius {
    const NAME: &'static str = "RADIUS";
    const OCTETS: usize = 4096;
    const WAITING: usize = 256;

    fn take(&self, datagram: Datagram) -> bool {
        self.aaa.send(AaaCommand::Datagram(datagram)).is_ok()
    }

    fn lost(&self) {
        self.counters.radius_dropped.add();
    }
}
