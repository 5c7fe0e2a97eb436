//! Logical channels towards the peers of links. The sender of a link request chooses the layer-2 ID that is answered:
//! therefore peers without a link are few, take little memory and are removed again.

use sidelink_mac::engine::{Bearer, Engine};
use sidelink_mac::mux::Address;
use sidelink_wire::ids::{Layer2Id, Lcid};

/// Channels of user data, with their ProSe per-packet priorities: after signalling.
// TS 24.334 §10.4.7.1 (1)
const DATA: [(Lcid, u8); 3] = [(Lcid::LINK_URGENT, 2), (Lcid::LINK_DATA, 4), (Lcid::LINK_BULK, 6)];

/// Octets and SDUs of user data that may be queued to one peer on one channel: what some grants carry. More waits above,
/// where it can still be overtaken and dropped.
const DATA_QUEUE: (usize, usize) = (16 * 1024, 256);

/// Channels of PC5 signalling.
const SIGNALLING: [Lcid; 3] = [Lcid::PC5_S_UNPROTECTED, Lcid::PC5_S_SECURITY_MODE, Lcid::PC5_S_PROTECTED];

/// Peers without a link that have channels at the same time: as many as links can be half open.
pub(super) const STRANGERS: usize = 128;

/// Subframes for which an unused channel stays without a link. One attempt of a set-up is shorter.
const UNUSED: u64 = 2000;

/// Octets and SDUs of signalling that may be queued to one peer on one channel: a certificate has less than 1000
/// octets.
const SIGNALLING_QUEUE: (usize, usize) = (4096, 16);

/// The peers that have channels.
#[derive(Default)]
pub(super) struct LinkBearers {
    peers: Vec<Peer>,
}

struct Peer {
    id: Layer2Id,
    last_used: u64,
    /// Its channels besides those of signalling.
    others: Vec<Lcid>,
}

impl LinkBearers {
    /// Makes sure that `peer` has the channel `lcid` in subframe `t`. When [`STRANGERS`] other peers without a link
    /// have channels, the one of them that was unused for longest loses its channels and their queues. `has_link` says
    /// whether a peer has a link.
    // TS 24.334 §10.4.1A (1)
    pub(super) fn open(
        &mut self,
        engine: &mut Engine,
        (peer, lcid): (Layer2Id, Lcid),
        t: u64,
        has_link: impl Fn(Layer2Id) -> bool,
    ) {
        let address = Address::Ue(peer);
        let index = match self.peers.iter().position(|known| known.id == peer) {
            Some(index) => index,
            None => {
                self.make_room(engine, has_link);
                for lcid in SIGNALLING {
                    let (queue_octets, queue_sdus) = SIGNALLING_QUEUE;
                    let bearer =
                        // TS 24.334 §10.4.7.1 (2)
                        Bearer { priority: 1, queue_octets, queue_sdus, ..Bearer::new(address, lcid) };
                    // A channel of this address that exists stays as it is.
                    let _ = engine.add_bearer(bearer);
                }
                self.peers.push(Peer { id: peer, last_used: t, others: Vec::new() });
                self.peers.len() - 1
            }
        };
        let known = &mut self.peers[index];
        known.last_used = t;
        if !SIGNALLING.contains(&lcid) && !known.others.contains(&lcid) {
            known.others.push(lcid);
            let _ = engine.add_bearer(bearer(address, lcid));
        }
    }

    /// Closes the channels of peers without a link that were not used for [`UNUSED`] subframes.
    pub(super) fn close_unused(&mut self, engine: &mut Engine, t: u64, has_link: impl Fn(Layer2Id) -> bool) {
        self.peers.retain(|peer| {
            let keep = has_link(peer.id) || t < peer.last_used + UNUSED;
            if !keep {
                close(engine, peer);
            }
            keep
        });
    }

    fn make_room(&mut self, engine: &mut Engine, has_link: impl Fn(Layer2Id) -> bool) {
        let strangers = || self.peers.iter().enumerate().filter(|(_, peer)| !has_link(peer.id));
        if strangers().count() < STRANGERS {
            return;
        }
        if let Some((oldest, _)) = strangers().min_by_key(|(_, peer)| peer.last_used) {
            close(engine, &self.peers.remove(oldest));
        }
    }
}

/// Returns the channel of user data, or of what a UE-to-UE relay carries and says.
fn bearer(address: Address, lcid: Lcid) -> Bearer {
    let carried = lcid.carried().unwrap_or(lcid);
    match DATA.iter().find(|(channel, _)| *channel == carried) {
        Some((_, priority)) => {
            let (queue_octets, queue_sdus) = DATA_QUEUE;
            Bearer { address, lcid, priority: *priority, queue_octets, queue_sdus }
        }
        // What a relay says goes behind the message with which its link comes up, and before what it carries.
        None if lcid == Lcid::RELAY_CONTROL => Bearer { priority: 2, ..Bearer::new(address, lcid) },
        None => Bearer { priority: 3, ..Bearer::new(address, lcid) },
    }
}

fn close(engine: &mut Engine, peer: &Peer) {
    for lcid in SIGNALLING.iter().chain(&peer.others) {
        // A channel that could not be added is not there.
        let _ = engine.remove_bearer(Address::Ue(peer.id), *lcid);
    }
}
