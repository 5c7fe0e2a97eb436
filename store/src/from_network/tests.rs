use super::*;
use crate::{Cipher, Hex, Member, PgkEntry, Secret};
use sidelink_security::counter::reserve::Lease;
use sidelink_security::counter::reserve::ReserveConfig;
use tempfile::TempDir;

const NOW: u32 = 1_800_000_000;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn store(&self) -> KeyStore {
        KeyStore::open_or_create(&self.0.path().join("a.keys")).unwrap()
    }

    fn given(&self) -> GivenPgks {
        GivenPgks::new(self.0.path().join("a.usim.pgks"))
    }
}

fn id() -> Hex {
    "0000a1".parse().unwrap()
}

fn pgk(number: u8, valid_from: u32) -> PgkEntry {
    let key = Some(Secret::new(vec![number; 32]));
    PgkEntry { id: number, key, valid_from, expiry: valid_from + 86_400, sending: Vec::new() }
}

fn group(pgk: Vec<PgkEntry>) -> Group {
    Group {
        name: "rescue".into(),
        group_id: "00002a".parse().unwrap(),
        cipher: Cipher::Aes,
        mac: None,
        member: vec![Member { ue: "alice".into(), id: id() }],
        pgk,
    }
}

fn rights(taken: &TakenGroup) -> Vec<Right> {
    taken.group.pgk.iter().map(|pgk| pgk.right(&id()).unwrap().right).collect()
}

/// Uses counters under the PGK, as a UE does.
fn use_counters(store: &mut KeyStore, group: &Group) -> u64 {
    let stream = group.stream(&group.pgk[0], &id()).unwrap().unwrap();
    let lease = Lease::open(stream, 1, 1 << 32, ReserveConfig::default(), store).unwrap();
    lease.end()
}

#[test]
fn the_right_comes_with_the_pgk_and_stays_with_its_counters() {
    let place = Place::new();
    let mut store = place.store();
    let first = group(vec![pgk(1, NOW - 5)]);
    let taken = store.put_from_network(&first, &id(), &place.given(), NOW).unwrap();
    assert_eq!((rights(&taken), taken.counters), (vec![Right::Here], vec![(1, 0)]));
    let used = use_counters(&mut store, &first);
    assert!(used > 0);
    // The same PGK again, and the next one.
    let next = group(vec![pgk(1, NOW - 5), pgk(2, NOW + 100)]);
    let taken = store.put_from_network(&next, &id(), &place.given(), NOW + 10).unwrap();
    assert_eq!((rights(&taken), taken.counters), (vec![Right::Here; 2], vec![(1, used), (2, 0)]));
    // The first has ended.
    let taken = store.put_from_network(&group(vec![pgk(2, NOW)]), &id(), &place.given(), NOW).unwrap();
    assert_eq!(store.keys().unwrap().group, [taken.group]);
}

#[test]
// TS 33.303 §6.2.3.2 (7)
fn a_store_that_was_lost_may_not_send_under_a_pgk_that_it_had() {
    let place = Place::new();
    let first = group(vec![pgk(1, NOW - 5)]);
    let mut store = place.store();
    store.put_from_network(&first, &id(), &place.given(), NOW).unwrap();
    use_counters(&mut store, &first);
    drop(store);
    std::fs::remove_file(place.0.path().join("a.keys")).unwrap();
    std::fs::remove_file(crate::witness_of(&place.0.path().join("a.keys"))).unwrap();
    let next = group(vec![pgk(1, NOW - 5), pgk(2, NOW + 100)]);
    let taken = place.store().put_from_network(&next, &id(), &place.given(), NOW + 10).unwrap();
    assert_eq!((rights(&taken), taken.counters), (vec![Right::Lost, Right::Here], vec![(2, 0)]));
}

#[test]
fn a_store_that_was_put_back_may_not_send_under_what_may_have_been_used_since() {
    let place = Place::new();
    let path = place.0.path().join("a.keys");
    let given = place.given();
    drop(place.store());
    let backup = std::fs::read(&path).unwrap();
    let mut store = place.store();
    let both = group(vec![pgk(1, NOW - 5), pgk(2, NOW + 100)]);
    store.put_from_network(&group(vec![pgk(1, NOW - 5)]), &id(), &given, NOW).unwrap();
    drop(store);
    // The whole folder is put back: neither knows of the PGK.
    std::fs::write(&path, backup).unwrap();
    std::fs::remove_file(&given).unwrap();
    let mut store = place.store();
    assert!(store.suspended().is_some());
    let taken = store.put_from_network(&both, &id(), &given, NOW + 50).unwrap();
    assert_eq!(rights(&taken), [Right::Lost, Right::Here]);
    assert!(store.suspended().is_none());
    // It stays so.
    let taken = store.put_from_network(&both, &id(), &given, NOW + 60).unwrap();
    assert_eq!(rights(&taken), [Right::Lost, Right::Here]);
}

#[test]
fn a_crash_between_the_record_and_the_store_costs_the_right() {
    let place = Place::new();
    let mut store = place.store();
    let mut broken = group(vec![pgk(1, NOW)]);
    // An entry that the store refuses comes after the record was written.
    broken.pgk.push(PgkEntry { id: 33, ..pgk(7, NOW) });
    store.put_from_network(&broken, &id(), &place.given(), NOW).unwrap_err();
    let taken = store.put_from_network(&group(vec![pgk(1, NOW)]), &id(), &place.given(), NOW).unwrap();
    assert_eq!(rights(&taken), [Right::Lost]);
}

#[test]
fn a_group_of_the_same_name_is_not_replaced_and_a_damaged_record_says_so() {
    let place = Place::new();
    let mut store = place.store();
    let mut other = group(vec![]);
    other.group_id = "00002b".parse().unwrap();
    store.put(&Keys { group: vec![other], ..Keys::default() }).unwrap();
    let error = store.put_from_network(&group(vec![]), &id(), &place.given(), NOW).unwrap_err();
    assert!(error.to_string().contains("rescue"), "{error}");
    for text in ["", "x\n", &format!("{TITLE}\nlost 1"), &format!("{TITLE}\nlost 1\n00\n")] {
        std::fs::write(place.given(), text).unwrap();
        let error = store.put_from_network(&group(vec![]), &id(), &place.given(), NOW).unwrap_err();
        assert!(matches!(error, Error::Record(..)), "{error}");
        assert!(error.to_string().contains("a.usim.pgks"), "{error}");
    }
}
