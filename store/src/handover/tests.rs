//! Keys go from a store to a file and on to another store.

use super::*;
use crate::entry::{Discovery, Group, Hex, Protection};
use std::path::PathBuf;
use tempfile::{TempDir, tempdir};

fn keys() -> Keys {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: crate::Cipher::Aes,
        mac: None,
        member: vec!["alice=0000a1".parse().unwrap()],
        pgk: Vec::new(),
    };
    group.new_pgk(0, u32::MAX).unwrap();
    let mut cafe = Discovery::new("cafe", Protection::Open, u32::MAX);
    cafe.code = Some(Hex(vec![7; 23]));
    cafe.key = Some(crate::random(32).unwrap());
    Keys { group: vec![group], discovery: vec![cafe], ..Keys::default() }
}

/// A store with those keys, and the file of alice with her right.
fn handed_out() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let mut master = KeyStore::create(&folder.path().join("master")).unwrap();
    master.put(&keys()).unwrap();
    let file = folder.path().join("alice.toml");
    let mut open = create_private(&file).unwrap();
    let handed = master.hand_out("alice").unwrap();
    assert!(handed.keys.has_rights() && handed.missing.is_empty());
    write_handed(&file, &mut open, &handed.keys.to_toml().unwrap()).unwrap();
    (folder, file)
}

#[test]
fn a_name_that_exists_is_replaced_only_on_request() {
    let (folder, file) = handed_out();
    let path = folder.path().join("alice");
    let mut store = KeyStore::create(&path).unwrap();
    store.put(&Keys { group: Vec::new(), ..keys() }).unwrap();
    let before = store.keys().unwrap();
    let mut alone = read_toml(&file).unwrap();
    alone.discovery = keys().discovery;
    std::fs::write(&file, alone.to_toml().unwrap()).unwrap();
    let refusal = store.take_over(&file, false).map(|_| ()).unwrap_err().to_string();
    assert!(refusal.contains("\"cafe\"") && refusal.contains("--replace"), "{refusal}");
    assert_eq!(store.keys().unwrap(), before);
    assert!(read_toml(&file).unwrap().has_rights(), "what was refused keeps its rights");
    let (_, refused) = store.take_over(&file, true).unwrap();
    assert!(refused.is_none() && store.keys().unwrap().has_rights());
}

#[test]
fn a_store_gives_its_keys_and_keeps_its_rights() {
    let folder = tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let store = KeyStore::create(&from).unwrap();
    store.put(&keys()).unwrap();
    drop(store);
    let mut store = KeyStore::create(&to).unwrap();
    store.take_over(&from, false).unwrap();
    assert!(!store.keys().unwrap().has_rights());
    assert_eq!(store.keys().unwrap().discovery, crate::read(&from).unwrap().discovery);
}

#[test]
fn a_file_without_rights_is_left_as_it_is() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    crate::write_private(&file, &keys().receive_only().to_toml().unwrap()).unwrap();
    let before = std::fs::metadata(&file).unwrap().ino();
    let (_, refused) = Source::open(&file).unwrap().take();
    assert!(refused.is_none());
    assert_eq!(std::fs::metadata(&file).unwrap().ino(), before, "it was written anew");
}

/// Under the other name the right would live on.
#[test]
fn a_file_of_two_names_gives_no_right() {
    let (folder, file) = handed_out();
    std::fs::hard_link(&file, folder.path().join("other name")).unwrap();
    let (keys, refused) = Source::open(&file).unwrap().take();
    assert!(!keys.has_rights());
    assert!(refused.unwrap().to_string().contains("it has other names"));
}

#[test]
fn a_file_that_was_changed_for_another_gives_no_right() {
    let (folder, file) = handed_out();
    let source = Source::open(&file).unwrap();
    let second = folder.path().join("second.toml");
    crate::write_private(&second, &std::fs::read_to_string(&file).unwrap()).unwrap();
    std::fs::rename(&second, &file).unwrap();
    let (keys, refused) = source.take();
    assert!(!keys.has_rights() && refused.is_some());
}
