use super::*;
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use std::path::PathBuf;
use tempfile::TempDir;

const GROUP: Layer2Id = Layer2Id::from_octets([0, 0, 0x77]);

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(1_800_000_000_000 + millis)
}

fn seconds(seconds: u32) -> UtcCounter {
    UtcCounter::new(1_800_000_000 + seconds)
}

fn gmk(id: u32, time: u64) -> GmkRecord {
    GmkRecord {
        group: GROUP,
        name: Identity::user("fire@groups.example"),
        kind: if id >> 31 == 0 { GroupKind::Standard } else { GroupKind::AdHoc },
        maker: Identity::user("fire@groups.example"),
        local: Identity { kind: 3, value: vec![0, 0xff, 0x80] },
        id: GmkId(id),
        gmk: Gmk::from([id as u8; 16]),
        time: at(time),
        period: Period { activation: seconds(0), expiry: seconds(60) },
        distributes: id == 1,
        members: vec![Member { identity: Identity::user("bob"), layer2: Layer2Id::from_octets([1, 2, 3]) }],
    }
}

fn call(csb_id: u32, may_send: bool) -> CallRecord {
    CallRecord {
        group: GROUP,
        csb_id: CsbId(csb_id),
        gmk_id: GmkId(1),
        caller: Identity::user("bob"),
        time: at(7),
        pgk: Pgk::from([csb_id as u8; 32]),
        since: seconds(1),
        expiry: seconds(50),
        may_send,
    }
}

fn highest(sender: &str, stream: Stream, time: u64) -> Highest {
    Highest { sender: Identity::user(sender), group: GROUP, stream, time: at(time) }
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    (folder, path)
}

fn apply(store: &mut KeyStore, changes: &[Change]) {
    GroupKeyStore::apply(store, changes).unwrap();
}

/// A store as it was before there were keys of groups by identities: without their tables.
#[test]
fn a_store_of_an_earlier_version_opens_and_has_none() {
    let (_folder, path) = place();
    drop(KeyStore::create(&path).unwrap());
    let mut store = KeyStore::open(&path).unwrap();
    let kept = store.kept(at(0)).unwrap();
    assert!(kept.gmks.is_empty() && kept.calls.is_empty() && kept.highest.is_empty() && kept.lost.is_none());
}

#[test]
fn what_is_put_comes_back_and_what_is_removed_does_not() {
    let (_folder, path) = place();
    let mut store = KeyStore::create(&path).unwrap();
    apply(
        &mut store,
        &[
            Change::PutGmk(gmk(1, 1)),
            Change::PutGmk(gmk(0x8000_0002, 2)),
            Change::PutCall(call(0x0101, true)),
            Change::PutCall(call(0x0102, false)),
            Change::Raise(highest("fire", Stream::Gmk, 5)),
            Change::Raise(highest("bob", Stream::Call, 6)),
            Change::Raise(highest("bob", Stream::Call, 4)),
        ],
    );
    drop(store);
    let mut store = KeyStore::open(&path).unwrap();
    let kept = store.kept(at(10)).unwrap();
    assert_eq!(kept.gmks, [gmk(1, 1), gmk(0x8000_0002, 2)]);
    assert_eq!(kept.calls, [call(0x0101, true), call(0x0102, false)]);
    assert_eq!(
        kept.highest,
        [highest("bob", Stream::Call, 6), highest("fire", Stream::Gmk, 5)],
        "never lower"
    );
    // A call of the same index takes the place of the one before, whose removal comes late.
    apply(&mut store, &[Change::PutCall(call(0x0201, true)), Change::RemoveCall(GROUP, CsbId(0x0101))]);
    apply(&mut store, &[Change::RemoveGmk(GROUP, GmkId(1)), Change::RemoveCall(GROUP, CsbId(0x0102))]);
    let kept = store.kept(at(10)).unwrap();
    assert_eq!((kept.gmks, kept.calls), (vec![gmk(0x8000_0002, 2)], vec![call(0x0201, true)]));
}

#[test]
fn a_damaged_entry_is_noticed_when_the_store_is_opened() {
    for table in [GMKS, CALLS, TIMES] {
        let (_folder, path) = place();
        let mut store = KeyStore::create(&path).unwrap();
        let all = [
            Change::PutGmk(gmk(1, 1)),
            Change::PutCall(call(1, true)),
            Change::Raise(highest("a", Stream::Gmk, 1)),
        ];
        apply(&mut store, &all);
        let entries = store.group_entries(table).unwrap();
        let (name, bytes) = &entries[0];
        let mut bytes = bytes.to_vec();
        bytes[20] ^= 1;
        let broken = |t: &WriteTransaction| {
            t.open_table(table).map_err(redb::Error::from)?.insert(name.as_str(), bytes.as_slice())?;
            Ok(())
        };
        store.write(broken).unwrap();
        drop(store);
        let error = KeyStore::open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
    }
}

/// T3.1-4 at the store: an earlier state of the file comes back.
#[test]
fn an_earlier_state_that_was_put_back_gives_up_its_keys_and_says_since_when() {
    let (_folder, path) = place();
    let mut store = KeyStore::create(&path).unwrap();
    apply(&mut store, &[Change::PutGmk(gmk(2, 1)), Change::Raise(highest("fire", Stream::Gmk, 1))]);
    drop(store);
    let backup = std::fs::read(&path).unwrap();
    let mut store = KeyStore::open(&path).unwrap();
    apply(&mut store, &[Change::PutGmk(gmk(3, 9)), Change::RemoveGmk(GROUP, GmkId(2))]);
    apply(&mut store, &[Change::PutCall(call(1, true)), Change::Raise(highest("fire", Stream::Gmk, 9))]);
    drop(store);
    std::fs::write(&path, backup).unwrap();
    let mut store = KeyStore::open(&path).unwrap();
    assert!(store.suspended().is_some());
    let kept = store.kept(at(500)).unwrap();
    assert!(kept.gmks.is_empty() && kept.calls.is_empty());
    assert_eq!(kept.lost, Some(at(500)));
    // It goes on from there, and remembers.
    apply(&mut store, &[Change::PutGmk(gmk(4, 600))]);
    drop(store);
    let mut store = KeyStore::open(&path).unwrap();
    assert!(store.suspended().is_none());
    let kept = store.kept(at(700)).unwrap();
    assert_eq!((kept.gmks, kept.lost), (vec![gmk(4, 600)], Some(at(500))));
}

#[test]
fn a_copy_has_no_keys_and_the_store_itself_keeps_them() {
    let (folder, path) = place();
    let mut store = KeyStore::create(&path).unwrap();
    apply(&mut store, &[Change::PutGmk(gmk(2, 1))]);
    drop(store);
    let other = folder.path().join("copy");
    std::fs::copy(&path, &other).unwrap();
    let kept = KeyStore::open(&other).unwrap().kept(at(500)).unwrap();
    assert!(kept.gmks.is_empty() && kept.lost == Some(at(500)));
    let kept = KeyStore::open(&path).unwrap().kept(at(500)).unwrap();
    assert_eq!((kept.gmks, kept.lost), (vec![gmk(2, 1)], None));
}

#[test]
fn changes_are_all_there_or_none() {
    let (_folder, path) = place();
    let mut store = KeyStore::create(&path).unwrap();
    // A counter in between is another epoch.
    assert!(store.raise(&StreamId([1; 16]), 0, 8).unwrap());
    apply(&mut store, &[Change::PutGmk(gmk(1, 1)), Change::PutCall(call(1, true))]);
    let result: Result<(), Error> = store.write_witnessed(|transaction| {
        store.change(transaction, &Change::RemoveGmk(GROUP, GmkId(1)))?;
        Err(redb::Error::Corrupted("on its way".into()))
    });
    assert!(result.is_err());
    drop(store);
    let mut store = KeyStore::open(&path).unwrap();
    assert!(store.suspended().is_none());
    assert_eq!(store.kept(at(1)).unwrap().gmks, [gmk(1, 1)]);
    assert_eq!(store.reserved(&StreamId([1; 16])).unwrap(), 8);
}
