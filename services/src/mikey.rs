//! MIKEY over UDP. TS 33.303 §6.2.3.3.2.3.1.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::runtime::{Address, PkmfCommand};
use crate::status::Counters;
use crate::udp::{self, Datagram, Sink};

/// Octets of a datagram, at most: a message with the longest names has less than a thousand. A longer one is passed over.
pub(crate) const MAX_OCTETS: usize = 2048;

/// Where messages to UEs go out.
pub(crate) struct Sender {
    pub(crate) socket: udp::Sender,
    /// The port of UEs.
    pub(crate) port: u16,
}

impl Sender {
    /// Sends to a UE.
    pub(crate) fn send(&self, to: IpAddr, octets: &[u8]) {
        self.socket.send(SocketAddr::new(to, self.port), octets);
    }
}

/// A PKMF that takes what comes.
pub(crate) struct Mikey {
    pub(crate) pkmf: Address<PkmfCommand>,
    pub(crate) counters: Arc<Counters>,
}

impl Sink for Mikey {
    const NAME: &'static str = "MIKEY";
    const OCTETS: usize = MAX_OCTETS;
    const WAITING: usize = 128;

    fn take(&self, datagram: Datagram) -> bool {
        self.pkmf.send(PkmfCommand::Datagram(datagram)).is_ok()
    }

    fn lost(&self) {
        self.counters.mikey_dropped.add();
    }
}
