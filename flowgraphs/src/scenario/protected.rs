//! Messages and data that are protected by the keys of a store: the layer 2 of every UE of a scenario.
//!
//! One stack speaks for all groups of a UE, and one for its messages in each discovery pool. They hear each other's
//! questions of discovery without error and in the next period, so that whoever answers has something to answer; all else
//! goes through the air only.

use super::{ProtectedData, ProtectedMessage, SduKind};
use crate::config::ConfigError;
use crate::lock::lock;
use sidelink_mac::engine::{Bearer, Config, Engine};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp;
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_prose::discovery::signed::SetTiming;
use sidelink_prose::discovery::{Announcer, AnnouncerKey, Answering, Asking, Discoverer, FrameTime};
use sidelink_security::counter::reserve::{CounterStore, ReserveConfig, StreamId};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::restricted::{MicCheck, Receiver, Sender};
use sidelink_security::discovery::{Message, Profile};
use sidelink_security::group;
use sidelink_store::{Discovery, Followed, Group, KeyStore, Keys, Protection};
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::provision::own_announcer;
use sidelink_ue::{Event, Immediate, Names, Stack};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_discovery::MessageType;
use sidelink_wire::pdcp::{MAX_SDU_LEN, SduType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// How long an answer is awaited or waits for a period, in milliseconds.
const PATIENCE_MILLIS: u64 = 10_000;

/// The keys of a scenario, its counters and its time.
pub struct Secrets {
    keys: Keys,
    counters: Counters,
    /// Nonces: the system's, whatever the scenario's seed.
    air_rng: AirRng,
    start: UtcTime,
}

/// Counters of sending: in a store, or in memory where nothing of what is sent leaves this process.
#[derive(Clone)]
struct Counters {
    store: Option<Arc<Mutex<KeyStore>>>,
    rehearsed: Option<Arc<Mutex<BTreeMap<StreamId, u64>>>>,
}

impl Secrets {
    /// Keys without counters, for discovery alone. `start` is the time of the first subframe.
    ///
    /// # Errors
    /// The system has no random source.
    pub fn of_keys(keys: Keys, start: UtcTime) -> Result<Self, ConfigError> {
        let counters = Counters { store: None, rehearsed: None };
        Ok(Self { keys, counters, air_rng: AirRng::of_system()?, start })
    }

    /// Keys and counters of a store.
    ///
    /// # Errors
    /// A damaged store, or a system without a random source.
    pub fn of_store(store: KeyStore, start: UtcTime) -> Result<Self, ConfigError> {
        let keys = store.keys()?;
        let counters = Counters { store: Some(Arc::new(Mutex::new(store))), rehearsed: None };
        Ok(Self { keys, counters, air_rng: AirRng::of_system()?, start })
    }

    /// The same for a run that nobody ever hears: it uses the counters and nonces that the run after it will use, and no
    /// store learns of it.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        let counters = Counters { store: self.counters.store.clone(), rehearsed: Some(Arc::default()) };
        Self { keys: self.keys.clone(), counters, air_rng: self.air_rng.clone(), start: self.start }
    }
}

impl CounterStore for Counters {
    type Error = ConfigError;

    fn reserved(&self, stream: &StreamId) -> Result<u64, ConfigError> {
        if let Some(number) =
            self.rehearsed.as_ref().and_then(|rehearsed| lock(rehearsed).get(stream).copied())
        {
            return Ok(number);
        }
        self.store.as_ref().map_or(Err(no_store()), |store| Ok(lock(store).reserved(stream)?))
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, ConfigError> {
        if self.rehearsed.is_some() && self.reserved(stream)? != from {
            return Ok(false);
        }
        match (&self.rehearsed, &self.store) {
            (Some(rehearsed), _) => {
                lock(rehearsed).insert(*stream, to);
                Ok(true)
            }
            (None, Some(store)) => Ok(lock(store).raise(stream, from, to)?),
            (None, None) => Err(no_store()),
        }
    }
}

fn no_store() -> ConfigError {
    let remedy = "`sidelink keys import` makes one of the TOML form: counters of groups must survive";
    ConfigError::new("not a key store", "", remedy)
}

/// The stacks of all UEs of a scenario.
pub(super) struct ProtectedTraffic {
    secrets: Option<Secrets>,
    group_senders: Vec<GroupSender>,
    discovery_senders: Vec<DiscoverySender>,
    /// What was warned of.
    told: BTreeSet<String>,
}

/// As the planners share them.
pub(super) type SharedTraffic = Arc<Mutex<ProtectedTraffic>>;

/// The groups of one UE.
struct GroupSender {
    ue: usize,
    name: String,
    source: Layer2Id,
    stack: Stack<Immediate<Counters>>,
    addresses: Vec<(Address, Lcid)>,
}

/// The discovery messages of one UE in one pool.
struct DiscoverySender {
    ue: usize,
    pool: usize,
    name: String,
    stack: Stack<Immediate<Counters>>,
    answers: bool,
    /// Questions that others asked, and in which subframe.
    heard: Vec<(u64, Message)>,
}

/// Whom an entry of communication speaks for, and to whom.
#[derive(Clone, Copy)]
pub(super) struct GroupSenderId {
    group_sender: usize,
    address: Address,
    lcid: Lcid,
    sdu_type: SduType,
}

impl GroupSenderId {
    /// What the SCI says of the destination.
    pub(super) fn group_destination(&self) -> u8 {
        self.address.layer2_id().group_destination().0
    }
}

/// Whom an entry of discovery speaks for.
#[derive(Clone, Copy)]
pub(super) struct DiscoverySenderId(usize);

impl ProtectedTraffic {
    pub(super) fn new(secrets: Option<Secrets>) -> SharedTraffic {
        let (group_senders, discovery_senders, told) = (Vec::new(), Vec::new(), BTreeSet::new());
        Arc::new(Mutex::new(Self { secrets, group_senders, discovery_senders, told }))
    }

    /// Add what `entry` of a UE sends in a discovery pool; `code` is the response code of answers under a pre-shared secret.
    pub(super) fn add_message(
        &mut self,
        (ue, name): (usize, &str),
        (pool, sets): (usize, SetTiming),
        entry: &ProtectedMessage,
        code: [u8; 23],
    ) -> Result<DiscoverySenderId, ConfigError> {
        let secrets = self.secrets.as_ref().ok_or_else(no_keys)?;
        let now = secrets.start.counter();
        let find = |name: &str| -> Result<&Discovery, ConfigError> {
            let entry = secrets.keys.discovery.iter().find(|entry| entry.name == name);
            let entry = entry.ok_or_else(|| not_in_store("discovery key", name, "new-discovery"))?;
            if entry.revoked || now.value() >= entry.valid_until {
                let why = if entry.revoked {
                    "was revoked".to_owned()
                } else {
                    format!("ended at {}", entry.valid_until)
                };
                let what = format!("the key {name:?} {why}, the recording begins at {}", now.value());
                return Err(ConfigError::new(
                    what,
                    "",
                    "`sidelink keys new-discovery` makes another, --utc sets the time",
                ));
            }
            Ok(entry)
        };
        let key = entry.key.as_deref().map(&find).transpose()?;
        let question = entry.answers.as_deref().map(&find).transpose()?;
        let role = DiscoveryRole::new(key, question, code)?;
        let known = self.discovery_senders.iter().position(|m| m.ue == ue && m.pool == pool);
        let index = match known {
            Some(index) => index,
            None => {
                let mut stack = stack(Layer2Id::from_octets([0; 3]), &secrets.counters)?;
                stack.agent().set_timing(sets);
                let (name, heard) = (name.to_owned(), Vec::new());
                self.discovery_senders.push(DiscoverySender { ue, pool, name, stack, answers: false, heard });
                self.discovery_senders.len() - 1
            }
        };
        let discovery_sender = &mut self.discovery_senders[index];
        match role {
            DiscoveryRole::Announce(announcer) => {
                discovery_sender.stack.agent().add_announcer(*announcer);
            }
            DiscoveryRole::Ask(discoverer) => {
                discovery_sender.stack.agent().add_discoverer(*discoverer);
            }
            DiscoveryRole::Answer(answering, until) => {
                discovery_sender.stack.agent().discoveree().answer(*answering, until);
                discovery_sender.answers = true;
            }
        }
        Ok(DiscoverySenderId(index))
    }

    /// What a UE sends in the resource whose first transmission is in `subframe` of the recording, in the period that began
    /// in subframe `period`.
    pub(super) fn message(
        &mut self,
        DiscoverySenderId(index): DiscoverySenderId,
        (subframe, frame): (u64, FrameTime),
        period: u64,
    ) -> Option<Message> {
        let now = self.now(subframe);
        let air_rng = &mut self.secrets.as_mut()?.air_rng;
        let nonce = [air_rng.next_u64(), air_rng.next_u64()];
        let DiscoverySender { ue, stack, answers, heard, name, .. } =
            self.discovery_senders.get_mut(index)?;
        stack.begin_in(subframe, now, frame, &mut |_| {});
        if *answers {
            for (_, block) in heard.extract_if(.., |(asked, _)| *asked < period) {
                // nobody is told of what is not believed
                stack.receive_sl_dch(&block, 0, None, &mut |_| {});
            }
        }
        let mut refused = None;
        let found = stack.announce(period, nonce, &mut |event| refused = refusal(&event).or(refused.take()));
        let (ue, name) = (*ue, name.clone());
        if let Some(why) = refused {
            self.tell(format!("{name}: no discovery message from subframe {subframe} on: {why}"), &name);
        }
        if let Some(message) = found {
            for other in self.discovery_senders.iter_mut().filter(|other| other.answers && other.ue != ue) {
                other.heard.push((subframe, message));
            }
        }
        found
    }

    /// Add what a UE sends to a group, in payloads of at most `longest` octets.
    pub(super) fn add_data(
        &mut self,
        (ue, name): (usize, &str),
        entry: &ProtectedData,
        longest: usize,
    ) -> Result<GroupSenderId, ConfigError> {
        let secrets = self.secrets.as_mut().ok_or_else(no_keys)?;
        let group = secrets.keys.group.iter().find(|group| group.name == entry.group);
        let group = group.ok_or_else(|| not_in_store("group", &entry.group, "new-group"))?;
        let member = entry.member.as_deref().unwrap_or(name);
        let source = group.member_id(member).map_err(|e| e.within("protected"))?;
        let lcid = Lcid::new(entry.lcid)
            .map_err(|e| ConfigError::new(e.to_string(), "protected.lcid", "1 to 10"))?;
        if !(1..=MAX_SDU_LEN).contains(&longest) {
            let what = format!("a payload of {longest} octets, PDCP takes 1 to {MAX_SDU_LEN}");
            return Err(ConfigError::new(what, "payload", "shorten it, or send it in parts"));
        }
        let address = Address::Group(Layer2Id::from_octets(group.config()?.group_id));
        let layer2 = Layer2Id::from_octets(source);
        let group_sender = match self.group_senders.iter().position(|group_sender| group_sender.ue == ue) {
            Some(known) if self.group_senders[known].source != layer2 => {
                let what =
                    format!("the member {member:?} has another Layer-2 ID than the UE in another group");
                return Err(ConfigError::new(what, "protected", "one UE has one; write two [[ue]]"));
            }
            Some(known) => known,
            None => {
                let stack = stack(layer2, &secrets.counters)?;
                let (name, addresses) = (name.to_owned(), Vec::new());
                self.group_senders.push(GroupSender { ue, name, source: layer2, stack, addresses });
                self.group_senders.len() - 1
            }
        };
        let GroupSender { stack, addresses, .. } = &mut self.group_senders[group_sender];
        if !addresses.iter().any(|(known, _)| *known == address) {
            let sender =
                sender((&secrets.keys, group), member, secrets.start.counter(), &mut secrets.counters)?;
            stack.engine().add_destination(address, pdcp::Protection::Group(sender));
        }
        if !addresses.contains(&(address, lcid)) {
            let bearer = stack.engine().add_bearer(Bearer::new(address, lcid));
            bearer.map_err(|e| ConfigError::new(e.to_string(), "protected.lcid", ""))?;
            addresses.push((address, lcid));
        }
        Ok(GroupSenderId { group_sender, address, lcid, sdu_type: entry.sdu_type.into() })
    }

    /// The next transport block, of `len` octets; `next` makes the payload that is sent when nothing waits. `None` when it
    /// cannot be sent.
    pub(super) fn block(
        &mut self,
        id: GroupSenderId,
        subframe: u64,
        len: usize,
        next: impl FnOnce() -> Vec<u8>,
    ) -> Option<Vec<u8>> {
        let now = self.now(subframe);
        let GroupSender { name, stack, .. } = self.group_senders.get_mut(id.group_sender)?;
        let GroupSenderId { address, lcid, sdu_type, .. } = id;
        let mut failure = None;
        let mut tell = |event: Event<'_>| failure = failure.take().or(refusal(&event));
        stack.begin(subframe, now, &mut tell);
        let mut refused = None;
        if stack.queued(address) == 0 {
            refused = stack.send(address, lcid, sdu_type, &next(), &mut tell).err().map(|e| e.to_string());
        }
        let mut block = vec![0; len];
        let found = stack.fill(address, &mut block, &mut tell).then_some(block);
        failure = refused.or(failure);
        if let Some(failure) = failure {
            let name = name.clone();
            self.tell(format!("{name}: nothing is sent from subframe {subframe} on: {failure}"), &name);
        }
        found
    }

    fn now(&self, subframe: u64) -> UtcTime {
        let start = self.secrets.as_ref().map_or(UtcTime::from_millis(0), |secrets| secrets.start);
        start.plus_millis(subframe)
    }

    /// Warn once of each UE.
    fn tell(&mut self, text: String, of: &str) {
        if self.told.insert(of.to_owned()) {
            tracing::warn!("{text}");
        }
    }
}

/// A stack without keys, whose counters are made durable at once.
fn stack(source: Layer2Id, counters: &Counters) -> Result<Stack<Immediate<Counters>>, ConfigError> {
    // that cannot fail: no identity with a nonce is followed
    let agent =
        Agent::new(agent::Config::default()).map_err(|e| ConfigError::new(e.to_string(), "protected", ""))?;
    let engines = (Engine::new(Config::new(source)), agent);
    Ok(Stack::new(engines, Names::default(), Immediate::new(counters.clone())))
}

/// Why something is not sent, if this event says so. Counters that are not durable are asked for again with the next block;
/// until then what is reserved is used.
fn refusal(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Discovery { event: agent::Event::Silent { refusal, .. }, .. } => Some(refusal.to_string()),
        Event::Warning(warning) => Some(warning.to_string()),
        _ => None,
    }
}

/// What an entry does.
enum DiscoveryRole {
    Announce(Box<Announcer>),
    Ask(Box<Discoverer>),
    Answer(Box<Answering>, UtcCounter),
}

impl DiscoveryRole {
    fn new(
        key: Option<&Discovery>,
        question: Option<&Discovery>,
        code: [u8; 23],
    ) -> Result<Self, ConfigError> {
        match (key, question) {
            (Some(key), None) => Self::alone(key),
            (None, None) => Err(ConfigError::new(
                "neither key nor answers",
                "protected",
                "name an entry of the key store",
            )),
            (key, Some(question)) => Self::answer(key, question, code),
        }
    }

    /// An answer to `question`, under `key` where it has one of its own.
    fn answer(key: Option<&Discovery>, question: &Discovery, code: [u8; 23]) -> Result<Self, ConfigError> {
        let until = UtcCounter::new(question.valid_until);
        let answering = match (question.followed()?, key) {
            (Some(Followed::PreShared(session)), None) => Answering::Preshared(session, code),
            (Some(Followed::PreShared(_)), Some(_)) => {
                let what = "an answer under a pre-shared secret has no key of its own";
                return Err(ConfigError::new(what, "protected.key", "leave it out"));
            }
            (Some(Followed::Restricted(query, filter, material, _)), Some(key)) => Answering::Restricted {
                receiver: Receiver::new(&material, MicCheck::Local, vec![filter], Profile::default()),
                query,
                response: key.content()?,
                sender: Sender::new(&key.material()?, Profile::default()),
            },
            (_, None) => {
                return Err(ConfigError::new(
                    "an answer without a key",
                    "protected",
                    "name the entry of the answer",
                ));
            }
            _ => {
                let what = format!("{:?} is of {}", question.name, question.protection.as_str());
                let remedy = "only pre-shared, restricted and public-safety have questions";
                return Err(ConfigError::new(what, "protected.answers", remedy));
            }
        };
        let asks = matches!(
            question.message_type()?,
            MessageType::RestrictedQuery
                | MessageType::RelaySolicitation
                | MessageType::GroupMemberSolicitation
        );
        if !asks {
            let what = format!("{:?} is no question", question.name);
            return Err(ConfigError::new(what, "protected.answers", "its message-type is 86, 96 or 9e"));
        }
        Ok(Self::Answer(Box::new(answering), until))
    }

    fn alone(key: &Discovery) -> Result<Self, ConfigError> {
        if let Some(announcer) = own_announcer(key)? {
            return Ok(Self::Announce(Box::new(announcer)));
        }
        let until = UtcCounter::new(key.valid_until);
        let protection = match key.followed()? {
            Some(Followed::Rotating(config, id, application_key)) => {
                return Ok(Self::Announce(Box::new(Announcer::changing(
                    config,
                    id,
                    &application_key,
                    until,
                ))));
            }
            Some(Followed::Signed(_)) => {
                let sender = key.signed_sender()?.ok_or_else(|| {
                    let what = format!("the entry {:?} has no signing-key", key.name);
                    ConfigError::new(what, "protected.key", "its announcer's export holds it")
                })?;
                return Ok(Self::Announce(Box::new(Announcer::signed(sender, until))));
            }
            Some(Followed::PreShared(session)) => {
                let asking = Asking::Preshared(session);
                return Ok(Self::Ask(Box::new(Discoverer::new(asking, until, PATIENCE_MILLIS))));
            }
            Some(Followed::Open(_, Some(open))) => AnnouncerKey::Open(open),
            Some(Followed::Restricted(..)) if key.protection == Protection::None => AnnouncerKey::Unprotected,
            Some(Followed::Restricted(_, _, material, _)) => {
                AnnouncerKey::Restricted(Sender::new(&material, Profile::default()))
            }
            Some(_) | None => {
                let what = format!("the entry {:?} has no key to announce with", key.name);
                return Err(ConfigError::new(what, "protected.key", "its announcer's export holds it"));
            }
        };
        let announcer = Announcer::new(&key.content()?, protection, until);
        announcer
            .map(|announcer| Self::Announce(Box::new(announcer)))
            .map_err(|e| ConfigError::new(e.to_string(), "protected.key", ""))
    }
}

impl From<SduKind> for SduType {
    fn from(kind: SduKind) -> Self {
        match kind {
            SduKind::Ip => Self::Ip,
            SduKind::Arp => Self::Arp,
            SduKind::Pc5S => Self::Pc5Signalling,
            SduKind::NonIp => Self::NonIp,
        }
    }
}

/// Who sends to a group, with every PGK that is not over.
fn sender(
    (keys, group): (&Keys, &Group),
    ue: &str,
    now: UtcCounter,
    counters: &mut Counters,
) -> Result<group::Sender, ConfigError> {
    let place = format!("group {:?}", group.name);
    let mut sender = group::Sender::new(group.config()?, group.member_id(ue)?);
    let (mut valid, mut refused) = (false, None);
    for entry in group.pgk.iter().filter(|entry| entry.expiry > now.value()) {
        if let Some(key) = group.pgk(entry)? {
            if let Err(why) = keys.may_send(group, entry, ue) {
                refused = Some(why);
                continue;
            }
            valid |= key.valid_from <= now;
            let installed = sender.install(key, ReserveConfig::default(), counters);
            installed.map_err(|e| ConfigError::new(e.to_string(), &place, ""))?;
        }
    }
    if let (false, Some(why)) = (valid, refused) {
        return Err(why.into());
    }
    if !valid {
        let what = format!("no PGK is valid at {}, when the recording begins", now.value());
        let remedy = format!(
            "`sidelink keys new-group {:?} --from SECONDS` adds one, --utc sets the time",
            group.name
        );
        return Err(ConfigError::new(what, place, remedy));
    }
    Ok(sender)
}

fn no_keys() -> ConfigError {
    ConfigError::new("it needs keys", "protected", "give --keys STORE")
}

fn not_in_store(what: &str, name: &str, command: &str) -> ConfigError {
    let remedy = format!("`sidelink keys list` names what there is, `{command}` makes one");
    ConfigError::new(format!("the key store has no {what} {name:?}"), "protected", remedy)
}
