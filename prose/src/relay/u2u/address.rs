//! Addresses of users at relays of layer 3, and the packets between them (RFC 791, RFC 768).

use core::net::Ipv4Addr;

use sidelink_security::direct::signed::digest;

use crate::direct_link::Identity;

/// Octets of an IPv4 header without options, and of a UDP header.
const IPV4: usize = 20;
const UDP: usize = 8;

/// Protocol number of UDP.
const PROTOCOL_UDP: u8 = 17;

/// Port of data that is no packet itself: the project's choice.
const PORT: [u8; 2] = 7400_u16.to_be_bytes();

/// Hops that a packet may take.
const TTL: u8 = 4;

/// Returns the address of a user: 10.64.0.0/10, and 22 bits of the hash of its name, so that everybody who knows the name
/// knows the address.
pub fn address(user: &Identity) -> Ipv4Addr {
    let [a, b, c, ..] = digest(&[b"address", user.name()]);
    Ipv4Addr::new(10, 64 | a & 63, b, c)
}

/// Source and destination of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
}

/// Returns the ends of a packet; `None` for other octets.
pub(super) fn ends(packet: &[u8]) -> Option<Ends> {
    header_len(packet)?;
    let at = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
    Some(Ends { source: at(12)?, destination: at(16)? })
}

/// Returns the length of the header, if the octets are one packet of IPv4.
fn header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let header = 4 * usize::from(first & 0xf);
    let total = usize::from(u16::from_be_bytes(*packet.get(2..)?.first_chunk()?));
    (first >> 4 == 4 && header >= IPV4 && total == packet.len() && header <= total).then_some(header)
}

/// Counts a hop of a packet. Returns false when it may take no more.
pub(super) fn passes_on(packet: &mut [u8]) -> bool {
    let Some(header) = header_len(packet) else { return false };
    if packet[8] <= 1 {
        return false;
    }
    packet[8] -= 1;
    set_checksum(&mut packet[..header]);
    true
}

/// Puts data into a packet from a user to another one.
pub(super) fn wrap(from: &Identity, to: &Identity, data: &[u8]) -> Option<Vec<u8>> {
    let total = u16::try_from(IPV4 + UDP + data.len()).ok()?;
    let mut packet = vec![0; IPV4 + UDP];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet[8] = TTL;
    packet[9] = PROTOCOL_UDP;
    packet[12..16].copy_from_slice(&address(from).octets());
    packet[16..20].copy_from_slice(&address(to).octets());
    set_checksum(&mut packet[..IPV4]);
    packet[20..22].copy_from_slice(&PORT);
    packet[22..24].copy_from_slice(&PORT);
    // No checksum of UDP, which IPv4 allows.
    packet[24..26].copy_from_slice(&(total - IPV4 as u16).to_be_bytes());
    packet.extend_from_slice(data);
    Some(packet)
}

/// Returns the data that [`wrap`] put into a packet; `None` for every other packet.
pub(super) fn unwrap(packet: &[u8]) -> Option<&[u8]> {
    let header = header_len(packet)?;
    let udp = packet.get(header..)?;
    let is_ours = packet[9] == PROTOCOL_UDP && udp.get(2..4)? == PORT;
    let len = usize::from(u16::from_be_bytes(*udp.get(4..)?.first_chunk()?));
    is_ours.then(|| udp.get(UDP..len)).flatten()
}

fn set_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum: u32 = header.as_chunks::<2>().0.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the words of a header sum up to ones.
    fn is_valid(packet: &[u8]) -> bool {
        let sum: u32 = packet[..IPV4].chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))).sum();
        (sum & 0xffff) + (sum >> 16) == 0xffff
    }

    #[test]
    fn data_come_back_and_a_packet_passes_so_many_routers_as_it_may() {
        let (mary, john) = (Identity::user("mary"), Identity::user("john"));
        for data in [&b""[..], b"x", &[7; 1400]] {
            let mut packet = wrap(&mary, &john, data).unwrap();
            assert_eq!(ends(&packet), Some(Ends { source: address(&mary), destination: address(&john) }));
            for _ in 1..TTL {
                assert!(is_valid(&packet));
                assert_eq!(unwrap(&packet), Some(data));
                assert!(passes_on(&mut packet));
            }
            assert!(!passes_on(&mut packet));
        }
        assert_ne!(address(&mary), address(&john));
        assert_eq!(address(&mary), address(&Identity::end([0, 0, 1], b"mary")), "whatever its role");
        assert!(wrap(&mary, &john, &[0; 65_536]).is_none());
    }

    #[test]
    fn other_octets_are_no_packet() {
        let good = wrap(&Identity::user("mary"), &Identity::user("john"), b"data").unwrap();
        for len in 0..good.len() {
            assert_eq!(ends(&good[..len]), None, "{len}");
            assert!(!passes_on(&mut good[..len].to_vec()));
        }
        let mut other = good.clone();
        other[0] = 0x65;
        assert_eq!(ends(&other), None);
        let mut short = good.clone();
        short[0] = 0x44;
        assert_eq!(ends(&short), None);
        let mut tcp = good;
        tcp[9] = 6;
        assert!(ends(&tcp).is_some() && unwrap(&tcp).is_none());
    }
}
