//! The owner of a group.

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, Lease, ReserveConfig, StreamId};
use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::{Credential, Trust, Vouched};
use sidelink_security::kdf::own::stream_id;
use sidelink_security::keys::{KGo, Kd, Secret256};
use sidelink_wire::group_owner::{Body, Kind, Proven};
use sidelink_wire::ids::Layer2Id;

use super::admission::{Asked, HalfOpen, Stage};
use super::common::{Common, OpenError, confirmed, has_mac, put_mac};
use super::config::Config;
use super::io::{Error, Event, Gone, Input, Output, Revocations, UnicastKey, Why};
use super::note::Note;
use super::notices::Notices;
use super::pace::Pace;
use crate::direct_link::{Identity, KdRecord};

/// Departures that are remembered, so that a member whose answer was lost gets it again.
const DEPARTED: usize = 32;

/// An epoch and its secret.
pub(super) struct Epoch {
    pub(super) number: u32,
    pub(super) k_go: KGo,
    pub(super) pgk_id: u8,
    pub(super) valid_from: u32,
    pub(super) expiry: u32,
}

/// Keys that a member has not confirmed.
pub(super) struct Pending {
    pub(super) epoch: u32,
    pub(super) kd: Kd,
    pub(super) octets: Vec<u8>,
    /// Times that they were sent.
    pub(super) sent: u8,
    /// When they are sent again.
    pub(super) at: UtcTime,
    /// Until when they count as on their way.
    pub(super) until: UtcTime,
}

/// Keys that a member has confirmed.
pub(super) struct Held {
    pub(super) epoch: u32,
    pub(super) kd: Kd,
    pub(super) kd_id: KdId,
    pub(super) expiry: UtcTime,
}

/// A UE that has proven itself.
pub(super) struct Membership {
    pub(super) identity: Identity,
    pub(super) layer2: Layer2Id,
    pub(super) vouched: Vouched,
    pub(super) revocations: Revocations,
    /// The key of its join, to which keys are sealed.
    pub(super) public: [u8; 32],
    /// h3 of its join.
    pub(super) transcript: [u8; 32],
    pub(super) slot: u16,
    pub(super) held: Option<Held>,
    pub(super) pending: Option<Pending>,
}

/// A member that left: its answer may be lost.
struct Departed {
    layer2: Layer2Id,
    transcript: [u8; 32],
    held: Held,
}

/// A group owner.
pub struct Owner {
    pub(super) common: Common,
    pub(super) epochs: Lease,
    /// None until the number of a new epoch is durable.
    pub(super) epoch: Option<Epoch>,
    pub(super) waiting: Option<Why>,
    /// PGK ID in use.
    pub(super) pgk_id: Option<u8>,
    pub(super) members: Vec<Membership>,
    pub(super) half_open: VecDeque<HalfOpen>,
    /// Requests that wait for their turn, the oldest first.
    pub(super) queue: VecDeque<Asked>,
    pub(super) notices: Notices,
    /// How fast joins get on, and keys to members.
    pub(super) joins: Pace,
    pub(super) deliveries: Pace,
    departed: VecDeque<Departed>,
    /// Identities that the operator removed in this run.
    pub(super) expelled: Vec<Identity>,
    pub(super) cookies: Secret256,
    pub(super) last_slot: u16,
}

impl Owner {
    /// Starts a group owner with its credential, which must be a certificate. A new epoch begins at the first input. Blocks
    /// on the medium: call it at start only. `seed` is drawn for this start.
    ///
    /// # Errors
    /// An identity or a credential that is not possible, a revocation list older than one that was used, or an error of
    /// the store.
    pub fn open<S: CounterStore>(
        config: Config,
        seed: &[u8; 32],
        (credential, trust): (Credential, Trust),
        store: &mut S,
    ) -> Result<Self, OpenError<S::Error>> {
        let stream = Self::stream(config.group.group_id);
        // A crash skips at most 24 of 2^32.
        let reserve = ReserveConfig { block: 16, low_water: 8 };
        let (mut common, epochs) = Common::open(config, seed, (credential, trust), (stream, reserve), store)?;
        let cookies = Secret256::from(common.draw());
        // What a join takes where nothing is lost, and keys with their confirm.
        let [joins, deliveries] = [7, 2].map(|periods| Pace::new(periods * common.config.sc_period));
        Ok(Self {
            common,
            epochs,
            epoch: None,
            waiting: Some(Why::Started),
            pgk_id: None,
            members: Vec::new(),
            half_open: VecDeque::new(),
            queue: VecDeque::new(),
            notices: Notices::default(),
            joins,
            deliveries,
            departed: VecDeque::new(),
            expelled: Vec::new(),
            cookies,
            last_slot: 0,
        })
    }

    /// Returns the stream of the epochs of a group in a store.
    pub fn stream(group: [u8; 3]) -> StreamId {
        StreamId(stream_id(&group, b"gepoch"))
    }

    /// Returns the epoch; `None` while a new one waits for the store.
    pub fn epoch(&self) -> Option<u32> {
        self.epoch.as_ref().map(|epoch| epoch.number)
    }

    /// Returns the members, with the epoch of the keys that each has confirmed.
    pub fn members(&self) -> impl Iterator<Item = (&Identity, Layer2Id, Option<u32>)> {
        let row = |member: &Membership| member.held.as_ref().map(|held| held.epoch);
        self.members.iter().map(move |member| (&member.identity, member.layer2, row(member)))
    }

    /// Returns the number of requests that wait for their turn.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the number of joins without a proof, or without a confirm.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Handles an input.
    ///
    /// # Errors
    /// Our own mistake, or the operator's.
    pub fn handle_input(&mut self, input: Input<'_>) -> Result<(), Error> {
        self.common.begin(&input);
        if self.waiting == Some(Why::Started) && input.now().is_some() {
            self.begin_epoch(Why::Started);
        }
        let result = match input {
            Input::Message { from, message, .. } => {
                self.on_message(from, message);
                Ok(())
            }
            Input::Expel { member, .. } => self.expel(&member),
            Input::Renew { .. } => {
                self.begin_epoch(Why::Asked);
                Ok(())
            }
            Input::RevocationList { der, .. } => self.common.install_list(der),
            Input::Granted { granted, .. } => {
                self.epochs.grant(granted);
                if let Some(why) = self.waiting {
                    self.begin_epoch(why);
                }
                Ok(())
            }
            Input::ReservationFailed { stream, .. } if stream == self.epochs.stream() => {
                self.epochs.failed();
                self.common.note(Note::NotDurable { what: "a reservation of epochs" });
                return Ok(());
            }
            Input::Stored { ticket, .. } => {
                if self.common.stored(ticket) {
                    self.remove_revoked();
                }
                Ok(())
            }
            Input::Join { .. } => Err(Error::Role { what: "an owner does not join" }),
            Input::Leave { .. } => Err(Error::Role { what: "an owner does not leave" }),
            Input::Tick { .. }
            | Input::Entropy { .. }
            | Input::StoreFailed { .. }
            | Input::ReservationFailed { .. } => Ok(()),
        };
        self.on_time();
        if let Some(reservation) = self.epochs.wanted() {
            self.common.push(Output::Reserve(reservation));
        }
        result
    }

    /// Returns what is to be done next.
    pub fn poll_output(&mut self) -> Output {
        self.common.pop().unwrap_or_else(|| Output::Timeout(self.due()))
    }

    fn due(&self) -> Option<UtcTime> {
        let ends = self.members.iter().map(|member| self.common.end_of(&member.vouched));
        let expiries = self.members.iter().filter_map(|member| member.held.as_ref()).map(|held| held.expiry);
        let waits = self.waiting.map(|_| self.common.now.plus_millis(self.common.config.retry));
        let others = [self.key_due(), self.common.unsaved_due(), waits, self.delivery_due()];
        let joins = [self.joins_due(), self.turn_due(), self.notice_due()];
        ends.chain(expiries).chain(others.into_iter().chain(joins).flatten()).min()
    }

    /// Returns the members, and those that have not confirmed their first keys.
    pub(super) fn all_proven(&self) -> impl Iterator<Item = &Membership> {
        let joining = self.half_open.iter().filter_map(|half| match &half.stage {
            Stage::Keyed { member, .. } => Some(&**member),
            Stage::Challenged => None,
        });
        self.members.iter().chain(joining)
    }

    fn on_message(&mut self, from: Layer2Id, message: &[u8]) {
        let Some(body) = self.common.parse(from, message) else { return };
        match body {
            Body::JoinRequest(request) => self.on_request(from, &request, message),
            Body::Proof(proof) => self.on_proof(from, &proof, message),
            Body::Confirm(proven) => self.on_confirm(from, proven, message),
            Body::Leave(proven) => self.on_leave(from, proven, message),
            body => self.common.note(Note::Unexpected { from, kind: body.kind() }),
        }
    }

    fn on_confirm(&mut self, from: Layer2Id, proven: Proven, message: &[u8]) {
        let fits = |member: &Membership| {
            let pending = member.pending.as_ref().filter(|keys| keys.epoch == proven.epoch);
            member.layer2 == from
                && pending.is_some_and(|keys| {
                    let transcript = confirmed(&member.transcript, &keys.octets);
                    has_mac(&keys.kd, Kind::Confirm, &transcript, message)
                })
        };
        if let Some(at) = self.members.iter().position(fits) {
            self.common.meter(from, false, Kind::Confirm, message.len());
            let (member, epoch) = (self.members[at].identity.clone(), proven.epoch);
            self.hold(at);
            let more = self.unsent() > 0;
            self.deliveries.done(self.common.now, more);
            return self.common.event(Event::Rekeyed { member, epoch });
        }
        let joining = self.half_open.iter().position(|half| match &half.stage {
            Stage::Keyed { member, .. } => fits(member),
            Stage::Challenged => false,
        });
        let half = joining.and_then(|at| self.half_open.remove(at));
        let Some(HalfOpen { stage: Stage::Keyed { member, .. }, .. }) = half else {
            return self.common.note(Note::WrongMac { from, kind: Kind::Confirm });
        };
        self.common.meter(from, false, Kind::Confirm, message.len());
        self.admit(*member, proven.epoch);
        self.joins.done(self.common.now, !self.queue.is_empty());
    }

    /// Makes a member of a UE that has confirmed its first keys. Whoever joins again replaces itself.
    fn admit(&mut self, mut member: Membership, epoch: u32) {
        if let Some(at) = self.members.iter().position(|known| known.identity == member.identity) {
            member.held = self.members.remove(at).held;
        }
        let (identity, layer2, revocations) = (member.identity.clone(), member.layer2, member.revocations);
        self.members.push(member);
        self.hold(self.members.len() - 1);
        self.common.event(Event::Joined { member: identity, layer2, epoch, revocations });
    }

    /// Puts the keys to use that a member has confirmed.
    fn hold(&mut self, at: usize) {
        let member = &mut self.members[at];
        let Some(Pending { epoch, kd, .. }) = member.pending.take() else { return };
        let kd_id = KdId::from_halves(epoch as u16, member.slot);
        let record = KdRecord::pre_shared(kd_id, Kd::from(*kd.as_bytes()), member.identity.clone());
        let expiry = self.epoch.as_ref().map_or(0, |epoch| epoch.expiry);
        let expiry = UtcTime::from_millis(u64::from(expiry) * 1000);
        let end = expiry.min(self.common.end_of(&member.vouched));
        let replaces = member.held.replace(Held { epoch, kd, kd_id, expiry }).map(|held| held.kd_id);
        let record = KdRecord { expiry: end, vouched: Some(member.vouched.clone()), ..record };
        let key = UnicastKey { record, peer: member.layer2, replaces: replaces.filter(|id| *id != kd_id) };
        self.common.push(Output::UnicastKey(Box::new(key)));
    }

    fn on_leave(&mut self, from: Layer2Id, proven: Proven, message: &[u8]) {
        let by = |layer2: Layer2Id, transcript: &[u8; 32], held: &Held| {
            layer2 == from
                && held.epoch == proven.epoch
                && has_mac(&held.kd, Kind::Leave, transcript, message)
        };
        let at = self.members.iter().position(|member| {
            member.held.as_ref().is_some_and(|held| by(member.layer2, &member.transcript, held))
        });
        let Some(at) = at else {
            let known = self.departed.iter().position(|gone| by(gone.layer2, &gone.transcript, &gone.held));
            return match known {
                Some(at) if self.common.may_answer() => self.accept_leave(at),
                Some(_) => {}
                None => self.common.note(Note::WrongMac { from, kind: Kind::Leave }),
            };
        };
        self.common.meter(from, false, Kind::Leave, message.len());
        let Membership { layer2, transcript, held, identity, .. } = self.members.remove(at);
        if self.departed.len() >= DEPARTED {
            self.departed.pop_front();
        }
        if let Some(held) = held {
            self.forget_kd(held.kd_id, &identity);
            self.departed.push_back(Departed { layer2, transcript, held });
            self.accept_leave(self.departed.len() - 1);
        }
        self.common.event(Event::Gone { member: identity, why: Gone::Left });
        self.begin_epoch(Why::Left);
    }

    fn accept_leave(&mut self, at: usize) {
        let Departed { layer2, transcript, held } = &self.departed[at];
        let body = Body::LeaveAccept(Proven { epoch: held.epoch, mac: [0; 16] });
        let mut octets = self.common.emit(body);
        put_mac(&held.kd, Kind::LeaveAccept, transcript, &mut octets);
        let to = *layer2;
        self.common.send(to, Kind::LeaveAccept, octets);
    }

    fn expel(&mut self, identity: &Identity) -> Result<(), Error> {
        let known = self.members.iter().any(|member| member.identity == *identity);
        // Somebody in the middle of a join does not complete it.
        let before = self.half_open.len() + self.queue.len();
        self.half_open.retain(|half| half.identity != *identity);
        self.queue.retain(|asked| asked.identity != *identity);
        if !known && self.half_open.len() + self.queue.len() == before {
            return Err(Error::NoMember(identity.clone()));
        }
        self.expelled.push(identity.clone());
        self.remove_where(Gone::Expelled, Why::Expelled, |_, member| member.identity == *identity);
        Ok(())
    }
}
