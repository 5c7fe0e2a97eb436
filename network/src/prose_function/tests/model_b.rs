//! Restricted discovery, model B: who gets which keys, what a report of an answer is worth, what is withdrawn.

use super::restricted::{acks, pushed, report, restricted, withdraw};
use super::*;
use crate::pc3::filters::{MatchingFilter, Subquery};
use crate::pc3::response::DiscovereeResponse;
use sidelink_security::discovery::Announcement;
use sidelink_security::discovery::restricted::Material;

const QUERY: u8 = 0x86;
const RESPONSE: u8 = 0x82;

fn request(ue: Imsi, command: Command, edit: impl Fn(&mut RestrictedRequest)) -> Message {
    restricted(ue, command, |r| {
        (r.model, r.announcing_type) = (Some(Model::B), None);
        r.container = Container::new(b"user1").ok().filter(|_| command == Command::Query);
        edit(r);
    })
}

fn answers(world: &mut World, ue: Imsi) -> DiscovereeResponse {
    world.discover(ue, request(ue, Command::Response, |_| ())).discoverees.remove(0)
}

fn asks(world: &mut World, ue: Imsi, targets: &str) -> (Vec<Subquery>, EntryId) {
    let message = request(ue, Command::Query, |r| r.container = Container::new(targets.as_bytes()).ok());
    let response = world.discover(ue, message).discoverers.remove(0);
    (response.subqueries, response.entry)
}

fn on_air(world: &World, message_type: u8, code: RestrictedCode, material: &Material) -> Air {
    let mut air = [0; 29];
    air[0] = message_type;
    air[1..24].copy_from_slice(&code.on_air());
    Sender::new(material, Profile::default()).protect(&world.at(), &mut air).unwrap();
    air
}

fn receiver(filter: &MatchingFilter, material: &Material, check: MicCheck) -> Receiver {
    let (mut code, mut mask) = ([0; 23], [0; 23]);
    code[..8].copy_from_slice(filter.code().octets());
    mask[..8].copy_from_slice(filter.masks()[0].octets());
    Receiver::new(material, check, vec![CodeFilter { code, mask }], Profile::default())
}

fn reported(heard: &Announcement) -> impl Fn(&mut RestrictedMatch) {
    let heard = *heard;
    move |r| {
        r.code = DiscoveredCode::Response(RestrictedCode::of_air(&heard.code).unwrap());
        (r.mic, r.counter) = (Some(heard.mic), Some(heard.counter));
        r.message_type = MessageType::new(heard.message_type).ok();
    }
}

/// Query and answer under the keys that were given: the MIC of the query is checked by the UE, that of the answer by whoever
/// the policy says.
#[test]
fn a_question_is_asked_and_answered_under_keys_of_its_own() {
    for check in [MicCheck::Local, MicCheck::ByProseFunction] {
        let restricted = RestrictedPolicy { check, encrypted: Some([0x0f; 23]) };
        let mut world = World::new(Config { restricted, ..config() });
        let (anna, bert) = (imsi(ANNA), imsi(BERT));
        let anna_has = answers(&mut world, anna);
        let sends = anna_has.security.unwrap().into_material();
        let receives = anna_has.extension.unwrap().security.unwrap().into_material();
        let (mut subqueries, _) = asks(&mut world, bert, "user1");
        let bert_has = subqueries.remove(0);
        let extension = bert_has.extension.unwrap();
        let asks_with = extension.security.unwrap().into_material();
        let hears_with = bert_has.security.unwrap().into_material();
        // Keys of questions are those of answers at no UE.
        assert!(sends.dusk != receives.dusk && sends.duik != receives.duik && sends.duck != receives.duck);
        assert!(asks_with.dusk == receives.dusk && asks_with.duik == receives.duik);
        assert!(asks_with.duck == receives.duck && hears_with.duck == sends.duck);
        assert_eq!(hears_with.duik.is_some(), check == MicCheck::Local);
        assert_eq!(extension.mic_check, (check == MicCheck::ByProseFunction).then_some(true));

        let query = on_air(&world, QUERY, bert_has.query_code, &asks_with);
        let anna_hears = receiver(&anna_has.query_filters[0], &receives, MicCheck::Local);
        assert!(matches!(anna_hears.verify(&world.at(), &query), Ok(Received::Verified(_))));
        let answer = on_air(&world, RESPONSE, anna_has.response_code, &sends);
        let bert_hears = receiver(&bert_has.response_filters[0], &hears_with, check);
        let heard = match (check, bert_hears.verify(&world.at(), &answer)) {
            (MicCheck::Local, Ok(Received::Verified(heard))) => *heard,
            (MicCheck::ByProseFunction, Ok(Received::ToReport(heard))) => heard,
            (_, other) => panic!("{other:?}"),
        };
        let ack = acks(&mut world, bert, report(bert, heard.code, reported(&heard))).restricted.remove(0);
        assert_eq!((ack.rpauid, ack.refresh), (rpauid("user1"), Some(minutes(10))));
        // Who only asks cannot answer.
        let forged = on_air(&world, RESPONSE, anna_has.response_code, &Material { duck: None, ..asks_with });
        assert!(bert_hears.verify(&world.at(), &forged).is_err());
    }
}

#[test]
fn a_report_of_an_answer_is_checked() {
    let restricted = RestrictedPolicy { check: MicCheck::ByProseFunction, encrypted: None };
    let mut world = World::new(Config { restricted, ..config() });
    let (anna, bert, carl) = (imsi(ANNA), imsi(BERT), imsi(4));
    let has = answers(&mut world, anna);
    let query = has.query_filters[0].code().octets().to_vec();
    let air = on_air(&world, RESPONSE, has.response_code, &has.security.unwrap().into_material());
    let (subqueries, _) = asks(&mut world, bert, "user1");
    let own = subqueries.into_iter().next().unwrap();
    let hears =
        receiver(&own.response_filters[0], &own.security.unwrap().into_material(), MicCheck::ByProseFunction);
    let Ok(Received::ToReport(heard)) = hears.verify(&world.at(), &air) else { panic!() };
    // carl may ask for user1, and has not: no name for him, whatever he heard.
    assert_eq!(world.cause(carl, report(carl, heard.code, reported(&heard))), Cause::InvalidMatch);
    let of = |edit: &dyn Fn(&mut RestrictedMatch)| {
        report(bert, heard.code, |r| {
            reported(&heard)(r);
            edit(r);
        })
    };
    assert_eq!(acks(&mut world, bert, of(&|_| ())).restricted[0].rpauid, rpauid("user1"));
    let query: [u8; 8] = query.try_into().unwrap();
    type Edit<'a> = &'a dyn Fn(&mut RestrictedMatch);
    let edits: [(Edit<'_>, Cause); 7] = [
        (&|r| r.mic = Some(Mic([0; 4])), Cause::InvalidMic),
        (&|r| r.counter = r.counter.map(|c| c.plus(1)), Cause::InvalidMic),
        (&|r| r.mic = None, Cause::InvalidFormat),
        (&|r| r.application.os_id = [0; 16], Cause::InvalidMatch),
        (&|r| r.rpauid = rpauid("user4"), Cause::InvalidMatch),
        // A query code is no answer, nor is an answer a code of model A.
        (&|r| r.code = DiscoveredCode::Response(RestrictedCode(query)), Cause::InvalidMatch),
        (&|r| r.code = DiscoveredCode::Restricted(ApplicationCode(heard.code)), Cause::InvalidMatch),
    ];
    for (edit, cause) in edits {
        assert_eq!(world.cause(bert, of(edit)), cause);
    }
    world.after(93_000);
    assert_eq!(world.cause(bert, of(&|_| ())), Cause::InvalidCounter);
}

/// Of the rights of a UE and of an application, and of the permission, none can be missing.
#[test]
fn who_is_not_authorised_gets_neither_code_nor_key() {
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    for role in [Role::Discoveree, Role::Discoverer] {
        let command = if role == Role::Discoveree { Command::Response } else { Command::Query };
        let mut world = World::new(config());
        answers(&mut world, anna);
        let Answer::Known(mut known) = subscription(bert) else { panic!() };
        known.rights.retain(|(_, right)| *right != role);
        world.hss_answers = false;
        let first = world.send(bert, request(bert, command, |_| ()).to_xml().as_bytes());
        let now = world.now;
        world.input(Input::Subscription { now, ue: bert, answer: Answer::Known(known) });
        let Some(Response::Message(body)) = world.answer(first) else { panic!() };
        assert!(body.contains("<PC3-control-protocol-cause-value>3<") && !body.contains("DUSK"));
        if role == Role::Discoverer {
            let refused = world.cause(
                bert,
                report(bert, [1; 23], |r| {
                    r.code = DiscoveredCode::Response(RestrictedCode([1; 8]));
                }),
            );
            assert_eq!(refused, Cause::AuthorisationFailure);
        }
        let mut applications = config().applications;
        applications.retain(|(_, of)| *of != role);
        let mut world = World::new(Config { applications, ..config() });
        assert_eq!(world.cause(bert, request(bert, command, |_| ())), Cause::InvalidApplication);
    }
    let mut world = World::new(config());
    answers(&mut world, anna);
    let mut cause =
        |ue, command, edit: &dyn Fn(&mut RestrictedRequest)| world.cause(ue, request(ue, command, edit));
    for command in [Command::Response, Command::Query] {
        assert_eq!(cause(bert, command, &|r| r.rpauid = rpauid("user1")), Cause::AuthorisationFailure);
        assert_eq!(
            cause(bert, command, &|r| r.announcing_plmn = Some(plmn("02"))),
            Cause::AuthorisationFailure
        );
        assert_eq!(cause(bert, command, &|r| r.ue = anna), Cause::InvalidUe);
        assert_eq!(cause(bert, command, &|r| r.model = Some(Model::A)), Cause::InvalidFormat);
        assert_eq!(cause(bert, command, &|r| r.model = None), Cause::InvalidFormat);
        let stop = |r: &mut RestrictedRequest| r.requested_timer = RequestedTimer::new(0).ok();
        assert_eq!(cause(bert, command, &stop), Cause::InvalidFormat, "the schema has no answer");
    }
    // user3 is nobody's target, and for bert not there.
    assert_eq!(cause(imsi(3), Command::Query, &|_| ()), Cause::InvalidTarget);
    let of = |text: &'static str| {
        move |r: &mut RestrictedRequest| r.container = Container::new(text.as_bytes()).ok()
    };
    assert_eq!(cause(bert, Command::Query, &of("user3")), Cause::InvalidTarget);
    assert_eq!(cause(bert, Command::Query, &of("user1\nuser1")), Cause::InvalidContainer);
    assert_eq!(cause(bert, Command::Query, &|r| r.container = None), Cause::MissingContainer);
    assert_eq!(cause(bert, Command::Query, &|r| r.application.os_id[0] ^= 1), Cause::InvalidApplication);
}

#[test]
fn an_entry_goes_on_with_its_codes_and_a_question_ends_with_the_answer() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let first = answers(&mut world, anna);
    assert_eq!(first.validity, minutes(60));
    let again = request(anna, Command::Response, |r| r.entry = first.entry);
    let again = world.discover(anna, again).discoverees.remove(0);
    assert_eq!((again.response_code, again.entry), (first.response_code, first.entry));
    assert_eq!(again.query_filters, first.query_filters);
    assert_ne!(first.query_filters[0].code().octets(), first.response_code.0);
    let other = request(anna, Command::Query, |r| (r.entry, r.rpauid) = (first.entry, rpauid("user1")));
    assert_eq!(world.cause(anna, other), Cause::InvalidTarget);
    let (subqueries, entry) = asks(&mut world, bert, "user1");
    assert_eq!(subqueries[0].validity, minutes(30), "T4013 is no longer than the operator says");
    let announce = restricted(bert, Command::Announce, |r| r.entry = entry);
    assert_eq!(world.cause(bert, announce), Cause::UnknownEntry, "the entry is of a discoverer");
    // Model A has no code of a discoveree.
    assert_eq!(world.cause(bert, restricted(bert, Command::Monitor, |_| ())), Cause::NoValidCode);
    // Its life is that of the discoveree's entry, T4012, and ends with it.
    world.after(62 * 60_000);
    let (subqueries, _) = asks(&mut world, bert, "user1");
    assert_eq!(subqueries[0].validity, minutes(2));
    world.after(2 * 60_000);
    assert_eq!(world.cause(bert, request(bert, Command::Query, |_| ())), Cause::InvalidTarget);
}

#[test]
fn a_discoverer_is_told_when_a_permission_or_a_discoveree_goes() {
    for of_ue in [true, false] {
        let mut world = World::new(config());
        let (anna, bert) = (imsi(ANNA), imsi(BERT));
        let code = answers(&mut world, anna).response_code;
        answers(&mut world, imsi(3));
        let (subqueries, entry) = asks(&mut world, bert, "user1\nuser3");
        assert_eq!(subqueries.len(), 2);
        if of_ue {
            world.input(Input::Revoke { now: world.now, what: Revocation::Ue(anna) });
        } else {
            withdraw(&mut world, "user1", "user2");
        }
        let update = pushed(&world, bert);
        assert!(update.entry == entry && update.info.is_none(), "model B has no form for an update");
        let refused = world.cause(bert, report(bert, [0; 23], |r| r.code = DiscoveredCode::Response(code)));
        assert_eq!(refused, Cause::InvalidMatch);
        let (subqueries, _) = asks(&mut world, bert, "user1\nuser3");
        assert_eq!(subqueries.len(), 1, "the other is there still");
        assert_eq!(subqueries[0].rpauid, Some(rpauid("user3")));
    }
}

/// A request that is being stored while the permission goes gets no keys.
#[test]
fn what_is_being_stored_is_withdrawn_too() {
    let mut world = World::new(config());
    let bert = imsi(BERT);
    answers(&mut world, imsi(ANNA));
    world.medium = Medium::Hangs;
    let waits = world.send(bert, request(bert, Command::Query, |_| ()).to_xml().as_bytes());
    withdraw(&mut world, "user1", "user2");
    assert_eq!(world.answer(waits), Some(Response::Refused(Refused::Busy)));
}

/// After a restart the codes are the same, with other numbers drawn.
#[test]
fn codes_survive_a_restart() {
    let mut world = World::new(config());
    let bert = imsi(BERT);
    let code = answers(&mut world, imsi(ANNA)).response_code;
    asks(&mut world, bert, "user1");
    let disk = core::mem::take(&mut world.disk);
    world = World::on(config(), disk, [1; 32]);
    let named = acks(&mut world, bert, report(bert, [0; 23], |r| r.code = DiscoveredCode::Response(code)));
    assert_eq!(named.restricted[0].rpauid, rpauid("user1"));
    let new = answers(&mut world, imsi(3));
    assert_ne!(new.response_code, code);
}

fn exchange(world: &mut World, ue: Imsi, message: &Message) -> (Message, (usize, usize)) {
    let sent = message.to_xml();
    let request = world.send(ue, sent.as_bytes());
    let Some(Response::Message(body)) = world.answer(request) else { panic!() };
    (Message::from_xml(body.as_bytes()).unwrap(), (sent.len(), body.len()))
}

/// Octets of each exchange over PC3, as they are reported.
#[test]
fn messages_have_the_sizes_that_are_said() {
    let restricted = RestrictedPolicy { check: MicCheck::ByProseFunction, encrypted: None };
    let mut world = World::new(Config { restricted, ..config() });
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (answer, response) = exchange(&mut world, anna, &request(anna, Command::Response, |_| ()));
    let Message::DiscoveryResponse(mut answer) = answer else { panic!() };
    let has = answer.discoverees.remove(0);
    let air = on_air(&world, RESPONSE, has.response_code, &has.security.unwrap().into_material());
    let (answer, query) = exchange(&mut world, bert, &request(bert, Command::Query, |_| ()));
    let Message::DiscoveryResponse(mut answer) = answer else { panic!() };
    let own = answer.discoverers.remove(0).subqueries.remove(0);
    let hears =
        receiver(&own.response_filters[0], &own.security.unwrap().into_material(), MicCheck::ByProseFunction);
    let Ok(Received::ToReport(heard)) = hears.verify(&world.at(), &air) else { panic!() };
    let (_, matched) = exchange(&mut world, bert, &report(bert, heard.code, reported(&heard)));
    assert_eq!([response, query, matched], [(622, 1011), (691, 1012), (737, 529)]);
}
