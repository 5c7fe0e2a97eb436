//! End of a KD: by time, by its sessions, with the certificate that made it, by a store that fails.

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::direct::signed::issue::Issuer;
use sidelink_security::kdf::own::stream_id;

use super::super::*;
use super::authentication::equip;
use super::rig::{Air, PERIOD, T0, Ue, name};

fn certified() -> Air {
    Air::without_keys(2, |_, _| {}, equip)
}

pub(super) fn linked_by_certificates() -> Air {
    let mut air = certified();
    air.connect(0, 1);
    air.run(1500);
    assert!(air.agreed(0, 1));
    air
}

pub(super) fn noted(ue: &Ue, what: impl Fn(&Note) -> bool) -> usize {
    ue.notes.iter().filter(|note| what(note)).count()
}

/// An expired KD is used neither for requests nor for answers, at either end, and is removed from the store once the
/// clock has been steady for a while.
#[test]
fn an_expired_kd_is_not_used_and_goes() {
    let mut air = linked_by_certificates();
    let old = air.ues[0].disk.keys[0].copy();
    air.restart(0);
    air.restart(1);
    air.now += 30 * 60_000;
    for ue in 0..2 {
        let mut record = air.ues[ue].disk.keys[0].copy();
        record.expiry = UtcTime::from_millis(air.now);
        air.ues[ue].manager.add_kd(record);
    }
    air.connect(0, 1);
    air.run(1500);
    assert!(air.agreed(0, 1));
    let (_, keys) = air.up(0, 1).unwrap();
    assert_ne!(keys.kd, old.id, "a new one was agreed on");
    air.run(120_000);
    for ue in &air.ues {
        assert!(ue.disk.keys.iter().all(|record| record.id != old.id), "removed from the store");
    }

    // At the target UE: a request that names it is refused.
    let mut air = Air::new(2);
    let mut record = super::rig::shared(1, 0);
    record.expiry = UtcTime::from_millis(T0);
    air.ues[1].manager.add_kd(record);
    air.connect(0, 1);
    air.run(200);
    assert!(noted(&air.ues[1], |n| matches!(n, Note::UnknownKd { .. })) > 0);
    assert!(air.up(0, 1).is_none());
}

#[test]
fn an_expired_kd_is_removed_though_nothing_else_happens() {
    let mut air = linked_by_certificates();
    let kd = air.ues[0].disk.keys[0].id;
    air.restart(0);
    let record = air.ues[0].disk.keys[0].copy();
    let expiry = UtcTime::from_millis(air.now + 1000);
    air.ues[0].manager.local.keyring.add(KdRecord { expiry, ..record });
    for step in 0..100 {
        air.now += 1000;
        let now = air.time(0);
        air.ues[0].manager.handle_input(Input::Tick { now }).unwrap();
        air.drain(0);
        let there = air.ues[0].disk.keys.iter().any(|record| record.id == kd);
        assert_eq!(there, step < 60, "{step}");
    }
    assert_eq!(noted(&air.ues[0], |n| matches!(n, Note::KdEnded { .. })), 1);
}

/// A KD is used for 2^16 sessions, at either end and in the answer to a request.
#[test]
fn a_kd_ends_with_its_sessions() {
    for (number, usable) in [(0xfff0u64, true), (0x1_0000, false)] {
        for ue in 0..2 {
            let mut air = Air::new(2);
            let stream = StreamId(stream_id(&name(ue).value, b"direct"));
            air.ues[ue].disk.counters.set(stream, number);
            let peer = 1 - ue;
            air.ues[ue].disk.keys[0] =
                KdRecord { method: Method::Signed, created_at: 0, ..super::rig::shared(ue, peer) };
            air.restart(ue);
            let begun = air.try_connect(0, 1);
            assert_eq!(begun, if ue == 1 || usable { Ok(()) } else { Err(Error::NoKey) });
            air.run(200);
            assert_eq!(air.agreed(0, 1), usable, "{number:x} {ue}");
        }
    }
    // The sessions end between request and command.
    let mut air = Air::new(2);
    air.ues[0].disk.counters.set(StreamId(stream_id(&name(0).value, b"direct")), 1 << 17);
    air.restart(0);
    air.connect(0, 1);
    let created_at = air.ues[0].manager.local.number() - (1 << 16);
    let spent = KdRecord { method: Method::Signed, created_at, ..super::rig::shared(0, 1) };
    air.ues[0].manager.add_kd(spent);
    air.run(6 * PERIOD);
    assert!(air.up(0, 1).is_none(), "what ended meanwhile proves nothing");
}

/// A failing store ends pending exchanges at once: the half-open entry, the set-up, the re-keying at either end.
#[test]
fn a_kd_that_is_not_stored_ends_its_exchange() {
    // Session numbers are reserved before the first KD is stored: from then on every store fails.
    let failing: fn(u32) -> bool = |_| true;
    let mut air = certified();
    air.ues[1].failing = failing;
    air.connect(0, 1);
    air.run(5 * PERIOD);
    assert_eq!(air.ues[1].manager.half_open(), 0, "the complete came, and its KD was not stored");
    assert_eq!(air.log.last().unwrap().message(), Some(13));

    let mut air = certified();
    air.ues[0].failing = failing;
    air.connect(0, 1);
    air.run(4 * PERIOD);
    assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why: Closed::Store });

    for fails in 0..2 {
        let mut air = linked_by_certificates();
        air.ues[fails].failing = failing;
        air.rekey(0, 1, true).unwrap();
        air.run(5 * PERIOD);
        let link::State::Up(up) = &air.ues[fails].manager.links[0].state else { panic!("not up") };
        assert!(up.exchange.is_idle(), "{fails}");
    }
}

/// A clock that is a little behind counts as equal; one that was wrong by much is followed, timers continue, and when
/// it is right again the error leaves no trace.
#[test]
fn a_clock_that_was_wrong_recovers() {
    let mut air = linked_by_certificates();
    let manager = &mut air.ues[0].manager;
    let now = manager.local.now;
    manager.handle_input(Input::Tick { now: UtcTime::from_millis(air.now - 900) }).unwrap();
    assert_eq!((manager.local.now, manager.local.clock), (now, now), "never back by a little");

    const DAYS: u64 = 2 * 24 * 3_600_000;
    let before = air.up(0, 1);
    for skew in [DAYS, 0] {
        air.ues[0].skew = skew;
        air.run(5000);
        assert_eq!(air.up(0, 1), before, "the link goes on");
    }
    assert_eq!(noted(&air.ues[0], |n| matches!(n, Note::ClockSet { .. })), 2);
    assert_eq!(air.ues[0].disk.keys.len(), 1, "the KD, which had expired for a while, is there");
    // Certificates are valid again.
    air.rekey(0, 1, true).unwrap();
    air.run(1000);
    assert!(air.agreed(0, 1));
    assert_ne!(air.up(0, 1).unwrap().1.kd, before.unwrap().1.kd);
}

/// A KD ends with the certificate that made it: by its validity, and by a revocation list, which releases the link too.
#[test]
fn a_kd_ends_with_the_certificate_that_made_it() {
    let mut air = linked_by_certificates();
    for (ue, serial) in [(0, 8), (1, 7)] {
        let record = &air.ues[ue].disk.keys[0];
        let vouched = record.vouched.as_ref().unwrap();
        assert_eq!(vouched.serial, [serial]);
        assert_eq!(record.expiry, vouched.end.plus_millis(32_000), "before the KD's own life of a day");
    }
    let list = Issuer::new("north", &[0xaa; 32]).revoke(3, &[7], UtcTime::from_millis(T0));
    // John installs a revocation list with Mary's certificate.
    air.ues[1].manager.install_crl(&list).unwrap();
    assert!(air.ues[1].manager.install_crl(&list).is_err(), "not newer");
    air.run(1500);
    assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
    assert!(
        air.ues[1].disk.keys.is_empty() && noted(&air.ues[1], |n| matches!(n, Note::KdEnded { .. })) == 1
    );
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.up(0, 1).is_none(), "and no way back");

    // The list is known only at the start: the stored KD is removed all the same.
    let mut air = linked_by_certificates();
    air.restart(1);
    air.ues[1].manager.install_crl(&list).unwrap();
    air.restart(0);
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.up(0, 1).is_none() && air.ues[1].disk.keys.is_empty());
}

/// A certificate vouches for users only.
#[test]
fn no_certificate_vouches_for_another_type_of_identity() {
    let mut air = certified();
    air.ues[0].config.identity.kind = 2;
    air.restart(0);
    air.connect(0, 1);
    air.run(20_000);
    assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
    let users = |n: &Note| n.to_string().contains("names users");
    assert!(noted(&air.ues[1], users) > 0);
}
