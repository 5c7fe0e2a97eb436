use proptest::prelude::*;
use sidelink_security::discovery::book::NoIntegrityKey;
use sidelink_security::discovery::open::{MatchReport, OpenKey};
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, Variant};
use sidelink_security::discovery::public_safety::{PsdkUse, PublicSafetyKey};
use sidelink_security::discovery::request_response::{Binding, Session};
use sidelink_security::discovery::restricted::{Material, MicCheck, Receiver, Sender};
use sidelink_security::discovery::{CodeFilter, Profile};
use sidelink_security::keys::{ApplicationKey, DiscoveryKey, Duck, Duik, Dusk, PresharedSecret, Psdk};

use super::*;
use sidelink_wire::pc5_discovery::Content;

mod rules;

/// Returns a small deterministic generator (SplitMix64).
pub(super) fn random(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

const POLICY: TimePolicy =
    TimePolicy { max_offset: 32, strict: None, uncertainty_millis: 20, sets: signed::SetTiming::DEFAULT };
const FOREVER: UtcCounter = UtcCounter::new(u32::MAX);
/// A time on the edge of a second and of every period used here.
const START: u64 = 1_700_000_000_000;

fn at(millis: u64) -> AirTime {
    AirTime::at(UtcTime::from_millis(START + millis))
}

fn config(nonce_bits: u16, period_millis: u64) -> OtaConfig {
    OtaConfig::new(Variant::Keyed, 64, nonce_bits, RotationPeriod::from_millis(period_millis).unwrap())
        .unwrap()
}

fn pair(n: u8) -> ([u8; 20], ApplicationKey) {
    ([n; 20], ApplicationKey::from([n ^ 0x5a; 32]))
}

fn changing(config: OtaConfig, n: u8) -> Announcer {
    let (id, key) = pair(n);
    Announcer::changing(config, id, &key, FOREVER)
}

fn monitor(rotating: OtaConfig, followed: &[u8]) -> (Monitor, Vec<Subject>) {
    let config = MonitorConfig { rotating: Some(rotating), ..MonitorConfig::default() };
    let mut monitor = Monitor::new(config).unwrap();
    let pairs: Vec<_> = followed.iter().map(|&n| pair(n)).collect();
    let who = monitor.follow_rotating(pairs.iter().map(|(id, key)| (*id, key, FOREVER))).unwrap();
    (monitor, who)
}

fn announce(announcer: &mut Announcer, now: &AirTime) -> Message {
    announcer.announce(now, &POLICY, &mut random(now.slot.millis())).unwrap()
}

/// Builds the needed tables and checks a message.
fn receive(monitor: &mut Monitor, now: &AirTime, message: &[u8]) -> Result<Discovered, Refusal> {
    monitor.build_tables(&POLICY, now).unwrap();
    monitor.receive(&POLICY, now, message).map_err(|dropped| match dropped {
        Dropped::Refused(refusal) => refusal,
        other => panic!("{other}"),
    })
}

#[test]
fn code_rotates_at_the_edge_of_its_period() {
    let mut announcer = changing(config(0, 320), 1);
    let first = announce(&mut announcer, &at(0));
    assert_eq!(announce(&mut announcer, &at(319)), first);
    assert_eq!(announcer.next_edge(&at(0)), at(320).slot);
    let second = announce(&mut announcer, &at(320));
    assert_ne!(second[1..28], first[1..28]);
    assert_eq!(announcer.next_edge(&at(320)), at(640).slot);
    assert_eq!(announcer.sent(), 3);
}

#[test]
fn nonce_makes_every_announcement_new() {
    let mut announcer = changing(config(64, 1000), 1);
    let mut entropy = random(7);
    let mut codes: Vec<Message> =
        (0..50).map(|_| announcer.announce(&at(0), &POLICY, &mut entropy).unwrap()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 50);
}

#[test]
fn neighbouring_period_is_accepted_within_the_clocks_uncertainty() {
    let (mut monitor, who) = monitor(config(0, 1000), &[1, 2, 3]);
    let mut announcer = changing(config(0, 1000), 2);
    let message = announce(&mut announcer, &at(999));
    let found = receive(&mut monitor, &at(999), &message).unwrap();
    assert_eq!((found.who, found.report), (who[1], true));
    // Our clock is 19 ms past the edge, the sender's may not be.
    assert!(receive(&mut monitor, &at(1019), &message).is_ok());
    assert_eq!(receive(&mut monitor, &at(1021), &message), Err(Refusal::Replay));
    assert_eq!(receive(&mut monitor, &at(1999), &message), Err(Refusal::Replay), "one period later");
    assert!(receive(&mut monitor, &at(9000), &message).is_err());
    // The sender's clock is ahead of ours.
    let next = announce(&mut announcer, &at(10_000));
    assert!(receive(&mut monitor, &at(9985), &next).is_ok());
}

#[test]
fn older_period_is_refused_once_a_newer_one_was_heard() {
    let (mut monitor, _) = monitor(config(0, 1000), &[1]);
    let mut announcer = changing(config(0, 1000), 1);
    let old = announce(&mut announcer, &at(990));
    let new = announce(&mut announcer, &at(1000));
    assert!(receive(&mut monitor, &at(1001), &old).is_ok());
    assert!(receive(&mut monitor, &at(1002), &new).is_ok());
    // Still within the uncertainty of the clocks, but this sender is past it.
    assert_eq!(receive(&mut monitor, &at(1003), &old), Err(Refusal::Replay));
    assert!(receive(&mut monitor, &at(1004), &new).is_ok());
}

#[test]
fn application_is_told_once_in_the_interval() {
    let (mut monitor, _) = monitor(config(0, 1000), &[1]);
    let mut announcer = changing(config(0, 1000), 1);
    let mut reports = 0;
    for second in 0..125 {
        let now = at(second * 1000 + 500);
        let message = announce(&mut announcer, &now);
        reports += u32::from(receive(&mut monitor, &now, &message).unwrap().report);
    }
    assert_eq!(reports, 3, "at 0, 60 and 120 seconds");
}

fn material(dusk: bool, duik: bool, duck: bool) -> Material {
    Material {
        dusk: dusk.then(|| Dusk::from([1; 32])),
        duik: duik.then(|| Duik::from([2; 32])),
        duck: duck.then(|| (Duck::from([3; 32]), [0x0f; 23])),
    }
}

fn restricted(code: [u8; 23], material: &Material) -> Announcer {
    let key = AnnouncerKey::Restricted(Sender::new(material, Profile::default()));
    Announcer::new(&Content::RestrictedAnnouncement(code), key, FOREVER).unwrap()
}

fn filter(message_type: MessageType, code: [u8; 23], material: &Material) -> Follow {
    let filters = vec![CodeFilter::exact(code)];
    let receiver = Receiver::new(material, MicCheck::Local, filters, Profile::default());
    Follow::Filter(message_type, receiver, FOREVER)
}

fn group_key() -> PublicSafetyKey {
    PublicSafetyKey {
        psdk: Psdk::from([9; 32]),
        serves: PsdkUse::KeyType,
        expiry: FOREVER,
        scramble: true,
        integrity: true,
        confidentiality: Some([0xff; 23]),
    }
}

/// Returns an announcing UE, and one that follows it, for each protection that proves something.
fn protections() -> Vec<(&'static str, Announcer, Monitor)> {
    let mut out = Vec::new();
    for (name, nonce_bits) in [("changing, time known", 0), ("changing, nonce sent", 64)] {
        let (mut follower, _) = monitor(config(0, 1000), &[200]);
        let config = config(nonce_bits, 1000);
        let (id, key) = pair(1);
        if nonce_bits == 0 {
            follower.follow_rotating([(id, &key, FOREVER)]).unwrap();
        } else {
            follower.follow(Follow::Nonce(config, OtaIdentity::new(config, id, &key), FOREVER));
        }
        out.push((name, changing(config, 1), follower));
    }
    let code = [0xc5; 23];
    for (name, material) in [
        ("restricted, DUIK", material(false, true, false)),
        ("restricted, DUIK and DUCK", material(false, true, true)),
        ("restricted, all keys", material(true, true, true)),
    ] {
        let mut by_filter = Monitor::new(MonitorConfig::default()).unwrap();
        by_filter.follow(filter(MessageType::RestrictedAnnouncement, code, &material));
        out.push((name, restricted(code, &material), by_filter));
        let mut by_table = Monitor::new(MonitorConfig::default()).unwrap();
        by_table.follow_code(MessageType::RestrictedAnnouncement, code, &material, FOREVER).unwrap();
        out.push((name, restricted(code, &material), by_table));
    }
    let content = Content::GroupMemberAnnouncement { group: [1, 2, 3], info: [7; 6], ue: [8; 3] };
    let now = at(0).slot.counter();
    let key =
        || AnnouncerKey::Restricted(Sender::new(&group_key().material(now).unwrap(), Profile::default()));
    let mut wanted = CodeFilter { code: [0; 23], mask: [0; 23] };
    wanted.code[..3].copy_from_slice(&[1, 2, 3]);
    wanted.mask[..3].fill(0xff);
    let material = group_key().material(now).unwrap();
    let receiver = Receiver::new(&material, MicCheck::Local, vec![wanted], Profile::default());
    let mut member = Monitor::new(MonitorConfig::default()).unwrap();
    member.follow(Follow::Filter(MessageType::GroupMemberAnnouncement, receiver, FOREVER));
    out.push(("public safety", Announcer::new(&content, key(), FOREVER).unwrap(), member));
    out
}

#[test]
// TS 24.334 §10A.2.3.2 (2); TS 24.334 §10A.2.7.2; TS 33.303 §6.6.7 (3)
fn every_protection_verifies_and_no_flipped_bit_passes() {
    for (name, mut announcer, mut monitor) in protections() {
        let now = at(500);
        let message = announce(&mut announcer, &now);
        let found =
            receive(&mut monitor, &now, &message).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert!(matches!(found.finding, Finding::Verified(_) | Finding::Identity(_)), "{name}");
        for bit in 0..232 {
            let mut flipped = message;
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            if let Ok(found) = monitor.receive(&POLICY, &now, &flipped) {
                panic!("{name}: bit {bit} flipped was accepted as {found:?}");
            }
        }
    }
}

#[test]
fn monitor_of_another_key_learns_nothing() {
    let messages: Vec<(&str, Message)> = protections()
        .into_iter()
        .map(|(name, mut announcer, _)| (name, announce(&mut announcer, &at(500))))
        .collect();
    let (mut stranger, _) = monitor(config(0, 1000), &[77]);
    let other = Material { duik: Some(Duik::from([42; 32])), ..material(true, false, true) };
    stranger.follow(filter(MessageType::RestrictedAnnouncement, [0xc5; 23], &other));
    for (name, message) in &messages {
        assert!(receive(&mut stranger, &at(500), message).is_err(), "{name}");
    }
}

#[test]
// TS 24.334 §10A.2.2.2 (2)
fn restricted_replay_is_refused_by_the_newest_counter() {
    let material = material(true, true, true);
    let mut announcer = restricted([5; 23], &material);
    let mut monitor = Monitor::new(MonitorConfig::default()).unwrap();
    monitor.follow(filter(MessageType::RestrictedAnnouncement, [5; 23], &material));
    let old = announce(&mut announcer, &at(0));
    let new = announce(&mut announcer, &at(5000));
    assert!(receive(&mut monitor, &at(0), &old).is_ok());
    assert!(receive(&mut monitor, &at(5000), &new).is_ok());
    assert_eq!(receive(&mut monitor, &at(6000), &old), Err(Refusal::Replay));
    assert_eq!(receive(&mut monitor, &at(40_000), &new), Err(Refusal::OutsideMaxOffset));
    assert!(receive(&mut monitor, &at(261_000), &new).is_err(), "the alias of 256 seconds");
}

#[test]
// TS 24.334 §12.2.2.12; TS 33.303 §6.1.3.3.1 step 11 (1)
fn open_discovery_is_reported_to_the_network() {
    let key = DiscoveryKey::from([4; 16]);
    let code = [0xa1; 23];
    let open = AnnouncerKey::Open(OpenKey::new(&key, Profile::default()));
    let mut announcer = Announcer::new(&Content::OpenAnnouncement(code), open, FOREVER).unwrap();
    let mut prefix = CodeFilter { code: [0; 23], mask: [0; 23] };
    (prefix.code[0], prefix.mask[0]) = (0xb0, 0xf0);
    for (wanted, found) in [(CodeFilter::exact(code), true), (prefix, false)] {
        let mut monitor = Monitor::new(MonitorConfig::default()).unwrap();
        let who = monitor.follow(Follow::Open(wanted, FOREVER));
        let message = announce(&mut announcer, &at(0));
        let result = receive(&mut monitor, &at(0), &message);
        if !found {
            assert_eq!(result, Err(Refusal::Unknown));
            continue;
        }
        let Ok(Discovered { who: heard, finding: Finding::ToReport(announcement), report: true }) = result
        else {
            panic!("{result:?}")
        };
        assert_eq!(heard, who);
        let function = OpenKey::new(&key, Profile::default());
        let clock = at(0).slot.counter();
        assert!(function.verify(&MatchReport(announcement), clock, 32, 10).is_ok());
        // A forged MIC passes here, as in the standard; the network detects it.
        let mut forged = message;
        forged[25] ^= 1;
        let Ok(Discovered { finding: Finding::ToReport(announcement), .. }) =
            receive(&mut monitor, &at(0), &forged)
        else {
            panic!("the UE cannot check it")
        };
        assert_eq!(function.verify(&MatchReport(announcement), clock, 32, 10), Err(Refusal::BadMic));
        monitor.unfollow(who);
        assert_eq!(receive(&mut monitor, &at(0), &message), Err(Refusal::Unknown));
    }
}

#[test]
fn revoked_monitor_sees_nothing_after_the_new_id() {
    let rotating = config(0, 1000);
    let (mut friend, who) = monitor(rotating, &[1, 2]);
    let (mut revoked, _) = monitor(rotating, &[1, 2]);
    let mut announcer = changing(rotating, 1);
    let message = announce(&mut announcer, &at(0));
    assert!(
        receive(&mut friend, &at(0), &message).is_ok() && receive(&mut revoked, &at(0), &message).is_ok()
    );

    let (id, key) = pair(50);
    let stragglers = friend
        .replace_rotating(who[0], id, &key, FOREVER, UtcTime::from_millis(START + 64_000).counter())
        .unwrap();
    let straggler = announce(&mut announcer, &at(3000));
    assert_eq!(receive(&mut friend, &at(3000), &straggler).map(|found| found.who), Ok(stragglers));
    announcer.replace(changing(rotating, 50));
    let renewed = announce(&mut announcer, &at(4000));
    assert_eq!(receive(&mut friend, &at(4000), &renewed).map(|found| found.who), Ok(who[0]));
    assert_eq!(receive(&mut revoked, &at(4000), &renewed), Err(Refusal::Unknown));
    // After the time for stragglers the old pair is not accepted.
    let late = announce(&mut changing(rotating, 1), &at(70_000));
    assert_eq!(receive(&mut friend, &at(70_000), &late), Err(Refusal::Unknown));
}

#[test]
fn unfollowed_identity_is_gone_at_once_and_its_place_is_another_s() {
    let rotating = config(0, 10_000);
    let (mut monitor, who) = monitor(rotating, &[1, 2]);
    let message = announce(&mut changing(rotating, 1), &at(0));
    assert!(receive(&mut monitor, &at(0), &message).is_ok());
    monitor.unfollow(who[0]);
    // The table still contains it; a new identity may have taken its place meanwhile.
    let (id, key) = pair(3);
    monitor.follow_rotating([(id, &key, FOREVER)]).unwrap();
    let judged = monitor.receive(&POLICY, &at(1), &message);
    assert_eq!(judged, Err(Dropped::Refused(Refusal::NotAuthorised)));
    assert_eq!(receive(&mut monitor, &at(2), &message), Err(Refusal::Unknown), "new tables do not");
    let new = announce(&mut changing(rotating, 3), &at(3));
    assert!(receive(&mut monitor, &at(3), &new).is_ok());
}

/// A recording that is read after a later one, or a clock that is set: no more tables than for time that advances, and
/// every identity is found.
#[test]
fn tables_follow_time_that_goes_back() {
    let config = config(0, 1000);
    let (mut monitor, _) = monitor(config, &[1]);
    let mut built = Vec::new();
    for (step, seconds) in [(0, 5000), (1, 5001), (2, 4990), (3, 4989), (4, 5000), (5, 4991)] {
        let now = at(seconds * 1000 + 500);
        let mut tables = 0;
        while let Some(mut job) = monitor.job(&POLICY, &now).unwrap() {
            while !job.run(usize::MAX) {}
            monitor.install(job);
            tables += 1;
            assert!(tables <= 3, "step {step} builds table after table");
        }
        built.push(tables);
        // A new announcer each time: the monitor refuses messages older than the last accepted one.
        let message = announce(&mut changing(config, 1), &now);
        let found = receive(&mut monitor, &now, &message);
        assert!(matches!(found, Ok(_) | Err(Refusal::Replay)), "step {step}: {found:?}");
    }
    assert_eq!(built, [2, 1, 2, 1, 2, 1]);
}

#[test]
fn tables_are_built_in_parts_while_matching_goes_on() {
    let rotating = config(0, 1000);
    let (mut monitor, _) = monitor(rotating, &(0..200).collect::<Vec<u8>>());
    let mut announcer = changing(rotating, 150);
    let mut job = monitor.job(&POLICY, &at(500)).unwrap().unwrap();
    assert!(monitor.job(&POLICY, &at(500)).unwrap().is_none(), "one job is out");
    let message = announce(&mut announcer, &at(500));
    assert!(!job.run(100));
    assert!(monitor.receive(&POLICY, &at(500), &message).is_err(), "not built yet");
    assert!(job.run(100));
    assert_eq!(job.period(), RotationPeriod::from_millis(1000).unwrap().index(at(500).slot));
    monitor.install(job);
    assert!(monitor.receive(&POLICY, &at(500), &message).is_ok());
    let next = monitor.job(&POLICY, &at(500)).unwrap().unwrap();
    assert_eq!(next.period().0, RotationPeriod::from_millis(1000).unwrap().index(at(500).slot).0 + 1);
    monitor.install(next); // incomplete: dropped, and asked for again
    assert!(monitor.job(&POLICY, &at(500)).unwrap().is_some());
    assert_eq!(monitor.next_edge(&at(500)), Some(at(1000).slot));
}

#[test]
// TS 33.303 §6.1.3.3.1 step 5 (1); TS 33.303 §6.1.3.4.2.1 step 11 (1)
fn announcer_is_silent_when_it_should_be() {
    let mut announcer = changing(config(0, 1000), 1);
    let mut refused = |now: AirTime| announcer.announce(&now, &POLICY, &mut random(0)).unwrap_err();
    let skewed = AirTime { prose_clock: at(40_000).slot.counter(), ..at(0) };
    assert_eq!(refused(skewed), Refusal::OutsideMaxOffset);
    announce(&mut announcer, &at(5000));
    let back = announcer.announce(&at(4999), &POLICY, &mut random(0));
    assert_eq!(back, Err(Refusal::Clock), "a clock that went back repeats no code");
    let until = at(6000).slot.counter();
    announcer.replace(Announcer::changing(config(0, 1000), [8; 20], &ApplicationKey::from([8; 32]), until));
    assert!(announcer.announce(&at(5999), &POLICY, &mut random(0)).is_ok());
    assert_eq!(announcer.announce(&at(6000), &POLICY, &mut random(0)), Err(Refusal::Expired));
    assert_eq!(announcer.announce(&at(5000), &POLICY, &mut random(0)), Err(Refusal::Clock));
}

#[test]
fn code_that_proves_nothing_is_not_tabled() {
    let mut monitor = Monitor::new(MonitorConfig::default()).unwrap();
    let result = monitor.follow_code(
        MessageType::RestrictedAnnouncement,
        [1; 23],
        &material(false, false, true),
        FOREVER,
    );
    assert_eq!(result, Err(NoIntegrityKey));
    // A filter finds it, and reports it as unprotected.
    let nothing = Material::default();
    monitor.follow(filter(MessageType::RestrictedAnnouncement, [1; 23], &nothing));
    let message = announce(&mut restricted([1; 23], &nothing), &at(0));
    let found = receive(&mut monitor, &at(0), &message).unwrap();
    assert!(matches!(found.finding, Finding::Unprotected(_)));
}

fn session(binding: Binding) -> Session {
    Session::new(&PresharedSecret::from([6; 32]), [0x11; 23], binding, Profile::default())
}

fn preshared(binding: Binding) -> (Discoverer, Discoveree) {
    let discoverer = Discoverer::new(Asking::Preshared(session(binding)), FOREVER, 2000);
    let mut discoveree = Discoveree::new(DiscovereeConfig::default(), &POLICY);
    discoveree.answer(Answering::Preshared(session(binding), [0x22; 23]), FOREVER);
    (discoverer, discoveree)
}

fn ask(discoveree: &mut Discoveree, now: &AirTime, query: &Message) -> Result<(), Refusal> {
    let (message_type, message) = checked(query).unwrap();
    discoveree.receive(&POLICY, now, message_type, message)
}

fn hear(discoverer: &mut Discoverer, now: &AirTime, response: &Message) -> Result<Finding, Refusal> {
    let (message_type, message) = checked(response).unwrap();
    discoverer.receive(&POLICY, now, message_type, message)
}

#[test]
fn question_is_answered_once_and_the_answer_is_proven() {
    for binding in [Binding::Bound, Binding::Unbound] {
        let (mut discoverer, mut discoveree) = preshared(binding);
        let query = discoverer.solicit(&POLICY, &at(0)).unwrap();
        assert_eq!(ask(&mut discoveree, &at(0), &query), Ok(()));
        assert_eq!(ask(&mut discoveree, &at(10), &query), Err(Refusal::Replay), "a copy");
        assert_eq!(discoveree.waiting(), 1);
        let response = discoveree.respond(&POLICY, &at(320)).unwrap().1.unwrap();
        assert!(discoveree.respond(&POLICY, &at(320)).is_none());
        let Ok(Finding::Verified(found)) = hear(&mut discoverer, &at(320), &response) else { panic!() };
        assert_eq!(found.code, [0x22; 23]);
        assert_eq!(hear(&mut discoverer, &at(330), &response), Err(Refusal::Replay), "a copy");
        for bit in 0..232 {
            let mut flipped = response;
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            if let Ok((message_type, message)) = checked(&flipped) {
                assert!(discoverer.receive(&POLICY, &at(320), message_type, message).is_err());
            }
            let mut flipped = query;
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            if let Ok((message_type, message)) = checked(&flipped) {
                assert!(discoveree.receive(&POLICY, &at(0), message_type, message).is_err());
            }
        }
    }
}

#[test]
fn binding_keeps_an_answer_from_a_later_question() {
    for (binding, replayable) in [(Binding::Bound, false), (Binding::Unbound, true)] {
        let (mut first, mut discoveree) = preshared(binding);
        let query = first.solicit(&POLICY, &at(0)).unwrap();
        ask(&mut discoveree, &at(0), &query).unwrap();
        let response = discoveree.respond(&POLICY, &at(2000)).unwrap().1.unwrap();
        // Another discoverer queries a second later and gets the old response.
        let (mut second, _) = preshared(binding);
        second.solicit(&POLICY, &at(1500)).unwrap();
        assert_eq!(hear(&mut second, &at(2100), &response).is_ok(), replayable);
    }
}

#[test]
fn answers_are_limited_and_only_awaited_ones_count() {
    let (mut discoverer, mut discoveree) = preshared(Binding::Bound);
    assert_eq!(hear(&mut discoverer, &at(0), &[0x82; 29]), Err(Refusal::Unknown), "nothing was asked");
    // Queries of strangers cost a MIC each and are never answered.
    for n in 0..1000u32 {
        let mut forged = discoverer.solicit(&POLICY, &at(0)).unwrap();
        forged[24..28].copy_from_slice(&n.to_be_bytes());
        assert!(ask(&mut discoveree, &at(0), &forged).is_err());
    }
    assert_eq!(discoveree.waiting(), 0);
    // A holder of the secret gets ten responses a second, and only as many as there are slots.
    let config = DiscovereeConfig { waiting: 2, ..DiscovereeConfig::default() };
    let mut slow = Discoveree::new(config, &POLICY);
    let secret =
        |n: u8| Session::new(&PresharedSecret::from([n; 32]), [0x11; 23], Binding::Bound, Profile::default());
    for n in 0..20 {
        slow.answer(Answering::Preshared(secret(n), [n; 23]), FOREVER);
    }
    let mut results = Vec::new();
    for n in 0..20 {
        let mut asker = Discoverer::new(Asking::Preshared(secret(n)), FOREVER, 2000);
        let query = asker.solicit(&POLICY, &at(0)).unwrap();
        results.push(ask(&mut slow, &at(0), &query));
        if n >= 2 {
            let _ = slow.respond(&POLICY, &at(0));
        }
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10);
    assert!(results[2..].contains(&Err(Refusal::RateLimited)));
}

#[test]
// TS 24.334 §12.2.2.43; TS 33.303 §6.1.3.4.2.2 step 12; TS 33.303 §6.1.3.4.2.2 step 13b
// TS 33.303 §6.1.3.4.2.2 step 14, 15
fn restricted_question_and_answer() {
    let sender = || Sender::new(&material(true, true, true), Profile::default());
    let receiver = |code| {
        let filters = vec![CodeFilter::exact(code)];
        Receiver::new(&material(true, true, true), MicCheck::Local, filters, Profile::default())
    };
    let (query, response) = ([0x33; 23], [0x44; 23]);
    let mut discoverer = Discoverer::new(
        Asking::Restricted {
            query: Content::RestrictedQuery(query),
            sender: sender(),
            receiver: receiver(response),
            response: MessageType::RestrictedResponse,
        },
        FOREVER,
        2000,
    );
    let mut discoveree = Discoveree::new(DiscovereeConfig::default(), &POLICY);
    discoveree.answer(
        Answering::Restricted {
            receiver: receiver(query),
            query: MessageType::RestrictedQuery,
            response: Content::RestrictedResponse(response),
            sender: sender(),
        },
        FOREVER,
    );
    let asked = discoverer.solicit(&POLICY, &at(0)).unwrap();
    assert_eq!(ask(&mut discoveree, &at(100), &asked), Ok(()));
    assert_eq!(ask(&mut discoveree, &at(200), &asked), Err(Refusal::Replay));
    let answer = discoveree.respond(&POLICY, &at(320)).unwrap().1.unwrap();
    assert!(matches!(hear(&mut discoverer, &at(320), &answer), Ok(Finding::Verified(_))));
    assert_eq!(hear(&mut discoverer, &at(2500), &answer), Err(Refusal::Unknown), "too late");
    // A response without a slot is dropped.
    let asked = discoverer.solicit(&POLICY, &at(3000)).unwrap();
    ask(&mut discoveree, &at(3000), &asked).unwrap();
    assert!(discoveree.respond(&POLICY, &at(13_001)).is_none());
}

proptest! {
    #[test]
    // TS 24.334 §9.2.2 (2)
    fn any_bytes_are_judged_without_a_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 29),
        kind in 0..MessageType::ALL.len(),
        millis in 0u64..100_000,
    ) {
        bytes[0] = MessageType::ALL[kind].octet();
        for (name, _, mut monitor) in protections() {
            let found = receive(&mut monitor, &at(millis), &bytes);
            prop_assert!(found.is_err(), "{}: random bits were believed", name);
        }
        let (mut discoverer, mut discoveree) = preshared(Binding::Bound);
        let mut message = [0; 29];
        message.copy_from_slice(&bytes);
        prop_assert!(ask(&mut discoveree, &at(millis), &message).is_err());
        discoverer.solicit(&POLICY, &at(millis)).unwrap();
        prop_assert!(hear(&mut discoverer, &at(millis), &message).is_err());
    }
}
