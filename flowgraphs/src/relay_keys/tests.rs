//! A remote UE and a relay as their links ask them, with the answers of a network that these tests write themselves.

use super::relay::{NoKd, RelayKeys, RelayPort, RelaySettings, Reply, RequestId};
use super::remote::{Record, RemoteKeys, RemotePort, RemoteSettings, WriteId, Written};
use sidelink_network::identity::{Fqdn, Impi};
use sidelink_network::limit::RateLimit;
use sidelink_network::pc3::{Imsi, Plmn, TransactionId};
use sidelink_network::pc8::response::{KdResponse, KeyResponse};
use sidelink_network::pc8::{ErrorCode, Message, OtherId, PrukId};
use sidelink_network::remote_ue::{Config, Held, ImsiPolicy, Slots};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_prose::direct_link::{Identity, Ticket};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::lte;
use sidelink_security::keys::{Kd, Pruk};
use sidelink_ue::{KeyNetwork, LinkStanding};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::relay_keying::{Answer, Denial, Question, User};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

const SERVICE: [u8; 3] = [0, 0, 7];
const ID: [u8; 8] = *b"pruk-id1";

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(1_800_000_000_000 + millis)
}

fn relay() -> Layer2Id {
    Layer2Id::new(0x20).unwrap()
}

/// A disk that answers when it is told to.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<(WriteId, Record)>, VecDeque<(WriteId, Written)>)>>);

impl Disk {
    fn settle(&self, written: Written) {
        let mut disk = self.0.lock().unwrap();
        let ids: Vec<_> = disk.0.drain(..).map(|(id, _)| (id, written)).collect();
        disk.1.extend(ids);
    }
}

impl RemotePort for Disk {
    fn write(&mut self, _: UtcTime, write: WriteId, record: Record) {
        self.0.lock().unwrap().0.push((write, record));
    }

    fn written(&mut self, _: UtcTime) -> Option<(WriteId, Written)> {
        self.0.lock().unwrap().1.pop_front()
    }
}

fn held() -> Held {
    Held { id: PrukId(ID), pruk: Pruk::from([7; 32]) }
}

fn remote(policy: ImsiPolicy, slots: Slots) -> (RemoteKeys<Disk>, Disk) {
    let config = Config {
        impi: Impi::new("001010000000001@ims.mnc001.mcc001.3gppnetwork.org").unwrap(),
        imsi: Imsi::new(Plmn::new("001", "01").unwrap(), "0000000001").unwrap(),
        pkmf: Fqdn::new("pkmf.example.org").unwrap(),
        policy,
    };
    let settings = RemoteSettings { config, mnc: Default::default(), kd_lifetime: 60 };
    let usim = Usim::new(Subscriber::with_opc([1; 16], [2; 16]), SqnArray::default());
    let disk = Disk::default();
    (RemoteKeys::new(settings, usim, slots, disk.clone()), disk)
}

fn derive(id: &[u8; 8], nonce_1: [u8; 16], freshness: [u8; 16]) -> Vec<u8> {
    let user = User { kind: Identity::PRUK_ID, value: id };
    Question::Derive { service: SERVICE, user, nonce_1, freshness, gpi: &[] }.emit().unwrap()
}

fn kd_of(remote: &mut RemoteKeys<Disk>, ticket: u64) -> Option<Kd> {
    let answer = remote.poll(at(1)).expect("an answer");
    assert_eq!(answer.ticket, Ticket(ticket));
    let octets = answer.octets?;
    match Answer::parse(&octets).unwrap() {
        Answer::Derived { kd, lifetime: 60, pruk_id: ID } => Some(Kd::from(*kd)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_remote_ue_answers_each_command_with_the_kd_that_it_leads_to() {
    let (mut remote, _) = remote(ImsiPolicy::Never, Slots { current: Some(held()), pending: None });
    let name = remote.name_for_relay(at(0), SERVICE).unwrap();
    assert_eq!(name, Identity { kind: Identity::PRUK_ID, value: ID.to_vec() });
    // Forged ones first: each has an answer, and none of them ends the set-up. More than the machine has links.
    for number in 0..40 {
        let freshness = [number as u8; 16];
        remote.ask(at(0), Ticket(number), &derive(&ID, [4; 16], freshness));
        let expected = lte::relay_kd(&Pruk::from([7; 32]), &SERVICE, &[4; 16], &freshness);
        assert!(kd_of(&mut remote, number) == Some(expected), "{number}");
    }
    remote.link_changed(at(1), relay(), LinkStanding::Up);
    remote.link_changed(at(1), relay(), LinkStanding::Ended);
    // A name that the relay was not told.
    remote.ask(at(1), Ticket(90), &derive(b"another.", [4; 16], [1; 16]));
    assert!(kd_of(&mut remote, 90).is_none());
    remote.ask(at(1), Ticket(91), b"no question");
    assert!(kd_of(&mut remote, 91).is_none());
}

#[test]
fn whoever_is_not_believed_learns_no_imsi() {
    let slots = || Slots { current: Some(held()), pending: None };
    for (policy, kind) in [
        (ImsiPolicy::Never, Identity::PRUK_ID),
        (ImsiPolicy::WithoutPruk, Identity::PRUK_ID),
        (ImsiPolicy::WhenProven, Identity::PRUK_ID),
        (ImsiPolicy::WhenRejected, Identity::IMSI),
    ] {
        let (mut remote, _) = remote(policy, slots());
        remote.link_changed(at(0), relay(), LinkStanding::Unknown);
        assert_eq!(remote.name_for_relay(at(0), SERVICE).unwrap().kind, kind, "{policy:?}");
    }
    for (policy, shows) in [(ImsiPolicy::Never, false), (ImsiPolicy::WithoutPruk, true)] {
        let (mut remote, disk) = remote(policy, Slots::default());
        assert_eq!(remote.name_for_relay(at(0), SERVICE).is_some(), shows, "{policy:?}");
        disk.settle(Written::Durable);
    }
}

/// The way of a relay: what it asks, and what it is answered.
#[derive(Clone, Default)]
struct Way(Arc<Mutex<(Vec<(RequestId, String)>, VecDeque<(RequestId, Reply)>, Vec<NoKd>)>>);

impl RelayPort for Way {
    fn send(&mut self, _: UtcTime, request: RequestId, document: Zeroizing<String>) {
        self.0.lock().unwrap().0.push((request, document.to_string()));
    }

    fn reply(&mut self, _: UtcTime) -> Option<(RequestId, Reply)> {
        self.0.lock().unwrap().1.pop_front()
    }

    fn refused(&mut self, _: UtcTime, why: &NoKd) {
        self.0.lock().unwrap().2.push(why.clone());
    }
}

impl Way {
    /// Answers the oldest request.
    fn answer(&self, edit: impl Fn(&mut KeyResponse)) {
        let mut way = self.0.lock().unwrap();
        let (request, body) = way.0.remove(0);
        let Ok(Message::KeyRequest(asked)) = Message::from_xml(body.as_bytes()) else { panic!("{body}") };
        let mut response = KeyResponse::new(TransactionId::new(asked.transaction.value()).unwrap());
        edit(&mut response);
        let document = Message::KeyResponse(response).to_xml().as_bytes().to_vec();
        way.1.push_back((request, Reply::Document(Zeroizing::new(document))));
    }
}

fn grant(nonce_1: [u8; 16]) -> Vec<u8> {
    let user = User { kind: Identity::PRUK_ID, value: &ID };
    Question::Grant { service: SERVICE, user, nonce_1 }.emit().unwrap()
}

fn answer_of(relay: &mut RelayKeys<Way>, now: u64, ticket: u64) -> Option<Denial> {
    let answer = relay.poll(at(now)).expect("an answer");
    assert_eq!(answer.ticket, Ticket(ticket));
    match Answer::parse(&answer.octets.unwrap()).unwrap() {
        Answer::Granted { kd, lifetime, freshness, .. } => {
            assert_eq!((kd, lifetime, freshness), (&[9; 32], 86_400, &[8; 16]));
            None
        }
        Answer::Denied(why) => Some(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_relay_passes_on_what_the_key_management_function_says() {
    let way = Way::default();
    let mut relay = RelayKeys::new(RelaySettings::default(), way.clone());
    let granted = |response: &mut KeyResponse| {
        response.kd = Some(KdResponse {
            kd: Kd::from([9; 32]),
            freshness: [8; 16],
            gpi: None,
            imsi: None,
            msisdn: None,
            other: Some(OtherId([1; 16])),
        });
    };
    relay.ask(at(0), Ticket(1), &grant([4; 16]));
    assert!(relay.poll(at(0)).is_none());
    way.answer(granted);
    assert_eq!(answer_of(&mut relay, 10, 1), None);
    for (number, error, denial) in
        [(2, ErrorCode::UnknownRemoteUe, Denial::Unknown), (3, ErrorCode::NotServed, Denial::NotAllowed)]
    {
        relay.ask(at(10), Ticket(number), &grant([number as u8; 16]));
        way.answer(|response| response.kd_error = Some(error));
        assert_eq!(answer_of(&mut relay, 20, number), Some(denial));
    }
    // No answer: the link is told in time, and not as if the name were unknown.
    relay.ask(at(30), Ticket(5), &grant([5; 16]));
    assert!(relay.poll(at(10_029)).is_none());
    assert_eq!(answer_of(&mut relay, 10_030, 5), Some(Denial::Unreachable));
    // AUTS for a GPI that did not go through this relay.
    let question = Question::Resynchronise { rand: [1; 16], auts: [2; 14] }.emit().unwrap();
    relay.ask(at(10_040), Ticket(6), &question);
    assert_eq!(answer_of(&mut relay, 10_040, 6), Some(Denial::Unreachable));
    let user = User { kind: Identity::IMSI, value: &[0x0b, 0xff] };
    let question = Question::Grant { service: SERVICE, user, nonce_1: [7; 16] }.emit().unwrap();
    relay.ask(at(10_040), Ticket(7), &question);
    assert_eq!(answer_of(&mut relay, 10_040, 7), Some(Denial::Unknown));
}

/// TR-8: whoever asks, the network is asked so often and no more.
#[test]
fn a_relay_asks_its_network_so_often_and_no_more() {
    let way = Way::default();
    let rate = RateLimit { burst: 3, interval: 100 };
    let mut relay = RelayKeys::new(RelaySettings { rate, ..RelaySettings::default() }, way.clone());
    for number in 0..20 {
        relay.ask(at(0), Ticket(number), &grant([number as u8; 16]));
    }
    assert_eq!(way.0.lock().unwrap().0.len(), 3);
    assert_eq!(way.0.lock().unwrap().2.len(), 17);
    for number in 3..20 {
        assert_eq!(answer_of(&mut relay, 0, number), Some(Denial::Unreachable));
    }
    relay.ask(at(100), Ticket(30), &grant([30; 16]));
    assert_eq!(way.0.lock().unwrap().0.len(), 4, "one more after the interval");
}
