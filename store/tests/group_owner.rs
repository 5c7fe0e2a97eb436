//! What a group owner and its members keep in the key store: epochs, session numbers, numbers of revocation lists (D11).

use std::collections::BTreeSet;
use std::path::Path;

use sidelink_prose::direct_link::Identity;
use sidelink_prose::group_owner::{Config, Event, Input, Member, OpenError, Output, Owner};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_security::group::GroupConfig;
use sidelink_store::KeyStore;
use sidelink_store::credential::remember_lists;
use sidelink_wire::ids::Layer2Id;

const NOW: UtcTime = UtcTime::from_millis(1_700_000_000_000);

fn issuer() -> Issuer {
    Issuer::new("operators of the north", &[0xaa; 32])
}

fn validity() -> Validity {
    Validity { from: NOW.minus_millis(1_000_000), until: NOW.plus_millis(1_000_000) }
}

fn trust(list: Option<u32>) -> Trust {
    let root = Root::from_der(&issuer().certificate(validity())).unwrap();
    let mut trust = Trust { roots: vec![root], ..Trust::default() };
    if let Some(number) = list {
        trust.install_crl(&issuer().revoke(number, &[], NOW)).unwrap();
    }
    trust
}

fn config(name: &str) -> Config {
    let group = GroupConfig { group_id: [7; 3], eea: Algorithm::Aes, mac: None };
    Config::new(group, Identity::user(name), Layer2Id::from_octets([1, 2, 3]), 40)
}

fn credential(name: &str) -> Credential {
    let key = Credential::raw(&[1; 32]).public();
    Credential::certified(&[1; 32], issuer().issue(name.as_bytes(), 1, &key, validity()))
}

/// An owner with a source of randomness that gives the same octets after each start.
fn owner(path: &Path, list: Option<u32>) -> Result<(Owner, KeyStore), OpenError<sidelink_store::Error>> {
    let mut store = KeyStore::open_or_create(path).unwrap();
    let owner = Owner::open(config("owner"), &[5; 32], (credential("owner"), trust(list)), &mut store)?;
    Ok((owner, store))
}

#[test]
fn epochs_and_keys_do_not_repeat_after_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.keys");
    let (mut epochs, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..6 {
        let (mut owner, mut store) = owner(&path, None).unwrap();
        for _ in 0..=round * 5 {
            owner.handle_input(Input::Renew { now: NOW }).unwrap();
            loop {
                match owner.poll_output() {
                    Output::Reserve(reservation) => {
                        let granted = reservation.commit(&mut store).unwrap();
                        owner.handle_input(Input::Granted { now: NOW, granted }).unwrap();
                    }
                    Output::GroupKeys(group) => assert!(keys.insert(*group.key.pgk.as_bytes())),
                    Output::Event(Event::Epoch { epoch, .. }) => {
                        assert!(epochs.last().is_none_or(|last| epoch > *last));
                        epochs.insert(epoch);
                    }
                    Output::Timeout(_) => break,
                    _ => {}
                }
            }
        }
        // The process ends without a word; the file is what is left.
    }
    assert!(epochs.len() > 80 && epochs.len() == keys.len());
}

#[test]
fn an_older_revocation_list_is_refused_by_owner_member_and_links_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.keys");
    let (mut owner_5, mut store) = owner(&path, Some(5)).unwrap();
    let list = issuer().revoke(6, &[9], NOW);
    owner_5.handle_input(Input::RevocationList { now: NOW, der: &list }).unwrap();
    let mut stored = 0;
    loop {
        match owner_5.poll_output() {
            Output::Store { ticket, number } => {
                number.commit(&mut store).unwrap();
                owner_5.handle_input(Input::Stored { now: NOW, ticket }).unwrap();
                stored += 1;
            }
            Output::Timeout(_) => break,
            _ => {}
        }
    }
    assert_eq!(stored, 1);
    drop((owner_5, store));
    for list in [None, Some(5)] {
        let error = owner(&path, list).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::OldList { used: 6, .. }), "{error}");
        let mut store = KeyStore::open(&path).unwrap();
        let own = (credential("mary"), trust(list));
        let error = Member::open(config("mary"), &[6; 32], own, &mut store).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("give the newer one"), "{error}");
        assert!(remember_lists(&trust(list), &mut store).is_err(), "the same number guards links");
    }
    assert!(owner(&path, Some(6)).is_ok());
}
