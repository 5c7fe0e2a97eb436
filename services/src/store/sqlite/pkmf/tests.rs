use proptest::prelude::*;
use sidelink_security::counter::UtcTime;

use super::*;
use crate::store::tests::folder;

fn store(folder: &tempfile::TempDir) -> SqlitePkmf {
    SqlitePkmf::open(&folder.path().join("network.db")).unwrap()
}

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

fn put(store: &mut SqlitePkmf, changes: Vec<Change>) -> Result<Vec<Written>, StoreError> {
    let changes: Vec<_> = changes.into_iter().map(PkmfWrite::Change).collect();
    store.commit(&changes)
}

#[test]
fn what_a_pkmf_keeps_is_there_after_a_restart() {
    let folder = folder();
    let mut first = store(&folder);
    let raise = PkmfWrite::Raise { stream: pkmf::stream(PmkId([9; 8])), from: 0, to: 16 };
    put(&mut first, vec![ue(1, 9), ue(2, 8), key(1, 3, Standing::Valid), key(2, 4, Standing::Revoked)])
        .unwrap();
    assert_eq!(first.commit(&[raise]).unwrap(), [Written::Done]);
    let again = [PkmfWrite::Raise { stream: pkmf::stream(PmkId([9; 8])), from: 0, to: 16 }];
    assert_eq!(first.commit(&again).unwrap(), [Written::Conflict], "another process raised it");
    put(&mut first, vec![Change::PutRevocation(ServiceId([1, 2, 3]), impi(2))]).unwrap();
    let pruk = |octet: u8| PrukRecord {
        id: PrukId([octet; 8]),
        pruk: Pruk::from([octet; 32]),
        since: UtcTime::from_millis(u64::from(octet)),
    };
    let remotes = || {
        [
            RemoteRecord {
                ue: impi(1),
                confirmed: Some(pruk(1)),
                candidate: Some(pruk(2)),
                standing: Standing::Valid,
            },
            RemoteRecord {
                ue: impi(2),
                confirmed: None,
                candidate: Some(pruk(3)),
                standing: Standing::Valid,
            },
            RemoteRecord { ue: impi(3), confirmed: None, candidate: None, standing: Standing::Revoked },
        ]
    };
    let old =
        RemoteRecord { confirmed: Some(pruk(9)), candidate: None, ..remotes().into_iter().next().unwrap() };
    put(&mut first, vec![Change::PutRemote(Box::new(old))]).unwrap();
    put(&mut first, remotes().map(|record| Change::PutRemote(Box::new(record))).into()).unwrap();
    drop(first);
    let found = store(&folder).durable().unwrap();
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

#[test]
fn what_comes_again_replaces_and_what_goes_is_gone() {
    let folder = folder();
    let mut store = store(&folder);
    put(
        &mut store,
        vec![ue(1, 9), key(1, 3, Standing::Valid), Change::PutRevocation(name(1).service, impi(1))],
    )
    .unwrap();
    put(&mut store, vec![ue(1, 8), key(1, 4, Standing::Revoked)]).unwrap();
    let found = store.durable().unwrap();
    assert_eq!((found.ues.len(), found.ues[0].0.pmk_id), (1, PmkId([8; 8])));
    assert_eq!((found.keys.len(), found.keys[0].key.as_bytes()[0]), (1, 4));
    put(&mut store, vec![Change::RemoveKey(name(1)), Change::RemoveRevocation(name(1).service, impi(1))])
        .unwrap();
    let found = store.durable().unwrap();
    assert!(found.keys.is_empty() && found.revocations.is_empty());
}

#[test]
fn all_of_a_batch_or_nothing() {
    let folder = folder();
    let mut store = store(&folder);
    put(&mut store, vec![ue(1, 9)]).unwrap();
    assert!(put(&mut store, vec![key(1, 3, Standing::Valid), ue(2, 9)]).is_err(), "two UEs under one PMK ID");
    let found = store.durable().unwrap();
    assert_eq!((found.keys.len(), found.ues.len()), (0, 1));
}

#[test]
fn a_damaged_row_is_an_error_that_names_its_table_and_no_key() {
    let damage = [
        ("UPDATE pkmf_ue SET wanted = 'group-01'", UE),
        ("UPDATE pkmf_ue SET wanted = 'road-010203'", UE),
        ("UPDATE pkmf_ue SET address = 'x'", UE),
        ("UPDATE pkmf_ue SET pmk = x'0909'", UE),
        ("UPDATE pkmf_key SET id = 0", KEY),
        ("UPDATE pkmf_key SET service = 16777216", KEY),
        ("UPDATE pkmf_revocation SET ue = ''", REVOCATION),
    ];
    for (statement, table) in damage {
        let folder = folder();
        let mut store = store(&folder);
        put(
            &mut store,
            vec![ue(1, 9), key(1, 9, Standing::Valid), Change::PutRevocation(name(1).service, impi(1))],
        )
        .unwrap();
        assert_eq!(store.0.connection.execute(statement, []).unwrap(), 1);
        let error = store.durable().unwrap_err().to_string();
        assert!(error.contains(table) && !error.contains("0909"), "{statement}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_no_wish_or_one_that_is_written_so(text in "(group|relay|member|)-?[0-9a-f]{0,8}.?") {
        if let Some(wanted) = wanted_of(&text) {
            prop_assert!(wanted_text(&wanted).eq_ignore_ascii_case(&text), "{text}");
        }
    }
}
