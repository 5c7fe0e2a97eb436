use super::super::group_call::{Call, Opened, Received, Trust, make};
use super::*;

const GMK: [u8; 16] = [0x41; 16];
const GSK: [u8; 16] = [0x42; 16];

fn call() -> Call<'static> {
    let domain = &*WEEKLY;
    let time = NtpTime::from_utc(NOW);
    Call { caller: domain.sender(&domain.alice), csb_id: 0x1234_5678, gmk_id: 0x0abc_def0, time }
}

fn message() -> Vec<u8> {
    make(&GMK, &GSK, &call(), &draws()).unwrap()
}

fn trust() -> Trust<'static> {
    Trust {
        window: Window::around(NOW, 1000, 1000),
        kms: WEEKLY.kms(),
        signatures: SignatureLeniency::Strict,
    }
}

fn open(octets: &[u8], trust: Trust<'_>) -> Result<Opened, Refused> {
    Received::parse(octets)?.open(&GMK, &trust)
}

#[test]
fn a_call_opens() {
    let octets = message();
    assert_eq!(octets.len(), 258 - 15 + ALICE.len());
    let received = Received::parse(&octets).unwrap();
    assert_eq!((received.caller, received.gmk_id, received.csb_id()), (ALICE, 0x0abc_def0, 0x1234_5678));
    let opened = received.open(&GMK, &trust()).unwrap();
    assert_eq!((opened.caller(), opened.gsk()), (ALICE, &GSK));
    assert_eq!((opened.gmk_id(), opened.csb_id()), (0x0abc_def0, 0x1234_5678));
    assert_eq!((opened.time(), opened.coverage()), (NtpTime::from_utc(NOW), SignatureCoverage::Standard));
    assert!(!format!("{opened:?}").contains("66, 66"), "the key is not shown");
}

#[test]
fn each_check_of_a_call_stands_for_itself() {
    let octets = message();
    let late = Window { earliest: NOW.plus_millis(1), latest: NOW.plus_millis(2) };
    assert_eq!(open(&octets, Trust { window: late, ..trust() }).unwrap_err(), Refused::Time { time: NOW });
    let received = Received::parse(&octets).unwrap();
    assert_eq!(received.open(&[0; 16], &trust()).unwrap_err(), Refused::WrongMac);
    let kms = Kms { kpak: MONTHLY.authentication.public_key(), ..WEEKLY.kms() };
    assert_eq!(open(&octets, Trust { kms, ..trust() }).unwrap_err(), Refused::Signature);
    // A member that signs by its own key, in the name of another.
    let domain = &*WEEKLY;
    let forged = Call { caller: Sender { identity: ALICE, ..domain.sender(&domain.bob) }, ..call() };
    assert_eq!(make(&GMK, &GSK, &forged, &draws()), Err(MakeError::Period));
    let mut forged = message();
    let signed = forged.len() - 129;
    let signature = domain.bob.signing.sign(&forged[..signed], [5; 32]);
    forged[signed..].copy_from_slice(&signature);
    assert_eq!(open(&forged, trust()).unwrap_err(), Refused::Signature);
    let old = Call { time: NtpTime::from_utc(NOW.minus_millis(14 * 86_400_000)), ..call() };
    assert_eq!(make(&GMK, &GSK, &old, &draws()), Err(MakeError::Period));
}

#[test]
fn any_changed_octet_is_refused() {
    let octets = message();
    for at in 0..octets.len() {
        let mut altered = octets.clone();
        altered[at] ^= 0x10;
        assert!(open(&altered, trust()).is_err(), "{at}");
    }
}

#[test]
fn a_signature_without_the_head_is_taken_where_it_is_allowed() {
    let mut octets = message();
    let signed = octets.len() - 129;
    let signature = WEEKLY.alice.signing.sign(&octets[..signed - 2], [5; 32]);
    octets[signed..].copy_from_slice(&signature);
    assert_eq!(open(&octets, trust()).unwrap_err(), Refused::Signature);
    let lenient = Trust { signatures: SignatureLeniency::HeadOptional, ..trust() };
    assert_eq!(open(&octets, lenient).unwrap().coverage(), SignatureCoverage::WithoutHead);
    assert_eq!(open(&message(), lenient).unwrap().coverage(), SignatureCoverage::Standard);
}

#[test]
fn another_message_of_a_pre_shared_key_is_no_call() {
    use super::super::psk::{Message, Received as PskReceived, make};
    use sidelink_wire::mikey::Timestamp;
    let octets = make(&GMK, &Message::new(1, Timestamp::Counter(1), &[1; 16]), None).unwrap();
    assert!(matches!(Received::parse(&octets), Err(Refused::Profile(_))), "no signature");
    assert!(matches!(PskReceived::parse(&message()), Err(Refused::Profile(_))), "a signature too many");
}

/// A caller may sign what it likes: the SPI of its GSK is compared all the same.
#[test]
fn a_session_key_of_another_call_is_refused() {
    use super::super::psk::{Message, make};
    use sidelink_wire::mikey::{IdType, KeyData, KeyKind, Packet, PayloadType, Timestamp, Validity};
    let call = |spi: &[u8]| {
        let key = KeyData { kind: KeyKind::Tgk, key: &GSK, salt: None, validity: Validity::Spi(spi) };
        let message = Message {
            initiator: Some((IdType::Uri, ALICE.as_bytes())),
            responder: Some((IdType::Octets, &[1, 2, 3, 4])),
            keys: vec![key],
            ..Message::new(0x1234_5678, Timestamp::NtpUtc(NtpTime::from_utc(NOW).0), &[1; 16])
        };
        let mut octets = make(&GMK, &message, None).unwrap();
        let kemac = Packet::new_checked(&octets[..]).unwrap().payloads().last().unwrap().at;
        octets[kemac] = PayloadType::SIGN.0;
        octets.extend([0x20, 129]);
        let signature = WEEKLY.alice.signing.sign(&octets, [1; 32]);
        octets.extend(signature);
        open(&octets, trust()).map(|opened| *opened.gsk())
    };
    assert_eq!(call(&[0x12, 0x34, 0x56, 0x78]), Ok(GSK));
    assert!(matches!(call(&[0x12, 0x34, 0x56, 0x79]), Err(Refused::Profile(_))));
}
