//! What the network brought is sorted for a UE that runs.

use super::*;
use crate::config::ue_toml::tests::identities::{Laboratory, alice};
use sidelink_store::{KeyStore, Keys};

fn brought() -> News {
    News::Identity { name: "ProSe:alice".to_owned(), period: 7, valid_until: 9 }
}

#[test]
fn keys_of_identities_are_read_from_the_store_once_for_all_that_came() {
    let folder = tempfile::tempdir().unwrap();
    let store = SharedStore::new(KeyStore::open_or_create(&folder.path().join("keys")).unwrap());
    store.open().put(&Laboratory::new().keys(2)).unwrap();
    let (fresh, notes) = sorted(&alice(), &store, vec![brought(), brought()]);
    let [Fresh::Identities(news)] = &fresh[..] else { panic!("{} things", fresh.len()) };
    assert!(news.links.is_some() && news.groups.is_some() && notes.is_empty());
    // Without them nothing is read.
    let (fresh, notes) = sorted(&alice(), &store, vec![News::Note(Note::Works)]);
    assert_eq!((fresh.len(), notes), (0, vec![Note::Works]));
}

#[test]
fn a_store_that_lacks_them_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = SharedStore::new(KeyStore::open_or_create(&folder.path().join("keys")).unwrap());
    store.open().put(&Keys::default()).unwrap();
    let (fresh, notes) = sorted(&alice(), &store, vec![brought()]);
    assert!(
        fresh.is_empty() && matches!(&notes[..], [Note::Trouble(why)] if why.contains("alice")),
        "{notes:?}"
    );
}
