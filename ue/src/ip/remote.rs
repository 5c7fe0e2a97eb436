//! IP of a remote UE: an interface whose addresses and routes the relay gives.

use super::client::{Client, Taken, Wanted};
use super::config::{IpConfig, Version};
use super::event::{Dropped, IpEvent, IpStatus};
use super::interface::{Frame, Interface};
use super::queue::{Queue, Urgency};
use crate::application::{Application, Moment, Outgoing, Send};
use crate::error::BuildError;
use crate::event::Event;
use crate::links::LinkChange;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Allocation};
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::ip::icmp::Reason;
use sidelink_wire::ip::{Header, ndisc};
use sidelink_wire::pdcp::SduType;
use std::net::IpAddr;

/// Packets of the interface that are handled in one subframe, at most.
const BURST: usize = 64;

/// The relay of a remote UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayOf {
    /// This one.
    Peer(Layer2Id),
    /// The first with which a link comes up, until that ends.
    Any,
}

/// IP of a remote UE.
pub(super) struct Remote {
    interface: Interface,
    relay: RelayOf,
    client: Client,
    version: Version,
    limit: usize,
    mtu: u16,
    /// The relay with which there is a link.
    up: Option<Layer2Id>,
    queue: Queue,
    /// A packet of the client that layer 2 did not take yet.
    own: Option<Vec<u8>>,
    packets: [u64; 2],
    octets: [u64; 2],
    dropped: Dropped,
}

impl Remote {
    /// Opens the interface of a remote UE, without an address.
    ///
    /// # Errors
    /// A faulty configuration, missing privileges.
    pub(super) fn open(config: &IpConfig, relay: RelayOf, own: Layer2Id) -> Result<Self, BuildError> {
        let mtu = config.checked_mtu()?;
        let interface = Interface::open(config.interface()?, None, mtu)?;
        interface.send(Frame::Routes(config.route, config.metric));
        Ok(Self::new(interface, relay, own, config))
    }

    pub(super) fn new(interface: Interface, relay: RelayOf, own: Layer2Id, config: &IpConfig) -> Self {
        Self {
            interface,
            relay,
            client: Client::new(own.octets()),
            version: config.version,
            limit: config.queue,
            mtu: config.mtu,
            up: None,
            queue: Queue::default(),
            own: None,
            packets: [0; 2],
            octets: [0; 2],
            dropped: Dropped::default(),
        }
    }

    /// Returns what to ask a relay for that gives this.
    // TS 24.334 §10.4.6.2 (1)
    fn wanted(&self, given: Option<Allocation>) -> Wanted {
        let chosen = match self.version {
            Version::Ipv4 => Wanted { v4: true, v6: false },
            Version::Ipv6 => Wanted { v4: false, v6: true },
            Version::Both => Wanted { v4: true, v6: true },
        };
        match given {
            Some(Allocation::Dhcpv4Server) => Wanted { v4: true, v6: false },
            Some(Allocation::Ipv6Router) => Wanted { v4: false, v6: true },
            Some(Allocation::Both) | None => chosen,
            Some(Allocation::NotSupported) => Wanted { v4: false, v6: false },
        }
    }

    fn change(&mut self, now: UtcTime, change: &LinkChange) {
        match change {
            LinkChange::Up { peer, allocation, .. } => {
                let is_relay = self.relay == RelayOf::Peer(*peer) || self.relay == RelayOf::Any;
                if is_relay && self.up.is_none_or(|up| up == *peer) {
                    self.up = Some(*peer);
                    self.client.link_up(now, self.wanted(*allocation));
                    self.interface.send(Frame::Up);
                }
            }
            LinkChange::Down { peer } if self.up == Some(*peer) => {
                (self.up, self.own, self.queue) = (None, None, Queue::default());
                self.interface.send(Frame::Down);
                if let Some(over) = self.client.link_down() {
                    self.interface.send(Frame::Packet(over));
                }
            }
            LinkChange::Down { .. } => {}
        }
    }

    /// Takes a packet of the system.
    fn of_system(&mut self, packet: Vec<u8>) {
        let Ok(header) = Header::parse(&packet) else {
            self.dropped.malformed += 1;
            return;
        };
        // The relay's client of DHCP and its router are here; other packets to many have no place on the link.
        let is_own = match header.from {
            IpAddr::V4(from) => self.client.address() == Some(from),
            IpAddr::V6(from) => self.client.prefix() == Some(ndisc::prefix_of(from)),
        };
        if !is_own || self.up.is_none() {
            self.dropped.source += 1;
        } else if packet.len() > usize::from(self.mtu) {
            self.dropped.too_big += 1;
            if let Some(answer) = (Reason::TooBig { mtu: self.mtu }).answer(&packet) {
                self.interface.send(Frame::Packet(answer));
            }
        } else {
            self.dropped.queue += self.queue.push(Urgency::of(header.dscp), packet, self.limit);
        }
    }

    fn of_air(&mut self, now: UtcTime, packet: &[u8]) {
        if Header::parse(packet).is_err() {
            self.dropped.malformed += 1;
            return;
        }
        if self.client.handle(now, packet) == Taken::Yes {
            return;
        }
        if self.interface.send(Frame::Packet(packet.to_vec())) {
            self.packets[1] += 1;
            self.octets[1] += packet.len() as u64;
        } else {
            self.dropped.system += 1;
        }
    }

    fn serve(&mut self, now: UtcTime, send: &mut Send<'_>) {
        let Some(peer) = self.up else { return };
        let address = Address::Ue(peer);
        let (packets, octets) = (&mut self.packets[0], &mut self.octets[0]);
        let mut hand = |lcid: Lcid, data: &[u8]| {
            let sent = send(Outgoing { address, lcid, sdu_type: SduType::Ip, data }).is_ok();
            *packets += u64::from(sent);
            *octets += if sent { data.len() as u64 } else { 0 };
            sent
        };
        while let Some(packet) = self.own.take().or_else(|| self.client.poll(now)) {
            if !hand(Lcid::LINK_URGENT, &packet) {
                self.own = Some(packet);
                break;
            }
        }
        self.queue.send(hand);
    }
}

impl Application for Remote {
    fn work(&mut self, now: Moment, send: &mut Send<'_>) {
        for _ in 0..BURST {
            let Some(packet) = self.interface.receive() else { break };
            self.of_system(packet);
        }
        self.serve(now.utc, send);
    }

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        match event {
            Event::LinkChanged(change) => self.change(now.utc, change),
            Event::Link(direct_link::Event::Received(received))
                if received.sdu_type == SduType::Ip && Some(received.peer) == self.up =>
            {
                self.of_air(now.utc, &received.data);
            }
            _ => {}
        }
    }

    fn take_news(&mut self) -> Vec<IpEvent> {
        let news = self.client.take_news();
        for event in &news {
            match event {
                IpEvent::Configured(lease) => {
                    self.mtu = lease.mtu.map_or(self.mtu, |mtu| mtu.min(self.mtu));
                    self.interface.send(Frame::Address(*lease, self.mtu));
                }
                IpEvent::Advertised { mtu, .. } => {
                    self.mtu = self.mtu.min(*mtu);
                    self.interface.send(Frame::Mtu(self.mtu));
                }
                IpEvent::Lost(address) => {
                    self.interface.send(Frame::NoAddress(*address));
                }
                _ => {}
            }
        }
        news
    }

    fn ip_status(&self) -> Option<IpStatus> {
        Some(IpStatus {
            address: self.client.address(),
            prefix: self.client.prefix().map(|prefix| ndisc::address(prefix, [0; 8])),
            packets: self.packets,
            octets: self.octets,
            dropped: self.dropped,
            ..IpStatus::default()
        })
    }
}

#[cfg(test)]
mod tests;
