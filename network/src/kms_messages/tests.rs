use proptest::prelude::*;
use sidelink_security::counter::UtcTime;

use super::*;

/// As the examples of TS 33.180 Annex D.3.4 are made: a signature beside the message, elements and attributes of other
/// namespaces, times without a zone.
fn response(message: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<SignedKmsResponse xmlns="urn:3gpp:ns:mcsecKMSInterface:1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Id="xmldoc">
 <KmsResponse Version="1.0.0">
  <UserUri>user@example.org</UserUri>
  <KmsUri>kms.example.org</KmsUri>
  <Time>2014-01-26T10:05:52</Time>
  <KmsId>KMSProvider12345</KmsId>
  <ClientReqUrl>http://kms.example.org/keymanagement/identity/v1/init</ClientReqUrl>
  {message}
 </KmsResponse>
 <Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignatureValue>DEADBEEF</SignatureValue></Signature>
</SignedKmsResponse>"#
    )
}

fn certificate(role: &str) -> String {
    format!(
        "<KmsCertificate Version=\"1.1.0\" Role=\"{role}\"><CertUri>cert1.kms.example.org</CertUri>\
         <KmsUri>kms.example.org</KmsUri><Issuer>www.example.org</Issuer>\
         <ValidFrom>2000-01-26T00:00:00</ValidFrom><ValidTo>2100-01-26T23:59:59</ValidTo>\
         <Revoked>false</Revoked><UserIdFormat>2</UserIdFormat><UserKeyPeriod>2592000</UserKeyPeriod>\
         <UserKeyOffset>0</UserKeyOffset><PubEncKey>{}</PubEncKey><PubAuthKey>{}</PubAuthKey>\
         <ParameterSet>1</ParameterSet><KmsDomainList><KmsDomain>sec1.example.org</KmsDomain>\
         <KmsDomain>sec2.example.org</KmsDomain></KmsDomainList></KmsCertificate>",
        "04".repeat(257),
        "04".repeat(65)
    )
}

fn key_set(rsk: &str) -> String {
    format!(
        "<KmsKeySet Version=\"1.1.0\"><KmsUri>kms.example.org</KmsUri>\
         <CertUri>cert1.kms.example.org</CertUri><Issuer>www.example.org</Issuer>\
         <UserUri>user@example.org</UserUri><UserID>{}</UserID>\
         <ValidFrom>2015-12-30T00:00:00</ValidFrom><ValidTo>2016-03-29T23:59:59</ValidTo>\
         <KeyPeriodNo>1514</KeyPeriodNo><Revoked>false</Revoked>\
         <UserDecryptKey xsi:type=\"KeyContentType\">{rsk}</UserDecryptKey>\
         <UserSigningKeySSK xsi:type=\"KeyContentType\">{}</UserSigningKeySSK>\
         <UserPubTokenPVT xsi:type=\"KeyContentType\">{}</UserPubTokenPVT></KmsKeySet>",
        "ab".repeat(32),
        "11".repeat(32),
        "04".repeat(65)
    )
}

fn read(message: &str) -> Result<KmsResponse, Error> {
    KmsResponse::from_xml(response(message).as_bytes())
}

#[test]
fn an_init_is_read_as_the_schema_has_it() {
    let inner = format!(
        "<KmsMessage><KmsInit Version=\"1.0.0\" xsi:type=\"KmsInitTkIkType\">{}\
         <x:NewTransportKey xmlns:x=\"urn:other\"/></KmsInit></KmsMessage>",
        certificate("Root")
    );
    let message = read(&inner).unwrap();
    assert_eq!((message.user.as_str(), message.kms.as_str()), ("user@example.org", "kms.example.org"));
    assert_eq!(message.time.0, UtcTime::from_millis(1_390_730_752_000), "without a zone it is UTC");
    let Some(KmsMessage::Init(init)) = message.message else { panic!("no KmsInit") };
    let certificate = init.certificate;
    assert_eq!((certificate.role, certificate.id_format), (Some(Role::Root), IdFormat::HashedUid));
    assert_eq!((certificate.period, certificate.offset), (Number(2_592_000), Number(0)));
    assert_eq!((certificate.z.0, certificate.kpak.0), ([4; 257], [4; 65]));
    assert_eq!(certificate.domains.unwrap().domains.len(), 2);
}

#[test]
fn keys_are_read_as_the_schema_has_them() {
    let message = read(&format!(
        "<KmsMessage><KmsKeyProv Version=\"1.0.0\">{}</KmsKeyProv></KmsMessage>",
        key_set(&"04".repeat(257))
    ));
    let Some(KmsMessage::KeyProv(keys)) = message.unwrap().message else { panic!("no KmsKeyProv") };
    let [set] = &keys.key_sets[..] else { panic!("one key set") };
    assert_eq!((set.period, &set.user_id), (Number(1514), &UserId(vec![0xab; 32])));
    assert_eq!((set.rsk.0, set.ssk.0, set.pvt.0), ([4; 257], [0x11; 32], [4; 65]));
    assert_eq!(set.until.unwrap().0, UtcTime::from_millis(1_459_295_999_000));
}

#[test]
fn a_cache_has_certificates_with_and_without_a_signature() {
    let message = read(&format!(
        "<KmsMessage><KmsCertCache Version=\"1.0.0\" CacheNum=\"7\"><SignedKmsCertificate Id=\"cert1\">{}\
         <Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/></SignedKmsCertificate>{}</KmsCertCache></KmsMessage>",
        certificate("External"),
        certificate("External")
    ));
    let Some(KmsMessage::CertCache(cache)) = message.unwrap().message else { panic!("no KmsCertCache") };
    assert_eq!((cache.number, cache.signed.len(), cache.certificates.len()), (Some(Number(7)), 1, 1));
}

#[test]
fn what_is_not_of_the_schema_is_told_with_its_place_and_never_with_its_key() {
    let keys = |set: String| format!("<KmsMessage><KmsKeyProv>{set}</KmsKeyProv></KmsMessage>");
    let encrypted = "<EncryptedKey xmlns=\"http://www.w3.org/2001/04/xmlenc#\"><CipherData/></EncryptedKey>";
    let cases = [
        (keys(key_set("04")), "KmsResponse/KmsMessage/KmsKeyProv/KmsKeySet/UserDecryptKey must be hexBinary"),
        (keys(key_set(encrypted)), "UserDecryptKey must be hexBinary of the length of its key; a key under"),
        (keys(key_set(&"zz".repeat(257))), "UserDecryptKey must be hexBinary"),
        ("<KmsMessage/>".to_owned(), "KmsMessage must be one of KmsInit"),
        (
            "<KmsError><ErrorCode>7</ErrorCode></KmsError>".to_owned(),
            "KmsResponse/KmsError/ErrorMsg is missing",
        ),
    ];
    for (document, words) in cases {
        let error = read(&document).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert!(!error.contains("zzzz") && !error.contains("0404"), "{error}");
    }
    assert_eq!(KmsRequest::from_xml(response("").as_bytes()).unwrap_err(), Error::Root);
}

#[test]
fn an_error_has_a_number_and_a_text() {
    let message = read("<KmsError><ErrorCode>6</ErrorCode><ErrorMsg>no</ErrorMsg></KmsError>").unwrap();
    let error = message.error.unwrap();
    assert_eq!((error.code(), error.text.as_str()), (Some(ErrorCode::NotYours), "no"));
    for code in ErrorCode::ALL {
        assert_eq!(ErrorInfo::of(*code).code(), Some(*code));
    }
    let other = read("<KmsError><ErrorCode>-40</ErrorCode><ErrorMsg/></KmsError>").unwrap();
    assert_eq!(other.error.unwrap().code(), None, "another server's");
}

fn example() -> KmsResponse {
    let document = response(&format!(
        "<KmsMessage><KmsKeyProv Version=\"1.0.0\">{}</KmsKeyProv></KmsMessage>",
        key_set(&"04".repeat(257))
    ));
    KmsResponse::from_xml(document.as_bytes()).unwrap()
}

#[test]
fn what_is_written_is_what_was_read_and_key_contents_say_their_type() {
    let document = example().to_xml();
    let again = KmsResponse::from_xml(document.as_bytes()).unwrap();
    assert_eq!(again.to_xml(), document);
    let wanted = [
        "<KmsResponse xmlns=\"urn:3gpp:ns:mcsecKMSInterface:1.0\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" Version=\"1.0.0\">",
        "<KmsKeySet Version=\"1.1.0\">",
        "<UserID>q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=</UserID>",
        "<UserSigningKeySSK xsi:type=\"KeyContentType\">1111",
    ];
    for part in wanted {
        assert!(document.contains(part), "{part}: {}", &*document);
    }
    let cache = document.matches("<UserDecryptKey xsi:type").count();
    assert_eq!(cache, 1);
    let text = format!("{:?}", example());
    assert!(!text.contains("17, 17") && text.contains("redacted"), "{text}");
}

#[test]
fn a_request_says_who_asks_whom_when_and_for_what() {
    let uri = |text: &str| Uri::new(text).unwrap();
    let time = KmsTime(UtcTime::from_millis(1_390_730_752_000));
    let request = KmsRequest::new(uri("sip:a@b"), uri("kms.b"), time, uri("https://kms.b/x"));
    let document = request.to_xml();
    let again = KmsRequest::from_xml(document.as_bytes()).unwrap();
    assert_eq!(
        (again.user, again.kms, again.time, again.url),
        (request.user, request.kms, time, request.url)
    );
    for zone in [
        "2014-01-26T10:05:52Z",
        "2014-01-26T11:05:52+01:00",
        "2014-01-26T10:05:52",
        "2014-01-26T10:05:52.000",
    ] {
        let other = document.replace("2014-01-26T10:05:52Z", zone);
        let read = KmsRequest::from_xml(other.as_bytes()).unwrap();
        assert_eq!(read.time, time, "{zone}");
    }
}

/// The example of TS 33.180 Annex D.2.4: 23 February 2014, 08:39:14 UTC.
#[test]
fn a_path_names_a_resource_an_identity_and_a_time() {
    let path = "/keymanagement/identity/v1/keyprov/sip%3Auser%40example.org/D6B4323200000000";
    let Resource::KeyProv { user, time } = Resource::from_path(path).unwrap() else { panic!("keyprov") };
    assert_eq!(user.unwrap().as_str(), "sip:user@example.org");
    assert_eq!(time, Some(UtcTime::from_millis(1_393_144_754_000)));
    let of = |rest: &str| Resource::from_path(&format!("{ROOT_PATH}{rest}"));
    assert_eq!(of("init"), Ok(Resource::Init));
    assert_eq!(of("certcache/12345"), Ok(Resource::CertCache { since: Some(12345) }));
    assert_eq!(of("cert/kms.example.org"), Ok(Resource::Cert { kms: Uri::new("kms.example.org").unwrap() }));
    for (rest, why) in [
        ("", NoResource::Unknown),
        ("init/x", NoResource::Unknown),
        ("keyprov/a/D6B4323200000000/x", NoResource::Unknown),
        ("keyprov/a/D6B43232", NoResource::Time),
        ("keyprov/a/0000000000000000", NoResource::Time),
        ("keyprov/%zz", NoResource::Uri),
        ("keyprov/%20", NoResource::Uri),
        ("keyprov/", NoResource::Uri),
        ("lookup/user%40example.org", NoResource::Unsupported),
        ("redirect/user%40example.org", NoResource::Unsupported),
    ] {
        assert_eq!(of(rest), Err(why), "{rest}");
    }
    assert_eq!(Resource::from_path("/other"), Err(NoResource::Unknown));
}

#[test]
fn media_types() {
    for (name, taken) in [
        ("application/xml", true),
        ("text/XML; charset=utf-8", true),
        ("application/mikey", false),
        ("", false),
    ] {
        assert_eq!(is_media_type(name), taken, "{name}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>) {
        let _ = (KmsRequest::from_xml(&octets), KmsResponse::from_xml(&octets));
    }

    #[test]
    fn a_document_cut_or_changed_is_read_or_refused(at in 0..4096_usize, octet: u8, cut: bool) {
        let mut document = example().to_xml().as_bytes().to_vec();
        let at = at % document.len();
        if cut { document.truncate(at) } else { document[at] = octet }
        let _ = KmsResponse::from_xml(&document);
    }

    #[test]
    fn paths_are_written_as_they_are_read(user in "[!-~é]{1,40}", seconds in 0..2_000_000_000_u64, timed: bool) {
        let time = timed.then(|| UtcTime::from_millis(seconds * 1000));
        let resource = Resource::KeyProv { user: Uri::new(&user), time };
        prop_assert_eq!(Resource::from_path(&resource.to_path()), Ok(resource));
    }

    #[test]
    fn any_path_is_read_or_refused(path: String) {
        let _ = Resource::from_path(&path);
        let _ = Resource::from_path(&format!("{ROOT_PATH}{path}"));
    }
}
