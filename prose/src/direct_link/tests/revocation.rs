//! A KD that ended, or whose certificate was revoked, at each place that could use it or must look for it.

use sidelink_security::counter::UtcTime;

use super::super::kd::Keyring;
use super::super::*;
use super::authentication::{HOUR, certificate, issuer, trust, valid};
use super::ends::{linked_by_certificates, noted};
use super::rig::{Air, PERIOD, T0, Ue, shared};

/// The list that revokes mary's certificate.
fn list() -> Vec<u8> {
    issuer().revoke(3, &[7], UtcTime::from_millis(T0))
}

fn tick(air: &mut Air, ue: usize) {
    let now = air.time(ue);
    air.ues[ue].manager.handle_input(Input::Tick { now }).unwrap();
    air.drain(ue);
}

fn keys(ue: &Ue) -> usize {
    ue.manager.local.keyring.derived().count()
}

/// Of a KD that ended neither its name, its peer nor the one-time name that its peer was given finds anything.
#[test]
fn a_keyring_finds_nothing_that_ended() {
    let (now, number, given) = (UtcTime::from_millis(T0), 0x1_0000, [1, 2, 3, 4]);
    let usable =
        || KdRecord { method: Method::Signed, expiry: now.plus_millis(1), created_at: 1, ..shared(0, 1) };
    let expired = KdRecord { expiry: now, ..usable() };
    let spent = KdRecord { created_at: 0, ..usable() };
    for (mut record, found) in [(usable(), true), (expired, false), (spent, false)] {
        record.connection.local = Some(given);
        let (id, peer) = (record.id, record.peer.clone());
        let mut keyring = Keyring::default();
        keyring.add(record);
        assert_eq!(keyring.find(id, &peer, now, number).is_some(), found);
        assert_eq!(keyring.of_peer(&peer, now, number).count(), usize::from(found));
        assert_eq!(keyring.by_connection(given, now, number).is_some(), found);
    }
}

/// A KD that ended is not named in a request: a new one is offered at once.
#[test]
fn no_request_names_a_kd_that_ended() {
    let mut air = linked_by_certificates();
    let old = air.ues[0].disk.keys[0].copy();
    air.restart(0);
    air.restart(1);
    air.now += 30 * 60_000;
    let expiry = UtcTime::from_millis(air.now);
    let name = old.id.0.to_be_bytes();
    air.ues[0].manager.local.keyring.add(KdRecord { expiry, ..old });
    let mark = air.log.len();
    air.connect(0, 1);
    air.run(1500);
    assert!(air.agreed(0, 1));
    let names = |f: &super::rig::Flying| f.pdu.octets.windows(4).any(|w| w == name);
    assert_eq!(air.log[mark].message(), Some(1));
    assert!(!air.log[mark..].iter().any(names));
}

/// A KD that ends while its link is up makes no new session key, at either end, and is given no one-time name.
#[test]
fn a_link_is_not_re_keyed_by_a_kd_that_ended() {
    for ended in 0..2 {
        let mut air = Air::linked();
        let before = air.up(0, 1).unwrap().1.fingerprint;
        let record = air.ues[ended].disk.keys[0].copy();
        let (id, peer) = (record.id, record.peer.clone());
        let expiry = UtcTime::from_millis(air.now);
        let local = &mut air.ues[ended].manager.local;
        local.config.connection_ids = true;
        assert!(local.give_connection(id, &peer).is_some());
        air.drain(ended);
        let local = &mut air.ues[ended].manager.local;
        local.keyring.add(KdRecord { expiry, ..record });
        assert_eq!(local.give_connection(id, &peer), None);
        local.config.connection_ids = false;
        air.rekey(0, 1, false).unwrap();
        air.run(20 * PERIOD);
        for (from, to) in [(0, 1), (1, 0)] {
            let now = air.up(from, to).map(|(_, keys)| keys.fingerprint);
            assert!(now.is_none_or(|now| now == before), "{ended}: a session key of it");
        }
    }
}

/// Whatever comes after a list was taken: a KD that is added, another trust that holds the list, a KD that was on its way to
/// the store. The next input finds it.
#[test]
fn a_revoked_certificate_is_found_whatever_changes() {
    // a KD is added
    let mut air = linked_by_certificates();
    let record = air.ues[1].disk.keys[0].copy();
    air.ues[1].manager.install_crl(&list()).unwrap();
    air.run(1500);
    assert_eq!(keys(&air.ues[1]), 0);
    air.ues[1].manager.add_kd(record.copy());
    tick(&mut air, 1);
    assert_eq!((keys(&air.ues[1]), air.ues[1].disk.keys.len()), (0, 0), "added");

    // a KD was on its way to the store
    let change = Change::Put(record);
    air.ues[1].manager.local.store(vec![change]);
    tick(&mut air, 1);
    tick(&mut air, 1);
    assert_eq!((keys(&air.ues[1]), air.ues[1].disk.keys.len()), (0, 0), "stored");

    // another trust
    let mut air = linked_by_certificates();
    let mut other = trust();
    other.install_crl(&list()).unwrap();
    tick(&mut air, 1);
    let john = certificate(1, valid(T0 - HOUR, T0 + HOUR));
    air.ues[1].manager.authenticate_with(john, other);
    assert_eq!(keys(&air.ues[1]), 1);
    tick(&mut air, 1);
    assert_eq!(keys(&air.ues[1]), 0);
    assert_eq!(noted(&air.ues[1], |note| matches!(note, Note::KdEnded { .. })), 1);
}
