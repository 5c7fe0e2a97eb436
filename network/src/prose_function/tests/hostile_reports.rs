//! Match reports of attackers: one for each false block that was heard, and those of a UE without the right.

use super::*;
use crate::puzzle::Difficulty;

/// Blocks a second of a full pool: 176 resources in 320 ms.
const POOL: u64 = 550;

fn world(limits: Limits) -> World {
    World::new(Config { limits, ..config() })
}

fn false_report(ue: Imsi, heard: &open::MatchReport, number: u64) -> Vec<u8> {
    let [.., a, b, c, d] = number.to_be_bytes();
    let edited = report_edited(ue, heard, |report| report.mic = Mic([a ^ 0x80, b, c, d]));
    edited.to_xml().as_bytes().to_vec()
}

// T2.0-4
/// A minute of a pool that is full of false blocks: the one that reports each is held to its rate, an honest monitor is
/// answered each time.
#[test]
fn a_flood_of_match_reports_is_held_to_its_rate() {
    let mut world = world(Limits::default());
    let (anna, bert, mallory) = (imsi(ANNA), imsi(BERT), imsi(7));
    let (code, key, _) = world.announce(anna);
    let (mut looked_at, mut refused, mut answered) = (0, 0, 0);
    for second in 0..60 {
        let heard = heard(&world, &on_air(&world, &code, &key));
        for i in 0..POOL {
            let body = false_report(mallory, &heard, second * POOL + i);
            let request = world.send(mallory, &body);
            match world.answer(request) {
                Some(Response::Message(body)) => {
                    let Ok(Message::MatchReportAck(acks)) = Message::from_xml(body.as_bytes()) else {
                        panic!()
                    };
                    assert_eq!((acks.acks.len(), acks.rejects[0].cause), (0, Cause::InvalidMic));
                    looked_at += 1;
                }
                Some(Response::Refused(Refused::TooMany { wait })) => {
                    assert!((1..=10_000).contains(&wait));
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        if second % 10 == 0 {
            match world.ask(bert, report(bert, &heard)) {
                Message::MatchReportAck(acks) if acks.acks.len() == 1 => answered += 1,
                other => panic!("{other:?}"),
            }
        }
        world.after(1_000);
    }
    assert_eq!((looked_at, answered), (6 + 5, 6));
    assert_eq!(refused, 60 * POOL - looked_at);
    let flood =
        |event: &Event| matches!(event, Event::Flood(Alarm { whose: Flood::Ue(ue), .. }) if *ue == mallory);
    assert!(world.events.iter().any(flood), "it is named");
}

// T2.0-4
/// As many UEs as it takes to fill the rate of all: an honest monitor does some work and is answered.
#[test]
fn a_flood_of_match_reports_of_many_ues_is_outworked() {
    let mut world = world(Limits { puzzle: Difficulty::new(2, 4).unwrap(), ..Limits::default() });
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (code, key, _) = world.announce(anna);
    let mut answered = 0;
    for second in 0..20 {
        let heard = heard(&world, &on_air(&world, &code, &key));
        for i in 0..POOL {
            let mallory = imsi(100 + (second * POOL + i) as u32 % 800);
            world.send(mallory, &false_report(mallory, &heard, i));
        }
        world.responses.clear();
        if second % 5 == 4 {
            let body = report(bert, &heard).to_xml();
            let request = world.send(bert, body.as_bytes());
            let mut response = world.answer(request);
            if let Some(Response::Refused(Refused::Puzzle(challenge))) = response {
                let (solution, _) = challenge.solve().unwrap();
                let (now, request, solution) = (world.now, RequestId(1 << 40), solution.to_string());
                let (solution, body) = (Some(solution.as_str()), body.as_bytes());
                world.input(Input::Message { now, request, ue: bert, solution, body });
                response = world.answer(request);
            }
            let Some(Response::Message(body)) = response else { panic!("{response:?}") };
            answered += usize::from(body.contains("match-ack"));
        }
        world.after(1_000);
    }
    assert_eq!(answered, 4);
    // What was looked at is the burst and the rate of all, whatever comes.
    let rejected = |event: &&Event| matches!(event, Event::Rejected { cause: Cause::InvalidMic, .. });
    let looked_at = world.events.iter().filter(rejected).count();
    assert!((500..=250 + 50 * 20).contains(&looked_at), "{looked_at}");
}

// T2.2-6
/// A UE that may announce and nothing else asks and reports: it is told that it may not, and learns neither name nor code.
#[test]
fn a_ue_that_is_not_authorised_learns_nothing_by_a_report() {
    let mut world = world(Limits { ue_burst: 100, ..Limits::default() });
    let (anna, mallory) = (imsi(ANNA), imsi(7));
    let (code, key, _) = world.announce(anna);
    let heard = heard(&world, &on_air(&world, &code, &key));
    let rights = vec![(plmn("01"), Role::OpenAnnounce), (plmn("01"), Role::RestrictedAnnounce)];
    let Answer::Known(all) = subscription(mallory) else { panic!() };
    let answer = Answer::Known(Subscription { rights, ..all });
    world.hss_answers = false;
    world.send(mallory, report(mallory, &heard).to_xml().as_bytes());
    world.input(Input::Subscription { now: world.now, ue: mallory, answer });

    let restricted = |code| {
        Message::MatchReport(MatchReports {
            open: vec![],
            restricted: vec![RestrictedMatch {
                transaction: TransactionId::new(8).unwrap(),
                ue: mallory,
                discovery_type: DiscoveryType::Restricted,
                application: app(),
                rpauid: rpauid("user7"),
                code,
                mic: None,
                message_type: None,
                counter: None,
                wants_metadata: true,
                pc5: None,
            }],
        })
    };
    let solicitation = Message::DiscoveryRequest(DiscoveryRequest {
        open: vec![],
        restricted: vec![RestrictedRequest {
            transaction: TransactionId::new(7).unwrap(),
            command: Command::Query,
            ue: mallory,
            rpauid: rpauid("user7"),
            application: app(),
            discovery_type: DiscoveryType::Restricted,
            extension: None,
            announcing_type: None,
            container: Container::new(b"user1").ok(),
            model: Some(Model::B),
            announcing_plmn: None,
            entry: EntryId::new(0).unwrap(),
            requested_timer: None,
            pc5: None,
        }],
        method: None,
    });
    for message in [
        report(mallory, &heard),
        restricted(DiscoveredCode::Restricted(ApplicationCode(code))),
        restricted(DiscoveredCode::Response(RestrictedCode([1; 8]))),
        solicitation,
    ] {
        let request = world.send(mallory, message.to_xml().as_bytes());
        let Some(Response::Message(body)) = world.answer(request) else { panic!() };
        for told in ["ProSe-Application-ID", "metadata", "RPAUID", "Code", "validity", "discovery-entry"] {
            assert!(!body.contains(told), "{told}: {}", *body);
        }
        assert_eq!(world.cause(mallory, message), Cause::AuthorisationFailure);
    }
    assert!(!world.events.iter().any(|event| matches!(event, Event::Matched { .. })));
}
