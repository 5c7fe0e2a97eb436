//! Router solicitation and advertisement: RFC 4861 §4.1, §4.2, §4.6.2, §4.6.4, RFC 4862 §5.5.
//!
//! ```text
//! solicitation   | 133 | 0 | checksum 2 | 0 4 |
//! advertisement  | 134 | 0 | checksum 2 | hop limit 1 | flags 1 | router's lifetime 2 | 0 4 | 0 4 | options |
//!   prefix       | 3 | 4 | length 1 | flags 1 | valid 4 | preferred 4 | 0 4 | prefix 16 |
//!   MTU          | 5 | 1 | 0 2 | MTU 4 |
//! ```

use super::{Header, IPV6_HEADER, icmpv6, is_sound_icmpv6, protocol, two, v6};
use core::net::{IpAddr, Ipv6Addr};

/// All routers of a link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// Octets of a prefix, of which every host has one of its own.
pub const PREFIX: usize = 8;
/// Bits of it.
pub const PREFIX_BITS: u8 = 64;

const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Messages of one link: routers pass none on.
const HOPS: u8 = 255;
const ADVERTISEMENT_LEN: usize = 16;
const PREFIX_OPTION: (u8, usize) = (3, 32);
const MTU_OPTION: (u8, usize) = (5, 8);
/// The prefix serves to make addresses of.
const AUTONOMOUS: u8 = 0x40;

/// A message between a host and its router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// A host asks.
    Solicitation,
    /// The router answers.
    Advertisement(Advertisement),
}

/// What a router says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Advertisement {
    /// Seconds for which it is a router; 0 where it is none.
    pub router: u16,
    /// The prefix of 64 bits.
    pub prefix: [u8; PREFIX],
    /// Seconds for which addresses of it are valid.
    pub valid: u32,
    /// Octets that the link carries.
    pub mtu: u16,
}

impl Message {
    /// Reads a message and its sender; `None` for any other packet, one that came through a router, or a false checksum.
    /// RFC 4861 §6.1.
    pub fn parse(packet: &[u8]) -> Option<(Ipv6Addr, Self)> {
        let header = Header::parse(packet).ok()?;
        let IpAddr::V6(from) = header.from else { return None };
        let body = packet.get(IPV6_HEADER..)?;
        let is_here = header.protocol == protocol::ICMPV6 && packet[7] == HOPS;
        if !is_here || body.len() < 8 || body[1] != 0 || !is_sound_icmpv6(packet) {
            return None;
        }
        match body[0] {
            SOLICITATION => Some((from, Self::Solicitation)),
            ADVERTISEMENT => Some((from, Self::Advertisement(Advertisement::parse(body)?))),
            _ => None,
        }
    }

    /// Returns the packet.
    pub fn emit(&self, from: Ipv6Addr, to: Ipv6Addr) -> Option<Vec<u8>> {
        let body = match self {
            Self::Solicitation => vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0],
            Self::Advertisement(advertisement) => advertisement.emit(),
        };
        icmpv6(from, to, HOPS, body)
    }
}

impl Advertisement {
    /// Reads the body; `None` without a prefix of 64 bits for addresses, or with options that lie about their lengths.
    fn parse(body: &[u8]) -> Option<Self> {
        let mut options = body.get(ADVERTISEMENT_LEN..)?;
        let (mut prefix, mut mtu) = (None, u16::MAX);
        while let [kind, eighths, ..] = *options {
            let len = 8 * usize::from(eighths);
            let (option, rest) = options.split_at_checked(len).filter(|_| len > 0)?;
            if (kind, len) == PREFIX_OPTION && option[2] == PREFIX_BITS && option[3] & AUTONOMOUS != 0 {
                let valid = u32::from_be_bytes([option[4], option[5], option[6], option[7]]);
                let mut octets = [0; PREFIX];
                octets.copy_from_slice(&v6(option, 16).octets()[..PREFIX]);
                prefix = prefix.or(Some((octets, valid)));
            }
            if (kind, len) == MTU_OPTION {
                let octets = u32::from_be_bytes([option[4], option[5], option[6], option[7]]);
                mtu = u16::try_from(octets).unwrap_or(u16::MAX);
            }
            options = rest;
        }
        let (prefix, valid) = prefix?;
        Some(Self { router: two(body, 6), prefix, valid, mtu })
    }

    fn emit(&self) -> Vec<u8> {
        let mut body = vec![ADVERTISEMENT, 0, 0, 0, super::HOPS, 0];
        body.extend_from_slice(&self.router.to_be_bytes());
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&[PREFIX_OPTION.0, 4, PREFIX_BITS, AUTONOMOUS]);
        body.extend_from_slice(&self.valid.to_be_bytes());
        body.extend_from_slice(&self.valid.to_be_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&self.prefix);
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(&[MTU_OPTION.0, 1, 0, 0]);
        body.extend_from_slice(&u32::from(self.mtu).to_be_bytes());
        body
    }
}

/// Returns an address of a prefix and an interface identifier.
pub fn address(prefix: [u8; PREFIX], interface: [u8; 8]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..PREFIX].copy_from_slice(&prefix);
    octets[PREFIX..].copy_from_slice(&interface);
    octets.into()
}

/// Returns the prefix of an address.
pub fn prefix_of(address: Ipv6Addr) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&address.octets()[..PREFIX]);
    prefix
}
