//! Statements of other procedures.

use super::*;

const LABEL: &[u8] = b"a procedure";

#[test]
fn a_statement_is_of_its_label_transcript_content_and_identity() {
    let (mary, trust) = (certified("mary", 3, 7, validity()), trust());
    let transcript = digest(&[b"earlier ", b"messages"]);
    assert_eq!(transcript, digest(&[b"earlier messages"]));
    let statement = Statement { label: LABEL, transcript: &transcript, content: b"content" };
    let (signature, encoded) = (mary.attest(&statement), mary.encoded());
    let check = |statement: &Statement<'_>, who, encoded: &[u8]| {
        trust.check(statement, &signature, (who, encoded), NOW)
    };
    let vouched = check(&statement, MARY, &encoded).unwrap().unwrap();
    assert_eq!((vouched.serial, vouched.end), (vec![7], NOW.plus_millis(DAY + 1000)));
    let wrong = |statement: Statement<'_>| check(&statement, MARY, &encoded).err();
    assert_eq!(wrong(Statement { label: b"another", ..statement }), Some(Failure::WrongSignature));
    assert_eq!(wrong(Statement { transcript: &[0; 32], ..statement }), Some(Failure::WrongSignature));
    assert_eq!(wrong(Statement { content: b"contents", ..statement }), Some(Failure::WrongSignature));
    assert_eq!(check(&statement, JOHN, &encoded).err(), Some(Failure::WrongIdentity));
    for length in 0..encoded.len() {
        let malformed = check(&statement, MARY, &encoded[..length]).err();
        assert_eq!(malformed, Some(Failure::Malformed("the credential")), "{length}");
    }
}

#[test]
fn a_raw_key_has_no_certificate() {
    let (mary, _, trust) = raw();
    let statement = Statement { label: LABEL, transcript: &[1; 32], content: b"content" };
    let signature = mary.attest(&statement);
    assert_eq!(trust.check(&statement, &signature, (MARY, &mary.encoded()), NOW), Ok(None));
}

#[test]
fn the_age_of_the_list_that_speaks_of_a_certificate() {
    let mut trust = trust();
    let statement = Statement { label: LABEL, transcript: &[1; 32], content: b"" };
    let mary = certified("mary", 3, 7, validity());
    let signature = mary.attest(&statement);
    let vouched = trust.check(&statement, &signature, (MARY, &mary.encoded()), NOW).unwrap().unwrap();
    assert_eq!(trust.list_of(&vouched), None);
    let issued = NOW.minus_millis(5000);
    trust.install_crl(&issuer().revoke(5, &[], issued)).unwrap();
    assert_eq!(trust.list_of(&vouched), Some(issued));
    // The list of another issuer says nothing of it.
    let south = Issuer::new("south", &[0xcc; 32]);
    trust.roots.push(Root::from_der(&south.certificate(validity())).unwrap());
    trust.install_crl(&south.revoke(9, &[], NOW)).unwrap();
    assert_eq!(trust.list_of(&vouched), Some(issued));
    let other = Vouched { issuer: [0; 32], ..vouched };
    assert_eq!(trust.list_of(&other), None);
}
