use proptest::prelude::*;
use serde_json::Value;
use sidelink_wire::hex;

use super::packet::{Attributes, MAX, MAX_VALUE};
use super::secret::MppeKey;
use super::*;

mod relayed;
mod served;

fn bytes(v: &Value) -> Vec<u8> {
    hex::bytes(v.as_str().unwrap()).unwrap()
}

fn secret() -> Secret {
    Secret::new(b"radius".to_vec()).unwrap()
}

/// Every packet of three exchanges between programs of other makers.
fn messages() -> Vec<Vec<Value>> {
    let text = include_str!("../../vectors/eap_aka_prime_radius_wire.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    cases.iter().map(|case| case["messages"].as_array().unwrap().clone()).collect()
}

#[test]
fn real_packets_are_proven_and_their_keys_revealed() {
    let secret = secret();
    let (mut requests, mut replies, mut keys) = (0, 0, 0);
    for messages in messages() {
        let mut request = [0; 16];
        for message in &messages {
            let octets = bytes(&message["radius"]);
            let packet = Packet::new_checked(&octets).unwrap();
            assert_eq!(packet.eap(), Some(bytes(&message["eap"])));
            if packet.code() == Code::AccessRequest {
                request = packet.authenticator();
                assert!(secret.verify(&packet, &request));
                requests += 1;
                continue;
            }
            assert!(secret.verify_reply(&packet, &request), "{message}");
            replies += 1;
            for (which, name) in [(MppeKey::Send, "mppe_16"), (MppeKey::Recv, "mppe_17")] {
                let Some(key) = message[name]["key"].as_str() else { continue };
                let key: [u8; 32] = hex::bytes(key).unwrap().try_into().unwrap();
                let salt = bytes(&message[name]["salt"]).try_into().unwrap();
                let values: Vec<_> = packet.values(Attribute::VendorSpecific).collect();
                let mut revealed = values.iter().filter_map(|v| secret.reveal(which, v, &request));
                assert_eq!(*revealed.next().unwrap(), key);
                assert!(values.contains(&&secret.hide(which, &key, salt, &request)[..]));
                keys += 1;
            }
        }
    }
    assert_eq!((requests, replies, keys), (16, 16, 8));
}

#[test]
fn a_secret_of_no_octets_is_none() {
    assert!(Secret::new(Vec::new()).is_none());
}

#[test]
fn lengths_that_lie_are_refused() {
    let request = secret().request(1, [7; 16], &Attributes::default()).unwrap();
    for needed in [0, 19, 37] {
        assert!(matches!(Packet::new_checked(&request[..needed]), Err(Error::Truncated { .. })));
    }
    let with = |at: usize, value: u8| {
        let mut octets = request.clone();
        octets[at] = value;
        Packet::new_checked(&octets).map(|_| ()).unwrap_err()
    };
    assert_eq!((with(3, 19), with(2, 17)), (Error::Length(19), Error::Length(17 * 256 + 38)));
    assert_eq!(with(0, 4), Error::Code(4));
    for length in [0, 1, 17, 19] {
        assert!(matches!(with(21, length), Error::Attribute(_)), "{length}");
    }
    // A length of one, which would be followed by a whole attribute.
    let short = [&[1, 1, 0, 23][..], &[7; 16], &[5, 1, 2]].concat();
    assert_eq!(Packet::new_checked(&short).unwrap_err(), Error::Attribute(5));
    let padded = [&request[..], &[1, 2, 3]].concat();
    assert_eq!(Packet::new_checked(&padded).unwrap().octets(), request);
}

#[test]
fn packets_have_an_end() {
    let mut attributes = Attributes::default();
    assert!(matches!(attributes.push(Attribute::State, &[0; MAX_VALUE + 1]), Err(Error::TooLong { .. })));
    attributes.push_eap(&vec![5; 4000]).unwrap();
    let request = secret().request(1, [7; 16], &attributes).unwrap();
    assert_eq!(Packet::new_checked(&request).unwrap().eap().unwrap(), vec![5; 4000]);
    attributes.push(Attribute::State, &[0; 24]).unwrap();
    assert_eq!(secret().request(1, [7; 16], &attributes).unwrap().len(), MAX);
    attributes.push(Attribute::State, &[]).unwrap();
    assert!(matches!(secret().request(1, [7; 16], &attributes), Err(Error::TooLong { .. })));
}

#[test]
fn one_message_authenticator_of_sixteen_octets() {
    let secret = secret();
    let verified = |octets: &[u8]| secret.verify(&Packet::new_checked(octets).unwrap(), &[7; 16]);
    let request = secret.request(1, [7; 16], &Attributes::default()).unwrap();
    assert!(verified(&request));
    let without = [&[1, 1, 0, 20][..], &[7; 16]].concat();
    assert!(!verified(&without));
    let mut twice = [&request[..], &request[20..]].concat();
    twice[3] = 56;
    assert!(!verified(&twice));
    // The first of two is right.
    let mut second = Attributes::default();
    second.push(Attribute::MessageAuthenticator, &[0; 16]).unwrap();
    assert!(!verified(&secret.request(1, [7; 16], &second).unwrap()));
    let mut short = request[..37].to_vec();
    (short[3], short[21]) = (37, 17);
    assert!(!verified(&short));
    assert!(
        !Secret::new(b"other".to_vec()).unwrap().verify(&Packet::new_checked(&request).unwrap(), &[7; 16])
    );
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>, header: bool) {
        let length = (octets.len() as u16 + 4).to_be_bytes();
        let octets = if header { [&[1, 1, length[0], length[1]][..], &octets].concat() } else { octets };
        if let Ok(packet) = Packet::new_checked(&octets) {
            let _ = (packet.eap(), secret().verify(&packet, &[0; 16]), secret().verify_reply(&packet, &[0; 16]));
            for value in packet.values(Attribute::VendorSpecific) {
                let _ = secret().reveal(MppeKey::Recv, value, &[0; 16]);
            }
        }
    }

    #[test]
    fn any_vendor_is_revealed_or_not(value: Vec<u8>, own: bool) {
        let value = if own { [&[0, 0, 1, 55, 17, 52][..], &value].concat() } else { value };
        let _ = secret().reveal(MppeKey::Recv, &value, &[0; 16]);
    }

    #[test]
    fn one_bit_changed_is_noticed(bit in 0_usize..8 * 40) {
        let mut attributes = Attributes::default();
        attributes.push(Attribute::State, &[1; 20]).unwrap();
        let mut octets = secret().reply(Code::AccessAccept, 3, [9; 16], &attributes).unwrap();
        prop_assert!(secret().verify_reply(&Packet::new_checked(&octets).unwrap(), &[9; 16]));
        octets[bit / 8] ^= 1 << (bit % 8);
        if let Ok(packet) = Packet::new_checked(&octets) {
            prop_assert!(!secret().verify_reply(&packet, &[9; 16]));
        }
    }

    #[test]
    fn a_key_comes_back(half: [u8; 32], salt: [u8; 2], request: [u8; 16]) {
        let value = secret().hide(MppeKey::Send, &half, salt, &request);
        prop_assert_eq!(value.len(), 56);
        prop_assert_eq!(*secret().reveal(MppeKey::Send, &value, &request).unwrap(), half);
        prop_assert!(secret().reveal(MppeKey::Recv, &value, &request).is_none());
    }
}

#[test]
fn relay_and_service_of_called_station_id() {
    let value = called_station(b"ruth", [0, 0x1a, 7]);
    assert_eq!(value, b"ruth:001a07");
    assert_eq!(relay_and_service(&value), Some((&b"ruth"[..], [0, 0x1a, 7])));
    assert_eq!(relay_and_service(b"a:b:000001"), Some((&b"a:b"[..], [0, 0, 1])));
    for value in [&b"ruth"[..], b"", b"ruth-000001", b"ruth:00000g", b"ruth:00 001"] {
        assert_eq!(relay_and_service(value), None, "{value:?}");
    }
}
