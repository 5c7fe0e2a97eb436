use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::hex;

/// RFC 4567 §5.1: the initiator's message of its example, and the verification message (base64 there). The key is not
/// published.
const INITIATOR: &str = "01000580cd177e5001000000000000000000000b00c8e350ea0000000006104a28da979ee21a7651a0d7f19136d98c\
    0a00000f646f6e616c64406475636b2e636f6d010000000000010024d092a981a5640da6b08bdc21541b41b74299d78ca636ebbadbe36fde8ccf2f28\
    302bf19b015f627a69c6508675f5f59050e4abcca4c0bfdcd5";
const VERIFICATION: &str = "01010580cd177e5001000000000000000000000600c8e350ea00000000090000106d69636b6579406d6f7573652e\
    636f6d00019fc1dd184e413035c522e18481afbad80818e5c7";

fn emitted(repr: &Repr<'_>) -> Vec<u8> {
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).unwrap();
    out
}

fn parse(bytes: &[u8]) -> Result<Repr<'_>, Error> {
    Repr::parse(&Packet::new_checked(bytes)?)
}

#[test]
fn the_example_of_rfc_4567_is_understood_and_comes_back() {
    let bytes = hex::bytes(INITIATOR).unwrap();
    let repr = parse(&bytes).unwrap();
    assert_eq!(repr.header.data_type, DataType::PresharedKey);
    assert!(repr.header.wants_verification);
    assert_eq!((repr.header.prf, repr.header.csb_id), (Prf::Mikey1, 0xcd17_7e50));
    assert_eq!(repr.header.sessions, CsIdMap::Srtp(vec![SrtpId { policy: 0, ssrc: 0, roc: 0 }]));
    let [
        Payload::Timestamp(Timestamp::NtpUtc(0xc8e3_50ea_0000_0000)),
        Payload::Rand(rand),
        Payload::Id { kind: IdType::Nai, data: b"donald@duck.com" },
        Payload::Policy(Policy { number: 0, protocol: 0, .. }),
        Payload::Kemac { encryption: Encryption::AesCm128, data, mac },
    ] = &repr.payloads[..]
    else {
        panic!("{repr:?}");
    };
    assert_eq!((rand.len(), data.len()), (16, 36));
    assert_eq!((mac.algorithm, mac.tag), (MacAlgorithm::HmacSha1, &bytes[bytes.len() - 20..]));
    assert_eq!(emitted(&repr), bytes);

    let bytes = hex::bytes(VERIFICATION).unwrap();
    let repr = parse(&bytes).unwrap();
    assert_eq!(repr.header.data_type, DataType::PresharedKeyVerification);
    assert!(matches!(
        repr.payloads[..],
        [
            Payload::Timestamp(_),
            Payload::Id { kind: IdType::Nai, data: b"mickey@mouse.com" },
            Payload::Verification(_)
        ]
    ));
    assert_eq!(emitted(&repr), bytes);
}

/// A header without sessions, then these octets.
fn message(first: u8, payloads: &[u8]) -> Vec<u8> {
    [&[1, 0, first, 0, 0, 0, 0, 7, 0, 1][..], payloads].concat()
}

#[test]
fn what_is_cut_or_has_too_much_is_refused() {
    let bytes = hex::bytes(INITIATOR).unwrap();
    for len in 0..bytes.len() {
        let error = Packet::new_checked(&bytes[..len]).unwrap_err();
        assert!(matches!(error, Error::Truncated { .. } | Error::LengthLies { .. }), "{len}: {error}");
    }
    let lies = Packet::new_checked(message(6, &[0, 0, 0, 9, 1])).unwrap_err();
    assert!(matches!(lies, Error::LengthLies { stated: 9, have: 1, .. }), "{lies}");
    let longer = [&bytes[..], &[0]].concat();
    let error = Packet::new_checked(&longer[..]).unwrap_err();
    assert_eq!(error, Error::Oversized { what: "MIKEY message", max: bytes.len(), have: bytes.len() + 1 });
    let many = message(11, &[[11, 0]; MAX_PAYLOADS + 1].concat());
    assert_eq!(
        Packet::new_checked(&many[..]).unwrap_err(),
        Error::TooMany { what: "payloads of MIKEY", max: MAX_PAYLOADS }
    );
}

#[test]
fn values_that_are_reserved_are_refused() {
    let refused = |bytes: &[u8], what: &str| match parse(bytes) {
        Err(Error::Reserved { what: of, .. }) => assert_eq!(of, what),
        other => panic!("{what}: {other:?}"),
    };
    let good = message(11, &[0, 0]);
    assert!(parse(&good).is_ok());
    for (at, value, what) in [
        (0, 2, "version of MIKEY"),
        (3, 2, "PRF of MIKEY"),
        (8, 1, "#CS of an empty map of MIKEY"),
        (9, 3, "CS ID map type of MIKEY"),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        refused(&bytes, what);
    }
    refused(&message(5, &[0, 4, 0, 0, 0, 0]), "timestamp type of MIKEY");
    refused(&message(6, &[0, 3, 0, 0]), "ID type of MIKEY");
    refused(&message(9, &[0, 3]), "MAC of MIKEY");
    refused(&message(1, &[0, 4, 0, 0, 0]), "encryption of MIKEY");
    refused(&message(12, &[0, 13, 0, 0]), "error of MIKEY");
    refused(&message(3, &[0, 3]), "DH group of MIKEY");
    refused(&message(8, &[0, 2]), "hash of MIKEY");
}

#[test]
fn payloads_of_other_modes_are_carried_as_they_are() {
    // PKE, DH of group 1 with an interval, CERT, CHASH, IDR, RANDR, TR, TP, TICKET, SAKKE, SIGN.
    let mut dh = vec![7, 1];
    dh.extend([9; 96]);
    dh.extend([2, 1, 5, 1, 6]);
    let mut hash = vec![14, 1];
    hash.extend([8; 16]);
    let payloads = [
        &[3, 0xc0, 1, 0xaa][..],
        &dh,
        &[8, 0, 0, 1, 0xbb],
        &hash,
        &[15, 8, 1, 0, 1, 0xcc],
        &[13, 1, 2, 1, 1],
        &[16, 1, 2, 0, 0, 0, 9],
        &[17, 0, 1, 2, 3, 4, 5, 6, 0, 0],
        &[26, 0, 1, 2, 3, 4, 5, 6, 0, 1, 7, 0, 0, 0, 0],
        &[4, 1, 2, 0, 1, 0xdd],
        &[0x20, 2, 1, 2],
    ]
    .concat();
    let bytes = message(2, &payloads);
    let repr = parse(&bytes).unwrap();
    let kinds: Vec<_> = repr.payloads.iter().map(|payload| payload.kind().0).collect();
    assert_eq!(kinds, [2, 3, 7, 8, 14, 15, 13, 16, 17, 26, 4]);
    assert!(repr.payloads.iter().all(|payload| matches!(payload, Payload::Opaque { .. })));
    assert_eq!(emitted(&repr), bytes);
}

#[test]
fn behind_an_unknown_type_nothing_is_found() {
    let bytes = message(11, &[200, 1, 0xee, 5, 2, 0, 0, 0, 1]);
    let repr = parse(&bytes).unwrap();
    let unknown = Payload::Unknown { kind: PayloadType(200), rest: &[5, 2, 0, 0, 0, 1] };
    assert_eq!(repr.payloads, [Payload::Rand(&[0xee]), unknown]);
    assert_eq!(emitted(&repr), bytes);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let header = Header {
        data_type: DataType::PresharedKey,
        wants_verification: false,
        prf: Prf::Mikey1,
        csb_id: 1,
        sessions: CsIdMap::Empty,
    };
    let refused = |payloads: Vec<Payload<'_>>| {
        let repr = Repr { header: header.clone(), payloads };
        let mut out = vec![0; repr.buffer_len()];
        let error = repr.emit(&mut out).unwrap_err();
        assert!(!error.is_malformed(), "{error}");
        error
    };
    let (sign, rand) =
        (Payload::Opaque { kind: PayloadType::SIGN, body: &[0x20, 1, 9] }, Payload::Rand(&[1]));
    assert!(matches!(refused(vec![sign.clone(), rand.clone()]), Error::NotCarried { .. }));
    assert!(matches!(refused(vec![Payload::Rand(&[0; 256])]), Error::OutOfRange { max: 0xff, .. }));
    let long = vec![0; 0x1_0000];
    let id = Payload::Id { kind: IdType::Nai, data: &long };
    assert!(matches!(refused(vec![id]), Error::OutOfRange { max: 0xffff, .. }));
    let mac = Mac { algorithm: MacAlgorithm::HmacSha1, tag: &[0; 19] };
    assert!(matches!(refused(vec![Payload::Verification(mac)]), Error::NotCarried { .. }));
    for body in [&[0x20, 2, 9][..], &[0x20, 1, 9, 9]] {
        let sign = Payload::Opaque { kind: PayloadType::SIGN, body };
        assert!(matches!(refused(vec![sign]), Error::NotCarried { .. }));
    }
    let masked = Payload::Opaque { kind: PayloadType::RAND, body: &[0] };
    assert!(matches!(refused(vec![masked]), Error::NotCarried { .. }), "it has a variant of its own");
    let masked = Payload::Unknown { kind: PayloadType::RAND, rest: &[0, 0] };
    assert!(matches!(refused(vec![masked]), Error::NotCarried { .. }), "its length is known");
    assert!(matches!(refused(vec![rand; MAX_PAYLOADS + 1]), Error::OutOfRange { .. }));
    let repr = Repr { header, payloads: vec![] };
    assert_eq!(repr.emit(&mut [0; 9]), Err(Error::BufferTooShort { needed: 10, have: 9 }));
}

#[test]
fn keys_are_not_shown() {
    let key =
        KeyData { kind: KeyKind::Tek, key: &[0xab; 32], salt: Some(&[0xcd; 14]), validity: Validity::Always };
    assert_eq!(format!("{key:?}"), "KeyData { kind: Tek, validity: Always, .. }");
}

#[test]
fn key_data_end_where_the_last_says() {
    let key = KeyData {
        kind: KeyKind::Tek,
        key: &[7; 3],
        salt: None,
        validity: Validity::Interval { from: &[1], to: &[2, 3] },
    };
    let mut out = vec![0; KeyData::all_len(&[key])];
    KeyData::emit_all(&[key], &mut out).unwrap();
    assert_eq!(out, [0, 0x22, 0, 3, 7, 7, 7, 1, 1, 2, 2, 3]);
    assert_eq!(KeyData::parse_all(&out), Ok(vec![key]));
    assert_eq!(KeyData::parse_all(&[]), Ok(vec![]), "a message may ask for nothing but an answer");
    assert!(matches!(KeyData::parse_all(&[&out[..], &[0]].concat()), Err(Error::Oversized { .. })));
    assert!(matches!(KeyData::parse_all(&[0, 0x60, 0, 0]), Err(Error::Reserved { .. })));
    assert!(matches!(KeyData::parse_all(&[0, 3, 0, 0]), Err(Error::Reserved { .. })));
    assert!(matches!(KeyData::parse_all(&[5, 0, 0, 0]), Err(Error::Reserved { .. })));
    let endless = [20, 0, 0, 0].repeat(MAX_KEYS + 1);
    assert_eq!(KeyData::parse_all(&endless), Err(Error::TooMany { what: "keys of MIKEY", max: MAX_KEYS }));
    assert!(KeyData::emit_all(&[key; MAX_KEYS + 1], &mut [0; 1000]).is_err());
}

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in octets(300), start in 0_u8..40) {
        for bytes in [bytes.clone(), message(start, &bytes)] {
            match parse(&bytes) {
                Err(error) => prop_assert!(error.is_malformed(), "{}", error),
                Ok(repr) => {
                    let out = emitted(&repr);
                    prop_assert_eq!(out.len(), bytes.len());
                    prop_assert_eq!(parse(&out), Ok(repr));
                }
            }
            if let Ok(keys) = KeyData::parse_all(&bytes) {
                let mut out = vec![0; KeyData::all_len(&keys)];
                prop_assert_eq!(KeyData::emit_all(&keys, &mut out), Ok(()));
                prop_assert_eq!(out, bytes);
            }
        }
    }

    #[test]
    fn a_damaged_example_is_taken_or_refused(at: prop::sample::Index, value: u8, cut: prop::sample::Index) {
        for example in [INITIATOR, VERIFICATION] {
            let mut bytes = hex::bytes(example).unwrap();
            let place = at.index(bytes.len());
            bytes[place] = value;
            bytes.truncate(cut.index(bytes.len() + 20) + 1);
            if let Ok(repr) = parse(&bytes) {
                prop_assert_eq!(emitted(&repr), bytes);
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        data in octets(60), rand in octets(20), sessions in vec(octets(8), 0..4), counter: u32, ntp: u64,
        csb_id: u32, kind: u8, wants_verification: bool, number in 0_usize..13, parameters in vec((any::<u8>(), octets(9)), 0..4),
    ) {
        let generic = |octets: &'static [u8]| move |session| GenericId {
            cs_id: 4, protocol: 1, sender: true, policies: octets, session, spi: octets,
        };
        let payloads = vec![
            Payload::Extension { kind, data: &data },
            Payload::Timestamp(Timestamp::Counter(counter)),
            Payload::Timestamp(Timestamp::Ntp(ntp)),
            Payload::Timestamp(Timestamp::NtpUtc32(counter)),
            Payload::Rand(&rand),
            Payload::Error(ErrorNumber::ALL[number]),
            Payload::Policy(Policy {
                number: kind,
                protocol: 1,
                parameters: parameters.iter().map(|(kind, value)| (*kind, &value[..])).collect(),
            }),
            Payload::Id { kind: IdType::Octets, data: &data },
            Payload::Kemac {
                encryption: Encryption::AesCm256,
                data: &data,
                mac: Mac { algorithm: MacAlgorithm::Null, tag: &[] },
            },
        ];
        let header = Header {
            data_type: DataType::from_octet(kind),
            wants_verification,
            prf: Prf::HmacSha256,
            csb_id,
            sessions: CsIdMap::Generic(sessions.iter().map(|s| generic(&[1, 2])(&s[..])).collect()),
        };
        let repr = Repr { header, payloads };
        let bytes = emitted(&repr);
        prop_assert_eq!(parse(&bytes), Ok(repr));
    }
}
