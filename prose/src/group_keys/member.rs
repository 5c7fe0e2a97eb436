//! The member's side: a GMK comes.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::kdf::own;
use sidelink_security::keys::Gmk;
use sidelink_wire::group_keys as wire;
use sidelink_wire::ids::Layer2Id;

use super::Identity;
use super::config::{Acknowledgement, AdHocTrust};
use super::io::{Destination, Event, MessageKind, Path};
use super::machine::{GroupKeys, Then, source_of};
use super::note::Refusal;
use super::ports::Claim;
use super::record::{Change, GmkId, GmkRecord, GroupKind, Highest, Member, Period, Stream};

/// GMKs of one group: the one in use, and those whose activation is ahead.
const GMKS: usize = 8;

impl GroupKeys {
    /// An I_MESSAGE, of which nothing is proven.
    pub(super) fn on_gmk(&mut self, path: Path<'_>, octets: &[u8], claim: &Claim) -> Result<(), Refusal> {
        self.keyring.check_clock(self.now, &self.config).map_err(|_| Refusal::ClockWentBack)?;
        let member = claim.member.as_ref().filter(|member| self.is_local(member)).ok_or(Refusal::NotForUs)?;
        let known = self.config.groups.iter().find(|group| group.identity == claim.sender);
        let group = known.ok_or(Refusal::NotManager)?.layer2;
        let to = match path {
            Path::Link { peer, .. } => Destination::Link(peer),
            _ => Destination::Ue(source_of(path)),
        };
        if let Some(gmk_id) = self.held(group, claim.time) {
            self.acknowledge(gmk_id, to);
            return Ok(());
        }
        self.check_gmk_time(&claim.sender, group, claim.time)?;
        self.judge()?;
        let message = self.messages.open_gmk(octets, self.now)?;
        // What was opened is what was judged above.
        if message.group != claim.sender || message.time != claim.time || message.member != *member {
            return Err(Refusal::NotMikey);
        }
        if message.id.kind() != Some(GroupKind::Standard) {
            return Err(Refusal::WrongRange);
        }
        let record = GmkRecord {
            group,
            name: message.group.clone(),
            kind: GroupKind::Standard,
            maker: message.group,
            local: message.member,
            id: message.id,
            gmk: message.gmk,
            time: message.time,
            period: message.period,
            distributes: false,
            members: Vec::new(),
        };
        self.accept_gmk(record, self.config.longest_period, to)
    }

    /// The GMK of an ad-hoc group.
    pub(super) fn on_ad_hoc(&mut self, path: Path<'_>, octets: &[u8]) -> Result<(), Refusal> {
        let message = wire::AdHocGmk::parse(octets)?;
        let Path::Link { peer, identity: maker } = path else { return Err(Refusal::NotOverLink) };
        self.keyring.check_clock(self.now, &self.config).map_err(|_| Refusal::ClockWentBack)?;
        let (group, id) = (message.group, GmkId(message.gmk_id));
        let time = UtcTime::from_millis(message.time);
        let name = identity(&message.name);
        if id.kind() != Some(GroupKind::AdHoc) {
            return Err(Refusal::WrongRange);
        }
        self.check_maker(group, &name, maker)?;
        if self.held(group, time) == Some(id) {
            self.acknowledge(id, Destination::Link(peer));
            return Ok(());
        }
        let member = |(layer2, name): &(Layer2Id, wire::Name<'_>)| Member {
            identity: identity(name),
            layer2: *layer2,
        };
        let members: Vec<_> = message.members.iter().map(member).collect();
        let listed = |wanted: &Identity| members.iter().any(|member| member.identity == *wanted);
        let local = members.iter().map(|m| &m.identity).find(|identity| self.is_local(identity));
        let local = local.filter(|_| listed(maker)).ok_or(Refusal::NotListed)?.clone();
        let longest = match &self.config.me {
            Some(me) if me.identity == local => me.longest_period,
            _ => self.config.longest_period,
        };
        self.check_gmk_time(maker, group, time)?;
        let period = Period {
            activation: UtcCounter::new(message.activation),
            expiry: UtcCounter::new(message.expiry),
        };
        let record = GmkRecord {
            group,
            name,
            kind: GroupKind::AdHoc,
            maker: maker.clone(),
            local,
            id,
            gmk: Gmk::from(*message.gmk),
            time,
            period,
            distributes: false,
            members,
        };
        self.accept_gmk(record, longest, Destination::Link(peer))
    }

    /// Checks that a UE may make or change an ad-hoc group.
    fn check_maker(&self, group: Layer2Id, name: &Identity, maker: &Identity) -> Result<(), Refusal> {
        // TR 33.833 §6.3.1.3.3.3.3: must not be used to re-key a standard group
        if self.keyring.is_standard(group, name, &self.config) {
            return Err(Refusal::StandardGroup);
        }
        match &self.config.ad_hoc {
            AdHocTrust::Everyone => {}
            AdHocTrust::Listed(list) if list.contains(maker) => {}
            AdHocTrust::Listed(_) | AdHocTrust::Nobody => return Err(Refusal::NotTrusted),
        }
        let same = |r: &&GmkRecord| r.group == group || r.name == *name;
        let known = self.keyring.gmks.iter().filter(same).collect::<Vec<_>>();
        if known.iter().any(|r| r.maker != *maker || r.group != group || r.name != *name) {
            return Err(Refusal::NotMaker);
        }
        if known.is_empty() && self.keyring.groups() >= self.config.max_groups {
            return Err(Refusal::NoRoom);
        }
        Ok(())
    }

    /// Returns the GMK that a distribution of this time brought already.
    fn held(&self, group: Layer2Id, time: UtcTime) -> Option<GmkId> {
        let of = |record: &&GmkRecord| record.group == group && record.time == time && !record.distributes;
        self.keyring.gmks.iter().find(of).map(|record| record.id)
    }

    fn check_gmk_time(&self, sender: &Identity, group: Layer2Id, time: UtcTime) -> Result<(), Refusal> {
        if self.is_pending(Stream::Gmk, sender, group) {
            return Err(Refusal::Busy);
        }
        let sender = (Stream::Gmk, sender.clone(), group);
        self.keyring.check_new(&sender, time, self.now, &self.config)
    }

    /// Takes a GMK whose sender is proven.
    fn accept_gmk(&mut self, record: GmkRecord, longest: u32, to: Destination) -> Result<(), Refusal> {
        let now = self.now.counter();
        if record.period.expiry <= now {
            return Err(Refusal::Expired);
        }
        if !record.period.is_valid(now, longest.saturating_add(self.config.max_offset)) {
            return Err(Refusal::Period);
        }
        if let Some(other) = self.keyring.gmk(record.id)
            && (other.group != record.group || other.gmk != record.gmk || other.distributes)
        {
            return Err(Refusal::GmkIdInUse);
        }
        let (group, gmk_id) = (record.group, record.id);
        // Each takes its predecessor's place at its activation, unless a later one has done so before.
        if self.keyring.gmks.iter().filter(|r| r.group == group && r.id != gmk_id).count() >= GMKS {
            return Err(Refusal::NoRoom);
        }
        let sender = record.maker.clone();
        let raise = Highest { sender, group, stream: Stream::Gmk, time: record.time };
        let changes = vec![Change::Raise(raise), Change::PutGmk(record)];
        self.store(group, changes, Then::Received { group, gmk_id, to });
        Ok(())
    }

    /// Reports and acknowledges a GMK that is durable now.
    pub(super) fn received(&mut self, group: Layer2Id, gmk_id: GmkId, to: Destination) {
        let Some(record) = self.keyring.gmk(gmk_id) else { return };
        let (kind, from, period) = (record.kind, record.maker.clone(), record.period);
        self.event(Event::GmkReceived { group, kind, gmk_id, from, period });
        self.acknowledge(gmk_id, to);
    }

    fn acknowledge(&mut self, gmk_id: GmkId, to: Destination) {
        if self.config.acknowledgement == Acknowledgement::None {
            return;
        }
        let Some(record) = self.keyring.gmk(gmk_id) else { return };
        let time = record.time.millis();
        let mac = own::gmk_acknowledgement(&record.gmk, gmk_id.0, time, &record.local.value);
        let member = wire::Name { kind: record.local.kind, octets: &record.local.value };
        let ack = wire::Acknowledgement { gmk_id: gmk_id.0, time, member, mac };
        if let Ok(octets) = ack.emit() {
            self.send(to, MessageKind::Acknowledgement, false, octets);
        }
    }
}

fn identity(name: &wire::Name<'_>) -> Identity {
    Identity { kind: name.kind, value: name.octets.to_vec() }
}
