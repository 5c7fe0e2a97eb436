//! Restricted discovery, model A; revocation.

use super::*;

pub(super) fn restricted(ue: Imsi, command: Command, edit: impl Fn(&mut RestrictedRequest)) -> Message {
    let number: u32 = ue.msin().parse().unwrap();
    let mut request = RestrictedRequest {
        transaction: TransactionId::new(7).unwrap(),
        command,
        ue,
        rpauid: rpauid(&format!("user{number}")),
        application: app(),
        discovery_type: DiscoveryType::Restricted,
        extension: None,
        announcing_type: Some(AnnouncingType::Normal),
        container: Container::new(b"user1").ok().filter(|_| command == Command::Monitor),
        model: Some(Model::A),
        announcing_plmn: None,
        entry: EntryId::new(0).unwrap(),
        requested_timer: None,
        pc5: None,
    };
    edit(&mut request);
    Message::DiscoveryRequest(DiscoveryRequest { open: vec![], restricted: vec![request], method: None })
}

fn announce(world: &mut World, ue: Imsi) -> (RestrictedCode, Sender, EntryId) {
    let message = restricted(ue, Command::Announce, |_| ());
    let response = world.discover(ue, message).restricted_announces.remove(0);
    let material = response.security.unwrap().into_material();
    assert!(material.dusk.is_some() && material.duik.is_some() && material.duck.is_some());
    (response.code.unwrap(), Sender::new(&material, Profile::default()), response.entry)
}

fn monitor(world: &mut World, ue: Imsi, targets: &str) -> (Vec<RestrictedFilter>, EntryId) {
    let message = restricted(ue, Command::Monitor, |r| r.container = Container::new(targets.as_bytes()).ok());
    let response = world.discover(ue, message).restricted_monitors.remove(0);
    (response.filters, response.entry)
}

fn receiver(filter: RestrictedFilter) -> Receiver {
    let check = if filter.mic_check == Some(true) { MicCheck::ByProseFunction } else { MicCheck::Local };
    let (mut code, mut mask) = ([0; 23], [0; 23]);
    let wanted = &filter.filters[0];
    code[..8].copy_from_slice(wanted.code().octets());
    mask[..8].copy_from_slice(wanted.masks()[0].octets());
    Receiver::new(&filter.into_material(), check, vec![CodeFilter { code, mask }], Profile::default())
}

fn on_air(world: &World, code: RestrictedCode, sender: &Sender) -> Air {
    let mut air = [0; 29];
    air[0] = 0x81;
    air[1..24].copy_from_slice(&code.on_air());
    sender.protect(&world.at(), &mut air).unwrap();
    air
}

pub(super) fn report(ue: Imsi, code: [u8; 23], edit: impl Fn(&mut RestrictedMatch)) -> Message {
    let number: u32 = ue.msin().parse().unwrap();
    let mut report = RestrictedMatch {
        transaction: TransactionId::new(8).unwrap(),
        ue,
        discovery_type: DiscoveryType::Restricted,
        application: app(),
        rpauid: rpauid(&format!("user{number}")),
        code: DiscoveredCode::Restricted(ApplicationCode(code)),
        mic: None,
        message_type: None,
        counter: None,
        wants_metadata: false,
        pc5: None,
    };
    edit(&mut report);
    Message::MatchReport(MatchReports { open: vec![], restricted: vec![report] })
}

pub(super) fn acks(world: &mut World, ue: Imsi, message: Message) -> MatchReportAcks {
    match world.ask(ue, message) {
        Message::MatchReportAck(acks) => acks,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ue_checks_the_mic_itself_and_asks_for_the_name() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (code, sender, _) = announce(&mut world, anna);
    let (mut filters, _) = monitor(&mut world, bert, "user1");
    assert_eq!((filters[0].ttl, filters[0].rpauid.clone()), (minutes(30), Some(rpauid("user1"))));
    let air = on_air(&world, code, &sender);
    assert_ne!(air[1..9], code.0, "scrambled");
    let Ok(Received::Verified(heard)) = receiver(filters.remove(0)).verify(&world.at(), &air) else {
        panic!()
    };
    let ack = acks(&mut world, bert, report(bert, heard.code, |_| ())).restricted.remove(0);
    assert_eq!((ack.rpauid, ack.validity, ack.refresh), (rpauid("user1"), minutes(60), None));
}

#[test]
fn the_function_checks_the_mic_where_it_keeps_the_key() {
    let restricted = RestrictedPolicy { check: MicCheck::ByProseFunction, encrypted: Some([0xf0; 23]) };
    let mut world = World::new(Config { restricted, ..config() });
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (code, sender, _) = announce(&mut world, anna);
    let (mut filters, _) = monitor(&mut world, bert, "user1");
    assert!(filters[0].duik.is_none(), "the key stays here");
    let air = on_air(&world, code, &sender);
    let Ok(Received::ToReport(heard)) = receiver(filters.remove(0)).verify(&world.at(), &air) else {
        panic!()
    };
    let of = |edit: fn(&mut RestrictedMatch)| {
        report(bert, heard.code, move |r| {
            r.mic = Some(heard.mic);
            r.counter = Some(heard.counter);
            r.message_type = MessageType::new(heard.message_type).ok();
            edit(r);
        })
    };
    let ack = acks(&mut world, bert, of(|_| ())).restricted.remove(0);
    assert_eq!((ack.rpauid, ack.refresh), (rpauid("user1"), Some(minutes(10))));
    for (edit, cause) in [
        ((|r| r.mic = Some(Mic([0; 4]))) as fn(&mut RestrictedMatch), Cause::InvalidMic),
        (|r| r.counter = r.counter.map(|c| c.plus(1)), Cause::InvalidMic),
        (|r| r.message_type = MessageType::new(0x41).ok(), Cause::InvalidFormat),
        (|r| r.mic = None, Cause::InvalidFormat),
        (|r| (r.mic, r.message_type, r.counter) = (None, None, None), Cause::InvalidFormat),
        (|r| r.discovery_type = DiscoveryType::Open, Cause::InvalidFormat),
        (|r| r.ue = imsi(ANNA), Cause::InvalidUe),
        (|r| r.rpauid = rpauid("user4"), Cause::InvalidMatch),
        (|r| r.application.os_id = [0; 16], Cause::InvalidMatch),
        (|r| r.code = DiscoveredCode::Response(RestrictedCode([0; 8])), Cause::InvalidMatch),
        (
            |r| {
                if let DiscoveredCode::Restricted(code) = &mut r.code {
                    code.0[22] = 1;
                }
            },
            Cause::InvalidMatch,
        ),
    ] {
        assert_eq!(world.cause(bert, of(edit)), cause);
    }
    world.after(93_000);
    assert_eq!(world.cause(bert, of(|_| ())), Cause::InvalidCounter);
}

#[test]
fn who_has_no_filter_learns_no_name() {
    let mut world = World::new(config());
    let (code, ..) = announce(&mut world, imsi(ANNA));
    // user4 may, and has not asked
    let carl = imsi(4);
    assert_eq!(world.cause(carl, report(carl, code.on_air(), |_| ())), Cause::InvalidMatch);
    monitor(&mut world, carl, "user1");
    assert_eq!(acks(&mut world, carl, report(carl, code.on_air(), |_| ())).restricted.len(), 1);
}

#[test]
fn restricted_requests_that_may_not_be() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (_, _, entry) = announce(&mut world, anna);
    for command in [Command::Announce, Command::Monitor] {
        let mut cause =
            |edit: &dyn Fn(&mut RestrictedRequest)| world.cause(bert, restricted(bert, command, edit));
        assert_eq!(cause(&|r| r.application.os_id[0] ^= 1), Cause::InvalidApplication);
        assert_eq!(cause(&|r| r.rpauid = rpauid("user1")), Cause::AuthorisationFailure);
        assert_eq!(cause(&|r| r.discovery_type = DiscoveryType::Open), Cause::InvalidFormat);
        assert_eq!(cause(&|r| r.extension = Some(Extension::Enabled)), Cause::NoExtension);
        assert_eq!(cause(&|r| r.model = Some(Model::B)), Cause::InvalidFormat);
        assert_eq!(cause(&|r| r.ue = anna), Cause::InvalidUe);
    }
    let mut cause =
        |command, edit: &dyn Fn(&mut RestrictedRequest)| world.cause(bert, restricted(bert, command, edit));
    assert_eq!(
        cause(Command::Announce, &|r| r.announcing_type = Some(AnnouncingType::OnDemand)),
        Cause::NotOnDemand
    );
    assert_eq!(
        cause(Command::Announce, &|r| r.announcing_plmn = Some(plmn("02"))),
        Cause::AuthorisationFailure
    );
    assert_eq!(cause(Command::Query, &|_| ()), Cause::InvalidFormat);
    assert_eq!(cause(Command::Response, &|_| ()), Cause::InvalidFormat);
    assert_eq!(cause(Command::MetadataUpdate, &|_| ()), Cause::InvalidFormat);
    let mut targets =
        |text: &str| cause(Command::Monitor, &|r| r.container = Container::new(text.as_bytes()).ok());
    assert_eq!(targets("user4"), Cause::InvalidTarget, "nobody has permitted it");
    assert_eq!(targets("user3"), Cause::NoValidCode, "permitted, and not there");
    assert_eq!(targets(""), Cause::InvalidContainer);
    assert_eq!(targets("user1\nuser1"), Cause::InvalidContainer);
    let many = |count: usize| (0..count).map(|i| format!("nobody{i}")).collect::<Vec<_>>().join("\n");
    assert_eq!(targets(&many(MAX_TARGETS)), Cause::InvalidTarget);
    assert_eq!(targets(&many(MAX_TARGETS + 1)), Cause::InvalidContainer);
    assert_eq!(cause(Command::Monitor, &|r| r.container = None), Cause::MissingContainer);
    assert_eq!(
        cause(Command::Monitor, &|r| r.container = Container::new(&[0xff]).ok()),
        Cause::InvalidContainer
    );
    // The entry of an announcer is not that of a monitor, nor one under another name.
    let as_monitor = restricted(anna, Command::Monitor, |r| r.entry = entry);
    assert_eq!(world.cause(anna, as_monitor), Cause::InvalidTarget);
    let stop = |command| {
        restricted(anna, command, move |r| {
            (r.entry, r.requested_timer) = (entry, RequestedTimer::new(0).ok())
        })
    };
    assert_eq!(world.cause(anna, stop(Command::Monitor)), Cause::UnknownEntry);
    assert_eq!(world.discover(anna, stop(Command::Announce)).restricted_announces[0].entry, entry);
    assert_eq!(world.cause(anna, stop(Command::Announce)), Cause::UnknownEntry);
}

#[test]
fn an_entry_goes_on_under_its_name() {
    let mut world = World::new(config());
    let anna = imsi(ANNA);
    let (code, _, entry) = announce(&mut world, anna);
    let again = restricted(anna, Command::Announce, |r| r.entry = entry);
    let again = world.discover(anna, again).restricted_announces.remove(0);
    assert_eq!((again.code, again.entry), (Some(code), entry));
    world.announce(anna);
    let other = restricted(anna, Command::Announce, |r| r.entry = EntryId::new(2).unwrap());
    assert_eq!(world.cause(anna, other), Cause::UnknownEntry, "entry 2 is of open discovery");
    let other = edited(anna, Command::Monitor, |o| o.entry = Some(entry));
    assert_eq!(world.cause(anna, other), Cause::UnknownEntry, "entry 1 is of an announcer");
}

/// The update that was pushed last, read.
pub(super) fn pushed(world: &World, ue: Imsi) -> update::Update {
    let (to, body) = world.pushes.last().unwrap();
    assert_eq!(*to, ue);
    match Message::from_xml(body.as_bytes()) {
        Ok(Message::DiscoveryUpdateRequest(mut message)) => message.updates.remove(0),
        other => panic!("{other:?}"),
    }
}

fn accept(update: &update::Update) -> Message {
    let updated = vec![Updated { transaction: update.transaction, entry: update.entry }];
    Message::DiscoveryUpdateResponse(DiscoveryUpdateResponse { updated, rejects: vec![] })
}

pub(super) fn withdraw(world: &mut World, target: &str, watcher: &str) {
    let what = Revocation::Permission(Permission { target: rpauid(target), watcher: rpauid(watcher) });
    world.input(Input::Revoke { now: world.now, what });
}

#[test]
fn a_permission_is_withdrawn_and_the_blind_time_measured() {
    let mut world = World::new(config());
    let (anna, bert, carl) = (imsi(ANNA), imsi(BERT), imsi(4));
    let (code, ..) = announce(&mut world, anna);
    announce(&mut world, imsi(3));
    let (filters, entry) = monitor(&mut world, bert, "user1\nuser3\nuser9");
    assert_eq!(filters.len(), 2);
    monitor(&mut world, carl, "user1");
    withdraw(&mut world, "user1", "user2");
    // At once, whatever the UE does: no name for the code, no filter again.
    assert_eq!(world.cause(bert, report(bert, code.on_air(), |_| ())), Cause::InvalidMatch);
    assert_eq!(world.cause(bert, restricted(bert, Command::Monitor, |_| ())), Cause::InvalidTarget);
    let update = pushed(&world, bert);
    assert_eq!((update.entry, world.pushes.len()), (entry, 1), "the other watcher is not concerned");
    let Some(UpdateInfo::RestrictedMonitor(info)) = &update.info else { panic!() };
    assert_eq!(info.filters.len(), 1);
    assert_eq!(info.filters[0].rpauid, Some(rpauid("user3")));
    world.after(RETRY_INTERVAL - 1);
    assert_eq!(world.pushes.len(), 1);
    world.after(1);
    assert_eq!(world.pushes.len(), 2, "no answer: again");
    world.after(2_500);
    // An answer about another entry is none, and another UE cannot answer for it.
    let other = update::Update { entry: EntryId::new(77).unwrap(), ..pushed(&world, bert) };
    world.send(bert, accept(&other).to_xml().as_bytes());
    let body = accept(&update).to_xml();
    world.send(carl, body.as_bytes());
    assert!(!world.events.iter().any(|event| matches!(event, Event::UpdateAnswered { .. })));
    let request = world.send(bert, body.as_bytes());
    assert_eq!(world.answer(request), Some(Response::Accepted));
    let blind = RETRY_INTERVAL + 2_500;
    assert!(world.events.contains(&Event::UpdateAnswered { ue: bert, entry, refused: None, blind }));
    world.after(10 * RETRY_INTERVAL);
    assert_eq!(world.pushes.len(), 2);
    assert_eq!(acks(&mut world, carl, report(carl, code.on_air(), |_| ())).restricted.len(), 1);
    // and after a restart
    let disk = core::mem::take(&mut world.disk);
    let kept = disk.records.get(&(bert, entry)).unwrap();
    assert!(
        matches!(&kept.content, Content::RestrictedMonitor { targets, .. } if *targets == [rpauid("user3")])
    );
}

#[test]
fn a_stolen_ue_is_revoked_everywhere() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (code, ..) = announce(&mut world, anna);
    let (open, key, _) = world.announce(anna);
    let heard = heard(&world, &super::on_air(&world, &open, &key));
    let (_, entry) = monitor(&mut world, bert, "user1");
    let asked = world.asked;
    world.input(Input::Revoke { now: world.now, what: Revocation::Ue(anna) });
    assert_eq!((world.function.entries(), world.disk.records.len()), (0, 0));
    assert_eq!(world.cause(bert, super::report(bert, &heard)), Cause::UnknownApplicationCode);
    assert_eq!(world.cause(bert, report(bert, code.on_air(), |_| ())), Cause::InvalidMatch);
    let update = pushed(&world, bert);
    assert!(update.entry == entry && update.info.is_none(), "nothing replaces it");
    for _ in 1..TRIES {
        world.after(RETRY_INTERVAL);
    }
    assert_eq!(world.pushes.len(), TRIES as usize);
    world.after(RETRY_INTERVAL);
    assert_eq!(world.pushes.len(), TRIES as usize);
    assert!(world.events.contains(&Event::UpdateUnanswered { ue: bert, entry }));
    assert_eq!(world.timeout, None, "nothing is left to do");
    world.ask(anna, open_request(anna, Command::Announce));
    assert_eq!(world.asked, asked + 1, "the HSS is asked again");
}

#[test]
fn what_is_withdrawn_stays_so_while_the_disk_fails() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    announce(&mut world, anna);
    let (_, entry) = monitor(&mut world, bert, "user1");
    world.medium = Medium::Fails;
    world.input(Input::Revoke { now: world.now, what: Revocation::Ue(anna) });
    assert_eq!((world.function.entries(), world.disk.records.len()), (0, 2));
    assert!(world.pushes.is_empty(), "told once it is durable");
    world.medium = Medium::Works;
    world.after(RETRY_INTERVAL - 1);
    assert_eq!(world.disk.records.len(), 2);
    world.after(1);
    assert_eq!(world.disk.records.len(), 0);
    assert_eq!(pushed(&world, bert).entry, entry);
}

/// A request that is being stored when its UE is revoked, or its permission withdrawn, gets no keys.
#[test]
fn what_is_being_stored_is_revoked_too() {
    for of_ue in [true, false] {
        let mut world = World::new(config());
        let (anna, bert) = (imsi(ANNA), imsi(BERT));
        announce(&mut world, anna);
        world.medium = Medium::Hangs;
        let body = restricted(bert, Command::Monitor, |_| ()).to_xml();
        let request = world.send(bert, body.as_bytes());
        assert_eq!(world.answer(request), None);
        if of_ue {
            world.input(Input::Revoke { now: world.now, what: Revocation::Ue(bert) });
        } else {
            withdraw(&mut world, "user1", "user2");
        }
        assert_eq!(world.answer(request), Some(Response::Refused(Refused::Busy)));
        world.release();
        assert_eq!(world.answer(request), None);
        assert!(world.disk.records.keys().all(|(ue, _)| *ue == anna));
        assert_eq!(world.function.entries(), 1);
    }
}

#[test]
fn a_code_that_has_expired_is_no_target() {
    let mut world = World::new(config());
    announce(&mut world, imsi(ANNA));
    let bert = imsi(BERT);
    world.after(60 * 60_000 - 1);
    let (filters, _) = monitor(&mut world, bert, "user1");
    assert_eq!(filters[0].ttl, minutes(1), "no longer than the code");
    world.after(1);
    assert_eq!(world.cause(bert, restricted(bert, Command::Monitor, |_| ())), Cause::NoValidCode);
}

/// The operator has changed who may while the function was down.
#[test]
fn a_permission_that_is_gone_after_a_restart_names_nobody() {
    let mut world = World::new(config());
    let bert = imsi(BERT);
    let (code, ..) = announce(&mut world, imsi(ANNA));
    monitor(&mut world, bert, "user1");
    for (permissions, named) in [(config().permissions, 1), (vec![], 0)] {
        let disk = core::mem::take(&mut world.disk);
        world = World::on(Config { permissions, ..config() }, disk, [2; 32]);
        let acks = acks(&mut world, bert, report(bert, code.on_air(), |_| ()));
        assert_eq!((acks.restricted.len(), acks.rejects.len()), (named, 1 - named));
    }
}
