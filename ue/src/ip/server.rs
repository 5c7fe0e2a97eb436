//! A relay's end of IP address configuration: a DHCPv4 server and an IPv6 router for its remote UEs. As TS 24.334 §10.4.6.
//!
//! ```text
//! link up      -> a place in the pool, if one is free
//! DISCOVER     -> OFFER;  REQUEST -> ACK, or NAK where the address is not of this place
//! solicitation -> advertisement of the prefix of this place
//! link down, RELEASE, or the end of the lease -> the place is left, and waits
//! ```
//!
//! Whom a message is from its link tells: neither hardware addresses nor identifiers of clients are looked at.

use super::event::{IpEvent, Remote};
use super::pool::{Exhausted, Place, Pool, Space};
use sidelink_prose::direct_link::Identity;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::ip::dhcp::{self, Kind};
use sidelink_wire::ip::ndisc::{self, Advertisement};
use sidelink_wire::ip::{Datagram, Header};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Link-local address of the relay.
pub(super) const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// All hosts of a link.
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// What a server tells its clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Seconds for which an address is given.
    pub(super) lease: u32,
    /// Octets that a link carries.
    pub(super) mtu: u16,
    /// A name server.
    pub(super) dns: Option<Ipv4Addr>,
}

/// A remote UE whose link is up.
struct Client {
    peer: Layer2Id,
    who: Identity,
    since: UtcTime,
    place: Option<Place>,
    /// Until when the IPv4 address is its own, once it has requested it.
    bound: Option<UtcTime>,
    /// Whether the prefix was advertised to it.
    is_advertised: bool,
    /// Whether the operator was told that there is no place for it.
    is_told: bool,
}

impl Client {
    fn address(&self) -> Option<Ipv4Addr> {
        self.bound.and(self.place).map(|place| place.address)
    }

    fn prefix(&self) -> Option<[u8; ndisc::PREFIX]> {
        self.place.filter(|_| self.is_advertised)?.prefix
    }

    fn remote(&self) -> Remote {
        Remote {
            peer: self.peer,
            identity: self.who.clone(),
            address: self.address(),
            prefix: self.prefix(),
            since: self.since,
        }
    }
}

/// The server of a relay.
pub(super) struct Server {
    pool: Pool,
    terms: Terms,
    clients: Vec<Client>,
    news: Vec<IpEvent>,
}

impl Server {
    pub(super) const fn new(space: Space, terms: Terms) -> Self {
        Self { pool: Pool::new(space), terms, clients: Vec::new(), news: Vec::new() }
    }

    /// Returns the relay's own address.
    pub(super) const fn own(&self) -> Ipv4Addr {
        self.pool.space().own.0
    }

    /// Takes what there is to tell.
    pub(super) fn take_news(&mut self) -> Vec<IpEvent> {
        std::mem::take(&mut self.news)
    }

    /// Returns the remote UEs whose links are up.
    pub(super) fn remotes(&self) -> Vec<Remote> {
        self.clients.iter().map(Client::remote).collect()
    }

    /// Returns the number of addresses that are free.
    pub(super) fn free(&self, now: UtcTime) -> u32 {
        self.pool.free(now)
    }

    /// A remote UE has proven who it is. It gets its place once it asks for an address.
    pub(super) fn link_up(&mut self, now: UtcTime, peer: Layer2Id, who: &Identity) {
        // One that comes under another layer-2 ID has left the one before.
        let before: Vec<_> =
            self.clients.iter().filter(|c| c.peer == peer || c.who == *who).map(|c| c.peer).collect();
        for peer in before {
            self.link_down(now, peer);
        }
        let who = who.clone();
        self.clients.push(Client {
            peer,
            who,
            since: now,
            place: None,
            bound: None,
            is_advertised: false,
            is_told: false,
        });
    }

    /// The link with a remote UE has ended: its place is left.
    pub(super) fn link_down(&mut self, now: UtcTime, peer: Layer2Id) {
        let Some(index) = self.clients.iter().position(|client| client.peer == peer) else { return };
        let mut client = self.clients.remove(index);
        self.leave(now, &mut client);
    }

    /// Takes back the addresses whose leases are over.
    // TS 24.334 §10.4.6.3 (2)
    pub(super) fn on_time(&mut self, now: UtcTime) {
        for index in 0..self.clients.len() {
            let is_over = self.clients[index].bound.is_some_and(|until| until <= now);
            if is_over && self.clients[index].is_advertised {
                // The prefix keeps its place.
                self.clients[index].bound = None;
            } else if is_over {
                let mut client = self.clients.swap_remove(index);
                self.leave(now, &mut client);
                self.clients.push(client);
                return;
            }
        }
    }

    /// Leaves the place of a client, and tells of what it had.
    fn leave(&mut self, now: UtcTime, client: &mut Client) {
        let had = client.remote();
        if had.address.is_some() || had.prefix.is_some() {
            self.news.push(IpEvent::Disconnected(had));
        }
        self.pool.leave(now, &client.who);
        (client.place, client.bound, client.is_advertised) = (None, None, false);
    }

    /// Returns who has an address.
    pub(super) fn owner(&self, to: IpAddr) -> Option<Layer2Id> {
        let owner = self.clients.iter().find(|client| match to {
            IpAddr::V4(to) => client.address() == Some(to),
            IpAddr::V6(to) => client.prefix() == Some(ndisc::prefix_of(to)),
        });
        owner.map(|client| client.peer)
    }

    /// Takes a packet of a remote UE that is for the relay's functions. Returns the answer, if the packet was one; the inner
    /// `None` where there is none to give.
    pub(super) fn handle(&mut self, now: UtcTime, peer: Layer2Id, packet: &[u8]) -> Option<Option<Vec<u8>>> {
        if let Some(datagram) = Datagram::parse(packet).filter(|d| d.to.1 == dhcp::SERVER) {
            return Some(self.dhcp(now, peer, &datagram));
        }
        match ndisc::Message::parse(packet)? {
            (from, ndisc::Message::Solicitation) => Some(self.advertise(now, peer, from)),
            // A remote UE is no router.
            (_, ndisc::Message::Advertisement(_)) => Some(None),
        }
    }

    /// Whether a remote UE may send from an address.
    pub(super) fn is_own(&self, peer: Layer2Id, header: &Header) -> bool {
        self.owner(header.from) == Some(peer)
    }

    // TS 24.334 §10.4.6.3 (1)
    fn dhcp(&mut self, now: UtcTime, peer: Layer2Id, datagram: &Datagram<'_>) -> Option<Vec<u8>> {
        let message = dhcp::Message::parse(datagram.payload)?;
        let own = self.pool.space().own.0;
        if message.server.is_some_and(|server| server != own) {
            return None;
        }
        let had = (message.client != Ipv4Addr::UNSPECIFIED).then_some(message.client);
        match message.kind {
            Kind::Discover => {
                let place = self.place(now, peer, message.requested)?;
                Some(self.answer(&message, Kind::Offer, place.address))
            }
            Kind::Request => {
                let wanted = message.requested.or(had);
                let place = self.place(now, peer, wanted);
                match place.filter(|place| wanted == Some(place.address)) {
                    Some(place) => {
                        self.bind(now, peer);
                        Some(self.answer(&message, Kind::Ack, place.address))
                    }
                    None => Some(self.answer(&message, Kind::Nak, Ipv4Addr::UNSPECIFIED)),
                }
            }
            Kind::Release => {
                let index = self.clients.iter().position(|c| c.peer == peer && c.address() == had)?;
                let mut client = self.clients.swap_remove(index);
                self.leave(now, &mut client);
                self.clients.push(client);
                None
            }
            // Nobody else is on the link who could have the address already.
            Kind::Decline | Kind::Inform | Kind::Offer | Kind::Ack | Kind::Nak => None,
        }
    }

    /// Returns the place of a remote UE; the operator is told once if there is none.
    fn place(&mut self, now: UtcTime, peer: Layer2Id, wish: Option<Ipv4Addr>) -> Option<Place> {
        let client = self.clients.iter_mut().find(|client| client.peer == peer)?;
        match self.pool.take(now, &client.who, wish) {
            Ok(place) => {
                client.place = Some(place);
                Some(place)
            }
            Err(Exhausted) => {
                if !std::mem::replace(&mut client.is_told, true) {
                    self.news.push(IpEvent::Exhausted { peer, identity: client.who.clone() });
                }
                None
            }
        }
    }

    fn bind(&mut self, now: UtcTime, peer: Layer2Id) {
        let Some(client) = self.clients.iter_mut().find(|client| client.peer == peer) else { return };
        let until = now.plus_millis(u64::from(self.terms.lease) * 1000);
        if client.bound.replace(until).is_none() {
            self.news.push(IpEvent::Connected(client.remote()));
        }
    }

    /// Returns a message to the client, from the server's address.
    fn answer(&self, asked: &dhcp::Message, kind: Kind, address: Ipv4Addr) -> Vec<u8> {
        let (own, bits) = self.pool.space().own;
        let mut message = dhcp::Message::new(kind, asked.transaction, asked.hardware);
        message.server = Some(own);
        if kind != Kind::Nak {
            message.your = address;
            message.lease = Some(self.terms.lease);
            (message.prefix, message.router) = (Some(bits), Some(own));
            (message.dns, message.mtu) = (self.terms.dns, Some(self.terms.mtu));
        }
        // RFC 2131 §4.1: to all, where the client has no address that it could be reached at.
        let is_reachable = kind != Kind::Nak && asked.client == address;
        let to = if is_reachable { address } else { Ipv4Addr::BROADCAST };
        let payload = message.emit();
        let datagram = Datagram { from: (own, dhcp::SERVER), to: (to, dhcp::CLIENT), payload: &payload };
        datagram.emit().unwrap_or_default()
    }

    // TS 24.334 §10.4.6.4 (1)
    fn advertise(&mut self, now: UtcTime, peer: Layer2Id, from: Ipv6Addr) -> Option<Vec<u8>> {
        let prefix = self.place(now, peer, None)?.prefix?;
        let client = self.clients.iter_mut().find(|client| client.peer == peer)?;
        if !std::mem::replace(&mut client.is_advertised, true) {
            self.news.push(IpEvent::Connected(client.remote()));
        }
        let Terms { lease, mtu, .. } = self.terms;
        let router = u16::try_from(lease).unwrap_or(u16::MAX);
        let advertisement = Advertisement { router, prefix, valid: lease, mtu };
        let to = if from.is_unspecified() { ALL_NODES } else { from };
        ndisc::Message::Advertisement(advertisement).emit(LINK_LOCAL, to)
    }
}

#[cfg(test)]
mod tests;
