use super::*;
use crate::NoStore;
use sidelink_store::{Cipher, Group, Hex, random};

pub(super) fn keys() -> Keys {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: None,
        member: vec!["alice=0000a1".parse().unwrap(), "bob=0000b2".parse().unwrap()],
        pgk: Vec::new(),
    };
    group.new_pgk(1000, 2_000_000_000).unwrap();
    let mut friend = Discovery::new("friend", Protection::Rotating, 2_000_000_000);
    friend.prose_id = Some(random(20).unwrap());
    friend.application_key = Some(random(32).unwrap());
    friend.announcer = Some("alice".into());
    friend.monitors = vec!["bob".into(), "carol".into()];
    Keys { group: vec![group], discovery: vec![friend], ..Keys::default() }
}

pub(super) fn wish(ue: &str) -> Wish<'_> {
    Wish {
        ue,
        layer2_id: None,
        to_group: Address::Group,
        v2x_priority: 3,
        reserve: ReserveConfig::default(),
        layer2: Config::new(Layer2Id::from_octets([0; 3])),
        discovery: agent::Config::default(),
    }
}

#[test]
// TS 24.334 §10.2.1 (1); TS 24.334 §10.2.4.1 (2); TS 33.303 §6.2.3.2 (4)
fn a_ue_gets_what_the_store_says_of_it() {
    let keys = keys();
    let alice = provision(&wish("alice"), &keys, &mut NoStore::default()).unwrap();
    assert_eq!(alice.origin.get(&Origin::Announcer(0)).map(String::as_str), Some("friend"));
    assert!(alice.who.is_empty());
    assert_eq!(alice.groups["fire"], Address::Group(Layer2Id::new(0x1a2).unwrap()));
    let bob = provision(&wish("bob"), &keys, &mut NoStore::default()).unwrap();
    assert_eq!(bob.who.values().collect::<Vec<_>>(), ["friend"]);
    assert!(bob.origin.is_empty());
}

#[test]
fn who_is_not_in_the_store_or_twice_is_refused_with_the_remedy() {
    let mut keys = keys();
    let error = provision(&wish("mallory"), &keys, &mut NoStore::default()).err().unwrap();
    assert!(error.to_string().contains("mallory"), "{error}");
    let mut other = keys.group[0].clone();
    other.name = "police".into();
    other.group_id = Hex(vec![0, 1, 0xa3]);
    other.member = vec!["alice=0000a2".parse().unwrap()];
    keys.group.push(other);
    let error = provision(&wish("alice"), &keys, &mut NoStore::default()).err().unwrap();
    assert!(error.to_string().contains("police"), "{error}");
}

/// A code whose MIC the network checks is not verified by the UE, whatever keys it has.
#[test]
// TS 24.334 §12.2.2.37
fn who_checks_the_mic_stands_in_the_entry() {
    use sidelink_security::discovery::{Freshness, restricted::Received};
    let mut entry = Discovery::new("friend", Protection::Restricted, 2_000_000_000);
    entry.code = Some(Hex(vec![7; 23]));
    entry.duik = Some(random(32).unwrap());
    let at = Freshness::at(UtcCounter::new(1_000_000_000));
    let mut received = |check| {
        entry.mic_check = check;
        let Some(Followed::Restricted(message_type, filter, material, check)) = entry.followed().unwrap()
        else {
            panic!("not restricted")
        };
        let mut message = [7; 29];
        message[0] = message_type.octet();
        Sender::new(&material, Profile::default()).protect(&at, &mut message).unwrap();
        let receiver = Receiver::new(&material, check, vec![filter], Profile::default());
        receiver.verify(&at, &message).unwrap()
    };
    assert!(matches!(received(None), Received::Verified(_)));
    assert!(matches!(received(Some(sidelink_store::MicCheckName::Ue)), Received::Verified(_)));
    assert!(matches!(received(Some(sidelink_store::MicCheckName::ProseFunction)), Received::ToReport(_)));
}

/// Question and answer of model B are two entries, each under keys of its own; the one without the other is nothing.
#[test]
// TS 33.303 §6.1.3.4.2.2 step 12
fn a_question_and_its_answer_belong_together() {
    let entry = |name: &str, octet: u8| {
        let mut entry = Discovery::new(name, Protection::Restricted, 2_000_000_000);
        entry.message_type = Some(Hex(vec![octet]));
        entry.code = Some(Hex(vec![octet; 23]));
        entry.duik = Some(random(32).unwrap());
        entry
    };
    let (mut question, mut answer) = (entry("asked", 0x86), entry("bob", 0x82));
    answer.question = Some("asked".into());
    (question.monitors, answer.announcer) = (vec!["bob".into()], Some("bob".into()));
    (question.announcer, answer.monitors) = (Some("alice".into()), vec!["alice".into()]);
    let provisioned = |ue, entries: &[&Discovery]| {
        let discovery = entries.iter().map(|entry| (*entry).clone()).collect();
        provision(&wish(ue), &Keys { discovery, ..Keys::default() }, &mut NoStore::default())
    };
    let alice = provisioned("alice", &[&question, &answer]).unwrap();
    assert_eq!(alice.origin.into_iter().collect::<Vec<_>>(), [(Origin::Discoverer(0), "bob".to_owned())]);
    assert!(alice.who.is_empty(), "answers are awaited, not monitored");
    let bob = provisioned("bob", &[&answer, &question]).unwrap();
    assert_eq!(bob.origin.into_iter().collect::<Vec<_>>(), [(Origin::Discoveree(0), "bob".to_owned())]);
    assert!(bob.who.is_empty());
    let why = |entries: &[&Discovery]| provisioned("alice", entries).err().unwrap().to_string();
    assert!(why(&[&answer]).contains("not in the store"));
    let mut wrong = question.clone();
    wrong.message_type = Some(Hex(vec![0x96]));
    assert!(why(&[&wrong, &answer]).contains("86"));
    question.revoked = true;
    question.duik = None;
    for ue in ["alice", "bob"] {
        assert!(provisioned(ue, &[&question, &answer]).unwrap().origin.is_empty(), "{ue}");
    }
}
