//! Messages of DHCPv4 between a relay and its remote UEs: RFC 2131 §2, RFC 2132.
//!
//! ```text
//! | op 1 | hardware type 1 | its length 1 | hops 1 | transaction 4 | seconds 2 | flags 2 | client 4 | your 4 | server 4 | agent 4 |
//! | hardware address 16 | server's name 64 | file 128 | 99.130.83.99 | options |
//! ```
//!
//! A link has no hardware addresses: the layer-2 ID stands there, with its length of three and the type 0. Who a message
//! is from the link tells, not this field.

use super::{two, v4};
use core::net::Ipv4Addr;

/// Port of servers.
pub const SERVER: u16 = 67;
/// Port of clients.
pub const CLIENT: u16 = 68;

/// Octets before the options.
const FIXED: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Octets of a message that every client and server takes. RFC 2131 §2.
const LEAST: usize = 300;

mod option {
    pub(super) const PAD: u8 = 0;
    pub(super) const SUBNET: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const MTU: u8 = 26;
    pub(super) const REQUESTED: u8 = 50;
    pub(super) const LEASE: u8 = 51;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const END: u8 = 255;
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Client: who has an address?
    Discover,
    /// Server: this one.
    Offer,
    /// Client: I want this one, or go on with it.
    Request,
    /// Client: somebody has that one already.
    Decline,
    /// Server: it is yours.
    Ack,
    /// Server: it is not.
    Nak,
    /// Client: I need it no more.
    Release,
    /// Client: I have one, and ask for the rest.
    Inform,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Discover,
        Self::Offer,
        Self::Request,
        Self::Decline,
        Self::Ack,
        Self::Nak,
        Self::Release,
        Self::Inform,
    ];

    /// Returns the kind with a number: 1 to 8 in the order of the RFC.
    const fn new(value: u8) -> Option<Self> {
        if value >= 1 && value <= 8 { Some(Self::ALL[value as usize - 1]) } else { None }
    }

    const fn value(self) -> u8 {
        self as u8 + 1
    }

    /// Whether a server sends it.
    pub const fn is_of_server(self) -> bool {
        matches!(self, Self::Offer | Self::Ack | Self::Nak)
    }
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// Number of the exchange, which the client chooses.
    pub transaction: u32,
    /// The address that the client uses already; unspecified where it has none.
    pub client: Ipv4Addr,
    /// The address that the server gives; unspecified where it gives none.
    pub your: Ipv4Addr,
    /// Layer-2 ID of the client.
    pub hardware: [u8; 3],
    /// The address that the client would like.
    pub requested: Option<Ipv4Addr>,
    /// The server that is meant, or that speaks.
    pub server: Option<Ipv4Addr>,
    /// Seconds for which the address is the client's.
    pub lease: Option<u32>,
    /// Bits of the network.
    pub prefix: Option<u8>,
    /// The router.
    pub router: Option<Ipv4Addr>,
    /// A name server.
    pub dns: Option<Ipv4Addr>,
    /// Octets that the link carries.
    pub mtu: Option<u16>,
}

impl Message {
    /// Returns a message with nothing but what it must have.
    pub const fn new(kind: Kind, transaction: u32, hardware: [u8; 3]) -> Self {
        Self {
            kind,
            transaction,
            client: Ipv4Addr::UNSPECIFIED,
            your: Ipv4Addr::UNSPECIFIED,
            hardware,
            requested: None,
            server: None,
            lease: None,
            prefix: None,
            router: None,
            dns: None,
            mtu: None,
        }
    }

    /// Reads a message; `None` for one without a kind, of the wrong direction, or with options that lie about their length.
    /// Options that are not known are passed over.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, mut options) = bytes.split_at_checked(FIXED)?;
        if fixed[FIXED - 4..] != COOKIE || usize::from(fixed[2]) > 16 {
            return None;
        }
        let mut message =
            Self::new(Kind::Discover, u32::from(two(fixed, 4)) << 16 | u32::from(two(fixed, 6)), [0; 3]);
        message.client = v4(fixed, 12);
        message.your = v4(fixed, 16);
        message.hardware.copy_from_slice(&fixed[28..31]);
        let mut kind = None;
        while let [code, ..] = *options {
            match code {
                option::PAD => options = &options[1..],
                option::END => break,
                _ => {
                    let len = usize::from(*options.get(1)?);
                    let value = options.get(2..2 + len)?;
                    if code == option::KIND {
                        kind = Some(Kind::new(*value.first()?)?);
                    }
                    message.take(code, value)?;
                    options = &options[2 + len..];
                }
            }
        }
        message.kind = kind?;
        let op = if message.kind.is_of_server() { 2 } else { 1 };
        (fixed[0] == op).then_some(message)
    }

    /// Takes an option; `None` where its length is wrong.
    fn take(&mut self, code: u8, value: &[u8]) -> Option<()> {
        let address = || (value.len() >= 4).then(|| v4(value, 0));
        let four = || Some(u32::from_be_bytes(value.try_into().ok()?));
        match code {
            option::SUBNET => self.prefix = Some(bits(four()?)?),
            option::ROUTER => self.router = Some(address()?),
            option::DNS => self.dns = Some(address()?),
            option::MTU => self.mtu = Some(u16::from_be_bytes(value.try_into().ok()?)),
            option::REQUESTED => self.requested = Some(address()?),
            option::LEASE => self.lease = Some(four()?),
            option::SERVER => self.server = Some(address()?),
            _ => {}
        }
        Some(())
    }

    /// Returns the octets.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        bytes[0] = if self.kind.is_of_server() { 2 } else { 1 };
        bytes[2] = 3;
        bytes[4..8].copy_from_slice(&self.transaction.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.client.octets());
        bytes[16..20].copy_from_slice(&self.your.octets());
        bytes[28..31].copy_from_slice(&self.hardware);
        bytes[FIXED - 4..].copy_from_slice(&COOKIE);
        let mut put = |code: u8, value: Option<&[u8]>| {
            let Some(value) = value else { return };
            bytes.extend_from_slice(&[code, value.len() as u8]);
            bytes.extend_from_slice(value);
        };
        let address = |address: Option<Ipv4Addr>| address.map(|address| address.octets());
        put(option::KIND, Some(&[self.kind.value()]));
        put(option::SUBNET, self.prefix.map(mask).as_ref().map(|m| &m[..]));
        put(option::ROUTER, address(self.router).as_ref().map(|a| &a[..]));
        put(option::DNS, address(self.dns).as_ref().map(|a| &a[..]));
        put(option::MTU, self.mtu.map(u16::to_be_bytes).as_ref().map(|m| &m[..]));
        put(option::REQUESTED, address(self.requested).as_ref().map(|a| &a[..]));
        put(option::LEASE, self.lease.map(u32::to_be_bytes).as_ref().map(|l| &l[..]));
        put(option::SERVER, address(self.server).as_ref().map(|a| &a[..]));
        bytes.push(option::END);
        bytes.resize(bytes.len().max(LEAST), option::PAD);
        bytes
    }
}

/// Returns the mask of a prefix.
fn mask(bits: u8) -> [u8; 4] {
    u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0).to_be_bytes()
}

/// Returns the bits of a mask; `None` where they are not the first ones.
fn bits(mask: u32) -> Option<u8> {
    let bits = mask.leading_ones();
    (mask.checked_shl(bits).unwrap_or(0) == 0).then_some(bits as u8)
}
