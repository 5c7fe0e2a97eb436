//! Public keys of signed discovery over the TLS of PC3: registered, told, revoked by an order, kept through a restart.

use std::sync::Arc;

use http::StatusCode;
use sidelink_network::pc3::Rpauid;
use sidelink_network::public_keys::{
    Fetch, KeyCause, KeyMessage, KeyName, KeyReject, Keys, ListNews, ListNumber, Listed, NonceRequest,
    Octets, PublicKey, Register, signed_text,
};
use sidelink_security::discovery::signature::{Purpose, Scheme, SigningKey};
use sidelink_services::Network;
use sidelink_services::client::{ClientError, UeClient};
use sidelink_services::orders::{Answer, Order, Orders, give, socket_of};
use sidelink_services::tls::TlsMode;

use crate::common::{World, client, config, ue};
use crate::robust::post;

fn user(number: u32) -> Rpauid {
    Rpauid::new(&format!("user{number}")).unwrap()
}

fn signing(octet: u8) -> SigningKey {
    SigningKey::new(Scheme::Ed25519, &[octet; 32]).unwrap()
}

fn say(from: &mut UeClient, message: &KeyMessage) -> KeyMessage {
    let answer = from.send_public_keys(&message.to_xml()).unwrap().unwrap();
    KeyMessage::from_xml(&answer).unwrap()
}

fn register(from: &mut UeClient, number: u32, octet: u8) -> KeyMessage {
    let name = KeyName::User(user(number));
    let answer = say(from, &KeyMessage::NonceRequest(NonceRequest { name: name.clone() }));
    let KeyMessage::Nonce(given) = answer else { return answer };
    let (signing, nonce) = (signing(octet), given.nonce);
    let key = PublicKey::of(signing.verifying_key());
    let signature =
        signing.sign(Purpose::Registration, &signed_text(ue(number), &name, &key, &nonce), [1; 32]);
    let signature = Octets(signature.as_octets().to_vec());
    say(from, &KeyMessage::Register(Box::new(Register { name, key, nonce, signature })))
}

fn fetch(from: &mut UeClient, watcher: u32, of: u32) -> Keys {
    let names = vec![KeyName::User(user(of))];
    let watcher = Some(user(watcher));
    match say(from, &KeyMessage::Fetch(Fetch { watcher, names, hints: Vec::new(), list: None })) {
        KeyMessage::Keys(keys) => keys,
        other => panic!("{other:?}"),
    }
}

/// User 2 may discover user 1, and user 3 nobody.
#[test]
fn a_key_goes_to_whom_it_may_and_is_revoked_by_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let config = config(folder.path(), 3);
        let socket = socket_of(&config.database);
        let handle = Arc::new(Network::start(config).unwrap());
        let orders = Orders::take(&socket, Arc::clone(&handle)).unwrap();
        (handle, orders, socket)
    };
    let (handle, orders, _) = start();
    let addresses = (handle.ub_address().unwrap(), handle.pc3_address().unwrap());
    let mut ues = [1, 2, 3].map(|number| client(folder.path(), addresses, number, TlsMode::Tls13));
    let [anna, bert, carl] = &mut ues;
    assert!(matches!(register(anna, 1, 11), KeyMessage::Registered(_)));
    assert!(matches!(register(carl, 1, 66), KeyMessage::Reject(KeyReject { cause: KeyCause::NotYours })));
    let keys = fetch(bert, 2, 1);
    assert_eq!(keys.keys[0].key, PublicKey::of(signing(11).verifying_key()));
    let keys = fetch(carl, 3, 1);
    assert_eq!((keys.keys.len(), keys.absent.len()), (0, 1));
    assert_eq!(handle.status().public_keys, 1);
    drop((orders, handle));
    // The next start has it still.
    let (handle, _orders, socket) = start();
    ues.iter_mut().for_each(|ue| ue.move_to(handle.pc3_address().unwrap()));
    let addresses = (handle.ub_address().unwrap(), handle.pc3_address().unwrap());
    let mut bert = client(folder.path(), addresses, 2, TlsMode::Tls13);
    assert_eq!(fetch(&mut bert, 2, 1).keys.len(), 1);
    let revoke = |of: &str| give(&socket, &Order::RevokeKey { of: of.to_owned() }).unwrap();
    assert!(matches!(revoke("user3"), Answer::Refused { .. }));
    assert!(matches!(revoke("imsi:001010000000003"), Answer::Refused { .. }));
    assert!(matches!(revoke("user1"), Answer::Done { subscribers: 1 }));
    let keys = fetch(&mut bert, 2, 1);
    let ListNews::New(list) = keys.list else { panic!() };
    let key = PublicKey::of(signing(11).verifying_key());
    assert_eq!((keys.keys.len(), list.number), (0, ListNumber(1)));
    assert_eq!(list.says(&key.fingerprint()), Listed::Yes);
}

#[test]
fn what_is_no_request_about_keys_has_its_status() {
    let world = World::new(1);
    let mut ue = world.client(1, TlsMode::Tls13);
    let refused = |ue: &mut UeClient, body: &str| match ue.send_public_keys(body) {
        Err(ClientError::Refused { status, .. }) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&mut ue, "<a/>"), StatusCode::BAD_REQUEST);
    let of_a_server = KeyMessage::Reject(KeyReject { cause: KeyCause::Proof }).to_xml();
    assert_eq!(refused(&mut ue, &of_a_server), StatusCode::BAD_REQUEST);
    // PC3 at its path, keys at theirs.
    let (status, answer) =
        crate::robust::ask(&world, &ue, &post(sidelink_network::public_keys::MEDIA_TYPE, b""));
    assert_eq!(status, 415, "{answer}");
}
