use sidelink_security::identity::sakke::Encapsulator;
use sidelink_wire::mikey::{
    CsIdMap, DataType, ErrorNumber, Framing, Header, IdentifierScheme, KeyParameters, KeyStatus, KeyType,
    Payload, Policy, Prf, Repr, SrtpParameter, StatusReading, Timestamp,
};

use super::super::i_message::{
    Content, Form, Name, Naming, OpenAs, Opened, Placement, ProvenSender, Received, Recipient, Servers,
    Trust, csb_id, make,
};
use super::*;

const KEY: [u8; 16] = [0x51; 16];

fn parameters() -> KeyParameters<'static> {
    KeyParameters {
        framing: Framing::Bare,
        key_type: KeyType::Gmk,
        status: KeyStatus::LIVE,
        activation: 1_795_989_600,
        expiry: 1_796_000_000,
        text: b"group 7",
        groups: Some(vec![b"sip:group7@example.org"]),
        reserved: None,
    }
}

fn content() -> Content<'static> {
    Content { parameters: Some(parameters()), ..Content::new(0x0123_4567, NtpTime::from_utc(NOW)) }
}

fn message_of(domain: &Domain, content: &Content<'_>, form: &Form<'_>) -> Vec<u8> {
    let recipient = Recipient { identity: BOB, kms: domain.kms(), public_key: domain.public_key() };
    make(&domain.sender(&domain.alice), &recipient, &KEY, content, form, &draws()).unwrap()
}

fn message(form: &Form<'_>) -> Vec<u8> {
    message_of(&WEEKLY, &content(), form)
}

fn trust(domain: &Domain) -> Trust<'_> {
    Trust {
        window: Window::around(NOW, 1000, 1000),
        sender_kms: domain.kms(),
        sender: None,
        local_kms: domain.kms(),
        local: BOB,
        key: &domain.bob.receiving,
        recipient: OpenAs::Responder,
        signatures: SignatureLeniency::Strict,
    }
}

fn open(octets: &[u8], trust: Trust<'_>) -> Result<Opened, Refused> {
    Received::parse(octets)?.open(&trust)
}

#[test]
fn every_form_of_both_kinds_of_identifiers_opens() {
    for domain in [&*WEEKLY, &*MONTHLY] {
        for naming in [Naming::Open, Naming::Hidden, Naming::Absent] {
            for servers in [Servers::Named, Servers::Absent] {
                for placement in [Placement::AfterSakke, Placement::BeforeSakke] {
                    let form = Form { naming, servers, placement, copy_to_self: None };
                    let octets = message_of(domain, &content(), &form);
                    let opened = open(&octets, Trust { sender: Some(ALICE), ..trust(domain) }).unwrap();
                    assert_eq!((&**opened.key(), opened.identity()), (&KEY, Some(ALICE)));
                    assert_eq!(opened.parameters(), Some(parameters()));
                    assert_eq!((opened.csb_id(), opened.time()), (0x0123_4567, NtpTime::from_utc(NOW)));
                    assert_eq!(opened.rand(), [0x11; 16]);
                    assert!(!format!("{opened:?}").contains("81, 81"), "the key is not shown");
                }
            }
        }
    }
}

#[test]
fn a_table_of_a_server_gives_the_same_message() {
    let domain = &*WEEKLY;
    let table = Encapsulator::new(domain.encryption.public_key());
    let recipient = Recipient { identity: BOB, kms: domain.kms(), public_key: PublicKey::Often(&table) };
    let sender = domain.sender(&domain.alice);
    let octets = make(&sender, &recipient, &KEY, &content(), &Form::default(), &draws()).unwrap();
    assert_eq!(octets, message(&Form::default()));
}

/// 447 octets without names, two UIDs 74 more: RFC 6509 and TS 33.180 by arithmetic.
#[test]
fn messages_have_the_lengths_that_were_computed() {
    let bare = Content { parameters: None, ..content() };
    let len =
        |naming, servers| message_of(&WEEKLY, &bare, &Form { naming, servers, ..Form::default() }).len();
    assert_eq!(len(Naming::Absent, Servers::Absent), 447);
    assert_eq!(len(Naming::Hidden, Servers::Absent), 521);
    let names = ALICE.len() + BOB.len() + 2 * WEEKLY.uri.len();
    assert_eq!(len(Naming::Open, Servers::Named), 447 + 4 * 5 + names);
}

#[test]
fn a_hidden_sender_is_disclosed_later() {
    let octets = message(&Form { naming: Naming::Hidden, ..Form::default() });
    let domain = &*WEEKLY;
    let opened = open(&octets, trust(domain)).unwrap();
    assert_eq!((opened.sender(), opened.identity()), (&ProvenSender::Hidden, None));
    assert_eq!(opened.sender_identifier(), domain.alice.signing.identifier());
    let opened = opened.disclose(ALICE, &domain.kms()).unwrap();
    assert_eq!(opened.identity(), Some(ALICE));
    assert_eq!(opened.disclose(BOB, &domain.kms()).unwrap_err(), Refused::Disclosure);
    let refused = open(&octets, Trust { sender: Some(BOB), ..trust(domain) }).unwrap_err();
    assert_eq!(refused, Refused::Name(Named::Initiator));
    let absent = message(&Form { naming: Naming::Absent, ..Form::default() });
    assert_eq!(open(&absent, trust(domain)).unwrap_err(), Refused::Hidden);
}

#[test]
fn the_senders_other_device_opens_its_copy() {
    let domain = &*WEEKLY;
    let octets = message(&Form { copy_to_self: Some(domain.public_key()), ..Form::default() });
    let own = Trust {
        local: ALICE,
        key: &domain.alice.receiving,
        recipient: OpenAs::InitiatorItself,
        ..trust(domain)
    };
    assert_eq!(open(&octets, own).unwrap().key()[..], KEY);
    assert_eq!(open(&octets, trust(domain)).unwrap().key()[..], KEY);
    assert_eq!(octets.len(), message(&Form::default()).len() + 282);
    let without = open(&message(&Form::default()), own).unwrap_err();
    assert_eq!(without, Refused::Profile("a copy for its sender"));
    let stranger = Trust { local: BOB, key: &domain.bob.receiving, ..own };
    assert_eq!(open(&octets, stranger).unwrap_err(), Refused::Name(Named::Initiator));
}

/// Alters a message and signs it anew, as its sender could.
fn resigned<'a>(octets: &'a [u8], alter: impl FnOnce(&mut Repr<'a>)) -> Vec<u8> {
    let (_, mut repr) = parse(octets).unwrap();
    alter(&mut repr);
    let mut octets = repr.to_octets().unwrap();
    let covered = octets.len() - 129;
    let signature = WEEKLY.alice.signing.sign(&octets[..covered], [9; 32]);
    octets[covered..].copy_from_slice(&signature);
    octets
}

fn with_sakke(octets: &[u8], data: &[u8], scheme: IdentifierScheme) -> Vec<u8> {
    let (_, mut repr) = parse(octets).unwrap();
    for payload in &mut repr.payloads {
        if let Payload::Sakke(sakke) = payload {
            (sakke.data, sakke.scheme) = (data, scheme);
        }
    }
    resigned(&repr.to_octets().unwrap(), |_| ())
}

#[test]
fn what_the_signature_covers_is_checked_for_itself() {
    let good = message(&Form::default());
    let domain = &*WEEKLY;
    let trust = trust(domain);
    assert!(open(&resigned(&good, |_| ()), trust).is_ok());
    let refused = open(&resigned(&good, |repr| repr.header.csb_id += 1), trust).unwrap_err();
    assert_eq!(refused, Refused::Parameters, "they belong to another CSB ID");
    let for_ = |user: &User, key| domain.public_key().encapsulate(user.receiving.identifier(), key).unwrap();
    let uid = IdentifierScheme::HashedUid;
    let refused = |data: &[u8], scheme| open(&with_sakke(&good, data, scheme), trust).unwrap_err();
    assert!(matches!(refused(&for_(&domain.bob, &KEY), IdentifierScheme::TelMonthly), Refused::Profile(_)));
    assert_eq!(refused(&for_(&domain.alice, &KEY), uid), Refused::Decapsulation, "for another");
    assert_eq!(refused(&for_(&domain.bob, &[1; 16]), uid), Refused::Parameters, "sealed with another key");
    assert!(open(&with_sakke(&good, &for_(&domain.bob, &KEY), uid), trust).is_ok());
}

#[test]
fn a_signature_of_another_user_is_refused_before_the_key_is_taken_out() {
    let domain = &*WEEKLY;
    let mut octets = message(&Form::default());
    let covered = octets.len() - 129;
    let signature = domain.bob.signing.sign(&octets[..covered], [9; 32]);
    octets[covered..].copy_from_slice(&signature);
    assert_eq!(open(&octets, trust(domain)).unwrap_err(), Refused::Signature);
    // With a key that does not open either: the signature is first.
    let data = domain.public_key().encapsulate(domain.alice.receiving.identifier(), &KEY).unwrap();
    let mut octets = with_sakke(&message(&Form::default()), &data, IdentifierScheme::HashedUid);
    octets[covered + 40] ^= 1;
    assert_eq!(open(&octets, trust(domain)).unwrap_err(), Refused::Signature);
}

#[test]
fn a_signature_without_the_head_is_taken_where_it_is_allowed() {
    let mut octets = message(&Form::default());
    let covered = octets.len() - 129;
    let signature = WEEKLY.alice.signing.sign(&octets[..covered - 2], [9; 32]);
    octets[covered..].copy_from_slice(&signature);
    assert_eq!(open(&octets, trust(&WEEKLY)).unwrap_err(), Refused::Signature);
    let lenient = Trust { signatures: SignatureLeniency::HeadOptional, ..trust(&WEEKLY) };
    assert_eq!(open(&octets, lenient).unwrap().coverage(), SignatureCoverage::WithoutHead);
}

#[test]
fn payloads_that_stand_twice_or_do_not_belong_are_refused() {
    let good = message(&Form { copy_to_self: Some(WEEKLY.public_key()), ..Form::default() });
    let (_, repr) = parse(&good).unwrap();
    let profile = |octets: &[u8]| matches!(open(octets, trust(&WEEKLY)), Err(Refused::Profile(_)));
    for index in 0..repr.payloads.len() - 1 {
        let twice = resigned(&good, |repr| repr.payloads.insert(index, repr.payloads[index].clone()));
        assert!(profile(&twice), "{index}");
        let payload = &repr.payloads[index];
        if matches!(payload, Payload::Timestamp(_) | Payload::Rand(_) | Payload::Sakke(_)) {
            assert!(profile(&resigned(&good, |repr| drop(repr.payloads.remove(index)))), "{index}");
        }
    }
    let counter = Payload::Timestamp(Timestamp::Counter(1));
    assert!(profile(&resigned(&good, |repr| repr.payloads[0] = counter)));
    assert!(profile(&resigned(&good, |repr| repr.payloads[1] = Payload::Rand(&[1; 15]))));
    assert!(profile(&resigned(&good, |repr| repr.payloads.insert(2, Payload::Error(ErrorNumber::Mac)))));
    assert!(profile(&resigned(&good, |repr| repr.payloads.swap(0, 1))), "T is the first");
    assert!(profile(&resigned(&good, |repr| repr.header.data_type = DataType::PresharedKey)));
}

#[test]
fn an_error_of_a_peer_is_a_hint() {
    let header = Header {
        data_type: DataType::Error,
        wants_verification: false,
        prf: Prf::HmacSha256,
        csb_id: 1,
        sessions: CsIdMap::Empty,
    };
    let payloads =
        vec![Payload::Timestamp(Timestamp::NtpUtc(1)), Payload::Error(ErrorNumber::Authentication)];
    let octets = Repr { header, payloads }.to_octets().unwrap();
    assert_eq!(Received::parse(&octets).unwrap_err(), Refused::Error(ErrorNumber::Authentication));
}

#[test]
fn keys_of_another_period_make_and_open_nothing() {
    let domain = &*WEEKLY;
    let recipient = Recipient { identity: BOB, kms: domain.kms(), public_key: domain.public_key() };
    let sender = domain.sender(&domain.alice);
    let next = NOW.plus_millis(7 * 86_400_000);
    let later = Content { time: NtpTime::from_utc(next), ..content() };
    let result = make(&sender, &recipient, &KEY, &later, &Form::default(), &draws());
    assert_eq!(result, Err(MakeError::Period));
    let identifier = domain.kms().identifier(ALICE, next).unwrap();
    let key = domain.authentication.issue(&identifier, &[8; 64]).unwrap();
    let sender = Sender { key: &key, ..sender };
    let octets = make(&sender, &recipient, &KEY, &later, &Form::default(), &draws()).unwrap();
    let late = Trust { window: Window::around(next, 1, 1), ..trust(domain) };
    assert_eq!(open(&octets, late).unwrap_err(), Refused::Period);
    assert_eq!(open(&octets, trust(domain)).unwrap_err(), Refused::Time { time: next });
}

#[test]
fn a_key_of_a_group_has_a_csb_id_for_each_member() {
    let gmk_id = 0x0abc_def0;
    let alice = csb_id(&KEY, gmk_id, ALICE).unwrap();
    assert_ne!(Ok(alice), csb_id(&KEY, gmk_id, BOB));
    assert_eq!((alice >> 28, csb_id(&KEY, alice, ALICE)), (0, Ok(gmk_id)));
    assert_eq!(csb_id(&KEY, 0x1abc_def0, ALICE), Ok(0x1abc_def0), "a PCK");
    assert_eq!(csb_id(&KEY, 0x8abc_def0, ALICE), Ok(0x8abc_def0), "an ad-hoc group");
    let content = Content { csb_id: csb_id(&KEY, gmk_id, BOB).unwrap(), ..content() };
    let opened = open(&message_of(&WEEKLY, &content, &Form::default()), trust(&WEEKLY)).unwrap();
    assert_eq!(opened.key_id(BOB), Ok(gmk_id));
    assert_eq!(format!("{:?}", opened.srtp_master(4)), "SrtpMaster(redacted)");
}

#[test]
fn a_revoked_key_and_a_policy_come_through() {
    let policy = Policy { number: 0, protocol: 0, parameters: SrtpParameter::GMK_PROFILE.to_vec() };
    let revoked = KeyParameters { status: KeyStatus::REVOKED, ..parameters() };
    let content = Content { policies: vec![policy.clone()], parameters: Some(revoked), ..content() };
    let octets = message_of(&WEEKLY, &content, &Form::default());
    let received = Received::parse(&octets).unwrap();
    assert_eq!(received.policies, [policy]);
    assert_eq!((received.initiator, received.responder), (Name::Uri(ALICE), Name::Uri(BOB)));
    let opened = received.open(&trust(&WEEKLY)).unwrap();
    assert!(opened.parameters().unwrap().status.is_revoked(StatusReading::Standard));
}

#[test]
fn every_name_in_a_message_is_compared() {
    let octets = message(&Form::default());
    let domain = &*WEEKLY;
    let good = trust(domain);
    let refused = |trust: Trust<'_>| open(&octets, trust).unwrap_err();
    assert_eq!(refused(Trust { sender: Some(BOB), ..good }), Refused::Name(Named::Initiator));
    let other = Kms { uri: "kms.example.com", ..domain.kms() };
    assert_eq!(refused(Trust { sender_kms: other, ..good }), Refused::Name(Named::InitiatorKms));
    // A server of another name has other identifiers: a receiver with a key of that one.
    let identifier = other.identifier(BOB, NOW).unwrap();
    let key = domain.encryption.issue(&identifier).unwrap();
    assert_eq!(refused(Trust { local_kms: other, key: &key, ..good }), Refused::Name(Named::ResponderKms));
    let alice = Trust { local: ALICE, key: &domain.alice.receiving, ..good };
    assert_eq!(refused(alice), Refused::Name(Named::Responder));
    let hidden = message(&Form { naming: Naming::Hidden, ..Form::default() });
    assert_eq!(open(&hidden, alice).unwrap_err(), Refused::Name(Named::Responder));
}
