use super::*;
use sidelink_security::counter::UtcCounter;
use sidelink_security::counter::reserve::{Lease, ReserveConfig};
use std::os::unix::fs::PermissionsExt;
use tempfile::tempdir;

fn example() -> Keys {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: None,
        member: vec!["alice=0000a1".parse().unwrap(), "bob=0000b2".parse().unwrap()],
        pgk: Vec::new(),
    };
    group.new_pgk(1000, 2000).unwrap();
    let mut open = Discovery::new("cafe", Protection::Open, 2000);
    open.code = Some(Hex(vec![7; 23]));
    open.key = Some(random(32).unwrap());
    let mut friend = Discovery::new("friend", Protection::Rotating, 2000);
    friend.prose_id = Some(random(20).unwrap());
    friend.application_key = Some(random(32).unwrap());
    friend.announcer = Some("alice".into());
    friend.monitors = vec!["bob".into(), "carol".into()];
    Keys { group: vec![group], discovery: vec![open, friend], ..Keys::default() }
}

#[test]
fn what_is_put_comes_back_and_so_does_the_toml_form() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    let keys = example();
    KeyStore::create(&path).unwrap().put(&keys).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(KeyStore::open(&path).unwrap().keys().unwrap(), keys);
    assert_eq!(read(&path).unwrap(), keys);

    let toml = folder.path().join("keys.toml");
    write_private(&toml, &keys.to_toml().unwrap()).unwrap();
    assert_eq!(read(&toml).unwrap(), keys);
    let group = keys.group[0].pgk(&keys.group[0].pgk[0]).unwrap().unwrap();
    assert_eq!((group.pgk_id, group.expiry), (1, UtcCounter::new(2000)));
}

#[test]
// TS 33.303 §6.2.2; TS 33.303 §6.5.2 (5)
fn what_others_may_read_is_refused_with_the_remedy() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    drop(KeyStore::create(&path).unwrap());
    for mode in [0o644, 0o640, 0o620, 0o666] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyStore::open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        assert!(read(&path).is_err());
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    KeyStore::open(&path).unwrap();
}

#[test]
fn a_second_holder_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    let held = KeyStore::create(&path).unwrap();
    let error = KeyStore::open(&path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("another process uses this key store"), "{error}");
    drop(held);
    KeyStore::open(&path).unwrap();
}

#[test]
fn a_file_that_exists_is_not_made_anew() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    write_private(&path, "precious").unwrap();
    assert!(KeyStore::create(&path).is_err());
    let error = KeyStore::open(&path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("not a key store"), "{error}");
    assert!(KeyStore::open_or_create(&path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn another_version_is_refused_and_kept() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    let store = KeyStore::create(&path).unwrap();
    store
        .write(|transaction| {
            transaction.open_table(META).map_err(redb::Error::from)?.insert("version", 2)?;
            Ok(())
        })
        .unwrap();
    drop(store);
    for _ in 0..2 {
        let error = KeyStore::open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("format 2"), "{error}");
    }
    let toml = folder.path().join("keys.toml");
    write_private(&toml, "version = 3").unwrap();
    assert!(read(&toml).unwrap_err().to_string().contains("format 3"));
}

#[test]
fn a_wrong_checksum_is_damage() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    let store = KeyStore::create(&path).unwrap();
    store.put(&example()).unwrap();
    store
        .write(|transaction| {
            let mut table = transaction.open_table(COUNTERS).map_err(redb::Error::from)?;
            table.insert([1; 16], (5, 6))?;
            Ok(())
        })
        .unwrap();
    assert!(store.reserved(&StreamId([1; 16])).unwrap_err().to_string().contains("checksum"));
    drop(store);
    let error = KeyStore::open(&path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
}

/// Bytes of the file are changed, here and there: each attempt to open either gives the very keys that were put, or is
/// an error that leaves the file unchanged.
#[test]
fn a_damaged_file_never_gives_other_keys() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    let keys = example();
    let mut store = KeyStore::create(&path).unwrap();
    store.put(&keys).unwrap();
    assert!(store.raise(&StreamId([9; 16]), 0, 1024).unwrap());
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut refused = 0;
    let other = folder.path().join("damaged");
    // where there is something: most of the file is zeros
    let places = (0..whole.len()).filter(|&i| whole[i] != 0);
    for at in places.step_by(61) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        let _ = std::fs::remove_file(&other);
        drop(create_private(&other).unwrap());
        std::fs::write(&other, &bytes).unwrap();
        match KeyStore::open(&other) {
            Ok(store) => {
                // An older state of the database is possible if the newer one's root was damaged: then the last entries
                // are missing, but none is wrong.
                let found = store.keys().unwrap();
                assert!(found.group.iter().all(|g| keys.group.contains(g)), "octet {at}");
                assert!(found.discovery.iter().all(|d| keys.discovery.contains(d)), "octet {at}");
            }
            Err(_) => {
                refused += 1;
                assert!(std::fs::read(&other).unwrap() == bytes, "octet {at}: it was changed");
            }
        }
    }
    for len in [0, 5, 9, 100, 4096, whole.len() / 2] {
        std::fs::write(&other, &whole[..len]).unwrap();
        assert!(KeyStore::open(&other).is_err(), "{len} octets");
        assert!(std::fs::read(&other).unwrap() == whole[..len], "it was changed");
    }
    std::panic::set_hook(hook);
    assert!(refused > 0);
}

#[test]
fn counters_go_on_where_the_store_says() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    let config = ReserveConfig::default();
    let stream = StreamId([3; 16]);
    let mut last = None;
    for _ in 0..5 {
        let mut store = KeyStore::open_or_create(&path).unwrap();
        let mut lease = Lease::open(stream, 100, 1 << 32, config, &mut store).unwrap();
        for _ in 0..700 {
            if let Some(reservation) = lease.wanted() {
                lease.grant(reservation.commit(&mut store).unwrap());
            }
            let counter = lease.take().unwrap();
            if let Some(last) = last {
                assert!(counter > last && counter - last <= config.max_skip() + 1);
            }
            last = Some(counter);
        }
    }
    let mut store = KeyStore::open(&path).unwrap();
    assert!(!store.raise(&stream, 1, 2).unwrap(), "not from where it stands");
}

#[test]
fn a_ue_gets_its_own_and_a_revoked_one_learns_nothing_new() {
    let mut keys = example();
    let bob = keys.for_ue("bob");
    assert_eq!((bob.group.len(), bob.discovery.len()), (1, 1), "the open code names nobody");
    assert_eq!(keys.for_ue("carol").group.len(), 0);
    assert!(keys.for_ue("mallory").discovery.is_empty());
    let mut heard = keys.clone();
    heard.discovery[0].monitors = vec!["bob".into()];
    let heard = heard.for_ue("bob");
    assert!(heard.discovery[0].key.is_none(), "the key of an open code is not for those who monitor it");

    let changed = revoke_ue(&mut keys, "bob", 1500).unwrap();
    assert_eq!(changed, ["fire", "friend"]);
    keys.check().unwrap();
    assert!(keys.for_ue("bob").group.is_empty());
    let fire = &keys.group[0];
    assert_eq!((fire.pgk.len(), fire.pgk[1].id, fire.pgk[1].valid_from), (2, 2, 1500));
    assert!(fire.pgk[0].key.is_none() && fire.pgk[1].key != bob.group[0].pgk[0].key);
    let (old, new) = (&bob.discovery[0], &keys.discovery[1]);
    assert!(old.prose_id != new.prose_id && old.application_key != new.application_key);
    assert_eq!(new.monitors, ["carol"]);

    assert_eq!(revoke_ue(&mut keys, "alice", 1500).unwrap(), ["fire", "friend"]);
    assert!(keys.discovery[1].revoked && keys.discovery[1].prose_id.is_none());
    assert!(revoke(&mut keys, "cafe") && !revoke(&mut keys, "nothing"));
    assert!(keys.discovery[0].followed().unwrap().is_none());
}

#[test]
fn secrets_are_not_shown() {
    let mut keys = example();
    keys.discovery[0].key = Some(Secret::new(vec![0xab; 32]));
    let shown = format!("{keys:?}");
    assert!(
        shown.contains("Secret(redacted)") && !shown.contains("abab") && !shown.contains("171, 171"),
        "{shown}"
    );
}

#[test]
// TS 33.303 §6.2.3.2 (2)
fn what_makes_no_sense_is_refused() {
    let text = example().to_toml().unwrap();
    let broken = [
        (text.replace("cipher = \"aes\"", "cipher = \"rot13\""), "rot13"),
        (text.replace("group-id = \"0001a2\"", "group-id = \"01a2\""), "2 octets, not 3"),
        (text.replace("protection = \"open\"", "protection = \"restricted\""), "no dusk"),
        (text.replace("name = \"cafe\"", "name = \"fire\""), "two entries"),
        (text.replace("\nprose-id = \"", "\nprose-id = \"00"), "21 octets, not 20"),
        (text.replace("\nkey = \"", "\nkey = \"x"), "hexadecimal"),
        (text.replace("\nkey = \"", "\nkey = \"00"), "33"),
        (text.replace("announcer", "anouncer"), "announcer"),
    ];
    for (text, word) in broken {
        let error = Keys::from_toml(&text, "keys.toml").unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
}

/// A PSDK of a Key Type serves as TS 33.303 has it. One of an identity, as earlier versions wrote it, keeps meaning that:
/// keys of its own, and whoever lists it is told so.
#[test]
fn a_psdk_serves_a_key_type_or_our_own_identity_and_never_both() {
    use sidelink_security::discovery::restricted::Sender;
    use sidelink_security::discovery::{Freshness, Profile};
    let said = |key_type: Option<u8>, identity: Option<u8>| {
        let mut entry = Discovery::new("relay", Protection::PublicSafety, u32::MAX);
        (entry.code, entry.psdk) = (Some(Hex(vec![7; 23])), Some(Secret::new(vec![1; 32])));
        entry.key_type_id = key_type.map(|octet| Hex(vec![octet; 3]));
        entry.identity = identity.map(|octet| Hex(vec![octet; 3]));
        let own = entry.own_keys();
        let mut message = [0x91; 29];
        let sender = Sender::new(&entry.material().map_err(|e| e.to_string())?, Profile::default());
        sender.protect(&Freshness::at(UtcCounter::new(1000)), &mut message).unwrap();
        Ok::<_, String>((message, own))
    };
    let (standard, own) = said(Some(1), None).unwrap();
    assert!(own.is_none());
    assert_eq!(said(Some(2), None).unwrap().0, standard, "the Key Type ID is a name, not an input");
    let (bound, own) = said(None, Some(1)).unwrap();
    assert!(own.unwrap().contains("our own"));
    assert_ne!(bound, standard);
    assert_ne!(said(None, Some(2)).unwrap().0, bound);
    assert!(said(None, None).unwrap_err().contains("no key-type-id"));
    assert!(said(Some(1), Some(1)).unwrap_err().contains("different keys"));
}

/// The octet of the security metadata says which keys are used; without one DUSK and DUIK, and DUCK where there is a mask.
#[test]
// TS 33.303 §6.6.4.2.2
fn a_protection_profile_says_which_keys_are_used() {
    let used = |profile: Option<u8>, mask: bool| {
        let mut entry = Discovery::new("relay", Protection::PublicSafety, u32::MAX);
        (entry.code, entry.psdk) = (Some(Hex(vec![7; 23])), Some(Secret::new(vec![1; 32])));
        entry.key_type_id = Some(Hex(vec![1; 3]));
        entry.protection_profile = profile.map(|octet| Hex(vec![octet]));
        entry.duck_mask = mask.then(|| Hex(vec![0xff; 23]));
        let material = entry.material().map_err(|e| e.to_string())?;
        Ok::<_, String>([material.dusk.is_some(), material.duik.is_some(), material.duck.is_some()])
    };
    assert_eq!(used(None, false), Ok([true, true, false]));
    assert_eq!(used(None, true), Ok([true, true, true]));
    assert_eq!(used(Some(0x40), false), Ok([false, true, false]));
    assert_eq!(used(Some(0x80), true), Ok([true, false, false]));
    assert_eq!(used(Some(0x60), true), Ok([false, true, true]));
    assert!(used(Some(0x60), false).unwrap_err().contains("duck-mask"));
    for nothing in [0x00, 0x1f] {
        assert!(used(Some(nothing), false).unwrap_err().contains("no key is used"));
    }
    assert!(used(Some(0xa0), true).unwrap_err().contains("DUCK without a DUIK"));
}

/// What names nobody is handed to nobody, and renewed when anybody is revoked: earlier versions handed it to everybody.
#[test]
fn what_names_nobody_is_nobodys() {
    let mut keys = Keys::default();
    for (name, protection) in [("anna", Protection::Restricted), ("quiz", Protection::PreShared)] {
        let mut entry = Discovery::new(name, protection, 2000);
        entry.code = Some(Hex(vec![7; 23]));
        let secret = if protection == Protection::PreShared { &mut entry.secret } else { &mut entry.duik };
        *secret = Some(random(32).unwrap());
        keys.discovery.push(entry);
    }
    for ue in ["alice", "mallory", ""] {
        assert!(keys.for_ue(ue).discovery.is_empty(), "{ue}");
    }
    let before = keys.clone();
    assert_eq!(revoke_ue(&mut keys, "mallory", 1500).unwrap(), ["anna", "quiz"]);
    assert_ne!(keys.discovery[0].duik, before.discovery[0].duik);
    assert_ne!(keys.discovery[1].secret, before.discovery[1].secret);
}

#[test]
fn a_short_code_is_refused_unless_it_is_meant() {
    let with = |bits, short| {
        let mut keys = example();
        (keys.discovery[1].code_bits, keys.discovery[1].short_code) = (Some(bits), short);
        keys.check().map_err(|e| e.to_string())
    };
    assert_eq!(with(64, false), Ok(()));
    let error = with(63, false).unwrap_err();
    assert!(error.contains("2^-63") && error.contains("--short-code"), "{error}");
    assert_eq!(with(8, true), Ok(()));
}

/// Requests and responses have independent secrets: a holder of one of them can play one role.
#[test]
fn the_roles_of_questions_and_answers_have_keys_of_their_own() {
    use sidelink_security::discovery::Freshness;
    use sidelink_security::discovery::request_response::{AnsweredRequests, RateLimit, Session};
    let mut entry = Discovery::new("quiz", Protection::PreShared, u32::MAX);
    entry.code = Some(Hex(vec![7; 23]));
    (entry.secret, entry.answer_secret) = (Some(random(32).unwrap()), Some(random(32).unwrap()));
    let session = |entry: &Discovery| -> Session {
        let Some(Followed::PreShared(session)) = entry.followed().unwrap() else { panic!("a session") };
        session
    };
    let now = UtcCounter::new(1000);
    let freshness = Freshness { slot: now, clock: now, max_offset: 32, strict: None };
    // a thief of one of the secrets, who puts it or another in the other's place
    for (steals, asks, answers) in [("secret", true, false), ("answer-secret", false, true)] {
        let mut thief = entry.clone();
        for (name, secret) in thief.secrets() {
            if secret.is_some() && name != steals {
                *secret =
                    entry.secrets().into_iter().find(|(n, _)| *n == steals).and_then(|(_, s)| s.clone());
            }
        }
        let (thief, honest) = (session(&thief), session(&entry));
        let judged = |question: &[u8; 29]| {
            let (mut cache, mut limit) = (AnsweredRequests::new(4), RateLimit::default());
            honest.verify_request(&freshness, question, &mut cache, &mut limit)
        };
        assert_eq!(judged(&thief.solicit(&freshness).unwrap().0).is_ok(), asks, "{steals}");
        let (question, pending) = honest.solicit(&freshness).unwrap();
        let heard = judged(&question).unwrap();
        let answer = thief.respond(&freshness, &heard, &[9; 23]).unwrap();
        assert_eq!(honest.verify_response(&freshness, &pending, &answer).is_ok(), answers, "{steals}");
    }
}

#[test]
fn a_name_has_letters() {
    for name in ["", "a\tb", "a\u{1b}[2J"] {
        let mut keys = example();
        name.clone_into(&mut keys.discovery[0].name);
        let refusal = keys.check().unwrap_err().to_string();
        assert!(refusal.contains("is no name") && !refusal.contains('\u{1b}'), "{refusal:?}");
    }
}

/// Octets that are still JSON, under the checksum of others or under another's name, are damage too.
#[test]
fn an_entry_is_the_one_that_was_sealed() {
    let path = Path::new("keys");
    let bytes = sealed("fire", &7_u32).unwrap();
    assert_eq!(unsealed::<u32>(path, "fire", &bytes).unwrap(), 7);
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() = b'8';
    assert!(unsealed::<u32>(path, "fire", &changed).unwrap_err().to_string().contains("checksum"));
    assert!(unsealed::<u32>(path, "water", &bytes).unwrap_err().to_string().contains("checksum"));
    assert!(unsealed::<u32>(path, "fire", &bytes[..7]).is_err());
}

#[test]
fn a_folder_is_no_store() {
    let folder = tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let refusal = check_mode(folder.path()).unwrap_err();
    assert!(matches!(refusal, Error::NotAFile(_)), "{refusal}");
}

#[test]
fn a_copy_of_a_store_and_its_witness_is_suspended() {
    let folder = tempdir().unwrap();
    let (path, copy) = (folder.path().join("keys"), folder.path().join("copy"));
    KeyStore::create(&path).unwrap().put(&example()).unwrap();
    for of in [Path::to_path_buf, witness_of] {
        std::fs::copy(of(&path), of(&copy)).unwrap();
    }
    assert!(KeyStore::open(&path).unwrap().suspended().is_none());
    let why = KeyStore::open(&copy).unwrap().suspended().unwrap().0;
    assert!(why.contains("copy"), "{why}");
}

/// What is written to it meanwhile does not make its witness believe it.
#[test]
fn an_older_state_stays_suspended() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("keys");
    KeyStore::create(&path).unwrap().put(&example()).unwrap();
    let old = std::fs::read(&path).unwrap();
    for round in 0..3 {
        assert!(KeyStore::open(&path).unwrap().raise(&StreamId([9; 16]), round, round + 1).unwrap());
    }
    std::fs::write(&path, old).unwrap();
    for _ in 0..4 {
        let store = KeyStore::open(&path).unwrap();
        let why = store.suspended().map_or("it is not", |why| why.0);
        assert!(why.contains("older"), "{why:?}");
        store.put(&example()).unwrap();
    }
}
