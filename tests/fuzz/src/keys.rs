//! A key store: the database file, or its TOML form. What opens makes sense as a whole and comes back from its TOML form;
//! what does not is left as it is.
//!
//! The database asserts some of what it reads, and the store turns that into an error. libFuzzer ends at such a panic all
//! the same: with it, give the TOML form (`-only_ascii=1`).

use super::Target;
use super::files::Folder;
use sidelink_store::{self as keystore, Cipher, Discovery, Group, Hex, KeyStore, Keys, Protection, Secret};
use std::path::Path;

/// The bytes of the file.
pub const KEYSTORE: Target = Target { name: "keystore", run: read, seeds };

fn read(bytes: &[u8]) -> bool {
    let folder = Folder::new();
    let path = folder.write("keys", bytes);
    only_ours(&path);
    match keystore::read(&path) {
        Ok(keys) => {
            assert!(keys.check().is_ok(), "keys that make no sense were read");
            let text = keys.to_toml().expect("keys have a TOML form");
            // whether the file is where it belongs is no part of that form
            let keys = Keys { suspended: None, ..keys };
            assert_eq!(Keys::from_toml(&text, "again").as_ref(), Ok(&keys), "the TOML form is another");
            true
        }
        Err(e) => {
            assert!(!e.to_string().is_empty());
            let now = std::fs::read(&path).expect("the file is still there");
            assert!(now == bytes, "a file that was refused was changed");
            false
        }
    }
}

#[cfg(unix)]
fn only_ours(path: &Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, mode).expect("the file is ours");
}

#[cfg(not(unix))]
fn only_ours(_: &Path) {}

fn seeds() -> Vec<Vec<u8>> {
    let mut group = Group {
        name: "fire".to_owned(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: Some(Cipher::Snow3g),
        member: vec!["alice=0000a1".parse().expect("a member")],
        pgk: Vec::new(),
    };
    group.new_pgk(0, 1_800_000_000).expect("an index is free");
    let mut open = Discovery::new("tram", Protection::Open, 1_800_000_000);
    (open.code, open.key) = (Some(Hex(vec![7; 23])), Some(Secret::new(vec![1; 32])));
    let keys = Keys { group: vec![group], discovery: vec![open], ..Keys::default() };
    let folder = Folder::new();
    let path = folder.path("keys");
    // Closed before it is read.
    KeyStore::create(&path).and_then(|store| store.put(&keys)).expect("a store can be made");
    let store = std::fs::read(&path).expect("the store was made");
    vec![store, keys.to_toml().expect("keys have a TOML form").as_bytes().to_vec()]
}
