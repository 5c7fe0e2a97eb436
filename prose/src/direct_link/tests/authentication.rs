//! Method 2: certificates and raw keys, in set-up and in re-keying.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};

use super::super::*;
use super::rig::{Air, PERIOD, T0, name};

pub(super) const HOUR: u64 = 3_600_000;

pub(super) fn issuer() -> Issuer {
    Issuer::new("north", &[0xaa; 32])
}

pub(super) fn valid(from: u64, until: u64) -> Validity {
    Validity { from: UtcTime::from_millis(from), until: UtcTime::from_millis(until) }
}

pub(super) fn trust() -> Trust {
    let root = Root::from_der(&issuer().certificate(valid(T0 - HOUR, T0 + HOUR))).unwrap();
    Trust { roots: vec![root], raw: Vec::new(), guard: 32_000, grace: 0 }
}

pub(super) fn certificate(index: usize, validity: Validity) -> Credential {
    let seed = [0x40 + index as u8; 32];
    let key = Credential::raw(&seed).public();
    Credential::certified(&seed, issuer().issue(&name(index).value, 7 + index as u32, &key, validity))
}

pub(super) fn equip(index: usize, manager: &mut LinkManager) {
    manager.authenticate_with(certificate(index, valid(T0 - HOUR, T0 + HOUR)), trust());
}

fn certified() -> Air {
    Air::without_keys(2, |_, _| {}, equip)
}

fn equip_raw(index: usize, manager: &mut LinkManager) {
    let key = |index: usize| Credential::raw(&[0x40 + index as u8; 32]);
    let raw = (0..3).map(|index| (name(index).value, key(index).public())).collect();
    manager.authenticate_with(key(index), Trust { raw, ..Trust::default() });
}

#[test]
// TS 24.334 §10.4.5.2 (1); TS 24.334 §10.4.5.3 (5); TS 24.334 §10.4.5.4; TS 33.303 §6.5.5.2 step 1 (2)
// TS 33.303 §6.5.5.2 step 2; TS 33.303 §6.5.5.2 step 4 (2)
pub(super) fn six_messages_make_a_link_and_a_durable_kd() {
    for equip in [equip as fn(usize, &mut LinkManager), equip_raw] {
        let mut air = Air::without_keys(2, |_, _| {}, equip);
        air.connect(0, 1);
        air.run(6 * PERIOD);
        assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
        let sent: Vec<_> = air.log.iter().map(|f| f.message().unwrap()).collect();
        assert_eq!(sent, [1, 0xe0, 0xe1, 12, 13, 2]);
        for ue in &air.ues {
            assert_eq!(ue.disk.keys.len(), 1);
        }
        assert_eq!(air.ues[0].disk.keys[0].id, air.ues[1].disk.keys[0].id);
        assert!(air.ues[0].disk.keys[0].kd == air.ues[1].disk.keys[0].kd);
        // The next time the KD does, in four.
        let before = air.log.len();
        air.restart(0);
        air.restart(1);
        air.connect(1, 0);
        air.run(4 * PERIOD);
        assert!(air.agreed(0, 1));
        assert_eq!(air.log.len(), before + 4);
    }
}

#[test]
pub(super) fn losses_at_every_place() {
    for lost in 0u32..1 << 8 {
        if lost.count_ones() > 2 {
            continue;
        }
        let mut air = certified();
        let mut number = 0;
        air.channel = Box::new(move |flying| {
            number += 1;
            if number <= 8 && lost >> (number - 1) & 1 == 1 { vec![] } else { vec![flying] }
        });
        air.connect(0, 1);
        air.run(5000);
        assert!(air.agreed(0, 1), "{lost:08b} {:?}", air.ues[0].notes);
    }
}

#[test]
pub(super) fn flipped_bits_of_the_containers_give_no_link_that_disagrees() {
    for message in [1u8, 0xe0, 0xe1] {
        for octet in 0..420 {
            let mut air = certified();
            let mut hit = false;
            air.channel = Box::new(move |mut flying| {
                let is_it = flying.message() == Some(message);
                let octets = &mut flying.pdu.octets;
                if is_it && !hit && octet < octets.len() {
                    octets[octet] ^= 0x04;
                    hit = true;
                }
                vec![flying]
            });
            air.connect(0, 1);
            air.run(2500);
            assert!(air.agreed(0, 1), "message {message} octet {octet}: {:?}", air.ues[0].notes);
        }
    }
}

/// Each invalid certificate gives its own cause and a note for the operator, and leaves no state.
#[test]
pub(super) fn wrong_certificates_are_told_apart() {
    fn ends(equip: fn(usize, &mut LinkManager), cause: Cause, words: &str) {
        let mut air = Air::without_keys(2, |_, _| {}, equip);
        air.connect(0, 1);
        air.run(20_000);
        let why = Closed::NoAnswer { hint: Some(cause) };
        assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why }, "{words}");
        let notes: Vec<_> = air.ues.iter().flat_map(|ue| &ue.notes).map(ToString::to_string).collect();
        assert!(notes.iter().any(|note| note.contains(words)), "{words}: {notes:?}");
        for ue in &air.ues {
            assert_eq!((ue.manager.links().count(), ue.manager.half_open(), ue.disk.keys.len()), (0, 0, 0));
        }
    }
    ends(
        |i, manager| match i {
            0 => manager.authenticate_with(certificate(0, valid(T0 - 2 * HOUR, T0 - HOUR)), trust()),
            _ => equip(i, manager),
        },
        Cause::Expired,
        "expired 3600 s ago",
    );
    ends(
        |i, manager| match i {
            1 => manager.authenticate_with(certificate(1, valid(T0 + HOUR, T0 + 2 * HOUR)), trust()),
            _ => equip(i, manager),
        },
        Cause::Expired,
        "begins to be valid in 3599 s",
    );
    ends(
        |i, manager| {
            let mut trust = trust();
            trust.roots[0].install_crl(&issuer().revoke(3, &[7], UtcTime::from_millis(T0))).unwrap();
            manager.authenticate_with(certificate(i, valid(T0 - HOUR, T0 + HOUR)), trust);
        },
        Cause::Revoked,
        "revocation list",
    );
    ends(
        |i, manager| match i {
            0 => {
                let (seed, validity) = ([9; 32], valid(T0 - HOUR, T0 + HOUR));
                let key = Credential::raw(&seed).public();
                let own = Issuer::new("mary", &seed).issue(b"mary", 1, &key, validity);
                manager.authenticate_with(Credential::certified(&seed, own), trust());
            }
            _ => equip(i, manager),
        },
        Cause::UnknownIssuer,
        "signed by itself",
    );
}

/// Clocks 40 s apart: no effect within the validity; at its end the UE that is ahead refuses, with the time as cause.
#[test]
pub(super) fn clocks_forty_seconds_apart() {
    let mut air = certified();
    air.ues[1].skew = 40_000;
    air.connect(0, 1);
    air.run(400);
    assert!(air.agreed(0, 1));

    let mut air = certified();
    air.now = T0 + HOUR;
    air.ues[1].skew = 40_000;
    air.connect(0, 1);
    air.run(10_000);
    assert!(air.up(0, 1).is_none());
    assert!(air.ues[1].notes.iter().any(|n| n.to_string().contains("compare the clocks")));
}

/// A new KD on the Re-auth flag replaces the old one on both sides, and only after the proof.
#[test]
// TS 24.334 §10.4.8.2 (3); TS 24.334 §12.5.1.32; TS 33.303 §6.5.5.3 step 1
pub(super) fn re_keying_with_a_new_kd() {
    let mut air = certified();
    air.connect(0, 1);
    air.run(1500);
    let (_, old) = air.up(0, 1).unwrap();
    for (from, to) in [(0, 1), (1, 0)] {
        air.rekey(from, to, true).unwrap();
        air.run(6 * PERIOD);
        assert!(air.agreed(0, 1), "{:?}", air.ues[to].notes);
        let (_, new) = air.up(0, 1).unwrap();
        assert_ne!(new.kd, old.kd);
        for ue in &air.ues {
            assert_eq!(ue.disk.keys.iter().map(|r| r.id).collect::<Vec<_>>(), [new.kd]);
        }
        air.run(1500);
    }
    let types: Vec<_> = air.log.iter().filter_map(|f| f.message()).collect();
    assert!(types.windows(6).any(|w| w == [15, 0xe0, 0xe1, 12, 13, 16]));
}

/// Under a flood signatures are made only for UEs that echo a cookie, and an honest UE still comes through.
#[test]
pub(super) fn a_flood_costs_cookies_not_signatures() {
    let mut template = certified();
    template.connect(0, 1);
    let request = template.log[0].pdu.octets.clone();
    let mut air = Air::without_keys(3, |_, _| {}, equip);
    for number in 0u32..1000 {
        let mut octets = request.clone();
        octets[20..24].copy_from_slice(&number.to_be_bytes());
        let source = sidelink_wire::ids::Layer2Id::new(0x1000 + number).unwrap();
        air.inject(source, 1, sidelink_wire::ids::Lcid::PC5_S_UNPROTECTED, octets);
        air.run(PERIOD / 4);
        if number == 500 {
            air.connect(2, 1);
        }
        assert!(air.ues[1].manager.half_open() <= 33, "{}", air.ues[1].manager.half_open());
    }
    assert!(air.agreed(2, 1), "{:?}", air.ues[2].notes);
    assert!(air.log.iter().any(|f| f.message() == Some(0xe2)));
}
