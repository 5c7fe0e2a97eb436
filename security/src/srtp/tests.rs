use proptest::prelude::*;
use std::collections::BTreeSet;

use super::*;

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    octets(text).try_into().unwrap()
}

const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AesCm128HmacSha1Tag80, SrtpProfile::AesCm128HmacSha1Tag32, SrtpProfile::AeadAes128Gcm];

/// RFC 3711 §B.3.
fn master() -> MasterKey {
    MasterKey::new(array("E1F97A0D3E018BE0D64FA32C06DE4139"), array("0EC675AD498AFEEBB6960B3AABE6"))
}

const SSRC: u32 = 0xdead_beef;

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let header = [0x80, 97, high, low, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef];
    [&header[..], payload].concat()
}

/// RFC 3711 §B.2: the key stream of a session key and salt for SSRC 0 and index 0.
#[test]
fn the_key_stream_of_the_rfc() {
    let keys = SessionKeys {
        profile: SrtpProfile::AesCm128HmacSha1Tag80,
        ssrc: [0; 4],
        cipher: array("2B7E151628AED2A6ABF7158809CF4F3C"),
        salt: array("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
        authentication: [0; 20],
    };
    // Blocks 0xff00 and those around it stand at the end of 2^16 blocks.
    let mut stream = vec![0; 16 * 0xff02];
    keys.counter_mode(PacketIndex::guess(None, 0).unwrap(), &mut stream);
    let at = |block: usize| &stream[16 * block..16 * (block + 1)];
    assert_eq!(at(0), octets("E03EAD0935C95E80E166B16DD92B4EB4"));
    assert_eq!(at(1), octets("D23513162B02D0F72A43A2FE4A5F97AB"));
    assert_eq!(at(2), octets("41E95B3BB0A2E8DD477901E4FCA894C0"));
    assert_eq!(at(0xff00), octets("362B7C3C6773516318A077D7FC5073AE"));
    assert_eq!(at(0xff01), octets("6A2CC3787889374FBEB4C81B17BA6C44"));
}

/// RFC 3711 §B.3.
#[test]
fn the_session_keys_of_the_rfc() {
    let mut keys = [0; 16];
    master().derive(Label::Encryption, &mut keys);
    assert_eq!(keys[..], octets("C61E7A93744F39EE10734AFE3FF7A087"));
    let mut salt = [0; 14];
    master().derive(Label::Salt, &mut salt);
    assert_eq!(salt[..], octets("30CBBC08863D8C85D49DB34A9AE1"));
    let mut authentication = [0; 94];
    master().derive(Label::Authentication, &mut authentication);
    let expected = octets(
        "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
         E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
         6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2",
    );
    assert_eq!(authentication[..], expected);
}

/// RFC 7714 §16.1.1: session key, session salt, and a packet under them.
#[test]
fn the_packet_of_aes_gcm_of_the_rfc() {
    let mut keys = SessionKeys::new(SrtpProfile::AeadAes128Gcm, &master(), 0x5501_a0b2);
    keys.cipher = array("000102030405060708090a0b0c0d0e0f");
    keys.salt[..12].copy_from_slice(&octets("517569642070726f2071756f"));
    let header = octets("8040f17b 8041f8d3 5501a0b2");
    let mut packet = [&header[..], b"Gallia est omnis divisa in partes tres"].concat();
    let index = PacketIndex::guess(None, 0xf17b).unwrap();
    assert_eq!(keys.shape(&packet, 0), Ok((12, 0xf17b)));
    keys.seal(index, 12, &mut packet).unwrap();
    let expected = octets(
        "8040f17b 8041f8d3 5501a0b2
         f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833
         899d7f27 beb16a91 52cf765e e4390cce",
    );
    assert_eq!(packet, expected);
    keys.open(index, 12, &mut packet).unwrap();
    assert_eq!(&packet[12..], b"Gallia est omnis divisa in partes tres");
}

#[test]
fn a_packet_comes_back_once() {
    for profile in PROFILES {
        let (mut sender, mut receiver) =
            (Sender::new(profile, &master(), SSRC), Receiver::new(profile, &master(), SSRC));
        let plain = rtp(7, b"voice");
        let mut packet = plain.clone();
        sender.protect(&mut packet).unwrap();
        assert_eq!(packet.len(), plain.len() + profile.tag_octets());
        assert!(!packet.windows(5).any(|part| part == b"voice"), "{profile:?}");
        let mut again = packet.clone();
        assert_eq!(receiver.unprotect(&mut packet).map(PacketIndex::sequence), Ok(7));
        assert_eq!(packet, plain);
        assert_eq!(receiver.unprotect(&mut again), Err(SrtpError::Replayed));
    }
}

#[test]
fn what_was_altered_moves_no_window() {
    for profile in PROFILES {
        let (mut sender, mut receiver) =
            (Sender::new(profile, &master(), SSRC), Receiver::new(profile, &master(), SSRC));
        let mut packet = rtp(7, b"voice");
        sender.protect(&mut packet).unwrap();
        for at in 0..packet.len() {
            let mut altered = packet.clone();
            altered[at] ^= 1;
            let before = altered.clone();
            let refused = receiver.unprotect(&mut altered).unwrap_err();
            assert_eq!(altered, before, "{profile:?} {at}");
            let source = (8..12).contains(&at);
            // The number of contributing sources, and the bit of an extension, move the end of the header.
            let shape = at == 0 && refused == SrtpError::NotRtp;
            assert!(
                shape || (refused == SrtpError::Source) == source && (source || refused == SrtpError::Tag)
            );
        }
        for len in 0..packet.len() {
            let mut short = packet[..len].to_vec();
            assert!(receiver.unprotect(&mut short).is_err(), "{profile:?} {len}");
        }
        assert!(receiver.unprotect(&mut packet).is_ok(), "{profile:?}");
    }
}

#[test]
fn a_key_stream_is_never_used_again() {
    let mut sender = Sender::new(SrtpProfile::AesCm128HmacSha1Tag80, &master(), SSRC);
    for (sequence, expected) in
        [(65_534, Ok(())), (65_534, Err(SrtpError::Reused)), (65_500, Err(SrtpError::Reused))]
    {
        let mut packet = rtp(sequence, b"x");
        assert_eq!(sender.protect(&mut packet), expected);
        assert_eq!(packet.len() > 13, expected.is_ok());
    }
    let mut next = rtp(2, b"x");
    sender.protect(&mut next).unwrap();
    assert_eq!(sender.last.map(PacketIndex::rollover), Some(1));
    // The last packet index of all.
    sender.last = Some(PacketIndex::last());
    assert_eq!(sender.protect(&mut rtp(0, b"x")), Err(SrtpError::Worn));
}

#[test]
fn the_rollover_counter_is_authentic() {
    for profile in PROFILES {
        let (mut sender, mut receiver) =
            (Sender::new(profile, &master(), SSRC), Receiver::new(profile, &master(), SSRC));
        let mut packets = Vec::new();
        for sequence in [0, 30_000, 60_000, 10, 30_010] {
            let mut packet = rtp(sequence, b"voice");
            sender.protect(&mut packet).unwrap();
            packets.push(packet);
        }
        // A receiver that missed the wrap guesses another rollover counter, and must not take the packet.
        let mut late = Receiver::new(profile, &master(), SSRC);
        assert_eq!(late.unprotect(&mut packets[4].clone()), Err(SrtpError::Tag), "{profile:?}");
        for packet in &mut packets {
            receiver.unprotect(packet).unwrap();
        }
        assert_eq!(receiver.window.highest().map(PacketIndex::rollover), Some(1));
    }
}

#[test]
fn other_sources_and_other_keys() {
    for profile in PROFILES {
        let mut packet = rtp(1, b"voice");
        Sender::new(profile, &master(), SSRC).protect(&mut packet).unwrap();
        let other = MasterKey::new([1; 16], [2; 14]);
        let mut receiver = Receiver::new(profile, &other, SSRC);
        assert_eq!(receiver.unprotect(&mut packet.clone()), Err(SrtpError::Tag));
        let mut receiver = Receiver::new(profile, &master(), 1);
        assert_eq!(receiver.unprotect(&mut packet), Err(SrtpError::Source));
    }
    assert!(!format!("{:?}", master()).contains("225"));
}

#[test]
fn headers_with_sources_and_extensions_stay_readable() {
    for profile in PROFILES {
        // Two contributing sources, an extension of one word.
        let mut plain = rtp(3, &[1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        plain[0] = 0x92;
        plain.extend_from_slice(b"voice");
        let mut packet = plain.clone();
        Sender::new(profile, &master(), SSRC).protect(&mut packet).unwrap();
        assert_eq!(packet[..28], plain[..28], "{profile:?}");
        assert_ne!(packet[28..33], plain[28..], "{profile:?}");
        Receiver::new(profile, &master(), SSRC).unprotect(&mut packet).unwrap();
        assert_eq!(packet, plain);
    }
}

proptest! {
    #[test]
    fn any_octets_are_dropped(packet: Vec<u8>) {
        for profile in PROFILES {
            let mut octets = packet.clone();
            prop_assert!(Receiver::new(profile, &master(), SSRC).unprotect(&mut octets).is_err());
            prop_assert_eq!(&octets, &packet);
        }
    }

    /// Against a set that remembers everything.
    #[test]
    fn each_index_is_taken_once(start in 0_i64..70_000, steps in proptest::collection::vec(-100_i64..100, 1..200)) {
        let (mut window, mut taken, mut at) = (Window::default(), BTreeSet::new(), start);
        for step in steps {
            at = (at + step).max(0);
            let index = PacketIndex(at as u64);
            // The guess is right near the highest one, once there is one.
            if let Some(highest) = window.highest() {
                prop_assert_eq!(PacketIndex::guess(Some(highest), index.sequence()), Some(index));
            }
            let expected = match taken.last() {
                Some(highest) if highest - at >= 64 => Err(SrtpError::Late),
                _ if taken.contains(&at) => Err(SrtpError::Replayed),
                _ => Ok(()),
            };
            prop_assert_eq!(window.check(index), expected);
            if expected.is_ok() {
                window.accept(index);
                taken.insert(at);
            }
        }
    }
}
