//! A remote UE's end of IP address configuration: a DHCPv4 client, and who asks for a prefix. As TS 24.334 §10.4.6.
//!
//! ```text
//! link up  -> DISCOVER -> OFFER -> REQUEST -> ACK: bound        with an address from before: REQUEST -> ACK, or NAK -> DISCOVER
//! bound    -> at half of the lease REQUEST -> ACK               at its end: the address is lost, DISCOVER
//! link up  -> solicitation -> advertisement                     the system makes its address of it
//! ```
//!
//! An address outlives its link until its lease ends: connections go on when the link is back.

use super::event::{IpEvent, Lease};
use sidelink_security::counter::UtcTime;
use sidelink_wire::ip::dhcp::{self, Kind, Message};
use sidelink_wire::ip::ndisc::{self, ALL_ROUTERS, Advertisement};
use sidelink_wire::ip::{Datagram, Header, protocol};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Milliseconds until the first repetition: some turns of an SC period; each wait is twice the one before.
const FIRST_WAIT: u64 = 1000;
/// The longest wait.
const LONGEST_WAIT: u64 = 16_000;
/// Requests without an answer after which the operator is told.
const TOLD_AFTER: u32 = 4;
/// Requests for the address from before, after which any address will do.
const REBOOTS: u32 = 2;
/// The smallest lease that is taken: anything shorter would be renewed all the time.
const SHORTEST_LEASE: u32 = 10;

/// Which kinds of addresses to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// By DHCPv4.
    pub(super) v4: bool,
    /// By router advertisement.
    pub(super) v6: bool,
}

/// A question that is repeated.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    at: UtcTime,
    wait: u64,
    asked: u32,
}

impl Repeat {
    const fn now(now: UtcTime) -> Self {
        Self { at: now, wait: FIRST_WAIT, asked: 0 }
    }

    /// Whether it is time to ask (again).
    fn is_due(&mut self, now: UtcTime) -> bool {
        let is_due = now >= self.at;
        if is_due {
            self.at = now.plus_millis(self.wait);
            self.wait = (2 * self.wait).min(LONGEST_WAIT);
            self.asked += 1;
        }
        is_due
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// There is no link, or no address of this kind is wanted.
    Idle,
    /// Any address.
    Discovering(Repeat),
    /// The offered address, or the one from before, for which no server is named.
    Requesting { repeat: Repeat, server: Option<Ipv4Addr>, address: Ipv4Addr },
    /// It has one; the repeat begins when it is to be renewed.
    Bound { renew: Repeat },
}

/// An address with the times of its lease.
#[derive(Clone, Copy, Debug)]
struct Held {
    lease: Lease,
    until: UtcTime,
}

/// The client of a remote UE.
pub(super) struct Client {
    hardware: [u8; 3],
    state: State,
    held: Option<Held>,
    transaction: u32,
    solicit: Option<Repeat>,
    advertised: Option<Advertisement>,
    news: Vec<IpEvent>,
}

impl Client {
    pub(super) const fn new(hardware: [u8; 3]) -> Self {
        Self {
            hardware,
            state: State::Idle,
            held: None,
            transaction: 0,
            solicit: None,
            advertised: None,
            news: Vec::new(),
        }
    }

    /// Returns the address.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.held.map(|held| held.lease.address)
    }

    /// Returns the prefix.
    pub(super) fn prefix(&self) -> Option<[u8; ndisc::PREFIX]> {
        self.advertised.map(|advertised| advertised.prefix)
    }

    /// Takes what there is to tell.
    pub(super) fn take_news(&mut self) -> Vec<IpEvent> {
        std::mem::take(&mut self.news)
    }

    /// The link with the relay is up.
    pub(super) fn link_up(&mut self, now: UtcTime, wanted: Wanted) {
        self.transaction = now.millis() as u32;
        self.state = match self.held {
            _ if !wanted.v4 => State::Idle,
            Some(held) => {
                State::Requesting { repeat: Repeat::now(now), server: None, address: held.lease.address }
            }
            None => State::Discovering(Repeat::now(now)),
        };
        self.solicit = wanted.v6.then(|| Repeat::now(now));
    }

    /// The link has ended. Returns an advertisement for the system that takes the default router away, if there was one.
    pub(super) fn link_down(&mut self) -> Option<Vec<u8>> {
        (self.state, self.solicit) = (State::Idle, None);
        let over = Advertisement { router: 0, ..self.advertised.take()? };
        ndisc::Message::Advertisement(over).emit(super::server::LINK_LOCAL, super::server::ALL_NODES)
    }

    /// Returns the next packet for the relay that is due; `None` when there is none now.
    pub(super) fn poll(&mut self, now: UtcTime) -> Option<Vec<u8>> {
        if let Some(held) = self.held.filter(|held| held.until <= now) {
            self.held = None;
            self.news.push(IpEvent::Lost(held.lease.address));
            if !matches!(self.state, State::Idle) {
                self.discover(now);
            }
        }
        if let State::Requesting { repeat, server: None, .. } = self.state
            && repeat.asked >= REBOOTS
            && now >= repeat.at
        {
            self.discover(now);
        }
        if let State::Requesting { repeat, server: Some(_), .. } = self.state
            && repeat.asked >= TOLD_AFTER
            && now >= repeat.at
        {
            self.discover(now);
        }
        if self.solicit.as_mut().is_some_and(|repeat| repeat.is_due(now)) {
            return ndisc::Message::Solicitation.emit(Ipv6Addr::UNSPECIFIED, ALL_ROUTERS);
        }
        self.ask(now)
    }

    fn discover(&mut self, now: UtcTime) {
        self.transaction = self.transaction.wrapping_add(1);
        self.state = State::Discovering(Repeat::now(now));
    }

    // TS 24.334 §10.4.6.3 (1)
    fn ask(&mut self, now: UtcTime) -> Option<Vec<u8>> {
        let mut message = Message::new(Kind::Request, self.transaction, self.hardware);
        match &mut self.state {
            State::Idle => return None,
            State::Discovering(repeat) => {
                if !repeat.is_due(now) {
                    return None;
                }
                if repeat.asked == TOLD_AFTER {
                    self.news.push(IpEvent::NoAddress { asked: repeat.asked });
                }
                message.kind = Kind::Discover;
            }
            State::Requesting { repeat, server, address } => {
                if !repeat.is_due(now) {
                    return None;
                }
                (message.server, message.requested) = (*server, Some(*address));
            }
            State::Bound { renew } => {
                if !renew.is_due(now) {
                    return None;
                }
                message.client = self.held?.lease.address;
            }
        }
        let payload = message.emit();
        let from = (message.client, dhcp::CLIENT);
        Datagram { from, to: (Ipv4Addr::BROADCAST, dhcp::SERVER), payload: &payload }.emit()
    }

    /// Takes a packet of the relay. Returns whether it was for the client alone; the system gets all others.
    pub(super) fn handle(&mut self, now: UtcTime, packet: &[u8]) -> Taken {
        let is_udp = Header::parse(packet).is_ok_and(|header| header.protocol == protocol::UDP);
        if is_udp {
            let Some(datagram) = Datagram::parse(packet).filter(|d| d.to.1 == dhcp::CLIENT) else {
                return Taken::No;
            };
            if let Some(message) = Message::parse(datagram.payload) {
                self.answered(now, &message);
            }
            return Taken::Yes;
        }
        if let Some((_, ndisc::Message::Advertisement(advertised))) = ndisc::Message::parse(packet) {
            self.solicit = None;
            if self.advertised.replace(advertised) != Some(advertised) {
                let Advertisement { prefix, mtu, .. } = advertised;
                self.news.push(IpEvent::Advertised { prefix, mtu });
            }
        }
        Taken::No
    }

    fn answered(&mut self, now: UtcTime, message: &Message) {
        if message.transaction != self.transaction || message.hardware != self.hardware {
            return;
        }
        match (message.kind, self.state) {
            (Kind::Offer, State::Discovering(_)) => {
                let is_address = !message.your.is_unspecified() && !message.your.is_broadcast();
                if is_address && message.server.is_some() {
                    let (repeat, server) = (Repeat::now(now), message.server);
                    self.state = State::Requesting { repeat, server, address: message.your };
                }
            }
            (Kind::Ack, State::Requesting { address, .. }) if message.your == address => {
                self.bind(now, message);
            }
            (Kind::Ack, State::Bound { renew })
                if renew.asked > 0 && self.address() == Some(message.your) =>
            {
                self.bind(now, message);
            }
            (Kind::Nak, State::Requesting { .. } | State::Bound { .. }) => {
                if let Some(held) = self.held.take() {
                    self.news.push(IpEvent::Lost(held.lease.address));
                }
                self.discover(now);
            }
            _ => {}
        }
    }

    fn bind(&mut self, now: UtcTime, message: &Message) {
        let seconds = message.lease.unwrap_or(0).max(SHORTEST_LEASE);
        let lease = Lease {
            address: message.your,
            bits: message.prefix.unwrap_or(32),
            router: message.router.or(message.server).unwrap_or(Ipv4Addr::UNSPECIFIED),
            dns: message.dns,
            mtu: message.mtu,
            seconds,
        };
        let millis = u64::from(seconds) * 1000;
        self.held = Some(Held { lease, until: now.plus_millis(millis) });
        self.state = State::Bound { renew: Repeat::now(now.plus_millis(millis / 2)) };
        self.news.push(IpEvent::Configured(lease));
    }
}

/// Whether a packet was for the client of a remote UE alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is not for the system.
    Yes,
    /// The system gets it.
    No,
}

#[cfg(test)]
mod tests;
