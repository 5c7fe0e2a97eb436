//! The tests of the study's solution 3.4, with their results. (X) is not stopped by the solution, and is shown.

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::signed::{Credential, Failure};
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_wire::group_owner::{Cause, Kind};

use super::super::*;
use super::rig::*;

/// A rig whose owner has another credential.
fn rogue(own: Credential) -> Rig {
    let mut rig = Rig::new(1);
    rig.ues[0] = start(0, config(0), own, trust(), Memory::default(), 9);
    rig.tick(0);
    rig.join(1);
    rig.run(5000);
    rig
}

/// T3.4-1: A5, a rogue owner without a valid certificate: members refuse.
#[test]
fn t3_4_1_a_rogue_owner_is_refused() {
    use sidelink_security::direct::signed::issue::Issuer;
    // An issuer that nobody trusts, also under the name of the trusted one.
    for other in [Issuer::new("rogues", &[0xcc; 32]), Issuer::new("operators of the north", &[0xcc; 32])] {
        let rig = rogue(credential(0, &other, &name(0)));
        rig.assert_out(1);
        let reason = |note: &Note| {
            matches!(
                note,
                Note::NotBelieved { kind: Kind::Challenge, failure: Failure::UnknownIssuer { .. }, .. }
            )
        };
        assert!(rig.ues[1].notes().any(reason), "{:?}", rig.ues[1].events);
    }
    // The owner's certificate without its key.
    let key = Credential::raw(&[1; 32]).public();
    let stolen = issuer().issue(&name(0).value, 100, &key, validity());
    let rig = rogue(Credential::certified(&[0x66; 32], stolen));
    rig.assert_out(1);
    let reason = |note: &Note| matches!(note, Note::NotBelieved { failure: Failure::WrongSignature, .. });
    assert!(rig.ues[1].notes().any(reason));
    // A valid certificate of another UE of the operator: it is not the owner.
    let mut rig = Rig::new(1);
    let own = credential(4, &issuer(), &name(4));
    rig.ues[0] = start(0, Config { identity: name(4), ..config(0) }, own, trust(), Memory::default(), 9);
    rig.join(1);
    rig.run(5000);
    rig.assert_out(1);
    // Nor if it only says that it is.
    let rig = rogue(credential(4, &issuer(), &name(4)));
    rig.assert_out(1);
    let reason = |note: &Note| matches!(note, Note::NotBelieved { failure: Failure::WrongIdentity, .. });
    assert!(rig.ues[1].notes().any(reason));
}

/// T3.4-1: a raw key that the member knows is not a certificate.
#[test]
fn t3_4_1_a_raw_key_is_not_enough() {
    use super::super::common::CHALLENGE;
    use sidelink_security::direct::signed::{Statement, digest};
    use sidelink_wire::group_owner::{Body, Challenge, Repr};
    let raw = Credential::raw(&[0x77; 32]);
    let knows = |ue| {
        let mut trust = trust();
        if ue == 1 {
            trust.raw = vec![(name(0).value, Credential::raw(&[0x77; 32]).public())];
        }
        trust
    };
    let mut rig = Rig::with(1, config, knows);
    rig.join(1);
    rig.air.retain(|sent| sent.kind == Kind::JoinRequest);
    let request = rig.air.remove(0).octets;
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&request[4..20]);
    let (owner_nonce, identity, credential) = ([1; 16], &name(0).value[..], &raw.encoded()[..]);
    let body = Body::Challenge(Challenge {
        nonce,
        owner_nonce,
        crl_number: 5,
        identity,
        credential,
        signature: [0; 64],
    });
    let repr = Repr { group: GROUP.group_id, body };
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).unwrap();
    let at = out.len() - 64;
    let (label, transcript) = (CHALLENGE, &digest(&[&request]));
    let signature = raw.attest(&Statement { label, transcript, content: &out[..at] });
    out[at..].copy_from_slice(&signature);
    let now = rig.time();
    rig.input(1, Input::Message { now, from: layer2(0), message: &out }).unwrap();
    assert!(
        rig.ues[1].notes().any(|note| matches!(note, Note::NoCertificate { .. })),
        "{:?}",
        rig.ues[1].events
    );
    assert!(rig.air.is_empty(), "no proof");
}

/// T3.4-2: A1, a man in the middle who changes any octet of any message of a join: the signatures over both ids and both
/// nonces stop him, and what he cannot spoil comes again.
#[test]
fn t3_4_2_a_man_in_the_middle_is_stopped() {
    let lengths: Vec<_> = {
        let mut rig = Rig::new(1);
        rig.all_join();
        rig.old.iter().map(|sent| (sent.kind, sent.octets.len())).collect()
    };
    assert_eq!(lengths.len(), 5);
    for (kind, length) in lengths {
        for at in 0..length {
            let mut rig = Rig::new(1);
            rig.join(1);
            // He changes it each time.
            rig.run_with(6000, |mut sent| {
                if sent.kind == kind {
                    sent.octets[at] ^= 0x08;
                }
                vec![sent]
            });
            let member = rig.ues[1].member().epoch();
            // The member has the right keys or none; the owner only a member that has confirmed.
            assert!(rig.ues[0].owner().members().next().is_none(), "{kind} {at}");
            match kind {
                // The keys came before what he changed: the member has them, and they are the owner's.
                Kind::Confirm => {
                    assert!(member.is_some());
                    assert_eq!(rig.ues[1].held.group, rig.ues[0].held.group);
                }
                _ => rig.assert_out(1),
            }
        }
    }
}

/// T3.4-2: he answers as the owner with messages of another join, which he records at the same time.
#[test]
fn t3_4_2_messages_of_one_join_do_not_fit_another() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let recorded = rig.old.clone();
    for kind in [Kind::Challenge, Kind::Keys] {
        let foreign: Vec<_> = recorded.iter().filter(|sent| sent.kind == kind).cloned().collect();
        assert_eq!(foreign.len(), 2);
        rig.crash(1, 0x31);
        rig.join(1);
        rig.run_with(5000, |sent| {
            if sent.kind == kind {
                foreign.iter().map(|old| Sent { to: layer2(1), ..old.clone() }).collect()
            } else {
                vec![sent]
            }
        });
        rig.assert_out(1);
    }
}

/// T3.4-3: A4, a member has neither K_unicast of another, nor can it get it under its layer-2 identity.
#[test]
fn t3_4_3_a_member_does_not_have_the_unicast_key_of_another() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let mary = rig.ues[1].held.unicast[&name(0)].1;
    assert!(!rig.ues[2].held.ever.contains(&mary));
    // The keys on their way to her, in the insider's hands: sealed to the key of her join.
    let keys = rig.old.iter().find(|sent| sent.kind == Kind::Keys && sent.to == layer2(1)).unwrap().clone();
    rig.hear(&Sent { to: layer2(2), ..keys });
    assert!(!rig.ues[2].held.ever.contains(&mary));
    // John joins again under Mary's layer-2 identity: the formula has the proven identity.
    let store = rig.ues[2].store.clone();
    let own = credential(2, &issuer(), &name(2));
    rig.ues[1] = start(2, Config { layer2: layer2(1), ..config(2) }, own, trust(), store, 3);
    rig.ues.truncate(2);
    rig.join(1);
    rig.run(1000);
    assert_eq!(rig.ues[1].member().epoch(), rig.ues[0].owner().epoch());
    assert!(!rig.ues[1].held.ever.contains(&mary));
}

fn group(keys: &[(u8, [u8; 32])]) -> Vec<GroupKey> {
    use sidelink_security::counter::UtcCounter;
    use sidelink_security::keys::Pgk;
    let (valid_from, expiry) = (UtcCounter::new(1), UtcCounter::new(u32::MAX));
    keys.iter()
        .map(|(pgk_id, key)| GroupKey { pgk_id: *pgk_id, pgk: Pgk::from(*key), valid_from, expiry })
        .collect()
}

/// T3.4-3 (X): the same member can derive the traffic key of the owner and send as it: K_multicast is shared.
#[test]
fn t3_4_3_x_a_member_can_send_as_the_owner() {
    use sidelink_security::kdf::lte;
    let mut rig = Rig::new(2);
    rig.all_join();
    let of = |ue: usize| -> Vec<_> { rig.ues[ue].held.group.iter().map(|(id, key)| (*id, *key)).collect() };
    let (insider, victim) = (group(&of(2)), group(&of(1)));
    let traffic = |keys: &[GroupKey]| {
        let ptk = lte::ptk(&keys[0].pgk, layer2(0).octets(), 1, GROUP.group_id);
        (*lte::pek(&ptk, Algorithm::Aes).as_bytes(), *lte::pik(&ptk, Algorithm::Aes).as_bytes())
    };
    assert_eq!(traffic(&insider), traffic(&victim), "cipher and MAC-I of the owner's traffic");
}

/// T3.4-4: a former member has nothing of the new epoch, by leaving or by being removed, also when it keeps all its keys
/// and hears everything.
#[test]
fn t3_4_4_a_former_member_cannot_read_the_new_epoch() {
    for expelled in [false, true] {
        let mut rig = Rig::new(3);
        rig.all_join();
        let now = rig.time();
        let before = rig.old.len();
        if expelled {
            rig.input(0, Input::Expel { now, member: name(1) }).unwrap();
        } else {
            rig.input(1, Input::Leave { now }).unwrap();
        }
        // The answer never comes, so that it keeps its state, and all keys of the others are sent to it too.
        rig.run_with(300, |sent| match sent.kind {
            Kind::LeaveAccept | Kind::Removal => Vec::new(),
            Kind::Keys => vec![Sent { to: layer2(1), ..sent.clone() }, sent],
            _ => vec![sent],
        });
        rig.assert_in(2);
        rig.assert_in(3);
        let to_others = rig.old[before..].iter().filter(|sent| sent.kind == Kind::Keys).count();
        assert_eq!(to_others, 2, "N - 1 messages");
        let new = rig.ues[0].held.group.values().next().unwrap();
        assert!(!rig.ues[1].held.ever.contains(new));
        assert!(!rig.ues[1].held.group.contains_key(rig.ues[0].held.group.keys().next().unwrap()));
    }
}

/// T3.4-5: a UE of another group of the same operator cannot join, and its keys are others.
#[test]
fn t3_4_5_a_ue_of_another_group_cannot() {
    let listed = |ue| Config { admitted: Admitted::Listed(vec![name(1)]), ..config(ue) };
    let mut rig = Rig::with(2, listed, |_| trust());
    rig.join(1);
    rig.join(2);
    rig.run(5000);
    rig.assert_in(1);
    rig.assert_out(2);
    assert!(rig.ues[2].events.contains(&Event::Out(Out::NoAnswer { hint: Some(Cause::NotAdmitted) })));
    // Under the name of a member: its certificate has another.
    let own = credential(2, &issuer(), &name(2));
    rig.ues[2] = start(2, Config { identity: name(1), ..config(2) }, own, trust(), Memory::default(), 7);
    rig.join(2);
    rig.run(5000);
    rig.assert_out(2);
    let reason = |note: &Note| matches!(note, Note::NotBelieved { failure: Failure::WrongIdentity, .. });
    assert!(rig.ues[0].notes().any(reason));
    rig.assert_in(1);
    // Messages of another group are not even looked at.
    let other = GroupConfig { group_id: [8, 8, 8], ..GROUP };
    let mut rig = Rig::with(
        1,
        |ue| if ue == 1 { Config { group: other, ..config(1) } } else { config(ue) },
        |_| trust(),
    );
    rig.join(1);
    rig.run(5000);
    rig.assert_out(1);
    assert!(rig.ues[0].notes().all(|note| matches!(note, Note::Unexpected { .. })));
    assert_eq!(rig.ues[0].notes().count(), 3);
}

/// Two owners with the same K_GO would still give different keys to different groups; and they never have the same.
#[test]
fn keys_depend_on_group_member_and_epoch() {
    use sidelink_security::kdf::own::{k_multicast, k_unicast};
    use sidelink_security::keys::KGo;
    let k_go = KGo::from([3; 32]);
    let unicast = |group, member: &[u8], epoch| *k_unicast(&k_go, group, member, epoch).as_bytes();
    let multicast = |group, epoch| *k_multicast(&k_go, group, epoch).as_bytes();
    let all = [
        unicast([1; 3], b"mary", 1),
        unicast([2; 3], b"mary", 1),
        unicast([1; 3], b"john", 1),
        unicast([1; 3], b"mary", 2),
        multicast([1; 3], 1),
        multicast([2; 3], 1),
        multicast([1; 3], 2),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one));
    }
}
