//! Messages that are not as they have to be, whoever made them.

use sidelink_wire::mikey::SrtpId;

use super::*;

/// A message that is altered, and not proven anew: what is wrong is seen before its MAC.
fn altered<'a>(octets: &'a [u8], alter: impl FnOnce(&mut Repr<'a>)) -> Vec<u8> {
    let (_, mut repr) = parse(octets).unwrap();
    alter(&mut repr);
    repr.to_octets().unwrap()
}

fn transfer_octets() -> Vec<u8> {
    let granted = granted(&Server::new(TicketFlags::GPP_BASE)).unwrap();
    transferred(&granted, BOB).octets().to_vec()
}

fn parsed(octets: &[u8]) -> Refused {
    ReceivedTransfer::parse(octets, BOB, window()).map(|_| ()).unwrap_err()
}

#[test]
fn a_transfer_has_its_shape() {
    let good = transfer_octets();
    let srtp = |repr: &mut Repr<'_>| {
        repr.header.sessions = CsIdMap::Srtp(vec![SrtpId { policy: 0, ssrc: 1, roc: 0 }]);
    };
    assert!(matches!(parsed(&altered(&good, srtp)), Refused::Profile(_)));
    let contradiction = |repr: &mut Repr<'_>| {
        for payload in &mut repr.payloads {
            if let Payload::Ticket(ticket) = payload {
                ticket.policy.flags = TicketFlags::GPP_BASE.without(TicketFlags::F);
            }
        }
    };
    assert!(matches!(parsed(&altered(&good, contradiction)), Refused::Format(_)));
    let without_rand = |repr: &mut Repr<'_>| {
        repr.payloads.retain(|payload| !matches!(payload, Payload::RandRole { .. }));
    };
    assert_eq!(parsed(&altered(&good, without_rand)), Refused::Profile("RANDRi"));
    let (_, repr) = parse(&good).unwrap();
    for index in 1..repr.payloads.len() - 1 {
        let twice = |repr: &mut Repr<'_>| repr.payloads.insert(index, repr.payloads[index].clone());
        assert!(matches!(parsed(&altered(&good, twice)), Refused::Profile(_)), "{index}");
    }
    let elsewhere = |repr: &mut Repr<'_>| repr.payloads.swap(0, 1);
    assert!(matches!(parsed(&altered(&good, elsewhere)), Refused::Profile(_)));
    let stranger = |repr: &mut Repr<'_>| repr.payloads.insert(1, Payload::Rand(&[1; 16]));
    assert!(matches!(parsed(&altered(&good, stranger)), Refused::Profile(_)));
    let role = Payload::IdRole { role: IdRole::HiddenResponder, kind: IdType::Uri, data: b"x" };
    assert!(matches!(parsed(&altered(&good, |repr| repr.payloads.insert(1, role))), Refused::Profile(_)));
    let last = |repr: &mut Repr<'_>| drop(repr.payloads.pop());
    assert!(matches!(parsed(&altered(&good, last)), Refused::Profile(_)), "no V");
    let other = |repr: &mut Repr<'_>| repr.header.data_type = DataType::TransferResp;
    assert!(matches!(parsed(&altered(&good, other)), Refused::Profile(_)));
}

#[test]
fn a_grant_has_its_shape() {
    let opened = |wanted, alter: fn(&mut Server)| {
        let mut server = Server::new(wanted);
        alter(&mut server);
        let requested = request_for(wanted, terms());
        requested.open(PSK_I, &server.grant(requested.octets()), window()).map(|_| ())
    };
    assert_eq!(opened(TicketFlags::GPP_BASE, |_| ()), Ok(()));
    let own = PLAIN.without(TicketFlags::D).with(TicketFlags::L);
    assert!(matches!(opened(own, |_| ()), Err(Refused::Profile(_))), "not the server's");
    let contradiction = opened(PLAIN, |server| server.flags = PLAIN.without(TicketFlags::F));
    assert!(matches!(contradiction, Err(Refused::Format(_))));
    for count in [0, 1, 3] {
        let counted = match count {
            0 => opened(TicketFlags::GPP_BASE, |server| server.mpks = Some(0)),
            1 => opened(TicketFlags::GPP_BASE, |server| server.mpks = Some(1)),
            _ => opened(TicketFlags::GPP_BASE, |server| server.mpks = Some(3)),
        };
        assert!(matches!(counted, Err(Refused::Profile(_))), "{count}");
    }
    let requested = request_for(PLAIN, terms());
    let good = Server::new(PLAIN).grant(requested.octets());
    let with_mac = altered(&good, |repr| {
        for payload in &mut repr.payloads {
            if let Payload::Kemac { mac, .. } = payload {
                *mac = Mac { algorithm: MacAlgorithm::HmacSha1, tag: &[0; 20] };
            }
        }
    });
    assert!(matches!(requested.open(PSK_I, &with_mac, window()), Err(Refused::Profile(_))));
    let unproven = altered(&good, |repr| {
        let none = Mac { algorithm: MacAlgorithm::Null, tag: &[] };
        *repr.payloads.last_mut().unwrap() = Payload::Verification(none);
    });
    assert!(
        matches!(requested.open(PSK_I, &unproven, window()), Err(Refused::Profile(_))),
        "NULL proves nothing"
    );
}

#[test]
fn answers_belong_to_their_transfer() {
    let server = Server::new(TicketFlags::GPP_BASE);
    let granted = granted(&server).unwrap();
    let transferred = transferred(&granted, BOB);
    let resolved = resolved(&server, transferred.octets()).unwrap();
    let good = resolved.answer(&answer()).unwrap();
    let other_bundle = altered(&good, |repr| repr.header.csb_id += 1);
    assert!(matches!(transferred.open(&other_bundle, window()), Err(Refused::Profile(_))));
    // Without what the keys are forked with.
    let without = |left_out: fn(&Payload<'_>) -> bool| {
        let octets = altered(&good, |repr| repr.payloads.retain(|payload| !left_out(payload)));
        transferred.open(&octets, window()).map(|_| ())
    };
    let forked = Err(Refused::Profile("IDRr and RANDRkms, as flag I has them"));
    assert_eq!(without(|payload| matches!(payload, Payload::RandRole { role: RandRole::Kms, .. })), forked);
    assert_eq!(without(|payload| matches!(payload, Payload::IdRole { .. })), forked);
    // Another transfer of the same ticket, of the same bundle.
    let again = Transfer {
        csb_id: 2,
        time: at(6),
        rand: &RANDS[2],
        responder: BOB,
        sessions: sessions(),
        policies: Vec::new(),
        hash: Hash::HmacSha256,
    };
    let again = transfer(&granted, &again).unwrap();
    assert_eq!(again.open(&good, window()).unwrap_err(), Refused::WrongMac);
}
