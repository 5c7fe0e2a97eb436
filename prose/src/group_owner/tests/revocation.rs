//! T3.4-6, D11 and the age of revocation lists.

use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::signed::{CertificateError, Failure, Trust};

use super::super::*;
use super::rig::*;

/// T3.4-6: a revoked certificate is refused once the list is known, and not before (X): the window is from the issue of
/// the list to its arrival, and ends for members that are in the group at its arrival, too.
#[test]
fn t3_4_6_a_revoked_certificate_is_refused_once_the_list_is_known() {
    let mut rig = Rig::new(2);
    let issued = rig.now;
    let list = issuer().revoke(6, &[101], time(issued));
    // (X): it is accepted in the window.
    rig.all_join();
    let now = rig.time();
    rig.input(0, Input::RevocationList { now, der: &list }).unwrap();
    let window = rig.now - issued;
    assert!(window > 0);
    rig.run(1000);
    rig.assert_out(1);
    rig.assert_in(2);
    assert!(rig.ues[0].events.contains(&Event::Gone { member: name(1), why: Gone::Revoked }));
    assert!(rig.ues[0].events.contains(&Event::List { number: 6 }));
    rig.join(1);
    rig.run(5000);
    rig.assert_out(1);
    let reason = |note: &Note| matches!(note, Note::NotBelieved { failure: Failure::Revoked, .. });
    assert!(rig.ues[0].notes().any(reason));
}

#[test]
fn members_leave_an_owner_that_is_revoked() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let (now, list) = (rig.time(), issuer().revoke(6, &[100], time(T0)));
    rig.input(1, Input::RevocationList { now, der: &list }).unwrap();
    rig.assert_out(1);
    assert!(rig.ues[1].events.contains(&Event::Out(Out::OwnerRevoked)));
    rig.join(1);
    rig.run(5000);
    rig.assert_out(1);
    // Who does not know the list goes on.
    rig.assert_in(2);
    // Keys of a revoked owner are not taken either, if its number is not durable yet.
    rig.ues[2].store_hangs = true;
    rig.input(2, Input::RevocationList { now: time(rig.now), der: &list }).unwrap();
    let epoch = rig.ues[2].member().epoch();
    let now = rig.time();
    rig.input(0, Input::Renew { now }).unwrap();
    rig.run(1000);
    assert_eq!(rig.ues[2].member().epoch(), epoch);
}

#[test]
fn lists_that_are_not_taken() {
    let mut rig = Rig::new(1);
    let now = rig.time();
    let forged = sidelink_security::direct::signed::issue::Issuer::new("operators of the north", &[0xbb; 32]);
    for (list, error) in [
        (issuer().revoke(5, &[101], now), CertificateError::NotNewer),
        (issuer().revoke(4, &[], now), CertificateError::NotNewer),
        (forged.revoke(9, &[100], now), CertificateError::Signature),
        (b"no list".to_vec(), CertificateError::Malformed),
    ] {
        for ue in [0, 1] {
            // Octets that are no list at all are of no root.
            let result = rig.input(ue, Input::RevocationList { now, der: &list });
            let Err(Error::List(found)) = result else { panic!("{result:?}") };
            assert!(found == error || error == CertificateError::Malformed, "{found:?}");
        }
    }
    rig.all_join();
}

/// A trust whose list was issued some time before T0; `None` without one.
fn aged(age: Option<u64>) -> Trust {
    let mut trust = Trust { roots: trust().roots, ..Trust::default() };
    trust.guard = 32_000;
    let root = sidelink_security::direct::signed::Root::from_der(&issuer().certificate(validity())).unwrap();
    trust.roots = vec![root];
    if let Some(age) = age {
        trust.install_crl(&issuer().revoke(5, &[], time(T0 - age))).unwrap();
    }
    trust
}

#[test]
fn an_old_list_degrades_and_a_policy_refuses() {
    for when_degraded in [WhenDegraded::Accept, WhenDegraded::Refuse] {
        for (age, fresh) in [(Some(DAY - 60_000), true), (Some(DAY + 1), false), (None, false)] {
            // At the owner, then at the member.
            for old in [0, 1] {
                let with = |ue| Config { when_degraded, ..config(ue) };
                let trust = |ue| if ue == old { aged(age) } else { trust() };
                let mut rig = Rig::with(1, with, trust);
                rig.join(1);
                rig.run(5000);
                let expected = if fresh { Revocations::Fresh } else { Revocations::Degraded };
                if fresh || when_degraded == WhenDegraded::Accept {
                    rig.assert_in(1);
                    let flag = |event: &Event| match event {
                        Event::Joined { revocations, .. } | Event::In { revocations, .. } => {
                            Some(*revocations)
                        }
                        _ => None,
                    };
                    assert_eq!(rig.ues[old].events.iter().find_map(flag), Some(expected), "{age:?} {old}");
                    let other = rig.ues[1 - old].events.iter().find_map(flag);
                    assert_eq!(other, Some(Revocations::Fresh));
                } else {
                    rig.assert_out(1);
                    assert!(rig.ues[old].notes().any(|note| matches!(note, Note::Degraded { .. })));
                }
            }
        }
    }
}

/// D11: after a restart neither role takes a list that is older than the one that it has used, nor none.
#[test]
fn an_older_list_is_refused_after_a_restart() {
    let open = |ue: usize, trust: Trust, store: &mut Memory| {
        let own = credential(ue, &issuer(), &name(ue));
        match ue {
            0 => Owner::open(config(0), &[9; 32], (own, trust), store).map(|_| ()),
            _ => Member::open(config(ue), &[9; 32], (own, trust), store).map(|_| ()),
        }
    };
    for ue in [0, 1] {
        let mut rig = Rig::new(1);
        let (now, list) = (rig.time(), issuer().revoke(6, &[104], time(T0)));
        // The crash before the store has answered: the old list is still the newest that is durable.
        rig.ues[ue].store_hangs = true;
        rig.input(ue, Input::RevocationList { now, der: &list }).unwrap();
        assert!(!rig.ues[ue].events.contains(&Event::List { number: 6 }));
        assert_eq!(open(ue, trust(), &mut rig.ues[ue].store.clone()), Ok(()));
        // Behind it the new one is needed.
        rig.ues[ue].store_answers(now);
        rig.drain(ue);
        assert!(rig.ues[ue].events.contains(&Event::List { number: 6 }));
        let store = &mut rig.ues[ue].store;
        for old in [trust(), aged(None)] {
            let number = old.roots[0].crl_number();
            let result = open(ue, old, store);
            assert!(
                matches!(result, Err(OpenError::OldList { used: 6, now, .. }) if now == number),
                "{result:?}"
            );
        }
        let mut newer = trust();
        newer.install_crl(&list).unwrap();
        assert_eq!(open(ue, newer, store), Ok(()));
    }
}

#[test]
fn a_number_that_could_not_be_stored_is_stored_again() {
    let mut rig = Rig::new(1);
    let now = rig.time();
    rig.ues[0].store_hangs = true;
    rig.input(0, Input::RevocationList { now, der: &issuer().revoke(6, &[], now) }).unwrap();
    let Some(Output::Store { ticket, .. }) = rig.ues[0].waiting.pop() else { panic!("no store") };
    rig.input(0, Input::StoreFailed { now, ticket }).unwrap();
    rig.input(0, Input::Stored { now, ticket }).unwrap();
    assert!(!rig.ues[0].events.contains(&Event::List { number: 6 }), "its ticket has ended");
    assert!(rig.ues[0].notes().any(|note| matches!(note, Note::NotDurable { .. })));
    rig.ues[0].store_hangs = false;
    rig.run(1000);
    assert!(rig.ues[0].events.contains(&Event::List { number: 6 }));
}

/// A certificate ends while its UE is a member.
#[test]
fn a_membership_ends_with_its_certificate() {
    let mut rig = Rig::new(2);
    rig.ues[1] = {
        let key = sidelink_security::direct::signed::Credential::raw(&[2; 32]).public();
        let soon = sidelink_security::direct::signed::issue::Validity {
            from: time(T0 - DAY),
            until: time(T0 + 60_000),
        };
        let der = issuer().issue(&name(1).value, 101, &key, soon);
        let own = sidelink_security::direct::signed::Credential::certified(&[2; 32], der);
        start(1, config(1), own, trust(), Memory::default(), 0)
    };
    rig.all_join();
    rig.run(60_000);
    rig.assert_in(1);
    rig.run(40_000);
    rig.assert_out(1);
    rig.assert_in(2);
    assert!(rig.ues[0].events.contains(&Event::Gone { member: name(1), why: Gone::CertificateEnded }));
}

/// The list comes between the proof of a UE and its confirm.
#[test]
fn a_join_ends_with_a_revocation() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run(2 * PERIOD);
    // The proof arrives, and the keys are lost.
    rig.period(&mut |sent| vec![sent]);
    assert_eq!(rig.ues[0].owner().half_open(), 1);
    let (now, list) = (rig.time(), issuer().revoke(6, &[101], time(T0)));
    rig.input(0, Input::RevocationList { now, der: &list }).unwrap();
    assert_eq!(rig.ues[0].owner().half_open(), 0);
    rig.run(3000);
    assert_eq!(rig.ues[0].owner().members().count(), 0);
}
