//! Identifiers change: without loss, in every order, and only if both agree.

use sidelink_security::direct::{KdSessId, Profile};

use super::super::*;
use super::rig::{Air, PERIOD, PROFILE, Ue, l2};
use sidelink_wire::pc5_signalling::{Body, Identifiers};

pub(super) fn linked(configure: fn(usize, &mut Config)) -> Air {
    PROFILE.set(Profile::Nr);
    let mut air = Air::with(2, configure, |_, _| {});
    for index in 0..2 {
        air.ues[index].config.updates = true;
        air.restart(index);
    }
    air.connect(0, 1);
    air.run(1000);
    assert!(air.agreed(0, 1));
    air
}

fn addresses(air: &Air, index: usize) -> Vec<u32> {
    air.ues[index].manager.addresses().map(sidelink_wire::ids::Layer2Id::value).collect()
}

fn renamed(ue: &Ue) -> usize {
    ue.states.iter().filter(|(_, s)| matches!(s, State::Renamed { .. })).count()
}

/// Each of the three messages lost up to three times, under traffic from both sides: no data is lost, repeated or out
/// of order, no COUNT repeats (the rig checks), and both ends agree finally.
#[test]
fn identifiers_change_under_traffic() {
    for message in [None, Some(0xf0), Some(0xf1), Some(0xf2)] {
        for copies in 1..=3 {
            let mut air = linked(|_, _| {});
            let (_, old) = air.up(0, 1).unwrap();
            let mut left = copies;
            air.channel = Box::new(move |flying| {
                let hit = message.is_some() && flying.message() == message && left > 0;
                left -= i32::from(hit);
                if hit { vec![] } else { vec![flying] }
            });
            air.update(0, 1).unwrap();
            for number in 0u32..400 {
                for (from, to) in [(0, 1), (1, 0)] {
                    air.send(from, to, &number.to_be_bytes()).unwrap();
                }
                air.run(10);
            }
            air.run(1000);
            assert!(air.agreed(0, 1), "{message:?} {copies}");
            let (_, new) = air.up(0, 1).unwrap();
            let changed = message != Some(0xf0) || copies < 3;
            assert_eq!(old.session != new.session, changed, "{message:?} {copies}");
            assert_eq!((old.kd, old.fingerprint, old.chosen), (new.kd, new.fingerprint, new.chosen));
            for ue in &air.ues {
                assert_eq!(renamed(ue), usize::from(changed));
                let got: Vec<_> =
                    ue.received.iter().map(|r| u32::from_be_bytes(r.data[..].try_into().unwrap())).collect();
                assert_eq!(got, (0..400).collect::<Vec<_>>(), "{message:?} {copies}");
            }
            // The old ones receive while PDUs may be in flight, then no more.
            assert_eq!(addresses(&air, 0).len(), if changed { 3 } else { 2 });
            air.run(6000);
            assert!(air.agreed(0, 1));
            assert_eq!(addresses(&air, 0).len(), 2, "its own, and that of the link");
            assert_eq!(addresses(&air, 0)[1] != 0x10, changed);
        }
    }
}

#[test]
fn both_ask_at_once_and_either_may_ask_again() {
    let mut air = linked(|_, _| {});
    air.update(0, 1).unwrap();
    air.update(1, 0).unwrap();
    air.run(1000);
    assert!(air.agreed(0, 1));
    assert_eq!([renamed(&air.ues[0]), renamed(&air.ues[1])], [1, 1], "the lower layer-2 identity asks");
    let mut names = vec![air.up(0, 1).unwrap().1.session];
    for round in 0..20 {
        air.update(round % 2, 1 - round % 2).unwrap();
        air.run(4 * PERIOD);
        assert!(air.agreed(0, 1), "{round}");
        names.push(air.up(0, 1).unwrap().1.session);
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "no name twice under one key");
    assert_eq!(addresses(&air, 0).len(), 6, "four old ones are kept at most");
}

/// A new key and new identifiers at once: the key comes first, in either order of the requests.
#[test]
fn identifiers_and_keys_at_once() {
    for (updates, rekeys) in [(0, 1), (1, 0)] {
        for first in [true, false] {
            let mut air = linked(|_, _| {});
            let (_, old) = air.up(0, 1).unwrap();
            if first {
                air.update(updates, 1 - updates).unwrap();
                air.rekey(rekeys, 1 - rekeys, false).unwrap();
            } else {
                air.rekey(rekeys, 1 - rekeys, false).unwrap();
                air.update(updates, 1 - updates).unwrap();
            }
            assert_eq!(air.rekey(updates, 1 - updates, false), Err(Error::RekeyingTooSoon));
            air.run(3000);
            assert!(air.agreed(0, 1));
            let (_, new) = air.up(0, 1).unwrap();
            assert_ne!(old.fingerprint, new.fingerprint, "{updates} {first}");
            air.update(0, 1).unwrap();
            air.run(1000);
            assert!(air.agreed(0, 1));
            air.rekey(1, 0, false).unwrap();
            air.run(1000);
            assert!(air.agreed(0, 1), "a new key after a new name");
        }
    }
}

#[test]
fn the_privacy_timer_changes_them_by_itself() {
    let mut air = linked(|index, config| config.privacy = (index == 1).then_some(2000));
    air.run(10_000);
    assert!(air.agreed(0, 1));
    assert!((4..=5).contains(&renamed(&air.ues[0])), "{}", renamed(&air.ues[0]));
}

/// A UE that may not, or cannot, refuses; the link continues unchanged.
#[test]
fn refusals() {
    let mut air = linked(|_, _| {});
    air.ues[1].config.updates = false;
    air.restart(1);
    air.restart(0);
    air.connect(0, 1);
    air.run(400);
    let before = air.up(0, 1).unwrap();
    assert_eq!(air.update(1, 0), Err(Error::NoUpdates));
    air.update(0, 1).unwrap();
    air.run(400);
    assert_eq!(air.up(0, 1).unwrap(), before);
    let refuses = |air: &Air, ue: usize, cause: Cause| {
        let refusal = |n: &Note| matches!(n, Note::PeerRefuses { cause: c, proven: true, .. } if *c == cause);
        air.ues[ue].notes.iter().any(refusal)
    };
    assert!(refuses(&air, 0, Cause::NotAllowed));

    // TRK-9 for KD-sess IDs, and the same for layer-2 identities: one that is in use, one that is invalid.
    for (own, layer2) in [(true, [0, 0, 0x11]), (true, [0; 3]), (false, [9, 9, 9])] {
        let mut air = linked(|_, _| {});
        let before = air.up(0, 1).unwrap();
        if own {
            air.update(0, 1).unwrap();
            air.flying.clear();
            let asked = Identifiers { kd_sess: 7, layer2 };
            air.ues[0].say(Body::IdentifierUpdateRequest(asked));
            air.drain(0);
        } else {
            // An accept whose half makes a name that the key has had.
            air.update(0, 1).unwrap();
            let link::State::Up(up) = &mut air.ues[0].manager.links[0].state else { panic!() };
            let session::Exchange::UpdateRequested(update) = &up.exchange else { panic!() };
            let had = KdSessId::from_halves(update.new.kd_sess, 7).unwrap();
            assert!(up.session.active.renamed(had).is_some());
            let body =
                Body::IdentifierUpdateAccept { new: Identifiers { kd_sess: 7, layer2 }, asked: update.new };
            air.flying.clear();
            air.ues[1].say(body);
            air.drain(1);
        }
        air.run(2 * PERIOD);
        if own {
            assert!(refuses(&air, 0, Cause::Layer2IdConflict), "{:?}", air.ues[0].notes);
        } else {
            let told = air.log.iter().filter(|f| f.message() == Some(0xf3)).count();
            assert_eq!(told, 1, "cause 9");
        }
        assert_eq!(air.up(0, 1).unwrap(), before);
        air.run(2000);
        assert!(air.agreed(0, 1));
    }
}

/// The peer restarts and sends a request from its first address: its link is replaced, whatever its identifiers were
/// meanwhile.
#[test]
// TS 33.303 §6.5.5.2 step 5
fn a_restart_replaces_a_link_that_was_renamed() {
    let mut air = linked(|_, _| {});
    air.update(1, 0).unwrap();
    air.run(400);
    assert!(air.agreed(0, 1));
    air.restart(0);
    air.connect(0, 1);
    air.run(400);
    assert!(air.agreed(0, 1));
    assert_eq!(air.ues[1].manager.links().count(), 1);
    assert_eq!(addresses(&air, 1), [0x11, 0x11]);
}

/// Every PDU ever sent is replayed, from every address, to every address.
#[test]
fn replays_change_nothing() {
    let mut air = linked(|_, _| {});
    air.send(0, 1, b"once").unwrap();
    air.run(100);
    air.update(0, 1).unwrap();
    air.run(300);
    air.send(1, 0, b"once").unwrap();
    air.run(300);
    let before = (air.up(0, 1), air.up(1, 0));
    let recorded = air.log.clone();
    let states = [air.ues[0].states.len(), air.ues[1].states.len()];
    for flying in recorded {
        for to in [0, 1] {
            air.inject(flying.from, to, flying.pdu.lcid, flying.pdu.octets.clone());
            air.inject(l2(0x10 + 1 - to as u32), to, flying.pdu.lcid, flying.pdu.octets.clone());
        }
        air.run(0);
    }
    air.run(200);
    assert_eq!((air.up(0, 1), air.up(1, 0)), before);
    assert_eq!([air.ues[0].states.len(), air.ues[1].states.len()], states);
    assert!(air.ues.iter().all(|ue| ue.received.iter().filter(|r| r.data == b"once").count() == 1));
    air.run(3000);
    assert!(air.agreed(0, 1));
}
