use proptest::prelude::*;

use super::*;

fn pair() -> (Context, Context) {
    (Context::new(&[7; 32], End::Ue), Context::new(&[7; 32], End::Mme))
}

fn service(octets: &[u8]) -> Plain {
    Plain::Service(Zeroizing::new(octets.to_vec()))
}

#[test]
fn each_end_opens_what_the_other_protects_once() {
    let (mut ue, mut mme) = pair();
    for n in 0..600_u32 {
        let message = service(&n.to_be_bytes());
        let up = ue.protect(&message).unwrap();
        assert_eq!(mme.verify(&up).unwrap(), message.emit());
        assert_eq!(mme.verify(&up).unwrap_err(), Refusal::Mac, "a repetition");
        let down = mme.protect(&message).unwrap();
        assert_ne!(up, down, "direction");
        assert_eq!(ue.verify(&down).unwrap(), message.emit());
        assert_eq!(mme.verify(&down).unwrap_err(), Refusal::Mac, "a reflection");
    }
}

#[test]
fn losses_are_bridged_and_what_is_older_is_not_opened() {
    let (mut ue, mut mme) = pair();
    let sent: Vec<_> = (0..300).map(|_| ue.protect(&Plain::AttachAccept).unwrap()).collect();
    assert!(mme.verify(&sent[200]).is_ok());
    assert_eq!(mme.verify(&sent[199]).unwrap_err(), Refusal::Mac);
    assert!(mme.verify(&sent[299]).is_ok(), "SN began anew");
}

#[test]
fn nothing_is_readable_and_no_count_repeats() {
    let (mut ue, _) = pair();
    let secret = [0x5a; 32];
    let octets = ue.protect(&service(&secret)).unwrap();
    assert!(!octets.windows(4).any(|window| window == &secret[..4]));
    ue.sends = COUNTS;
    assert_eq!(ue.protect(&Plain::AttachAccept), Err(Refusal::Exhausted));
}

#[test]
fn a_message_shows_no_secret() {
    let shown = format!("{:?}", service(&[0xab; 32]));
    assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
}

#[test]
fn what_is_no_message() {
    for octets in [
        &[][..],
        &[7],
        &[8, 0x42],
        &[7, 0x99],
        &[7, 0x42, 0],
        &[7, 0x53, 1, 2],
        &[7, 0x53, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        &[7, 0x41, b'x'],
    ] {
        assert!(Plain::parse(octets).is_err(), "{octets:?}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_parsed_or_refused(octets: Vec<u8>, kind in prop::sample::select(vec![0x41_u8, 0x42, 0x44, 0x52, 0x53, 0x5c, 0x4c])) {
        for octets in [octets.clone(), [&[7, kind][..], &octets].concat()] {
            if let Ok(message) = Plain::parse(&octets) {
                prop_assert_eq!(&message.emit()[..], &octets[..]);
            }
        }
        let (mut ue, _) = pair();
        prop_assert!(ue.verify(&octets).is_err());
    }

    #[test]
    fn one_bit_changed_is_noticed(bit in 0_usize..8 * 16) {
        let (mut ue, mut mme) = pair();
        let mut octets = ue.protect(&service(&[1; 8])).unwrap();
        octets[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(mme.verify(&octets).is_err());
    }
}
