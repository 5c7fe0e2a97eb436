//! ESP: T6.2-1.

use super::*;
use crate::ikev2::esp::{EspError, Inbound, Outbound, WINDOW, overhead};

const SPI: [u8; 4] = [1, 2, 3, 4];

fn pair() -> (Outbound, Inbound) {
    (Outbound::new(&[7; 20], SPI), Inbound::new(&[7; 20], SPI))
}

fn hex_of(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn packets_come_out_as_they_went_in() {
    let (mut out, mut inbound) = pair();
    for octets in [0, 1, 2, 3, 4, 20, 1400] {
        let packet = vec![0x45; octets];
        let sealed = out.seal(&packet).unwrap();
        assert_eq!(sealed.len(), octets + overhead(octets));
        assert_eq!(inbound.open(&sealed), Ok(packet));
    }
    assert_eq!((overhead(2), overhead(3)), (34, 37));
}

/// T6.2-1: a packet that comes again is dropped, and so is one that is older than the window.
#[test]
fn a_replayed_packet_is_dropped() {
    let (mut out, mut inbound) = pair();
    let packets: Vec<_> = (0..200_u8).map(|number| out.seal(&[number]).unwrap()).collect();
    for (number, packet) in packets.iter().enumerate().take(100) {
        assert_eq!(inbound.open(packet), Ok(vec![number as u8]));
    }
    for packet in &packets[..100] {
        assert_eq!(inbound.open(packet), Err(EspError::Replayed));
    }
    // Out of order within the window, each once; older never.
    assert_eq!(inbound.open(&packets[180]), Ok(vec![180]));
    let window = WINDOW as usize;
    for number in (100..180).rev() {
        let expected = if 180 - number < window { Ok(vec![number as u8]) } else { Err(EspError::Replayed) };
        assert_eq!(inbound.open(&packets[number]), expected, "{number}");
        assert_eq!(inbound.open(&packets[number]), Err(EspError::Replayed), "{number}");
    }
    // A leap of more than the window forgets what was seen, and takes nothing of it again.
    let mut far = Inbound::new(&[7; 20], SPI);
    far.open(&packets[0]).unwrap();
    far.open(&packets[199]).unwrap();
    assert_eq!(far.open(&packets[0]), Err(EspError::Replayed));
    assert_eq!(far.open(&packets[199]), Err(EspError::Replayed));
    assert_eq!(far.open(&packets[198]), Ok(vec![198]));
}

#[test]
fn an_altered_packet_is_dropped_and_moves_no_window() {
    let (mut out, mut inbound) = pair();
    let sealed = out.seal(b"a packet").unwrap();
    for bit in 0..8 * sealed.len() {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let error = inbound.open(&altered).unwrap_err();
        let expected = if bit < 32 { EspError::Spi } else { EspError::Icv };
        // Sequence number 0 is none.
        assert!(error == expected || error == EspError::Replayed && bit == 63 - 7, "{bit} {error}");
    }
    for octets in 0..sealed.len() {
        assert!(inbound.open(&sealed[..octets]).is_err(), "{octets}");
    }
    assert_eq!(Inbound::new(&[8; 20], SPI).open(&sealed), Err(EspError::Icv));
    assert_eq!(inbound.open(&sealed), Ok(b"a packet".to_vec()));
}

/// T6.2-3: what is in the tunnel is not seen on its way.
#[test]
fn a_tunnel_hides_what_it_carries() {
    let mut run = Run::signed();
    run.run();
    let [ue, gateway] = run.children();
    let mut out = Outbound::new(&ue.keys.to_responder, ue.spi_responder);
    let mut inbound = Inbound::new(&gateway.keys.to_responder, gateway.spi_responder);
    let packet = b"<carrierFreq>793000000</carrierFreq>".repeat(9);
    let sealed = out.seal(&packet).unwrap();
    assert!(!sealed.windows(8).any(|part| packet.windows(8).any(|clear| clear == part)));
    assert_eq!(inbound.open(&sealed), Ok(packet));
    assert_ne!(hex_of(&ue.keys.to_responder), hex_of(&ue.keys.to_initiator));
    let mut back = Outbound::new(&gateway.keys.to_initiator, gateway.spi_initiator);
    let mut at_ue = Inbound::new(&ue.keys.to_initiator, ue.spi_initiator);
    assert_eq!(at_ue.open(&back.seal(b"x").unwrap()), Ok(b"x".to_vec()));
}

proptest! {
    #[test]
    fn any_octets_are_a_packet_or_none(octets: Vec<u8>, ours: bool) {
        let octets = if ours { [&SPI[..], &octets].concat() } else { octets };
        prop_assert!(pair().1.open(&octets).is_err());
    }
}
