use super::*;
use proptest::prelude::*;

fn parameters(text: &str) -> Result<Vec<(&str, &str)>, Error> {
    Parameters::parse(text).map(|p| p.0)
}

/// The vectors of RFC 7616 have `qop=auth`, whose A2 has no body; they check the hash of parts.
#[test]
fn digests_of_rfc_7616() {
    for (algorithm, expected) in [
        (Algorithm::AkaV1Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::AkaV1Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let h = |parts: &[&[u8]]| algorithm.hash(parts);
        let a1 = h(&[b"Mufasa", b"http-auth@example.org", b"Circle of Life"]);
        let a2 = h(&[b"GET", b"/dir/index.html"]);
        let nonce = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let made = h(&[a1.as_bytes(), nonce, b"00000001", cnonce, b"auth", a2.as_bytes()]);
        assert_eq!(*made, expected);
    }
}

#[test]
fn header_fields_come_back() {
    let challenge = Challenge {
        realm: "bsf.home1.net".into(),
        nonce: nonce(Rand([1; 16]), Autn([2; 16])),
        algorithm: Algorithm::AkaV1Md5,
        opaque: Some("5ccc".into()),
    };
    assert_eq!(Challenge::parse(challenge.emit().as_bytes()), Ok(challenge.clone()));
    assert_eq!(challenge_of(&challenge.nonce), Ok((Rand([1; 16]), Autn([2; 16]))));
    let first = Authorization {
        username: "user1_private@home1.net".into(),
        realm: challenge.realm.clone(),
        uri: "/".into(),
        answer: None,
    };
    assert_eq!(Authorization::parse(first.emit().as_bytes()), Ok(first.clone()));
    let answer = Answer {
        nonce: challenge.nonce,
        cnonce: "6629".into(),
        algorithm: Algorithm::AkaV1Sha256,
        response: "00".into(),
        opaque: challenge.opaque,
        auts: Some(Auts([7; 14])),
    };
    let second = Authorization { answer: Some(answer), ..first };
    assert_eq!(Authorization::parse(second.emit().as_bytes()), Ok(second));
    assert_eq!(parse_rspauth(emit_authentication_info("ab", "cd").as_bytes()), Ok("ab".into()));
}

#[test]
fn tokens_and_quoted_strings_are_taken() {
    assert_eq!(
        parameters("a=b ,\tc = \"d, e=f\" , G-1=\"\""),
        Ok(vec![("a", "b"), ("c", "d, e=f"), ("G-1", "")])
    );
}

#[test]
fn what_is_no_list_is_refused() {
    for text in ["", "a", "=b", "a=\"b", "a=\"b\"c", "a=b,", "ä=b", "a b=c", "a=\"b\\\"c\"", "a=b\"c"] {
        assert_eq!(parameters(text), Err(Error::Syntax), "{text}");
    }
    assert_eq!(parameters("a=b, A=c"), Err(Error::Twice));
    let many = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join(",");
    assert_eq!(parameters(&many(33)), Err(Error::TooLong));
    assert!(parameters(&many(32)).is_ok());
    let long = |n: usize| format!("Digest realm=\"{}\"", "r".repeat(n - 15));
    assert_eq!(Authorization::parse(long(MAX_FIELD + 1).as_bytes()), Err(Error::TooLong));
    assert_eq!(Authorization::parse(long(MAX_FIELD).as_bytes()), Err(Error::Missing("nonce")));
    assert_eq!(Authorization::parse(b"Basic abcdefg"), Err(Error::Scheme));
    assert_eq!(Authorization::parse(b"Digest a=\"\r\n\""), Err(Error::Syntax));
}

/// A field with one parameter changed.
fn changed(name: &str, value: &str) -> Result<Authorization, Error> {
    let mut field = String::from("Digest username=\"a@b\", realm=\"c\", uri=\"/\"");
    for (known, usual) in [
        ("nonce", "bm9uY2U="),
        ("qop", "auth-int"),
        ("nc", NC),
        ("cnonce", "1"),
        ("algorithm", "AKAv1-MD5"),
        ("response", "2"),
    ] {
        field.push_str(&format!(", {known}=\"{}\"", if known == name { value } else { usual }));
    }
    if name == "auts" {
        field.push_str(&format!(", auts=\"{value}\""));
    }
    Authorization::parse(field.as_bytes())
}

#[test]
fn values_that_cannot_be_are_refused() {
    assert!(changed("", "").is_ok());
    for (name, value) in
        [("qop", "auth"), ("nc", "00000002"), ("algorithm", "MD5"), ("auts", "AAAA"), ("auts", "?")]
    {
        assert_eq!(changed(name, value), Err(Error::Value(name_of(name))), "{name}={value}");
    }
    let challenge = "Digest realm=\"a\", nonce=\"b\", algorithm=AKAv1-MD5, qop=\"auth\"";
    assert_eq!(Challenge::parse(challenge.as_bytes()), Err(Error::Value("qop")));
    for nonce in ["?", "AAAA", &Base64::encode_string(&[0; 31])] {
        assert_eq!(challenge_of(nonce), Err(Error::Value("nonce")));
    }
    assert!(challenge_of(&Base64::encode_string(&[0; 40])).is_ok(), "data of the server behind AUTN");
}

fn name_of(name: &str) -> &'static str {
    ["qop", "nc", "algorithm", "auts"].into_iter().find(|n| *n == name).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(field: Vec<u8>, text in "[ -~]{0,80}") {
        let digest = format!("Digest {text}");
        for field in [&field[..], text.as_bytes(), digest.as_bytes()] {
            let _ = (Challenge::parse(field), Authorization::parse(field), parse_rspauth(field));
        }
        let _ = challenge_of(&text);
    }
}
