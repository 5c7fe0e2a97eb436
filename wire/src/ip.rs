//! IP packets as a link carries them: the fields that a relay reads, and whole packets that it writes itself. RFC 791,
//! RFC 8200, RFC 768, RFC 2474.
//!
//! ```text
//! IPv4  | 4, length 1 | DSCP 1 | total length 2 | identifier 2 | flags, offset 2 | TTL 1 | protocol 1 | checksum 2 | from 4 | to 4 | options |
//! IPv6  | 6, class, flow label 4 | payload length 2 | next header 1 | hop limit 1 | from 16 | to 16 |
//! UDP   | from 2 | to 2 | length 2 | checksum 2 |
//! ```
//!
//! ```text
//! dhcp.rs    messages of DHCPv4, as a relay and its remote UEs exchange them
//! icmp.rs    packets that say why another was not delivered
//! ndisc.rs   router solicitation and advertisement
//! ```

pub mod dhcp;
pub mod icmp;
pub mod ndisc;

use super::{Error, need};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of an IPv4 header without options.
pub const IPV4_HEADER: usize = 20;
/// Octets of an IPv6 header.
pub const IPV6_HEADER: usize = 40;
/// Octets of a UDP header.
pub const UDP_HEADER: usize = 8;
/// The smallest MTU of IPv6. RFC 8200 §5.
pub const IPV6_LEAST_MTU: usize = 1280;
/// Hop limit of packets that are made here.
const HOPS: u8 = 64;

/// Protocol numbers that are told apart here.
pub mod protocol {
    /// ICMP of IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP of IPv6.
    pub const ICMPV6: u8 = 58;
}

/// Whether a packet is a piece of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// It is whole.
    Whole,
    /// It is the first piece, which has the header above.
    First,
    /// It is a later piece.
    Later,
}

/// What a relay reads of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Sender.
    pub from: IpAddr,
    /// Recipient.
    pub to: IpAddr,
    /// Differentiated Services Code Point, 6 bits.
    pub dscp: u8,
    /// Protocol of the payload, of IPv6 the first next header.
    pub protocol: u8,
    /// Octets of the header.
    pub header_len: usize,
    /// Octets of the packet.
    pub len: usize,
    /// Whether it is a piece. Of IPv6 always whole: pieces have a header of their own.
    pub fragment: Fragment,
}

impl Header {
    /// Reads the header of a packet that fills the buffer.
    ///
    /// # Errors
    /// Another version, a length that is not that of the buffer.
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        need("IP packet", 1, packet.len())?;
        match packet[0] >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            version => Err(Error::Reserved { what: "IP version", value: u32::from(version) }),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, Error> {
        need("IPv4 header", IPV4_HEADER, packet.len())?;
        let header_len = 4 * usize::from(packet[0] & 0xf);
        let len = usize::from(two(packet, 2));
        if header_len < IPV4_HEADER {
            return Err(Error::Reserved { what: "IPv4 header length", value: u32::from(packet[0] & 0xf) });
        }
        need("IPv4 options", header_len, packet.len())?;
        is_length("IPv4 length", len, header_len, packet.len())?;
        let (more, offset) = (packet[6] & 0x20 != 0, two(packet, 6) & 0x1fff);
        Ok(Self {
            from: v4(packet, 12).into(),
            to: v4(packet, 16).into(),
            dscp: packet[1] >> 2,
            protocol: packet[9],
            header_len,
            len,
            fragment: match (more, offset) {
                (false, 0) => Fragment::Whole,
                (true, 0) => Fragment::First,
                _ => Fragment::Later,
            },
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, Error> {
        need("IPv6 header", IPV6_HEADER, packet.len())?;
        let len = IPV6_HEADER + usize::from(two(packet, 4));
        is_length("IPv6 length", len, IPV6_HEADER, packet.len())?;
        Ok(Self {
            from: v6(packet, 8).into(),
            to: v6(packet, 24).into(),
            dscp: (packet[0] & 0xf) << 2 | packet[1] >> 6,
            protocol: packet[6],
            header_len: IPV6_HEADER,
            len,
            fragment: Fragment::Whole,
        })
    }
}

fn is_length(what: &'static str, stated: usize, least: usize, have: usize) -> Result<(), Error> {
    if stated < least || stated != have { Err(Error::LengthLies { what, stated, have }) } else { Ok(()) }
}

/// A datagram of UDP over IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender and its port.
    pub from: (Ipv4Addr, u16),
    /// Recipient and its port.
    pub to: (Ipv4Addr, u16),
    /// Content.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a packet; `None` for one of another kind, a piece, or one with a wrong length.
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let header = Header::parse(packet).ok()?;
        let (IpAddr::V4(from), IpAddr::V4(to)) = (header.from, header.to) else { return None };
        if header.protocol != protocol::UDP || header.fragment != Fragment::Whole {
            return None;
        }
        let udp = packet.get(header.header_len..)?;
        let payload = udp.get(UDP_HEADER..usize::from(two(udp.get(..UDP_HEADER)?, 4)))?;
        Some(Self { from: (from, two(udp, 0)), to: (to, two(udp, 2)), payload })
    }

    /// Returns the packet, without a checksum of UDP, which IPv4 allows; `None` where the payload is too long.
    pub fn emit(&self) -> Option<Vec<u8>> {
        let udp_len = UDP_HEADER + self.payload.len();
        let mut packet = ipv4_header(self.from.0, self.to.0, protocol::UDP, udp_len)?;
        packet.extend_from_slice(&self.from.1.to_be_bytes());
        packet.extend_from_slice(&self.to.1.to_be_bytes());
        packet.extend_from_slice(&u16::try_from(udp_len).ok()?.to_be_bytes());
        packet.extend_from_slice(&[0; 2]);
        packet.extend_from_slice(self.payload);
        Some(packet)
    }
}

/// Returns an IPv4 header for a payload of this length.
pub(crate) fn ipv4_header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: usize) -> Option<Vec<u8>> {
    let mut header = vec![0; IPV4_HEADER];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&u16::try_from(IPV4_HEADER + payload).ok()?.to_be_bytes());
    (header[8], header[9]) = (HOPS, protocol);
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    Some(header)
}

/// Returns a packet of ICMPv6 with this body, whose checksum is filled in. RFC 4443 §2.3.
pub(crate) fn icmpv6(from: Ipv6Addr, to: Ipv6Addr, hops: u8, mut body: Vec<u8>) -> Option<Vec<u8>> {
    let len = u16::try_from(body.len()).ok()?;
    let pseudo = [0, 0, 0, protocol::ICMPV6];
    body[2..4].fill(0);
    let sum = checksum(&[&from.octets(), &to.octets(), &u32::from(len).to_be_bytes(), &pseudo, &body]);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0; IPV6_HEADER];
    packet[0] = 0x60;
    packet[4..6].copy_from_slice(&len.to_be_bytes());
    (packet[6], packet[7]) = (protocol::ICMPV6, hops);
    packet[8..24].copy_from_slice(&from.octets());
    packet[24..40].copy_from_slice(&to.octets());
    packet.extend_from_slice(&body);
    Some(packet)
}

/// Whether the checksum of a packet of ICMPv6 without extension headers is right.
pub(crate) fn is_sound_icmpv6(packet: &[u8]) -> bool {
    let Some((header, body)) = packet.split_at_checked(IPV6_HEADER) else { return false };
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    checksum(&[&header[8..40], &len, &[0, 0, 0, protocol::ICMPV6], body]) == 0
}

/// Returns the complement of the ones' complement sum of these parts, each of which but the last has an even length;
/// 0 where a right checksum is among them. RFC 1071.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words.map(|w| u64::from(w[0]) << 8 | u64::from(w.get(1).copied().unwrap_or(0))).sum();
    let folded = (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
    !(folded as u16)
}

fn two(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn v4(bytes: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
}

fn v6(bytes: &[u8], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&bytes[at..at + 16]);
    octets.into()
}

#[cfg(test)]
mod tests;
