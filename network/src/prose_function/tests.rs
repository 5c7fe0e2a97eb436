use std::collections::BTreeMap;

use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, ReserveConfig, StreamId};
use sidelink_security::discovery::open::{self, OpenKey};
use sidelink_security::discovery::restricted::{MicCheck, Received, Receiver, Sender};
use sidelink_security::discovery::{CodeFilter, Freshness, Message as Air, Mic, Profile};

use super::*;
use crate::pc3::filters::RestrictedFilter;
use crate::pc3::match_report::{DiscoveredCode, MatchReport, RestrictedMatch};
use crate::pc3::request::{ApplicationIdentity, OpenRequest, RestrictedRequest};
use crate::pc3::update::{DiscoveryUpdateResponse, UpdateInfo, Updated};
use crate::pc3::*;

mod flood;
mod hostile_reports;
mod model_b;
mod restricted;
mod robust;

/// 2026-07-25T17:20:00Z.
const START: u64 = 1_785_000_000_000;
const FOOD: &str = "mcc001.mnc001.ProSeApp.Food.Pizza";

fn plmn(mnc: &str) -> Plmn {
    Plmn::new("001", mnc).unwrap()
}

fn imsi(number: u32) -> Imsi {
    Imsi::new(plmn("01"), &format!("{number:010}")).unwrap()
}

fn id(text: &str) -> ApplicationId {
    ApplicationId::new(text).unwrap()
}

fn rpauid(text: &str) -> Rpauid {
    Rpauid::new(text).unwrap()
}

fn minutes(number: u32) -> Minutes {
    Minutes::new(number).unwrap()
}

fn app() -> ApplicationIdentity {
    ApplicationIdentity { os_id: [7; 16], os_app_id: OsAppId::new("org.example").unwrap() }
}

const ROLES: [Role; 6] = [
    Role::OpenAnnounce,
    Role::OpenMonitor,
    Role::RestrictedAnnounce,
    Role::RestrictedMonitor,
    Role::Discoveree,
    Role::Discoverer,
];

fn config() -> Config {
    let application = Application::from(app());
    let permission = |target, watcher| Permission { target: rpauid(target), watcher: rpauid(watcher) };
    Config {
        plmn: plmn("01"),
        applications: ROLES.map(|role| (application.clone(), role)).to_vec(),
        application_ids: vec![id(FOOD), id("mcc*.mnc*.ProSeApp.Taxi"), id("mcc001.mnc*.ProSeApp.Bus")],
        permissions: vec![
            permission("user1", "user2"),
            permission("user3", "user2"),
            permission("user1", "user4"),
        ],
        restricted: RestrictedPolicy { check: MicCheck::Local, encrypted: Some([0x0f; 23]) },
        validity: minutes(60),
        ttl: minutes(30),
        refresh: minutes(10),
        max_offset: MaxOffset::new(32).unwrap(),
        report_delay: 60,
        limits: Limits { ue_burst: 1000, burst: 100_000, ..Limits::default() },
    }
}

/// Every right at home for UEs below 1000, which have the RPAUID of their number; the others are unknown.
fn subscription(ue: Imsi) -> Answer {
    let number: u32 = ue.msin().parse().unwrap();
    if number >= 1000 {
        return Answer::Unknown;
    }
    Answer::Known(Subscription {
        registered: Some(plmn("01")),
        rights: ROLES.map(|role| (plmn("01"), role)).to_vec(),
        application_ids: vec![id(FOOD), id("mcc*.mnc*.ProSeApp.Taxi"), id("mcc001.mnc*.ProSeApp.Bus")],
        rpauids: vec![rpauid(&format!("user{number}"))],
    })
}

#[derive(Default)]
struct Disk {
    counters: BTreeMap<StreamId, u64>,
    records: BTreeMap<(Imsi, EntryId), Record>,
    refused: Vec<(Imsi, UtcTime)>,
}

impl CounterStore for Disk {
    type Error = core::convert::Infallible;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Self::Error> {
        Ok(self.counters.get(stream).copied().unwrap_or(0))
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Self::Error> {
        let stored = self.counters.entry(*stream).or_insert(0);
        let fits = *stored == from;
        if fits {
            *stored = to;
        }
        Ok(fits)
    }
}

impl Disk {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(record) => _ = self.records.insert(record.key(), *record),
            Change::Remove(ue, entry) => _ = self.records.remove(&(ue, entry)),
        }
    }
}

/// What the driver does with a store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Medium {
    Works,
    Fails,
    /// Neither answer comes.
    Hangs,
}

/// A driver with HSS and disk in memory.
struct World {
    function: ProseFunction,
    disk: Disk,
    now: UtcTime,
    medium: Medium,
    hss_answers: bool,
    asked: usize,
    next: u64,
    responses: Vec<(RequestId, Response)>,
    pushes: Vec<(Imsi, String)>,
    events: Vec<Event>,
    hanging: Vec<(Ticket, Vec<Change>)>,
    timeout: Option<UtcTime>,
}

impl World {
    fn new(config: Config) -> Self {
        Self::on(config, Disk::default(), [1; 32])
    }

    fn on(config: Config, mut disk: Disk, seed: [u8; 32]) -> Self {
        let lease =
            Lease::open(StreamId([9; 16]), 0, u64::MAX, ReserveConfig { block: 8, low_water: 4 }, &mut disk)
                .unwrap();
        let records = disk.records.values().map(Record::copy).collect();
        let function =
            ProseFunction::new(config, lease, &seed, Durable { records, refused: disk.refused.clone() })
                .unwrap();
        Self {
            function,
            disk,
            now: UtcTime::from_millis(START),
            medium: Medium::Works,
            hss_answers: true,
            asked: 0,
            next: 0,
            responses: Vec::new(),
            pushes: Vec::new(),
            events: Vec::new(),
            hanging: Vec::new(),
            timeout: None,
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.function.handle_input(input);
        loop {
            match self.function.poll_output() {
                Output::Respond { request, response } => self.responses.push((request, response)),
                Output::Push { ue, body } => self.pushes.push((ue, body.to_string())),
                Output::Event(event) => self.events.push(event),
                Output::AskSubscription { ue } => {
                    self.asked += 1;
                    if self.hss_answers {
                        let (now, answer) = (self.now, subscription(ue));
                        self.function.handle_input(Input::Subscription { now, ue, answer });
                    }
                }
                Output::EpcLevel { request, .. } => {
                    self.responses.push((request, Response::Refused(Refused::NoEpcLevel)));
                }
                Output::PublicKeys { .. } => panic!("nobody asks for public keys"),
                Output::RememberRefusal { ue, until } => self.disk.refused.push((ue, until)),
                Output::Store { ticket, changes } => self.store(ticket, changes),
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.disk).unwrap();
                    self.function.handle_input(Input::Granted { now: self.now, granted });
                }
                Output::Tell { .. } => panic!("no other network asks"),
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
            }
        }
    }

    fn store(&mut self, ticket: Ticket, changes: Vec<Change>) {
        let now = self.now;
        match self.medium {
            Medium::Works => {
                changes.into_iter().for_each(|change| self.disk.apply(change));
                self.function.handle_input(Input::Stored { now, ticket });
            }
            Medium::Fails => self.function.handle_input(Input::StoreFailed { now, ticket }),
            Medium::Hangs => self.hanging.push((ticket, changes)),
        }
    }

    /// The disk takes what hung.
    fn release(&mut self) {
        self.medium = Medium::Works;
        for (ticket, changes) in core::mem::take(&mut self.hanging) {
            changes.into_iter().for_each(|change| self.disk.apply(change));
            self.input(Input::Stored { now: self.now, ticket });
        }
    }

    fn after(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        self.input(Input::Tick { now: self.now });
    }

    fn send(&mut self, ue: Imsi, body: &[u8]) -> RequestId {
        let request = RequestId(self.next);
        self.next += 1;
        self.input(Input::Message { now: self.now, request, ue, solution: None, body });
        request
    }

    fn answer(&mut self, request: RequestId) -> Option<Response> {
        let position = self.responses.iter().position(|(of, _)| *of == request)?;
        Some(self.responses.remove(position).1)
    }

    fn ask(&mut self, ue: Imsi, message: Message) -> Message {
        let request = self.send(ue, message.to_xml().as_bytes());
        match self.answer(request) {
            Some(Response::Message(body)) => Message::from_xml(body.as_bytes()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn refused(&mut self, ue: Imsi, message: &Message) -> Refused {
        let request = self.send(ue, message.to_xml().as_bytes());
        match self.answer(request) {
            Some(Response::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    fn discover(&mut self, ue: Imsi, message: Message) -> DiscoveryResponse {
        match self.ask(ue, message) {
            Message::DiscoveryResponse(response) => response,
            other => panic!("{other:?}"),
        }
    }

    fn cause(&mut self, ue: Imsi, message: Message) -> Cause {
        match self.ask(ue, message) {
            Message::DiscoveryResponse(DiscoveryResponse { rejects, .. })
            | Message::MatchReportAck(MatchReportAcks { rejects, .. })
                if rejects.len() == 1 =>
            {
                rejects[0].cause
            }
            other => panic!("{other:?}"),
        }
    }

    /// Code, key and entry of an announcer.
    fn announce(&mut self, ue: Imsi) -> ([u8; 23], OpenKey, EntryId) {
        let response = self.discover(ue, open_request(ue, Command::Announce));
        assert_eq!(response.current_time, self.now);
        assert_eq!(response.max_offset.value(), 32);
        let announce = response.announces.into_iter().next().unwrap();
        let key = OpenKey::new(&announce.key.unwrap(), Profile::default());
        (announce.codes[0].0, key, announce.entry.unwrap())
    }

    fn at(&self) -> Freshness {
        Freshness::at(self.now.counter())
    }
}

fn open_request(ue: Imsi, command: Command) -> Message {
    edited(ue, command, |_| ())
}

fn edited(ue: Imsi, command: Command, edit: impl Fn(&mut OpenRequest)) -> Message {
    let mut open = OpenRequest {
        transaction: TransactionId::new(5).unwrap(),
        command,
        ue,
        application_id: id(FOOD),
        application: app(),
        entry: EntryId::new(0).ok(),
        requested_timer: None,
        metadata: None,
        announcing_plmn: None,
        extension: Some(Extension::Normal),
        pc5: None,
    };
    edit(&mut open);
    Message::DiscoveryRequest(DiscoveryRequest { open: vec![open], restricted: vec![], method: None })
}

/// What a UE reports of a message that it heard.
fn report(ue: Imsi, heard: &open::MatchReport) -> Message {
    report_edited(ue, heard, |_| ())
}

fn report_edited(ue: Imsi, heard: &open::MatchReport, edit: impl Fn(&mut MatchReport)) -> Message {
    let mut report = MatchReport {
        transaction: TransactionId::new(6).unwrap(),
        code: ApplicationCode(heard.0.code),
        ue,
        monitored_plmn: plmn("01"),
        visited_plmn: None,
        mic: heard.0.mic,
        counter: heard.0.counter,
        wants_metadata: true,
        message_type: MessageType::new(heard.0.message_type).ok(),
        pc5: None,
    };
    edit(&mut report);
    Message::MatchReport(MatchReports { open: vec![report], restricted: vec![] })
}

/// The message of 29 octets that the announcer sends now.
fn on_air(world: &World, code: &[u8; 23], key: &OpenKey) -> Air {
    let mut air = [0; 29];
    air[0] = 0x41;
    air[1..24].copy_from_slice(code);
    key.protect(&world.at(), &mut air).unwrap();
    air
}

fn heard(world: &World, air: &Air) -> open::MatchReport {
    open::receive(&world.at(), air, &Profile::default()).unwrap()
}

const ANNA: u32 = 1;
const BERT: u32 = 2;

#[test]
fn announced_monitored_heard_and_verified() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    assert_eq!(world.cause(bert, open_request(bert, Command::Monitor)), Cause::NoValidCode);
    let (code, key, _) = world.announce(anna);
    let monitor = world.discover(bert, open_request(bert, Command::Monitor)).monitors.remove(0);
    let filter = &monitor.filters[0];
    assert_eq!(filter.ttl, minutes(30));
    let filter = CodeFilter { code: filter.code.0, mask: filter.masks[0].0 };

    world.after(9_000);
    let air = on_air(&world, &code, &key);
    assert_eq!(air[28] & 0xf0, 0, "four bits of counter");
    let heard = heard(&world, &air);
    assert!(filter.matches(&heard.0.code));
    let Message::MatchReportAck(acks) = world.ask(bert, report(bert, &heard)) else { panic!() };
    let ack = &acks.acks[0];
    assert_eq!((ack.application_id.as_str(), ack.refresh), (FOOD, minutes(10)));
    assert_eq!(ack.validity, minutes(60));
    assert_eq!(acks.current_time, world.now);
    assert!(world.events.contains(&Event::Matched { ue: bert, announcer: anna }));
    // An announcer that comes later is found by the same filter.
    let (later, ..) = world.announce(imsi(3));
    assert!(later != code && filter.matches(&later));
    assert_eq!(world.asked, 3, "the HSS is asked once a UE");
}

#[test]
fn a_match_report_that_is_wrong_is_refused() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (code, key, _) = world.announce(anna);
    let heard = heard(&world, &on_air(&world, &code, &key));
    let mut cause = |edit: &dyn Fn(&mut MatchReport)| world.cause(bert, report_edited(bert, &heard, edit));
    assert_eq!(
        cause(&|r| r.mic = Mic([r.mic.0[0] ^ 1, r.mic.0[1], r.mic.0[2], r.mic.0[3]])),
        Cause::InvalidMic
    );
    assert_eq!(cause(&|r| r.counter = r.counter.plus(1)), Cause::InvalidMic);
    assert_eq!(cause(&|r| r.message_type = MessageType::new(0x49).ok()), Cause::InvalidMic);
    assert_eq!(cause(&|r| r.message_type = MessageType::new(0x81).ok()), Cause::InvalidFormat);
    assert_eq!(cause(&|r| r.message_type = None), Cause::InvalidFormat);
    assert_eq!(cause(&|r| r.code.0[21] ^= 1), Cause::UnknownApplicationCode);
    assert_eq!(cause(&|r| r.code.0[2] ^= 1), Cause::UnknownApplicationCode);
    assert_eq!(cause(&|r| r.code.0[22] ^= 1), Cause::InvalidMic);
    assert_eq!(cause(&|r| r.monitored_plmn = plmn("02")), Cause::AuthorisationFailure);
    assert_eq!(cause(&|r| r.ue = anna), Cause::InvalidUe);
}

/// TS 33.303 §6.1.3.3.1: MAX_OFFSET, and the time that a report takes.
#[test]
fn a_counter_counts_near_the_clock_only() {
    let at = |late: u64| {
        let mut world = World::new(config());
        let (code, key, _) = world.announce(imsi(ANNA));
        let heard = heard(&world, &on_air(&world, &code, &key));
        world.after(late * 1000);
        world.ask(imsi(BERT), report(imsi(BERT), &heard))
    };
    let accepted = |message| matches!(message, Message::MatchReportAck(acks) if acks.acks.len() == 1);
    assert!(accepted(at(32 + 60)));
    let Message::MatchReportAck(acks) = at(32 + 61) else { panic!() };
    assert_eq!(acks.rejects[0].cause, Cause::InvalidCounter);
}

#[test]
fn what_has_expired_is_refused() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (code, key, _) = world.announce(anna);
    // The last second of T4000, reported a little later.
    world.after(60 * 60_000);
    let last = heard(&world, &on_air(&world, &code, &key));
    world.after(10_000);
    assert!(
        matches!(world.ask(bert, report(bert, &last)), Message::MatchReportAck(acks) if acks.acks.len() == 1)
    );
    // A UE that goes on beyond it.
    let beyond = heard(&world, &on_air(&world, &code, &key));
    assert_eq!(world.cause(bert, report(bert, &beyond)), Cause::InvalidCounter);
    assert_eq!(world.cause(bert, open_request(bert, Command::Monitor)), Cause::NoValidCode);
    // T4001.
    assert_eq!((world.function.entries(), world.disk.records.len()), (1, 1));
    world.after(GRACE - 10_000);
    assert_eq!((world.function.entries(), world.disk.records.len()), (0, 0));
    assert_eq!(world.cause(bert, report(bert, &last)), Cause::UnknownApplicationCode);
}

#[test]
fn an_announcer_goes_on_with_its_code_and_stops() {
    let mut world = World::new(config());
    let anna = imsi(ANNA);
    let (code, _, entry) = world.announce(anna);
    world.after(50 * 60_000);
    let renewed = |world: &mut World, edit: &dyn Fn(&mut OpenRequest)| {
        let message = edited(anna, Command::Announce, |open| {
            open.entry = Some(entry);
            edit(open);
        });
        world.discover(anna, message).announces.remove(0)
    };
    let again = renewed(&mut world, &|open| open.requested_timer = RequestedTimer::new(20).ok());
    assert_eq!((again.codes[0].0, again.entry, again.validity), (code, Some(entry), Some(minutes(20))));
    let longer = renewed(&mut world, &|open| open.requested_timer = RequestedTimer::new(61).ok());
    assert_eq!(longer.validity, Some(minutes(60)), "the operator's is the longest");
    // metadata numbers itself in the last octet
    let other = renewed(&mut world, &|open| open.metadata = Metadata::new("till ten").ok());
    assert_eq!((other.codes[0].0[..22].to_vec(), other.codes[0].0[22]), (code[..22].to_vec(), code[22] + 1));

    let of_other = edited(anna, Command::Announce, |open| {
        open.entry = Some(entry);
        open.application_id = id("mcc*.mnc*.ProSeApp.Taxi");
    });
    assert_eq!(world.cause(anna, of_other), Cause::UnknownEntry);
    let stop = |command, entry| {
        edited(anna, command, move |open| {
            open.requested_timer = RequestedTimer::new(0).ok();
            open.entry = entry;
        })
    };
    assert_eq!(world.cause(anna, stop(Command::Announce, None)), Cause::UnknownEntry);
    assert_eq!(world.cause(anna, stop(Command::Announce, EntryId::new(77).ok())), Cause::UnknownEntry);
    assert_eq!(world.cause(anna, stop(Command::Monitor, Some(entry))), Cause::UnknownEntry);
    let stopped = world.discover(anna, stop(Command::Announce, Some(entry))).announces.remove(0);
    assert_eq!((stopped.entry, stopped.codes.len(), stopped.key.is_none()), (Some(entry), 0, true));
    assert_eq!((world.function.entries(), world.disk.records.len()), (0, 0));
    // An entry that is gone is a new one.
    let fresh = renewed(&mut world, &|_| ());
    assert_ne!(fresh.codes[0].0, code);
}

#[test]
fn metadata_comes_with_a_match() {
    let mut world = World::new(config());
    let (anna, bert) = (imsi(ANNA), imsi(BERT));
    let (_, _, entry) = world.announce(anna);
    let update = edited(anna, Command::MetadataUpdate, |open| {
        open.entry = Some(entry);
        open.metadata = Metadata::new("open till ten").ok();
    });
    let updated = world.discover(anna, update).announces.remove(0);
    let key = OpenKey::new(&updated.key.unwrap(), Profile::default());
    let heard = heard(&world, &on_air(&world, &updated.codes[0].0, &key));
    let Message::MatchReportAck(acks) = world.ask(bert, report(bert, &heard)) else { panic!() };
    assert_eq!(acks.acks[0].metadata.as_ref().map(Metadata::as_str), Some("open till ten"));
    assert_eq!(acks.acks[0].metadata_mask.map(|mask| mask.0[22]), Some(0xff));
    let unwanted = report_edited(bert, &heard, |r| r.wants_metadata = false);
    let Message::MatchReportAck(acks) = world.ask(bert, unwanted) else { panic!() };
    assert!(acks.acks[0].metadata.is_none() && acks.acks[0].metadata_mask.is_none());
    let nothing = edited(anna, Command::MetadataUpdate, |open| open.entry = EntryId::new(0).ok());
    assert_eq!(world.cause(anna, nothing), Cause::UnknownEntry);
}

#[test]
fn who_may_not_is_told_why() {
    let mut world = World::new(config());
    let anna = imsi(ANNA);
    world.announce(anna);
    for command in [Command::Announce, Command::Monitor] {
        let mut cause = |edit: &dyn Fn(&mut OpenRequest)| world.cause(anna, edited(anna, command, edit));
        assert_eq!(cause(&|o| o.application.os_id[0] ^= 1), Cause::InvalidApplication);
        assert_eq!(
            cause(&|o| o.application_id = id("mcc001.mnc001.ProSeApp.Other")),
            Cause::UnknownApplicationId
        );
        assert_eq!(cause(&|o| o.application_id = id("no scope")), Cause::UnknownApplicationId);
        assert_eq!(cause(&|o| o.application_id = id("mcc002.mnc*.ProSeApp.Bus")), Cause::ScopeViolation);
        assert_eq!(cause(&|o| o.extension = Some(Extension::Enabled)), Cause::NoExtension);
        assert_eq!(cause(&|o| o.ue = imsi(BERT)), Cause::InvalidUe);
    }
    let elsewhere = edited(anna, Command::Announce, |o| o.announcing_plmn = Some(plmn("02")));
    assert_eq!(world.cause(anna, elsewhere), Cause::AuthorisationFailure);
    for command in [Command::Query, Command::Response] {
        assert_eq!(world.cause(anna, open_request(anna, command)), Cause::InvalidFormat);
    }
    let mut poor = World::new(config());
    poor.hss_answers = false;
    let request = poor.send(anna, open_request(anna, Command::Announce).to_xml().as_bytes());
    let Answer::Known(mut known) = subscription(anna) else { panic!() };
    known.application_ids = vec![id("mcc*.mnc*.ProSeApp.Taxi")];
    let now = poor.now;
    poor.input(Input::Subscription { now, ue: anna, answer: Answer::Known(known) });
    let Some(Response::Message(body)) = poor.answer(request) else { panic!() };
    assert!(body.contains("<PC3-control-protocol-cause-value>3<"));
}

/// One bad transaction does not take the others with it.
#[test]
fn each_transaction_has_its_answer() {
    let mut world = World::new(config());
    let anna = imsi(ANNA);
    let Message::DiscoveryRequest(mut message) = open_request(anna, Command::Announce) else { panic!() };
    let Message::DiscoveryRequest(more) = edited(anna, Command::Announce, |o| {
        o.transaction = TransactionId::new(6).unwrap();
        o.application_id = id("mcc001.mnc001.ProSeApp.Other");
    }) else {
        panic!()
    };
    message.open.extend(more.open);
    let Message::DiscoveryRequest(third) = open_request(anna, Command::Announce) else { panic!() };
    message.open.extend(third.open);
    let response = world.discover(anna, Message::DiscoveryRequest(message));
    let entries: Vec<_> = response.announces.iter().map(|announce| announce.entry.unwrap().value()).collect();
    assert_eq!(entries, [1, 2], "two entries of one message have two names");
    assert_eq!(response.rejects[0].transaction.value(), 6);
}

#[test]
fn a_configuration_that_serves_nobody_is_refused() {
    let built = |config: Config| {
        let lease =
            Lease::open(StreamId([9; 16]), 0, 9, ReserveConfig::default(), &mut Disk::default()).unwrap();
        ProseFunction::new(config, lease, &[0; 32], Durable::default()).err()
    };
    assert_eq!(built(config()), None);
    for wrong in ["mcc002.mnc001.ProSeApp.A", "mcc002.mnc*.ProSeApp.A", "A"] {
        let config = Config { application_ids: vec![id(wrong)], ..config() };
        assert_eq!(built(config), Some(ConfigError::ApplicationId(id(wrong))));
    }
    let zero = |edit: &dyn Fn(&mut Limits)| {
        let mut config = config();
        edit(&mut config.limits);
        built(config)
    };
    assert_eq!(zero(&|l| l.ue_burst = 0), Some(ConfigError::Limit("ue_burst")));
    assert_eq!(zero(&|l| l.ue_interval = 0), Some(ConfigError::Limit("ue_interval")));
    assert_eq!(zero(&|l| l.burst = 0), Some(ConfigError::Limit("burst")));
    assert_eq!(zero(&|l| l.interval = 0), Some(ConfigError::Limit("interval")));
    assert_eq!(zero(&|l| l.waiting = 0), Some(ConfigError::Limit("waiting")));
    assert_eq!(zero(&|l| l.ues = 0), Some(ConfigError::Limit("ues")));
    assert_eq!(zero(&|l| l.entries_per_ue = 0), Some(ConfigError::Limit("entries_per_ue")));
    assert_eq!(zero(&|l| l.entries = 0), Some(ConfigError::Limit("entries")));
}
