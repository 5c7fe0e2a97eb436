//! What is no message, and why.

use super::*;
use crate::eap_aka::attribute::Attribute;

fn request(data: &str) -> Result<Request, Error> {
    parse(Code::Request, data, |packet| Request::parse(packet).map(|(_, request)| request))
}

fn response(data: &str) -> Result<Response, Error> {
    parse(Code::Response, data, |packet| Response::parse(packet).map(|(_, response)| response))
}

fn parse<T>(code: Code, data: &str, read: impl Fn(&Packet<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let octets = emit(code, 1, Type::Method(Method::AkaPrime), &bytes(data)).unwrap();
    read(&Packet::new_checked(&octets).unwrap())
}

const RAND: &str = "0105000000000000000000000000000000000000";
const AUTN: &str = "0205000000000000000000000000000000000000";
const MAC: &str = "0b05000000000000000000000000000000000000";
const IV: &str = "8105000000000000000000000000000000000000";
const ENCR: &str = "8205000000000000000000000000000000000000";
const KDF: &str = "180100011702000457 4c414e";

fn join(parts: &[&str]) -> String {
    parts.concat().replace(' ', "")
}

#[test]
fn a_header_that_lies() {
    for (digits, what) in [
        ("", "cut short"),
        ("010100", "cut short"),
        ("0501000401", "code"),
        ("00010004", "code"),
        ("01010004", "length"),
        ("03010003", "length"),
        ("010100063205", ""),
        ("0101000732050", "cut short"),
    ] {
        let octets = bytes(&digits[..digits.len() / 2 * 2]);
        match Packet::new_checked(&octets) {
            Ok(_) => assert_eq!(what, "", "{digits}"),
            Err(error) => assert!(error.to_string().contains(what) && !what.is_empty(), "{digits}: {error}"),
        }
    }
    let padded = bytes("0101000532ffff");
    assert_eq!(Packet::new_checked(&padded).unwrap().octets(), &padded[..5]);
}

#[test]
fn a_challenge_needs_all_of_its_attributes() {
    let whole = [RAND, AUTN, KDF, MAC];
    assert!(request(&join(&["010000", &whole.concat()])).is_ok());
    for (i, missing) in ["AT_RAND", "AT_AUTN", "AT_KDF", "AT_MAC"].into_iter().enumerate() {
        let mut parts = whole.to_vec();
        parts.remove(i);
        let error = request(&join(&["010000", &parts.concat()])).unwrap_err();
        assert_eq!(error, Error::Missing { attribute: missing, message: "AKA-Challenge" });
    }
    let error = request(&join(&["010000", RAND, AUTN, "18010001", MAC])).unwrap_err();
    assert_eq!(error, Error::Missing { attribute: "AT_KDF_INPUT", message: "AKA-Challenge" });
}

#[test]
fn what_is_there_twice_or_has_no_place() {
    for (data, attribute) in [
        (join(&["010000", RAND, RAND, AUTN, KDF, MAC]), "AT_RAND"),
        (join(&["010000", RAND, AUTN, KDF, MAC, MAC]), "AT_MAC"),
        (join(&["010000", RAND, AUTN, KDF, MAC, "13010001"]), "AT_COUNTER"),
        (join(&["010000", RAND, AUTN, KDF, MAC, "88018000"]), "AT_BIDDING"),
        (join(&["050000", "0d010000", "0a010000"]), "AT_PERMANENT_ID_REQ"),
    ] {
        match request(&data) {
            Err(Error::Misplaced { attribute: found, .. }) => assert_eq!(found, attribute),
            other => panic!("{data}: {other:?}"),
        }
    }
    assert!(matches!(response("0100001801000118010002"), Err(Error::Misplaced { attribute: "AT_KDF", .. })));
}

#[test]
fn a_vector_and_what_it_encrypts_come_together() {
    for half in [IV, ENCR] {
        let data = join(&["010000", RAND, AUTN, KDF, half, MAC]);
        assert!(matches!(request(&data), Err(Error::Missing { .. })), "{half}");
    }
    assert!(matches!(
        request(&join(&["0d0000", MAC])),
        Err(Error::Missing { attribute: "AT_ENCR_DATA", .. })
    ));
    assert!(matches!(
        response(&join(&["0c0000", IV, ENCR])),
        Err(Error::Missing { attribute: "AT_MAC", .. })
    ));
}

/// An attribute of so many units whose value begins so and goes on with zeros.
fn attribute(number: u8, units: u8, value: &[u8]) -> String {
    let mut octets = vec![number, units];
    octets.extend(value);
    octets.resize(4 * usize::from(units), 0);
    hex::of_bytes(&octets)
}

#[test]
fn lengths_that_fit_nothing() {
    for (data, error) in [
        (attribute(1, 4, &[]), "AT_RAND"),
        (attribute(13, 2, &[]), "AT_ANY_ID_REQ"),
        (attribute(12, 2, &[]), "AT_NOTIFICATION"),
        ("0d020000".into(), "an attribute"),
        ("0d".into(), "the header of an attribute"),
        (attribute(134, 2, &[]), "AT_CHECKCODE"),
        (attribute(130, 2, &[]), "AT_ENCR_DATA"),
        (attribute(130, 1, &[]), "AT_ENCR_DATA"),
    ] {
        let shown = request(&format!("010000{data}")).unwrap_err().to_string();
        assert!(shown.contains(error), "{data}: {shown}");
    }
    let nothing = request("0500000d00").unwrap_err();
    assert_eq!(nothing, Error::Length { what: "an attribute", stated: 0, have: 2 });
    for (data, error) in [
        // Longer than what is there, more than three octets of padding, no UTF-8, NUL within.
        (attribute(14, 2, &[0, 5, 0x31]), "AT_IDENTITY"),
        (attribute(14, 3, &[0, 1, 0x31]), "AT_IDENTITY"),
        (attribute(14, 2, &[0, 1, 0xff]), "AT_IDENTITY"),
        (attribute(14, 2, &[0, 2, 0x31, 0]), "AT_IDENTITY"),
        // 24 bits, 33, 136.
        (attribute(3, 2, &[0, 24]), "AT_RES"),
        (attribute(3, 3, &[0, 33]), "AT_RES"),
        (attribute(3, 6, &[0, 136]), "AT_RES"),
        (attribute(4, 3, &[]), "AT_AUTS"),
    ] {
        let shown = response(&format!("010000{data}")).unwrap_err().to_string();
        assert!(shown.contains(error), "{data}: {shown}");
    }
}

#[test]
fn what_is_not_known_is_passed_over_or_refused() {
    let known = join(&["010000", RAND, AUTN, KDF, MAC]);
    let skipped = request(&format!("{known}ff010000")).unwrap();
    assert_eq!(request(&known).unwrap(), skipped);
    assert_eq!(request(&format!("{known}7f010000")), Err(Error::UnknownAttribute(127)));
    assert!(matches!(request("030000"), Err(Error::Reserved { what: "the subtype", value: 3 })));
    assert!(matches!(request("020000"), Err(Error::Reserved { what: "the subtype of a request", .. })));
    assert!(matches!(request("0500"), Err(Error::Truncated { .. })));
}

#[test]
fn success_before_authentication_is_none() {
    assert_eq!(
        request("0c00000c014000"),
        Ok(Request::Notification(Notification::Before { code: Notification::GENERAL_FAILURE }))
    );
    assert!(matches!(request("0c00000c01c000"), Err(Error::Reserved { what: "AT_NOTIFICATION", .. })));
    assert!(matches!(request("0c00000c018000"), Err(Error::Missing { attribute: "AT_MAC", .. })));
}

#[test]
fn padding_is_zero_and_short() {
    let mut out = Vec::new();
    Attribute::Padding(12).emit(&mut out).unwrap();
    assert_eq!(out, bytes("060300000000000000000000"));
    let open = |digits: &str| encrypt([1; 16], [0; 16], &bytes(digits)).open(&[1; 16]);
    assert!(open("13010001060300000000000000000000").is_ok());
    assert!(matches!(
        open("13010001060300000000000000000001"),
        Err(Error::Reserved { what: "AT_PADDING", .. })
    ));
    assert!(matches!(
        open("06040000000000000000000000000000"),
        Err(Error::Length { what: "AT_PADDING", .. })
    ));
    assert!(matches!(
        open("13010001130100010602000000000000"),
        Err(Error::Misplaced { attribute: "AT_COUNTER", .. })
    ));
}

fn encrypt(key: [u8; 16], iv: [u8; 16], plain: &[u8]) -> Sealed {
    use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
    let mut data = plain.to_vec();
    let mut cipher = cbc::Encryptor::<aes::Aes128>::new(&key.into(), &iv.into());
    for block in data.as_chunks_mut::<16>().0 {
        cipher.encrypt_block(block.into());
    }
    Sealed { iv, data }
}

#[test]
fn a_list_of_derivations_has_an_end() {
    let kdfs = "18010001".repeat(8);
    let data = |kdfs: &str| join(&["010000", RAND, AUTN, kdfs, "17020004574c414e", MAC]);
    assert!(request(&data(&kdfs)).is_ok());
    assert!(matches!(request(&data(&format!("{kdfs}18010002"))), Err(Error::TooLong { .. })));
}

#[test]
fn what_cannot_be_written() {
    let identity = Response::Identity("x".repeat(1017));
    assert!(matches!(identity.emit(Method::AkaPrime, 1, None), Err(Error::TooLong { .. })));
    let res = |octets| Response::Challenge { res: vec![1; octets], checkcode: None, result_ind: false };
    let key = MacKey { k_aut: &[0; 32], extra: &[] };
    for octets in [3, 17] {
        assert!(matches!(res(octets).emit(Method::AkaPrime, 1, Some(key)), Err(Error::TooLong { .. })));
    }
    assert_eq!(res(8).emit(Method::AkaPrime, 1, None), Err(Error::NoKey));
    assert!(emit(Code::Request, 1, Type::Identity, &vec![0; 65531]).is_err());
}

#[test]
fn a_message_without_mac_proves_nothing() {
    let octets = Response::AuthenticationReject.emit(Method::AkaPrime, 1, None).unwrap();
    assert_eq!(octets, bytes("0201000832020000"));
    assert_eq!(verify_mac(&Packet::new_checked(&octets).unwrap(), &[0; 32], &[]), Err(Error::Mac));
}

#[test]
fn bidding_of_eap_aka_is_read() {
    let data = bytes(&join(&["010000", RAND, AUTN, "88018000", MAC]));
    let octets = emit(Code::Request, 1, Type::Method(Method::Aka), &data).unwrap();
    let (method, request) = Request::parse(&Packet::new_checked(&octets).unwrap()).unwrap();
    let Request::Challenge(challenge) = request else { panic!() };
    assert_eq!(
        (method, challenge.derivation),
        (Method::Aka, Derivation::Aka { prefers_aka_prime: Some(true) })
    );
}
