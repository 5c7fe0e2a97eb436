use super::*;
use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::public_safety::{PsdkUse, PublicSafetyKey};
use sidelink_security::keys::Psdk as Key;
use sidelink_wire::pc5_discovery::{More, Relay, Status};

const SERVICE: [u8; 3] = [0, 0, 9];
const RELAY: [u8; 3] = [0, 0xa, 1];
const START: u64 = 1_700_000_000;
const ECGI: [u8; 7] = [0x00, 0xf1, 0x10, 0x21, 0x43, 0x65, 0x07];

/// Protection as the security metadata name it.
#[derive(Clone, Copy)]
struct Metadata {
    scramble: bool,
    integrity: bool,
    confidentiality: bool,
}

const ALL: Metadata = Metadata { scramble: true, integrity: true, confidentiality: true };

fn material(key: u8, with: Metadata) -> Material {
    let psdk = PublicSafetyKey {
        psdk: Key::from([key; 32]),
        serves: PsdkUse::KeyType,
        expiry: UtcCounter::new(u32::MAX),
        scramble: with.scramble,
        integrity: with.integrity,
        confidentiality: with.confidentiality.then_some([0xff; 23]),
    };
    psdk.material(UtcCounter::new(0)).unwrap()
}

fn keys(psdks: &[(u8, u64)]) -> ServiceKeys {
    let psdk = |(key, end): &(u8, u64)| (UtcCounter::new((START + end) as u32), material(*key, ALL));
    ServiceKeys::new(SERVICE, psdks.iter().map(psdk))
}

fn at(millis: u64) -> AirTime {
    AirTime::at(UtcTime::from_millis(1000 * START + millis))
}

const POLICY: fn() -> TimePolicy = TimePolicy::default;
const ROOM: Status = Status { resources: true };

fn relay(psdks: &[(u8, u64)], model: Model) -> RelayDiscovery {
    let profile = RelayProfile { model, ..RelayProfile::new(vec![keys(psdks)], *b"relay1", RELAY) };
    RelayDiscovery::new(profile, &POLICY())
}

fn remote(psdks: &[(u8, u64)]) -> RemoteDiscovery {
    RemoteDiscovery::new(keys(psdks), *b"alice\0")
}

fn kind_of(message: &Message) -> MessageType {
    MessageType::from_octet(message[0]).unwrap()
}

fn announced(relay: &mut RelayDiscovery, millis: u64, period: u64, status: Status) -> Message {
    let (kind, message) = relay.message(&POLICY(), &at(millis), period, status).unwrap();
    assert_eq!(kind, Kind::Announcement);
    message.unwrap()
}

fn heard(remote: &mut RemoteDiscovery, millis: u64, message: &Message) -> Result<Found, Refusal> {
    remote.hear(&POLICY(), &at(millis), kind_of(message), message)
}

fn found(found: Found) -> Relay {
    let Found::Relay { relay, assurance: Assurance::Verified, .. } = found else { panic!("{found:?}") };
    relay
}

#[test]
// TS 24.334 §10A.2.2.2 (3)
fn an_announcement_says_who_for_what_and_whether_there_is_room() {
    let (mut relay, mut remote) = (relay(&[(1, 1000)], Model::A), remote(&[(1, 1000)]));
    for (period, resources) in [(0, true), (1, false)] {
        assert_eq!(relay.wanted(), 1);
        let message = announced(&mut relay, 320 * period, period, Status { resources });
        let said = found(heard(&mut remote, 320 * period, &message).unwrap());
        assert_eq!((said.service, said.info, said.relay), (SERVICE, *b"relay1", RELAY));
        assert_eq!(said.status.resources, resources);
        // Octets 2 to 28 are those of nobody without the keys.
        assert!(message.windows(6).all(|octets| octets != b"relay1"));
        assert_eq!(relay.message(&POLICY(), &at(320 * period + 10), period, ROOM), None, "once a period");
    }
}

#[test]
// TS 24.334 §10A.2.4.2 (1); TS 24.334 §10A.2.5.2
fn a_solicitation_is_answered_once_and_the_answer_is_for_who_asked() {
    let (mut relay, mut asking) = (relay(&[(1, 1000)], Model::B), remote(&[(1, 1000)]));
    assert_eq!(relay.message(&POLICY(), &at(0), 0, ROOM), None, "model B announces nothing");
    let question = asking.solicit(&POLICY(), &at(0), None).unwrap();
    let took = relay.hear(&POLICY(), &at(20), kind_of(&question), &question);
    assert_eq!(took, Ok(Solicited { service: SERVICE, info: *b"alice\0", alone: false }));
    assert_eq!(relay.hear(&POLICY(), &at(30), kind_of(&question), &question), Err(Refusal::Replay));
    assert_eq!(relay.wanted(), 1);
    let (kind, answer) = relay.message(&POLICY(), &at(320), 1, ROOM).unwrap();
    let answer = answer.unwrap();
    assert_eq!(kind, Kind::Response);
    assert_eq!(found(heard(&mut asking, 320, &answer).unwrap()).relay, RELAY);
    assert_eq!(relay.message(&POLICY(), &at(321), 1, ROOM), None);
    // The answer may be lost: whoever asks again within the second is answered again, and nobody who does so later.
    assert!(relay.hear(&POLICY(), &at(660), kind_of(&question), &question).is_ok());
    assert!(relay.message(&POLICY(), &at(961), 3, ROOM).is_some());
    assert_eq!(relay.hear(&POLICY(), &at(2500), kind_of(&question), &question), Err(Refusal::Replay));
    // Whoever did not ask, or asked long ago, takes no answer.
    assert_eq!(heard(&mut remote(&[(1, 1000)]), 320, &answer), Err(Refusal::Unknown));
    assert_eq!(heard(&mut asking, 10_001, &answer), Err(Refusal::Unknown));
}

#[test]
fn a_relay_that_is_asked_for_by_its_id_answers_alone() {
    let (mut relay, mut remote) = (relay(&[(1, 1000)], Model::Both), remote(&[(1, 1000)]));
    let other = remote.solicit(&POLICY(), &at(0), Some([0, 0xa, 2])).unwrap();
    assert_eq!(relay.hear(&POLICY(), &at(1), kind_of(&other), &other), Err(Refusal::Unknown));
    let own = remote.solicit(&POLICY(), &at(10), Some(RELAY)).unwrap();
    assert!(relay.hear(&POLICY(), &at(11), kind_of(&own), &own).is_ok_and(|asked| asked.alone));
    // A relay of model A is not asked.
    let mut silent = self::relay(&[(1, 1000)], Model::A);
    assert_eq!(silent.hear(&POLICY(), &at(11), kind_of(&own), &own), Err(Refusal::Type));
}

#[test]
// TS 24.334 §10A.2.11.2
fn additional_information_follows_the_announcement_and_names_the_cell() {
    let profile =
        RelayProfile { ecgi: Some(ECGI), ..RelayProfile::new(vec![keys(&[(1, 9)])], *b"relay1", RELAY) };
    let (mut relay, mut remote) = (RelayDiscovery::new(profile, &POLICY()), remote(&[(1, 9)]));
    assert_eq!(relay.wanted(), 2);
    announced(&mut relay, 0, 0, ROOM);
    let (kind, message) = relay.message(&POLICY(), &at(10), 0, ROOM).unwrap();
    assert_eq!(kind, Kind::AdditionalInformation);
    let told = heard(&mut remote, 10, &message.unwrap()).unwrap();
    let more = More::Ecgi(ECGI);
    assert_eq!(told, Found::More { relay: RELAY, more, assurance: Assurance::Verified });
    assert_eq!(relay.message(&POLICY(), &at(20), 0, ROOM), None);
}

#[test]
// TS 33.303 §6.6.7 (1)
fn the_psdk_that_ends_first_serves_until_its_last_second() {
    // In any order: the second one ends first.
    let (mut relay, mut both) = (relay(&[(2, 200), (1, 100)], Model::A), remote(&[(2, 200), (1, 100)]));
    let (mut first, mut second) = (remote(&[(1, 100)]), remote(&[(2, 200)]));
    let message = announced(&mut relay, 99_990, 0, ROOM);
    assert!(heard(&mut first, 99_990, &message).is_ok());
    assert_eq!(heard(&mut second, 99_990, &message), Err(Refusal::Unknown));
    // Heard after its end: it is of the second before.
    assert!(heard(&mut both, 100_020, &message).is_ok());
    let message = announced(&mut relay, 100_000, 1, ROOM);
    assert_eq!(heard(&mut first, 100_000, &message), Err(Refusal::Expired));
    assert!(heard(&mut second, 100_000, &message).is_ok());
    let (_, message) = relay.message(&POLICY(), &at(200_000), 2, ROOM).unwrap();
    assert_eq!(message, Err(Refusal::Expired), "all have ended");
}

#[test]
// TS 33.303 §6.6.4.2.2
fn the_security_metadata_say_which_keys_are_used() {
    let content =
        Content::RelayAnnouncement(Relay { service: SERVICE, info: *b"relay1", relay: RELAY, status: ROOM });
    for (scramble, integrity, confidentiality) in
        [(false, true, false), (true, true, false), (true, false, false), (true, true, true)]
    {
        let with = Metadata { scramble, integrity, confidentiality };
        let keys = ServiceKeys::new(SERVICE, [(UtcCounter::new(u32::MAX), material(1, with))]);
        let message = keys.protect(&POLICY(), &at(0), &content).unwrap();
        let is_clear = message.windows(6).any(|octets| octets == b"relay1");
        assert_eq!(is_clear, !scramble && !confidentiality);
        let opened = keys.open(&POLICY(), &at(0), MessageType::RelayAnnouncement, &message).unwrap();
        let proven = if integrity { Assurance::Verified } else { Assurance::Unprotected };
        assert_eq!((opened.content, opened.assurance), (content, proven));
    }
}

#[test]
fn old_messages_of_a_relay_are_refused_within_the_window_and_outside_it() {
    let (mut relay, mut remote) = (relay(&[(1, 1000)], Model::A), remote(&[(1, 1000)]));
    let old = announced(&mut relay, 0, 0, ROOM);
    let new = announced(&mut relay, 5000, 1, ROOM);
    assert!(heard(&mut remote, 5000, &new).is_ok());
    assert_eq!(heard(&mut remote, 5010, &old), Err(Refusal::Replay));
    // Nobody who just came: the message lies within MAX_OFFSET, and nothing newer was heard.
    assert!(heard(&mut self::remote(&[(1, 1000)]), 5010, &old).is_ok());
    assert_eq!(heard(&mut self::remote(&[(1, 1000)]), 40_000, &old), Err(Refusal::OutsideMaxOffset));
}

#[test]
fn a_flood_of_relays_and_of_solicitations_takes_no_more_memory() {
    let mut remote = remote(&[(1, 10_000)]);
    let mut refused = 0;
    for number in 0..200_u8 {
        let profile = RelayProfile::new(vec![keys(&[(1, 10_000)])], *b"relay1", [0, 1, number]);
        let message = announced(&mut RelayDiscovery::new(profile, &POLICY()), 0, 0, ROOM);
        refused += usize::from(heard(&mut remote, 0, &message) == Err(Refusal::RateLimited));
    }
    assert_eq!(refused, 200 - 64);
    let mut relay = relay(&[(1, 10_000)], Model::B);
    let mut answers = 0;
    for number in 0..1000_u64 {
        let info = [(number >> 8) as u8, number as u8, 0, 0, 0, 1];
        let mut one = RemoteDiscovery::new(keys(&[(1, 10_000)]), info);
        let question = one.solicit(&POLICY(), &at(10 * number), None).unwrap();
        answers +=
            usize::from(relay.hear(&POLICY(), &at(10 * number), kind_of(&question), &question).is_ok());
        assert!(relay.wanted() <= 1 && relay.accepted.len() <= relay.capacity);
    }
    assert_eq!(answers, 100, "ten a second");
}

#[test]
fn an_answer_without_a_slot_is_dropped_in_time() {
    let (mut relay, mut remote) = (relay(&[(1, 1000)], Model::B), remote(&[(1, 1000)]));
    let question = remote.solicit(&POLICY(), &at(0), None).unwrap();
    relay.hear(&POLICY(), &at(0), kind_of(&question), &question).unwrap();
    assert_eq!(relay.message(&POLICY(), &at(10_001), 40, ROOM), None);
}

#[test]
fn a_clock_that_went_back_asks_nothing() {
    let mut remote = remote(&[(1, 1000)]);
    remote.solicit(&POLICY(), &at(2000), None).unwrap();
    assert_eq!(remote.solicit(&POLICY(), &at(1000), None), Err(Refusal::Clock));
}

proptest! {
    /// Forged, altered or foreign messages are refused, and nothing panics.
    #[test]
    fn nothing_without_the_keys_is_believed(octets in any::<[u8; 29]>(), which in 0_usize..4, bit in 8_usize..224) {
        let types = [0x91, 0x92, 0x96, 0xa1];
        let (mut relay, mut remote) = (relay(&[(1, 1000)], Model::Both), remote(&[(1, 1000)]));
        remote.solicit(&POLICY(), &at(0), None).unwrap();
        let message = [&[types[which]][..], &octets[1..]].concat();
        let message: &Message = message.as_slice().try_into().unwrap();
        let refused = |result: Result<(), Refusal>| result.is_err();
        prop_assert!(refused(remote.hear(&POLICY(), &at(1), kind_of(message), message).map(|_| ())));
        prop_assert!(refused(relay.hear(&POLICY(), &at(1), kind_of(message), message).map(|_| ())));
        let mut altered = announced(&mut relay, 0, 0, ROOM);
        altered[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(refused(heard(&mut remote, 0, &altered).map(|_| ())));
    }
}
