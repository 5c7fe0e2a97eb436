use super::*;
use crate::{KeyStore, random, read, revoke, revoke_ue, write_private};
use tempfile::tempdir;

const HOUR: u32 = 3600;

fn kms() -> KmsEntry {
    KmsEntry {
        name: "lab".into(),
        uri: "kms.lab".into(),
        period_length: NonZeroU32::new(HOUR),
        period_offset: 0,
        z: Hex(vec![4; 257]),
        kpak: Hex(vec![4; 65]),
        master: Some(random(128).unwrap()),
        ksak: Some(random(32).unwrap()),
    }
}

/// Keys of the period at `hour` after the start of period 0 that begins in 1970 or later.
fn keys_of(period: u32) -> IdentityKeys {
    let found = kms().periods().numbered(period).unwrap();
    let second = |time: UtcTime| u32::try_from(time.millis() / 1000).unwrap();
    IdentityKeys {
        period,
        valid_from: second(found.early()),
        valid_until: second(found.late()),
        pvt: Hex(vec![4; 65]),
        ssk: Some(random(32).unwrap()),
        rsk: Some(random(257).unwrap()),
    }
}

fn alice() -> IdentityEntry {
    IdentityEntry {
        name: "alice".into(),
        uri: "sip:alice@lab".into(),
        kind: IdentityKind::User,
        kms: "lab".into(),
        ue: Some("alice".into()),
        revoked: false,
        keys: vec![keys_of(1_000_000), keys_of(1_000_001)],
    }
}

fn both() -> Keys {
    Keys { kms: vec![kms()], identity: vec![alice()], ..Keys::default() }
}

fn at_of(period: u32, into: u64) -> UtcTime {
    kms().periods().numbered(period).unwrap().from.plus_millis(into * 1000)
}

#[test]
fn identities_come_back_from_the_file_and_the_toml_form() {
    let folder = tempdir().unwrap();
    let (path, toml) = (folder.path().join("keys"), folder.path().join("keys.toml"));
    let keys = both();
    let store = KeyStore::create(&path).unwrap();
    assert_eq!(store.keys().unwrap().identity, [], "a store that has never had one");
    store.put(&keys).unwrap();
    drop(store);
    assert_eq!(read(&path).unwrap(), keys);
    write_private(&toml, &keys.to_toml().unwrap()).unwrap();
    assert_eq!(read(&toml).unwrap(), keys);
    let mut other = KeyStore::create(&folder.path().join("other")).unwrap();
    other.take_over(&toml, false).unwrap();
    assert_eq!(other.keys().unwrap(), keys);
}

#[test]
fn no_debug_shows_a_secret() {
    let text = format!("{:?}", both());
    assert!(text.contains("Secret(redacted)") && !text.contains("Secret(["), "{text}");
}

#[test]
fn the_keys_of_the_present_period_sign_and_those_beside_it_open() {
    let (alice, periods) = (alice(), kms().periods());
    let open = |now: UtcTime| alice.accepted_at(now).map(|keys| keys.period).collect::<Vec<_>>();
    let sign = |now: UtcTime| alice.keys_at(periods, now).map(|keys| keys.period);
    let (first, second) = (1_000_000, 1_000_001);
    assert_eq!((sign(at_of(first, 10)), open(at_of(first, 10))), (Some(first), vec![first]));
    // A quarter of an hour before the next one begins it opens already, and does not sign yet.
    let late = at_of(first, 3000);
    assert_eq!((sign(late), open(late)), (Some(first), vec![first, second]));
    let early = at_of(second, 10);
    assert_eq!((sign(early), open(early)), (Some(second), vec![first, second]));
    assert_eq!((sign(at_of(second, 901)), open(at_of(second, 901))), (Some(second), vec![second]));
    let over = at_of(second + 1, 901);
    assert_eq!((sign(over), open(over)), (None, vec![]), "keys that are over do nothing");
}

#[test]
fn new_keys_push_out_those_that_are_over() {
    let mut alice = alice();
    let now = u32::try_from(at_of(1_000_002, 901).millis() / 1000).unwrap();
    alice.take(keys_of(1_000_002), now);
    assert_eq!(alice.keys.iter().map(|keys| keys.period).collect::<Vec<_>>(), [1_000_002]);
    let before = u32::try_from(at_of(1_000_002, 0).millis() / 1000).unwrap();
    let mut alice = self::alice();
    alice.take(keys_of(1_000_002), before);
    assert_eq!(alice.keys.iter().map(|keys| keys.period).collect::<Vec<_>>(), [1_000_001, 1_000_002]);
}

#[test]
fn a_ue_gets_its_identities_and_no_master_secret() {
    let mut keys = both();
    keys.kms.push(KmsEntry { name: "partner".into(), uri: "kms.partner".into(), ..kms() });
    let given = keys.for_ue("alice");
    assert_eq!((given.identity.len(), given.kms.len()), (1, 2));
    assert!(given.kms.iter().all(|kms| kms.master.is_none() && kms.ksak.is_none()));
    given.check().unwrap();
    let none = keys.for_ue("bob");
    assert!(none.is_empty(), "no server's keys without an identity");
}

#[test]
fn an_import_leaves_the_master_secrets_of_the_laboratory() {
    let folder = tempdir().unwrap();
    let mut store = KeyStore::create(&folder.path().join("keys")).unwrap();
    let keys = both();
    store.put(&keys).unwrap();
    let toml = folder.path().join("bob.toml");
    let mut bob = IdentityEntry { name: "bob".into(), uri: "sip:bob@lab".into(), ..alice() };
    bob.ue = Some("bob".into());
    let given = Keys { kms: vec![keys.kms[0].public()], identity: vec![bob], ..Keys::default() };
    write_private(&toml, &given.to_toml().unwrap()).unwrap();
    store.take_over(&toml, false).unwrap();
    assert!(store.keys().unwrap().kms[0].is_master());
    // Another server of that name is no such thing.
    let toml = folder.path().join("other.toml");
    let other = KmsEntry { z: Hex(vec![5; 257]), ..keys.kms[0].public() };
    let given = Keys { kms: vec![other], ..Keys::default() };
    write_private(&toml, &given.to_toml().unwrap()).unwrap();
    let error = store.take_over(&toml, false).unwrap_err().to_string();
    assert!(error.contains("has an entry \"lab\""), "{error}");
}

#[test]
fn a_revoked_identity_has_no_secrets() {
    let mut keys = both();
    assert!(revoke(&mut keys, "alice"));
    assert!(keys.identity[0].keys.iter().all(|keys| keys.ssk.is_none() && keys.rsk.is_none()));
    assert_eq!(keys.identity[0].keys_at(kms().periods(), at_of(1_000_000, 10)), None);
    let mut keys = both();
    assert_eq!(revoke_ue(&mut keys, "alice", 0).unwrap(), ["alice"]);
    assert!(keys.for_ue("alice").is_empty());
}

#[test]
fn what_is_wrong_with_an_identity_is_told() {
    let wrong = |change: &dyn Fn(&mut Keys)| {
        let mut keys = both();
        change(&mut keys);
        keys.check().unwrap_err().to_string()
    };
    type Case<'a> = (&'a dyn Fn(&mut Keys), &'a str);
    let cases: [Case<'_>; 9] = [
        (&|keys| keys.kms.clear(), "no key management server is called \"lab\""),
        (&|keys| keys.kms[0].z.0.truncate(256), "z has 256 octets, not 257"),
        (&|keys| keys.kms[0].kpak.0.push(0), "kpak has 66 octets, not 65"),
        (&|keys| keys.kms[0].ksak = Some(Secret::new(vec![1])), "ksak has 1 octets, not 32"),
        (&|keys| keys.kms[0].period_length = None, "is no telephone number"),
        (&|keys| keys.identity[0].keys[1].period = 1_000_000, "two key sets are of period 1000000"),
        (&|keys| keys.identity[0].keys[0].rsk = Some(Secret::new(vec![])), "rsk has 0 octets, not 257"),
        (&|keys| keys.identity[0].uri = "sip:a b".into(), "uri is no URI"),
        (&|keys| keys.identity[0].name = "lab".into(), "two entries are called \"lab\""),
    ];
    for (change, words) in cases {
        let error = wrong(change);
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// Keys that a laboratory makes pass the checks of their user, and no others do.
#[test]
fn a_laboratory_makes_keys_that_their_user_checks() {
    let mut kms = KmsEntry::new("lab", "kms.lab", NonZeroU32::new(HOUR), 0).unwrap();
    let periods = kms.periods();
    let period = periods.numbered(1_000_000).unwrap();
    let keys = kms.issue("sip:alice@lab", &period).unwrap();
    let alice = IdentityEntry { keys: vec![keys.clone()], ..alice() };
    let credential = alice.credential(&kms.public(), &keys).unwrap();
    assert_eq!((credential.uri.as_str(), credential.kms.as_str()), ("sip:alice@lab", "kms.lab"));
    assert_eq!(credential.period, period);
    assert_eq!(credential.signing.identifier(), credential.receiver.identifier());
    let other = kms.issue("sip:alice@lab", &period).unwrap();
    assert!(other.rsk == keys.rsk && other.ssk != keys.ssk, "each issue has its own pair for signing");

    let bob = IdentityEntry { uri: "sip:bob@lab".into(), ..alice.clone() };
    let error = bob.credential(&kms, &keys).unwrap_err().to_string();
    assert!(error.contains("do not belong to this identifier"), "{error}");
    let late = IdentityKeys { period: 1_000_001, ..keys.clone() };
    assert!(alice.credential(&kms, &late).is_err(), "keys of another period");
    let mixed = IdentityKeys { rsk: kms.issue("sip:bob@lab", &period).unwrap().rsk, ..keys.clone() };
    let error = alice.credential(&kms, &mixed).unwrap_err().to_string();
    assert!(error.contains("RSK does not belong"), "{error}");

    let public = kms.public();
    assert_eq!(public.issue("sip:a@lab", &period).unwrap_err(), Error::entry("kms \"lab\"", Fault::NoMaster));
    kms.period_length = None;
    let error = kms.issue("sip:a@lab", &period).unwrap_err().to_string();
    assert!(error.contains("no telephone number"), "{error}");
}

/// Key sets that another implementation made (shared vectors).
#[test]
fn foreign_key_sets_are_taken_once_they_are_checked() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../security/vectors/kms_keysets_33180.json");
    let text = std::fs::read_to_string(path).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let octets = |name: &str| sidelink_wire::hex::bytes(&text(name)).unwrap();
        let number = |name: &str| u32::try_from(vector[name].as_u64().unwrap()).unwrap();
        let kms = KmsEntry {
            name: "foreign".into(),
            uri: text("kms_uri"),
            period_length: NonZeroU32::new(number("period")),
            period_offset: number("offset"),
            z: Hex(octets("Z")),
            kpak: Hex(octets("KPAK")),
            master: None,
            ksak: None,
        };
        let mut keys = IdentityKeys {
            period: number("period_no"),
            valid_from: 0,
            valid_until: u32::MAX,
            pvt: Hex(octets("PVT")),
            ssk: Some(Secret::new(octets("SSK"))),
            rsk: Some(Secret::new(octets("RSK"))),
        };
        let user = IdentityEntry { uri: text("uri"), kms: "foreign".into(), ..alice() };
        let credential = user.credential(&kms, &keys).unwrap();
        assert_eq!(credential.signing.identifier(), octets("uid"));
        let mut ssk = octets("SSK");
        ssk[31] ^= 1;
        keys.ssk = Some(Secret::new(ssk));
        assert!(user.credential(&kms, &keys).is_err());
    }
}
