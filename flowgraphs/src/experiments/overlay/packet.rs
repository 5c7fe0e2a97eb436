//! IPv4, UDP and RTP as far as voice between two UEs needs them. RFC 791, RFC 768, RFC 3550.

use core::net::Ipv4Addr;

/// Octets of an IPv4 header without options, of a UDP header, and of an RTP header without sources.
pub(super) const IPV4: usize = 20;
pub(super) const UDP: usize = 8;
pub(super) const RTP: usize = 12;

/// Protocols of IPv4.
pub(super) const PROTOCOL_UDP: u8 = 17;
pub(super) const PROTOCOL_ESP: u8 = 50;

/// Ports: voice, MIKEY (RFC 3830 §7.2), IKE.
pub(super) const VOICE_PORT: u16 = 5004;
pub(super) const MIKEY_PORT: u16 = 2269;
pub(super) const IKE_PORT: u16 = 500;

/// Addresses of UE_1 and UE_2.
pub(super) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 46, 0, 1), Ipv4Addr::new(10, 46, 0, 2)];

/// A packet of IPv4 from UE `from` to the other one.
pub(super) fn ipv4(from: usize, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; IPV4];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&((IPV4 + payload.len()) as u16).to_be_bytes());
    packet[8] = 64;
    packet[9] = protocol;
    packet[12..16].copy_from_slice(&ADDRESSES[from].octets());
    packet[16..20].copy_from_slice(&ADDRESSES[1 - from].octets());
    let sum = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>();
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A datagram from UE `from` to the other one, both with this port. No checksum, which IPv4 allows.
pub(super) fn udp(from: usize, port: u16, payload: &[u8]) -> Vec<u8> {
    let port = port.to_be_bytes();
    let length = ((UDP + payload.len()) as u16).to_be_bytes();
    ipv4(from, PROTOCOL_UDP, &[&port[..], &port, &length, &[0; 2], payload].concat())
}

/// Protocol and payload of a packet of IPv4.
pub(super) fn of_ipv4(packet: &[u8]) -> Option<(u8, &[u8])> {
    let header = 4 * usize::from(packet.first()? & 0xf);
    let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    if packet[0] >> 4 != 4 || header < IPV4 {
        return None;
    }
    Some((*packet.get(9)?, packet.get(header..length)?))
}

/// Port and payload of a datagram.
pub(super) fn datagram(packet: &[u8]) -> Option<(u16, &[u8])> {
    let (PROTOCOL_UDP, udp) = of_ipv4(packet)? else { return None };
    let word = |at: usize| Some(u16::from_be_bytes([*udp.get(at)?, *udp.get(at + 1)?]));
    Some((word(2)?, udp.get(UDP..usize::from(word(4)?))?))
}

/// A packet of RTP.
pub(super) fn rtp(sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(RTP + payload.len());
    packet.extend([0x80, 97]);
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// Payload of a packet of RTP without sources and extension.
pub(super) fn of_rtp(packet: &[u8]) -> Option<&[u8]> {
    (*packet.first()? == 0x80).then(|| packet.get(RTP..))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back() {
        let voice = rtp(7, 160, 9, b"voice");
        let packet = udp(0, VOICE_PORT, &voice);
        assert_eq!(packet.len(), IPV4 + UDP + RTP + 5);
        let (port, payload) = datagram(&packet).unwrap();
        assert_eq!((port, of_rtp(payload)), (VOICE_PORT, Some(&b"voice"[..])));
        let sum = packet[..IPV4].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum = sum.sum::<u32>();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        for length in 0..packet.len() {
            assert_eq!(datagram(&packet[..length]), None, "{length}");
        }
        assert_eq!(of_ipv4(&ipv4(1, PROTOCOL_ESP, b"x")), Some((PROTOCOL_ESP, &b"x"[..])));
        assert_eq!(datagram(&ipv4(1, PROTOCOL_ESP, &[0; 12])), None);
    }
}
