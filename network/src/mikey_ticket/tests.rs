pub(crate) mod ue;

use proptest::prelude::*;
use sidelink_wire::mikey::{KeyKind, Packet, Payload, Repr, TicketFlags, TicketType};

use super::initial::{Body, Claimed, Exchange};
use super::ticket::{Chance, Policy, Sealed};
use super::*;
use ue::Ue;

fn now() -> UtcTime {
    UtcTime::from_millis(1_800_000_600_000)
}

pub(crate) fn policy(flags: TicketFlags) -> Policy {
    Policy {
        ticket_type: TicketType::GPP_BASE,
        flags,
        kms: Some("kms.lab".into()),
        initiator: Some("sip:alice@lab".into()),
        start: Some(now()),
        end: Some(now().plus_millis(3_600_000)),
        applications: vec![ticket::APPLICATION.into()],
        responders: vec!["sip:bob@lab".into()],
        wanted: Vec::new(),
    }
}

fn tgk(octet: u8) -> Key {
    Key { kind: KeyKind::Tgk, key: Zeroizing::new(vec![octet; 16]), spi: vec![1] }
}

/// Messages that an independent program made (`oracle_mikey.py`): proven, and their ticket opened, with the keys that it says.
#[test]
fn messages_of_an_independent_program_are_understood() {
    let text = include_str!("../../vectors/selfmade_mikey_ticket.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let octets = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
        let request = octets("REQUEST_INIT_PSK");
        // They name no key: B-TIDs are of the profile of 3GPP alone.
        assert!(Claimed::read(&request).is_err());
        let resolve = octets("RESOLVE_INIT_PSK");
        let message = Repr::parse(&Packet::new_checked(&resolve[..]).unwrap()).unwrap();
        let found = message.payloads.iter().find_map(|payload| match payload {
            Payload::Ticket(ticket) => Some(*ticket),
            _ => None,
        });
        let content = ticket::open(&octets("tpk"), &found.unwrap()).unwrap();
        assert_eq!((&content.mpk_i[..], &content.mpk_r[..]), (&octets("MPKi")[..], &octets("MPKr")[..]));
        assert_eq!(&content.keys[0].key[..], octets("tgk"));
        assert_eq!(content.policy.responders, ["sip:ue2@testbed"]);
        assert_eq!(content.policy.kms.as_deref(), Some("kms.testbed"));
        assert_eq!(ticket::open(&[0; 16], &found.unwrap()).unwrap_err(), Refused::WrongMac);
        // The answer is of the same form, and as long as that of the independent program.
        let ue =
            Ue { csb_id: 0x0303_0303, kms: "kms.testbed".into(), ..Ue::new("sip:ue2@testbed", 9, now()) };
        let is_forked = content.policy.flags.has(TicketFlags::I);
        let asked = ue.resolve(&Sealed::of(&found.unwrap()), is_forked.then_some(&content.mpk_r[..]));
        let proven = Claimed::read(&asked).unwrap().prove(&ue.key).unwrap();
        let rand: [u8; 16] = octets("RANDRkms").try_into().unwrap();
        let answer = response::resolved(&proven, now(), "kms.testbed", &content, &rand).unwrap();
        // Its time is one of 64 bits, ours has 32.
        assert_eq!(answer.len() + 4, octets("RESOLVE_RESP").len());
        let opened = ue.open(Exchange::Resolve, &asked, &answer).unwrap();
        assert_eq!(opened.mpk_i, octets("MPKi"));
        assert_eq!(opened.mpk_r, is_forked.then(|| octets("MPKr_forked")));
        assert_eq!(&opened.keys[0].key[..], octets("TGK_forked"));
        assert_eq!(opened.rand_kms.is_some(), is_forked);
    }
}

fn sealed(flags: TicketFlags) -> (Sealed, ticket::Content) {
    let chance = Chance { mpk: &[3; 16], rand: &[4; 16], header: b"lab---" };
    ticket::seal(&[5; 32], now(), policy(flags), vec![tgk(6)], &chance).unwrap()
}

#[test]
fn a_ticket_comes_back_and_each_octet_of_it_counts() {
    let plain = TicketFlags::D.with(TicketFlags::H);
    let (sealed, content) = sealed(plain);
    let open = |ticket: &wire::Ticket<'_>| ticket::open(&[5; 32], ticket);
    let back = open(&sealed.payload()).unwrap();
    assert_eq!((&back.policy, &back.mpk_i, &back.keys), (&content.policy, &content.mpk_i, &content.keys));
    let whole = sealed.payload();
    for at in 0..whole.data.len() {
        let mut data = whole.data.to_vec();
        data[at] ^= 1;
        assert!(open(&wire::Ticket { data: &data, ..whole }).is_err(), "octet {at} of the data");
    }
    for at in 0..whole.policy.data.len() {
        let mut data = whole.policy.data.to_vec();
        data[at] ^= 1;
        let policy = wire::TicketPolicy { data: &data, ..whole.policy };
        assert!(open(&wire::Ticket { policy, ..whole }).is_err(), "octet {at} of the policy");
    }
    let policy = wire::TicketPolicy { flags: plain.with(TicketFlags::E), ..whole.policy };
    assert!(open(&wire::Ticket { policy, ..whole }).is_err(), "another flag");
}

/// With forking, whoever sends a ticket on shows that it has MPKr.
#[test]
fn a_forked_ticket_is_resolved_with_the_initiators_mark_alone() {
    let (sealed, content) = sealed(TicketFlags::GPP_BASE);
    let bob = Ue::new("sip:bob@lab", 2, now());
    let open = |asked: &[u8]| {
        let proven = Claimed::read(asked).unwrap().prove(&bob.key).unwrap();
        let Body::Ticket(ticket) = proven.body else { panic!("a ticket") };
        ticket::open(&[5; 32], &ticket).map(|_| ())
    };
    assert_eq!(open(&bob.resolve(&sealed, Some(&content.mpk_r))), Ok(()));
    assert_eq!(open(&bob.resolve(&sealed, Some(&content.mpk_i))), Err(Refused::WrongMac));
    assert!(matches!(open(&bob.resolve(&sealed, None)), Err(Refused::Unexpected(_))));
}

#[test]
fn each_octet_of_a_request_is_proven() {
    let alice = Ue::new("sip:alice@lab", 1, now());
    let octets = alice.request(&policy(TicketFlags::GPP_BASE));
    let claimed = Claimed::read(&octets).unwrap();
    assert_eq!((claimed.user.as_str(), claimed.key.as_str()), ("sip:alice@lab", "b-tid-1@bsf.lab"));
    assert_eq!((claimed.kms.as_deref(), claimed.time), (Some("kms.lab"), Some(now())));
    claimed.prove(&alice.key).unwrap();
    assert_eq!(Claimed::read(&octets).unwrap().prove(&[0; 32]).unwrap_err(), Refused::WrongMac);
    for at in 0..octets.len() {
        let mut changed = octets.clone();
        changed[at] ^= 1;
        // The flag that wants an answer is not looked at, and covered nevertheless.
        let proven = Claimed::read(&changed).and_then(|claimed| claimed.prove(&alice.key).map(|_| ()));
        assert!(proven.is_err(), "octet {at}");
    }
}

#[test]
fn an_error_has_its_number() {
    let octets = error(77, now(), wire::ErrorNumber::Ticket);
    let alice = Ue::new("sip:alice@lab", 1, now());
    let why = alice.open(Exchange::Request, &[], &octets).unwrap_err();
    assert_eq!(why, Refused::Error(wire::ErrorNumber::Ticket));
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>, key: Vec<u8>) {
        if let Ok(claimed) = Claimed::read(&octets) {
            let _ = claimed.prove(&key);
        }
    }

    #[test]
    fn a_message_cut_or_changed_is_read_or_refused(at: usize, octet: u8, cut: bool) {
        let (sealed, content) = sealed(TicketFlags::GPP_BASE);
        let mut octets = Ue::new("sip:bob@lab", 2, now()).resolve(&sealed, Some(&content.mpk_r));
        let at = at % octets.len();
        if cut { octets.truncate(at) } else { octets[at] = octet }
        if let Ok(claimed) = Claimed::read(&octets) {
            let _ = claimed.prove(&[2; 32]);
        }
    }
}
