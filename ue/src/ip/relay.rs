//! IP of a relay: one interface for all of its remote UEs.
//!
//! ```text
//! system -> interface -> whose address is it? -> queue of that remote UE -> its link
//! link   -> from an address of its own?       -> interface -> system
//!        -> DHCP, solicitation                -> the relay's server -> its link
//! ```

use super::config::IpConfig;
use super::event::{Dropped, IpEvent, IpStatus, RemoteStatus};
use super::interface::{Frame, Interface};
use super::pool::Space;
use super::queue::{Queue, Urgency};
use super::server::{Server, Terms};
use crate::application::{Application, Moment, Outgoing, Send};
use crate::error::BuildError;
use crate::event::Event;
use crate::links::LinkChange;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::ip::Header;
use sidelink_wire::ip::icmp::Reason;
use sidelink_wire::pdcp::SduType;

/// Packets of the interface that are handled in one subframe, at most.
const BURST: usize = 64;
/// Answers to senders of packets that are not delivered, in one second at most. RFC 1812 §4.3.2.8.
const ANSWERS: u32 = 20;
/// Answers of the relay's server that wait for one link, at most.
const REPLIES: usize = 4;

/// A remote UE whose link is up.
struct Peer {
    id: Layer2Id,
    queue: Queue,
    /// Answers of the server, which go first.
    replies: Vec<Vec<u8>>,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Octets for one remote UE.
    pub(super) each: usize,
    /// Octets for all.
    pub(super) total: usize,
    /// Octets of a packet.
    pub(super) mtu: u16,
}

/// IP of a relay.
pub(super) struct Relay {
    interface: Interface,
    server: Server,
    limits: Limits,
    peers: Vec<Peer>,
    /// The peer that is served first in the next subframe.
    turn: usize,
    /// The second that is running, and the answers in it.
    answers: (u64, u32),
    now: UtcTime,
    packets: [u64; 2],
    octets: [u64; 2],
    dropped: Dropped,
}

impl Relay {
    /// Opens the interface of a relay.
    ///
    /// # Errors
    /// A faulty configuration, missing privileges.
    pub(super) fn open(config: &IpConfig) -> Result<Self, BuildError> {
        let (own, mtu) = (config.network()?, config.checked_mtu()?);
        let space = Space { own, prefix: config.checked_prefix()?, hold: u64::from(config.hold) * 1000 };
        let terms = Terms { lease: config.lease, mtu, dns: config.dns };
        let limits = Limits { each: config.queue, total: config.queue_total, mtu };
        let interface = Interface::open(config.interface()?, Some(own), mtu)?;
        interface.send(Frame::Prefix(config.checked_prefix()?));
        Ok(Self::new(interface, Server::new(space, terms), limits))
    }

    pub(super) const fn new(interface: Interface, server: Server, limits: Limits) -> Self {
        Self {
            interface,
            server,
            limits,
            peers: Vec::new(),
            turn: 0,
            answers: (0, 0),
            now: UtcTime::from_millis(0),
            packets: [0; 2],
            octets: [0; 2],
            dropped: Dropped { queue: 0, system: 0, source: 0, too_big: 0, nobody: 0, malformed: 0 },
        }
    }

    fn change(&mut self, now: UtcTime, change: &LinkChange) {
        match change {
            LinkChange::Up { peer, identity, .. } => {
                self.server.link_up(now, *peer, identity);
                self.peers.retain(|known| known.id != *peer);
                self.peers.push(Peer { id: *peer, queue: Queue::default(), replies: Vec::new() });
            }
            LinkChange::Down { peer } => {
                self.server.link_down(now, *peer);
                self.peers.retain(|known| known.id != *peer);
            }
        }
    }

    /// Takes a packet of the system.
    fn of_system(&mut self, packet: Vec<u8>) {
        let Ok(header) = Header::parse(&packet) else {
            self.dropped.malformed += 1;
            return;
        };
        let owner = self.server.owner(header.to);
        let waiting: usize = self.peers.iter().map(|peer| peer.queue.octets()).sum();
        let Some(peer) = self.peers.iter_mut().find(|peer| Some(peer.id) == owner) else {
            self.dropped.nobody += 1;
            return self.tell_sender(Reason::NoSuchHost, &packet);
        };
        if packet.len() > usize::from(self.limits.mtu) {
            self.dropped.too_big += 1;
            return self.tell_sender(Reason::TooBig { mtu: self.limits.mtu }, &packet);
        }
        // What the others left of the total.
        let others = waiting - peer.queue.octets();
        let most = self.limits.each.min(self.limits.total.saturating_sub(others));
        self.dropped.queue += peer.queue.push(Urgency::of(header.dscp), packet, most);
    }

    fn tell_sender(&mut self, reason: Reason, packet: &[u8]) {
        let second = self.now.millis() / 1000;
        if self.answers.0 != second {
            self.answers = (second, 0);
        }
        if self.answers.1 < ANSWERS
            && let Some(answer) = reason.answer(packet)
        {
            self.answers.1 += 1;
            self.interface.send(Frame::Packet(answer));
        }
    }

    /// Takes a packet of a remote UE.
    fn of_air(&mut self, now: UtcTime, peer: Layer2Id, packet: &[u8]) {
        let Ok(header) = Header::parse(packet) else {
            self.dropped.malformed += 1;
            return;
        };
        if let Some(answer) = self.server.handle(now, peer, packet) {
            let known = self.peers.iter_mut().find(|known| known.id == peer);
            if let (Some(known), Some(answer)) = (known, answer)
                && known.replies.len() < REPLIES
            {
                known.replies.push(answer);
            }
        } else if !self.server.is_own(peer, &header) {
            self.dropped.source += 1;
        } else if self.interface.send(Frame::Packet(packet.to_vec())) {
            self.packets[1] += 1;
            self.octets[1] += packet.len() as u64;
        } else {
            self.dropped.system += 1;
        }
    }

    /// Hands packets to the links, each peer in its turn first.
    fn serve(&mut self, send: &mut Send<'_>) {
        let count = self.peers.len();
        let (packets, octets) = (&mut self.packets[0], &mut self.octets[0]);
        for index in 0..count {
            let peer = &mut self.peers[(self.turn + index) % count];
            let address = Address::Ue(peer.id);
            let mut hand = |lcid: Lcid, data: &[u8]| {
                let sent = send(Outgoing { address, lcid, sdu_type: SduType::Ip, data }).is_ok();
                *packets += u64::from(sent);
                *octets += if sent { data.len() as u64 } else { 0 };
                sent
            };
            while let Some(reply) = peer.replies.first() {
                if !hand(Lcid::LINK_URGENT, reply) {
                    break;
                }
                peer.replies.remove(0);
            }
            peer.queue.send(hand);
        }
        self.turn = (self.turn + 1) % count.max(1);
    }
}

impl Application for Relay {
    fn work(&mut self, now: Moment, send: &mut Send<'_>) {
        self.now = now.utc;
        self.server.on_time(now.utc);
        for _ in 0..BURST {
            let Some(packet) = self.interface.receive() else { break };
            self.of_system(packet);
        }
        self.serve(send);
    }

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        match event {
            Event::LinkChanged(change) => self.change(now.utc, change),
            Event::Link(direct_link::Event::Received(received)) if received.sdu_type == SduType::Ip => {
                self.of_air(now.utc, received.peer, &received.data);
            }
            _ => {}
        }
    }

    fn take_news(&mut self) -> Vec<IpEvent> {
        self.server.take_news()
    }

    fn ip_status(&self) -> Option<IpStatus> {
        let queued = |id| self.peers.iter().find(|peer| peer.id == id).map_or(0, |peer| peer.queue.octets());
        let remotes = self.server.remotes();
        let remotes = remotes.iter().map(|r| RemoteStatus { queued: queued(r.peer), ..r.into() });
        Some(IpStatus {
            remotes: remotes.collect(),
            free: Some(self.server.free(self.now)),
            address: Some(self.server.own()),
            packets: self.packets,
            octets: self.octets,
            dropped: self.dropped,
            ..IpStatus::default()
        })
    }
}

#[cfg(test)]
mod tests;
