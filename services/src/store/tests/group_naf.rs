//! What the store of a NAF of groups does, whichever database it is.

use sidelink_network::group_naf::message::Nonce;
use sidelink_network::group_naf::{Admission, Change, GroupRecord, Standing, UeRecord};
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Pgk;

use super::*;

const GROUP: ServiceId = ServiceId([0xff, 2, 3]);
const OTHER: ServiceId = ServiceId([0, 0, 1]);

fn user(number: u8) -> Impi {
    Impi::new(&format!("{number}@home")).unwrap()
}

fn record(id: ServiceId, octet: u8) -> GroupRecord {
    GroupRecord {
        id,
        owner: user(octet),
        admission: if octet.is_multiple_of(2) { Admission::WhiteList } else { Admission::Invitation },
        pgk_id: octet,
        pgk: Pgk::from([octet; 32]),
        expires: UtcTime::from_millis(u64::from(octet)),
        since: Nonce([octet; 16]),
    }
}

fn ue(number: u8, octet: u8) -> Change {
    let answer = vec![octet; 300];
    Change::PutUe(user(number), UeRecord { nonce: Nonce([octet; 16]), tag: [octet; 16], answer })
}

fn used(octet: u8, until: u64) -> Change {
    Change::PutUsed(GROUP, Nonce([octet; 16]), UtcTime::from_millis(until))
}

pub(crate) fn what_a_naf_keeps_is_there_after_a_restart(open: &dyn Fn() -> Box<dyn GroupNafStore>) {
    let mut first = open();
    let durable = first.durable().unwrap();
    assert!(durable.groups.is_empty() && durable.ues.is_empty());
    let user_of = |number, standing| Change::PutUser(GROUP, user(number), standing);
    first
        .commit(&[
            Change::PutGroup(record(GROUP, 1)),
            user_of(1, Standing::Member),
            user_of(2, Standing::Listed),
            user_of(3, Standing::Member),
            used(1, 100),
            used(2, 200),
            ue(1, 1),
            Change::PutGroup(record(OTHER, 2)),
        ])
        .unwrap();
    // What comes again replaces, apart from users and invitations; what goes is gone.
    first
        .commit(&[
            Change::PutGroup(record(GROUP, 3)),
            user_of(2, Standing::Member),
            Change::RemoveUser(GROUP, user(3)),
            Change::RemoveUser(OTHER, user(2)),
            Change::RemoveUsed(GROUP, Nonce([1; 16])),
            ue(1, 4),
            ue(2, 5),
        ])
        .unwrap();
    drop(first);
    let kept = open().durable().unwrap();
    let group = &kept.groups[&GROUP];
    assert_eq!(group.record, record(GROUP, 3));
    assert_eq!(group.users, [(user(1), Standing::Member), (user(2), Standing::Member)].into());
    assert_eq!(group.used, [(Nonce([2; 16]), UtcTime::from_millis(200))].into());
    assert_eq!(kept.groups[&OTHER].record, record(OTHER, 2));
    let nonces: Vec<_> = kept.ues.iter().map(|(ue, record)| (ue.clone(), record.nonce)).collect();
    assert_eq!(nonces, [(user(1), Nonce([4; 16])), (user(2), Nonce([5; 16]))]);
    assert_eq!((kept.ues[&user(1)].tag, kept.ues[&user(1)].answer.clone()), ([4; 16], vec![4; 300]));
}

/// Half of a batch is none.
pub(crate) fn all_or_nothing(store: &mut dyn GroupNafStore) {
    assert!(store.commit(&[Change::PutGroup(record(GROUP, 1)), used(1, u64::MAX)]).is_err());
    assert!(store.durable().unwrap().groups.is_empty());
}

pub(crate) fn a_damaged_row_is_an_error_that_shows_no_key<S: GroupNafStore>(
    store: &mut S,
    mut execute: impl FnMut(&mut S, &str),
    two_octets: &str,
) {
    store.commit(&[Change::PutGroup(record(GROUP, 0xab)), ue(1, 0xab)]).unwrap();
    for (table, damage) in [
        ("group_naf_group", "admission = 2"),
        ("group_naf_group", "pgk_id = 256"),
        ("group_naf_group", "expires = -1"),
        ("group_naf_group", &format!("pgk = {two_octets}")),
        ("group_naf_ue", &format!("tag = {two_octets}")),
    ] {
        execute(store, &format!("UPDATE {table} SET {damage}"));
        let error = store.durable().unwrap_err();
        assert!(matches!(error, StoreError::Damaged { table: "group_naf", .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("abab"), "{error}");
        store.commit(&[Change::PutGroup(record(GROUP, 0xab)), ue(1, 0xab)]).unwrap();
        store.durable().unwrap();
    }
}
