use proptest::prelude::*;

use super::*;

#[test]
fn an_identity_is_prefix_semicolon_and_b_tid() {
    let b_tid = BTid::new("AAECAwQFBgcICQoLDA0ODw==@bsf.home1.net").unwrap();
    let identity = psk_identity(&b_tid);
    assert_eq!(identity, "3GPP-bootstrapping;AAECAwQFBgcICQoLDA0ODw==@bsf.home1.net");
    assert_eq!(b_tid_of(identity.as_bytes()), Some(b_tid));
    for other in [
        "",
        "a@b",
        "3GPP-bootstrapping",
        "3GPP-bootstrapping;",
        "3GPP-bootstrapping:a@b",
        "3GPP-bootstrapping.a@b",
        "3GPP-bootstrapping-uicc;a@b",
        "3gpp-bootstrapping;a@b",
        "3GPP-bootstrapping;a b",
    ] {
        assert_eq!(b_tid_of(other.as_bytes()), None, "{other}");
    }
    assert_eq!(b_tid_of(b"3GPP-bootstrapping;\xff"), None);
}

/// Names and numbers of OpenSSL, and what TS 33.220 Annex H.3 makes of the numbers.
#[test]
fn suites_are_those_of_openssl() {
    let mut builder = openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::tls()).unwrap();
    builder.set_cipher_list(&PskSuite::ALL.map(PskSuite::name).join(":")).unwrap();
    let context = builder.build();
    let ssl = openssl::ssl::Ssl::new(&context).unwrap();
    for suite in PskSuite::ALL {
        let list = ssl.bytes_to_cipher_list(&suite.number(), false).unwrap();
        let named =
            list.suites.iter().chain(list.signalling_suites.iter()).next().map(|c| c.name().to_owned());
        assert_eq!(named.as_deref(), Some(suite.name()));
    }
    assert_eq!(PskSuite::DheAes128Gcm.protocol(), [1, 0, 1, 0x00, 0xaa]);
    assert_eq!(PskSuite::EcdheChaCha20.protocol(), [1, 0, 1, 0xcc, 0xac]);
}

#[test]
fn the_server_prefers_by_its_own_order() {
    let preferred = |offered: &[[u8; 2]]| PskSuite::preferred(&offered.concat());
    assert_eq!(preferred(&[[0xcc, 0xad], [0x00, 0xab], [0xcc, 0xac]]), Some(PskSuite::EcdheChaCha20));
    assert_eq!(preferred(&[[0xc0, 0x2f], [0x00, 0xa8]]), None, "without forward secrecy");
    // 00aa across two numbers is none of the numbers.
    assert_eq!(preferred(&[[0xc0, 0x00], [0xaa, 0x01]]), None);
}

proptest! {
    #[test]
    fn any_octets_are_an_identity_or_none(octets: Vec<u8>) {
        let _ = (b_tid_of(&octets), PskSuite::preferred(&octets));
    }
}
