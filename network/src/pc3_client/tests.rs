//! The UE's end of PC3 against our ProSe Function, over a transport that loses, and against any bytes.

use proptest::prelude::*;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{Lease, ReserveConfig, StreamId};
use sidelink_security::discovery::open::{self, OpenKey};
use sidelink_security::discovery::restricted::{EncryptedBitmask, MicCheck};
use sidelink_security::discovery::{Freshness, Mic, Profile};

use super::*;
use crate::pc3::{ApplicationId, Cause, Imsi, MaxOffset, Minutes, OsAppId, Plmn, Rpauid};
use crate::prose_function::{self as function, Application, Permission, ProseFunction, Role, Subscription};

const START: u64 = 1_785_000_000_000;
const MINUTE: u64 = 60_000;
const FOOD: &str = "mcc001.mnc001.ProSeApp.Food.Pizza";

fn plmn() -> Plmn {
    Plmn::new("001", "01").unwrap()
}

fn imsi(number: u32) -> Imsi {
    Imsi::new(plmn(), &format!("{number:010}")).unwrap()
}

fn rpauid(number: u32) -> Rpauid {
    Rpauid::new(&format!("user{number}")).unwrap()
}

fn food() -> ApplicationId {
    ApplicationId::new(FOOD).unwrap()
}

fn application() -> Application {
    Application { os_id: [7; 16], os_app_id: OsAppId::new("org.example").unwrap() }
}

const ROLES: [Role; 6] = [
    Role::OpenAnnounce,
    Role::OpenMonitor,
    Role::RestrictedAnnounce,
    Role::RestrictedMonitor,
    Role::Discoveree,
    Role::Discoverer,
];

fn function_config() -> function::Config {
    let minutes = |number| Minutes::new(number).unwrap();
    function::Config {
        plmn: plmn(),
        applications: ROLES.map(|role| (application(), role)).to_vec(),
        application_ids: vec![food()],
        permissions: vec![Permission { target: rpauid(1), watcher: rpauid(2) }],
        restricted: function::RestrictedPolicy {
            check: MicCheck::ByProseFunction,
            encrypted: None::<EncryptedBitmask>,
        },
        validity: minutes(60),
        ttl: minutes(30),
        refresh: minutes(10),
        max_offset: MaxOffset::new(32).unwrap(),
        report_delay: 60,
        limits: function::Limits { ue_burst: 1000, burst: 100_000, ..function::Limits::default() },
    }
}

/// UEs 1 and 2 with the ProSe Function between them; all rights, but none for UE 3.
struct World {
    function: ProseFunction,
    disk: Memory,
    clients: Vec<Pc3Client>,
    now: UtcTime,
    /// Requests and answers that are lost: so many of the next.
    lost: usize,
    requests: usize,
    /// What the clients said, but for requests.
    said: Vec<(u32, Output)>,
    events: Vec<function::Event>,
}

impl World {
    fn new() -> Self {
        let (mut disk, stream) = (Memory::default(), StreamId([9; 16]));
        let reserve = ReserveConfig { block: 8, low_water: 4 };
        let lease = Lease::open(stream, 0, u64::MAX, reserve, &mut disk).unwrap();
        let durable = function::Durable::default();
        let function = ProseFunction::new(function_config(), lease, &[1; 32], durable).unwrap();
        let config = |number| Config {
            ue: imsi(number),
            plmn: plmn(),
            application: application(),
            rpauid: Some(rpauid(number)),
            patience: 5_000,
            retry: 10_000,
        };
        let clients = (1..=3).map(|number| Pc3Client::new(config(number))).collect();
        let now = UtcTime::from_millis(START);
        Self { function, disk, clients, now, lost: 0, requests: 0, said: Vec::new(), events: Vec::new() }
    }

    fn client(&mut self, ue: u32) -> &mut Pc3Client {
        &mut self.clients[ue as usize - 1]
    }

    fn want(&mut self, ue: u32, wanted: Wanted) -> Vec<Output> {
        let now = self.now;
        self.client(ue).handle_input(Input::Want { now, wanted, earlier: None });
        self.drain(ue)
    }

    /// Does what the client says; returns what is left.
    fn drain(&mut self, ue: u32) -> Vec<Output> {
        let mut said = Vec::new();
        loop {
            let now = self.now;
            match self.client(ue).poll_output() {
                Output::Request { request, body } => {
                    self.requests += 1;
                    if self.lost > 0 {
                        self.lost -= 1;
                        continue;
                    }
                    match self.ask(ue, request, body.as_bytes()) {
                        Some(Ok(body)) => {
                            let body = body.as_bytes();
                            self.client(ue).handle_input(Input::Response { now, request, body });
                        }
                        Some(Err(why)) => {
                            self.client(ue).handle_input(Input::NoAnswer { now, request, why });
                        }
                        None => {}
                    }
                }
                Output::Clock { current_time, .. } => assert_eq!(current_time, self.now),
                Output::Timeout(_) => return said,
                other => said.push(other),
            }
        }
    }

    fn ask(
        &mut self,
        ue: u32,
        request: RequestId,
        body: &[u8],
    ) -> Option<Result<Zeroizing<String>, NoAnswer>> {
        let now = self.now;
        self.function.handle_input(function::Input::Message {
            now,
            request,
            ue: imsi(ue),
            solution: None,
            body,
        });
        self.serve()
    }

    /// Does what the ProSe Function says; returns its answer.
    fn serve(&mut self) -> Option<Result<Zeroizing<String>, NoAnswer>> {
        let now = self.now;
        let mut answer = None;
        loop {
            match self.function.poll_output() {
                function::Output::Respond { response, .. } => {
                    answer = match response {
                        function::Response::Message(body) => Some(Ok(body)),
                        function::Response::Accepted => None,
                        function::Response::Refused(function::Refused::NoSubscription) => {
                            Some(Err(NoAnswer::Forbidden))
                        }
                        function::Response::Refused(function::Refused::TooMany { wait }) => {
                            Some(Err(NoAnswer::Wait(wait)))
                        }
                        function::Response::Refused(why) => panic!("{why}"),
                    };
                }
                function::Output::AskSubscription { ue } => {
                    let answer = subscription(ue);
                    self.function.handle_input(function::Input::Subscription { now, ue, answer });
                }
                function::Output::Store { ticket, .. } => {
                    self.function.handle_input(function::Input::Stored { now, ticket });
                }
                function::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.disk).unwrap();
                    self.function.handle_input(function::Input::Granted { now, granted });
                }
                function::Output::Push { ue, body } => {
                    let number: u32 = ue.msin().parse().unwrap();
                    self.client(number).handle_input(Input::Push { now, body: body.as_bytes() });
                }
                function::Output::Tell { .. } => panic!("no other network asks"),
                function::Output::Event(event) => self.events.push(event),
                function::Output::EpcLevel { .. }
                | function::Output::PublicKeys { .. }
                | function::Output::RememberRefusal { .. } => {}
                function::Output::Timeout(_) => return answer,
            }
        }
    }

    /// Lets time pass, in steps of a second.
    fn run(&mut self, millis: u64) {
        let end = self.now.plus_millis(millis);
        while self.now < end {
            self.now = self.now.plus_millis(1000);
            for ue in 1..=3 {
                let now = self.now;
                self.client(ue).handle_input(Input::Tick { now });
                let said = self.drain(ue);
                self.said.extend(said.into_iter().map(|output| (ue, output)));
            }
        }
    }

    /// A code that UE 1 announces restricted, as UE 2 hears it now.
    fn heard(&self, allotment: Allotment) -> Heard {
        self.heard_as(0x81, allotment)
    }

    fn heard_as(&self, message_type: u8, allotment: Allotment) -> Heard {
        let Allotment::AnnounceRestricted { code, material: Some(material) } = allotment else { panic!() };
        let (at, profile) = (Freshness::at(self.now.counter()), Profile::default());
        // DUIK alone: what a monitor sees once the scrambling is taken off.
        let key = sidelink_security::keys::DiscoveryKey::try_from(material.duik.unwrap().as_bytes()).unwrap();
        let mut message = [0; 29];
        message[0] = message_type;
        message[1..24].copy_from_slice(&code.on_air());
        OpenKey::new(&key, profile).protect(&at, &mut message).unwrap();
        let report = open::receive(&at, &message, &profile).unwrap().0;
        Heard {
            target: Target::Restricted,
            code: report.code,
            message_type: report.message_type,
            mic: report.mic,
            counter: report.counter,
        }
    }

    fn hear(&mut self, ue: u32, heard: Heard) -> Vec<Output> {
        let now = self.now;
        self.client(ue).handle_input(Input::Heard { now, heard });
        self.drain(ue)
    }
}

fn subscription(ue: Imsi) -> function::Answer {
    let number: u32 = ue.msin().parse().unwrap();
    match number {
        1 | 2 => function::Answer::Known(Subscription {
            registered: Some(plmn()),
            rights: ROLES.map(|role| (plmn(), role)).to_vec(),
            application_ids: vec![food()],
            rpauids: vec![rpauid(number)],
        }),
        _ => function::Answer::Unknown,
    }
}

fn allotted(said: Vec<Output>) -> (Allotment, UtcTime) {
    let [Output::Allotted { allotment, until, .. }] = <[Output; 1]>::try_from(said).unwrap() else {
        panic!()
    };
    (allotment, until)
}

#[test]
fn codes_filters_and_keys_come() {
    let mut world = World::new();
    let (announce, until) = allotted(world.want(1, Wanted::Announce(food())));
    assert!(matches!(announce, Allotment::Announce { key: Some(_), .. }));
    assert_eq!(until, world.now.plus_millis(60 * MINUTE));
    let (monitor, until) = allotted(world.want(2, Wanted::Monitor(food())));
    assert!(matches!(monitor, Allotment::Monitor(filters) if filters.len() == 1));
    assert_eq!(until, world.now.plus_millis(30 * MINUTE));
    let (announce, _) = allotted(world.want(1, Wanted::AnnounceRestricted));
    let Allotment::AnnounceRestricted { code, material: Some(keys) } = announce else { panic!() };
    assert!(keys.dusk.is_some() && keys.duik.is_some());
    let (monitor, _) = allotted(world.want(2, Wanted::MonitorRestricted(vec![rpauid(1)])));
    let Allotment::MonitorRestricted(filters) = monitor else { panic!() };
    assert!(filters[0].filters[0].matches(&code.on_air()) && filters[0].reports);
    assert!(filters[0].material.dusk == keys.dusk && filters[0].material.duik.is_none());
}

#[test]
fn codes_and_keys_of_model_b_come() {
    let mut world = World::new();
    let (answer, until) = allotted(world.want(1, Wanted::Answer));
    assert_eq!(until, world.now.plus_millis(60 * MINUTE));
    let Allotment::Answer { code, sends, queries, receives } = answer else { panic!() };
    let (asks, until) = allotted(world.want(2, Wanted::Ask(vec![rpauid(1)])));
    assert_eq!(until, world.now.plus_millis(30 * MINUTE));
    let Allotment::Ask(asks) = asks else { panic!() };
    let [ask] = &asks[..] else { panic!() };
    assert_eq!(ask.rpauid, Some(rpauid(1)));
    assert!(queries[0].matches(&ask.code.on_air()) && ask.answers.filters[0].matches(&code.on_air()));
    assert!(ask.sends.duik.is_some() && ask.sends.duik == receives.duik && ask.sends.dusk == receives.dusk);
    assert!(ask.answers.reports && ask.answers.material.duik.is_none());
    assert!(ask.answers.material.dusk == sends.dusk && sends.dusk != receives.dusk);
    // What is heard is reported as an answer, and named.
    let announced = Allotment::AnnounceRestricted { code, material: Some(sends) };
    let heard = Heard { target: Target::of_message_type(0x82), ..world.heard_as(0x82, announced) };
    let said = world.hear(2, heard);
    assert!(matches!(&said[..], [Output::Verified { name: Name::User(who), .. }] if *who == rpauid(1)));
    let longer = Heard { code: [1; 23], ..heard };
    assert!(matches!(world.hear(2, longer)[..], [Output::Malformed(None)]), "no answer has so many bits");
}

/// A ProSe Function that has but the schema's one place of keys: they are those of questions and of answers.
#[test]
fn one_place_of_keys_serves_both_codes() {
    let mut world = World::new();
    let now = world.now;
    world.client(1).handle_input(Input::Want { now, wanted: Wanted::Answer, earlier: None });
    let Output::Request { request, body } = world.client(1).poll_output() else { panic!() };
    let Some(Ok(body)) = world.ask(1, request, body.as_bytes()) else { panic!() };
    let (before, rest) = body.split_once("<anyExt>").unwrap();
    let (_, after) = rest.split_once("</anyExt>").unwrap();
    let body = format!("{before}{after}");
    world.client(1).handle_input(Input::Response { now, request, body: body.as_bytes() });
    let said = world.drain(1);
    let (Allotment::Answer { sends, receives, .. }, _) = allotted(said) else { panic!() };
    assert!(sends.dusk.is_some() && sends.dusk == receives.dusk && sends.duik == receives.duik);
}

/// Of two who are asked for one goes: the update can only end both, and the other is asked for anew.
#[test]
fn who_is_left_is_asked_for_anew() {
    for (targets, again) in [(vec![rpauid(1), rpauid(4)], true), (vec![rpauid(1)], false)] {
        let mut world = World::new();
        allotted(world.want(1, Wanted::Answer));
        allotted(world.want(2, Wanted::Ask(targets)));
        let (now, what) = (world.now, function::Revocation::Ue(imsi(1)));
        world.function.handle_input(function::Input::Revoke { now, what });
        world.serve();
        let asked = world.requests;
        let said = world.drain(2);
        assert!(matches!(said[0], Output::Ended { why: EndCause::Withdrawn, .. }), "{said:?}");
        // The answer to the update, and then the request; nobody is left, and that is the end of it.
        world.clients.remove(0);
        assert_eq!(world.requests - asked, 1 + usize::from(again));
        let refused = |output: &Output| {
            matches!(output, Output::Ended { why: EndCause::Rejected(Cause::InvalidTarget), .. })
        };
        assert_eq!(said.iter().any(refused), again, "{said:?}");
    }
}

#[test]
fn what_is_allotted_is_renewed_before_it_ends() {
    let mut world = World::new();
    let (first, _) = allotted(world.want(1, Wanted::AnnounceRestricted));
    let asked = world.requests;
    world.run(53 * MINUTE);
    assert_eq!((world.requests, world.said.len()), (asked, 0));
    world.run(2 * MINUTE);
    assert_eq!(world.requests, asked + 1);
    let [(1, Output::Allotted { allotment, until, .. })] = &world.said[..] else {
        panic!("{:?}", world.said)
    };
    assert!(until.millis() > START + 60 * MINUTE);
    // It is the same entry, with the same code.
    let code = |a: &Allotment| match a {
        Allotment::AnnounceRestricted { code, .. } => *code,
        _ => panic!(),
    };
    assert_eq!(code(&first), code(allotment));
}

#[test]
fn a_ue_that_starts_again_goes_on_with_its_entry() {
    let mut world = World::new();
    let said = world.want(1, Wanted::AnnounceRestricted);
    let [Output::Allotted { entry, allotment: Allotment::AnnounceRestricted { code, .. }, .. }] = &said[..]
    else {
        panic!("{said:?}")
    };
    for (earlier, same) in [(Some(*entry), true), (None, false)] {
        let (config, now) = (world.client(1).config.clone(), world.now);
        *world.client(1) = Pc3Client::new(config);
        world.client(1).handle_input(Input::Want { now, wanted: Wanted::AnnounceRestricted, earlier });
        let said = world.drain(1);
        let [Output::Allotted { allotment: Allotment::AnnounceRestricted { code: again, .. }, .. }] =
            &said[..]
        else {
            panic!("{said:?}")
        };
        assert_eq!(code == again, same);
    }
}

#[test]
fn out_of_coverage_codes_count_until_their_time() {
    let mut world = World::new();
    allotted(world.want(1, Wanted::AnnounceRestricted));
    world.lost = usize::MAX;
    world.run(59 * MINUTE);
    assert!(world.said.is_empty(), "{:?}", world.said);
    // The requests become fewer: 10, 20, 40, .. seconds.
    assert!((4..=10).contains(&world.requests), "{}", world.requests);
    world.run(MINUTE);
    assert!(
        matches!(world.said[..], [(1, Output::Ended { why: EndCause::Expired, .. })]),
        "{:?}",
        world.said
    );
    // Back in coverage.
    world.said.clear();
    world.lost = 0;
    world.run(11 * MINUTE);
    assert!(matches!(world.said[..], [(1, Output::Allotted { .. })]), "{:?}", world.said);
}

#[test]
fn a_refusal_is_not_asked_about_again() {
    let mut world = World::new();
    let said = world.want(3, Wanted::AnnounceRestricted);
    // Without a subscription the first request is told so by a cause, the later ones by the transport.
    assert!(matches!(said[..], [Output::Ended { why: EndCause::Rejected(Cause::AuthorisationFailure), .. }]));
    let said = world.want(3, Wanted::Announce(food()));
    assert!(matches!(said[..], [Output::Ended { why: EndCause::Forbidden, .. }]), "{said:?}");
    let said = world.want(1, Wanted::MonitorRestricted(vec![rpauid(2)]));
    assert!(matches!(said[..], [Output::Ended { why: EndCause::Rejected(Cause::InvalidTarget), .. }]));
    let asked = world.requests;
    world.run(120 * MINUTE);
    assert_eq!((world.requests, world.said.len()), (asked, 0));
}

#[test]
fn a_match_is_reported_once_until_its_timer_ends() {
    let mut world = World::new();
    let (announce, _) = allotted(world.want(1, Wanted::AnnounceRestricted));
    allotted(world.want(2, Wanted::MonitorRestricted(vec![rpauid(1)])));
    let heard = world.heard(announce);
    let said = world.hear(2, heard);
    let [Output::Verified { code, name }] = &said[..] else { panic!("{said:?}") };
    assert_eq!((*code, name), (heard.code, &Name::User(rpauid(1))));
    let asked = world.requests;
    assert!(world.hear(2, heard).is_empty());
    world.run(9 * MINUTE);
    assert!(world.hear(2, heard).is_empty());
    assert_eq!(world.requests, asked);
    // After T4017 again: by then the counter is too old.
    world.run(MINUTE);
    let said = world.hear(2, heard);
    assert!(matches!(said[..], [Output::NotVerified { cause: Cause::InvalidCounter, .. }]), "{said:?}");
}

#[test]
fn a_lost_report_may_be_made_again() {
    let mut world = World::new();
    let (announce, _) = allotted(world.want(1, Wanted::AnnounceRestricted));
    allotted(world.want(2, Wanted::MonitorRestricted(vec![rpauid(1)])));
    let heard = world.heard(announce);
    world.lost = 1;
    assert!(world.hear(2, heard).is_empty());
    assert!(world.hear(2, heard).is_empty(), "its answer may still come");
    world.run(5000);
    assert!(matches!(world.hear(2, heard)[..], [Output::Verified { .. }]));
}

#[test]
fn a_forged_code_is_told() {
    let mut world = World::new();
    let (announce, _) = allotted(world.want(1, Wanted::AnnounceRestricted));
    allotted(world.want(2, Wanted::MonitorRestricted(vec![rpauid(1)])));
    let heard = Heard { mic: Mic([1, 2, 3, 4]), ..world.heard(announce) };
    let said = world.hear(2, heard);
    assert!(matches!(said[..], [Output::NotVerified { cause: Cause::InvalidMic, .. }]), "{said:?}");
}

#[test]
fn what_is_withdrawn_ends_and_is_answered() {
    let mut world = World::new();
    allotted(world.want(1, Wanted::AnnounceRestricted));
    allotted(world.want(2, Wanted::MonitorRestricted(vec![rpauid(1)])));
    let now = world.now;
    let what = function::Revocation::Ue(imsi(1));
    world.function.handle_input(function::Input::Revoke { now, what });
    world.serve();
    let said = world.drain(2);
    assert!(matches!(said[..], [Output::Ended { id: WantedId(0), why: EndCause::Withdrawn }]), "{said:?}");
    world.drain(1);
    world.client(1).entries.clear();
    let asked = world.requests;
    world.run(120 * MINUTE);
    assert_eq!(world.requests, asked, "what is withdrawn is not asked for");
    let answered = |event: &function::Event| matches!(event, function::Event::UpdateAnswered { ue, refused: None, .. } if *ue == imsi(2));
    assert!(world.events.iter().any(answered), "{:?}", world.events);
}

#[test]
fn an_update_for_another_ue_or_entry_changes_nothing() {
    let mut world = World::new();
    allotted(world.want(1, Wanted::AnnounceRestricted));
    let update = |ue: Imsi, entry: u16| {
        use crate::pc3::update::Update;
        let transaction = crate::pc3::TransactionId::new(1).unwrap();
        let entry = EntryId::new(entry).unwrap();
        let updates = vec![Update { transaction, ue, entry, info: None }];
        Message::DiscoveryUpdateRequest(DiscoveryUpdateRequest { updates }).to_xml()
    };
    for body in [update(imsi(2), 1), update(imsi(1), 99)] {
        let now = world.now;
        world.client(1).handle_input(Input::Push { now, body: body.as_bytes() });
        let Output::Request { body, .. } = world.client(1).poll_output() else { panic!("no answer") };
        let Ok(Message::DiscoveryUpdateResponse(answer)) = Message::from_xml(body.as_bytes()) else {
            panic!()
        };
        assert_eq!((answer.updated.len(), answer.rejects.len()), (0, 1));
    }
    assert!(world.drain(1).is_empty());
}

#[test]
fn what_is_wanted_and_reported_is_bounded() {
    let mut world = World::new();
    for _ in 0..MOST_WANTED {
        world.want(2, Wanted::MonitorRestricted(vec![rpauid(1)]));
    }
    assert!(matches!(world.want(2, Wanted::AnnounceRestricted)[..], [Output::TooMany(_)]));
    let (announce, _) = allotted(world.want(1, Wanted::AnnounceRestricted));
    let heard = world.heard(announce);
    world.lost = usize::MAX;
    let asked = world.requests;
    for number in 0..5000_u32 {
        let mut code = heard.code;
        code[..4].copy_from_slice(&number.to_be_bytes());
        world.hear(2, Heard { code, ..heard });
    }
    assert_eq!(world.requests, asked + 1024);
}

#[test]
fn a_wait_that_is_named_is_obeyed() {
    let mut world = World::new();
    let now = world.now;
    world.client(1).handle_input(Input::Want { now, wanted: Wanted::AnnounceRestricted, earlier: None });
    let Output::Request { request, .. } = world.client(1).poll_output() else { panic!() };
    world.client(1).handle_input(Input::NoAnswer { now, request, why: NoAnswer::Wait(90_000) });
    let asked = world.requests;
    world.run(89_000);
    assert_eq!(world.requests, asked);
    world.run(1000);
    assert_eq!(world.requests, asked + 1);
}

proptest! {
    /// Any answer, any push: nothing panics, and every thing wanted goes on or ends.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..2000_usize) {
        let mut world = World::new();
        let now = world.now;
        world.client(1).handle_input(Input::Want { now, wanted: Wanted::AnnounceRestricted, earlier: None });
        let Output::Request { request, body } = world.client(1).poll_output() else { panic!() };
        let own = body.as_bytes();
        world.client(1).handle_input(Input::Push { now, body: &bytes });
        world.client(1).handle_input(Input::Push { now, body: &own[..cut.min(own.len())] });
        world.client(1).handle_input(Input::Response { now, request, body: &bytes });
        while !matches!(world.client(1).poll_output(), Output::Timeout(_)) {}
        // It is asked again.
        world.run(11_000);
        let came = world.said.iter().any(|(_, said)| matches!(said, Output::Allotted { .. }));
        prop_assert!(came, "{:?}", world.said);
    }
}

/// What is heard between two looks is one MATCH_REPORT: each has its own answer, whatever the order of the answers; none gets another's.
#[test]
fn what_waits_is_reported_together() {
    let mut world = World::new();
    let (announce, _) = allotted(world.want(1, Wanted::AnnounceRestricted));
    allotted(world.want(2, Wanted::MonitorRestricted(vec![rpauid(1)])));
    let right = world.heard(announce);
    let wrong = Heard { code: [1; 23], ..right };
    let (now, before) = (world.now, world.requests);
    for heard in [wrong, right, wrong] {
        world.client(2).handle_input(Input::Heard { now, heard });
    }
    let said = world.drain(2);
    assert_eq!(world.requests, before + 1);
    let verified = |output: &Output| matches!(output, Output::Verified { code, .. } if *code == right.code);
    let refused = |output: &Output| matches!(output, Output::NotVerified { code, .. } if *code == wrong.code);
    assert!(said.len() == 2 && said.iter().any(verified) && said.iter().any(refused), "{said:?}");
    // More than one message has go into several.
    let before = world.requests;
    for number in 0..MOST_REPORTS as u8 + 1 {
        let mut heard = right;
        heard.code[22] = number + 1;
        world.client(2).handle_input(Input::Heard { now, heard });
    }
    assert_eq!(world.drain(2).len(), MOST_REPORTS + 1);
    assert_eq!(world.requests, before + 2);
}
