mod tickets;

use std::num::NonZeroU32;
use std::sync::OnceLock;

use proptest::prelude::*;
use sidelink_security::identity::eccsi::{PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::sakke::{PublicKey, ReceiverKey};
use sidelink_security::key_period::KeyPeriods;

use super::*;
use crate::identity::{Fqdn, Impi};
use crate::kms_messages::{
    ErrorCode, KmsKeySet, KmsMessage, KmsRequest, KmsResponse, KmsTime, NoResource, ROOT_PATH, Resource, Text,
};
use crate::limit::RateLimit;

const SEED: [u8; 32] = [7; 32];
const HOUR: u64 = 3_600_000;

/// Ten minutes after the start of an hour.
const START: u64 = 500_000 * HOUR + 600_000;

fn masters() -> Masters {
    // Made once: it takes some milliseconds.
    static OCTETS: OnceLock<[u8; Masters::OCTETS]> = OnceLock::new();
    let octets = OCTETS.get_or_init(|| {
        let random = std::array::from_fn(|i| (i * 37 + 11) as u8);
        *Masters::generate(&random).unwrap().to_octets()
    });
    Masters::from_octets(octets).unwrap()
}

fn uri(text: &str) -> Uri {
    Uri::new(text).unwrap()
}

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(millis)
}

fn subscriber(name: &str) -> Holder {
    Holder::Subscriber(Impi::new(&format!("{name}@ims.lab")).unwrap())
}

fn config() -> Config {
    let length = NonZeroU32::new(3600).unwrap();
    let mut config = Config::new(uri("kms.lab"), KeyPeriods::Seconds { length, offset: 0 });
    let grant = |user: &str, holder| Grant { user: uri(user), holder };
    config.grants = vec![
        grant("sip:alice@lab", subscriber("alice")),
        grant("sip:fire@lab", subscriber("alice")),
        grant("sip:bob@lab", subscriber("bob")),
        grant("imei:490154203237518", Holder::Certificate(Fqdn::new("factory.lab").unwrap())),
    ];
    config
}

struct World {
    kms: Kms,
    now: u64,
    requests: u64,
    /// What is on the disk.
    disk: Vec<Change>,
    events: Vec<Event>,
    /// Outputs other than stores and events.
    outputs: Vec<Output>,
    /// Stores that are neither durable nor failed yet.
    pending: Vec<(Ticket, Vec<Change>)>,
}

impl World {
    fn new() -> Self {
        Self::with(config(), Durable::default())
    }

    fn with(config: Config, durable: Durable) -> Self {
        let kms = Kms::new(config, masters(), &SEED, durable).unwrap();
        let none = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (disk, events, outputs, pending) = none;
        Self { kms, now: START, requests: 0, disk, events, outputs, pending }
    }

    fn give(&mut self, input: Input<'_>) {
        self.kms.handle_input(input);
        loop {
            match self.kms.poll_output() {
                Output::Timeout(_) => break,
                Output::Store { ticket, changes } => self.pending.push((ticket, changes)),
                Output::Event(event) => self.events.push(event),
                output => self.outputs.push(output),
            }
        }
    }

    /// All that is to be durable is.
    fn settle(&mut self) {
        for (ticket, changes) in std::mem::take(&mut self.pending) {
            self.disk.extend(changes);
            self.give(Input::Stored { now: at(self.now), ticket });
        }
    }

    fn fail(&mut self) {
        for (ticket, _) in std::mem::take(&mut self.pending) {
            self.give(Input::StoreFailed { now: at(self.now), ticket });
        }
    }

    fn post(&mut self, holder: Holder, path: &str, body: &[u8]) {
        self.requests += 1;
        let (now, request) = (at(self.now), RequestId(self.requests));
        self.give(Input::Request { now, request, holder, path, content_type: "application/xml", body });
    }

    fn answer(&mut self) -> Response {
        match self.outputs.pop() {
            Some(Output::Respond { response, .. }) => response,
            other => panic!("no answer: {other:?}"),
        }
    }

    fn response(&mut self) -> KmsResponse {
        match self.answer() {
            Response::Document(document) => KmsResponse::from_xml(document.as_bytes()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn error(&mut self) -> ErrorCode {
        self.response().error.unwrap().code().unwrap()
    }

    fn ask(&mut self, holder: &str, resource: &Resource) {
        self.post(subscriber(holder), &resource.to_path(), &[]);
    }

    fn keys(&mut self, holder: &str, user: Option<&str>, time: Option<u64>) -> Vec<KmsKeySet> {
        self.ask(holder, &key_prov(user, time));
        self.settle();
        match self.response() {
            KmsResponse { message: Some(KmsMessage::KeyProv(keys)), .. } => keys.key_sets,
            KmsResponse { error, .. } => panic!("{error:?}"),
        }
    }

    fn refused_keys(&mut self, holder: &str, user: Option<&str>, time: Option<u64>) -> ErrorCode {
        self.ask(holder, &key_prov(user, time));
        assert!(self.pending.is_empty(), "nothing is issued");
        self.error()
    }
}

fn key_prov(user: Option<&str>, time: Option<u64>) -> Resource {
    Resource::KeyProv { user: user.map(uri), time: time.map(at) }
}

/// As a user checks a key set.
fn verify(set: &KmsKeySet) -> Result<(), Box<dyn std::error::Error>> {
    let kpak = PublicAuthenticationKey::from_octets(&masters().kpak()).unwrap();
    let z = PublicKey::from_octets(&masters().z()).unwrap();
    let signing = SigningKey::new(&kpak, &set.user_id.0, &set.ssk.0, &set.pvt.0);
    signing?;
    ReceiverKey::new(&z, &set.user_id.0, &set.rsk.0)?;
    Ok(())
}

#[test]
fn a_subscriber_gets_the_keys_of_its_identity_once_that_is_recorded() {
    let mut world = World::new();
    world.ask("alice", &key_prov(Some("sip:alice@lab"), None));
    assert!(world.outputs.is_empty(), "nothing leaves before it is recorded");
    world.settle();
    let Some(KmsMessage::KeyProv(keys)) = world.response().message else { panic!("keys") };
    let [set] = &keys.key_sets[..] else { panic!("one period") };
    verify(set).unwrap();
    let periods = config().periods;
    let period = periods.at(at(START)).unwrap();
    let identifier = periods.identifier("sip:alice@lab", "kms.lab", &period).unwrap();
    assert_eq!(
        (set.user.as_str(), set.period.0, &set.user_id.0),
        ("sip:alice@lab", period.number, &identifier)
    );
    assert_eq!((set.from.unwrap().0, set.until.unwrap().0), (period.early(), period.late()));
    let [Change::Issued(record)] = &world.disk[..] else { panic!("one record: {:?}", world.disk) };
    assert_eq!((record.holder.clone(), record.at, record.pvt), (subscriber("alice"), at(START), set.pvt.0));
    assert_eq!(world.events, [Event::Issued { holder: subscriber("alice"), key_sets: 1 }]);
}

#[test]
fn whoever_manages_a_group_and_whoever_has_a_device_get_their_keys_as_identities_of_their_own() {
    let mut world = World::new();
    let sets = world.keys("alice", None, None);
    let users: Vec<_> = sets.iter().map(|set| set.user.as_str()).collect();
    assert_eq!(users, ["sip:alice@lab", "sip:fire@lab"]);
    sets.iter().for_each(|set| verify(set).unwrap());
    let factory = Holder::Certificate(Fqdn::new("factory.lab").unwrap());
    world.post(factory, &key_prov(None, None).to_path(), &[]);
    world.settle();
    let Some(KmsMessage::KeyProv(keys)) = world.response().message else { panic!("keys") };
    assert_eq!(keys.key_sets[0].user.as_str(), "imei:490154203237518");
}

#[test]
fn nobody_gets_keys_of_an_identity_that_is_not_granted_to_them() {
    let mut world = World::new();
    assert_eq!(world.refused_keys("bob", Some("sip:alice@lab"), None), ErrorCode::NotYours);
    assert_eq!(world.refused_keys("bob", Some("sip:fire@lab"), None), ErrorCode::NotYours);
    assert_eq!(world.refused_keys("bob", Some("sip:nobody@lab"), None), ErrorCode::NotYours);
    assert_eq!(world.refused_keys("eve", None, None), ErrorCode::NotYours);
    // A certificate of the name of a subscriber is somebody else.
    let other = Holder::Certificate(Fqdn::new("alice@ims.lab").unwrap());
    world.post(other, &key_prov(Some("sip:alice@lab"), None).to_path(), &[]);
    assert_eq!(world.error(), ErrorCode::NotYours);
    assert!(world.disk.is_empty());
    assert_eq!(world.events.len(), 5);
}

/// RFC 6509 §3.3.
#[test]
fn two_periods_at_once_near_the_end_and_never_more() {
    let mut world = World::new();
    let number = config().periods.at(at(START)).unwrap().number;
    let numbers = |sets: &[KmsKeySet]| sets.iter().map(|set| set.period.0).collect::<Vec<_>>();
    assert_eq!(numbers(&world.keys("bob", None, None)), [number]);
    world.now = START + 35 * 60_000;
    let sets = world.keys("bob", None, None);
    assert_eq!(numbers(&sets), [number, number + 1], "a quarter of an hour before the next one");
    assert_ne!(sets[0].rsk, sets[1].rsk);
    sets.iter().for_each(|set| verify(set).unwrap());
    let next = START + HOUR;
    assert_eq!(numbers(&world.keys("bob", Some("sip:bob@lab"), Some(next))), [number + 1]);
    let far = ErrorCode::PeriodTooEarly;
    assert_eq!(world.refused_keys("bob", Some("sip:bob@lab"), Some(next + HOUR)), far);
    world.now = START;
    let mut world = World::new();
    assert_eq!(world.refused_keys("bob", Some("sip:bob@lab"), Some(next)), far, "not yet");
    let over = ErrorCode::PeriodOver;
    assert_eq!(world.refused_keys("bob", Some("sip:bob@lab"), Some(START - HOUR)), over);
    let before = config().periods.at(at(START)).unwrap().from.millis() - 1000;
    assert_eq!(world.refused_keys("bob", Some("sip:bob@lab"), Some(before)), over);
}

/// Months: from the second-to-last day on.
#[test]
fn the_keys_of_december_are_given_from_the_29th_of_november() {
    let mut settings = Config::new(uri("kms.lab"), KeyPeriods::Months);
    settings.grants = vec![Grant { user: uri("tel:+431234567"), holder: subscriber("bob") }];
    let mut world = World::with(settings.clone(), Durable::default());
    // 28 November 2026, 23:59:59 UTC.
    world.now = 1_795_910_399_000;
    let sets = world.keys("bob", None, None);
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].user_id.0, b"2026-11\0tel:+431234567\0");
    world.now += 1000;
    let sets = world.keys("bob", None, None);
    assert_eq!(sets.len(), 2);
    assert_eq!(sets[1].user_id.0, b"2026-12\0tel:+431234567\0");
    sets.iter().for_each(|set| verify(set).unwrap());
    settings.grants[0].user = uri("sip:bob@lab");
    assert_eq!(settings.check(), Err(ConfigError::NoTel(uri("sip:bob@lab"))));
}

#[test]
fn a_revoked_identity_gets_nothing_at_once_and_after_a_restart() {
    let mut world = World::new();
    world.ask("alice", &key_prov(Some("sip:alice@lab"), None));
    let (now, order, user) = (at(world.now), OrderId(1), uri("sip:alice@lab"));
    world.give(Input::Revoke { now, order, user: user.clone() });
    assert_eq!(world.kms.revoked.len(), 1);
    let waiting = std::mem::take(&mut world.pending);
    // What was on its way to the store is not given either.
    let issue = waiting[0].0;
    world.give(Input::Stored { now, ticket: issue });
    assert!(matches!(world.answer(), Response::Refused(Refused::Busy)));
    assert_eq!(world.refused_keys("alice", Some("sip:alice@lab"), None), ErrorCode::Revoked);
    // Another identity of the same subscriber goes on.
    assert_eq!(world.keys("alice", None, None).len(), 1);
    world.give(Input::Stored { now, ticket: waiting[1].0 });
    assert!(matches!(world.outputs.pop(), Some(Output::Done { order: OrderId(1), stored: true })));
    assert_eq!(waiting[1].1, [Change::PutRevocation(user.clone())]);

    let mut world = World::with(config(), Durable { revocations: vec![user.clone()], ..Durable::default() });
    assert_eq!(world.refused_keys("alice", Some("sip:alice@lab"), None), ErrorCode::Revoked);
    world.give(Input::Admit { now, order: OrderId(2), user: user.clone() });
    assert_eq!(world.refused_stays_until_stored(), ErrorCode::Revoked);
    world.settle();
    assert!(matches!(world.outputs.pop(), Some(Output::Done { order: OrderId(2), stored: true })));
    assert_eq!(world.disk, [Change::RemoveRevocation(user)]);
    assert_eq!(world.keys("alice", Some("sip:alice@lab"), None).len(), 1);
}

impl World {
    fn refused_stays_until_stored(&mut self) -> ErrorCode {
        self.ask("alice", &key_prov(Some("sip:alice@lab"), None));
        self.error()
    }
}

#[test]
fn what_cannot_be_recorded_is_not_given_and_who_waits_is_told() {
    let mut world = World::new();
    world.ask("bob", &key_prov(None, None));
    world.fail();
    assert!(matches!(world.answer(), Response::Refused(Refused::Busy)));
    world.ask("bob", &key_prov(None, None));
    let (ticket, _) = world.pending.remove(0);
    world.now += config().limits.patience;
    world.give(Input::Tick { now: at(world.now) });
    assert!(matches!(world.answer(), Response::Refused(Refused::Busy)));
    world.give(Input::Stored { now: at(world.now), ticket });
    assert!(world.outputs.is_empty() && world.events.is_empty(), "too late");

    let limits = Limits { waiting: 1, ..Limits::default() };
    let mut world = World::with(Config { limits, ..config() }, Durable::default());
    world.ask("bob", &key_prov(None, None));
    world.ask("alice", &key_prov(None, None));
    assert!(matches!(world.answer(), Response::Refused(Refused::Busy)));
    world.settle();
    assert!(matches!(world.answer(), Response::Document(_)));
}

#[test]
fn one_that_floods_takes_nothing_from_the_others() {
    let holder = RateLimit { burst: 2, interval: 1000 };
    let limits = Limits { holder, all: RateLimit { burst: 1000, interval: 1 }, ..Limits::default() };
    let mut world = World::with(Config { limits, ..config() }, Durable::default());
    for _ in 0..5 {
        world.ask("eve", &Resource::Init);
    }
    let refused = world.outputs.iter().filter(|output| {
        matches!(output, Output::Respond { response: Response::Refused(Refused::TooOften), .. })
    });
    assert_eq!(refused.count(), 3);
    assert_eq!(world.events, [Event::Flood], "one alarm");
    assert_eq!(world.keys("bob", None, None).len(), 1);
    world.now += 1000;
    world.ask("eve", &Resource::Init);
    assert!(matches!(world.answer(), Response::Document(_)));
}

/// With one v for two identities, both signing keys together show KSAK.
#[test]
fn a_source_of_chance_that_repeats_itself_gives_no_two_identities_one_v() {
    let keys_of = |holder: &str, user: &str| World::new().keys(holder, Some(user), None).remove(0);
    let (alice, bob) = (keys_of("alice", "sip:alice@lab"), keys_of("bob", "sip:bob@lab"));
    assert_ne!(alice.pvt, bob.pvt, "both are the first key of a server with the same seed");
    assert_eq!(alice, keys_of("alice", "sip:alice@lab"), "the same seed was used: this test tests something");
    let mut world = World::new();
    let twice = [(); 2].map(|()| world.keys("alice", Some("sip:alice@lab"), None).remove(0));
    assert_ne!(twice[0].pvt, twice[1].pvt, "each issue has its own");
    assert_eq!(twice[0].rsk, twice[1].rsk);
}

/// T4.3-7: the server opens everything, and says so in its records.
#[test]
fn escrow_gives_the_users_keys_after_it_is_recorded() {
    let mut world = World::new();
    let alice = world.keys("alice", Some("sip:alice@lab"), None).remove(0);
    world.disk.clear();
    world.now += 100 * HOUR;
    let escrow = |order, user: &str| Escrow {
        order: OrderId(order),
        user: uri(user),
        time: at(START),
        by: Text::new("Inspector Morse").unwrap(),
        why: Text::new("warrant 17").unwrap(),
    };
    world.give(Input::Escrow { now: at(world.now), escrow: escrow(1, "sip:alice@lab") });
    assert!(world.outputs.is_empty(), "nothing before it is recorded");
    world.settle();
    let Some(Output::Escrowed { order: OrderId(1), result: Ok(set) }) = world.outputs.pop() else { panic!() };
    assert_eq!((set.rsk.clone(), set.period), (alice.rsk, alice.period), "a period that is long over");
    verify(&set).unwrap();
    let [Change::Escrowed(record)] = &world.disk[..] else { panic!("one record") };
    assert_eq!((record.by.as_str(), record.why.as_str()), ("Inspector Morse", "warrant 17"));
    assert_eq!((record.user.as_str(), record.at), ("sip:alice@lab", at(world.now)));
    // Somebody to whom nothing is granted here, too.
    world.give(Input::Escrow { now: at(world.now), escrow: escrow(2, "sip:nobody@lab") });
    world.fail();
    let Some(Output::Escrowed { result, .. }) = world.outputs.pop() else { panic!() };
    assert_eq!(result.unwrap_err(), EscrowRefused::NotRecorded);
}

#[test]
fn a_request_that_is_for_another_server_resource_user_or_time_is_refused() {
    let mut world = World::new();
    let path = Resource::Init.to_path();
    let good = |now: u64| {
        let url = uri(&format!("https://kms.lab:443{path}"));
        KmsRequest::new(uri("sip:alice@lab"), uri("kms.lab"), KmsTime(at(now)), url)
    };
    let mut post = |message: KmsRequest| {
        world.post(subscriber("alice"), &path, message.to_xml().as_bytes());
        world.response()
    };
    let answer = post(good(START));
    assert!(matches!(answer.message, Some(KmsMessage::Init(_))));
    assert_eq!(
        (answer.user.as_str(), answer.url.as_str()),
        ("sip:alice@lab", &*format!("https://kms.lab:443{path}"))
    );
    let cases = [
        (KmsRequest { kms: uri("kms.other"), ..good(START) }, ErrorCode::OtherKms),
        (
            KmsRequest { url: uri("https://kms.lab/keymanagement/identity/v1/certcache"), ..good(START) },
            ErrorCode::OtherUrl,
        ),
        (KmsRequest { url: uri("x"), ..good(START) }, ErrorCode::OtherUrl),
        (good(START - 31_000), ErrorCode::Clock),
        (good(START + 31_000), ErrorCode::Clock),
        (KmsRequest { user: uri("sip:bob@lab"), ..good(START) }, ErrorCode::NotYours),
    ];
    for (message, error) in cases {
        assert_eq!(post(message).error.unwrap().code(), Some(error));
    }
    assert!(post(good(START + 29_000)).error.is_none());
}

#[test]
fn what_is_no_request_gets_another_status() {
    let mut world = World::new();
    let mut refused = |path: &str, kind: &str, body: &[u8]| {
        world.requests += 1;
        let (now, request, holder) = (at(START), RequestId(world.requests), subscriber("alice"));
        world.give(Input::Request { now, request, holder, path, content_type: kind, body });
        match world.answer() {
            Response::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    };
    let init = format!("{ROOT_PATH}init");
    assert_eq!(refused("/", "", &[]), Refused::NoResource(NoResource::Unknown));
    assert_eq!(
        refused(&format!("{ROOT_PATH}lookup/a"), "", &[]),
        Refused::NoResource(NoResource::Unsupported)
    );
    assert_eq!(refused(&init, "application/mikey", b"x"), Refused::MediaType);
    assert!(matches!(refused(&init, "application/xml", b"x"), Refused::Malformed(_)));
}

#[test]
fn the_certificates_of_this_and_of_other_servers() {
    let mut settings = config();
    settings.domains = vec![uri("lab")];
    settings.cache = 5;
    let length = NonZeroU32::new(100).unwrap();
    let periods = KeyPeriods::Seconds { length, offset: 9 };
    settings.others = vec![External { uri: uri("kms.partner"), periods, z: [5; 257], kpak: [6; 65] }];
    let mut world = World::with(settings, Durable::default());
    world.ask("alice", &Resource::Init);
    let Some(KmsMessage::Init(init)) = world.response().message else { panic!("init") };
    let own = init.certificate;
    assert_eq!((own.z.0, own.kpak.0), (masters().z(), masters().kpak()));
    assert_eq!((own.period.0, own.offset.0, own.domains.unwrap().domains.len()), (3600, 0, 1));
    let mut cache = |resource: &Resource| {
        world.ask("alice", resource);
        match world.response() {
            KmsResponse { message: Some(KmsMessage::CertCache(cache)), .. } => Ok(cache),
            KmsResponse { error, .. } => Err(error.unwrap().code().unwrap()),
        }
    };
    let all = cache(&Resource::CertCache { since: None }).unwrap();
    assert_eq!((all.number.unwrap().0, all.certificates.len()), (5, 1));
    assert_eq!((all.certificates[0].z.0, all.certificates[0].offset.0), ([5; 257], 9));
    assert_eq!(cache(&Resource::CertCache { since: Some(4) }).unwrap().certificates.len(), 1);
    assert_eq!(cache(&Resource::CertCache { since: Some(5) }).unwrap().certificates.len(), 0, "nothing new");
    assert_eq!(cache(&Resource::Cert { kms: uri("kms.partner") }).unwrap().certificates.len(), 1);
    assert_eq!(cache(&Resource::Cert { kms: uri("kms.lab") }).unwrap().certificates.len(), 1);
    assert_eq!(cache(&Resource::Cert { kms: uri("kms.x") }).unwrap_err(), ErrorCode::NoCertificate);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told() {
    let grant = |i: u32| Grant { user: uri(&format!("sip:{i}@lab")), holder: subscriber("many") };
    let many = Config { grants: (0..17).map(grant).collect(), ..config() };
    assert_eq!(many.check(), Err(ConfigError::TooMany(subscriber("many"))));
    let most = Config { grants: (0..16).map(grant).collect(), ..config() };
    assert_eq!(most.check(), Ok(()));
    let twice = Config { grants: vec![grant(1), grant(1)], ..config() };
    assert_eq!(twice.check(), Err(ConfigError::Twice(uri("sip:1@lab"))));
    let limits = Limits { waiting: 0, ..Limits::default() };
    assert_eq!(Config { limits, ..config() }.check(), Err(ConfigError::NoRequests));
    // All of them, in two periods, fit into one document.
    let mut world = World::with(most, Durable::default());
    world.now = START + 40 * 60_000;
    assert_eq!(world.keys("many", None, None).len(), 32);
}

#[test]
fn the_secrets_come_back_from_their_octets_and_are_not_shown() {
    let octets = masters().to_octets();
    assert_eq!(Masters::from_octets(&octets).unwrap().to_octets(), octets);
    assert!(Masters::from_octets(&[0; Masters::OCTETS]).is_err());
    let text = format!("{:?}", masters());
    let ksak = hex::encode(&octets[..32]);
    assert!(!text.contains(&ksak) && text.contains("redacted"), "{text}");
}

proptest! {
    #[test]
    fn any_request_is_answered_once(path: String, kind: String, body: Vec<u8>, own: bool) {
        let mut world = World::new();
        let path = if own { format!("{ROOT_PATH}keyprov/{path}") } else { path };
        world.requests += 1;
        let (now, request, holder) = (at(START), RequestId(1), subscriber("alice"));
        world.give(Input::Request { now, request, holder, path: &path, content_type: &kind, body: &body });
        world.settle();
        prop_assert_eq!(world.outputs.len(), 1);
    }
}
