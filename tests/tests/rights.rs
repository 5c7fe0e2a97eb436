//! A right to send is in one place, with the counters that were used under it.
#![allow(clippy::disallowed_methods)]

use sidelink_flowgraphs::Sample;
use sidelink_flowgraphs::scenario::{Generator, Scenario, Secrets};
use sidelink_mac::engine::Config;
use sidelink_mac::mux::Address;
use sidelink_prose::discovery::agent;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, ReserveConfig, StreamId};
use sidelink_store::{
    Cipher, Group, Hex, KeyStore, Keys, Source, create_private, read, witness_of, write_handed, write_private,
};
use sidelink_tests::command::Folder;
use sidelink_ue::provision::{Wish, provision};
use sidelink_wire::ids::Layer2Id;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SCENARIO: &str = r#"
duration = 80
[radio]
prb = 15
tm = 2
[[radio.communication]]
period = 40
control-bitmap = "0111 1000"
control-prb = { start = 0, end = 14, num = 7 }
data-bitmap = "1111 1111 1110 1111 1111 1111 1111 1111"
data-offset = 8
data-prb = { start = 0, end = 14, num = 7 }
[[ue]]
name = "alice"
[[ue.communication]]
resource = 3
trp = 40
mcs = 9
start = 2
len = 4
payload = "text:meet me for coffee"
protected = { group = "fire" }
"#;

fn group() -> Keys {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: None,
        member: vec!["alice=0000a1".parse().unwrap(), "bob=0000b2".parse().unwrap()],
        pgk: Vec::new(),
    };
    group.new_pgk(0, u32::MAX).unwrap();
    Keys { group: vec![group], ..Keys::default() }
}

fn make(path: &Path) -> KeyStore {
    let store = KeyStore::create(path).unwrap();
    store.put(&group()).unwrap();
    store
}

/// Why `ue` cannot send from a store, if it cannot: as a UE on the air.
fn refusal(store: &mut KeyStore, ue: &str) -> Option<String> {
    let wish = Wish {
        ue,
        layer2_id: None,
        to_group: Address::Group,
        v2x_priority: 3,
        reserve: ReserveConfig::default(),
        layer2: Config::new(Layer2Id::from_octets([0; 3])),
        discovery: agent::Config::default(),
    };
    let keys = store.keys().unwrap();
    provision(&wish, &keys, store).unwrap().receive_only.remove("fire").map(|why| why.to_string())
}

/// The same as a UE of a scenario.
fn generated(path: &Path) -> Result<(), String> {
    let scenario = Scenario::from_toml(SCENARIO, "test").unwrap();
    let start = UtcTime::from_millis(1_800_000_000_000);
    let secrets = Secrets::of_store(KeyStore::open(path).unwrap(), start).unwrap();
    let mut generator = Generator::with_secrets(&scenario, Some(secrets)).map_err(|e| e.to_string())?;
    let mut samples = vec![Sample::default(); generator.subframe_samples()];
    for _ in 0..scenario.duration {
        generator.next_subframe(&mut samples);
    }
    Ok(())
}

fn used(store: &KeyStore) -> u64 {
    let group = &store.keys().unwrap().group[0];
    let stream = group.stream(&group.pgk[0], &group.member[0].id).unwrap().unwrap();
    store.reserved(&stream).unwrap()
}

fn export(store: &mut KeyStore, ue: &str, path: &Path) -> usize {
    let mut file = create_private(path).unwrap();
    let handed = store.hand_out(ue).unwrap();
    write_handed(path, &mut file, &handed.keys.to_toml().unwrap()).unwrap();
    handed.missing.len()
}

fn import(file: &Path, store: &Path) -> (KeyStore, Option<String>) {
    let mut store = KeyStore::open_or_create(store).unwrap();
    let (_, refused) = store.take_over(file, true).unwrap();
    (store, refused.map(|why| why.to_string()))
}

/// A recording by the store that hands the keys out, another by the UE that got them, a third by the first store.
#[test]
fn an_exported_right_is_gone_and_takes_its_counters_along() {
    let folder = Folder::new("export");
    let (master, file) = (folder.path("master"), folder.path("alice.toml"));
    drop(make(&master));
    generated(&master).unwrap();
    let mut store = KeyStore::open(&master).unwrap();
    let before = used(&store);
    assert!(before > 0x1_0001);
    assert_eq!(export(&mut store, "alice", &file), 0);
    let why = refusal(&mut store, "alice").unwrap();
    for word in ["alice", "fire", "PGK 1", "handed out at", "new-group"] {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert_eq!(refusal(&mut store, "bob"), None);
    drop(store);
    assert!(generated(&master).unwrap_err().contains("handed out"));

    let (mut alice, refused) = import(&file, &folder.path("alice"));
    assert_eq!(used(&alice), before, "she goes on where the store stopped");
    assert_eq!((refused, refusal(&mut alice, "alice")), (None, None));
    assert!(refusal(&mut alice, "bob").is_some(), "bob's right is not hers");

    // once more: to receive only
    let mut store = KeyStore::open(&master).unwrap();
    assert_eq!(export(&mut store, "alice", &folder.path("again.toml")), 1);
    let (mut again, _) = import(&folder.path("again.toml"), &folder.path("again"));
    assert!(refusal(&mut again, "alice").is_some());
}

#[test]
fn a_back_up_sends_nothing_until_there_is_a_new_pgk() {
    let folder = Folder::new("backup");
    let (master, file, restored) =
        (folder.path("master"), folder.path("backup.toml"), folder.path("restored"));
    let store = make(&master);
    write_private(&file, &store.keys().unwrap().receive_only().to_toml().unwrap()).unwrap();
    drop(store);
    generated(&master).unwrap();
    let (mut store, _) = import(&file, &restored);
    assert!(refusal(&mut store, "alice").unwrap().contains("did not come with the key"));
    drop(store);
    assert!(generated(&restored).unwrap_err().contains("new-group"));
    let store = KeyStore::open(&restored).unwrap();
    let mut keys = store.keys().unwrap();
    keys.group[0].new_pgk(0, u32::MAX).unwrap();
    store.put(&keys).unwrap();
    drop(store);
    generated(&restored).unwrap();
    // over the store itself it takes nothing away: the right never left
    let (mut store, _) = import(&file, &master);
    assert_eq!(refusal(&mut store, "alice"), None);
}

#[test]
fn a_file_gives_its_right_once() {
    let folder = Folder::new("once");
    let file = folder.path("alice.toml");
    export(&mut make(&folder.path("master")), "alice", &file);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    let (mut first, refused) = import(&file, &folder.path("first"));
    assert_eq!((refused, refusal(&mut first, "alice")), (None, None));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
    let (mut second, _) = import(&file, &folder.path("second"));
    assert!(refusal(&mut second, "alice").unwrap().contains("handed out"));
}

#[test]
fn a_file_that_cannot_be_written_anew_keeps_its_right() {
    let folder = Folder::new("linked");
    let (file, other) = (folder.path("alice.toml"), folder.path("other.toml"));
    export(&mut make(&folder.path("master")), "alice", &file);
    std::fs::hard_link(&file, &other).unwrap();
    let (mut store, refused) = import(&file, &folder.path("alice"));
    assert!(refused.unwrap().contains("stays in the file"));
    assert!(refusal(&mut store, "alice").is_some());
    assert!(read(&other).unwrap().has_rights());
}

/// Killed between two steps, the right is nowhere, in either order.
#[test]
fn what_stops_between_the_steps_loses_the_right() {
    let folder = Folder::new("killed");
    let (master, file) = (folder.path("master"), folder.path("alice.toml"));
    let mut store = make(&master);
    drop(store.hand_out("bob").unwrap());
    drop(store);
    let mut store = KeyStore::open(&master).unwrap();
    assert!(refusal(&mut store, "bob").is_some());
    assert_eq!(export(&mut store, "bob", &folder.path("bob.toml")), 1);

    export(&mut store, "alice", &file);
    let (keys, refused) = Source::open(&file).unwrap().take();
    assert!(keys.has_rights() && refused.is_none());
    let (mut alice, _) = import(&file, &folder.path("alice"));
    assert!(refusal(&mut alice, "alice").is_some());
}

#[test]
fn a_copy_receives_and_a_moved_store_sends() {
    let folder = Folder::new("copy");
    let (path, copy, moved) = (folder.path("keys"), folder.path("copy"), folder.path("moved"));
    drop(make(&path));
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(witness_of(&path), witness_of(&copy)).unwrap();
    let mut store = KeyStore::open(&copy).unwrap();
    assert!(refusal(&mut store, "alice").unwrap().contains("copy"));
    drop(store);
    assert!(generated(&copy).unwrap_err().contains("new-group"));
    generated(&path).unwrap();

    std::fs::rename(&path, &moved).unwrap();
    generated(&moved).unwrap();
    generated(&moved).unwrap();
    assert!(witness_of(&moved).exists() && !witness_of(&path).exists());

    // new rights in the copy are its own, and the old ones end
    let mut store = KeyStore::open(&copy).unwrap();
    store.settle_for_new_rights().unwrap();
    assert!(refusal(&mut store, "alice").unwrap().contains("found to be a copy"));
    let mut keys = store.keys().unwrap();
    keys.group[0].new_pgk(0, u32::MAX).unwrap();
    store.put(&keys).unwrap();
    drop(store);
    generated(&copy).unwrap();
    generated(&moved).unwrap();
}

#[test]
fn an_older_state_that_is_put_back_does_not_send() {
    for export_first in [false, true] {
        let folder = Folder::new(if export_first { "older-export" } else { "older" });
        let (path, old) = (folder.path("keys"), folder.path("old"));
        drop(make(&path));
        std::fs::copy(&path, &old).unwrap();
        if export_first {
            export(&mut KeyStore::open(&path).unwrap(), "alice", &folder.path("alice.toml"));
        } else {
            generated(&path).unwrap();
        }
        // as cp does: the same file with other octets
        std::fs::write(&path, std::fs::read(&old).unwrap()).unwrap();
        let mut store = KeyStore::open(&path).unwrap();
        assert!(refusal(&mut store, "alice").unwrap().contains("older than its witness"));
        drop(store);
        assert!(generated(&path).is_err());
    }
}

#[test]
fn without_its_witness_a_store_does_not_send() {
    let folder = Folder::new("witness");
    let path = folder.path("keys");
    drop(make(&path));
    let whole = std::fs::read(witness_of(&path)).unwrap();
    for damage in [None, Some(&b""[..]), Some(&whole[..whole.len() - 1]), Some(b"sidelink")] {
        match damage {
            None => std::fs::remove_file(witness_of(&path)).unwrap(),
            Some(octets) => std::fs::write(witness_of(&path), octets).unwrap(),
        }
        let mut store = KeyStore::open(&path).unwrap();
        assert!(refusal(&mut store, "alice").unwrap().contains("witness"), "{damage:?}");
    }
    std::fs::write(witness_of(&path), &whole).unwrap();
    generated(&path).unwrap();
}

/// Stopped after the store's commit and before the witness: nothing of that epoch was used. Further behind than that, it is no
/// witness.
#[test]
fn a_store_one_epoch_ahead_of_its_witness_goes_on() {
    let folder = Folder::new("ahead");
    let path = folder.path("keys");
    let mut store = make(&path);
    let before = std::fs::read(witness_of(&path)).unwrap();
    assert!(store.raise(&StreamId([7; 16]), 0, 1000).unwrap());
    drop(store);
    std::fs::write(witness_of(&path), &before).unwrap();
    let mut store = KeyStore::open(&path).unwrap();
    assert!(store.suspended().is_none());
    assert!(store.raise(&StreamId([7; 16]), 1000, 2000).unwrap());
    drop(store);
    assert!(KeyStore::open(&path).unwrap().suspended().is_none());
    std::fs::write(witness_of(&path), &before).unwrap();
    assert!(KeyStore::open(&path).unwrap().suspended().is_some());
}

/// The witness is on the disk before a reservation is used.
#[test]
fn a_reservation_without_a_witness_is_none() {
    let folder = Folder::new("unwritable");
    let path = folder.path("keys");
    let mut store = make(&path);
    // in the place of the file that becomes the witness
    std::fs::create_dir(folder.path("keys.witness.new")).unwrap();
    let error = store.raise(&StreamId([7; 16]), 0, 1000).unwrap_err().to_string();
    assert!(error.contains("witness"), "{error}");
}
