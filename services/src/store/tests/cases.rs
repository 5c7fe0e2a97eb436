//! What a store does, whichever database it is.

use sidelink_network::panf;
use sidelink_network::sbi::pkmf::Slot;
use sidelink_security::keys::{CpPruk, UpPruk};

use super::*;

pub(super) fn a_new_start_reads_all_back(open: &dyn Fn() -> Box<dyn Store>) {
    let changes = [
        Write::AddSubscriber(subscriber(1, Some(subscription()))),
        Write::AddSubscriber(subscriber(2, None)),
        Write::Raise { stream: hss::stream(&subscriber(1, None).imsi), from: 0, to: 33 },
        Write::PutKey(key(1, "a@b")),
        Write::PutKey(key(2, "c@d")),
    ];
    let mut first = open();
    assert_eq!(first.commit(&changes).unwrap(), [Written::Done; 5]);
    let entries = (1..).zip(contents(9, "mcc001.mnc01.x")).map(|(n, content)| entry(n, content));
    let puts: Vec<_> = entries.map(|e| Write::Entry(Change::Put(Box::new(e)))).collect();
    first.commit(&puts).unwrap();
    let pruks = |key| [cp_pruk(1, "a", key), cp_pruk(0xff_ffff, "b", key)].map(Write::PutCpPruk);
    assert_eq!(first.commit(&pruks(1)).unwrap(), [Written::Done; 2]);
    assert_eq!(first.commit(&pruks(2)).unwrap(), [Written::Done; 2], "in the place of those before");
    let slots = [(Slot::Confirmed, "x"), (Slot::Candidate, "y"), (Slot::Confirmed, "z")];
    for (slot, id) in slots {
        assert_eq!(first.commit(&[Write::PutUpPruk(up_pruk(slot, id))]).unwrap(), [Written::Done]);
    }
    let taken = panf::Record { relay_service_code: [0, 0, 2], ..cp_pruk(1, "a", 3) };
    assert!(first.commit(&[Write::PutCpPruk(taken)]).is_err(), "the name of another service");
    drop(first);
    let mut again = open();
    assert_eq!(again.cp_pruks().unwrap(), [cp_pruk(1, "a", 2), cp_pruk(0xff_ffff, "b", 2)]);
    assert_eq!(again.up_pruks().unwrap(), [up_pruk(Slot::Confirmed, "z"), up_pruk(Slot::Candidate, "y")]);
    let found = again.subscribers().unwrap();
    assert_eq!(found.iter().map(|s| s.reserved).collect::<Vec<_>>(), [33, 0]);
    assert_eq!(found[0].subscriber.subscription, Some(subscription()));
    assert_eq!(found[1].subscriber.subscription, None);
    assert_eq!(*found[0].subscriber.credentials.k, [1; 16]);
    assert_eq!(*found[0].subscriber.credentials.opc, [2; 16]);
    let keys = again.keys().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(
        (keys[1].b_tid.as_str(), keys[1].rand, keys[1].ks.as_bytes()),
        ("c@d", Rand([2; 16]), &[2; 32])
    );
    assert_eq!((keys[1].created.millis(), keys[1].expires.millis()), (1, 2));
    let wanted: Vec<_> = (1..).zip(contents(9, "mcc001.mnc01.x")).map(|(n, c)| entry(n, c)).collect();
    assert_eq!(again.entries().unwrap(), wanted);
}

/// Public keys and revoked ones: what comes again replaces, what goes is gone, the last number stays.
pub(super) fn public_keys_come_and_go(open: &dyn Fn() -> Box<dyn Store>) {
    use sidelink_network::public_keys::server::{Change, Durable, KeyRecord, RevokedRecord};
    use sidelink_network::public_keys::{Fingerprint, KeyName, ListNumber, PublicKey};
    use sidelink_security::discovery::signature::{Scheme, SigningKey};

    let ue = |number: u32| {
        let plmn = Plmn::new("001", "001").unwrap();
        Ue::new(plmn, &format!("{number:09}")).unwrap()
    };
    let key =
        |octet| PublicKey::of(SigningKey::new(Scheme::EcdsaP256, &[octet; 32]).unwrap().verifying_key());
    let at = UtcTime::from_millis;
    let record = |name: &KeyName, number, octet: u8| KeyRecord {
        name: name.clone(),
        ue: ue(number),
        key: key(octet),
        valid_until: at(u64::from(octet)),
        challenged: at(u64::from(octet) + 1),
    };
    let revoked = |number, octet| RevokedRecord {
        number: ListNumber(number),
        key: Fingerprint([octet; 16]),
        until: at(number + 7),
    };
    // One text, two kinds of name.
    let (user, shop) =
        (KeyName::User(Rpauid::new("mcc1").unwrap()), KeyName::new("mcc001.mnc001.ProSeApp.X").unwrap());
    let mut first = open();
    let changes = [
        Change::PutKey(record(&user, 1, 1)),
        Change::PutKey(record(&user, 2, 2)),
        Change::PutKey(record(&shop, 1, 3)),
        Change::PutRevoked(revoked(1, 1)),
        Change::PutRevoked(revoked(2, 2)),
        Change::PutKey(record(&user, 1, 4)),
        Change::RemoveKey(user.clone(), ue(2)),
        Change::RemoveKey(user.clone(), ue(9)),
        Change::RemoveRevoked(ListNumber(1)),
    ];
    let mut wanted = Durable::default();
    changes.iter().cloned().for_each(|change| wanted.apply(change));
    let written = first.commit(&changes.map(Write::PublicKey)).unwrap();
    assert!(written.iter().all(|written| *written == Written::Done));
    drop(first);
    let found = open().public_keys().unwrap();
    assert!(found.keys.iter().all(|key| wanted.keys.contains(key)), "{found:?}");
    assert_eq!((found.keys.len(), found.revoked), (2, vec![revoked(2, 2)]));
    // Half of a batch is none.
    let end = at(u64::MAX);
    let late = Change::PutKey(KeyRecord { valid_until: end, ..record(&shop, 5, 5) });
    let batch = [Change::PutKey(record(&shop, 4, 4)), late].map(Write::PublicKey);
    let mut store = open();
    assert!(store.commit(&batch).is_err());
    assert_eq!(store.public_keys().unwrap().keys.len(), 2);
}

fn up_pruk(slot: Slot, id: &str) -> sidelink_network::sbi::pkmf::Record {
    let (imsi, expires) = (subscriber(1, None).imsi, UtcTime::from_millis(9));
    sidelink_network::sbi::pkmf::Record { imsi, slot, id: id.into(), up_pruk: UpPruk::from([7; 32]), expires }
}

fn cp_pruk(service: u32, id: &str, key: u8) -> panf::Record {
    let [_, relay_service_code @ ..] = service.to_be_bytes();
    let (imsi, cp_pruk) = (subscriber(1, None).imsi, CpPruk::from([key; 32]));
    panf::Record { id: id.into(), imsi, relay_service_code, cp_pruk }
}

pub(super) fn a_number_is_raised_from_where_it_is_alone(store: &mut dyn Store) {
    let raise = |from, to| [Write::Raise { stream: STREAM, from, to }];
    assert_eq!(store.reserved(STREAM).unwrap(), 0);
    assert_eq!(store.commit(&raise(0, 10)).unwrap(), [Written::Done]);
    assert_eq!(store.commit(&raise(0, 20)).unwrap(), [Written::Conflict]);
    assert_eq!(store.commit(&raise(9, 20)).unwrap(), [Written::Conflict]);
    assert_eq!(store.reserved(STREAM).unwrap(), 10);
    assert!(matches!(store.commit(&raise(10, 9)), Err(StoreError::Damaged { .. })));
    assert!(matches!(store.commit(&raise(10, u64::MAX)), Err(StoreError::Damaged { .. })));
    assert_eq!(store.commit(&raise(10, 11)).unwrap(), [Written::Done]);
}

pub(super) fn a_refusal_counts_until_it_ends(store: &mut dyn Store) {
    let at = UtcTime::from_millis;
    let ue = |number: u32| Ue::new(Plmn::new("001", "01").unwrap(), &format!("{number:010}")).unwrap();
    let refusal = |number, until, now| Write::Refusal { ue: ue(number), until: at(until), now: at(now) };
    store.commit(&[refusal(1, 100, 0), refusal(2, 200, 0), refusal(1, 150, 50)]).unwrap();
    assert_eq!(store.refusals(at(0)).unwrap(), [(ue(1), at(150)), (ue(2), at(200))]);
    assert_eq!(store.refusals(at(150)).unwrap(), [(ue(2), at(200))]);
    // The next one forgets what has ended, and takes the place of its own.
    assert_eq!(store.commit(&[refusal(2, 400, 300)]).unwrap(), [Written::Done]);
    assert_eq!(store.refusals(at(0)).unwrap(), [(ue(2), at(400))]);
}

pub(super) fn a_subscriber_is_added_once(store: &mut dyn Store) {
    let add = |s| [Write::AddSubscriber(s)];
    assert_eq!(store.commit(&add(subscriber(1, None))).unwrap(), [Written::Done]);
    assert_eq!(store.commit(&add(subscriber(1, Some(subscription())))).unwrap(), [Written::Conflict]);
    let same_impi = NewSubscriber { imsi: Imsi::new("999990000000001").unwrap(), ..subscriber(1, None) };
    assert_eq!(store.commit(&add(same_impi)).unwrap(), [Written::Conflict]);
    let imsi = subscriber(1, None).imsi;
    let gives = Write::Subscription(imsi.clone(), Some(subscription()));
    let unknown = Write::Subscription(subscriber(2, None).imsi, None);
    assert_eq!(store.commit(&[gives, unknown]).unwrap(), [Written::Done, Written::Conflict]);
    assert_eq!(store.subscribers().unwrap()[0].subscriber.subscription, Some(subscription()));
    store.commit(&[Write::Subscription(imsi, None)]).unwrap();
    assert_eq!(store.subscribers().unwrap()[0].subscriber.subscription, None);
}

pub(super) fn a_batch_is_made_whole_or_not_at_all(store: &mut dyn Store) {
    store.commit(&[Write::PutKey(key(1, "a@b"))]).unwrap();
    // The B-TID of another subscriber: the second change fails, and takes the first with it.
    let changes = [Write::Raise { stream: STREAM, from: 0, to: 5 }, Write::PutKey(key(2, "a@b"))];
    let failed = store.commit(&changes);
    assert!(matches!(failed, Err(StoreError::Database(_) | StoreError::Refused { .. })), "{failed:?}");
    assert_eq!(store.reserved(STREAM).unwrap(), 0);
    assert_eq!(store.keys().unwrap()[0].ks.as_bytes(), &[1; 32]);
    let changes = [Write::PutKey(bsf::Record { ks: Ks::from([3; 32]), ..key(1, "c@d") })];
    store.commit(&changes).unwrap();
    assert_eq!(store.keys().unwrap().len(), 1, "one key a subscriber");
    store.commit(&[Write::ForgetKey(key(1, "a@b").impi)]).unwrap();
    assert!(store.keys().unwrap().is_empty());
}

/// Contents of an entry that are none, and what is said of each.
pub(super) fn damage(secret: &str) -> [(String, &'static str); 4] {
    [
        (
            format!(r#"{{"kind":"open-announce","application_id":"a","code":"","key":"{secret}"}}"#),
            "23 octets",
        ),
        (
            format!(
                r#"{{"kind":"open-announce","application_id":"a","code":"{}","key":"{secret}"}}"#,
                "00".repeat(23)
            ),
            "16 or 32",
        ),
        (
            format!(
                r#"{{"kind":"restricted-announce","rpauid":"a","application":{{"os_id":"{0}{0}","os_app_id":"b"}},"code":"{0}","keys":{{"duck":"{0}{0}"}}}}"#,
                "ab".repeat(8)
            ),
            "bitmask",
        ),
        (format!(r#"{{"kind":"{secret}"}}"#), "line 1"),
    ]
}

pub(super) fn any_text_survives(store: &mut dyn Store, octet: u8, text: &str) {
    for content in contents(octet, text) {
        store.commit(&[Write::Entry(Change::Put(Box::new(entry(1, content))))]).unwrap();
    }
    for (at, content) in contents(octet, text).into_iter().enumerate() {
        let number = at as u16;
        store.commit(&[Write::Entry(Change::Put(Box::new(entry(number, content))))]).unwrap();
    }
    let wanted: Vec<_> = (0..).zip(contents(octet, text)).map(|(n, c)| entry(n, c)).collect();
    assert_eq!(store.entries().unwrap(), wanted);
    store
        .commit(&[Write::Entry(Change::Remove(
            entry(0, Content::OpenMonitor { application_id: ApplicationId::new("x").unwrap() }).ue,
            EntryId::new(0).unwrap(),
        ))])
        .unwrap();
    assert_eq!(store.entries().unwrap().len(), 4);
}
