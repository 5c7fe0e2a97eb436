//! Packets that say why another was not delivered: RFC 792, RFC 1191, RFC 4443.
//!
//! ```text
//! ICMP    | type 1 | code 1 | checksum 2 | 0 2 | MTU 2 | header and 8 octets of the packet |
//! ICMPv6  | type 1 | code 1 | checksum 2 | MTU or 0 4 | the packet, up to 1280 octets in all |
//! ```

use super::{
    Fragment, Header, IPV4_HEADER, IPV6_HEADER, IPV6_LEAST_MTU, checksum, icmpv6, ipv4_header, protocol,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of the header of either ICMP.
const HEADER: usize = 8;
/// Octets of a packet of IPv4 that are quoted. RFC 1812 §4.3.2.3: as many as fit 576.
const QUOTED: usize = 576 - IPV4_HEADER - HEADER;

/// Why a packet was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It has more octets than the link carries.
    TooBig {
        /// Octets that the link carries.
        mtu: u16,
    },
    /// Nobody has the address.
    NoSuchHost,
}

impl Reason {
    /// Returns the answer to the sender of a packet, from the address that the packet was for: systems take nothing that comes
    /// in from an address of their own, which that of the router is. `None` where none may be sent: to a message of ICMP about an error, to a
    /// later piece, to or from many. RFC 1122 §3.2.2, RFC 4443 §2.4 (e).
    pub fn answer(self, packet: &[u8]) -> Option<Vec<u8>> {
        let header = Header::parse(packet).ok()?;
        match (header.from, header.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let is_one = |a: Ipv4Addr| !a.is_unspecified() && !a.is_broadcast() && !a.is_multicast();
                let may = is_one(from) && is_one(to) && header.fragment != Fragment::Later;
                (may && !is_error_v4(&header, packet)).then(|| self.v4(to, from, packet))?
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let is_one = |a: Ipv6Addr| !a.is_unspecified() && !a.is_multicast();
                let may = is_one(from) && is_one(to);
                (may && !is_error_v6(&header, packet)).then(|| self.v6(to, from, packet))?
            }
            _ => None,
        }
    }

    fn v4(self, own: Ipv4Addr, to: Ipv4Addr, packet: &[u8]) -> Option<Vec<u8>> {
        let (code, mtu) = match self {
            Self::TooBig { mtu } => (4, mtu),
            Self::NoSuchHost => (1, 0),
        };
        let mut body = vec![3, code, 0, 0, 0, 0];
        body.extend_from_slice(&mtu.to_be_bytes());
        body.extend_from_slice(&packet[..packet.len().min(QUOTED)]);
        let sum = checksum(&[&body]);
        body[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut answer = ipv4_header(own, to, protocol::ICMP, body.len())?;
        answer.extend_from_slice(&body);
        Some(answer)
    }

    fn v6(self, own: Ipv6Addr, to: Ipv6Addr, packet: &[u8]) -> Option<Vec<u8>> {
        let (kind, code, word) = match self {
            Self::TooBig { mtu } => (2, 0, u32::from(mtu)),
            Self::NoSuchHost => (1, 3, 0),
        };
        let mut body = vec![kind, code, 0, 0];
        body.extend_from_slice(&word.to_be_bytes());
        body.extend_from_slice(&packet[..packet.len().min(IPV6_LEAST_MTU - IPV6_HEADER - HEADER)]);
        icmpv6(own, to, super::HOPS, body)
    }
}

/// Types of ICMP that are no errors: echo, its reply, and requests with their replies.
fn is_error_v4(header: &Header, packet: &[u8]) -> bool {
    let kind = packet.get(header.header_len);
    header.protocol == protocol::ICMP && !matches!(kind, Some(0 | 8 | 13..=18))
}

fn is_error_v6(header: &Header, packet: &[u8]) -> bool {
    header.protocol == protocol::ICMPV6 && packet.get(IPV6_HEADER).is_none_or(|kind| *kind < 128)
}
