use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::hex;

mod profile;
mod tickets;

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
    refused(&message(12, &[0, 16, 0, 0]), "error of MIKEY");
    refused(&message(3, &[0, 3]), "DH group of MIKEY");
}

/// One of each payload that the pre-shared key does without.
fn others() -> Vec<Payload<'static>> {
    let policy = TicketPolicy {
        ticket_type: TicketType::GPP_BASE,
        prf: Prf::HmacSha256,
        flags: TicketFlags::GPP_BASE,
        data: &[9],
    };
    vec![
        Payload::EnvelopeKey(EnvelopeKey { cache: EnvelopeCache::SameBundle, data: &[0xaa] }),
        Payload::Dh(DhValue {
            group: DhGroup::Oakley1,
            value: &[9; 96],
            validity: Validity::Interval { from: &[5], to: &[6] },
        }),
        Payload::Certificate(Certificate { kind: CertificateType::X509Url, data: &[0xbb] }),
        Payload::CertificateHash(CertificateHash { algorithm: HashAlgorithm::Sha256, hash: &[8; 32] }),
        Payload::IdRole { role: IdRole::HiddenInitiator, kind: IdType::Uri, data: &[0xcc] },
        Payload::RandRole { role: RandRole::Kms, rand: &[1, 2] },
        Payload::TimestampRole { role: TimestampRole::RekeyingInterval, timestamp: Timestamp::Counter(9) },
        Payload::TicketPolicy(policy),
        Payload::Ticket(Ticket { policy, data: &[7, 7], initiator_data: &[3] }),
        Payload::Sakke(Sakke {
            parameters: SakkeParameters::Set1,
            scheme: IdentifierScheme::HashedUid,
            data: &[4, 5],
        }),
        Payload::Extension(Extension { kind: ExtensionType(99), data: &[6] }),
        Payload::Signature(Signature { kind: SignatureType::Eccsi, octets: &[1, 2] }),
    ]
}

fn other() -> Repr<'static> {
    let header = Header {
        data_type: DataType::PublicKey,
        wants_verification: false,
        prf: Prf::Mikey1,
        csb_id: 7,
        sessions: CsIdMap::Empty,
    };
    Repr { header, payloads: others() }
}

#[test]
fn payloads_of_other_modes_are_written_as_the_clauses_have_them() {
    let repr = other();
    let bytes = emitted(&repr);
    assert_eq!(parse(&bytes), Ok(repr));
    let mut dh = vec![7, 1];
    dh.extend([9; 96]);
    dh.extend([2, 1, 5, 1, 6]);
    let mut hash = vec![14, 2];
    hash.extend([8; 32]);
    // PRF 1 and the flags of TS 33.328 Annex D.4 but J, K, L, M: 0000 001 1111 1100 0011 00000.
    let policy = [0, 2, 0, 0, 0x03, 0xf8, 0x60, 0, 1, 9];
    let payloads = [
        &[3, 0x80, 1, 0xaa][..],
        &dh,
        &[8, 1, 0, 1, 0xbb],
        &hash,
        &[15, 8, 1, 0, 1, 0xcc],
        &[13, 3, 2, 1, 2],
        &[16, 4, 2, 0, 0, 0, 9],
        &[[17].as_slice(), &policy].concat(),
        &[[26].as_slice(), &policy, &[0, 2, 7, 7, 0, 1, 3]].concat(),
        &[21, 1, 2, 0, 2, 4, 5],
        &[4, 99, 0, 1, 6],
        &[0x20, 2, 1, 2],
    ]
    .concat();
    assert_eq!(
        hex::of_bytes(&bytes),
        hex::of_bytes(&[&[1, 2, 2, 0, 0, 0, 0, 7, 0, 1][..], &payloads].concat())
    );
}

#[test]
fn values_of_other_modes_that_are_reserved_are_refused() {
    for (first, payload, what) in [
        (2, &[0, 0xc0, 1, 0xaa][..], "cache indicator of MIKEY"),
        (4, &[0x30, 1, 0], "signature of MIKEY"),
        (7, &[0, 4, 0, 0], "certificate type of MIKEY"),
        (8, &[0, 3], "hash of MIKEY"),
        (13, &[0, 5, 2, 0, 0, 0, 0], "role of a timestamp of MIKEY"),
        (14, &[0, 0, 0, 0, 0], "role of an identity of MIKEY"),
        (14, &[0, 10, 0, 0, 0], "role of an identity of MIKEY"),
        (14, &[0, 1, 3, 0, 0], "ID type of MIKEY"),
        (15, &[0, 4, 0], "role of a RAND of MIKEY"),
        (16, &[0, 0, 1, 1, 1, 0xff, 0, 0, 0, 0], "PRF of MIKEY"),
        (26, &[0, 0, 2, 0, 0], "SAKKE parameters of MIKEY"),
        (26, &[0, 1, 0, 0, 0], "identifier scheme of SAKKE"),
    ] {
        match parse(&message(first, payload)) {
            Err(Error::Reserved { what: of, .. }) => assert_eq!(of, what),
            result => panic!("{what}: {result:?}"),
        }
    }
}

#[test]
fn an_unknown_payload_is_an_error_wherever_it_stands() {
    for kind in [18, 19, 20, 22, 23, 24, 25, 27, 200, 255] {
        let unknown = Err(Error::Reserved { what: "payload of MIKEY", value: kind.into() });
        assert_eq!(parse(&message(kind, &[0, 0, 0])), unknown);
        assert_eq!(parse(&message(11, &[kind, 1, 0xee, 0, 0])), unknown);
        assert_eq!(Packet::new_checked(&message(kind, &[])[..]).map(|_| ()), unknown.map(|_| ()));
    }
}

#[test]
fn a_view_shows_where_payloads_stand() {
    let bytes = emitted(&other());
    let packet = Packet::new_checked(&bytes[..]).unwrap();
    let kinds: Vec<_> = packet.payloads().map(|raw| raw.kind.0).collect();
    assert_eq!(kinds, [2, 3, 7, 8, 14, 15, 13, 16, 17, 26, 21, 4]);
    let sign = packet.payloads().last().unwrap();
    assert_eq!(&bytes[sign.at..], sign.body, "SIGN names no next payload");
    assert_eq!((sign.at + Signature::HEAD, sign.next), (bytes.len() - 2, PayloadType::LAST));
    let range = packet.payloads().find_map(|raw| initiator_data_range(&raw)).unwrap();
    assert_eq!(bytes[range], [0, 1, 3]);
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
    let sign = |octets| Payload::Signature(Signature { kind: SignatureType::Eccsi, octets });
    let rand = Payload::Rand(&[1]);
    assert!(matches!(refused(vec![sign(&[9]), rand.clone()]), Error::NotCarried { .. }));
    assert!(matches!(refused(vec![Payload::Rand(&[0; 256])]), Error::OutOfRange { max: 0xff, .. }));
    let long = vec![0; 0x1_0000];
    assert!(matches!(refused(vec![sign(&long[..0x1000])]), Error::OutOfRange { max: 0xfff, .. }));
    let envelope = EnvelopeKey { cache: EnvelopeCache::No, data: &long[..0x4000] };
    assert!(matches!(refused(vec![Payload::EnvelopeKey(envelope)]), Error::OutOfRange { max: 0x3fff, .. }));
    let id = Payload::Id { kind: IdType::Nai, data: &long };
    assert!(matches!(refused(vec![id]), Error::OutOfRange { max: 0xffff, .. }));
    let mac = Mac { algorithm: MacAlgorithm::HmacSha1, tag: &[0; 19] };
    assert!(matches!(refused(vec![Payload::Verification(mac)]), Error::NotCarried { .. }));
    let hash = CertificateHash { algorithm: HashAlgorithm::Md5, hash: &[0; 15] };
    assert!(matches!(refused(vec![Payload::CertificateHash(hash)]), Error::NotCarried { .. }));
    let dh = DhValue { group: DhGroup::Oakley2, value: &[0; 127], validity: Validity::Always };
    assert!(matches!(refused(vec![Payload::Dh(dh)]), Error::NotCarried { .. }));
    assert!(matches!(refused(vec![rand; MAX_PAYLOADS + 1]), Error::OutOfRange { max: 64, .. }));
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
    assert!(matches!(KeyData::parse_all(&[0, 0x70, 0, 0, 0, 0]), Err(Error::Reserved { .. })));
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
            let _ = (inner_payloads(&bytes), TicketData::parse(&bytes), key_ids(&bytes));
            let _ = (ProtectedParameters::parse(&bytes), KeyParameters::parse(&bytes), Sakke::parse_to_self(&bytes));
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
        let examples = [hex::bytes(INITIATOR).unwrap(), hex::bytes(VERIFICATION).unwrap(), emitted(&other())];
        for mut bytes in examples {
            let place = at.index(bytes.len());
            bytes[place] = value;
            bytes.truncate(cut.index(bytes.len() + 20) + 1);
            if let Ok(repr) = parse(&bytes) {
                let again = emitted(&repr);
                prop_assert_eq!(again.len(), bytes.len());
                // Reserved bits of DH and of tickets need not come back.
                prop_assert_eq!(parse(&again), Ok(repr));
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        data in octets(60), rand in octets(20), sessions in vec(octets(8), 0..4), counter: u32, ntp: u64,
        csb_id: u32, kind: u8, wants_verification: bool, number in 0_usize..16, parameters in vec((any::<u8>(), octets(9)), 0..4),
    ) {
        let generic = |octets: &'static [u8]| move |session| GenericId {
            cs_id: 4, protocol: 1, sender: true, policies: octets, session, spi: octets,
        };
        let payloads = vec![
            Payload::Extension(Extension { kind: ExtensionType(kind), data: &data }),
            Payload::Timestamp(Timestamp::Counter(counter)),
            Payload::Timestamp(Timestamp::Ntp(ntp)),
            Payload::Timestamp(Timestamp::NtpUtc32(counter)),
            Payload::Rand(&rand),
            Payload::Error(ErrorNumber::ALL[number]),
            Payload::Policy(Policy {
                number: kind,
                protocol: 1,
                parameters: parameters.iter().map(|(kind, value)| (SrtpParameter(*kind), &value[..])).collect(),
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
