//! What the store of a PKMF does, whichever database it is.

use std::num::NonZeroU8;

use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::{KeyName, Period, PmkId, ServiceId};
use sidelink_network::pc8::{Code, PrukId};
use sidelink_network::pkmf::{
    self, Change, DiscoveryCode, KeyRecord, PrukRecord, RemoteRecord, Standing, UeRecord, Wanted,
};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::keys::{Pmk, Pruk, Secret256};

use super::*;

fn name(id: u8) -> KeyName {
    KeyName { service: ServiceId([0xff, 2, 3]), id: NonZeroU8::new(id).unwrap() }
}

fn ue(number: u8, octet: u8) -> Change {
    Change::PutUe(Box::new(UeRecord {
        ue: impi(number),
        pmk_id: PmkId([octet; 8]),
        pmk: Pmk::from([octet; 32]),
        since: UtcTime::from_millis(7),
        address: "2001:db8::1".parse().unwrap(),
        wanted: [
            Wanted::Group(ServiceId([1, 2, 3])),
            Wanted::Discovery(DiscoveryCode::Relay(Code([4, 5, 6]))),
            Wanted::Discovery(DiscoveryCode::GroupMember(Code([7, 8, 9]))),
        ]
        .into(),
    }))
}

fn impi(number: u8) -> Impi {
    Impi::new(&format!("{number}@home")).unwrap()
}

fn key(id: u8, octet: u8, standing: Standing) -> Change {
    let period = Period { from: UtcCounter::new(1), to: UtcCounter::new(u32::MAX) };
    Change::PutKey(Box::new(KeyRecord {
        name: name(id),
        key: Secret256::from([octet; 32]),
        period,
        standing,
    }))
}

fn pruk(octet: u8) -> Option<PrukRecord> {
    let since = UtcTime::from_millis(u64::from(octet));
    Some(PrukRecord { id: PrukId([octet; 8]), pruk: Pruk::from([octet; 32]), since })
}

/// Remote UEs with two PRUKs, one, and none.
fn remotes() -> [RemoteRecord; 3] {
    let standing = Standing::Valid;
    [
        RemoteRecord { ue: impi(1), confirmed: pruk(1), candidate: pruk(2), standing },
        RemoteRecord { ue: impi(2), confirmed: None, candidate: pruk(3), standing },
        RemoteRecord { ue: impi(3), confirmed: None, candidate: None, standing: Standing::Revoked },
    ]
}

fn put(store: &mut dyn PkmfStore, changes: Vec<Change>) -> Result<Vec<Written>, StoreError> {
    let changes: Vec<_> = changes.into_iter().map(PkmfWrite::Change).collect();
    store.commit(&changes)
}

pub(crate) fn what_a_pkmf_keeps_is_there_after_a_restart(open: &dyn Fn() -> Box<dyn PkmfStore>) {
    let mut first = open();
    let stream = pkmf::stream(PmkId([9; 8]));
    let raise = |from, to| [PkmfWrite::Raise { stream, from, to }];
    put(&mut *first, vec![ue(1, 9), ue(2, 8), key(1, 3, Standing::Valid), key(2, 4, Standing::Revoked)])
        .unwrap();
    assert_eq!(first.commit(&raise(0, 16)).unwrap(), [Written::Done]);
    assert_eq!(first.commit(&raise(0, 16)).unwrap(), [Written::Conflict], "another process raised it");
    assert!(first.commit(&raise(16, 15)).is_err(), "a number does not go back");
    assert_eq!(first.reserved(stream).unwrap(), 16);
    put(&mut *first, vec![Change::PutRevocation(ServiceId([1, 2, 3]), impi(2))]).unwrap();
    let old = RemoteRecord { ue: impi(1), confirmed: pruk(9), candidate: None, standing: Standing::Revoked };
    put(&mut *first, vec![Change::PutRemote(Box::new(old))]).unwrap();
    put(&mut *first, remotes().map(|record| Change::PutRemote(Box::new(record))).into()).unwrap();
    let revoked = [3, 4].map(|number| Change::PutRelayRevocation(impi(number)));
    put(&mut *first, revoked.into()).unwrap();
    drop(first);
    let found = open().durable().unwrap();
    assert_eq!(found.revoked_relays, [impi(3), impi(4)]);
    let [(one, 16), (two, 0)] = &found.ues[..] else { panic!("{:?}", found.ues) };
    assert_eq!(one.pmk.as_bytes(), &[9; 32]);
    let Change::PutUe(expected) = ue(1, 9) else { panic!() };
    assert_eq!((&one.ue, one.pmk_id, one.since), (&expected.ue, expected.pmk_id, expected.since));
    assert_eq!((one.address, &one.wanted), (expected.address, &expected.wanted));
    assert_eq!(two.ue, impi(2));
    let keys: Vec<_> = found
        .keys
        .iter()
        .map(|key| (key.name, key.key.as_bytes()[0], key.period.to.value(), key.standing))
        .collect();
    assert_eq!(keys, [(name(1), 3, u32::MAX, Standing::Valid), (name(2), 4, u32::MAX, Standing::Revoked)]);
    assert_eq!(found.revocations, [(ServiceId([1, 2, 3]), impi(2))]);
    assert_eq!(found.remotes, remotes());
}

pub(crate) fn what_comes_again_replaces_and_what_goes_is_gone(store: &mut dyn PkmfStore) {
    let revoked = || Change::PutRevocation(name(1).service, impi(1));
    let relay = || Change::PutRelayRevocation(impi(3));
    put(store, vec![ue(1, 9), key(1, 3, Standing::Valid), revoked(), revoked(), relay(), relay()]).unwrap();
    put(store, vec![ue(1, 8), key(1, 4, Standing::Revoked)]).unwrap();
    let found = store.durable().unwrap();
    assert_eq!((found.ues.len(), found.ues[0].0.pmk_id), (1, PmkId([8; 8])));
    assert_eq!((found.keys.len(), found.keys[0].key.as_bytes()[0]), (1, 4));
    assert_eq!((found.keys[0].standing, found.revocations.len()), (Standing::Revoked, 1));
    assert_eq!(found.revoked_relays, [impi(3)]);
    put(store, vec![Change::RemoveKey(name(1)), Change::RemoveRevocation(name(1).service, impi(1))]).unwrap();
    put(store, vec![Change::RemoveRelayRevocation(impi(3))]).unwrap();
    let found = store.durable().unwrap();
    assert!(found.keys.is_empty() && found.revocations.is_empty() && found.revoked_relays.is_empty());
}

pub(crate) fn all_of_a_batch_or_nothing(store: &mut dyn PkmfStore) {
    put(store, vec![ue(1, 9)]).unwrap();
    assert!(put(store, vec![key(1, 3, Standing::Valid), ue(2, 9)]).is_err(), "two UEs under one PMK ID");
    let found = store.durable().unwrap();
    assert_eq!((found.keys.len(), found.ues.len()), (0, 1));
}

/// Puts a row in each table, damages one with each statement, and takes them out again.
pub(crate) fn a_damaged_row_is_an_error_that_names_its_table_and_no_key<S: PkmfStore>(
    store: &mut S,
    execute: impl Fn(&mut S, &str),
    key_of_two_octets: &str,
) {
    let short = format!("UPDATE pkmf_ue SET pmk = {key_of_two_octets}");
    for (statement, table) in [
        ("UPDATE pkmf_ue SET wanted = 'group-01'", "pkmf_ue"),
        ("UPDATE pkmf_ue SET wanted = 'road-010203'", "pkmf_ue"),
        ("UPDATE pkmf_ue SET address = 'x'", "pkmf_ue"),
        (&short, "pkmf_ue"),
        ("UPDATE pkmf_key SET id = 0", "pkmf_key"),
        ("UPDATE pkmf_key SET id = 256", "pkmf_key"),
        ("UPDATE pkmf_key SET revoked = 2", "pkmf_key"),
        ("UPDATE pkmf_key SET ends = -1", "pkmf_key"),
        ("UPDATE pkmf_key SET service = 16777216", "pkmf_key"),
        ("UPDATE pkmf_revocation SET ue = ''", "pkmf_revocation"),
        ("UPDATE pkmf_remote SET candidate_since = -1, confirmed_since = -2", "pkmf_remote"),
        ("UPDATE pkmf_remote SET candidate_since = 7", "pkmf_remote"),
        ("UPDATE pkmf_remote SET revoked = 2", "pkmf_remote"),
        ("UPDATE pkmf_revoked_relay SET ue = ''", "pkmf_revoked_relay"),
    ] {
        let revoked = Change::PutRevocation(name(1).service, impi(1));
        let remote = RemoteRecord { candidate: None, ..remotes().into_iter().next().unwrap() };
        let remote = Change::PutRemote(Box::new(remote));
        let relay = Change::PutRelayRevocation(impi(3));
        put(store, vec![ue(1, 9), key(1, 9, Standing::Valid), revoked, remote, relay]).unwrap();
        assert!(store.durable().is_ok());
        execute(store, statement);
        let error = store.durable().err().unwrap_or_else(|| panic!("{statement}")).to_string();
        assert!(error.contains(table) && !error.contains("0909"), "{statement}: {error}");
        for table in ["pkmf_ue", "pkmf_key", "pkmf_revocation", "pkmf_remote", "pkmf_revoked_relay"] {
            execute(store, &format!("DELETE FROM {table}"));
        }
    }
}
