use proptest::prelude::*;
use sidelink_network::aka::{Autn, Auts, Quintet, Rand};
use sidelink_network::bsf::{KeyMaterial, KeyRefusal};
use sidelink_network::gba_push::Place;
use sidelink_network::gba_push::bsf as push;
use sidelink_network::hss::{EapAkaPrimeVector, Refusal, Resynchronisation, Ticket};
use sidelink_network::identity::{BTid, Fqdn, Impi, Imsi, NafId};
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::eap_aka::CkIkPrime;
use sidelink_security::keys::KsNaf;

use super::messages::*;
use super::pushes::{PushAnswer, PushRequest};
use super::*;

fn there_and_back<T: serde::Serialize + serde::de::DeserializeOwned>(message: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(message).unwrap()).unwrap()
}

#[test]
fn a_token_is_long_and_shown_whole() {
    let text = "0123456789abcdef0123456789abcdef";
    let token = Token::new(text).unwrap();
    assert!(token.is_shown_by(format!("Bearer {text}").as_bytes()));
    for shown in [
        "",
        text,
        &format!("bearer {text}"),
        &format!("Bearer {}", &text[1..]),
        &format!("Bearer {text} "),
        &format!("Bearer f{}", &text[1..]),
        &format!("Bearer {}e", &text[..31]),
    ] {
        assert!(!token.is_shown_by(shown.as_bytes()), "{shown}");
    }
    for short in ["", &text[1..], &format!("{} x", text), &format!("{text}\u{e4}")] {
        assert!(Token::new(short).is_none(), "{short}");
    }
    assert!(!format!("{token:?}").contains("0123"));
}

#[test]
fn requests_and_answers_survive_the_way() {
    let impi = Impi::new("1@home").unwrap();
    let resynchronisation = Resynchronisation { rand: Rand([1; 16]), auts: Auts([2; 14]) };
    let (again, other) = there_and_back(&VectorRequest::new(&impi, Some(resynchronisation))).parse().unwrap();
    let other = other.unwrap();
    assert_eq!((again, other.rand, other.auts), (impi.clone(), Rand([1; 16]), Auts([2; 14])));
    let quintet = Quintet { rand: Rand([1; 16]), autn: Autn([2; 16]), res: [3; 8], ck: [4; 16], ik: [5; 16] };
    let same = there_and_back(&VectorAnswer::new(Ok(&quintet))).parse().unwrap().unwrap();
    assert_eq!((same.rand, same.autn, same.res), (quintet.rand, quintet.autn, quintet.res));
    assert_eq!((same.ck, same.ik), (quintet.ck, quintet.ik));
    let request =
        EapRequest::new(&Imsi::new("001010000000001").unwrap(), "WLAN".into(), Some(resynchronisation));
    let (imsi, network_name, other) = there_and_back(&request).parse().unwrap();
    assert_eq!(
        (imsi.digits(), network_name.as_str(), other.unwrap().auts),
        ("001010000000001", "WLAN", Auts([2; 14]))
    );
    let keys = CkIkPrime { ck_prime: [4; 16], ik_prime: [5; 16] };
    let vector = EapAkaPrimeVector { rand: Rand([1; 16]), autn: Autn([2; 16]), xres: [3; 8], keys };
    let same = there_and_back(&EapAnswer::new(Ok(&vector))).parse().unwrap().unwrap();
    assert_eq!((same.rand, same.autn, same.xres), (vector.rand, vector.autn, vector.xres));
    assert_eq!((same.keys.ck_prime, same.keys.ik_prime), ([4; 16], [5; 16]));
    let refused = there_and_back(&EapAnswer::new(Err(Refusal::NetworkName))).parse().unwrap();
    assert_eq!(refused.unwrap_err(), Refusal::NetworkName);
    for refusal in [
        Refusal::Unknown,
        Refusal::NotForThisNode,
        Refusal::TooOften,
        Refusal::Auts,
        Refusal::NetworkName,
        Refusal::OutOfReach,
        Refusal::Exhausted,
        Refusal::RepeatedRand,
        Refusal::Busy,
        Refusal::Store,
    ] {
        let same = there_and_back(&VectorAnswer::new(Err(refusal))).parse().unwrap().unwrap_err();
        assert_eq!(same, refusal);
    }
    let (naf, b_tid) = (Fqdn::new("naf").unwrap(), BTid::new("a@b").unwrap());
    let naf_id = NafId { fqdn: Fqdn::new("other").unwrap(), protocol: [1, 0, 0, 0, 7] };
    let same = there_and_back(&KeyRequest::new(&naf, &b_tid, &naf_id)).parse().unwrap();
    assert_eq!(same, (naf, b_tid, naf_id));
    let key = KeyMaterial {
        ks_naf: KsNaf::from([9; 32]),
        impi,
        created: UtcTime::from_millis(1),
        expires: UtcTime::from_millis(2),
    };
    let same = there_and_back(&KeyAnswer::new(Ok(&key))).parse().unwrap().unwrap();
    assert_eq!((same.ks_naf.as_bytes(), &same.impi), (key.ks_naf.as_bytes(), &key.impi));
    assert_eq!((same.created, same.expires), (key.created, key.expires));
    for refusal in [KeyRefusal::UnknownBTid, KeyRefusal::NotItsName] {
        assert_eq!(there_and_back(&KeyAnswer::new(Err(refusal))).parse().unwrap().unwrap_err(), refusal);
    }
}

#[test]
fn pushes_survive_the_way() {
    let fqdn = |name| Fqdn::new(name).unwrap();
    let request = || push::Request {
        ticket: Ticket(7),
        naf: fqdn("naf"),
        impi: Impi::new("1@home").unwrap(),
        label: "label".to_owned(),
        naf_id: NafId { fqdn: fqdn("other"), protocol: [0xff, 0, 0, 0, 1] },
        p_tid: "0102".to_owned(),
        place: Place::Terminal,
        lifetime: 86_400_000,
        resynchronisation: Some(Resynchronisation { rand: Rand([1; 16]), auts: Auts([2; 14]) }),
    };
    let same = there_and_back(&PushRequest::new(&request()).unwrap()).parse().unwrap();
    // The number of a request is the asker's own.
    let expected = push::Request { ticket: Ticket(0), ..request() };
    assert_eq!(format!("{same:?}"), format!("{expected:?}"));
    assert!(PushRequest::new(&push::Request { place: Place::Card, ..request() }).is_none());
    let pushed =
        push::Pushed { gpi: vec![1, 2, 3], ks_naf: KsNaf::from([9; 32]), expires: UtcTime::from_millis(8) };
    let same = there_and_back(&PushAnswer::new(Ok(&pushed))).parse().unwrap().unwrap();
    assert_eq!((&same.gpi, same.ks_naf.as_bytes()), (&pushed.gpi, pushed.ks_naf.as_bytes()));
    assert_eq!(same.expires, pushed.expires);
    for refusal in [
        push::Refusal::NotItsName,
        push::Refusal::Lifetime,
        push::Refusal::Place,
        push::Refusal::Hss(Refusal::Auts),
        push::Refusal::TooOften,
        push::Refusal::Late,
    ] {
        let same = there_and_back(&PushAnswer::new(Err(refusal))).parse().unwrap().unwrap_err();
        assert_eq!(same, refusal);
    }
    let refusal = push::Refusal::Gpi(sidelink_network::gba_push::Error::Version(2));
    let same = there_and_back(&PushAnswer::new(Err(refusal))).parse().unwrap();
    assert!(matches!(same, Err(push::Refusal::Gpi(_))));
}

/// A neighbour that accepts and says nothing.
#[test]
fn a_neighbour_that_is_silent_is_asked_a_bounded_number_of_times_at_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let token = Token::new(&"x".repeat(TOKEN_CHARACTERS)).unwrap();
    let client = PeerClient::new(silent.local_addr().unwrap(), token, runtime.handle().clone());
    let (sender, receiver) = std::sync::mpsc::channel();
    for _ in 0..client::AT_ONCE + 3 {
        let sender = sender.clone();
        let reply = Box::new(move |result: Result<Quintet, Refusal>| _ = sender.send(result.unwrap_err()));
        client.vector(&Impi::new("1@home").unwrap(), None, reply);
    }
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [Refusal::Busy; 3]);
    runtime.shutdown_background();
}

proptest! {
    #[test]
    fn any_octets_are_a_message_or_none(octets: Vec<u8>, text: String) {
        let _ = serde_json::from_slice::<VectorRequest>(&octets).map(|m| m.parse());
        let _ = serde_json::from_slice::<KeyAnswer>(&octets).map(|m| m.parse());
        let _ = serde_json::from_slice::<EapRequest>(&octets).map(|m| m.parse());
        let request = VectorRequest { impi: text.clone(), resynchronisation: None };
        let _ = request.parse();
        let request = KeyRequest { naf: text.clone(), b_tid: text.clone(), fqdn: text.clone(), protocol: text.clone() };
        prop_assert!(request.parse().is_none());
        let answer = KeyAnswer::Key { ks_naf: Zeroizing::new(text.clone()), impi: text, created: 0, expires: 0 };
        prop_assert!(answer.parse().is_none());
    }
}
