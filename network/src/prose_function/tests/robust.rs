//! Floods, crashes, disks and subscribers' servers that do not answer, any bytes.

use super::*;

fn few(edit: impl Fn(&mut Limits)) -> World {
    let mut config = config();
    config.limits = Limits::default();
    edit(&mut config.limits);
    World::new(config)
}

fn body(ue: Imsi) -> Vec<u8> {
    open_request(ue, Command::Announce).to_xml().as_bytes().to_vec()
}

/// One UE with a subscription: six at once, then one in ten seconds; an alarm within five seconds.
#[test]
fn each_ue_has_its_rate() {
    let mut world = few(|_| ());
    let anna = imsi(ANNA);
    let mut served = 0;
    for _ in 0..600 {
        world.now = world.now.plus_millis(100);
        let request = world.send(anna, &body(anna));
        match world.answer(request) {
            Some(Response::Message(_)) => served += 1,
            Some(Response::Refused(Refused::TooMany { wait })) => assert!(wait <= 10_000),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(served, 6 + 5);
    let alarms = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Flood(Alarm { whose: Flood::Ue(_), .. })))
        .count();
    assert!((10..=12).contains(&alarms), "{alarms} in a minute");
}

#[test]
fn memory_is_bounded() {
    let mut world = few(|limits| (limits.ues, limits.interval) = (10, 1));
    let malformed = |world: &mut World, ue| {
        let request = world.send(ue, b"<");
        world.answer(request)
    };
    for number in 0..10 {
        assert!(matches!(
            malformed(&mut world, imsi(number)),
            Some(Response::Refused(Refused::Malformed(_)))
        ));
    }
    assert_eq!(malformed(&mut world, imsi(10)), Some(Response::Refused(Refused::Busy)));
    // Buckets that are full again are forgotten, and looked for once a second.
    world.after(10_000);
    assert!(matches!(malformed(&mut world, imsi(10)), Some(Response::Refused(Refused::Malformed(_)))));

    let mut world = few(|limits| (limits.entries_per_ue, limits.ue_burst) = (3, 100));
    let anna = imsi(ANNA);
    for _ in 0..3 {
        world.announce(anna);
    }
    assert_eq!(world.cause(anna, open_request(anna, Command::Announce)), Cause::AuthorisationFailure);
    world.announce(imsi(BERT));

    let mut world = few(|limits| (limits.entries, limits.ue_burst) = (3, 100));
    for _ in 0..3 {
        world.announce(anna);
    }
    assert_eq!(world.refused(imsi(BERT), &open_request(imsi(BERT), Command::Announce)), Refused::Busy);
}

#[test]
fn a_hss_that_does_not_answer_costs_patience_only() {
    let mut world = few(|limits| (limits.waiting, limits.puzzle_above) = (2, 100));
    world.hss_answers = false;
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let requests = [world.send(anna, &body(anna)), world.send(anna, &body(anna))];
    assert_eq!(world.asked, 1, "one question for two requests");
    assert_eq!(
        world.refused(bert, &open_request(bert, Command::Announce)),
        Refused::Busy,
        "two wait at most"
    );
    assert_eq!(world.timeout, Some(world.now.plus_millis(5_000)));
    world.after(4_999);
    assert_eq!(world.responses.len(), 0);
    world.after(1);
    for request in requests {
        assert_eq!(world.answer(request), Some(Response::Refused(Refused::Busy)));
    }
    // An answer that comes late serves the next request.
    let now = world.now;
    world.input(Input::Subscription { now, ue: anna, answer: subscription(anna) });
    world.announce(anna);
    assert_eq!(world.asked, 1);
    // It counts for an hour.
    world.after(3_599_999);
    world.announce(anna);
    world.after(1);
    world.send(anna, &body(anna));
    assert_eq!(world.asked, 2);
}

/// Nothing is told before it is durable.
#[test]
fn codes_are_stored_before_they_are_told() {
    let mut world = few(|_| ());
    let anna = imsi(ANNA);
    world.medium = Medium::Hangs;
    let request = world.send(anna, &body(anna));
    assert_eq!((world.answer(request), world.function.entries()), (None, 0));
    world.release();
    let Some(Response::Message(_)) = world.answer(request) else { panic!() };
    assert_eq!((world.function.entries(), world.disk.records.len()), (1, 1));

    world.medium = Medium::Fails;
    assert_eq!(world.refused(anna, &open_request(anna, Command::Announce)), Refused::Busy);
    assert_eq!((world.function.entries(), world.disk.records.len()), (1, 1));

    world.medium = Medium::Hangs;
    let request = world.send(anna, &body(anna));
    world.after(4_999);
    assert_eq!(world.answer(request), None);
    world.after(1);
    assert_eq!(world.answer(request), Some(Response::Refused(Refused::Busy)));
    world.release();
    assert_eq!(world.answer(request), None, "answered once");
}

/// An entry that is stopped while it is being renewed is gone, in the table as on the disk.
#[test]
fn what_is_stopped_while_it_is_stored_is_gone() {
    let mut world = few(|_| ());
    let anna = imsi(ANNA);
    let (_, _, entry) = world.announce(anna);
    world.medium = Medium::Hangs;
    for timer in [30, 0] {
        let message = edited(anna, Command::Announce, |open| {
            open.entry = Some(entry);
            open.requested_timer = RequestedTimer::new(timer).ok();
        });
        world.send(anna, message.to_xml().as_bytes());
    }
    world.release();
    assert_eq!((world.function.entries(), world.disk.records.len()), (0, 0));
}

/// The name of an entry that was revoked while it was being stored is not given again before that is settled.
#[test]
fn a_name_that_is_not_settled_is_not_given_again() {
    let mut world = few(|_| ());
    let anna = imsi(ANNA);
    world.medium = Medium::Hangs;
    world.send(anna, &body(anna));
    world.input(Input::Revoke { now: world.now, what: Revocation::Ue(anna) });
    world.send(anna, &body(anna));
    world.release();
    let names: Vec<u16> = world.disk.records.keys().map(|(_, entry)| entry.value()).collect();
    assert_eq!((names, world.function.entries()), (vec![2], 1));
}

#[test]
fn what_is_being_stored_is_bounded() {
    let mut world = few(|limits| (limits.waiting, limits.ue_burst, limits.puzzle_above) = (2, 100, 100));
    let anna = imsi(ANNA);
    world.medium = Medium::Hangs;
    for _ in 0..2 {
        world.send(anna, &body(anna));
    }
    assert_eq!(world.refused(anna, &open_request(anna, Command::Announce)), Refused::Busy);
}

/// Killed, and started again with the same seed, as a broken source of chance would give: no code and no key comes again, and
/// what was told still counts.
#[test]
fn no_code_comes_again_after_a_crash() {
    let mut world = World::new(config());
    let anna = imsi(ANNA);
    let mut codes = Vec::new();
    for _ in 0..5 {
        let (code, key, _) = world.announce(anna);
        let heard = heard(&world, &on_air(&world, &code, &key));
        let disk = core::mem::take(&mut world.disk);
        let now = world.now;
        world = World::on(config(), disk, [1; 32]);
        world.now = now;
        let bert = imsi(BERT);
        assert!(
            matches!(world.ask(bert, report(bert, &heard)), Message::MatchReportAck(acks) if acks.acks.len() == 1)
        );
        assert!(!codes.contains(&code), "a code came again");
        codes.push(code);
    }
    let keys: Vec<_> = world.disk.records.values().map(|record| &record.content).collect();
    for (i, content) in keys.iter().enumerate() {
        let Content::OpenAnnounce { key, .. } = content else { panic!() };
        let same = |other: &&Content| matches!(other, Content::OpenAnnounce { key: k, .. } if k == key);
        assert_eq!(keys.iter().filter(|other| same(other)).count(), 1, "key {i} came again");
    }
}

/// Without numbers nothing is allotted.
#[test]
fn numbers_that_are_not_durable_allot_nothing() {
    let mut disk = Disk::default();
    let config = config();
    let lease =
        Lease::open(StreamId([9; 16]), 0, 3, ReserveConfig { block: 3, low_water: 0 }, &mut disk).unwrap();
    let mut world = World::on(config.clone(), Disk::default(), [1; 32]);
    world.function = ProseFunction::new(config, lease, &[1; 32], Durable::default()).unwrap();
    let anna = imsi(ANNA);
    world.announce(anna);
    assert_eq!(world.refused(anna, &open_request(anna, Command::Announce)), Refused::Busy);
    assert_eq!(world.function.entries(), 1);
}

#[test]
fn messages_that_go_the_other_way_are_refused() {
    let mut world = World::new(config());
    let anna = imsi(ANNA);
    let response = world.ask(anna, open_request(anna, Command::Announce));
    assert_eq!(world.refused(anna, &response), Refused::Unexpected);
    let request = world.send(anna, b"<a/>");
    assert!(matches!(world.answer(request), Some(Response::Refused(Refused::Malformed(_)))));
}

/// Time never goes back: what has ended does not come to life.
#[test]
fn a_clock_that_jumps_back_revives_nothing() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    world.announce(anna);
    world.after(60 * 60_000);
    world.now = UtcTime::from_millis(START);
    assert_eq!(world.cause(bert, open_request(bert, Command::Monitor)), Cause::NoValidCode);
}

#[test]
fn keys_are_not_printed() {
    let mut world = World::new(config());
    let anna = imsi(ANNA);
    let request = world.send(anna, &body(anna));
    let response = world.answer(request).unwrap();
    let Response::Message(text) = &response else { panic!() };
    let key = text.split("<discovery-key>").nth(1).unwrap()[..32].to_owned();
    let said = format!("{response:?} {:?} {:?}", world.events, world.disk.records);
    assert!(!said.contains(&key) && said.contains("redacted"));
    let octets: Vec<u8> = (0..16).map(|i| u8::from_str_radix(&key[2 * i..2 * i + 2], 16).unwrap()).collect();
    assert!(!said.contains(&format!("{octets:?}")[1..40]));
}

proptest! {
    /// Any bytes from anybody, in any order: an answer each, and no panic.
    #[test]
    fn any_bytes_are_answered(bodies: Vec<(u32, Vec<u8>)>, cut in 0usize..2000, with: Vec<u8>) {
        let mut world = World::new(config());
        for (number, body) in bodies {
            let request = world.send(imsi(number % 2000), &body);
            prop_assert!(world.answer(request).is_some());
        }
        let mut text = body(imsi(ANNA));
        let at = cut % text.len();
        text.splice(at..at, with);
        let request = world.send(imsi(ANNA), &text);
        prop_assert!(world.answer(request).is_some());
    }

    /// Whatever happens, in any order: what is told is stored, and of an announcer that was revoked nothing is left.
    #[test]
    fn what_is_told_is_stored(steps in proptest::collection::vec((0u8..6, 0u32..4, 0u64..900_000), 0..40)) {
        let mut world = World::new(config());
        for (what, number, millis) in steps {
            let ue = imsi(number);
            match what {
                0 | 1 => _ = world.send(ue, &body(ue)),
                2 => world.after(millis),
                3 => world.medium = Medium::Hangs,
                4 => world.release(),
                _ => world.input(Input::Revoke { now: world.now, what: Revocation::Ue(ue) }),
            }
            for (_, response) in core::mem::take(&mut world.responses) {
                if let Response::Message(text) = response {
                    let Ok(Message::DiscoveryResponse(response)) = Message::from_xml(text.as_bytes()) else { panic!() };
                    for announce in response.announces {
                        let stored = world.disk.records.values().any(|record| {
                            matches!(&record.content, Content::OpenAnnounce { code, .. } if *code == announce.codes[0])
                        });
                        prop_assert!(stored);
                    }
                }
            }
        }
        world.release();
        for number in 0..4 {
            world.input(Input::Revoke { now: world.now, what: Revocation::Ue(imsi(number)) });
        }
        world.release();
        prop_assert_eq!((world.function.entries(), world.disk.records.len()), (0, 0));
    }
}
