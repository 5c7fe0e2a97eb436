use proptest::prelude::*;

use super::*;

mod nr;

const LTE: Coding = Coding::Lte;

fn parse(bytes: &[u8]) -> Result<Repr<'_>, Error> {
    parse_as(LTE, bytes)
}

fn parse_as(coding: Coding, bytes: &[u8]) -> Result<Repr<'_>, Error> {
    Packet::new_checked(coding, bytes).and_then(|packet| Repr::parse(&packet))
}

fn emitted(repr: &Repr<'_>) -> Vec<u8> {
    emitted_as(LTE, repr)
}

fn emitted_as(coding: Coding, repr: &Repr<'_>) -> Vec<u8> {
    let mut out = vec![0xee; repr.buffer_len(coding)];
    repr.emit(coding, &mut out).unwrap();
    out
}

const CAPABILITIES: Capabilities = Capabilities { eea: 0xf0, eia: 0x70 };

/// 001010123456789.
const IMSI: [u8; 8] = [0x0b, 0x10, 0x10, 0x10, 0x32, 0x54, 0x76, 0x98];

/// 490154203237518: digit 1 is 4, an odd number of digits, type 4.
const IMEI: [u8; 9] = [0x4c, 0x09, 0x51, 0x24, 0x30, 0x32, 0x57, 0x81, 0xff];

fn request() -> CommunicationRequest<'static> {
    CommunicationRequest {
        user_info: UserInfo { kind: 3, value: &IMSI },
        ip_config: 1,
        maximum_inactivity: 0x0102_0304,
        nonce: [0x11; 16],
        capabilities: CAPABILITIES,
        kd_sess_msb: 0x5a,
        kd_id: None,
        relay_service_code: None,
        signature: None,
        link_local: None,
        key_info: None,
        connection: None,
        policy: None,
        target: None,
    }
}

fn command() -> SecurityModeCommand<'static> {
    SecurityModeCommand {
        capabilities: CAPABILITIES,
        nonce: [0x22; 16],
        algorithms: Algorithms { eea: 2, eia: 3 },
        kd_sess_lsb: 0xa5,
        kd_id_msb: None,
        kd_freshness: None,
        gpi: None,
        user_info: None,
        signature: None,
        encrypted_payload: None,
        policy: None,
    }
}

/// Returns each message once with no optional element and once with all.
fn messages() -> Vec<Body<'static>> {
    let signature = Some([0x77; SIGNATURE_LEN]);
    vec![
        Body::CommunicationRequest(request()),
        Body::CommunicationRequest(CommunicationRequest {
            kd_id: Some([1, 2, 3, 4]),
            relay_service_code: Some([5, 6, 7]),
            signature,
            link_local: Some([8; 16]),
            key_info: Some(&[6; 40]),
            target: Some(b"john"),
            connection: Some([1, 2, 3, 4]),
            ..request()
        }),
        Body::CommunicationAccept {
            ip_config: 2,
            link_local: None,
            user_info: None,
            up: None,
            connection: None,
        },
        Body::CommunicationAccept {
            ip_config: 2,
            link_local: Some([9; 16]),
            user_info: None,
            up: None,
            connection: None,
        },
        Body::CommunicationReject { cause: 5 },
        Body::Keepalive { counter: 7, maximum_inactivity: None },
        Body::Keepalive { counter: 7, maximum_inactivity: Some(60) },
        Body::KeepaliveAck { counter: 7 },
        Body::Release { reason: 1 },
        Body::ReleaseAccept,
        Body::SecurityModeCommand(command()),
        Body::SecurityModeCommand(SecurityModeCommand {
            kd_id_msb: Some([1, 2]),
            kd_freshness: Some([3; 16]),
            gpi: Some(&[4; 100]),
            user_info: Some(UserInfo { kind: 1, value: &[] }),
            signature,
            encrypted_payload: Some(&[5; 273]),
            ..command()
        }),
        Body::SecurityModeComplete { kd_id_lsb: None, up_policy: None, connection: None },
        Body::SecurityModeComplete {
            kd_id_lsb: Some([1, 2]),
            up_policy: None,
            connection: Some([4, 3, 2, 1]),
        },
        Body::SecurityModeReject { cause: 6, rand: None, auts: None },
        Body::SecurityModeReject { cause: 9, rand: Some([1; 16]), auts: Some([2; 14]) },
        Body::RekeyingRequest(RekeyingRequest {
            capabilities: CAPABILITIES,
            nonce: [1; 16],
            kd_sess_msb: 2,
            re_auth: Some(1),
            pruk_id: Some([3; 8]),
            key_info: Some(&[]),
        }),
        Body::RekeyingResponse,
        Body::RekeyingTrigger,
        Body::RemoteUeInfoRequest { kind: 1 },
        Body::RemoteUeInfoResponse { identity: None },
        Body::RemoteUeInfoResponse { identity: Some(IMEI) },
        Body::Relay(RelayMessage::TmgiMonitoringRequest { tmgi: [1; 6], sais: &[2; 512], priority: 8 }),
        Body::Relay(RelayMessage::TmgiMonitoringResponse { group: [3; 3], t4104: 1440, in_cell: true }),
        Body::Relay(RelayMessage::CellIdAnnouncementRequest),
        Body::Relay(RelayMessage::CellIdAnnouncementResponse { t4106: 1 }),
        Body::Authentication { phase: AuthenticationPhase::Request, method: 2, content: &[1; 300] },
        Body::Authentication { phase: AuthenticationPhase::Response, method: 2, content: &[] },
        Body::Authentication { phase: AuthenticationPhase::Reject, method: 2, content: &[9] },
    ]
}

#[test]
// TS 24.334 §11.4.12A.1; TS 24.334 §11.4.13.1 to 11.4.18.1; TS 24.334 §11.4.3.1 to 11.4.8.1; TS 24.334 §12.5.1.6, .9
// TS 24.334 §9.2.1
fn every_message_comes_back_and_every_cut_is_found() {
    for body in messages() {
        let repr = Repr { sequence: 0xabcd, body };
        let bytes = emitted(&repr);
        assert_eq!(parse(&bytes), Ok(repr));
        assert_eq!((bytes[0], &bytes[1..3]), (body.message_type().lte(), &[0xab, 0xcd][..]));
        for len in 0..bytes.len() {
            match parse(&bytes[..len]) {
                Err(error) => assert!(error.is_malformed()),
                // Cut between two optional elements: still a valid message of the same kind.
                Ok(shorter) => assert_eq!(emitted(&shorter), bytes[..len]),
            }
        }
        let short = repr.emit(LTE, &mut vec![0; bytes.len() - 1]);
        assert!(matches!(short, Err(Error::BufferTooShort { .. })));
    }
}

#[test]
// TS 24.334 §10.4.2.2 (2); TS 24.334 §10.4.2.2 (7); TS 24.334 §10.4.2.2 (8); TS 24.334 §11.4.1; TS 24.334 §11.4.2.1
// TS 24.334 §12.5.1 IEIs; TS 24.334 §12.5.1.22; TS 24.334 §12.5.1.23; TS 24.334 §12.5.1.24 to .28
// TS 24.334 §12.5.1.3 (1); TS 24.334 §12.5.1.3 (2); TS 24.334 §12.5.1.6, .9
fn request_stands_as_the_table_says() {
    let body = Body::CommunicationRequest(CommunicationRequest { kd_id: Some([1, 2, 3, 4]), ..request() });
    let bytes = emitted(&Repr { sequence: 1, body });
    let mut expected = vec![1, 0, 1, 8];
    expected.extend(IMSI);
    expected.extend([1, 1, 2, 3, 4]);
    expected.extend([0x11; 16]);
    expected.extend([0xf0, 0x70, 0x5a, 17, 1, 2, 3, 4]);
    assert_eq!(bytes, expected);
    let bytes = emitted(&Repr { sequence: 1, body: Body::SecurityModeCommand(command()) });
    assert_eq!(bytes[21], 0x23, "ciphering 2 in bits 7-5, integrity 3 in bits 3-1");
}

#[test]
// TS 24.334 §11.4.1; TS 24.334 §11.4.13.1 to 11.4.18.1; TS 24.334 §12.5.1.24 to .28
fn comprehension() {
    let with = |extra: &[u8]| {
        let mut bytes = vec![13, 0, 1];
        bytes.extend(extra);
        bytes
    };
    let none = Ok(Repr {
        sequence: 1,
        body: Body::SecurityModeComplete { kd_id_lsb: None, up_policy: None, connection: None },
    });
    assert_eq!(parse(&with(&[0x30, 2, 9, 9, 0x80, 0xff])), none, "skipped by length, and one octet each");
    assert_eq!(
        parse(&with(&[0x0c, 1, 1])),
        Err(Error::Reserved { what: "IEI of PC5-S", value: 0x0c }),
        "must be understood"
    );
    assert!(matches!(parse(&with(&[0x30, 3, 9, 9])), Err(Error::LengthLies { .. })));
    let first = Body::SecurityModeComplete { kd_id_lsb: Some([1, 2]), up_policy: None, connection: None };
    assert_eq!(parse(&with(&[15, 1, 2, 15, 3, 4])).map(|repr| repr.body), Ok(first), "the first counts");
}

#[test]
// TS 24.334 §12.5.1.1
fn unknown_types_and_wrong_ranges() {
    let known: Vec<u8> = (0..=255u8)
        .filter(|&message_type| {
            !matches!(
                parse(&[message_type, 0, 0]),
                Err(Error::Reserved { what: "message type of PC5-S", .. })
            )
        })
        .collect();
    assert_eq!(known, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0xe0, 0xe1, 0xe2]);

    let refuse = |body| {
        let repr = Repr { sequence: 0, body };
        assert!(matches!(repr.emit(LTE, &mut vec![0; 20_000]), Err(Error::OutOfRange { .. })));
    };
    refuse(Body::SecurityModeCommand(SecurityModeCommand {
        algorithms: Algorithms { eea: 8, eia: 0 },
        ..command()
    }));
    refuse(Body::SecurityModeCommand(SecurityModeCommand { gpi: Some(&[0; 256]), ..command() }));
    refuse(Body::CommunicationRequest(CommunicationRequest {
        user_info: UserInfo { kind: 1, value: &[0; 255] },
        ..request()
    }));
    refuse(Body::CommunicationRequest(CommunicationRequest { key_info: Some(&[0; 256]), ..request() }));
    refuse(Body::Authentication { phase: AuthenticationPhase::Reject, method: 0, content: &[0; 8001] });
    let mut long = vec![0xe0, 0, 0, 1, 0x1f, 0x41];
    long.extend([0; 8001]);
    assert!(matches!(parse(&long), Err(Error::Oversized { .. })));
}

/// TS 24.334 §11.4.9 to §11.4.12 and §11.4.19, written out.
#[test]
// TS 24.334 §11.4.9 to 11.4.12; TS 24.334 §12.5.1.36
fn messages_of_relays_stand_as_the_tables_say() {
    let bytes = |body| emitted(&Repr { sequence: 1, body });
    let request = RelayMessage::TmgiMonitoringRequest {
        tmgi: [1, 2, 3, 4, 5, 6],
        sais: &[0x11, 0x12, 0x21, 0x22],
        priority: 3,
    };
    let expected = [8, 0, 1, 1, 2, 3, 4, 5, 6, 0, 5, 1, 0x11, 0x12, 0x21, 0x22, 3];
    assert_eq!(bytes(Body::Relay(request)), expected);
    let response = RelayMessage::TmgiMonitoringResponse { group: [7, 8, 9], t4104: 0x0123, in_cell: true };
    assert_eq!(bytes(Body::Relay(response)), [9, 0, 1, 7, 8, 9, 1, 0x23, 1]);
    assert_eq!(bytes(Body::Relay(RelayMessage::CellIdAnnouncementRequest)), [10, 0, 1]);
    let response = RelayMessage::CellIdAnnouncementResponse { t4106: 0x0123 };
    assert_eq!(bytes(Body::Relay(response)), [11, 0, 1, 1, 0x23]);
    let expected = [19, 0, 1, 27, 0x4c, 0x09, 0x51, 0x24, 0x30, 0x32, 0x57, 0x81, 0xff];
    assert_eq!(bytes(Body::RemoteUeInfoResponse { identity: Some(IMEI) }), expected);
}

/// What an IMEI leaves of its nine octets is ignored; another type of identity, times and lists outside their ranges are
/// refused.
#[test]
// TS 24.334 §11.4.9 to 11.4.12; TS 24.334 §12.5.1.36
fn elements_of_relays_keep_to_their_ranges() {
    let identity = |octets: &[u8; 9]| {
        let message = [&[19, 0, 1, 27][..], octets].concat();
        match parse(&message)?.body {
            Body::RemoteUeInfoResponse { identity } => Ok(identity),
            other => panic!("{other:?}"),
        }
    };
    let mut octets = IMEI;
    octets[8] = 0;
    assert_eq!(identity(&octets), Ok(Some(IMEI)));
    (octets[0], octets[8]) = (0x45, 0x06);
    let mut imeisv = octets;
    imeisv[8] = 0xf6;
    assert_eq!(identity(&octets), Ok(Some(imeisv)));
    octets[0] = 0x43;
    assert!(matches!(identity(&octets), Err(Error::Reserved { .. })));
    for bytes in [
        &[9, 0, 1, 7, 8, 9, 0, 0, 1][..],
        &[9, 0, 1, 7, 8, 9, 5, 0xa1, 1],
        &[11, 0, 1, 0, 0],
        &[8, 0, 1, 1, 2, 3, 4, 5, 6, 0, 3, 0, 1, 2, 9],
        &[8, 0, 1, 1, 2, 3, 4, 5, 6, 0, 3, 1, 1, 2, 3],
        &[8, 0, 1, 1, 2, 3, 4, 5, 6, 0, 0, 3],
    ] {
        assert!(parse(bytes).is_err_and(|error| error.is_malformed()), "{bytes:x?}");
    }
    let request = |sais, priority| RelayMessage::TmgiMonitoringRequest { tmgi: [0; 6], sais, priority };
    for message in [
        request(&[0; 514], 1),
        request(&[], 1),
        request(&[0; 3], 1),
        request(&[0; 2], 0),
        RelayMessage::CellIdAnnouncementResponse { t4106: 0 },
        RelayMessage::CellIdAnnouncementResponse { t4106: 1441 },
        RelayMessage::TmgiMonitoringResponse { group: [0; 3], t4104: 1441, in_cell: false },
    ] {
        let repr = Repr { sequence: 0, body: Body::Relay(message) };
        assert!(repr.emit(LTE, &mut vec![0; 1000]).is_err(), "{message:?}");
    }
    let lied = Repr { sequence: 0, body: Body::RemoteUeInfoResponse { identity: Some([0x43; 9]) } };
    assert!(lied.emit(LTE, &mut [0; 20]).is_err());
}

/// TS 24.334 §12.1A: a message with a reserved value is discarded, spare bits are ignored and sent as zero.
#[test]
// TS 24.334 §12.1A (1); TS 24.334 §12.1A (2); TS 24.334 §12.1A (4); TS 24.334 §12.5.1.3 (1); TS 24.334 §12.5.1.3 (2)
// TS 24.334 §12.5.1.32; TS 24.334 §12.5.1.35; TS 24.334 §12.5.1.4; TS 24.334 §12.5.1.7; TS 24.334 §12.5.1.8
fn reserved_values_are_refused_and_spare_bits_ignored() {
    let request = emitted(&Repr { sequence: 1, body: Body::CommunicationRequest(request()) });
    let rekeying = RekeyingRequest {
        capabilities: CAPABILITIES,
        nonce: [1; 16],
        kd_sess_msb: 2,
        re_auth: Some(1),
        pruk_id: None,
        key_info: None,
    };
    let rekeying = emitted(&Repr { sequence: 1, body: Body::RekeyingRequest(rekeying) });
    let mut named = vec![1, 0, 1, 5, 1];
    named.extend(b"mary");
    named.extend(&request[12..]);
    // Message, place of the field, its bits, and what is not reserved.
    let last = rekeying.len() - 1;
    let fields = [
        (request, 12, 0x0f, 0..=3),
        (named, 4, 0x07, 1..=3),
        (vec![2, 0, 1, 0], 3, 0x0f, 0..=3),
        (vec![3, 0, 1, 0], 3, 0x0f, 1..=10),
        (vec![6, 0, 1, 0], 3, 0x0f, 1..=3),
        (vec![14, 0, 1, 0], 3, 0x0f, 1..=10),
        (vec![18, 0, 1, 0], 3, 0xff, 1..=2),
        (rekeying, last, 1, 1..=1),
    ];
    for (mut message, at, mask, known) in fields {
        for octet in 0..=255u8 {
            message[at] = octet;
            let (kind, parsed) = (message[0], parse(&message));
            assert_eq!(
                parsed.is_ok(),
                known.contains(&(octet & mask)),
                "type {kind}, {octet:#x}: {parsed:?}"
            );
            // The first octet of an IMSI is the digits' as well.
            let imsi = at == 4 && octet & mask == 3;
            if let Some(repr) = parsed.ok().filter(|_| !imsi) {
                assert_eq!(emitted(&repr)[at], octet & mask, "type {kind}: spare bits are sent as zero");
            }
        }
    }
    let refuse = |body| {
        let repr = Repr { sequence: 0, body };
        assert!(matches!(repr.emit(LTE, &mut vec![0; 1000]), Err(Error::NotCarried { .. })), "{body:?}");
    };
    refuse(Body::CommunicationReject { cause: 11 });
    refuse(Body::SecurityModeReject { cause: 0, rand: None, auts: None });
    refuse(Body::Release { reason: 4 });
    refuse(Body::RemoteUeInfoRequest { kind: 0 });
    refuse(Body::CommunicationRequest(CommunicationRequest { ip_config: 4, ..self::request() }));
    for user_info in [UserInfo { kind: 4, value: &[] }, UserInfo { kind: 3, value: b"001" }] {
        refuse(Body::CommunicationRequest(CommunicationRequest { user_info, ..self::request() }));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(
        message_type in 0u8..20,
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        known in any::<bool>(),
    ) {
        if let (Some(first), true) = (bytes.first_mut(), known) {
            *first = message_type;
        }
        if let Ok(repr) = parse(&bytes) {
            let again = emitted(&repr);
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(parse(&again), Ok(repr));
        }
    }

    /// A valid message with a few octets changed: closer to the edge of validity than random bytes.
    #[test]
    // TS 24.334 §10.4.5.6.2, 10.4.8.6.2
    fn damaged_messages_are_judged_without_a_panic(
        index in 0..messages().len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = emitted(&Repr { sequence: 1, body: messages()[index] });
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(repr) = parse(&bytes) {
            let again = emitted(&repr);
            prop_assert_eq!(parse(&again), Ok(repr));
        }
    }
}
