//! One-to-one links of a UE: the manager of `sidelink_prose::direct_link`, in time, with what it sends and stores.

use super::error::BuildError;
use super::link_status::{LinkBoard, LinkStatus};
use super::refused::Refused;
use serde::Deserialize;
use sidelink_prose::direct_link::{
    Change, Config, Error, Identity, Input, KdRecord, LinkId, LinkManager, Metered, Output, Pdu, State,
    Ticket,
};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, Granted, Reservation, StreamId};
use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::collections::VecDeque;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Something that a link asks of layer 2, of the store or of whoever listens.
pub(super) enum Wish {
    /// Send a PDCP PDU.
    Pdu(Pdu),
    /// Data came.
    Data(Layer2Id, SduType, Vec<u8>),
    /// A link changed.
    State(Layer2Id, State),
    /// A message was sent or believed.
    Meter(Metered),
    /// A line for the log.
    Note(String),
    /// Make counters durable.
    Reserve(Reservation),
    /// Make keys durable.
    Store(Ticket, Vec<Change>),
    /// What came before, since the last step, took so long.
    Step(Duration),
}

/// The links of one UE.
pub struct Links {
    manager: LinkManager,
    plans: Vec<Plan>,
    /// Links that are up, with their peers.
    up: Vec<(LinkId, Layer2Id)>,
    wishes: VecDeque<Wish>,
    began: Option<u64>,
    board: LinkBoard,
    now: UtcTime,
    /// Time of the step that runs.
    spent: Duration,
}

/// What an operator asks of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkAction {
    /// Set it up.
    Connect,
    /// Make session keys anew.
    Rekey,
    /// With a new KD.
    Reauthenticate,
    /// Release it.
    Release,
}

/// A peer that a UE may have a link with.
pub struct Peer {
    /// Its Layer-2 ID.
    pub id: Layer2Id,
    /// Who it is.
    pub identity: Identity,
    /// A KD that is shared with it, and its name.
    pub kd: Option<(KdId, Kd)>,
    /// Milliseconds after the start at which to set up the link; without it the peer is to.
    pub connect: Option<u64>,
    /// Milliseconds between two re-keyings.
    pub rekey: Option<u64>,
    /// Whether re-keying makes a new KD too.
    pub reauthenticate: bool,
}

/// What an operator wants of one peer.
struct Plan {
    peer: Layer2Id,
    identity: Identity,
    connect: Option<u64>,
    rekey: Option<u64>,
    reauthenticate: bool,
    last_rekey: u64,
}

impl Links {
    /// The links by these rules, with these peers; `seed` is of full strength. Waits for the store.
    ///
    /// # Errors
    /// Counters that cannot be reserved.
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
            plans: Vec::new(),
            up: Vec::new(),
            wishes: VecDeque::new(),
            began: None,
            board: LinkBoard::default(),
            now: UtcTime::from_millis(0),
            spent: Duration::ZERO,
        };
        for peer in peers {
            let Peer { id, identity, kd, connect, rekey, reauthenticate } = peer;
            if let Some((kd_id, kd)) = kd {
                links.manager.add_kd(KdRecord::pre_shared(kd_id, kd, identity.clone()));
            }
            links.board.add(id, Some(String::from_utf8_lossy(&identity.value).into_owned()));
            links.plans.push(Plan { peer: id, identity, connect, rekey, reauthenticate, last_rekey: 0 });
        }
        Ok(links)
    }

    /// A KD that is durable.
    pub fn add_kd(&mut self, record: KdRecord) {
        self.manager.add_kd(record);
    }

    /// Authenticate with a signature where no KD is shared (method 2).
    pub fn authenticate_with(&mut self, credential: Credential, trust: Trust) {
        self.manager.authenticate_with(credential, trust);
    }

    /// Peers that are named in the configuration, by name.
    pub fn peers(&self) -> impl Iterator<Item = (String, Layer2Id)> + '_ {
        self.plans.iter().map(|plan| (String::from_utf8_lossy(&plan.identity.value).into_owned(), plan.peer))
    }

    /// Whether a link with this peer is up.
    pub(super) fn is_up(&self, peer: Layer2Id) -> bool {
        self.up.iter().any(|(_, known)| *known == peer)
    }

    /// What became of each.
    pub fn status(&mut self) -> &[LinkStatus] {
        for (link, peer) in &self.up {
            self.board.left(*peer, self.manager.left(*link));
        }
        self.board.all()
    }

    /// Do as the operator asks. What comes of it is told by [`Self::status`].
    ///
    /// # Errors
    /// No such peer, or not now.
    pub fn act(&mut self, peer: &str, action: LinkAction) -> Result<(), Refused> {
        let now = self.now;
        let Some(plan) = self.plans.iter().find(|plan| plan.identity.value == peer.as_bytes()) else {
            let known = self.peers().map(|(name, _)| name).collect();
            return Err(Refused::NoPeer { peer: peer.to_owned(), known });
        };
        let link = self.up.iter().find(|(_, known)| *known == plan.peer).map(|(link, _)| *link);
        let up = || link.ok_or_else(|| Refused::NotUp(peer.to_owned()));
        let input = match action {
            LinkAction::Connect => Input::Connect { now, peer: plan.peer, identity: plan.identity.clone() },
            LinkAction::Rekey => Input::Rekey { now, link: up()?, reauthenticate: false },
            LinkAction::Reauthenticate => Input::Rekey { now, link: up()?, reauthenticate: true },
            LinkAction::Release => Input::Release { now, link: up()? },
        };
        let result = timed(&mut self.manager, &mut self.spent, input);
        self.drain();
        Ok(result?)
    }

    /// Subframe `t` begins at `now`.
    pub(super) fn begin(&mut self, t: u64, now: UtcTime) {
        self.now = now;
        let began = *self.began.get_or_insert(t);
        let age = t - began;
        for plan in &mut self.plans {
            if plan.connect == Some(age) {
                let (peer, identity) = (plan.peer, plan.identity.clone());
                if let Err(e) =
                    timed(&mut self.manager, &mut self.spent, Input::Connect { now, peer, identity })
                {
                    self.wishes.push_back(Wish::Note(e.to_string()));
                }
            }
            let link = self.up.iter().find(|(_, peer)| *peer == plan.peer).map(|(link, _)| *link);
            if let (Some(link), Some(every)) = (link, plan.rekey)
                && age >= plan.last_rekey + every
            {
                plan.last_rekey = age;
                let reauthenticate = plan.reauthenticate;
                if let Err(e) =
                    timed(&mut self.manager, &mut self.spent, Input::Rekey { now, link, reauthenticate })
                {
                    self.wishes.push_back(Wish::Note(e.to_string()));
                }
            }
        }
        if age.is_multiple_of(5) {
            self.input(Input::Tick { now });
        }
        self.drain();
    }

    /// A PDU for this UE alone.
    pub(super) fn receive(&mut self, now: UtcTime, source: Layer2Id, lcid: Lcid, pdu: &[u8]) {
        self.input(Input::Pdu { now, source, lcid, pdu });
        self.drain();
    }

    /// Send over the link with `peer`.
    pub(super) fn send(
        &mut self,
        now: UtcTime,
        peer: Layer2Id,
        sdu_type: SduType,
        data: &[u8],
    ) -> Result<(), Refused> {
        let link = self.up.iter().find(|(_, p)| *p == peer).map(|(link, _)| *link);
        let link = link.ok_or(Refused::NoLink(peer))?;
        let lcid = Lcid::LINK_DATA;
        let result =
            timed(&mut self.manager, &mut self.spent, Input::Send { now, link, lcid, sdu_type, data });
        if result.is_ok() {
            self.board.data(peer, 0, data.len());
        }
        self.drain();
        Ok(result?)
    }

    pub(super) fn granted(&mut self, now: UtcTime, granted: Granted) {
        self.input(Input::Granted { now, granted });
        self.drain();
    }

    pub(super) fn reservation_failed(&mut self, now: UtcTime, stream: StreamId) {
        self.input(Input::ReservationFailed { now, stream });
        self.drain();
    }

    pub(super) fn stored(&mut self, now: UtcTime, ticket: Ticket, durable: bool) {
        self.input(if durable { Input::Stored { now, ticket } } else { Input::StoreFailed { now, ticket } });
        self.drain();
    }

    pub(super) fn next_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    fn input(&mut self, input: Input<'_>) {
        if let Err(e) = timed(&mut self.manager, &mut self.spent, input) {
            self.wishes.push_back(Wish::Note(e.to_string()));
        }
    }

    fn drain(&mut self) {
        let mut quiet = true;
        loop {
            let wish = match self.manager.poll_output() {
                Output::Pdu(pdu) => Wish::Pdu(pdu),
                Output::Received(received) => {
                    let peer = self.up.iter().find(|(link, _)| *link == received.link);
                    let Some((_, peer)) = peer else { continue };
                    self.board.data(*peer, 1, received.data.len());
                    Wish::Data(*peer, received.sdu_type, received.data)
                }
                Output::State { link, peer, state } => {
                    self.board.changed(self.now, peer, &state);
                    match &state {
                        State::Up { .. } => self.up.push((link, peer)),
                        State::Closed { .. } => self.up.retain(|(known, _)| *known != link),
                        _ => {}
                    }
                    Wish::State(peer, state)
                }
                Output::Meter(metered) => {
                    self.board.message(self.now, &metered);
                    Wish::Meter(metered)
                }
                Output::Note(note) => Wish::Note(note.to_string()),
                Output::Store { ticket, changes } => Wish::Store(ticket, changes),
                Output::Reserve(reservation) => Wish::Reserve(reservation),
                // No method of this UE asks a network.
                Output::Ask { ticket, .. } => {
                    self.input(Input::Answered { now: self.now, ticket, answer: None });
                    continue;
                }
                Output::Timeout(_) => break,
            };
            quiet = false;
            self.wishes.push_back(wish);
        }
        let spent = std::mem::take(&mut self.spent);
        if !quiet {
            self.wishes.push_back(Wish::Step(spent));
        }
    }
}

/// One input, and the time that it took: all of the cryptography is in it.
fn timed(manager: &mut LinkManager, spent: &mut Duration, input: Input<'_>) -> Result<(), Error> {
    let began = Instant::now();
    let result = manager.handle_input(input);
    *spent += began.elapsed();
    result
}
