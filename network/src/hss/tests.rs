use super::*;
use crate::usim::{self, Domain, SqnArray, Usim};
use proptest::prelude::*;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{CounterStore, Reservation};

const K: [u8; 16] = [1; 16];
const OPC: [u8; 16] = [2; 16];

fn imsi() -> Imsi {
    Imsi::new("001010000000001").unwrap()
}

fn impi() -> Impi {
    imsi().impi(2).unwrap()
}

fn subscription(reserved: u64) -> Subscription {
    Subscription { imsi: imsi(), impi: impi(), keys: Subscriber::with_opc(K, OPC), reserved }
}

fn hss(reserved: u64) -> Hss {
    let mut hss = Hss::new(Config { rate: RateLimit { burst: 1, interval: 0 }, ..Config::default() });
    hss.add(subscription(reserved)).unwrap();
    hss
}

fn request(n: u64) -> Request {
    Request {
        now: UtcTime::from_millis(1000),
        ticket: Ticket(n),
        subject: Subject::Impi(impi()),
        node: Node::Bsf,
        purpose: Purpose::Gba,
        rand: Rand([n as u8; 16]),
        resynchronisation: None,
    }
}

/// Everything that comes out, with a store that works.
fn outputs(hss: &mut Hss, store: &mut Memory) -> Vec<Result<Vector, Refusal>> {
    let mut answers = Vec::new();
    loop {
        match hss.poll_output() {
            Output::Reserve(reservation) => {
                let granted = reservation.commit(store).unwrap();
                hss.handle_input(Input::Granted { granted });
            }
            Output::Answer { result, .. } => answers.push(result),
            Output::Timeout(_) => return answers,
        }
    }
}

fn ask(hss: &mut Hss, store: &mut Memory, request: Request) -> Result<Vector, Refusal> {
    hss.handle_input(Input::Request(request));
    outputs(hss, store).pop().unwrap()
}

fn quintet(hss: &mut Hss, store: &mut Memory, n: u64) -> Quintet {
    match ask(hss, store, request(n)) {
        Ok(Vector::Gba(quintet)) => quintet,
        other => panic!("{other:?}"),
    }
}

fn sqn(quintet: &Quintet) -> Sqn {
    Quintet::of_challenge(&Subscriber::with_opc(K, OPC), quintet.rand, quintet.autn).unwrap().1
}

fn reservation(hss: &mut Hss) -> Reservation {
    match hss.poll_output() {
        Output::Reserve(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_vector_waits_until_its_sqn_is_durable() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    hss.handle_input(Input::Request(request(1)));
    let reserve = reservation(&mut hss);
    assert!(matches!(hss.poll_output(), Output::Timeout(None)), "a vector before its SQN was stored");
    let granted = reserve.commit(&mut store).unwrap();
    hss.handle_input(Input::Granted { granted });
    assert!(matches!(hss.poll_output(), Output::Answer { ticket: Ticket(1), result: Ok(_) }));
}

#[test]
fn a_store_that_fails_gives_no_vector_and_is_asked_again() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    hss.handle_input(Input::Request(request(1)));
    let stream = reservation(&mut hss).stream();
    hss.handle_input(Input::ReservationFailed { stream });
    assert!(matches!(outputs(&mut hss, &mut store)[..], [Err(Refusal::Store)]));
    assert_eq!(sqn(&quintet(&mut hss, &mut store, 2)).seq(), 1);
}

#[test]
fn what_waits_for_the_store_is_bounded() {
    let mut hss = hss(0);
    for n in 0..MOST_WAITING as u64 {
        hss.handle_input(Input::Request(request(n)));
    }
    let _ = reservation(&mut hss);
    assert!(matches!(hss.poll_output(), Output::Timeout(None)));
    hss.handle_input(Input::Request(request(99)));
    assert!(matches!(hss.poll_output(), Output::Answer { ticket: Ticket(99), result: Err(Refusal::Busy) }));
}

#[test]
fn each_kind_of_node_has_indices_of_its_own_in_turn() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    let inds: Vec<_> = (0..9).map(|n| sqn(&quintet(&mut hss, &mut store, n)).ind()).collect();
    assert_eq!(inds, [0, 1, 2, 3, 4, 5, 6, 7, 0]);
    let asked = Request { node: Node::Pkmf, ..request(20) };
    let Ok(Vector::Gba(quintet)) = ask(&mut hss, &mut store, asked) else { panic!() };
    assert_eq!((sqn(&quintet).ind(), sqn(&quintet).seq()), (24, 10));
}

#[test]
fn ck_and_ik_go_only_to_those_who_bootstrap_or_do_eap_aka() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    let eps = Purpose::Eps { serving_network: [0, 0xf1, 0x10] };
    let eap = Purpose::EapAkaPrime { network_name: "WLAN".into() };
    for (n, node) in [Node::Bsf, Node::Mme, Node::Aaa, Node::Pkmf].into_iter().enumerate() {
        for (m, purpose) in [Purpose::Gba, Purpose::EapAka, eps.clone(), eap.clone()].into_iter().enumerate()
        {
            let asked = Request { node, purpose, ..request(10 * n as u64 + m as u64) };
            let answer = ask(&mut hss, &mut store, asked);
            let allowed = matches!((n, m), (0 | 3, 0) | (1, 2) | (2, 1 | 3));
            match answer {
                Ok(vector) => {
                    assert!(allowed);
                    let autn = match &vector {
                        Vector::Gba(vector) | Vector::EapAka(vector) => vector.autn,
                        Vector::Eps(vector) => vector.autn,
                        Vector::EapAkaPrime(vector) => vector.autn,
                    };
                    assert_eq!(autn.amf().is_separated(), m > 1, "{vector:?}");
                }
                Err(why) => assert_eq!((why, allowed), (Refusal::NotForThisNode, false)),
            }
        }
    }
}

#[test]
fn a_network_without_a_name_gives_no_keys() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    for (n, name) in ["", &"x".repeat(65536)].into_iter().enumerate() {
        let purpose = Purpose::EapAkaPrime { network_name: name.to_owned() };
        let asked = Request { node: Node::Aaa, purpose, ..request(n as u64) };
        assert_eq!(ask(&mut hss, &mut store, asked).unwrap_err(), Refusal::NetworkName);
    }
}

#[test]
fn strangers_get_nothing_and_cost_nothing() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    let stranger = Imsi::new("001010000000002").unwrap();
    for subject in [Subject::Impi(stranger.impi(2).unwrap()), Subject::Imsi(stranger)] {
        let asked = Request { subject, ..request(1) };
        assert_eq!(ask(&mut hss, &mut store, asked).unwrap_err(), Refusal::Unknown);
    }
    assert_eq!(store, Memory::default());
}

#[test]
fn one_subscriber_has_so_many_vectors_and_one_more_an_interval() {
    let (mut hss, mut store) = (Hss::new(Config::default()), Memory::default());
    hss.add(subscription(0)).unwrap();
    let mut given = |from: u64, now: u64| {
        let at = |n| Request { now: UtcTime::from_millis(now), ..request(n) };
        (from..from + 20).filter(|n| ask(&mut hss, &mut store, at(*n)).is_ok()).count()
    };
    assert_eq!((given(0, 1000), given(20, 10_999), given(40, 11_000)), (10, 0, 1));
    let asked = Request { now: UtcTime::from_millis(11_000), ..request(70) };
    assert_eq!(ask(&mut hss, &mut store, asked).unwrap_err(), Refusal::TooOften);
}

#[test]
fn a_random_source_that_repeats_itself_is_noticed() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    let _ = quintet(&mut hss, &mut store, 5);
    assert_eq!(ask(&mut hss, &mut store, request(5)).unwrap_err(), Refusal::RepeatedRand);
    let _ = quintet(&mut hss, &mut store, 6);
}

#[test]
fn what_is_provisioned_twice_or_damaged_is_refused() {
    let mut hss = hss(0);
    assert_eq!(hss.add(subscription(0)), Err(Error::ImsiTaken(imsi())));
    let other = Imsi::new("001010000000002").unwrap();
    assert_eq!(
        hss.add(Subscription { imsi: other.clone(), ..subscription(0) }),
        Err(Error::ImpiTaken(impi()))
    );
    let damaged =
        Subscription { imsi: other.clone(), impi: other.impi(2).unwrap(), ..subscription(SEQ_LIMIT + 1) };
    assert_eq!(hss.add(damaged), Err(Error::DamagedSeq(other)));
}

#[test]
fn after_the_last_sqn_there_is_none() {
    let (mut hss, mut store) = (hss(SEQ_LIMIT - 1), Memory::default());
    store.set(stream(&imsi()), SEQ_LIMIT - 1);
    assert_eq!(sqn(&quintet(&mut hss, &mut store, 1)).seq(), SEQ_LIMIT - 1);
    assert_eq!(ask(&mut hss, &mut store, request(2)).unwrap_err(), Refusal::Exhausted);
}

/// AUTS of a USIM whose highest SEQ is `seq`, to a challenge with `rand`.
fn resynchronisation(seq: u64, rand: Rand) -> Option<Resynchronisation> {
    let auts = aka::auts(&Subscriber::with_opc(K, OPC), rand, Sqn::new(seq, 0).unwrap());
    Some(Resynchronisation { rand, auts })
}

#[test]
fn auts_moves_sqn_ahead_and_that_is_durable_first() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    let rand = quintet(&mut hss, &mut store, 1).rand;
    let moved = Request { resynchronisation: resynchronisation(1000, rand), ..request(2) };
    let Ok(Vector::Gba(quintet)) = ask(&mut hss, &mut store, moved) else { panic!() };
    assert_eq!(sqn(&quintet).seq(), 1001);
    assert!(store.reserved(&stream(&imsi())).unwrap() > 1001);
}

#[test]
fn auts_never_moves_sqn_back() {
    let (mut hss, mut store) = (hss(500), Memory::default());
    store.set(stream(&imsi()), 500);
    let first = quintet(&mut hss, &mut store, 1);
    let moved = Request { resynchronisation: resynchronisation(3, first.rand), ..request(2) };
    let Ok(Vector::Gba(second)) = ask(&mut hss, &mut store, moved) else { panic!() };
    assert_eq!((sqn(&first).seq(), sqn(&second).seq()), (500, 501));
}

#[test]
fn a_usim_that_cannot_follow_is_said_so() {
    let start = DELTA + 10;
    let (mut hss, mut store) = (hss(start), Memory::default());
    store.set(stream(&imsi()), start);
    for (n, (seq, reached)) in [(9, false), (10, true)].into_iter().enumerate() {
        let rand = Rand([77; 16]);
        let moved = Request { resynchronisation: resynchronisation(seq, rand), ..request(n as u64) };
        assert_eq!(
            ask(&mut hss, &mut store, moved).err(),
            (!reached).then_some(Refusal::OutOfReach),
            "{seq}"
        );
    }
}

#[test]
fn an_auts_that_is_made_up_moves_nothing_and_gives_nothing() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    let rand = quintet(&mut hss, &mut store, 1).rand;
    let mut forged = resynchronisation(1000, rand).unwrap();
    forged.auts.0[13] ^= 1;
    let other_rand = Resynchronisation { rand: Rand([9; 16]), ..resynchronisation(1000, rand).unwrap() };
    for (n, forged) in [forged, other_rand].into_iter().enumerate() {
        let asked = Request { resynchronisation: Some(forged), ..request(10 + n as u64) };
        assert_eq!(ask(&mut hss, &mut store, asked).unwrap_err(), Refusal::Auts);
    }
    assert_eq!(sqn(&quintet(&mut hss, &mut store, 2)).seq(), 2);
}

#[test]
fn a_usim_accepts_vectors_of_two_nodes_in_any_order() {
    let (mut hss, mut store) = (hss(0), Memory::default());
    let mut usim = Usim::new(Subscriber::with_opc(K, OPC), SqnArray::default());
    let bsf: Vec<_> = (0..8).map(|n| quintet(&mut hss, &mut store, n)).collect();
    let eap = Purpose::EapAkaPrime { network_name: "WLAN".into() };
    let asked = Request { node: Node::Aaa, purpose: eap, subject: Subject::Imsi(imsi()), ..request(50) };
    let Ok(Vector::EapAkaPrime(aaa)) = ask(&mut hss, &mut store, asked) else { panic!() };
    let late = bsf.iter().rev().map(|q| (q.rand, q.autn, Domain::Gba));
    for (rand, autn, domain) in [(aaa.rand, aaa.autn, Domain::EapAkaPrime)].into_iter().chain(late) {
        usim.handle_input(usim::Input::Authenticate { rand, autn, domain }).unwrap();
        assert!(matches!(usim.poll_output(), Some(usim::Output::Store(_))));
        usim.handle_input(usim::Input::Stored).unwrap();
        assert!(usim.poll_output().is_some());
    }
}

/// Recomputed vectors of test set 19, which RFC 5448 Appendix C case 1 has as its CK and IK.
#[test]
fn keys_of_eap_aka_prime_are_those_of_rfc_5448() {
    let keys =
        Subscriber::with_op(hex("5122250214c33e723a5dd523fc145fc0"), hex("c9e8763286b5b9ffbdf56e1297d0887b"));
    let sqn = Sqn::from_octets(hex("16f3b3f70fc2"));
    let made = Quintet::new(&keys, Rand(hex("81e92b6c0ee0e12ebceba8d92a99dfa5")), sqn, Amf(hex("c3ab")));
    assert_eq!(made.autn.0, hex("bb52e91c747ac3ab2a5c23d15ee351d5"));
    assert_eq!(made.res, hex("28d7b0f2a2ec3de5"));
    for (name, ck, ik) in [
        ("WLAN", "0093962d0dd84aa5684b045c9edffa04", "ccfc230ca74fcc96c0a5d61164f5a76c"),
        ("HRPD", "3820f0277fa5f77732b1fb1d90c1a0da", "db94a0ab557ef6c9ab48619ca05b9a9f"),
    ] {
        let again = Quintet::new(&keys, made.rand, sqn, made.autn.amf());
        let purpose = Purpose::EapAkaPrime { network_name: name.into() };
        let Ok(Vector::EapAkaPrime(vector)) = Vector::new(again, &purpose) else { panic!() };
        assert_eq!((vector.keys.ck_prime, vector.keys.ik_prime), (hex(ck), hex(ik)), "{name}");
    }
}

fn hex<const N: usize>(digits: &str) -> [u8; N] {
    sidelink_wire::hex::bytes(digits).unwrap().try_into().unwrap()
}

proptest! {
    /// Deaths between any two inputs, before and after a reservation became durable: no SQN twice, none lower.
    #[test]
    fn no_crash_gives_a_sqn_twice(deaths in proptest::collection::vec(0_u8..4, 1..120)) {
        let (mut store, mut last, mut n) = (Memory::default(), 0, 0);
        let mut hss = hss(0);
        for death in deaths {
            n += 1;
            hss.handle_input(Input::Request(request(n)));
            loop {
                match hss.poll_output() {
                    Output::Reserve(_) if death == 1 => break,
                    Output::Reserve(reservation) => {
                        let granted = reservation.commit(&mut store).unwrap();
                        if death == 2 {
                            break;
                        }
                        hss.handle_input(Input::Granted { granted });
                    }
                    Output::Answer { result: Ok(Vector::Gba(quintet)), .. } => {
                        prop_assert!(sqn(&quintet).seq() > last);
                        last = sqn(&quintet).seq();
                    }
                    Output::Answer { .. } => {}
                    Output::Timeout(_) => break,
                }
            }
            if death > 0 {
                hss = self::hss(store.reserved(&stream(&imsi())).unwrap());
            }
        }
    }
}
