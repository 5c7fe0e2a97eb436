use super::*;

/// The parameters of three messages of two makers, as they were deciphered.
const BARE_WITH_GROUP: &str =
    "00000000000068d7eafa00ffffffff00000020017b001c7369703a67342e63686174407665726f6e6963612d636c7573746572";
const BARE_NO_GROUP: &str = "0000000001000000000000000000000000000100";
const BARE_OF_A_CALL: &str = "0100000001000000000000000000000000";

#[test]
fn parameters_of_two_makers_are_understood_and_come_back() {
    let bytes = hex::bytes(BARE_WITH_GROUP).unwrap();
    let first = KeyParameters::parse(&bytes).unwrap();
    assert_eq!((first.key_type, first.status, first.framing), (KeyType::Gmk, KeyStatus(0), Framing::Bare));
    assert_eq!((first.activation, first.expiry), (0x68d7_eafa, 0xffff_ffff));
    assert_eq!(first.groups, Some(vec![&b"sip:g4.chat@veronica-cluster"[..]]));
    assert!(
        first.status.is_revoked(StatusReading::Standard)
            && !first.status.is_revoked(StatusReading::AlwaysLive)
    );
    assert_eq!(first.emit().unwrap(), bytes);
    for (example, key_type, groups) in
        [(BARE_NO_GROUP, KeyType::Gmk, Some(vec![])), (BARE_OF_A_CALL, KeyType::Pck, None)]
    {
        let bytes = hex::bytes(example).unwrap();
        let parameters = KeyParameters::parse(&bytes).unwrap();
        assert_eq!((parameters.key_type, &parameters.groups), (key_type, &groups));
        assert!(!parameters.status.is_revoked(StatusReading::Standard));
        assert_eq!(parameters.emit().unwrap(), bytes);
    }
}

#[test]
fn the_element_of_the_clause_is_understood_too() {
    let bare = hex::bytes(BARE_WITH_GROUP).unwrap();
    let wrapped = [&[0x79, 0, bare.len() as u8][..], &bare].concat();
    let parameters = KeyParameters::parse(&wrapped).unwrap();
    let expected = KeyParameters { framing: Framing::Element(0x79), ..KeyParameters::parse(&bare).unwrap() };
    assert_eq!(parameters, expected);
    assert_eq!(parameters.emit().unwrap(), wrapped);
    assert!(matches!(KeyParameters::parse(&[&wrapped[..], &[0]].concat()), Err(Error::Oversized { .. })));
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let bare = hex::bytes(BARE_OF_A_CALL).unwrap();
    let with = |at: usize, value: u8| {
        let mut bytes = bare.clone();
        bytes[at] = value;
        bytes
    };
    assert!(matches!(KeyParameters::parse(&with(0, 7)), Err(Error::Reserved { value: 7, .. })));
    assert!(matches!(KeyParameters::parse(&with(16, 1)), Err(Error::LengthLies { .. })));
    assert!(KeyParameters::parse(&[&bare[..], &[0x6f, 0, 0]].concat()).is_err());
    let reserved = [&bare[..], &[0x71, 0, 1, 5]].concat();
    assert_eq!(KeyParameters::parse(&reserved).unwrap().reserved, Some((0x71, &[5][..])));
    let refused = |parameters: KeyParameters<'_>| assert!(!parameters.emit().unwrap_err().is_malformed());
    let good = KeyParameters::parse(&bare).unwrap();
    refused(KeyParameters { groups: Some(vec![]), ..good.clone() });
    refused(KeyParameters { expiry: 1 << 40, ..good.clone() });
    refused(KeyParameters { framing: Framing::Element(1), ..good.clone() });
    refused(KeyParameters { key_type: KeyType::Gmk, reserved: Some((0x71, &[])), ..good.clone() });
    refused(KeyParameters { key_type: KeyType::Gmk, groups: Some(vec![&[1]; 256]), ..good });
    assert_eq!(KeyType::of_key_id(0x2ddd_5bf0), Some(KeyType::Csk));
    assert_eq!(KeyType::of_key_id(0x8000_0000), None, "a range of our own");
}

#[test]
fn a_protected_payload_of_another_maker_comes_back() {
    let bytes = hex::bytes(
        "43000000000100000000000128704fa41c8fe20f881c1bab0d32d8ca06a12aea0000244eddc3bf8c2a4a5d3fc9848440123e7d054dab4308d505\
         759206cc789d05a4ce0e49364d",
    )
    .unwrap();
    let payload = ProtectedParameters::parse(&bytes).unwrap();
    assert_eq!((payload.message_type, payload.date_time, payload.key_id), (0x43, 1, 0x06a1_2aea));
    assert_eq!(payload.data.len(), 20 + TAG_OCTETS);
    assert_eq!(payload.associated(), bytes[..ASSOCIATED_OCTETS]);
    assert_eq!(payload.emit().unwrap(), bytes);
    for (at, value) in [(11, 2), (32, 1)] {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        assert!(matches!(ProtectedParameters::parse(&bytes), Err(Error::Reserved { .. })), "{at}");
    }
    let mut short = bytes[..35 + 15].to_vec();
    short[34] = 15;
    assert!(matches!(ProtectedParameters::parse(&short), Err(Error::Truncated { .. })));
    assert!(ProtectedParameters { date_time: 1 << 40, ..payload }.emit().is_err());
    assert!(ProtectedParameters { data: &[0; 15], ..payload }.emit().is_err());
}

#[test]
fn key_identifiers_of_mbms() {
    let data = hex::bytes("0003123456010400070001").unwrap();
    let ids = key_ids(&data).unwrap();
    assert_eq!(ids, [(KeyIdKind::Domain, &[0x12, 0x34, 0x56][..]), (KeyIdKind::ServiceKey, &[0, 7, 0, 1])]);
    assert_eq!(emit_key_ids(&ids).unwrap(), data);
    assert_eq!(key_ids(&[3, 0]), Err(Error::Reserved { what: "key ID type of MIKEY", value: 3 }));
    assert_eq!(key_ids(&[250, 0]), Ok(vec![(KeyIdKind::Private(250), &[][..])]));
    assert!(matches!(key_ids(&[0, 2, 1]), Err(Error::LengthLies { .. })));
    assert!(matches!(key_ids(&[0; 2 * MAX_KEY_IDS + 2]), Err(Error::TooMany { .. })));
    assert!(emit_key_ids(&[(KeyIdKind::Private(240), &[])]).is_err());
    assert!(emit_key_ids(&[(KeyIdKind::Domain, &[][..]); MAX_KEY_IDS + 1]).is_err());
}

#[test]
fn a_copy_for_the_sender_is_a_whole_payload() {
    let sakke =
        Sakke { parameters: SakkeParameters::Set1, scheme: IdentifierScheme::TelMonthly, data: &[1, 2, 3] };
    let bytes = sakke.emit_to_self().unwrap();
    assert_eq!(bytes, [0, 1, 1, 0, 3, 1, 2, 3]);
    assert_eq!(Sakke::parse_to_self(&bytes), Ok(sakke));
    let mut next = bytes.clone();
    next[0] = 21;
    assert_eq!(Sakke::parse_to_self(&next), Ok(sakke), "its next payload says nothing");
    assert!(matches!(Sakke::parse_to_self(&[&bytes[..], &[0]].concat()), Err(Error::Oversized { .. })));
}

#[test]
fn the_default_profiles_are_policies() {
    let profile = |parameters: &[(SrtpParameter, &'static [u8])]| {
        let policy = Policy { number: 0, protocol: 0, parameters: parameters.to_vec() };
        let header = Header {
            data_type: DataType::Sakke,
            wants_verification: false,
            prf: Prf::HmacSha256,
            csb_id: 0,
            sessions: CsIdMap::Empty,
        };
        emitted(&Repr { header, payloads: vec![Payload::Policy(policy)] })[11..].to_vec()
    };
    assert_eq!(
        hex::of_bytes(&profile(&SrtpParameter::GMK_PROFILE)),
        "0000001e0001060101100201040401 0c0501000601000d0101120104130100140110".replace(' ', "")
    );
    assert_eq!(
        hex::of_bytes(&profile(&SrtpParameter::PCK_PROFILE)),
        "0000001200010601011004010c050100060100140110"
    );
}

proptest! {
    #[test]
    fn parameters_come_back(
        number in 0_usize..7, status: u32, activation in 0_u64..1 << 40, expiry in 0_u64..1 << 40, text in octets(20),
        groups in vec(octets(20), 0..4), element in 0x70_u8.., wrapped: bool, reserved: bool,
    ) {
        let key_type = KeyType::ALL[number];
        let framing = if wrapped { Framing::Element(element) } else { Framing::Bare };
        let parameters = KeyParameters {
            framing, key_type, status: KeyStatus(status), activation, expiry, text: &text,
            groups: key_type.has_groups().then(|| groups.iter().map(|group| &group[..]).collect()),
            reserved: reserved.then_some((element, &text[..])),
        };
        let bytes = parameters.emit().unwrap();
        prop_assert_eq!(KeyParameters::parse(&bytes), Ok(parameters));
        for len in 0..bytes.len() {
            if let Ok(shorter) = KeyParameters::parse(&bytes[..len]) {
                prop_assert_eq!(shorter.emit().unwrap(), &bytes[..len]);
            }
        }
    }
}
