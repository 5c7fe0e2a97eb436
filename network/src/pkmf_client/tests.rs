//! Faults and times of the UE's end; whole exchanges are in the tests of [`crate::pkmf`].

use std::num::NonZeroU8;

use sidelink_security::counter::UtcCounter;

use super::*;
use crate::key_delivery::{self, Answer, Peers, PmkId, Stamp, Suite};
use crate::pc8::response::{GroupReject, GroupResponse, PmkInfo};
use crate::pc8::{MemberId, SelectedAlgorithm};
use crate::testing::key_world::{FIRE, POLICE, START, pkmf_name};

const GROUP: Wanted = Wanted::Group(FIRE);
const PMK_ID: PmkId = PmkId([5; 8]);

struct Phone {
    client: PkmfClient,
    now: UtcTime,
}

impl Phone {
    fn new(durable: Durable) -> Self {
        let client = PkmfClient::new(Config::new(pkmf_name()), durable);
        Self { client, now: UtcTime::from_millis(START) }
    }

    /// Everything that it says; stores work.
    fn says(&mut self) -> Vec<Output> {
        let mut said = Vec::new();
        loop {
            match self.client.poll_output() {
                Output::Timeout(_) => return said,
                Output::Store { ticket, .. } => {
                    self.client.handle_input(Input::Stored { now: self.now, ticket });
                }
                other => said.push(other),
            }
        }
    }

    fn timeout(&mut self) -> Option<u64> {
        match self.client.poll_output() {
            Output::Timeout(at) => at.map(|at| at.millis() - self.now.millis()),
            other => panic!("{other:?}"),
        }
    }

    fn requests(&mut self) -> Vec<KeyRequest> {
        let request = |output| match output {
            Output::Request(body) => match Message::from_xml(body.as_bytes()) {
                Ok(Message::KeyRequest(message)) => Some(message),
                other => panic!("{other:?}"),
            },
            _ => None,
        };
        self.says().into_iter().filter_map(request).collect()
    }

    fn want(&mut self, wanted: &[Wanted]) -> u8 {
        self.client.handle_input(Input::Want { now: self.now, wanted });
        self.requests().pop().expect("it asks").transaction.value()
    }

    fn answered(&mut self, transaction: u8, change: impl FnOnce(&mut KeyResponse)) -> Vec<Output> {
        let mut answer = KeyResponse::new(TransactionId::new(transaction).unwrap());
        change(&mut answer);
        let body = Message::KeyResponse(answer).to_xml();
        self.client.handle_input(Input::Response { now: self.now, body: body.as_bytes() });
        self.says()
    }

    fn granted(&mut self, transaction: u8) -> Vec<Output> {
        self.answered(transaction, |answer| {
            let algorithm = SelectedAlgorithm::new(Algorithm::Aes);
            answer.groups = vec![GroupResponse { group: FIRE, member: MemberId([1; 3]), algorithm }];
            answer.pmk = Some(PmkInfo { id: PMK_ID, pmk: Pmk::from([6; 32]) });
        })
    }

    fn hears(&mut self, counter: u32, content: &Content) -> Vec<Output> {
        let (name, pmk) = (pkmf_name(), Pmk::from([6; 32]));
        let peers = Peers { pkmf: &name, pmk_id: PMK_ID, pmk: &pmk };
        let stamp = Stamp { counter, csb_id: 1, rand: [2; 16] };
        let (octets, _) = key_delivery::protect(peers, stamp, Suite::HmacSha1, content, Answer::Wanted);
        self.client.handle_input(Input::Datagram { now: self.now, octets: &octets });
        self.says()
    }

    fn pass(&mut self, millis: u64) -> Vec<KeyRequest> {
        self.now = self.now.plus_millis(millis);
        self.client.handle_input(Input::Tick { now: self.now });
        self.requests()
    }
}

fn key(service: ServiceId, id: u8, seconds: u32) -> Content {
    let name = KeyName { service, id: NonZeroU8::new(id).unwrap() };
    let from = UtcTime::from_millis(START).counter();
    let to = UtcCounter::new(from.value() + seconds);
    Content::Key(name, Secret256::from([id; 32]), Period { from, to })
}

fn refused(outputs: &[Output]) -> Vec<Refused> {
    let why = |output: &Output| match output {
        Output::Event(Event::Refused(why)) => Some(*why),
        _ => None,
    };
    outputs.iter().filter_map(why).collect()
}

#[test]
fn it_asks_again_ever_more_slowly_until_a_key_comes() {
    let mut phone = Phone::new(Durable::default());
    phone.want(&[GROUP]);
    assert_eq!(phone.timeout(), Some(15_000));
    phone.client.handle_input(Input::Lost { now: phone.now });
    assert_eq!(phone.timeout(), Some(30_000));
    let again = phone.pass(30_000).pop().expect("it asks again");
    assert_eq!(again.groups[0].held[0].0, 0, "it has no key");
    assert_eq!(phone.timeout(), Some(60_000));
    phone.granted(again.transaction.value());
    assert_eq!(phone.timeout(), Some(120_000), "granted, and no key came yet");
    let said = phone.hears(1, &key(FIRE, 1, 130));
    assert!(matches!(said[..], [Output::Event(Event::Key(_)), Output::Send(_)]));
    assert_eq!(phone.timeout(), Some(100_000), "the end of the key");
    let after = phone.pass(100_000);
    assert!(after.is_empty() && phone.timeout() == Some(15_000), "the key ended, another may come");
    let again = phone.pass(15_000).pop().expect("none came");
    assert_eq!(again.groups[0].held[0].0, 1, "it says what it had");
    for _ in 0..20 {
        phone.pass(3_600_000);
    }
    assert_eq!(phone.timeout(), Some(3_600_000), "never more slowly than once an hour");
}

#[test]
fn what_was_refused_is_not_asked_for_again_until_it_is_wanted_anew() {
    let mut phone = Phone::new(Durable::default());
    let transaction = phone.want(&[GROUP, Wanted::Group(POLICE)]);
    let said = phone.answered(transaction, |answer| {
        answer.group_rejects =
            Vec::from([FIRE, POLICE].map(|group| GroupReject { group, error: ErrorCode::NotAuthorised }));
    });
    assert_eq!(said.len(), 2);
    assert_eq!(phone.timeout(), None);
    let transaction = phone.want(&[GROUP, Wanted::Group(POLICE)]);
    phone.answered(transaction, |answer| {
        let algorithm = SelectedAlgorithm::new(Algorithm::Aes);
        answer.groups = vec![GroupResponse { group: FIRE, member: MemberId([1; 3]), algorithm }];
        answer.group_rejects = vec![GroupReject { group: POLICE, error: ErrorCode::NotAuthorised }];
    });
    let groups = |message: &KeyRequest| message.groups.iter().map(|group| group.group).collect::<Vec<_>>();
    let again = phone.pass(3_600_000).pop().expect("no key came");
    assert_eq!(groups(&again), [FIRE]);
    phone.client.handle_input(Input::Want { now: phone.now, wanted: &[GROUP, Wanted::Group(POLICE)] });
    assert_eq!(groups(&phone.requests()[0]), [FIRE, POLICE]);
}

#[test]
fn an_answer_to_something_else_counts_for_nothing() {
    let mut phone = Phone::new(Durable::default());
    let transaction = phone.want(&[GROUP]);
    let said = phone.granted(transaction.wrapping_add(1));
    assert!(matches!(said[..], [Output::Event(Event::BadResponse(Fault::Unexpected))]));
    assert!(phone.client.terms(GROUP).is_none() && phone.client.pmk.is_none());
    phone.client.handle_input(Input::Response { now: phone.now, body: b"nothing" });
    let said = phone.says();
    assert!(matches!(said[..], [Output::Event(Event::BadResponse(Fault::Malformed(_)))]));
    assert_eq!(phone.timeout(), Some(30_000), "as if it were lost");
    // What nobody wants is not granted.
    let transaction = phone.want(&[Wanted::Group(POLICE)]);
    phone.granted(transaction);
    assert!(phone.client.terms(GROUP).is_none());
    // Once answered, twice is not.
    let said = phone.granted(transaction);
    assert!(matches!(said[..], [Output::Event(Event::BadResponse(Fault::Unexpected))]));
}

#[test]
fn a_message_counts_once_and_only_for_what_was_granted() {
    let mut phone = Phone::new(Durable::default());
    assert_eq!(refused(&phone.hears(1, &key(FIRE, 1, 100))), [Refused::UnknownPmk]);
    let transaction = phone.want(&[GROUP]);
    phone.granted(transaction);
    assert_eq!(
        refused(&phone.hears(0, &key(FIRE, 1, 100))),
        [Refused::Replayed],
        "0 is the counter before the first"
    );
    assert!(refused(&phone.hears(5, &key(FIRE, 1, 100))).is_empty());
    for counter in [1, 4, 5] {
        assert_eq!(refused(&phone.hears(counter, &key(FIRE, 2, 100))), [Refused::Replayed]);
    }
    let of = |service, id| KeyName { service, id: NonZeroU8::new(id).unwrap() };
    let other = phone.hears(6, &key(POLICE, 1, 100));
    assert_eq!(refused(&other), [Refused::NotGranted(of(POLICE, 1))]);
    assert_eq!(refused(&phone.hears(6, &key(FIRE, 2, 100))), [Refused::Replayed], "6 was used");
    phone.now = phone.now.plus_millis(50_000);
    let ended = phone.hears(7, &key(FIRE, 2, 50));
    assert_eq!(refused(&ended), [Refused::Ended(of(FIRE, 2))]);
    assert!(!ended.iter().any(|output| matches!(output, Output::Send(_))), "it does not have it");
    assert_eq!(phone.client.group_keys(FIRE).len(), 1);
}

#[test]
fn a_key_is_deleted_when_the_pkmf_says_so_and_when_a_later_one_has_ended() {
    let mut phone = Phone::new(Durable::default());
    let transaction = phone.want(&[GROUP]);
    phone.granted(transaction);
    for (counter, id, seconds) in [(1, 1, 100), (2, 2, 200), (3, 3, 300)] {
        phone.hears(counter, &key(FIRE, id, seconds));
    }
    let ids = |phone: &Phone| phone.client.group_keys(FIRE).iter().map(|key| key.pgk_id).collect::<Vec<_>>();
    assert_eq!(ids(&phone), [1, 2, 3], "the first to end in front");
    phone.pass(150_000);
    assert_eq!(ids(&phone), [1, 2, 3], "the last that ended is kept");
    phone.pass(100_000);
    assert_eq!(ids(&phone), [2, 3]);
    let name = KeyName { service: FIRE, id: NonZeroU8::new(3).unwrap() };
    let said = phone.hears(4, &Content::Delete(name));
    assert!(matches!(said[..], [Output::Event(Event::Deleted(_)), Output::Send(_)]));
    assert_eq!(ids(&phone), [2]);
    let said = phone.hears(5, &Content::Delete(name));
    assert!(matches!(said[..], [Output::Send(_)]), "it is gone already, and that is said");
}

#[test]
fn a_new_pmk_that_cannot_be_stored_changes_nothing() {
    let mut phone = Phone::new(Durable::default());
    let transaction = phone.want(&[GROUP]);
    phone.granted(transaction);
    phone.hears(3, &key(FIRE, 1, 1000));
    phone.client.handle_input(Input::Want { now: phone.now, wanted: &[GROUP, Wanted::Group(POLICE)] });
    let transaction = phone.requests().pop().unwrap().transaction.value();
    let mut answer = KeyResponse::new(TransactionId::new(transaction).unwrap());
    answer.pmk = Some(PmkInfo { id: PmkId([9; 8]), pmk: Pmk::from([9; 32]) });
    let body = Message::KeyResponse(answer).to_xml();
    phone.client.handle_input(Input::Response { now: phone.now, body: body.as_bytes() });
    let Output::Store { ticket, .. } = phone.client.poll_output() else { panic!() };
    // Meanwhile nothing under the old PMK is written behind the new one.
    assert_eq!(refused(&phone.hears(4, &key(FIRE, 2, 1000))), [Refused::UnknownPmk]);
    phone.client.handle_input(Input::StoreFailed { now: phone.now, ticket });
    assert!(matches!(phone.client.poll_output(), Output::Event(Event::Store)));
    assert!(refused(&phone.hears(4, &key(FIRE, 2, 1000))).is_empty(), "the old one still counts");
}

/// A PRUK comes through a relay while one is asked for: what the PKMF hears last names the one that is here.
#[test]
fn a_pruk_that_came_another_way_is_in_the_request() {
    let mut phone = Phone::new(Durable::default());
    let first = phone.want(&[Wanted::Pruk]);
    let here = PrukId([7; 8]);
    phone.client.handle_input(Input::Holds { now: phone.now, pruk: Some(here) });
    let requests = phone.requests();
    assert_eq!(requests.iter().map(|request| request.pruk_id).collect::<Vec<_>>(), [Some(here)]);
    assert!(
        phone
            .answered(first, |_| ())
            .iter()
            .any(|output| { matches!(output, Output::Event(Event::BadResponse(Fault::Unexpected))) })
    );
    // The same one again asks nothing.
    phone.client.handle_input(Input::Holds { now: phone.now, pruk: Some(here) });
    assert!(phone.requests().is_empty());
    // Of two that nobody has sent yet the later one counts.
    for pruk in [PrukId([8; 8]), PrukId([9; 8])] {
        phone.client.handle_input(Input::Holds { now: phone.now, pruk: Some(pruk) });
    }
    let last: Vec<_> = phone.requests().iter().map(|request| request.pruk_id).collect();
    assert_eq!(last, [Some(PrukId([9; 8]))]);
}
