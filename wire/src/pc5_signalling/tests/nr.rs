//! The coding of NR.

use proptest::prelude::*;

use super::super::*;
use super::{CAPABILITIES, command, emitted_as, parse_as, request};

const NR: Coding = Coding::Nr;
const POLICY: SecurityPolicy = SecurityPolicy { ciphering: 1, integrity: 2 };
const NAME: UserInfo<'static> = UserInfo { kind: 1, value: b"mary" };

fn nr_request() -> CommunicationRequest<'static> {
    let (ip_config, maximum_inactivity, policy) = (0, 0, Some(POLICY));
    CommunicationRequest { user_info: NAME, ip_config, maximum_inactivity, policy, ..request() }
}

fn nr_command() -> SecurityModeCommand<'static> {
    SecurityModeCommand { policy: Some(POLICY), ..command() }
}

fn accept(ip_config: u8, link_local: Option<[u8; 16]>, integrity: bool) -> Body<'static> {
    let up = Some(UserPlane { ciphering: true, integrity });
    Body::CommunicationAccept { ip_config, link_local, user_info: Some(NAME), up, connection: None }
}

fn authentication(phase: AuthenticationPhase, method: u8, content: &'static [u8]) -> Body<'static> {
    Body::Authentication { phase, method, content }
}

/// Returns each message once with no optional element and once with all.
fn messages() -> Vec<Body<'static>> {
    let (one, two) =
        (Identifiers { kd_sess: 1, layer2: [2, 3, 4] }, Identifiers { kd_sess: 5, layer2: [6, 7, 8] });
    let rekeying = RekeyingRequest {
        capabilities: CAPABILITIES,
        nonce: [1; 16],
        kd_sess_msb: 2,
        re_auth: None,
        pruk_id: None,
        key_info: None,
    };
    vec![
        Body::CommunicationRequest(nr_request()),
        Body::CommunicationRequest(CommunicationRequest {
            kd_id: Some([1, 2, 3, 4]),
            key_info: Some(&[6; 400]),
            target: Some(b"john"),
            ..nr_request()
        }),
        accept(0, None, false),
        accept(2, Some([9; 16]), true),
        Body::CommunicationReject { cause: 5 },
        Body::Keepalive { counter: 7, maximum_inactivity: None },
        Body::Keepalive { counter: 7, maximum_inactivity: Some(60) },
        Body::KeepaliveAck { counter: 7 },
        Body::Release { reason: 1 },
        Body::ReleaseAccept,
        Body::SecurityModeCommand(nr_command()),
        Body::SecurityModeCommand(SecurityModeCommand { kd_id_msb: Some([1, 2]), ..nr_command() }),
        Body::SecurityModeComplete { kd_id_lsb: None, up_policy: Some(POLICY), connection: None },
        Body::SecurityModeComplete { kd_id_lsb: Some([1, 2]), up_policy: Some(POLICY), connection: None },
        Body::SecurityModeReject { cause: 6, rand: None, auts: None },
        Body::RekeyingRequest(rekeying),
        Body::RekeyingRequest(RekeyingRequest { re_auth: Some(1), key_info: Some(&[]), ..rekeying }),
        Body::RekeyingResponse,
        authentication(AuthenticationPhase::Request, 2, &[1; 300]),
        authentication(AuthenticationPhase::Response, 2, &[]),
        authentication(AuthenticationPhase::Reject, 0, &[9]),
        authentication(AuthenticationPhase::Reject, 0xc0, &[3; 16]),
        Body::IdentifierUpdateRequest(one),
        Body::IdentifierUpdateAccept { new: two, asked: one },
        Body::IdentifierUpdateAck(two),
        Body::IdentifierUpdateReject { cause: 3 },
    ]
}

#[test]
fn every_message_comes_back_and_every_cut_is_found() {
    let mut types = std::collections::BTreeSet::new();
    for body in messages() {
        let repr = Repr { sequence: 0xcd, body };
        let bytes = emitted_as(NR, &repr);
        types.insert(bytes[0]);
        assert_eq!(parse_as(NR, &bytes), Ok(repr));
        assert_eq!(bytes[1], 0xcd);
        for len in 0..bytes.len() {
            match parse_as(NR, &bytes[..len]) {
                Err(error) => assert!(error.is_malformed()),
                Ok(shorter) => assert_eq!(emitted_as(NR, &shorter), bytes[..len]),
            }
        }
    }
    let known: Vec<u8> = (0..=255u8)
        .filter(|&message_type| {
            let reserved = Err(Error::Reserved { what: "message type of PC5-S", value: message_type.into() });
            parse_as(NR, &[message_type, 0]) != reserved
        })
        .collect();
    assert_eq!(known, types.into_iter().collect::<Vec<_>>(), "each known type has its message above");
    let listed: Vec<u8> =
        nr_table.iter().filter(|row| row.name.starts_with("TYPE_")).map(|row| row.value).collect();
    assert_eq!(known, listed);
}

/// The octets of TS 38.508-1 Table 4.7.4-7, with one algorithm of each kind and no key.
#[test]
fn request_begins_as_the_conformance_tests_have_it() {
    let bytes = emitted_as(NR, &Repr { sequence: 1, body: Body::CommunicationRequest(nr_request()) });
    let mut expected = vec![1, 1, 4, 0, 0, 0, 1, 4];
    expected.extend(b"mary");
    expected.extend([2, 0xf0, 0x70, 0x12, 0x53]);
    expected.extend([0x11; 16]);
    expected.extend([0x54, 0x5a]);
    assert_eq!(bytes, expected);

    let without_keys = [1, 0, 4, 0, 0, 0, 1, 4, 0, 0, 1, 0, 2, 0x80, 0x80, 0, 0x28, 4, 0, 0, 0x11, 0];
    let missing = Error::Truncated { what: "Nonce_1", needed: 1, have: 0 };
    assert_eq!(
        parse_as(NR, &without_keys),
        Err(missing),
        "the conformance test's own: no integrity, no nonce"
    );
}

#[test]
fn comprehension() {
    let complete = |extra: &[u8]| [&[15, 1, 0x12], extra].concat();
    let none = Body::SecurityModeComplete { kd_id_lsb: None, up_policy: Some(POLICY), connection: None };
    let skipped = complete(&[0x30, 2, 9, 9, 0x80, 0xff, 0x7b, 0, 3, 9, 9, 9]);
    assert_eq!(parse_as(NR, &skipped).map(|r| r.body), Ok(none), "one and two octets of length");
    let must = Err(Error::Reserved { what: "IEI of PC5-S", value: 0x0c });
    assert_eq!(parse_as(NR, &complete(&[0x0c, 1, 1])), must);
    assert!(matches!(parse_as(NR, &complete(&[0x7b, 1, 0, 9])), Err(Error::LengthLies { .. })));
    let first =
        Body::SecurityModeComplete { kd_id_lsb: Some([1, 2]), up_policy: Some(POLICY), connection: None };
    assert_eq!(parse_as(NR, &complete(&[0x5a, 1, 2, 0x5a, 3, 4])).map(|r| r.body), Ok(first));
    // Spare bits are ignored, reserved values are refused (TS 24.587 §8.2).
    assert_eq!(parse_as(NR, &[15, 1, 0x9a]).map(|r| r.body), Ok(none));
    assert!(matches!(parse_as(NR, &[15, 1, 0x32]), Err(Error::Reserved { what: "security policy", .. })));
}

#[test]
fn nothing_is_written_that_a_coding_does_not_have() {
    let refused = |coding, body| {
        let emitted = Repr { sequence: 0, body }.emit(coding, &mut vec![0; 20_000]);
        assert!(matches!(emitted, Err(Error::NotCarried { .. })), "{coding:?} {body:?} {emitted:?}");
    };
    for body in super::messages() {
        use Body as B;
        let both = match &body {
            B::Keepalive { .. } | B::KeepaliveAck { .. } | B::Release { .. } | B::ReleaseAccept => true,
            B::CommunicationReject { .. } | B::RekeyingResponse | B::Authentication { .. } => true,
            B::SecurityModeReject { rand, .. } => rand.is_none(),
            B::RekeyingRequest(request) => request.pruk_id.is_none(),
            _ => false,
        };
        if !both {
            refused(NR, body);
        }
    }
    refused(NR, Body::RekeyingTrigger);
    for body in messages() {
        let named = matches!(body, Body::CommunicationAccept { .. } | Body::CommunicationRequest(_));
        let stated = matches!(body, Body::SecurityModeCommand(_) | Body::SecurityModeComplete { .. });
        if named || stated || body.message_type().lte() >= 0xf0 {
            refused(Coding::Lte, body);
        }
    }
    let late = Repr { sequence: 256, body: Body::ReleaseAccept };
    assert!(matches!(late.emit(NR, &mut [0; 9]), Err(Error::OutOfRange { .. })));
}

#[test]
fn no_number_stands_twice_and_each_keeps_to_its_form() {
    for (i, row) in nr_table.iter().enumerate() {
        let kind = &row.name[..4];
        assert!(nr_table[..i].iter().all(|o| &o.name[..4] != kind || o.value != row.value), "{}", row.name);
        match row.name {
            "IEI_KEY_ESTABLISHMENT" => assert_eq!(row.value >> 4, 7, "two octets of length"),
            "IEI_RE_AUTHENTICATION" => assert!(row.value >= 0x80 && row.value & 0xf == 0, "half an octet"),
            name if name.starts_with("IEI_") => assert!((0x10..0x70).contains(&row.value), "{name}"),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(
        message_type in 0u8..24,
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        known in any::<bool>(),
    ) {
        if let (Some(first), true) = (bytes.first_mut(), known) {
            *first = message_type;
        }
        if let Ok(repr) = parse_as(NR, &bytes) {
            let again = emitted_as(NR, &repr);
            prop_assert_eq!(parse_as(NR, &again), Ok(repr));
            prop_assert_eq!(emitted_as(NR, &parse_as(NR, &again).unwrap()), again);
        }
    }

    #[test]
    fn damaged_messages_are_judged_without_a_panic(
        index in 0..messages().len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = emitted_as(NR, &Repr { sequence: 1, body: messages()[index] });
        let whole = bytes.clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(repr) = parse_as(NR, &bytes) {
            let again = emitted_as(NR, &repr);
            prop_assert_eq!(parse_as(NR, &again), Ok(repr));
        }
        prop_assert_eq!(emitted_as(NR, &parse_as(NR, &whole).unwrap()), whole);
    }
}
