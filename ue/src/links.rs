//! One-to-one links of a UE: the manager of `sidelink_prose::direct_link`, the requests of the configuration, and the
//! status of each link. `stack.rs` drives it.

use super::error::BuildError;
use super::link_status::{LinkBoard, LinkStatus};
use super::refused::Refused;
use serde::Deserialize;
use sidelink_prose::direct_link::{
    Admission, Cause, Config, Error, Event, FromNetwork, FromPruk, FromTicket, Identity, IdentityBased,
    IdentityKeys, Input, KdRecord, KeyEstablishment, LinkId, LinkManager, Note, Output, RelayLink, Rules,
    Sdes, State, ThroughRelay, Ticket, TicketAccess,
};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::CounterStore;
use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The way from the links of a UE to its network, where KDs come from one.
pub trait KeyNetwork: Send {
    /// Takes a question of a link: one of [`sidelink_wire::direct_keying`], [`sidelink_wire::sdes`] or
    /// [`sidelink_wire::relay_keying`], or a request of MIKEY-TICKET. It must not block.
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]);

    /// Returns an answer that has come. A question without one is given up by the link's timers.
    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer>;

    /// Returns what this UE calls itself towards a relay of this service (TS 33.303 §6.7.3.2.1.1 step 3); `None` where there
    /// is no name that may be shown yet.
    fn name_for_relay(&mut self, _now: UtcTime, _service: [u8; 3]) -> Option<Identity> {
        None
    }

    /// Learns that a link with `peer` came up, or that it ended or came to nothing.
    fn link_changed(&mut self, _now: UtcTime, _peer: Layer2Id, _standing: LinkStanding) {}
}

/// Whether there is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStanding {
    /// It is up, or has a new KD: the peer has proven that it has the KD.
    Up,
    /// It is over, or did not come up.
    Ended,
    /// A message that anybody can have sent says that the peer does not know this UE.
    Unknown,
}

/// The answer of a network.
pub struct NetworkAnswer {
    /// The ticket of its question.
    pub ticket: Ticket,
    /// The answer, which may hold a key; `None` for a refusal.
    pub octets: Option<Zeroizing<Vec<u8>>>,
}

/// The links of one UE.
pub struct Links {
    manager: LinkManager,
    network: Option<Box<dyn KeyNetwork>>,
    plans: Vec<Plan>,
    /// Links that are up, with their peers.
    up: Vec<(LinkId, Layer2Id)>,
    /// Links that came up or ended, for machines of group keys.
    changes: Vec<LinkChange>,
    began: Option<u64>,
    /// Subframes since then.
    age: u64,
    /// Subframes after which a relay is asked again.
    again: Option<u64>,
    board: LinkBoard,
    now: UtcTime,
    /// Time that the current step took in the manager: all cryptography of links is in it.
    spent: Duration,
}

/// A change of a link, for machines of group keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkChange {
    /// It is up, and protects what goes over it.
    Up {
        /// Its peer.
        peer: Layer2Id,
        /// Identity that the peer has proven.
        identity: Identity,
    },
    /// It could not be set up, or has ended.
    Down {
        /// Its peer.
        peer: Layer2Id,
    },
}

/// An operator's action on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkAction {
    /// Set up the link.
    Connect,
    /// Re-key: new session keys.
    Rekey,
    /// Re-key with a new KD.
    Reauthenticate,
    /// Release the link.
    Release,
}

/// A peer with which a UE may have a link.
pub struct Peer {
    /// Its layer-2 ID.
    pub id: Layer2Id,
    /// Its identity.
    pub identity: Identity,
    /// A KD that is shared with it, and the ID of the KD.
    pub kd: Option<(KdId, Kd)>,
    /// Milliseconds after the start at which to set up the link; without it the peer must set it up.
    pub connect: Option<u64>,
    /// Milliseconds between two re-keyings; never by itself without it.
    pub rekey: Option<u64>,
    /// Whether re-keying makes a new KD as well.
    pub reauthenticate: bool,
    /// What it is to this UE.
    pub part: Part,
}

/// What a peer is to this UE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Another UE.
    #[default]
    Peer,
    /// A relay, whose remote UE this one is.
    Relay {
        /// Relay Service Code.
        service: [u8; 3],
        /// What this UE calls itself; where it is none, the network's end says it ([`KeyNetwork::name_for_relay`]).
        user: Option<Identity>,
    },
    /// A remote UE, whose relay this one is: it is triggered to ask for a new KD.
    RemoteUe,
}

/// The configured requests of one peer.
struct Plan {
    peer: Layer2Id,
    identity: Identity,
    /// When to set up the link, until that is done.
    connect: Option<u64>,
    /// Whether the link waits for a key of the network.
    waits: bool,
    rekey: Option<u64>,
    reauthenticate: bool,
    part: Part,
    last_rekey: u64,
}

impl Plan {
    /// Returns the request for its link.
    ///
    /// # Errors
    /// There is no name yet under which a relay may be asked.
    fn connection(
        &self,
        now: UtcTime,
        network: Option<&mut (dyn KeyNetwork + 'static)>,
    ) -> Result<Input<'static>, Error> {
        let (peer, identity) = (self.peer, self.identity.clone());
        let Part::Relay { service, user } = &self.part else {
            return Ok(Input::Connect { now, peer, identity });
        };
        let user = user.clone().or_else(|| network?.name_for_relay(now, *service));
        let relay = RelayLink { service: *service, user: user.ok_or(Error::NoKey)? };
        Ok(Input::ConnectToRelay { now, peer, identity, relay })
    }
}

impl Links {
    /// Makes the links with this configuration and these peers; `seed` has full entropy. Blocks on the store.
    ///
    /// # Errors
    /// Counters cannot be reserved.
    pub fn open<S>(
        config: Config,
        peers: Vec<Peer>,
        seed: &[u8; 32],
        store: &mut S,
    ) -> Result<Self, BuildError>
    where
        S: CounterStore,
        S::Error: Display,
    {
        let place = format!("links of {:?}", String::from_utf8_lossy(&config.identity.value));
        let manager = LinkManager::open(config, seed, store)
            .map_err(|e| BuildError::Counters { place, why: e.to_string() })?;
        let mut links = Self {
            manager,
            network: None,
            plans: Vec::new(),
            up: Vec::new(),
            changes: Vec::new(),
            began: None,
            age: 0,
            again: None,
            board: LinkBoard::default(),
            now: UtcTime::from_millis(0),
            spent: Duration::ZERO,
        };
        for peer in peers {
            let Peer { id, identity, kd, connect, rekey, reauthenticate, part } = peer;
            if let Some((kd_id, kd)) = kd {
                links.manager.add_kd(KdRecord::pre_shared(kd_id, kd, identity.clone()));
            }
            links.board.add(id, Some(String::from_utf8_lossy(&identity.value).into_owned()));
            links.plans.push(Plan {
                peer: id,
                identity,
                connect,
                waits: false,
                rekey,
                reauthenticate,
                part,
                last_rekey: 0,
            });
        }
        Ok(links)
    }

    /// Adds a KD that is durable.
    pub fn add_kd(&mut self, record: KdRecord) {
        self.manager.add_kd(record);
    }

    /// Adds the time of the newest message taken from a sender, which is durable.
    pub fn add_admission(&mut self, admission: Admission) {
        self.manager.add_admission(admission);
    }

    /// Enables authentication by signatures where no KD is shared (method 2).
    pub fn authenticate_with(&mut self, credential: Credential, trust: Trust) {
        self.manager.authenticate_with(credential, trust);
    }

    /// Enables agreement by the keys of this UE's identity where no KD is shared (method 3).
    pub fn establish_by_identity(&mut self, keys: Arc<IdentityKeys>, rules: Rules) {
        self.manager.establish_by(Box::new(IdentityBased::new(keys, rules)));
    }

    /// Enables agreement by tickets of a key management server where no KD is shared (method 5). [`Self::ask_over`] says who
    /// asks the server. A second call renews the key for the links that come.
    pub fn establish_by_ticket(&mut self, access: Arc<TicketAccess>) {
        self.manager.establish_by(Box::new(FromTicket::new(access)));
    }

    /// Sends the questions of links over a network, in the place of the one before.
    pub fn ask_over(&mut self, network: Box<dyn KeyNetwork>) {
        self.network = Some(network);
    }

    /// Lets the network agree on KDs where none is shared (method 4).
    pub fn establish_by_network(&mut self, network: Box<dyn KeyNetwork>) {
        self.manager.establish_by(Box::new(FromNetwork));
        self.ask_over(network);
    }

    /// Lets the signalling of networks carry keys in crypto attributes where none is shared (method 6).
    pub fn establish_by_sdes(&mut self, network: Box<dyn KeyNetwork>) {
        self.manager.establish_by(Box::new(Sdes));
        self.ask_over(network);
    }

    /// Makes the KDs between remote UE and relay from PRUKs (method 8).
    pub fn establish_from_pruk(&mut self, network: Box<dyn KeyNetwork>) {
        self.manager.establish_by(Box::new(FromPruk));
        self.ask_over(network);
    }

    /// Lets the network authenticate remote UEs through their relay by EAP (method 7).
    pub fn establish_through_relay(&mut self, network: Box<dyn KeyNetwork>) {
        self.manager.establish_by(Box::new(ThroughRelay));
        self.ask_over(network);
    }

    /// Enables agreement by another method where no KD is shared.
    pub fn establish_by(&mut self, method: Box<dyn KeyEstablishment>) {
        self.manager.establish_by(method);
    }

    /// Asks the network. Returns false when there is none.
    pub(super) fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) -> bool {
        let Some(network) = &mut self.network else { return false };
        network.ask(now, ticket, question);
        true
    }

    /// Hands on the answers of the network that are there.
    fn answered(&mut self, now: UtcTime, refused: &mut dyn FnMut(Error)) {
        while let Some(NetworkAnswer { ticket, octets }) =
            self.network.as_mut().and_then(|network| network.poll(now))
        {
            let answer = octets.as_ref().map(|octets| octets.as_slice());
            if let Err(error) = self.handle_input(Input::Answered { now, ticket, answer }) {
                refused(error);
            }
        }
    }

    /// Returns the configured peers with their names.
    pub fn peers(&self) -> impl Iterator<Item = (String, Layer2Id)> + '_ {
        self.plans.iter().map(|plan| (String::from_utf8_lossy(&plan.identity.value).into_owned(), plan.peer))
    }

    /// Whether a link with this peer is up.
    pub(super) fn is_up(&self, peer: Layer2Id) -> bool {
        self.up.iter().any(|(_, known)| *known == peer)
    }

    /// Returns the status of every link.
    pub fn status(&mut self) -> &[LinkStatus] {
        for (link, peer) in &self.up {
            self.board.left(*peer, self.manager.left(*link));
        }
        self.board.all()
    }

    /// Performs an operator's action; [`Self::status`] shows the result.
    ///
    /// # Errors
    /// There is no such peer, or the action is not possible now.
    pub fn act(&mut self, peer: &str, action: LinkAction) -> Result<(), Refused> {
        let now = self.now;
        let Some(plan) = self.plans.iter().find(|plan| plan.identity.value == peer.as_bytes()) else {
            let known = self.peers().map(|(name, _)| name).collect();
            return Err(Refused::NoPeer { peer: peer.to_owned(), known });
        };
        let link = self.up.iter().find(|(_, known)| *known == plan.peer).map(|(link, _)| *link);
        let up = || link.ok_or_else(|| Refused::NotUp(peer.to_owned()));
        let input = match action {
            LinkAction::Connect => plan.connection(now, self.network.as_deref_mut())?,
            LinkAction::Rekey => Input::Rekey { now, link: up()?, reauthenticate: false },
            LinkAction::Reauthenticate => Input::Rekey { now, link: up()?, reauthenticate: true },
            LinkAction::Release => Input::Release { now, link: up()? },
        };
        Ok(self.handle_input(input)?)
    }

    /// Begins subframe `t` at `now`: makes the requests of the configuration that are due. `refused` takes the errors
    /// of those that are not possible now.
    pub(super) fn begin(&mut self, t: u64, now: UtcTime, refused: &mut dyn FnMut(Error)) {
        self.now = now;
        self.answered(now, refused);
        let age = t - *self.began.get_or_insert(t);
        self.age = age;
        for index in 0..self.plans.len() {
            if self.plans[index].connect.is_some_and(|at| at <= age) {
                self.connect_as_planned(index, now, refused);
            }
            let plan = &mut self.plans[index];
            let link = self.up.iter().find(|(_, peer)| *peer == plan.peer).map(|(link, _)| *link);
            if let (Some(link), Some(every)) = (link, plan.rekey)
                && age >= plan.last_rekey + every
            {
                plan.last_rekey = age;
                let reauthenticate = plan.reauthenticate;
                let input = match (&plan.part, reauthenticate) {
                    // TS 24.334 §10.4.8.2: KD is made anew at the request of the remote UE alone.
                    (Part::RemoteUe, true) => Input::TriggerRekey { now, link },
                    _ => Input::Rekey { now, link, reauthenticate },
                };
                if let Err(error) = self.handle_input(input) {
                    refused(error);
                }
            }
        }
    }

    /// Sets up the link of a plan. Where a network brings the key and has not yet, the link waits for it.
    fn connect_as_planned(&mut self, index: usize, now: UtcTime, refused: &mut dyn FnMut(Error)) {
        let waits = self.plans[index].waits;
        let result = match self.plans[index].connection(now, self.network.as_deref_mut()) {
            Ok(input) => self.handle_input(input),
            Err(error) => Err(error),
        };
        let plan = &mut self.plans[index];
        plan.waits = result == Err(Error::NoKey) && self.network.is_some();
        if !plan.waits {
            plan.connect = None;
        }
        if let Err(error) = result
            && !(waits && plan.waits)
        {
            // Of a link that waits, once.
            refused(error);
        }
    }

    /// Sets up a link with a peer that proves this identity. Where one is up, [`Self::take_changes`] tells of it; where one
    /// is being set up, it will.
    ///
    /// # Errors
    /// The link is not possible now.
    pub(super) fn connect(&mut self, now: UtcTime, peer: Layer2Id, identity: Identity) -> Result<(), Error> {
        self.now = now;
        match self.handle_input(Input::Connect { now, peer, identity }) {
            Err(Error::Exists(link)) => {
                if self.is_up(peer) {
                    self.report_up(link, peer);
                }
                Ok(())
            }
            result => result,
        }
    }

    /// Tells machines of group keys of a link that is up: of one that protects nothing, that it is none for them.
    fn report_up(&mut self, link: LinkId, peer: Layer2Id) {
        self.changes.push(match self.manager.proven(link) {
            Some(identity) => LinkChange::Up { peer, identity: identity.clone() },
            None => LinkChange::Down { peer },
        });
    }

    /// Takes the links that came up or ended since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<LinkChange> {
        std::mem::take(&mut self.changes)
    }

    /// Returns the link with `peer` that is up.
    pub(super) fn link_with(&self, peer: Layer2Id) -> Option<LinkId> {
        self.up.iter().find(|(_, known)| *known == peer).map(|(link, _)| *link)
    }

    /// Sends data over the link with `peer`.
    pub(super) fn send(&mut self, peer: Layer2Id, sdu_type: SduType, data: &[u8]) -> Result<(), Refused> {
        let link = self.up.iter().find(|(_, known)| *known == peer).map(|(link, _)| *link);
        // TS 24.334 §10.4.2.4
        let link = link.ok_or(Refused::NoLink(peer))?;
        let (now, lcid) = (self.now, Lcid::LINK_DATA);
        self.handle_input(Input::Send { now, link, lcid, sdu_type, data })?;
        self.board.data(peer, 0, data.len());
        Ok(())
    }

    /// Hands one input to the manager, and measures the time.
    pub(super) fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        let began = Instant::now();
        let result = self.manager.handle_input(input);
        self.spent += began.elapsed();
        result
    }

    /// Returns the next output. The status of the links is updated by polling.
    pub(super) fn poll_output(&mut self) -> Output {
        let output = self.manager.poll_output();
        if let Output::Event(event) = &output {
            if let Event::State { link, peer, state } = event {
                match state {
                    State::Up { .. } => {
                        self.up.push((*link, *peer));
                        self.report_up(*link, *peer);
                        self.tell_network(*peer, LinkStanding::Up);
                    }
                    State::Rekeyed { new_kd: true, .. } => self.tell_network(*peer, LinkStanding::Up),
                    State::Closed { .. } => {
                        self.ask_relay_again(*peer);
                        self.up.retain(|(known, _)| known != link);
                        self.tell_network(*peer, LinkStanding::Ended);
                        // Another link with this peer may have taken its place.
                        if !self.is_up(*peer) {
                            self.changes.push(LinkChange::Down { peer: *peer });
                        }
                    }
                    _ => {}
                }
            }
            if let Event::Note(Note::PeerRefuses { peer, cause: Cause::AuthenticationFailure, .. }) = event {
                self.tell_network(*peer, LinkStanding::Unknown);
            }
            self.board.note(self.now, event);
        }
        output
    }

    /// Lets this UE ask a relay again `millis` after a link to it ended or came to nothing.
    pub fn ask_relays_again(&mut self, millis: u64) {
        self.again = Some(millis);
    }

    fn ask_relay_again(&mut self, peer: Layer2Id) {
        let is_relay = |plan: &&mut Plan| plan.peer == peer && matches!(plan.part, Part::Relay { .. });
        if let (Some(again), Some(plan)) = (self.again, self.plans.iter_mut().find(is_relay)) {
            plan.connect = Some(self.age + again);
        }
    }

    fn tell_network(&mut self, peer: Layer2Id, standing: LinkStanding) {
        if let Some(network) = &mut self.network {
            network.link_changed(self.now, peer, standing);
        }
    }

    /// Returns the time that the inputs took since the last call, by the clock of the system.
    pub(super) fn take_spent(&mut self) -> Duration {
        std::mem::take(&mut self.spent)
    }
}

#[cfg(test)]
mod tests;
