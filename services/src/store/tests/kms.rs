//! What the store of a key management server does, whichever database it is.

use sidelink_network::identity::{Fqdn, Impi};
use sidelink_network::kms::{Change, Durable, EscrowRecord, Holder, IssueRecord, SeenRecord};
use sidelink_network::kms_messages::{Text, Uri};
use sidelink_security::counter::UtcTime;

use super::*;

fn uri(text: &str) -> Uri {
    Uri::new(text).unwrap()
}

fn issued(holder: Holder) -> Change {
    let (user, at) = (uri("sip:a@b"), UtcTime::from_millis(7));
    Change::Issued(IssueRecord { user, period: u32::MAX, holder, at, pvt: [4; 65] })
}

fn seen(name: u8, until: u64, now: u64) -> Change {
    let (until, now) = (UtcTime::from_millis(until), UtcTime::from_millis(now));
    Change::Seen(SeenRecord { name: [name; 32], until, now })
}

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(millis)
}

pub(crate) fn what_a_server_keeps_is_there_after_a_restart(open: &dyn Fn() -> Box<dyn KmsStore>) {
    let mut first = open();
    assert_eq!(first.durable(at(0)).unwrap(), Durable::default());
    assert!(!first.is_used().unwrap());
    let (a, b) = (uri("sip:a@b"), uri("tel:+4312345"));
    first.commit(&[Change::PutRevocation(a.clone()), Change::PutRevocation(b.clone())]).unwrap();
    first.commit(&[Change::PutRevocation(a.clone()), Change::RemoveRevocation(b)]).unwrap();
    first.commit(&[seen(1, 100, 0), seen(2, 200, 0)]).unwrap();
    assert!(first.commit(&[seen(1, 300, 0)]).is_err(), "one that is there already");
    assert!(!first.is_used().unwrap());
    first.commit(&[issued(Holder::Subscriber(Impi::new("a@b").unwrap()))]).unwrap();
    first.commit(&[issued(Holder::Certificate(Fqdn::new("b").unwrap()))]).unwrap();
    assert!(first.is_used().unwrap());
    let (by, why) = (Text::new("it's \"me\"").unwrap(), Text::new("").unwrap());
    first
        .commit(&[Change::Escrowed(EscrowRecord { user: a.clone(), period: 0, by, why, at: at(1) })])
        .unwrap();
    drop(first);
    let mut second = open();
    let kept = second.durable(at(100)).unwrap();
    assert_eq!(kept.revocations, [a]);
    assert_eq!(kept.seen, [([2; 32], at(200))], "one that has ended does not come back");
    // With the next one, what has ended is forgotten, and its name is free.
    second.commit(&[seen(3, 300, 150)]).unwrap();
    second.commit(&[seen(1, 300, 150)]).unwrap();
    assert_eq!(second.durable(at(0)).unwrap().seen.len(), 3);
}

/// Half of a batch is none: a key whose record failed is not given.
pub(crate) fn all_or_nothing(store: &mut dyn KmsStore) {
    store.commit(&[seen(1, 100, 0)]).unwrap();
    let batch = [issued(Holder::Certificate(Fqdn::new("b").unwrap())), seen(1, 100, 0)];
    assert!(store.commit(&batch).is_err());
    assert!(!store.is_used().unwrap());
}
