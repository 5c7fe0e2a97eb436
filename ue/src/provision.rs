//! Builds the layer 2 of a UE from a key store: the groups it is a member of, the codes it announces, and those it may
//! monitor.

use crate::BuildError;
use sidelink_mac::engine::{Bearer, Config, Engine};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::{PlainSn, Protection as Sending};
use sidelink_prose::discovery::agent::{self, Agent, Origin};
use sidelink_prose::discovery::{Announcer, AnnouncerKey, Answering, Asking, Discoverer, Follow, Subject};
use sidelink_security::counter::UtcCounter;
use sidelink_security::counter::reserve::{CounterStore, ReserveConfig};
use sidelink_security::discovery::Profile;
use sidelink_security::discovery::open::OpenKey;
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, ProseId};
use sidelink_security::discovery::restricted::{Receiver, Sender};
use sidelink_security::group;
use sidelink_security::keys::{ApplicationKey, DiscoveryKey};
use sidelink_store::{Discovery, Followed, Keys, Protection};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_discovery::MessageType;
use std::collections::HashMap;
use std::fmt::Display;

mod chains;
mod lists;
mod renew;

pub use chains::{follow_chained, own_announcer};
pub use lists::{FollowedList, heard};
pub use renew::{GroupNews, IdentityNews, RenewTerms};

/// Milliseconds for which a discoverer waits for a response.
const PATIENCE_MS: u64 = 10_000;

/// The engines of one UE, set up from a store.
pub struct Provisioned {
    /// Layer 2 with the keys of its groups.
    pub engine: Engine,
    /// Discovery with its codes and keys.
    pub agent: Agent,
    /// Names of the followed identities in the store.
    pub who: HashMap<Subject, String>,
    /// Lists of followed identities.
    pub listed: Vec<FollowedList>,
    /// Names of the announcers, the discoverers and the discoveree in the store.
    pub origin: HashMap<Origin, String>,
    /// Addresses of the groups by their names.
    pub groups: HashMap<String, Address>,
    /// Groups to which the UE cannot send, and the reasons.
    pub receive_only: HashMap<String, BuildError>,
    v2x_priority: u8,
}

/// Parameters of [`provision`].
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Name of the UE.
    pub ue: &'a str,
    /// Its layer-2 ID; `None` for its ID in the groups.
    pub layer2_id: Option<Layer2Id>,
    /// Makes the destination address of a group: [`Address::Group`], or [`Address::V2x`] in modes 3 and 4.
    pub to_group: fn(Layer2Id) -> Address,
    /// PPPP of V2X data, 1 (the most urgent) to 8: the SCI carries it.
    pub v2x_priority: u8,
    /// Sizes of the reservations of counters.
    pub reserve: ReserveConfig,
    /// Configuration of layer 2; its source is replaced.
    pub layer2: Config,
    /// Configuration of discovery.
    pub discovery: agent::Config,
}

/// Builds the engines of `wish.ue` from `keys`. Blocks on the store.
///
/// # Errors
/// The store does not know the UE, its member identities differ, an entry is inconsistent, or counters cannot be
/// reserved.
pub fn provision<S>(wish: &Wish<'_>, keys: &Keys, store: &mut S) -> Result<Provisioned, BuildError>
where
    S: CounterStore,
    S::Error: Display,
{
    // TS 24.334 §10.2.4.1 (2)
    let engine = Engine::new(Config { source: source(wish, keys)?, ..wish.layer2 });
    let mut discovery = wish.discovery;
    discovery.monitor.rotating = rotating(wish.ue, keys)?;
    discovery.monitor.heard = heard(keys).max(discovery.monitor.heard);
    let agent = Agent::new(discovery).map_err(|_| BuildError::Untabled(wish.ue.to_owned()))?;
    let mut all = Provisioned {
        engine,
        agent,
        who: HashMap::new(),
        listed: Vec::new(),
        origin: HashMap::new(),
        groups: HashMap::new(),
        receive_only: HashMap::new(),
        v2x_priority: wish.v2x_priority,
    };
    for group in keys.group.iter().filter(|g| g.member.iter().any(|m| m.ue == wish.ue)) {
        all.add_group(wish, keys, group, store)?;
    }
    chains::open_discovery_group(&mut all.engine, &keys.discovery, wish.to_group)?;
    let exact_codes = lists::ExactCodes::of(wish.ue, keys);
    all.follow_lists(keys);
    let mut tabled = Vec::new();
    let questions: Vec<&str> = keys.discovery.iter().filter_map(|entry| entry.question.as_deref()).collect();
    for entry in keys.discovery.iter().filter(|entry| !entry.revoked) {
        if let Some(name) = &entry.question {
            let question = keys.discovery.iter().find(|question| question.name == *name);
            all.registry().add_model_b(wish.ue, entry, question)?;
            continue;
        }
        // It belongs to its answer.
        if questions.contains(&entry.name.as_str()) {
            continue;
        }
        let announces = entry.announcer.as_deref() == Some(wish.ue);
        let monitors = entry.monitors.iter().any(|m| m == wish.ue);
        if announces {
            all.registry().announce(entry)?;
        }
        if monitors && exact_codes == lists::ExactCodes::Tabled && entry.is_exact() {
            all.registry().follow_exact(entry)?;
            continue;
        }
        if monitors && let Some(identity) = all.registry().follow(entry, discovery.monitor.rotating)? {
            tabled.push((entry.name.clone(), identity, UtcCounter::new(entry.valid_until)));
        }
    }
    let identities = tabled.iter().map(|(_, (id, key), valid_until)| (*id, key, *valid_until));
    if let Some(followed) = all.agent.monitor().follow_rotating(identities) {
        all.who.extend(followed.into_iter().zip(tabled.iter().map(|(name, ..)| name.clone())));
    }
    Ok(all)
}

impl Provisioned {
    /// Sets up unprotected data to and from `address`.
    ///
    /// # Errors
    /// The address is set up already.
    pub fn add_plain(&mut self, name: &str, address: Address) -> Result<(), BuildError> {
        self.engine.listen(address);
        // TS 33.185 §6.5.2 (1)
        self.engine.add_destination(address, Sending::Plain(PlainSn::Zero));
        self.add_bearer(name, address)
    }

    /// Sets up a group whose keys come over the air: its data, and the signalling that brings the keys.
    ///
    /// # Errors
    /// The group is set up already.
    pub fn add_keyed(&mut self, name: &str, config: group::GroupConfig) -> Result<(), BuildError> {
        let id = Layer2Id::from_octets(config.group_id);
        if self.engine.group(id).is_some() {
            let why = "the key store has a group with this layer-2 ID: remove one of them".to_owned();
            return Err(BuildError::Bearer { group: name.to_owned(), why });
        }
        let (address, member) = (Address::Group(id), self.engine.source().octets());
        self.engine.add_group(group::Receiver::new(group::ReceiverConfig::new(config)));
        self.engine.listen(address);
        self.engine.add_destination(address, Sending::Group(group::Sender::new(config, member)));
        let signalling = Bearer { priority: 1, ..Bearer::new(address, Lcid::PC5_S_UNPROTECTED) };
        self.engine
            .add_bearer(signalling)
            .map_err(|e| BuildError::Bearer { group: name.to_owned(), why: e.to_string() })?;
        self.add_bearer(name, address)
    }

    fn registry(&mut self) -> Registry<'_> {
        Registry { agent: &mut self.agent, who: &mut self.who, origin: &mut self.origin }
    }

    fn add_bearer(&mut self, name: &str, address: Address) -> Result<(), BuildError> {
        open_bearer(&mut self.engine, name, address, self.v2x_priority)?;
        self.groups.insert(name.to_owned(), address);
        Ok(())
    }

    fn add_group<S>(
        &mut self,
        wish: &Wish<'_>,
        keys: &Keys,
        group: &sidelink_store::Group,
        store: &mut S,
    ) -> Result<(), BuildError>
    where
        S: CounterStore,
        S::Error: Display,
    {
        let config = group.config()?;
        // TS 24.334 §10.2.4.1 (2)
        let id = Layer2Id::from_octets(config.group_id);
        let address = (wish.to_group)(id);
        let mut receiver = group::Receiver::new(group::ReceiverConfig::new(config));
        let mut sender = group::Sender::new(config, group.member_id(wish.ue)?);
        let (mut sends, mut refused) = (false, None);
        for entry in &group.pgk {
            if let Some(key) = group.pgk(entry)? {
                // `Keys::check` refuses two keys with the same index.
                let _ = receiver.install(key);
            }
            let may_send = keys.may_send(group, entry, wish.ue);
            if let (Some(key), Ok(())) = (group.pgk(entry)?, &may_send) {
                sender.install(key, wish.reserve, store).map_err(|e| {
                    let place = format!("group {:?} PGK {}", group.name, entry.id);
                    BuildError::Counters { place, why: e.to_string() }
                })?;
                sends = true;
            }
            if let (Some(_), Err(why)) = (&entry.key, may_send) {
                refused = Some(why);
            }
        }
        if let (false, Some(why)) = (sends, refused) {
            self.receive_only.insert(group.name.clone(), why.into());
        }
        self.engine.add_group(receiver);
        self.engine.listen(address);
        // TS 24.334 §10.2.1 (1)
        self.engine.add_destination(address, Sending::Group(sender));
        self.add_bearer(&group.name, address)
    }
}

/// Adds the bearer of a group's data; that of V2X has a priority.
fn open_bearer(
    engine: &mut Engine,
    name: &str,
    address: Address,
    v2x_priority: u8,
) -> Result<(), BuildError> {
    let mut bearer = Bearer::new(address, Lcid::GROUP_DATA);
    if let Address::V2x(_) = address {
        bearer.priority = v2x_priority;
    }
    engine.add_bearer(bearer).map_err(|e| BuildError::Bearer { group: name.to_owned(), why: e.to_string() })
}

/// Discovery of a UE and the names of what it announces and follows.
pub(super) struct Registry<'a> {
    pub(super) agent: &'a mut Agent,
    pub(super) who: &'a mut HashMap<Subject, String>,
    pub(super) origin: &'a mut HashMap<Origin, String>,
}

impl Registry<'_> {
    /// Adds an entry that the UE announces, or responds to.
    pub(super) fn announce(&mut self, entry: &Discovery) -> Result<(), BuildError> {
        if self.announce_own(entry)? {
            return Ok(());
        }
        let valid_until = UtcCounter::new(entry.valid_until);
        let Some(followed) = entry.followed()? else { return Ok(()) };
        let key = match (&followed, entry.protection) {
            (Followed::Rotating(config, id, key), _) => {
                self.add_announcer(&entry.name, Announcer::changing(*config, *id, key, valid_until));
                return Ok(());
            }
            (Followed::Signed(_), _) => {
                if let Some(sender) = entry.signed_sender()? {
                    self.add_announcer(&entry.name, Announcer::signed(sender, valid_until));
                }
                return Ok(());
            }
            (Followed::PreShared(_), _) => {
                let Some(Followed::PreShared(session)) = entry.followed()? else { return Ok(()) };
                let answering = Answering::Preshared(session, entry.code()?);
                let place = self.agent.discoveree().answer(answering, valid_until);
                self.origin.insert(Origin::Discoveree(place), entry.name.clone());
                return Ok(());
            }
            (_, Protection::None) => AnnouncerKey::Unprotected,
            (_, Protection::Open) => match &entry.key {
                Some(key) => {
                    let key = DiscoveryKey::try_from(key.as_bytes()).map_err(|e| BuildError::Discovery {
                        name: entry.name.clone(),
                        why: e.to_string(),
                    })?;
                    AnnouncerKey::Open(OpenKey::new(&key, Profile::default()))
                }
                None => AnnouncerKey::Unprotected,
            },
            _ => AnnouncerKey::Restricted(Sender::new(&entry.material()?, Profile::default())),
        };
        let content = entry.content()?;
        let announcer = Announcer::new(&content, key, valid_until)
            .map_err(|e| BuildError::Announcement { name: entry.name.clone(), why: e.to_string() })?;
        self.add_announcer(&entry.name, announcer);
        Ok(())
    }

    /// Adds an answer of model B with its question: the UE asks, or answers.
    // TS 33.303 §6.1.3.4.2.2 step 12
    pub(super) fn add_model_b(
        &mut self,
        ue: &str,
        entry: &Discovery,
        question: Option<&Discovery>,
    ) -> Result<(), BuildError> {
        let wrong = |why: &str| BuildError::Discovery { name: entry.name.clone(), why: why.to_owned() };
        let question = question.ok_or_else(|| wrong("its question is not in the store"))?;
        let (asked, answered) = (question.message_type()?, entry.message_type()?);
        if (asked, answered) != (MessageType::RestrictedQuery, MessageType::RestrictedResponse) {
            return Err(wrong("a question has the message type 86, and its answer 82"));
        }
        let valid_until = UtcCounter::new(entry.valid_until.min(question.valid_until));
        let sender = |of: &Discovery| Ok::<_, BuildError>(Sender::new(&of.material()?, Profile::default()));
        let receiver = |of: &Discovery| match of.followed()? {
            Some(Followed::Restricted(_, filter, material, check)) => {
                Ok(Some(Receiver::new(&material, check, vec![filter], Profile::default())))
            }
            // Revoked.
            None => Ok(None),
            Some(_) => Err(wrong("question and answer of model B are restricted")),
        };
        if entry.announcer.as_deref() == Some(ue) {
            let Some(receiver) = receiver(question)? else { return Ok(()) };
            let (response, sender) = (entry.content()?, sender(entry)?);
            let answering = Answering::Restricted { receiver, query: asked, response, sender };
            let place = self.agent.discoveree().answer(answering, valid_until);
            self.origin.insert(Origin::Discoveree(place), entry.name.clone());
        }
        if entry.monitors.iter().any(|m| m == ue) && !question.revoked {
            let Some(receiver) = receiver(entry)? else { return Ok(()) };
            let (query, sender) = (question.content()?, sender(question)?);
            let asking = Asking::Restricted { query, sender, receiver, response: answered };
            let place = self.agent.add_discoverer(Discoverer::new(asking, valid_until, PATIENCE_MS));
            self.origin.insert(Origin::Discoverer(place), entry.name.clone());
        }
        Ok(())
    }

    /// Adds an announcer, or gives a known one its new code and key.
    fn add_announcer(&mut self, name: &str, announcer: Announcer) {
        let known = self.origin.iter().find_map(|(origin, known)| match origin {
            Origin::Announcer(place) if known == name => Some(*place),
            _ => None,
        });
        match known.and_then(|place| self.agent.announcer(place)) {
            Some(known) => known.replace(announcer),
            None => {
                let place = self.agent.add_announcer(announcer);
                self.origin.insert(Origin::Announcer(place), name.to_owned());
            }
        }
    }

    /// Adds an entry that the UE monitors. Returns an identity of the tabled configuration: those are all added at
    /// once.
    pub(super) fn follow(
        &mut self,
        entry: &Discovery,
        tabled: Option<OtaConfig>,
    ) -> Result<Option<Identity>, BuildError> {
        let valid_until = UtcCounter::new(entry.valid_until);
        let monitor = self.agent.monitor();
        let who = match entry.followed()? {
            None => return Ok(None),
            Some(Followed::Open(filter, _)) => monitor.follow(Follow::Open(filter, valid_until)),
            Some(Followed::Restricted(message_type, filter, material, check)) => {
                // TS 33.303 §6.6.7 (3)
                let receiver = Receiver::new(&material, check, vec![filter], Profile::default());
                monitor.follow(Follow::Filter(message_type, receiver, valid_until))
            }
            Some(Followed::Rotating(config, id, key)) if Some(config) == tabled => {
                return Ok(Some((id, key)));
            }
            Some(Followed::Rotating(config, id, key)) => {
                monitor.follow(Follow::Nonce(config, OtaIdentity::new(config, id, &key), valid_until))
            }
            Some(Followed::Signed(follow)) => monitor.follow_signed(follow).map_err(|error| {
                BuildError::Discovery { name: entry.name.clone(), why: error.to_string() }
            })?,
            Some(Followed::PreShared(session)) => {
                let asking = Discoverer::new(Asking::Preshared(session), valid_until, PATIENCE_MS);
                let place = self.agent.add_discoverer(asking);
                self.origin.insert(Origin::Discoverer(place), entry.name.clone());
                return Ok(None);
            }
            Some(followed) => match self.follow_own(followed, valid_until)? {
                Some(who) => who,
                None => return Ok(None),
            },
        };
        self.who.insert(who, entry.name.clone());
        Ok(None)
    }
}

type Identity = (ProseId, ApplicationKey);

/// Returns the layer-2 ID of the UE: that of the parameters or of all its groups; 0 for a UE in discovery entries only.
// TS 33.303 §6.2.3.2 (4)
fn source(wish: &Wish<'_>, keys: &Keys) -> Result<Layer2Id, BuildError> {
    let groups = keys.group.iter().filter(|g| g.member.iter().any(|m| m.ue == wish.ue));
    let mut found = wish.layer2_id;
    for group in groups {
        let id = Layer2Id::from_octets(group.member_id(wish.ue)?);
        match found {
            Some(known) if known != id => {
                return Err(BuildError::TwoIds {
                    ue: wish.ue.to_owned(),
                    group: group.name.clone(),
                    here: id,
                    elsewhere: known,
                });
            }
            _ => found = Some(id),
        }
    }
    let known = keys
        .discovery
        .iter()
        .any(|d| d.announcer.as_deref() == Some(wish.ue) || d.monitors.iter().any(|m| m == wish.ue));
    match found {
        Some(id) => Ok(id),
        None if known || !keys.codes.is_empty() => Ok(Layer2Id::from_octets([0; 3])),
        None => Err(BuildError::Unknown(wish.ue.to_owned())),
    }
}

/// Returns the configuration of changing identifiers that is tabled: that of the lists of codes, or the one that most of
/// the entries for `ue` have.
fn rotating(ue: &str, keys: &Keys) -> Result<Option<OtaConfig>, BuildError> {
    if let Some(list) = keys.codes.first() {
        return Ok(Some(list.config()));
    }
    let mut counted: Vec<(OtaConfig, usize)> = Vec::new();
    for entry in keys.discovery.iter().filter(|d| d.monitors.iter().any(|m| m == ue)) {
        if let Some(Followed::Rotating(config, ..)) = entry.followed()?
            && config.nonce_bits() == 0
        {
            match counted.iter_mut().find(|(known, _)| *known == config) {
                Some((_, count)) => *count += 1,
                None => counted.push((config, 1)),
            }
        }
    }
    Ok(counted.into_iter().max_by_key(|(_, count)| *count).map(|(config, _)| config))
}

#[cfg(test)]
mod tests;
