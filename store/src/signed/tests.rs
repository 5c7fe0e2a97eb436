use super::*;
use crate::entry::Protection;
use crate::identity::{IdentityEntry, IdentityKind, KmsEntry};
use crate::{Followed, revoke, revoke_ue};
use std::num::NonZeroU32;

const NOW: UtcTime = UtcTime::from_millis(1_700_000_000_000);
const ALL: [SchemeName; 5] = [
    SchemeName::Ed25519,
    SchemeName::EcdsaP256,
    SchemeName::EccsiFull,
    SchemeName::EccsiCompressed,
    SchemeName::EccsiCachedPvt,
];

/// A store with a laboratory's server and anna's identity.
fn keys() -> Keys {
    let kms = KmsEntry::new("lab", "kms.example", NonZeroU32::new(2_592_000), 0).unwrap();
    let period = kms.periods().at(NOW).unwrap();
    let issued = kms.issue("sip:anna@example", &period).unwrap();
    let identity = IdentityEntry {
        name: "anna's name".to_owned(),
        uri: "sip:anna@example".to_owned(),
        kind: IdentityKind::User,
        kms: "lab".to_owned(),
        ue: Some("anna".to_owned()),
        revoked: false,
        keys: vec![issued],
    };
    Keys { kms: vec![kms], identity: vec![identity], ..Keys::default() }
}

fn entry(scheme: SchemeName, keys: &Keys) -> Discovery {
    let mut entry = Discovery::new("anna", Protection::Signed, u32::MAX);
    entry.announcer = Some("anna".to_owned());
    entry.monitors = vec!["bob".to_owned(), "eve".to_owned()];
    entry.code = Some(Hex(vec![6; 23]));
    let (mut signed, until) =
        SignedEntry::fresh(scheme, RotationName::Coded, (keys, Some("anna's name")), NOW).unwrap();
    assert_eq!(until.is_some(), Scheme::from(scheme).is_eccsi());
    signed.conceal().unwrap();
    entry.signed = Some(signed);
    entry
}

/// `sidelink keys show` takes them out before it prints.
#[test]
fn all_secrets_of_an_entry_are_named() {
    let mut keys = keys();
    keys.discovery = vec![entry(SchemeName::Ed25519, &keys)];
    (keys.kms, keys.identity) = (Vec::new(), Vec::new());
    let secrets = keys.discovery[0].table_secrets();
    assert_eq!(secrets.iter().filter(|(_, secret)| secret.is_some()).count(), 2);
    secrets.into_iter().for_each(|(_, secret)| *secret = None);
    let text = keys.to_toml().unwrap();
    assert!(!text.contains("signing-key") && !text.contains("group-key"), "{text:?}");
}

#[test]
fn a_monitor_has_the_public_key_and_not_the_private_one() {
    let mut keys = keys();
    for scheme in ALL {
        keys.discovery = vec![entry(scheme, &keys)];
        keys.check().unwrap();
        let text = keys.to_toml().unwrap();
        assert_eq!(Keys::from_toml(&text, "keys").unwrap(), keys);
        let sender = keys.for_ue("anna").discovery[0].signed_sender().unwrap().unwrap();
        let monitor = keys.for_ue("bob");
        monitor.check().unwrap();
        let Some(Followed::Signed(follow)) = monitor.discovery[0].followed().unwrap() else { panic!() };
        assert_eq!(follow.key, *sender.verifying_key());
        assert!(follow.group.is_some() && monitor.discovery[0].signed_sender().unwrap().is_none());
        let text = monitor.to_toml().unwrap();
        assert!(!text.contains("signing-key") && !text.contains("ssk"), "nothing private of {scheme:?}");
    }
}

#[test]
fn wrong_keys_are_found_in_the_store() {
    let keys = keys();
    let other = entry(SchemeName::Ed25519, &keys);
    let changes: [&dyn Fn(&mut SignedEntry); 5] = [
        &|signed| signed.scheme = SchemeName::EcdsaP256,
        &|signed| signed.verifying_key.0[0] = 77,
        &|signed| signed.verifying_key.0.truncate(20),
        &|signed| signed.signing_key = other.signed.as_ref().and_then(|other| other.signing_key.clone()),
        &|signed| signed.group_key = Some(Secret::new(vec![1; 3])),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut entry = entry(SchemeName::Ed25519, &keys);
        entry.check().unwrap();
        change(entry.signed.as_mut().unwrap());
        assert!(entry.check().is_err(), "change {number}");
    }
    let mut bare = entry(SchemeName::Ed25519, &keys);
    bare.signed = None;
    assert!(bare.check().unwrap_err().to_string().contains("no table signed"));
    let none = SignedEntry::fresh(SchemeName::EccsiFull, RotationName::Plain, (&keys, None), NOW);
    assert!(none.unwrap_err().to_string().contains("identity"));
    let late = UtcTime::from_millis(4_000_000_000_000);
    let identity = (&keys, Some("anna's name"));
    assert!(SignedEntry::fresh(SchemeName::EccsiFull, RotationName::Plain, identity, late).is_err());
}

/// A monitor that is revoked takes nothing with it by which it could announce; the others get another key of the group. The
/// announcer's entry ends with it.
#[test]
fn revocation() {
    let mut keys = keys();
    let before = entry(SchemeName::Ed25519, &keys);
    keys.discovery = vec![before.clone()];
    revoke_ue(&mut keys, "eve", 0).unwrap();
    let (old, new) = (before.signed.unwrap(), keys.discovery[0].signed.clone().unwrap());
    assert_eq!(keys.discovery[0].monitors, ["bob"]);
    assert_eq!((&old.verifying_key, &old.signing_key), (&new.verifying_key, &new.signing_key));
    assert_ne!(old.group_key, new.group_key);
    assert!(revoke(&mut keys, "anna"));
    let revoked = keys.discovery[0].signed.clone().unwrap();
    assert!(revoked.signing_key.is_none() && revoked.group_key.is_none());
    assert!(keys.discovery[0].followed().unwrap().is_none());
}
