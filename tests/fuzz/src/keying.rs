//! Messages of direct keying and of group keys, in our own coding: what is understood comes back when it is written.

use super::Target;
use sidelink_network::group_naf::message as group;
use sidelink_network::identity::{BTid, Impi, Imsi};
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::mme::message::{Cause, Message};
use sidelink_network::nas::Plain;
use sidelink_security::keys::KsNaf;
use sidelink_wire::direct_keying::{ANSWER, Answer, ConnectionId, Question, Side};
use sidelink_wire::sdes::{CryptoAttribute, Exchange, KEY};

/// Messages of direct keying and of group keys.
pub const KEYING: Target = Target { name: "network_keying", run: keying, seeds };

fn keying(data: &[u8]) -> bool {
    let mut understood = false;
    if let Ok(message) = Message::parse(data) {
        assert_eq!(message.emit().expect("what was read is written")[..], *data);
        understood = true;
    }
    if let Ok(message) = Plain::parse(data) {
        assert_eq!(message.emit()[..], *data);
        understood = true;
    }
    if let Ok(question) = Question::parse(data) {
        assert_eq!(question.emit().expect("what was read is written"), data);
        understood = true;
    }
    if let Ok(answer) = Answer::parse(data) {
        let mut octets = [0; ANSWER];
        answer.emit(&mut octets);
        assert_eq!(octets[..], *data);
        understood = true;
    }
    understood | of_group(data) | of_sdes(data)
}

fn of_sdes(data: &[u8]) -> bool {
    let mut key = [0; KEY];
    if let Ok(tag) = CryptoAttribute::parse(data, &mut key) {
        assert_eq!(CryptoAttribute { tag, key: &key }.emit().expect("what was read is written"), data);
        return true;
    }
    match Exchange::parse(data) {
        Ok(exchange) => {
            assert_eq!(exchange.emit().expect("what was read is written"), data);
            true
        }
        Err(_) => false,
    }
}

/// All but the tag, which is under a key.
fn of_group(data: &[u8]) -> bool {
    let key = KsNaf::from([7; 32]);
    let body = |octets: &[u8]| octets[..octets.len() - group::TAG].to_vec();
    if let Ok(request) = group::Request::parse(data) {
        assert_eq!(body(&request.emit(&key).expect("what was read is written")), body(data));
        return true;
    }
    if let Ok(invitation) = group::Invitation::parse(data) {
        assert_eq!(body(&invitation.emit(&key)), body(data));
        return true;
    }
    match group::Answer::parse(data) {
        Ok(group::Answer::Push(push)) => {
            assert_eq!(body(&push.emit(&key).expect("what was read is written")), body(data));
            true
        }
        Ok(group::Answer::State(state)) => {
            assert_eq!(body(&state.emit(&key).expect("what was read is written")), body(data));
            true
        }
        Ok(group::Answer::Reject { .. }) => true,
        Err(_) => false,
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let connection = ConnectionId::new([0, 0, 0, 7]).expect("not zero");
    let question = Question { side: Side::Initiating, connection, expression: b"john" };
    let reject = Message::Reject { connection, cause: Cause::Late };
    let imsi = Imsi::new("001010000000001").expect("an IMSI");
    let (id, nonce) = (ServiceId([1, 2, 3]), group::Nonce([4; 16]));
    let b_tid = BTid::new("AAAA@bsf.example.org").expect("a B-TID");
    let invitee = Impi::new("user@example.org").expect("an IMPI");
    let key = KsNaf::from([7; 32]);
    let invitation =
        group::Invitation { group: id, nonce, b_tid: b_tid.clone(), invitee: invitee.clone(), expires: 9 };
    let body = group::Body::Create(group::Policy::WhiteList(vec![invitee]));
    let create = group::Request { group: id, nonce, b_tid, body, resynchronisation: None };
    let push = group::Push { group: id, nonce, pgk_id: 1, expires: 9, gpi: vec![1; 80], wrapped: [2; 40] };
    let state = group::State { group: id, nonce, pgk_id: Some(1), joined: vec![true, false] };
    let attribute = CryptoAttribute { tag: 1, key: &[7; KEY] }.emit().expect("a tag of one digit");
    let exchange = Exchange::new(Side::Target, connection, b"mary", &attribute);
    let mut answer = [0; ANSWER];
    Answer { kd: &[3; 32], lifetime: 60 }.emit(&mut answer);
    vec![
        question.emit().expect("an expression of four octets"),
        answer.to_vec(),
        exchange.emit().expect("an expression of four octets"),
        attribute,
        reject.emit().expect("no shares").to_vec(),
        [&[1, 1, 0, 0, 0, 7, 4][..], b"mary", &[1, 4], b"john"].concat(),
        [&[6, 2][..], &[0, 0, 0, 7, 0, 0, 0, 8], &[9; 4], &[5; 64], &[0, 0, 0, 60]].concat(),
        Plain::AttachRequest(imsi).emit().to_vec(),
        invitation.emit(&key),
        create.emit(&key).expect("one member"),
        push.emit(&key).expect("a short GPI"),
        state.emit(&key).expect("two members"),
    ]
}
