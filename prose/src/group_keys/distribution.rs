//! The distribution of a GMK: by the manager of a standard group, or the maker of an ad-hoc group.
//!
//! Each round sends the GMK to every member that has not acknowledged it. The rounds go on, at growing intervals, until
//! all have, or the period of the GMK is over. After a crash the distribution begins again with the GMK that is kept:
//! members that have it acknowledge it once more.

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::own;
use sidelink_security::keys::Gmk;
use sidelink_wire::group_keys as wire;
use sidelink_wire::ids::Layer2Id;
use zeroize::Zeroizing;

use super::Identity;
use super::config::{Acknowledgement, Config};
use super::io::{Destination, Error, Event, LocalIdentity, MessageKind, Output, Path};
use super::machine::{GroupKeys, Then};
use super::note::Refusal;
use super::record::{Change, GmkId, GmkRecord, GroupKind, Highest, Member, Period, Stream};
use crate::direct_link::MAX_IDENTITY;

/// One member in a distribution.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) member: Member,
    /// Its message, once it was made.
    pub(super) octets: Option<Zeroizing<Vec<u8>>>,
    /// Whether its message could not be made: it is tried again in the next round.
    pub(super) is_skipped: bool,
    sent: bool,
    pub(super) reached: bool,
}

/// A distribution in progress.
#[derive(Debug)]
pub(super) struct Distribution {
    pub(super) group: Layer2Id,
    pub(super) gmk_id: GmkId,
    kind: GroupKind,
    pub(super) time: UtcTime,
    pub(super) receivers: Vec<Receiver>,
    /// The receiver that is next in this round.
    next: usize,
    round: u32,
    pub(super) due: Option<UtcTime>,
    /// Whether messages are being made.
    pub(super) sealing: bool,
    /// Whether the next receiver waits for its message.
    pub(super) waits: bool,
}

impl Distribution {
    /// Makes the distribution of a GMK that is durable.
    pub(super) fn new(record: &GmkRecord, now: UtcTime) -> Self {
        let others = record.members.iter().filter(|member| member.identity != record.local);
        let receiver = |member: &Member| Receiver {
            member: member.clone(),
            octets: None,
            is_skipped: false,
            sent: false,
            reached: false,
        };
        Self {
            group: record.group,
            gmk_id: record.id,
            kind: record.kind,
            time: record.time,
            receivers: others.map(receiver).collect(),
            next: 0,
            round: 1,
            due: Some(now),
            sealing: false,
            waits: false,
        }
    }

    pub(super) fn missing(&self) -> usize {
        self.receivers.iter().filter(|receiver| !receiver.reached).count()
    }

    pub(super) const fn deadline(&self) -> Option<UtcTime> {
        self.due
    }

    /// Returns the next receiver of this round.
    fn turn(&mut self) -> Option<usize> {
        let left = self.receivers.get(self.next..)?;
        let index = self.next + left.iter().position(|receiver| !receiver.reached)?;
        self.next = index + 1;
        Some(index)
    }

    /// Ends a round, and returns the pause until the next; `None` where there is none.
    fn end_round(&mut self, config: &Config) -> Option<u64> {
        let blind = config.acknowledgement == Acknowledgement::None && self.round >= config.blind_rounds;
        if blind || self.missing() == 0 {
            return None;
        }
        let doublings = self.round.saturating_sub(config.quick_rounds).min(16);
        self.next = 0;
        self.round = self.round.saturating_add(1);
        Some((config.pause << doublings).min(config.longest_pause))
    }
}

impl GroupKeys {
    pub(super) fn distribute(
        &mut self,
        group: Layer2Id,
        members: &[Member],
        period: Period,
    ) -> Result<(), Error> {
        let known = self.config.groups.iter().find(|known| known.layer2 == group);
        let name = known.ok_or(Error::UnknownGroup(group))?.identity.clone();
        if !self.messages.may_sign(&name, self.now) {
            return Err(Error::NotManager(group));
        }
        check_members(members, self.config.members)?;
        let made = Made {
            group,
            local: self.config.identity.clone(),
            maker: name.clone(),
            name,
            kind: GroupKind::Standard,
            members: members.to_vec(),
            period,
        };
        self.make_gmk(made, self.config.longest_period)
    }

    pub(super) fn create_ad_hoc(
        &mut self,
        group: Layer2Id,
        name: &Identity,
        members: &[Member],
        period: Period,
        identity: LocalIdentity,
    ) -> Result<(), Error> {
        let (local, longest) = match (identity, &self.config.me) {
            (LocalIdentity::User, _) => (self.config.identity.clone(), self.config.longest_period),
            (LocalIdentity::Me, Some(me)) => (me.identity.clone(), me.longest_period),
            (LocalIdentity::Me, None) => return Err(Error::NoMeIdentity),
        };
        let len = name.value.len();
        if !(1..=MAX_IDENTITY).contains(&len) {
            return Err(Error::IdentityLength { len });
        }
        let exists = self.keyring.gmks.iter().any(|r| r.group == group || r.name == *name);
        if exists || self.keyring.is_standard(group, name, &self.config) {
            return Err(Error::GroupExists(group));
        }
        if self.keyring.groups() >= self.config.max_groups {
            return Err(Error::TooManyGroups { max: self.config.max_groups });
        }
        let mut all = vec![Member { identity: local.clone(), layer2: self.config.source }];
        all.extend_from_slice(members);
        check_members(&all, self.config.ad_hoc_members.min(wire::MAX_MEMBERS))?;
        let made = Made {
            group,
            name: name.clone(),
            maker: local.clone(),
            local,
            kind: GroupKind::AdHoc,
            members: all,
            period,
        };
        self.make_gmk(made, longest)
    }

    pub(super) fn rekey(
        &mut self,
        group: Layer2Id,
        without: &[Identity],
        period: Period,
    ) -> Result<(), Error> {
        let record = self.keyring.latest_gmk(group).ok_or(Error::NoGmk(group))?;
        if !record.distributes {
            return Err(Error::NotManager(group));
        }
        let stays = |member: &&Member| !without.contains(&member.identity);
        let members: Vec<_> = record.members.iter().filter(stays).cloned().collect();
        check_members(&members, self.config.members)?;
        let of_me = self.local_kind(&record.local) == LocalIdentity::Me;
        let longest = match &self.config.me {
            Some(me) if of_me => me.longest_period,
            _ => self.config.longest_period,
        };
        let made = Made {
            group,
            name: record.name.clone(),
            maker: record.maker.clone(),
            local: record.local.clone(),
            kind: record.kind,
            members,
            period,
        };
        if made.kind == GroupKind::Standard && !self.messages.may_sign(&made.name, self.now) {
            return Err(Error::NotManager(group));
        }
        self.make_gmk(made, longest)
    }

    /// Makes a GMK, and requests that it becomes durable.
    fn make_gmk(&mut self, made: Made, longest: u32) -> Result<(), Error> {
        self.check_clock()?;
        if !made.period.is_valid(self.now.counter(), longest) {
            return Err(Error::Period { max: longest });
        }
        if self.is_pending(Stream::Gmk, &made.maker, made.group) {
            return Err(Error::Busy(made.group));
        }
        let time = self.keyring.next_time(&(Stream::Gmk, made.maker.clone(), made.group), self.now);
        let random = Zeroizing::new(self.rng.draw(time.millis()));
        let mut gmk = Zeroizing::new([0; Gmk::OCTETS]);
        gmk.copy_from_slice(&random[..Gmk::OCTETS]);
        let id = loop {
            let [a, b, c, d, ..] = self.rng.draw(time.millis());
            let id = GmkId::new(made.kind, u32::from_be_bytes([a, b, c, d]));
            if self.keyring.gmk(id).is_none() {
                break id;
            }
        };
        let Made { group, name, maker, local, kind, members, period } = made;
        let raise = Highest { sender: maker.clone(), group, stream: Stream::Gmk, time };
        let gmk = Gmk::from(*gmk);
        let distributes = true;
        let record =
            GmkRecord { group, name, kind, maker, local, id, gmk, time, period, distributes, members };
        let changes = vec![Change::PutGmk(record), Change::Raise(raise)];
        self.store(group, changes, Then::Distribute { group, gmk_id: id });
        Ok(())
    }

    /// Begins to distribute a GMK that is durable now.
    pub(super) fn begin_distribution(&mut self, group: Layer2Id, gmk_id: GmkId) {
        let Some(record) = self.keyring.gmk(gmk_id) else { return };
        let distribution = Distribution::new(record, self.now);
        let members = distribution.missing();
        self.distributions.retain(|other| other.group != group);
        self.distributions.push(distribution);
        self.event(Event::Distributing { group, gmk_id, members });
    }

    pub(super) fn run_distributions(&mut self) {
        for at in 0..self.distributions.len() {
            while self.distributions[at].due.is_some_and(|due| due <= self.now) {
                let distribution = &mut self.distributions[at];
                let (group, gmk_id) = (distribution.group, distribution.gmk_id);
                match distribution.turn() {
                    Some(index) => {
                        distribution.due = Some(self.now.plus_millis(self.config.spacing.max(1)));
                        self.send_gmk(at, index);
                    }
                    None => {
                        let round = distribution.round;
                        let pause = distribution.end_round(&self.config);
                        distribution.due = pause.map(|pause| self.now.plus_millis(pause.max(1)));
                        let missing = distribution.missing();
                        self.event(Event::Round { group, gmk_id, round, missing });
                    }
                }
            }
        }
    }

    /// Sends a GMK to one receiver, or asks for the link to it.
    fn send_gmk(&mut self, at: usize, index: usize) {
        let distribution = &self.distributions[at];
        let Member { identity, layer2 } = distribution.receivers[index].member.clone();
        let (to, kind) = match distribution.kind {
            GroupKind::Standard => (Destination::Ue(layer2), MessageKind::Gmk),
            GroupKind::AdHoc if self.links.get(&layer2) == Some(&identity) => {
                (Destination::Link(layer2), MessageKind::AdHocGmk)
            }
            GroupKind::AdHoc => {
                let local =
                    self.keyring.gmk(distribution.gmk_id).map(|record| self.local_kind(&record.local));
                let local = local.unwrap_or_default();
                self.outbox.push_back(Output::Connect { peer: layer2, identity, local });
                return;
            }
        };
        if !self.has_message(at, index) {
            return;
        }
        let receiver = &mut self.distributions[at].receivers[index];
        let repetition = std::mem::replace(&mut receiver.sent, true);
        if let Some(octets) = receiver.octets.as_ref().map(|octets| octets.to_vec()) {
            self.send(to, kind, repetition, octets);
        }
    }

    /// Whether the message of a receiver is there. Where it is being made, the distribution waits for it.
    fn has_message(&mut self, at: usize, index: usize) -> bool {
        let distribution = &mut self.distributions[at];
        let receiver = &mut distribution.receivers[index];
        if std::mem::take(&mut receiver.is_skipped) {
            return false;
        }
        if receiver.octets.is_none() && distribution.kind == GroupKind::AdHoc {
            let made = self.keyring.gmk(distribution.gmk_id).ok_or(Refusal::UnknownGmk).and_then(ad_hoc_gmk);
            match made {
                Ok(octets) => receiver.octets = Some(Zeroizing::new(octets)),
                Err(why) => self.event(Event::Refused { source: self.config.source, why }),
            }
        }
        self.seal_ahead(at, index);
        let distribution = &mut self.distributions[at];
        let is_there = distribution.receivers[index].octets.is_some();
        if !is_there && distribution.sealing {
            (distribution.next, distribution.due, distribution.waits) = (index, None, true);
        }
        is_there
    }

    /// Sends what waited for a link.
    pub(super) fn on_link_up(&mut self, peer: Layer2Id) {
        for at in 0..self.distributions.len() {
            let distribution = &self.distributions[at];
            let waits = |r: &Receiver| r.member.layer2 == peer && !r.reached;
            if distribution.kind == GroupKind::AdHoc
                && let Some(index) = distribution.receivers.iter().position(waits)
                && self.links.get(&peer) == Some(&distribution.receivers[index].member.identity)
            {
                self.send_gmk(at, index);
            }
        }
    }

    pub(super) fn on_acknowledgement(&mut self, path: Path<'_>, octets: &[u8]) -> Result<(), Refusal> {
        let ack = wire::Acknowledgement::parse(octets)?;
        let member = Identity { kind: ack.member.kind, value: ack.member.octets.to_vec() };
        let gmk_id = GmkId(ack.gmk_id);
        let of = |d: &Distribution| d.gmk_id == gmk_id && d.time.millis() == ack.time;
        let at = self.distributions.iter().position(of).ok_or(Refusal::NotAsked)?;
        let record = self.keyring.gmk(gmk_id).ok_or(Refusal::NotAsked)?;
        if record.kind == GroupKind::AdHoc
            && !matches!(path, Path::Link { identity, .. } if *identity == member)
        {
            return Err(Refusal::NotOverLink);
        }
        own::verify_gmk_acknowledgement(&record.gmk, gmk_id.0, ack.time, &member.value, &ack.mac)
            .map_err(|_| Refusal::Mac)?;
        let distribution = &mut self.distributions[at];
        let of = |receiver: &&mut Receiver| receiver.member.identity == member;
        let receiver = distribution.receivers.iter_mut().find(of).ok_or(Refusal::NotOnList)?;
        if std::mem::replace(&mut receiver.reached, true) {
            return Ok(());
        }
        receiver.octets = None;
        let (group, missing) = (distribution.group, distribution.missing());
        let millis = self.now.millis().saturating_sub(distribution.time.millis());
        if missing == 0 {
            distribution.due = None;
        }
        self.event(Event::Reached { group, gmk_id, member });
        if missing == 0 {
            self.event(Event::Complete { group, gmk_id, millis });
        }
        Ok(())
    }
}

/// What a GMK is made for.
struct Made {
    group: Layer2Id,
    name: Identity,
    maker: Identity,
    local: Identity,
    kind: GroupKind,
    members: Vec<Member>,
    period: Period,
}

/// Returns the message of an ad-hoc GMK.
fn ad_hoc_gmk(record: &GmkRecord) -> Result<Vec<u8>, Refusal> {
    let name = |identity: &Identity| -> (u8, Vec<u8>) { (identity.kind, identity.value.clone()) };
    let names: Vec<_> = record.members.iter().map(|m| (m.layer2, name(&m.identity))).collect();
    let members = names.iter().map(|(layer2, (kind, octets))| (*layer2, wire::Name { kind: *kind, octets }));
    let message = wire::AdHocGmk {
        group: record.group,
        gmk_id: record.id.0,
        time: record.time.millis(),
        activation: record.period.activation.value(),
        expiry: record.period.expiry.value(),
        gmk: record.gmk.as_bytes(),
        name: wire::Name { kind: record.name.kind, octets: &record.name.value },
        members: members.collect(),
    };
    Ok(message.emit()?)
}

/// Checks a list of members.
fn check_members(members: &[Member], max: usize) -> Result<(), Error> {
    if members.is_empty() || members.len() > max {
        return Err(Error::Members { given: members.len(), max });
    }
    if let Some(wrong) = members.iter().find(|m| !(1..=MAX_IDENTITY).contains(&m.identity.value.len())) {
        return Err(Error::IdentityLength { len: wrong.identity.value.len() });
    }
    let mut identities: Vec<_> = members.iter().map(|member| &member.identity).collect();
    identities.sort_unstable();
    let twice = identities.windows(2).find(|pair| pair[0] == pair[1]);
    let mut addresses: Vec<_> = members.iter().map(|member| (member.layer2, &member.identity)).collect();
    addresses.sort_unstable();
    let same = addresses.windows(2).find(|pair| pair[0].0 == pair[1].0);
    match twice.map(|pair| pair[0]).or(same.map(|pair| pair[0].1)) {
        Some(identity) => Err(Error::MemberTwice(identity.clone())),
        None => Ok(()),
    }
}
