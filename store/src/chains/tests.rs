use super::*;
use crate::entry::Keys;
use crate::{Followed, revoke, revoke_ue};

const PERIOD: RotationPeriod = RotationPeriod::SECOND;

fn chain() -> FreshChain {
    FreshChain { start: UtcTime::from_millis(1_700_000_000_000), period: PERIOD, length: 40, delay: 3 }
}

fn entry(protection: Protection) -> Discovery {
    let mut entry = Discovery::new("anna", protection, u32::MAX);
    entry.announcer = Some("anna".to_owned());
    entry.monitors = vec!["bob".to_owned(), "eve".to_owned()];
    let key = fresh_signing_key(Scheme::Ed25519).unwrap();
    match protection {
        Protection::DelayedKey => {
            entry.code = Some(Hex(vec![5; 13]));
            entry.delayed_key = Some(ChainEntry::fresh(protection, chain(), &key).unwrap());
        }
        Protection::Chain => entry.chain = Some(ChainEntry::fresh(protection, chain(), &key).unwrap()),
        _ => {
            entry.code = Some(Hex(vec![6; 23]));
            entry.pointer = Some(PointerEntry::of(&key));
        }
    }
    entry
}

const ALL: [Protection; 3] = [Protection::DelayedKey, Protection::Chain, Protection::Pointer];

#[test]
fn entries_keep_their_form_and_their_secrets_stay_with_the_announcer() {
    for protection in ALL {
        let keys = Keys { discovery: vec![entry(protection)], ..Keys::default() };
        keys.check().unwrap();
        let text = keys.to_toml().unwrap();
        assert_eq!(Keys::from_toml(&text, "keys").unwrap(), keys);
        assert!(keys.for_ue("anna").discovery[0].own_announcement().unwrap().is_some());
        let monitor = keys.for_ue("bob");
        monitor.check().unwrap();
        assert!(monitor.discovery[0].own_announcement().unwrap().is_none());
        assert!(monitor.discovery[0].followed().unwrap().is_some());
        let text = monitor.to_toml().unwrap();
        assert!(!text.contains("seed") && !text.contains("signing-key"), "{text:?}");
    }
}

/// `sidelink keys show` takes them out before it prints.
#[test]
fn all_secrets_of_an_entry_are_named() {
    for (protection, count) in ALL.into_iter().zip([2, 2, 1]) {
        let mut keys = Keys { discovery: vec![entry(protection)], ..Keys::default() };
        let secrets = keys.discovery[0].table_secrets();
        assert_eq!(secrets.iter().filter(|(_, secret)| secret.is_some()).count(), count);
        secrets.into_iter().for_each(|(_, secret)| *secret = None);
        let text = keys.to_toml().unwrap();
        assert!(!text.contains("seed") && !text.contains("signing-key"), "{text:?}");
    }
}

#[test]
fn a_changed_anchor_is_refused() {
    for protection in [Protection::DelayedKey, Protection::Chain] {
        type Change = fn(&mut ChainEntry);
        let changes: [Change; 5] = [
            |chain| chain.first.0[0] ^= 1,
            |chain| chain.start_ms += 1,
            |chain| chain.length += 1,
            |chain| chain.salt.0[7] ^= 1,
            |chain| chain.signature.0[9] ^= 1,
        ];
        for change in changes {
            let mut entry = entry(protection);
            for chain in [&mut entry.delayed_key, &mut entry.chain].into_iter().flatten() {
                change(chain);
            }
            let error = entry.check().unwrap_err().to_string();
            assert!(error.contains("anchor"), "{error}");
        }
    }
    let mut hasty = entry(Protection::DelayedKey);
    hasty.delayed_key.as_mut().unwrap().delay = Some(2);
    assert!(hasty.check().unwrap_err().to_string().contains("anchor"));
    hasty.delayed_key.as_mut().unwrap().delay = Some(1);
    assert!(hasty.check().unwrap_err().to_string().contains("2 to 1024"));
}

#[test]
fn fields_are_checked() {
    let mut short = entry(Protection::DelayedKey);
    short.code = Some(Hex(vec![5; 23]));
    assert!(short.check().unwrap_err().to_string().contains("13"));
    for protection in ALL {
        let mut bare = entry(protection);
        (bare.delayed_key, bare.chain, bare.pointer) = (None, None, None);
        assert!(bare.check().unwrap_err().to_string().contains("no table"));
    }
    let mut wrong = entry(Protection::Pointer);
    wrong.pointer.as_mut().unwrap().public_key.0[0] = 99;
    assert!(wrong.check().is_err());
    let endless = FreshChain { length: u32::MAX, ..chain() };
    let key = fresh_signing_key(Scheme::EcdsaP256).unwrap();
    assert!(ChainEntry::fresh(Protection::Chain, endless, &key).is_err());
    assert!(fresh_signing_key(Scheme::EccsiFull).is_err());
}

/// A monitor has nothing by which it could announce: the others keep their keys when it is revoked. The announcer's entry
/// ends with it.
#[test]
fn revocation() {
    for protection in ALL {
        let before = entry(protection);
        let mut keys = Keys { discovery: vec![before.clone()], ..Keys::default() };
        revoke_ue(&mut keys, "eve", 0).unwrap();
        let after = &keys.discovery[0];
        assert_eq!(after.monitors, ["bob"]);
        assert_eq!((&after.chain, &after.pointer), (&before.chain, &before.pointer));
        assert!(after.followed().unwrap().is_some());
        assert!(revoke(&mut keys, "anna"));
        let revoked = &keys.discovery[0];
        assert!(revoked.followed().unwrap().is_none());
        let chains = [&revoked.delayed_key, &revoked.chain].into_iter().flatten();
        assert!(chains.into_iter().all(|chain| chain.seed.is_none() && chain.signing_key.is_none()));
        assert!(revoked.pointer.as_ref().is_none_or(|pointer| pointer.signing_key.is_none()));
        keys.check().unwrap();
    }
}

#[test]
fn followed_is_what_was_signed() {
    let Some(Followed::Delayed(filter, anchor)) = entry(Protection::DelayedKey).followed().unwrap() else {
        panic!("delayed keys")
    };
    assert_eq!((filter.code, anchor.delay, anchor.plan.length()), ([5; 13], 3, 40));
    let Some(Followed::Chain(anchor)) = entry(Protection::Chain).followed().unwrap() else {
        panic!("a chain")
    };
    assert_eq!((anchor.plan.period(), anchor.plan.start()), (PERIOD, chain().start));
}
