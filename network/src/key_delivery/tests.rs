use proptest::prelude::*;
use sidelink_wire::hex;

use super::*;

fn pkmf() -> Fqdn {
    Fqdn::new("pkmf.example.org").unwrap()
}

fn name(id: u8) -> KeyName {
    KeyName { service: ServiceId([0x12, 0x34, 0x56]), id: NonZeroU8::new(id).unwrap() }
}

fn pmk() -> Pmk {
    Pmk::from([0x42; 32])
}

const PMK_ID: PmkId = PmkId([0, 1, 2, 3, 4, 5, 6, 0xab]);

fn key() -> Content {
    let period = Period { from: UtcCounter::new(1_785_000_000), to: UtcCounter::new(1_785_086_400) };
    Content::Key(name(7), Secret256::from([9; 32]), period)
}

fn stamp(counter: u32) -> Stamp {
    Stamp { counter, csb_id: 0x0102_0304, rand: [counter as u8; 16] }
}

fn sent(suite: Suite, content: &Content, answer: Answer) -> (Vec<u8>, Sent) {
    let (pkmf, pmk) = (pkmf(), pmk());
    protect(Peers { pkmf: &pkmf, pmk_id: PMK_ID, pmk: &pmk }, stamp(5), suite, content, answer)
}

fn verified(octets: &[u8], sent: &Sent) -> Result<Acknowledged, Refused> {
    let (pkmf, pmk) = (pkmf(), pmk());
    Verification::parse(octets, &pkmf)?.verify(Peers { pkmf: &pkmf, pmk_id: PMK_ID, pmk: &pmk }, sent)
}

#[test]
fn a_key_arrives_and_is_acknowledged() {
    for suite in [Suite::HmacSha1, Suite::HmacSha256] {
        let (octets, sent) = sent(suite, &key(), Answer::Wanted);
        let received = Received::parse(&octets, &pkmf()).unwrap();
        assert_eq!((received.pmk_id, received.counter), (PMK_ID, 5));
        let proven = received.verify(&pmk()).unwrap();
        assert_eq!(proven.content, key());
        let answer = proven.answer.unwrap();
        assert_eq!(verified(&answer, &sent), Ok(Acknowledged(())));
        assert!(octets.windows(32).all(|window| window != [9; 32]), "the key is in the open");
    }
}

/// The fields in the order of TS 33.303 §6.2.3.3.2.3.2, read by hand.
#[test]
fn a_message_is_built_as_the_text_says() {
    let (octets, _) = sent(Suite::HmacSha1, &key(), Answer::Wanted);
    let front = "01 00 05 80 01020304 00 01  0b 02 00000005  06 10 05050505050505050505050505050505";
    let idi = format!("06 00 0019 {}", hex::of_bytes(b"12345607@pkmf.example.org"));
    let idr = format!("01 00 0021 {}", hex::of_bytes(b"00010203040506ab@pkmf.example.org"));
    // TEK with interval, 36 + 12 octets; AES-CM-128; HMAC-SHA-1-160.
    let expected = hex::bytes(&format!("{front} {idi} {idr} 00 01 0030")).unwrap();
    assert_eq!(octets[..expected.len()], expected);
    assert_eq!(octets.len(), expected.len() + 48 + 1 + 20);
    assert_eq!(octets[expected.len() + 48], 1);
    let period = Period { from: UtcCounter::new(0), to: UtcCounter::new(1) };
    let data = key_data(&Secret256::from([9; 32]), period);
    // 1970-01-01 in seconds since 1900 is 0x83aa7e80 (RFC 5905).
    let expected = format!("00 22 0020 {} 05 0083aa7e80 05 0083aa7e81", "09".repeat(32));
    assert_eq!(data[..], hex::bytes(&expected).unwrap());
}

#[test]
fn a_verification_message_is_built_as_the_text_says() {
    let (octets, _) = sent(Suite::HmacSha1, &key(), Answer::Wanted);
    let answer = Received::parse(&octets, &pkmf()).unwrap().verify(&pmk()).unwrap().answer.unwrap();
    let idr = hex::of_bytes(b"00010203040506ab@pkmf.example.org");
    let expected =
        hex::bytes(&format!("01 01 05 00 01020304 00 01  06 02 00000005  09 00 0021 {idr}  00 01")).unwrap();
    assert_eq!(answer[..expected.len()], expected);
    assert_eq!(answer.len(), expected.len() + 20);
}

#[test]
fn a_key_is_deleted_by_limits_that_are_the_same_and_id_0_solicits() {
    let (octets, _) = sent(Suite::HmacSha1, &Content::Delete(name(7)), Answer::Wanted);
    let proven = Received::parse(&octets, &pkmf()).unwrap().verify(&pmk()).unwrap();
    assert_eq!(proven.content, Content::Delete(name(7)));
    assert!(proven.answer.is_some());
    let solicit = Content::Solicit(name(1).service);
    let (octets, _) = sent(Suite::HmacSha1, &solicit, Answer::NotWanted);
    let proven = Received::parse(&octets, &pkmf()).unwrap().verify(&pmk()).unwrap();
    assert_eq!((proven.content, proven.answer), (solicit, None));
}

#[test]
fn nothing_altered_is_believed() {
    let (octets, sent) = sent(Suite::HmacSha1, &key(), Answer::Wanted);
    let proven = Received::parse(&octets, &pkmf()).unwrap().verify(&pmk()).unwrap();
    let answer = proven.answer.unwrap();
    let believed =
        |octets: &[u8]| Received::parse(octets, &pkmf()).and_then(|received| received.verify(&pmk())).is_ok();
    for bit in 0..8 * octets.len() {
        let mut altered = octets.clone();
        altered[bit / 8] ^= 0x80 >> (bit % 8);
        assert!(!believed(&altered), "bit {bit}");
    }
    for bit in 0..8 * answer.len() {
        let mut altered = answer.clone();
        altered[bit / 8] ^= 0x80 >> (bit % 8);
        assert!(verified(&altered, &sent).is_err(), "bit {bit} of the answer");
    }
    let other = Received::parse(&octets, &pkmf()).unwrap().verify(&Pmk::from([0x43; 32]));
    assert_eq!(other.unwrap_err(), Refused::WrongMac);
}

/// The MAC of an answer covers both identities and the counter, which are not all in it.
#[test]
fn an_answer_is_one_to_its_message_alone() {
    let (octets, first) = sent(Suite::HmacSha1, &key(), Answer::Wanted);
    let answer = Received::parse(&octets, &pkmf()).unwrap().verify(&pmk()).unwrap().answer.unwrap();
    assert!(verified(&answer, &first).is_ok());
    let others = [
        Sent { id: 8, ..first },
        Sent { service: ServiceId([1; 3]), ..first },
        Sent { suite: Suite::HmacSha256, ..first },
        Sent { stamp: Stamp { counter: 6, ..first.stamp }, ..first },
        Sent { stamp: Stamp { csb_id: 6, ..first.stamp }, ..first },
        Sent { stamp: Stamp { rand: [6; 16], ..first.stamp }, ..first },
    ];
    for other in others {
        assert_eq!(verified(&answer, &other), Err(Refused::WrongMac), "{other:?}");
    }
}

#[test]
fn what_the_profile_has_not_is_refused() {
    let (octets, _) = sent(Suite::HmacSha1, &key(), Answer::Wanted);
    let packet = Packet::new_checked(&octets[..]).unwrap();
    let good = Repr::parse(&packet).unwrap();
    let refused = |change: &dyn Fn(&mut Repr<'_>)| {
        let mut repr = good.clone();
        change(&mut repr);
        let mut octets = vec![0; repr.buffer_len()];
        repr.emit(&mut octets).unwrap();
        match Received::parse(&octets, &pkmf()).unwrap_err() {
            Refused::Profile(what) => what,
            other => panic!("{other:?}"),
        }
    };
    let null = "AES-CM-128, never NULL";
    for other in [Encryption::Null, Encryption::AesKw128, Encryption::AesCm256] {
        let change = |repr: &mut Repr<'_>| {
            let Some(Payload::Kemac { encryption, .. }) = repr.payloads.last_mut() else { panic!() };
            *encryption = other;
        };
        assert_eq!(refused(&change), null);
    }
    let suites = "PRF and MAC of one suite";
    assert_eq!(
        refused(&|repr| {
            let Some(Payload::Kemac { mac, .. }) = repr.payloads.last_mut() else { panic!() };
            *mac = Mac { algorithm: MacAlgorithm::Null, tag: &[] };
        }),
        suites
    );
    assert_eq!(refused(&|repr| repr.header.prf = Prf::HmacSha256), suites);
    assert_eq!(refused(&|repr| repr.header.sessions = CsIdMap::Srtp(vec![])), "an empty CS ID map");
    let directions = "messages of the pre-shared key, each in its direction";
    assert_eq!(refused(&|repr| repr.header.data_type = DataType::PresharedKeyVerification), directions);
    assert_eq!(refused(&|repr| repr.payloads[1] = Payload::Rand(&[1; 15])), "a RAND of 128 bits");
    let order = "a counter, RAND, two NAIs and KEMAC";
    assert_eq!(refused(&|repr| repr.payloads.swap(0, 1)), order);
    assert_eq!(refused(&|repr| drop(repr.payloads.remove(2))), order);
    assert_eq!(refused(&|repr| repr.payloads[0] = Payload::Timestamp(Timestamp::NtpUtc(5))), order);
    let extension = Payload::Extension(wire::Extension { kind: wire::ExtensionType(77), data: &[1] });
    assert_eq!(refused(&|repr| repr.payloads.push(extension.clone())), "KEMAC as its last payload");
    let nais = "NAIs of hexadecimal digits @ the PKMF";
    for bad in
        ["123456@pkmf.example.org", "1234560@pkmf.example.org", "12 45607@pkmf.example.org", "12345607"]
    {
        let id = Payload::Id { kind: IdType::Nai, data: bad.as_bytes() };
        assert_eq!(refused(&|repr| repr.payloads[2] = id.clone()), nais, "{bad}");
    }
}

#[test]
fn extensions_are_passed_over_and_covered_by_the_mac() {
    // TS 33.246 §6.5.3: an extension of an unknown type does not end the processing.
    let (octets, _) = sent(Suite::HmacSha1, &key(), Answer::NotWanted);
    let repr = Repr::parse(&Packet::new_checked(&octets[..]).unwrap()).unwrap();
    let mut longer = repr.clone();
    longer
        .payloads
        .insert(1, Payload::Extension(wire::Extension { kind: wire::ExtensionType(77), data: &[1, 2] }));
    let keys = Suite::HmacSha1.keys(&pmk(), 0x0102_0304, &[5; 16]);
    let octets = sealed(&longer, Suite::HmacSha1, |message| keys.mac(&[message]));
    let proven = Received::parse(&octets, &pkmf()).unwrap().verify(&pmk()).unwrap();
    assert_eq!((proven.content, proven.answer), (key(), None));
}

#[test]
fn a_message_of_another_pkmf_is_told_apart() {
    let (octets, _) = sent(Suite::HmacSha1, &key(), Answer::Wanted);
    let other = Fqdn::new("pkmf.example.com").unwrap();
    assert_eq!(Received::parse(&octets, &other).unwrap_err(), Refused::Pkmf);
    let upper = Fqdn::new("PKMF.example.ORG").unwrap();
    assert!(Received::parse(&octets, &upper).is_ok());
    let answer = Received::parse(&octets, &pkmf()).unwrap().verify(&pmk()).unwrap().answer.unwrap();
    assert_eq!(Verification::parse(&answer, &other).unwrap_err(), Refused::Pkmf);
}

/// What a holder of the PMK sends may still make no sense.
#[test]
fn key_data_that_the_profile_has_not_are_refused() {
    let (from, to) = (limit(UtcCounter::new(1)), limit(UtcCounter::new(2)));
    let interval = Validity::Interval { from: &from, to: &to };
    let good = KeyData { kind: KeyKind::Tek, key: &[1; 32], salt: None, validity: interval };
    let (octets, _) = sent(Suite::HmacSha1, &key(), Answer::Wanted);
    let received = Received::parse(&octets, &pkmf()).unwrap();
    let content = |data: &[KeyData<'_>]| {
        let mut octets = vec![0; KeyData::all_len(data)];
        KeyData::emit_all(data, &mut octets).unwrap();
        received.content(&octets)
    };
    assert!(content(&[good]).is_ok());
    let long = Validity::Interval { from: &[0; 4], to: &to };
    let bad = [
        (KeyData { kind: KeyKind::Tgk, ..good }, "one key, a TEK"),
        (KeyData { salt: Some(&[1]), ..good }, "one key, a TEK"),
        (KeyData { key: &[1; 16], ..good }, "a key of 256 bits"),
        (KeyData { validity: Validity::Always, ..good }, "a validity between two limits"),
        (KeyData { validity: long, ..good }, "limits of 40 bits"),
    ];
    for (data, what) in bad {
        assert_eq!(content(&[data]), Err(Refused::Profile(what)));
    }
    assert_eq!(content(&[good, good]), Err(Refused::Profile("one key, a TEK")));
    assert_eq!(content(&[]), Err(Refused::Profile("one key, a TEK")));
    // Before 1970 and after 2106 our clocks do not go.
    assert_eq!(from_limit(&[0; 5]), Ok(UtcCounter::new(0)));
    assert_eq!(from_limit(&[0xff; 5]), Ok(UtcCounter::new(u32::MAX)));
}

proptest! {
    #[test]
    fn any_octets_are_taken_or_refused(octets: Vec<u8>, cut in 0_usize..300, at: prop::sample::Index, value: u8) {
        let (mut message, _) = sent(Suite::HmacSha256, &key(), Answer::Wanted);
        let place = at.index(message.len());
        message[place] = value;
        message.truncate(cut);
        for octets in [octets, message] {
            let _ = Received::parse(&octets, &pkmf()).map(|received| received.verify(&pmk()));
            let _ = Verification::parse(&octets, &pkmf()).map(|message| message.counter);
        }
    }

    #[test]
    fn what_is_sent_arrives(counter: u32, csb_id: u32, rand: [u8; 16], id in 1_u8.., service: [u8; 3],
                            octets: [u8; 32], from: u32, length in 1_u32..) {
        let (pkmf, pmk) = (pkmf(), pmk());
        let peers = Peers { pkmf: &pkmf, pmk_id: PMK_ID, pmk: &pmk };
        let name = KeyName { service: ServiceId(service), id: NonZeroU8::new(id).unwrap() };
        let from = UtcCounter::new(from.min(u32::MAX - 1));
        let content = || Content::Key(name, Secret256::from(octets), Period { from, to: from.plus(length) });
        let stamp = Stamp { counter, csb_id, rand };
        let (octets, sent) = protect(peers, stamp, Suite::HmacSha1, &content(), Answer::Wanted);
        let received = Received::parse(&octets, &pkmf).unwrap();
        prop_assert_eq!(received.counter, counter);
        let proven = received.verify(&pmk).unwrap();
        prop_assert_eq!(proven.content, content());
        let answer = proven.answer.unwrap();
        prop_assert!(Verification::parse(&answer, &pkmf).unwrap().verify(peers, &sent).is_ok());
    }
}
