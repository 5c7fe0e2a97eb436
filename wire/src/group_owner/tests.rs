use super::*;
use proptest::prelude::*;

fn octets(body: Body<'_>) -> Vec<u8> {
    let repr = Repr { group: [1, 2, 3], body };
    let mut out = vec![0xee; repr.buffer_len()];
    repr.emit(&mut out).unwrap();
    out
}

fn parse(octets: &[u8]) -> Result<Repr<'_>, Error> {
    Packet::new_checked(octets).and_then(|packet| Repr::parse(&packet))
}

const KEYS: Keys = Keys {
    epoch: 9,
    slot: 4,
    pgk_id: 3,
    eea: 2,
    eia: 0,
    valid_from: 100,
    expiry: 101,
    sealed: [6; SEALED],
    signature: [7; SIGNATURE],
};
const NOTICE: Notice = Notice { epoch: 5, wait: 70_000, signature: [7; SIGNATURE] };
const PROVEN: Proven = Proven { epoch: 5, mac: [8; MAC] };

fn bodies() -> Vec<Body<'static>> {
    let request = JoinRequest {
        nonce: [1; 16],
        eea: 0x70,
        eia: 0xf0,
        identity: b"mary",
        credential: &[2; 300],
        cookie: None,
    };
    let (nonce, owner_nonce, crl_number, signature) = ([1; 16], [3; 16], 77, [7; SIGNATURE]);
    let challenge =
        Challenge { nonce, owner_nonce, crl_number, identity: b"owner", credential: &[4; 300], signature };
    let mut all = vec![
        Body::JoinRequest(request),
        Body::JoinRequest(JoinRequest { cookie: Some([9; 16]), ..request }),
        Body::Cookie { nonce, cookie: [9; 16] },
        Body::Challenge(challenge),
        Body::Proof(Proof { owner_nonce, public: [5; 32], crl_number, signature }),
        Body::Keys(KEYS),
        Body::Confirm(PROVEN),
        Body::Leave(PROVEN),
        Body::LeaveAccept(PROVEN),
        Body::Removal(PROVEN),
    ];
    all.extend(Cause::ALL.map(|cause| Body::Refusal { nonce, cause }));
    all.push(Body::Notice(NOTICE));
    all
}

#[test]
fn the_table_is_in_the_order_of_the_kinds() {
    for (at, (kind, octet, name)) in KINDS.into_iter().enumerate() {
        assert_eq!((kind as usize, kind.octet(), kind.to_string().as_str()), (at, octet, name));
        assert_eq!(Kind::new(octet), Ok(kind));
    }
}

#[test]
fn messages_come_back_and_are_whole() {
    for body in bodies() {
        let whole = octets(body);
        assert_eq!(parse(&whole), Ok(Repr { group: [1, 2, 3], body }));
        for length in 0..whole.len() {
            let error = parse(&whole[..length]).unwrap_err();
            assert!(matches!(error, Error::Truncated { .. } | Error::LengthLies { .. }), "{body:?} {length}");
        }
        assert!(matches!(parse(&[&whole[..], &[0]].concat()), Err(Error::Oversized { .. })));
        let repr = Repr { group: [1, 2, 3], body };
        let mut short = vec![0; whole.len() - 1];
        assert!(matches!(repr.emit(&mut short), Err(Error::BufferTooShort { .. })));
    }
}

#[test]
fn values_that_are_reserved() {
    let change = |body, at: usize, value| {
        let mut changed = octets(body);
        changed[at] = value;
        parse(&changed).err()
    };
    let all = bodies();
    for (body, at, value) in [
        (all[0], 0, 0),
        (all[0], 0, 12),
        // No identity, no credential, a cookie of another length.
        (all[0], 22, 0),
        (all[1], 329, 15),
        (all[10], 20, 0),
        (all[10], 20, 5),
        // PGK ID, algorithms, expiry.
        (all[5], 10, 0x20),
        (all[5], 11, 8),
        (all[5], 12, 8),
        (all[5], 20, 100),
        (all[5], 7, 0),
        (all[14], 7, 0),
    ] {
        assert!(matches!(change(body, at, value), Some(Error::Reserved { .. })), "{body:?} {at} {value}");
    }
    assert!(matches!(change(all[0], 22, 65), Some(Error::Oversized { .. })));
    assert!(matches!(change(all[0], 27, 9), Some(Error::Oversized { .. })));
    assert!(matches!(change(all[0], 27, 2), Some(Error::LengthLies { .. })));
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let emit = |body| {
        let repr = Repr { group: [1, 2, 3], body };
        repr.emit(&mut vec![0; repr.buffer_len()])
    };
    let Body::JoinRequest(request) = bodies()[0] else { unreachable!() };
    let long = vec![1; MAX_CREDENTIAL + 1];
    for (identity, credential) in
        [(&[][..], &[1][..]), (b"mary", &[]), (b"mary", &long), (&long[..MAX_IDENTITY + 1], &[1])]
    {
        let error = emit(Body::JoinRequest(JoinRequest { identity, credential, ..request })).unwrap_err();
        assert!(!error.is_malformed(), "{error:?}");
    }
    for keys in [
        Keys { epoch: 0, ..KEYS },
        Keys { pgk_id: 0x40, ..KEYS },
        Keys { eea: 8, ..KEYS },
        Keys { eia: 8, ..KEYS },
        Keys { expiry: 100, ..KEYS },
    ] {
        assert!(matches!(emit(Body::Keys(keys)), Err(Error::NotCarried { .. })));
    }
    let unread = Body::Notice(Notice { epoch: 0, ..NOTICE });
    assert!(matches!(emit(unread), Err(Error::NotCarried { .. })));
}

proptest! {
    #[test]
    fn any_octets_are_parsed_or_refused(kind in 0_u8..13, tail in prop::collection::vec(any::<u8>(), 0..260), small: bool) {
        let mut bytes = [&[kind][..], &tail].concat();
        // Lengths that fit, more often than by chance.
        if small && bytes.len() > 40 {
            bytes[22] = 1;
            (bytes[24], bytes[25], bytes[27]) = (0, 1, 0);
        }
        match parse(&bytes) {
            Ok(repr) => {
                let mut out = vec![0; repr.buffer_len()];
                repr.emit(&mut out).unwrap();
                prop_assert_eq!(out, bytes);
            }
            Err(error) => prop_assert!(error.is_malformed()),
        }
    }
}
