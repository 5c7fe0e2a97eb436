use proptest::prelude::*;

use super::issue::{Issuer, Validity};
use super::*;

mod covered;
mod path;
mod roles;
mod statements;

const NOW: UtcTime = UtcTime::from_millis(1_700_000_000_000);
const DAY: u64 = 86_400_000;
const CAPABILITIES: Capabilities = Capabilities { eea: 0x70, eia: 0x70 };

fn validity() -> Validity {
    Validity { from: NOW.minus_millis(DAY), until: NOW.plus_millis(DAY) }
}

fn issuer() -> Issuer {
    Issuer::new("operators of the north", &[0xaa; 32])
}

fn trust() -> Trust {
    Trust {
        roots: vec![Root::from_der(&issuer().certificate(validity())).unwrap()],
        raw: Vec::new(),
        guard: 32_000,
        grace: 0,
    }
}

fn certified(who: &str, seed: u8, serial: u32, validity: Validity) -> Credential {
    let key = Credential::raw(&[seed; 32]).public();
    Credential::certified(&[seed; 32], issuer().issue(who.as_bytes(), serial, &key, validity))
}

const MARY: Subject<'_> = Subject::user(b"mary");
const JOHN: Subject<'_> = Subject::user(b"john");
const REQUEST: &[u8] = b"a request with identity, nonce and capabilities";

/// Runs the whole exchange; `change` is a man in the middle who changes the two contents.
fn exchange(
    credentials: (&Credential, &Credential),
    trusts: (&Trust, &Trust),
    times: (UtcTime, UtcTime),
    change: impl Fn(usize, &mut Vec<u8>),
) -> Result<(Kd, Kd), Failure> {
    let (e1, e2) = (Ephemeral::new([1; 32]), Ephemeral::new([2; 32]));
    let info = KeyInfo::new(&e1, trusts.0, None);
    assert_eq!(KeyInfo::parse(&info.emit()), Some(info.clone()));
    let (challenged, mut first) = challenge(credentials.1, trusts.1, REQUEST, &info, CAPABILITIES, e2)?;
    change(0, &mut first);
    let mut answer = respond(&e1, credentials.0, trusts.0, times.0, JOHN, REQUEST, &first)?;
    assert_eq!(answer.capabilities, CAPABILITIES, "what UE_2 signed");
    change(1, &mut answer.content);
    let kd_2 = challenged.finish(trusts.1, times.1, MARY, JOHN, &answer.content)?;
    Ok((answer.kd, kd_2))
}

fn raw() -> (Credential, Credential, Trust) {
    let (mary, john) = (Credential::raw(&[3; 32]), Credential::raw(&[4; 32]));
    let raw = vec![(b"mary".to_vec(), mary.public()), (b"john".to_vec(), john.public())];
    (mary, john, Trust { raw, ..Trust::default() })
}

#[test]
fn raw_keys_and_certificates_agree() {
    let (mary, john, known) = raw();
    let (one, two) = exchange((&mary, &john), (&known, &known), (NOW, NOW), |_, _| {}).unwrap();
    assert_eq!(one, two);
    let (mary, john) = (certified("mary", 3, 7, validity()), certified("john", 4, 8, validity()));
    let roots = trust();
    let (three, four) = exchange((&mary, &john), (&roots, &roots), (NOW, NOW), |at, content| {
        let expected = if at == 0 { 32 + 2 } else { 0 } + 4 + 3 + 64;
        assert!((expected + 200..expected + 400).contains(&content.len()), "{}", content.len());
    })
    .unwrap();
    assert_eq!(three, four);
    assert_ne!(one, three);
}

/// T4.1-1: every octet of both contents is changed: one side notices, or (never) both agree on unchanged values.
#[test]
fn a_changed_octet_is_noticed() {
    let (mary, john, trust) = raw();
    for target in 0..2 {
        for octet in 0..137 {
            let result = exchange((&mary, &john), (&trust, &trust), (NOW, NOW), |at, content| {
                if at == target && octet < content.len() {
                    content[octet] ^= 0x10;
                }
            });
            let length = if target == 0 { 137 } else { 103 };
            assert_eq!(result.is_ok(), octet >= length, "{target} {octet}: {result:?}");
        }
    }
}

/// The length in a credential is that of the octets that follow, even if its own holder signed another: no octets can
/// be hidden after a key.
#[test]
fn a_credential_is_as_long_as_it_says() {
    let (mary, john, trust) = raw();
    let judge = |length: u16, tail: &[u8]| {
        exchange((&mary, &john), (&trust, &trust), (NOW, NOW), |at, content| {
            if at == 0 {
                content.truncate(content.len() - 64);
                let key = content.len() - 32;
                content[key - 2..key].copy_from_slice(&length.to_be_bytes());
                content.extend(tail);
                let signature = john.sign(LABEL_2, &hash(&[REQUEST]), content);
                content.extend(signature);
            }
        })
    };
    assert_eq!(judge(32, &[]).err(), None, "signed again, and the same");
    let malformed = Some(Failure::Malformed("the authentication request"));
    for (length, tail) in [(32, &[0][..]), (31, &[]), (33, &[]), (33, &[0]), (0, &[])] {
        assert_eq!(judge(length, tail).err(), malformed, "{length} {tail:?}");
    }
}

#[test]
fn certificates_that_are_not_to_be_believed() {
    let long_ago = Validity { from: NOW.minus_millis(2 * DAY), until: NOW.minus_millis(DAY) };
    let to_come = Validity { from: NOW.plus_millis(DAY), until: NOW.plus_millis(2 * DAY) };
    let trust = trust();
    let mary = certified("mary", 3, 7, validity());
    let judge = |john: &Credential, trust: &Trust| {
        exchange((&mary, john), (trust, trust), (NOW, NOW), |_, _| {}).err()
    };
    assert_eq!(
        judge(&certified("john", 4, 8, long_ago), &trust),
        Some(Failure::Expired { what: Dated::Certificate, by: DAY })
    );
    assert_eq!(
        judge(&certified("john", 4, 8, to_come), &trust),
        Some(Failure::NotYetValid { what: Dated::Certificate, by: DAY })
    );
    assert_eq!(judge(&certified("peter", 4, 8, validity()), &trust), Some(Failure::WrongIdentity));
    let key = Credential::raw(&[4; 32]).public();
    let own = Issuer::new("john", &[4; 32]).issue(b"john", 1, &key, validity());
    let own = Credential::certified(&[4; 32], own);
    assert_eq!(judge(&own, &trust), Some(Failure::UnknownIssuer { self_signed: true }));
    // The right name of the root, but another key.
    let forged = Issuer::new("operators of the north", &[0xbb; 32]).issue(b"john", 8, &key, validity());
    let forged = Credential::certified(&[4; 32], forged);
    assert_eq!(judge(&forged, &trust), Some(Failure::UnknownIssuer { self_signed: false }));
    // Mary's certificate in John's hands, without her key.
    let stolen = Credential::certified(&[4; 32], issuer().issue(b"john", 8, &mary.public(), validity()));
    assert_eq!(judge(&stolen, &trust), Some(Failure::WrongSignature));
    // A peer with other roots.
    let other = Root::from_der(&Issuer::new("south", &[0xcc; 32]).certificate(validity())).unwrap();
    let theirs = Trust { roots: vec![other], ..Trust::default() };
    let john = certified("john", 4, 8, validity());
    let result = exchange((&mary, &john), (&theirs, &trust), (NOW, NOW), |_, _| {});
    assert_eq!(result.err(), Some(Failure::NoCommonRoot));
}

#[test]
fn revocation_by_a_newer_list_only() {
    let mut trust = trust();
    let (mary, john) = (certified("mary", 3, 7, validity()), certified("john", 4, 200, validity()));
    let judge = |trust: &Trust| exchange((&mary, &john), (trust, trust), (NOW, NOW), |_, _| {}).err();
    let root = &mut trust.roots[0];
    assert_eq!(root.install_crl(&issuer().revoke(5, &[], NOW)), Ok(()));
    assert_eq!(judge(&trust), None);
    let root = &mut trust.roots[0];
    assert_eq!(root.install_crl(&issuer().revoke(6, &[9, 200], NOW)), Ok(()));
    assert_eq!(root.crl_number(), 6);
    // An older list, one of the same number, one of another issuer, a damaged one: nothing changes.
    assert_eq!(root.install_crl(&issuer().revoke(5, &[], NOW)), Err(CertificateError::NotNewer));
    assert_eq!(root.install_crl(&issuer().revoke(6, &[], NOW)), Err(CertificateError::NotNewer));
    let other = Issuer::new("operators of the north", &[0xbb; 32]).revoke(7, &[], NOW);
    assert_eq!(root.install_crl(&other), Err(CertificateError::Signature));
    let other = Issuer::new("south", &[0xaa; 32]).revoke(7, &[], NOW);
    assert_eq!(root.install_crl(&other), Err(CertificateError::Issuer));
    assert_eq!(judge(&trust), Some(Failure::Revoked));
}

/// Clocks 40 s apart at the end of a validity: the guard of 32 s on either side decides, to the second.
#[test]
fn clocks_apart_at_the_ends_of_validity() {
    let soon = Validity { from: NOW, until: NOW };
    let (mary, john, trust) = (certified("mary", 3, 7, validity()), certified("john", 4, 8, soon), trust());
    let at = |now| exchange((&mary, &john), (&trust, &trust), (now, NOW), |_, _| {}).err();
    for (shift, late) in [
        (32_999, None),
        (33_000, Some(Failure::Expired { what: Dated::Certificate, by: 33_000 })),
        (40_000, Some(Failure::Expired { what: Dated::Certificate, by: 40_000 })),
    ] {
        assert_eq!(at(NOW.plus_millis(shift)), late, "{shift}");
    }
    assert_eq!(at(NOW.minus_millis(32_000)), None);
    assert_eq!(
        at(NOW.minus_millis(40_000)),
        Some(Failure::NotYetValid { what: Dated::Certificate, by: 40_000 })
    );
}

#[test]
fn low_order_keys_are_refused() {
    let (mary, john, trust) = raw();
    let result = {
        let e2 = Ephemeral::new([2; 32]);
        let info = KeyInfo { ephemeral: [0; 32], hints: Vec::new(), cookie: None };
        let (challenged, _) = challenge(&john, &trust, REQUEST, &info, CAPABILITIES, e2).unwrap();
        challenged.ephemeral.agree([0; 32], &[0; 32], JOHN)
    };
    assert_eq!(result.err(), Some(Failure::WeakKey));
    let _ = mary;
}

proptest! {
    #[test]
    fn any_octets_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, value: u8) {
        let _ = KeyInfo::parse(&bytes);
        prop_assert!(Root::from_der(&bytes).is_err());
        let mut damaged = issuer().certificate(validity());
        let index = at.index(damaged.len());
        let same = damaged[index] == value;
        damaged[index] = value;
        prop_assert_eq!(Root::from_der(&damaged).is_ok(), same);
        let (mary, _, trust) = raw();
        let e1 = Ephemeral::new([1; 32]);
        prop_assert!(respond(&e1, &mary, &trust, NOW, JOHN, REQUEST, &bytes).is_err());
    }
}

#[test]
fn serial_numbers_and_names_are_read_back() {
    for serial in [1, 0x7f, 0x80, 0x7fff_ffff, 0x8000_0001, u32::MAX] {
        let der = issuer().issue("j\u{f6}hn".as_bytes(), serial, &[5; 32], validity());
        assert_eq!(certificate::serial_number(&der), Some(serial));
        assert_eq!(certificate::common_name(&der).as_deref(), Some("j\u{f6}hn"));
    }
    assert_eq!(certificate::common_name(b"no certificate"), None);
}
