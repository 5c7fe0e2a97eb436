//! What a message belongs to: an epoch, a source, a join. Some of these messages only a member or the owner itself can make,
//! with its own keys: what it says wrongly does not count either.

use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use sidelink_security::direct::signed::Credential;
use sidelink_security::hpke;
use sidelink_wire::group_owner::{
    Body, Keys, Kind, MAX_CREDENTIAL, Notice, Packet, Proven, Repr, SEALED, SIGNATURE,
};

use super::super::admission::Stage;
use super::super::common::{KEYS, confirmed, put_mac};
use super::super::delivery::info;
use super::super::*;
use super::floods::request;
use super::rig::*;

/// A message with a right MAC under the keys that the owner has for its first member, naming an epoch.
fn under_keys(rig: &Rig, kind: Kind, epoch: u32) -> Vec<u8> {
    let owner = rig.ues[0].owner();
    let proven = Proven { epoch, mac: [0; 16] };
    let body = match kind {
        Kind::Leave => Body::Leave(proven),
        Kind::LeaveAccept => Body::LeaveAccept(proven),
        Kind::Removal => Body::Removal(proven),
        other => panic!("{other}"),
    };
    let mut octets = owner.common.emit(body);
    let member = &owner.members[0];
    put_mac(&member.held.as_ref().unwrap().kd, kind, &member.transcript, &mut octets);
    octets
}

fn give(rig: &mut Rig, ue: usize, from: usize, message: &[u8]) {
    let now = rig.time();
    rig.input(ue, Input::Message { now, from: layer2(from), message }).unwrap();
}

fn renew(rig: &mut Rig) {
    let now = rig.time();
    rig.input(0, Input::Renew { now }).unwrap();
}

fn last_note(rig: &Rig, ue: usize) -> Option<&Note> {
    rig.ues[ue].notes().last()
}

fn owner(rig: &mut Rig) -> &mut Owner {
    match &mut rig.ues[0].machine {
        Machine::Owner(owner) => owner,
        Machine::Member(_) => panic!("a member"),
    }
}

#[test]
fn a_confirm_names_the_epoch_of_its_keys() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run_with(300, |sent| if sent.kind == Kind::Confirm { Vec::new() } else { vec![sent] });
    let owner = rig.ues[0].owner();
    let Stage::Keyed { member, .. } = &owner.half_open[0].stage else { panic!("no keys were sent") };
    let pending = member.pending.as_ref().unwrap();
    let transcript = confirmed(&member.transcript, &pending.octets);
    let [wrong, right] = [pending.epoch + 1, pending.epoch].map(|epoch| {
        let mut octets = owner.common.emit(Body::Confirm(Proven { epoch, mac: [0; 16] }));
        put_mac(&pending.kd, Kind::Confirm, &transcript, &mut octets);
        octets
    });
    give(&mut rig, 0, 1, &wrong);
    assert_eq!(last_note(&rig, 0), Some(&Note::WrongMac { from: layer2(1), kind: Kind::Confirm }));
    assert_eq!(rig.ues[0].owner().members().count(), 0);
    give(&mut rig, 0, 1, &right);
    assert_eq!(rig.ues[0].owner().members().count(), 1);
}

/// A leave counts from the source of its member and for the epoch of its keys, also when it comes again.
#[test]
fn a_leave_belongs_to_a_source_and_an_epoch() {
    let mut rig = Rig::new(1);
    rig.all_join();
    let epoch = rig.ues[0].owner().epoch().unwrap();
    let (wrong, right) = (under_keys(&rig, Kind::Leave, epoch + 1), under_keys(&rig, Kind::Leave, epoch));
    let accepted = |rig: &Rig| rig.old.iter().filter(|sent| sent.kind == Kind::LeaveAccept).count();
    for known in [1, 0] {
        for (from, message) in [(1, &wrong), (3, &right)] {
            give(&mut rig, 0, from, message);
            assert_eq!(last_note(&rig, 0), Some(&Note::WrongMac { from: layer2(from), kind: Kind::Leave }));
            assert_eq!((rig.ues[0].owner().members().count(), accepted(&rig)), (known, 1 - known));
        }
        give(&mut rig, 0, 1, &right);
        assert_eq!((rig.ues[0].owner().members().count(), accepted(&rig)), (0, 2 - known));
    }
}

#[test]
fn an_end_names_the_epoch_of_its_keys() {
    for kind in [Kind::Removal, Kind::LeaveAccept] {
        let mut rig = Rig::new(1);
        rig.all_join();
        if kind == Kind::LeaveAccept {
            let now = rig.time();
            rig.input(1, Input::Leave { now }).unwrap();
        }
        let epoch = rig.ues[0].owner().epoch().unwrap();
        for (named, out) in [(epoch - 1, false), (epoch + 1, false), (epoch, true)] {
            let message = under_keys(&rig, kind, named);
            give(&mut rig, 1, 0, &message);
            assert_eq!(rig.ues[1].member().epoch().is_none(), out, "{kind} {named}");
        }
        rig.assert_out(1);
    }
}

/// A notice of another source puts no request off and tells of no epoch, even if the owner has signed it once.
#[test]
fn notices_of_somebody_else_are_not_heard() {
    let mut rig = Rig::new(1);
    rig.join(1);
    let (due, latest) = (rig.ues[1].timeout, rig.time().plus_millis(2 * config(1).retry));
    assert!(due.is_some_and(|due| due <= latest));
    let body = Body::Notice(Notice { epoch: 900, wait: u32::MAX, signature: [3; SIGNATURE] });
    let forged = rig.ues[0].owner().common.emit(body);
    let unexpected = Note::Unexpected { from: layer2(3), kind: Kind::Notice };
    give(&mut rig, 1, 3, &forged);
    assert_eq!((last_note(&rig, 1), rig.ues[1].timeout), (Some(&unexpected), due));
    // Control: that of the owner's source puts it off.
    give(&mut rig, 1, 0, &forged);
    assert!(rig.ues[1].timeout > Some(latest));
    rig.run(15_000);
    rig.assert_in(1);
    // In the group: a true notice of a later epoch, whose keys do not come.
    renew(&mut rig);
    let mut notice = None;
    rig.run_with(600, |sent| match sent.kind {
        Kind::Notice => {
            notice = Some(sent);
            Vec::new()
        }
        Kind::Keys => Vec::new(),
        _ => vec![sent],
    });
    let (notice, before) = (notice.unwrap().octets, rig.ues[1].timeout);
    give(&mut rig, 1, 3, &notice);
    assert_eq!((last_note(&rig, 1), rig.ues[1].timeout), (Some(&unexpected), before));
    give(&mut rig, 1, 0, &notice);
    assert!(rig.ues[1].timeout < before, "control: it waits for the keys, and then joins again");
}

/// Keys that were sealed in another join cannot be opened, even if the owner has signed them for this one.
#[test]
fn keys_are_sealed_for_one_join() {
    let mut rig = Rig::new(1);
    rig.all_join();
    let owner = rig.ues[0].owner();
    let member = &owner.members[0];
    let now = rig.time().counter().value();
    let keys = Keys {
        epoch: owner.epoch().unwrap() + 1,
        slot: member.slot,
        pgk_id: 9,
        eea: GROUP.eea.id(),
        eia: GROUP.mac.unwrap().id(),
        valid_from: now,
        expiry: now + 1000,
        sealed: [0; SEALED],
        signature: [0; SIGNATURE],
    };
    let header = owner.common.emit(Body::Keys(keys));
    let header = &header[..header.len() - SEALED - SIGNATURE];
    let [other, own] = [[7; 32], member.transcript].map(|join| {
        let sealed = hpke::seal(&member.public, &info(&join), header, &[5; 64], [6; 32]).unwrap();
        let mut keys = keys;
        keys.sealed = sealed.try_into().unwrap();
        owner.common.emit_signed(Body::Keys(keys), KEYS, &member.transcript)
    });
    give(&mut rig, 1, 0, &other);
    let why = "they cannot be opened";
    assert_eq!(last_note(&rig, 1), Some(&Note::UnusableKeys { from: layer2(0), why }));
    rig.assert_in(1);
    give(&mut rig, 1, 0, &own);
    assert_eq!(rig.ues[1].member().epoch(), Some(keys.epoch));
}

/// A relay says the owner's layer-2 identity, or a UE has chosen the same: the owner does not answer itself.
#[test]
fn what_comes_from_the_own_source_is_not_answered() {
    let mut rig = Rig::new(0);
    give(&mut rig, 0, 0, &request(1, None));
    let unexpected = Note::Unexpected { from: layer2(0), kind: Kind::JoinRequest };
    assert_eq!(last_note(&rig, 0), Some(&unexpected));
    assert_eq!(rig.ues[0].owner().half_open() + rig.ues[0].owner().queued(), 0);
    assert!(rig.old.is_empty());
}

/// The number of a member is that of nobody else, also when all numbers were used once: KD IDs rest on it.
#[test]
fn no_two_members_have_one_number() {
    let mut rig = Rig::new(3);
    for (ue, last) in [(1, 0), (2, 0), (3, u16::MAX)] {
        owner(&mut rig).last_slot = last;
        rig.join(ue);
        rig.run(400);
        rig.assert_in(ue);
    }
    let slots: Vec<_> = rig.ues[0].owner().members.iter().map(|member| member.slot).collect();
    assert_eq!(slots, [1, 2, 3]);
}

/// Keys of an epoch that is over are neither sent again nor confirmed.
#[test]
fn keys_of_before_are_not_confirmed() {
    let mut rig = Rig::new(1);
    rig.all_join();
    rig.air.clear();
    renew(&mut rig);
    let before = rig.air.iter().find(|sent| sent.kind == Kind::Keys).unwrap().clone();
    rig.air.clear();
    renew(&mut rig);
    let epoch = rig.ues[0].owner().epoch().unwrap();
    let of = |sent: &Sent| match Repr::parse(&Packet::new_checked(&sent.octets[..]).unwrap()).unwrap().body {
        Body::Keys(keys) => Some(keys.epoch),
        _ => None,
    };
    assert_eq!(rig.air.iter().filter_map(of).collect::<Vec<_>>(), [epoch], "those of the new one, at once");
    // Those of before come late, and so does their confirm.
    let sent = std::mem::take(&mut rig.air);
    rig.hear(&before);
    assert_eq!(rig.ues[1].member().epoch(), Some(epoch - 1));
    let confirm = rig.air.iter().find(|sent| sent.kind == Kind::Confirm).unwrap().clone();
    rig.hear(&confirm);
    assert_eq!(last_note(&rig, 0), Some(&Note::WrongMac { from: layer2(1), kind: Kind::Confirm }));
    rig.air.extend(sent);
    rig.run(400);
    rig.assert_in(1);
}

/// While a new epoch waits for the store nobody completes a join with the keys of before.
#[test]
fn a_join_waits_with_the_epoch() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run_with(200, |sent| if sent.kind == Kind::Keys { Vec::new() } else { vec![sent] });
    assert_eq!(rig.ues[0].owner().half_open(), 1);
    rig.ues[0].store_hangs = true;
    while rig.ues[0].owner().epoch().is_some() {
        renew(&mut rig);
    }
    // The last keys that left come late.
    let last = rig.air.iter().rfind(|sent| sent.kind == Kind::Keys).unwrap().clone();
    rig.air = vec![last];
    let before = rig.old.len();
    rig.run(2000);
    assert!(rig.ues[1].member().epoch().is_some());
    assert!(rig.old[before..].iter().any(|sent| sent.kind == Kind::Confirm));
    assert!(rig.old[before..].iter().all(|sent| sent.kind != Kind::Keys));
    assert_eq!(rig.ues[0].owner().members().count(), 0);
    rig.ues[0].store_hangs = false;
    let now = rig.time();
    rig.ues[0].store_answers(now);
    rig.drain(0);
    rig.run(400);
    rig.assert_in(1);
    assert_eq!(rig.ues[0].owner().members().count(), 1);
}

#[test]
fn the_number_of_a_list_never_goes_back() {
    let (mut store, stream) = (Memory::default(), StreamId([3; 16]));
    for (number, durable) in [(6, 6), (5, 6), (6, 6), (7, 7), (0, 7)] {
        ListNumber { stream, number }.commit(&mut store).unwrap();
        assert_eq!(store.reserved(&stream), Ok(durable), "{number}");
    }
}

/// The longest credential that fits in a message, and a longer one.
#[test]
fn a_credential_that_fits_in_no_message() {
    let open = |octets| {
        // Behind its type and length.
        let own = Credential::certified(&[1; 32], vec![0x30; octets - 3]);
        Owner::open(config(0), &[1; 32], (own, trust()), &mut Memory::default()).map(|_| ())
    };
    assert_eq!(open(MAX_CREDENTIAL), Ok(()));
    assert_eq!(open(MAX_CREDENTIAL + 1), Err(OpenError::Credential { len: MAX_CREDENTIAL + 1 }));
}
