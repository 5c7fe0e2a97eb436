//! The parts that the signatures and the key cover, each by itself.

use super::*;

struct Run {
    e1: Ephemeral,
    challenged: Challenged,
    first: Vec<u8>,
}

fn start(john: &Credential, trust: &Trust, capabilities: Capabilities) -> Run {
    let (e1, e2) = (Ephemeral::new([1; 32]), Ephemeral::new([2; 32]));
    let info = KeyInfo::new(&e1, trust, None);
    let (challenged, first) = challenge(john, trust, REQUEST, &info, capabilities, e2).unwrap();
    Run { e1, challenged, first }
}

/// UE_1 alone notices every changed octet of 0xE0: ephemeral key, capabilities, CRL number, credential, signature.
#[test]
fn ue_1_notices_what_is_changed_in_the_first_content() {
    let (mary, john, trust) = raw();
    let Run { e1, first, .. } = start(&john, &trust, CAPABILITIES);
    for at in 0..first.len() {
        let mut changed = first.clone();
        changed[at] ^= 0x10;
        let result =
            respond(&e1, &mary, &trust, NOW, JOHN, REQUEST, &changed).map(|answer| answer.capabilities);
        // 38: kind and length of the credential; 41: the key
        let expected = match at {
            38..41 => Failure::Malformed("the authentication request"),
            41..73 => Failure::UnknownKey,
            _ => Failure::WrongSignature,
        };
        assert_eq!(result, Err(expected), "octet {at}");
    }
}

#[test]
fn ue_2_signs_the_request() {
    let (mary, john, trust) = raw();
    let Run { e1, first, .. } = start(&john, &trust, CAPABILITIES);
    let other = b"a request with identity, nonce and incapabilities";
    let result = respond(&e1, &mary, &trust, NOW, JOHN, other, &first).map(drop);
    assert_eq!(result, Err(Failure::WrongSignature));
}

/// UE_2 sent one content, UE_1 received and signed another with the same ephemeral key.
#[test]
fn ue_1_signs_what_ue_2_said() {
    let (mary, john, trust) = raw();
    let sent = start(&john, &trust, CAPABILITIES);
    let heard = start(&john, &trust, Capabilities { eea: 0x40, eia: 0x40 });
    let answer = respond(&heard.e1, &mary, &trust, NOW, JOHN, REQUEST, &heard.first).unwrap();
    assert_eq!(heard.challenged.finish(&trust, NOW, MARY, JOHN, &answer.content).unwrap(), answer.kd);
    let result = sent.challenged.finish(&trust, NOW, MARY, JOHN, &answer.content);
    assert_eq!(result, Err(Failure::WrongSignature));
    let other = respond(&sent.e1, &mary, &trust, NOW, JOHN, REQUEST, &sent.first).unwrap();
    assert_ne!(answer.kd, other.kd, "the key covers it too");
}

/// A signature of one role is invalid for the other, over the same octets.
#[test]
fn each_role_signs_under_its_own_label() {
    let (mary, john, trust) = raw();
    let Run { e1, challenged, first } = start(&john, &trust, CAPABILITIES);
    let second = respond(&e1, &mary, &trust, NOW, JOHN, REQUEST, &first).unwrap().content;
    let h1 = hash(&[REQUEST]);
    for (content, skipped, identity, hash, own, other) in [
        (&first, 32 + 2 + 4, JOHN, &h1, LABEL_2, LABEL_1),
        (&second, 4, MARY, &challenged.transcript, LABEL_1, LABEL_2),
    ] {
        let (unsigned, signature) = split(content).unwrap();
        let judge = |label| {
            let claim =
                Claim { credential: &unsigned[skipped..], identity, label, hash, unsigned, signature };
            trust.verify(&claim, NOW, Failure::Malformed("it"))
        };
        assert_eq!(judge(own), Ok(()));
        assert_eq!(judge(other), Err(Failure::WrongSignature));
    }
}

/// A known key of another identity; and a name that is the value of another type of identity.
#[test]
fn a_raw_key_is_that_of_its_own_identity_only() {
    let (mary, john, mut trust) = raw();
    let peter = Credential::raw(&[5; 32]);
    trust.raw.push((b"peter".to_vec(), peter.public()));
    let judge = |who: &Credential, peer: Subject<'_>| {
        let Run { e1, first, .. } = start(who, &trust, CAPABILITIES);
        respond(&e1, &mary, &trust, NOW, peer, REQUEST, &first).map(drop)
    };
    assert_eq!(judge(&john, JOHN), Ok(()));
    assert_eq!(judge(&peter, JOHN), Err(Failure::UnknownKey));
    assert_eq!(judge(&john, Subject { kind: 3, ..JOHN }), Err(Failure::WrongIdentity));
}

#[test]
fn the_key_is_bound_to_who_ue_2_is() {
    let ephemeral = Ephemeral::new([1; 32]);
    let peer = Ephemeral::new([2; 32]).public();
    let key = |ue_2| ephemeral.agree(peer, &[0; 32], ue_2).unwrap();
    let identities = [
        JOHN,
        Subject::user(b"joh"),
        Subject::user(b"jack"),
        Subject { kind: 3, ..JOHN },
        Subject::user(b""),
    ];
    let keys = identities.map(key);
    for (at, one) in keys.iter().enumerate() {
        assert!(keys[at + 1..].iter().all(|other| one != other), "{at}");
    }
    assert_eq!(keys[0], key(JOHN));
}
