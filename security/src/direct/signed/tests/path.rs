//! The checks of RFC 5280 §6 for a path of two certificates and a list, rule by rule.

use x509_cert::der::asn1::ObjectIdentifier;

use super::*;
use crate::direct::signed::issue::{common_name, entry, extension, integer, tlv};

const YEAR: u64 = 365 * DAY;
const LONG: Validity = Validity { from: NOW.minus_millis(YEAR), until: NOW.plus_millis(YEAR) };

fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new(text).unwrap()
}

/// Encodes keyUsage with these bits, the first one the most significant.
fn usage(bits: u8) -> Vec<u8> {
    extension(oid("2.5.29.15"), true, &tlv(0x03, &[0, bits]))
}

/// Encodes basicConstraints.
fn constraints(ca: bool) -> Vec<u8> {
    let flag: &[u8] = if ca { &[0x01, 0x01, 0xff] } else { &[] };
    extension(oid("2.5.29.19"), true, &tlv(0x30, flag))
}

/// Encodes extKeyUsage with one purpose.
fn purpose(which: &str) -> Vec<u8> {
    use x509_cert::der::Encode;
    extension(oid("2.5.29.37"), false, &tlv(0x30, &oid(which).to_der().unwrap()))
}

fn name(tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(0x30, &common_name(tag, value))
}

fn key_of_john() -> [u8; 32] {
    Credential::raw(&[4; 32]).public()
}

/// Verifies a certificate as that of John.
fn judge(der: &[u8], trust: &Trust) -> Result<(), Failure> {
    certificate::verify(der, &trust.roots, JOHN, NOW, [trust.guard, trust.grace]).map(drop)
}

/// Verifies a certificate of John's key with these extensions.
fn extended(extensions: &[Vec<u8>]) -> Result<(), Failure> {
    let der = issuer().certified(&name(0x0c, b"john"), 7, &key_of_john(), validity(), &extensions.concat());
    judge(&der, &trust())
}

fn refused(error: CertificateError) -> Result<(), Failure> {
    Err(Failure::Certificate(error))
}

/// Makes a root of the usual name and key, with these extensions.
fn root(extensions: &[Vec<u8>]) -> Result<Root, CertificateError> {
    let own = name(0x0c, b"operators of the north");
    let key = Credential::raw(&[0xaa; 32]).public();
    Root::from_der(&issuer().certified(&own, 1, &key, validity(), &extensions.concat()))
}

#[test]
fn extensions_of_a_ue_are_acted_upon() {
    assert_eq!(extended(&[]), Ok(()));
    // digitalSignature; keyCertSign alone; keyEncipherment alone; none; garbage
    assert_eq!(extended(&[usage(0x80)]), Ok(()));
    for bits in [0x04, 0x20, 0x00] {
        assert_eq!(extended(&[usage(bits)]), refused(CertificateError::Usage), "{bits:02x}");
    }
    let garbage = extension(oid("2.5.29.15"), true, b"garbage");
    assert_eq!(extended(&[garbage]), refused(CertificateError::Malformed));
    assert_eq!(extended(&[constraints(false)]), Ok(()));
    assert_eq!(extended(&[constraints(true)]), refused(CertificateError::IsIssuer));
    // serverAuth; any purpose
    assert_eq!(extended(&[purpose("1.3.6.1.5.5.7.3.1")]), refused(CertificateError::Usage));
    assert_eq!(extended(&[purpose("2.5.29.37.0")]), Ok(()));
    let unknown = |critical| extension(oid("1.2.3.4"), critical, &[0x05, 0x00]);
    assert_eq!(extended(&[unknown(true)]), refused(CertificateError::CriticalExtension));
    assert_eq!(extended(&[unknown(false)]), Ok(()));
    assert_eq!(extended(&[usage(0x80), usage(0x80)]), refused(CertificateError::RepeatedExtension));
}

#[test]
fn an_issuer_proves_no_ue() {
    let own = issuer().certificate(validity());
    let trust = trust();
    let subject = Subject::user(b"operators of the north");
    let result = certificate::verify(&own, &trust.roots, subject, NOW, [0, 0]).map(drop);
    assert_eq!(result, refused(CertificateError::IsIssuer));
}

#[test]
fn a_root_is_an_issuer_signed_by_itself() {
    let ca = constraints(true);
    assert!(root(std::slice::from_ref(&ca)).is_ok());
    assert!(root(&[ca.clone(), usage(0x06)]).is_ok());
    let error = |extensions: &[Vec<u8>]| root(extensions).map(drop).unwrap_err();
    assert_eq!(error(&[]), CertificateError::NotIssuer);
    assert_eq!(error(&[constraints(false)]), CertificateError::NotIssuer);
    assert_eq!(error(&[ca.clone(), usage(0x82)]), CertificateError::Usage);
    let names = extension(oid("2.5.29.30"), false, &tlv(0x30, &[]));
    assert_eq!(error(&[ca.clone(), names]), CertificateError::NameConstraints);
    let policies = extension(oid("2.5.29.36"), true, &tlv(0x30, &[]));
    assert_eq!(error(&[ca.clone(), policies]), CertificateError::CriticalExtension);
    // Its own key under another name of the issuer: no signature distinguishes the two.
    let other =
        issuer().certified(&name(0x0c, b"south"), 1, &Credential::raw(&[0xaa; 32]).public(), validity(), &ca);
    assert_eq!(Root::from_der(&other).map(drop), Err(CertificateError::NotSelfSigned));
}

/// A root whose key may only sign certificates: the root is accepted, its lists are refused.
#[test]
fn lists_need_a_key_that_signs_lists() {
    let mut root = root(&[constraints(true), usage(0x04)]).unwrap();
    assert_eq!(root.install_crl(&issuer().revoke(1, &[7], NOW)), Err(CertificateError::Usage));
}

#[test]
fn a_root_ends_with_its_validity() {
    let john = issuer().issue(b"john", 7, &key_of_john(), LONG);
    let with = |validity| {
        let root = Root::from_der(&issuer().certificate(validity)).unwrap();
        judge(&john, &Trust { roots: vec![root], raw: Vec::new(), guard: 0, grace: 0 })
    };
    let what = Dated::Issuer;
    assert_eq!(with(LONG), Ok(()));
    let long_ago = Validity { until: NOW.minus_millis(DAY), ..LONG };
    assert_eq!(with(long_ago), Err(Failure::Expired { what, by: DAY }));
    let to_come = Validity { from: NOW.plus_millis(DAY), ..LONG };
    assert_eq!(with(to_come), Err(Failure::NotYetValid { what, by: DAY }));
}

/// Roll-over: the old and the new key of one name; then a new certificate of the same key.
#[test]
fn every_root_of_a_name_is_tried() {
    let (old, new) = (Issuer::new("operators of the north", &[0xbb; 32]), issuer());
    let expired = Validity { until: NOW.minus_millis(DAY), ..LONG };
    let root = |issuer: &Issuer, validity| Root::from_der(&issuer.certificate(validity)).unwrap();
    let john = |issuer: &Issuer| issuer.issue(b"john", 7, &key_of_john(), LONG);
    let mut both = Trust { roots: vec![root(&old, LONG), root(&new, LONG)], ..Trust::default() };
    assert_eq!(judge(&john(&old), &both), Ok(()));
    assert_eq!(judge(&john(&new), &both), Ok(()));
    let (mary, john_2) = (certified("mary", 3, 7, validity()), certified("john", 4, 8, validity()));
    let result = exchange((&mary, &john_2), (&both, &both), (NOW, NOW), |_, _| {});
    assert!(result.is_ok(), "{result:?}");
    // The old root is not the issuer of John's certificate, whatever its name: UE_1 need not trust it.
    let only_new = Trust { roots: vec![root(&new, LONG)], ..Trust::default() };
    let result = exchange((&mary, &john_2), (&only_new, &both), (NOW, NOW), |_, _| {});
    assert!(result.is_ok(), "{result:?}");
    // Each root accepts the list that its own key signed, in any order.
    assert_eq!(both.install_crl(&new.revoke(1, &[7], NOW)), Ok(()));
    assert_eq!(judge(&john(&old), &both), Ok(()));
    assert_eq!(judge(&john(&new), &both), Err(Failure::Revoked));
    assert_eq!(both.install_crl(&old.revoke(1, &[7], NOW)), Ok(()));
    assert_eq!(judge(&john(&old), &both), Err(Failure::Revoked));
    assert_eq!(both.install_crl(&old.revoke(1, &[], NOW)), Err(CertificateError::NotNewer));
    let stranger = Issuer::new("operators of the north", &[0xcc; 32]).revoke(9, &[], NOW);
    assert_eq!(both.install_crl(&stranger), Err(CertificateError::Signature));
    let mut renewed = Trust { roots: vec![root(&new, expired), root(&new, LONG)], ..Trust::default() };
    assert_eq!(judge(&john(&new), &renewed), Ok(()));
    assert_eq!(renewed.install_crl(&new.revoke(1, &[7], NOW)), Ok(()));
    assert_eq!(judge(&john(&new), &renewed), Err(Failure::Revoked));
    let mut second = Trust { roots: vec![root(&new, LONG), root(&new, LONG)], ..Trust::default() };
    second.roots[1].install_crl(&new.revoke(1, &[7], NOW)).unwrap();
    assert_eq!(judge(&john(&new), &second), Err(Failure::Revoked), "whichever certificate took the list");
}

/// BMPString U+6A6F U+686E is not "john", though its octets are; nor are two names.
#[test]
fn the_common_name_is_read_by_its_type() {
    let with = |subject: &[u8]| {
        let der = issuer().certified(subject, 7, &key_of_john(), validity(), &[]);
        assert_eq!(certificate::common_name(&der).is_some(), judge(&der, &trust()).is_ok());
        judge(&der, &trust())
    };
    assert_eq!(with(&name(0x0c, b"john")), Ok(()));
    assert_eq!(with(&name(0x13, b"john")), Ok(()));
    // TeletexString, BMPString, OCTET STRING
    for tag in [0x14, 0x1e, 0x04] {
        assert_eq!(with(&name(tag, b"john")), refused(CertificateError::NameType), "{tag:02x}");
    }
    let two = tlv(0x30, &[common_name(0x0c, b"john"), common_name(0x0c, b"mary")].concat());
    assert_eq!(with(&two), Err(Failure::WrongIdentity));
    let two = tlv(0x30, &[common_name(0x0c, b"john"), common_name(0x0c, b"john")].concat());
    assert_eq!(with(&two), Err(Failure::WrongIdentity));
    assert_eq!(with(&tlv(0x30, &[])), Err(Failure::WrongIdentity));
}

/// A certificate proves the name of a user, and no IMSI with the same octets.
#[test]
fn a_certificate_proves_no_other_type_of_identity() {
    let der = issuer().issue(b"john", 7, &key_of_john(), validity());
    let judge = |identity| certificate::verify(&der, &trust().roots, identity, NOW, [0, 0]).map(drop);
    assert_eq!(judge(JOHN), Ok(()));
    assert_eq!(judge(Subject { kind: 3, ..JOHN }), Err(Failure::WrongIdentity));
}

/// Another algorithm inside or of the key, or parameters of one; DER with an explicit default, or with an old version.
#[test]
fn algorithms_and_encoding() {
    let plain = issuer().issue(b"john", 7, &key_of_john(), validity());
    let ed25519 = issue::algorithm();
    let places: Vec<usize> = (0..plain.len()).filter(|at| plain[*at..].starts_with(&ed25519)).collect();
    assert_eq!(places.len(), 3, "signature inside, key, signature outside");
    let tbs = &plain[3..plain.len() - 64 - 3 - ed25519.len()];
    assert_eq!(issuer().signed(tbs), plain);
    // X25519 is two less in its last octet.
    let changed = |which: usize| {
        let mut tbs = tbs.to_vec();
        tbs[places[which] - 3 + ed25519.len() - 1] -= 2;
        issuer().signed(&tbs)
    };
    assert_eq!(judge(&changed(0), &trust()), Err(Failure::UnknownIssuer { self_signed: false }));
    assert_eq!(judge(&changed(1), &trust()), refused(CertificateError::Algorithm));
    let error = |der: &[u8]| der::parse(der).and_then(|c| der::verify_signature(&c, &[0; 32]));
    assert_eq!(error(&changed(0)), Err(CertificateError::Algorithm));
    // critical FALSE, written explicitly
    let said = tlv(
        0x30,
        &[&[0x06, 0x03, 0x2a, 0x03, 0x04][..], &[0x01, 0x01, 0x00], &[0x04, 0x02, 0x05, 0x00]].concat(),
    );
    assert_eq!(extended(&[said]), refused(CertificateError::Malformed));
    let mut long = plain.clone();
    long.push(0);
    assert_eq!(judge(&long, &trust()), refused(CertificateError::Malformed));
    let mut second = issuer().certified(&name(0x0c, b"john"), 7, &key_of_john(), validity(), &usage(0x80));
    let at = second.windows(5).position(|w| w == [0xa0, 3, 2, 1, 2]).unwrap();
    second[at + 4] = 1;
    assert_eq!(judge(&second, &trust()), refused(CertificateError::Malformed));
}

/// One bit of a signature is declared unused: of a root, a certificate and a list, whose last bits are zeros.
#[test]
fn signatures_are_whole_octets() {
    let spared = |mut der: Vec<u8>| {
        let at = der.len() - 65;
        assert_eq!((der[at], der[at + 64] & 1), (0, 0), "a signature that ends in a zero");
        der[at] = 1;
        der
    };
    let even =
        |make: &dyn Fn(u32) -> Vec<u8>| (1..99).map(make).find(|der| der[der.len() - 1] & 1 == 0).unwrap();
    let ca = constraints(true);
    let own = name(0x0c, b"operators of the north");
    let key = Credential::raw(&[0xaa; 32]).public();
    let root = even(&|serial| issuer().certified(&own, serial, &key, validity(), &ca));
    assert!(Root::from_der(&root).is_ok());
    assert_eq!(Root::from_der(&spared(root)).map(drop), Err(CertificateError::Signature));
    let leaf = even(&|serial| issuer().issue(b"john", serial, &key_of_john(), validity()));
    assert_eq!(judge(&spared(leaf), &trust()), Err(Failure::UnknownIssuer { self_signed: false }));
    let list = even(&|number| issuer().revoke(number, &[], NOW));
    assert_eq!(trust().install_crl(&spared(list)), Err(CertificateError::Signature));
}

#[test]
fn lists_that_are_not_whole_or_not_understood() {
    let mut trust = trust();
    assert_eq!(trust.install_crl(&issuer().revoke(5, &[7], NOW)), Ok(()));
    let list = |entries: &[u8], extensions: &[u8]| issuer().list(6, entries, NOW, None, extensions);
    let entry_with = |extensions: &[u8]| entry(9, NOW, extensions);
    let reason = |value: u8| extension(oid("2.5.29.21"), false, &[0x0a, 0x01, value]);
    let delta = extension(oid("2.5.29.27"), true, &integer(5));
    let quiet_delta = extension(oid("2.5.29.27"), false, &integer(5));
    let point = extension(oid("2.5.29.28"), true, &tlv(0x30, &[0x81, 0x01, 0xff]));
    let unknown = extension(oid("1.2.3.4"), true, &[0x05, 0x00]);
    let indirect = extension(oid("2.5.29.29"), true, &tlv(0x30, &[]));
    let number = extension(oid("2.5.29.20"), false, &integer(7));
    for (der, error) in [
        (list(&[], &delta), CertificateError::PartialList),
        (list(&[], &quiet_delta), CertificateError::PartialList),
        (list(&[], &point), CertificateError::PartialList),
        (list(&entry_with(&reason(8)), &[]), CertificateError::PartialList),
        (list(&entry_with(&reason(77)), &[]), CertificateError::Malformed),
        (list(&[], &unknown), CertificateError::CriticalExtension),
        (list(&entry_with(&indirect), &[]), CertificateError::CriticalExtension),
        (list(&entry_with(&[reason(1), reason(1)].concat()), &[]), CertificateError::RepeatedExtension),
        (list(&[], &number), CertificateError::RepeatedExtension),
        (issuer().list(0, &[], NOW, None, &[]), CertificateError::ListNumber),
    ] {
        assert_eq!(trust.install_crl(&der), Err(error));
    }
    let john = issuer().issue(b"john", 7, &key_of_john(), validity());
    assert_eq!(judge(&john, &trust), Err(Failure::Revoked), "the first list stays");
    // keyCompromise, and the full list that follows
    assert_eq!(trust.install_crl(&list(&entry_with(&reason(1)), &[])), Ok(()));
    assert_eq!((judge(&john, &trust), trust.roots[0].crl_number()), (Ok(()), 6));
}

/// The same list with another algorithm inside, in another version, or with octets that are no DER.
#[test]
fn the_form_of_a_list() {
    let plain = issuer().revoke(5, &[7], NOW);
    let tbs = &plain[3..plain.len() - 64 - 3 - issue::algorithm().len()];
    assert_eq!(issuer().signed(tbs), plain);
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut tbs = tbs.to_vec();
        change(&mut tbs);
        trust().install_crl(&issuer().signed(&tbs))
    };
    let at = tbs.windows(7).position(|w| w == issue::algorithm()).unwrap();
    assert_eq!(error(&|_| {}), Ok(()));
    assert_eq!(error(&|tbs| tbs[at + 6] -= 2), Err(CertificateError::Algorithm));
    assert_eq!(tbs[at - 1], 1, "version 2");
    assert_eq!(error(&|tbs| tbs[at - 1] = 0), Err(CertificateError::Malformed));
    let mut long = plain.clone();
    long.push(0);
    assert_eq!(trust().install_crl(&long), Err(CertificateError::Malformed));
    // critical FALSE, written explicitly
    let said = [&[0x06, 0x03, 0x2a, 0x03, 0x04][..], &[0x01, 0x01, 0x00], &[0x04, 0x02, 0x05, 0x00]].concat();
    let said = issuer().list(5, &[], NOW, None, &tlv(0x30, &said));
    assert_eq!(trust().install_crl(&said), Err(CertificateError::Malformed));
}

/// A list is valid from thisUpdate to nextUpdate; its revocations stay.
#[test]
fn a_list_that_is_too_old_or_to_come() {
    let john = |serial| issuer().issue(b"john", serial, &key_of_john(), LONG);
    let with = |from: UtcTime, until: UtcTime, serial| {
        let mut trust =
            Trust { roots: vec![Root::from_der(&issuer().certificate(LONG)).unwrap()], ..trust() };
        trust.install_crl(&issuer().revoke_within(1, &[9], Validity { from, until })).unwrap();
        judge(&john(serial), &trust)
    };
    let what = Dated::RevocationList;
    let (before, after) = (NOW.minus_millis(DAY), NOW.plus_millis(DAY));
    assert_eq!(with(before, after, 7), Ok(()));
    assert_eq!(with(before, NOW.minus_millis(33_000), 7), Err(Failure::Expired { what, by: 33_000 }));
    assert_eq!(with(before, NOW.minus_millis(32_000), 7), Ok(()), "the guard");
    assert_eq!(with(NOW.plus_millis(33_000), after, 7), Err(Failure::NotYetValid { what, by: 33_000 }));
    assert_eq!(with(NOW.plus_millis(32_000), after, 7), Ok(()), "the guard");
    assert_eq!(with(before, before, 9), Err(Failure::Revoked));
}

#[test]
fn what_an_unproven_peer_sends_is_short() {
    // 4096 octets of certificate, 16 hints: more is not read
    let root = |len: usize| {
        let named = Issuer::new(&"x".repeat(len), &[1; 32]);
        Root::from_der(&named.certificate(LONG)).map(drop)
    };
    assert_eq!(root(1000), Ok(()));
    assert_eq!(root(2500), Err(CertificateError::Malformed));
    let info = |hints: u8| {
        let mut octets = vec![METHOD];
        octets.extend([7; 32]);
        octets.push(hints);
        octets.extend(vec![1; 4 * usize::from(hints)]);
        KeyInfo::parse(&octets).is_some()
    };
    assert!(info(16) && !info(17));
}
