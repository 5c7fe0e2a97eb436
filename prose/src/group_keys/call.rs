//! Calls: a session key under the GMK, announced again and again, and the members that join.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::kdf::own;
use sidelink_security::keys::{Gsk, Pgk};
use sidelink_wire::ids::Layer2Id;
use zeroize::Zeroizing;

use super::io::{Call, Destination, Error, Event, MessageKind, Path};
use super::machine::{GroupKeys, Then, call_of};
use super::note::Refusal;
use super::ports::{CallMessage, Claim};
use super::record::{CallRecord, Change, CsbId, GmkId, Highest, Stream};

/// PGK indexes of a group: 5 bits, without 0, which marks PDUs that are not protected. TS 36.323 §5.6.1.
const INDEXES: std::ops::RangeInclusive<u8> = 1..=31;

/// A call of this UE.
#[derive(Debug)]
pub(super) struct Announcing {
    call: Call,
    /// The session key, for announcements that are made anew.
    gsk: Gsk,
    validity: (UtcCounter, UtcCounter),
    octets: Vec<u8>,
    /// Time of the announcement.
    time: UtcTime,
    /// When it is sent again; `None` before the call starts.
    due: Option<UtcTime>,
}

impl Announcing {
    pub(super) fn is(&self, call: &Call) -> bool {
        (self.call.group, self.call.csb_id) == (call.group, call.csb_id)
    }

    pub(super) const fn is_prepared(&self) -> bool {
        self.due.is_none()
    }

    pub(super) const fn deadline(&self) -> Option<UtcTime> {
        self.due
    }
}

impl GroupKeys {
    pub(super) fn start_call(&mut self, group: Layer2Id) -> Result<(), Error> {
        self.check_clock()?;
        let Some(at) = self.announcing.iter().position(|own| own.call.group == group) else {
            return self.make_call(group, false);
        };
        let own = &self.announcing[at];
        if !own.is_prepared() {
            return Err(Error::InCall(own.call.csb_id));
        }
        let current = self.keyring.current(group, self.now.counter()).map(|record| record.id);
        // Some seconds before the members refuse it.
        let oldest = self.config.call_age.saturating_sub(2 * self.config.repeat);
        let age = self.now.millis().saturating_sub(own.time.millis());
        if age <= oldest && current == Some(own.call.gmk_id) {
            let announcing = self.announcing.remove(at);
            self.announce(announcing, false);
            return Ok(());
        }
        let call = self.announcing.remove(at).call;
        let removed = Change::RemoveCall(call.group, call.csb_id);
        self.keyring.apply(removed.copy());
        self.heard.remove(&(call.group, call.csb_id));
        self.store(group, vec![removed], Then::Nothing);
        self.make_call(group, false)
    }

    /// Makes a call, and requests that its key becomes durable.
    pub(super) fn make_call(&mut self, group: Layer2Id, prepared: bool) -> Result<(), Error> {
        self.check_clock()?;
        if let Some(own) = self.announcing.iter().find(|own| own.call.group == group) {
            return Err(Error::InCall(own.call.csb_id));
        }
        let now = self.now.counter();
        // TR 33.833 §6.3.1.3.3.3.3: a GMK that has expired is used no longer
        let record = self.keyring.current(group, now).ok_or(Error::NoGmk(group))?;
        let (gmk_id, caller) = (record.id, record.local.clone());
        let expiry = record.period.expiry.min(now.plus(self.config.longest_call));
        if !self.may_call(gmk_id, &caller) {
            return Err(Error::NotMember(group));
        }
        if self.is_pending(Stream::Call, &caller, group) {
            return Err(Error::Busy(group));
        }
        let index = self.free_index(group).ok_or(Error::NoFreePgkId(group))?;
        let time = self.keyring.next_time(&(Stream::Call, caller.clone(), group), self.now);
        let random = Zeroizing::new(self.rng.draw(time.millis()));
        let mut gsk = Zeroizing::new([0; Gsk::OCTETS]);
        gsk.copy_from_slice(&random[..Gsk::OCTETS]);
        let csb_id = CsbId::new(now, index);
        let call = Call { group, csb_id, gmk_id, caller };
        let announcing = Announcing {
            call,
            gsk: Gsk::from(*gsk),
            validity: (now, expiry),
            octets: Vec::new(),
            time,
            due: None,
        };
        let seed = Zeroizing::new(self.rng.draw(time.millis()));
        let octets = self.seal(&announcing, time, &seed).map_err(Error::Refused)?;
        let announcing = Box::new(Announcing { octets, ..announcing });
        let changes = vec![self.raise(&announcing.call, time), Change::PutCall(record_of(&announcing))];
        self.store(group, changes, Then::Announce { announcing, prepared });
        Ok(())
    }

    pub(super) fn end_call(&mut self, group: Layer2Id) -> Result<(), Error> {
        let of = |own: &Announcing| own.call.group == group && !own.is_prepared();
        let own = self.announcing.iter().find(|own| of(own)).ok_or(Error::NoCall(group))?;
        let call = own.call.clone();
        let removed = Change::RemoveCall(group, call.csb_id);
        self.forget_call(call);
        self.store(group, vec![removed], Then::Nothing);
        Ok(())
    }

    /// Returns a PGK index that no call in progress has, one that no call has if there is one.
    fn free_index(&self, group: Layer2Id) -> Option<u8> {
        let of = |index: u8| {
            self.keyring.calls.iter().find(move |c| c.group == group && c.csb_id.index() == index)
        };
        let unused = INDEXES.clone().filter(|index| of(*index).is_none());
        // Another UE may look for one at the same moment: each begins at another place.
        let start = self.config.source.octets()[2] % 31;
        let next = |index: &u8| (*index + 31 - 1 - start) % 31;
        unused.min_by_key(next).or_else(|| {
            let mut silent =
                INDEXES.clone().filter(|index| of(*index).is_some_and(|call| !self.is_live(call)));
            silent.next()
        })
    }

    /// Whether a call was announced lately.
    fn is_live(&self, call: &CallRecord) -> bool {
        let heard = self.heard.get(&(call.group, call.csb_id));
        heard.is_some_and(|heard| self.now < heard.plus_millis(self.config.call_silence))
    }

    fn seal(&self, own: &Announcing, time: UtcTime, seed: &[u8; 32]) -> Result<Vec<u8>, Refusal> {
        let record = self.keyring.gmk(own.call.gmk_id).ok_or(Refusal::UnknownGmk)?;
        let message = CallMessage {
            caller: own.call.caller.clone(),
            time,
            csb_id: own.call.csb_id,
            gmk_id: own.call.gmk_id,
            gsk: Gsk::from(*own.gsk.as_bytes()),
        };
        self.messages.seal_call(&message, &record.gmk, seed)
    }

    fn raise(&self, call: &Call, time: UtcTime) -> Change {
        let sender = call.caller.clone();
        Change::Raise(Highest { sender, group: call.group, stream: Stream::Call, time })
    }

    /// Announces a call that is durable now, or keeps it for the command that starts it.
    pub(super) fn announce(&mut self, announcing: Announcing, prepared: bool) {
        let call = announcing.call.clone();
        if self.ended_meanwhile(call.group, call.csb_id) {
            return;
        }
        if prepared {
            self.announcing.push(announcing);
            return;
        }
        let due = Some(self.now.plus_millis(self.config.repeat.max(1)));
        self.heard.insert((call.group, call.csb_id), self.now);
        let octets = announcing.octets.clone();
        self.announcing.push(Announcing { due, ..announcing });
        self.send(Destination::Group(call.group), MessageKind::Call, false, octets);
        self.install(call.group, call.csb_id);
        self.event(Event::CallStarted(call));
    }

    /// Whether the GMK of a call was over before the call was durable: then the call is removed.
    fn ended_meanwhile(&mut self, group: Layer2Id, csb_id: CsbId) -> bool {
        let Some(call) = self.keyring.call(group, csb_id) else { return true };
        if self.keyring.gmk(call.gmk_id).is_some() {
            return false;
        }
        self.keyring.apply(Change::RemoveCall(group, csb_id));
        self.heard.remove(&(group, csb_id));
        self.store(group, vec![Change::RemoveCall(group, csb_id)], Then::Nothing);
        true
    }

    /// Announces calls again, for those who come late.
    pub(super) fn run_announcements(&mut self) {
        for at in 0..self.announcing.len() {
            let own = &mut self.announcing[at];
            if own.due.is_none_or(|due| self.now < due) {
                continue;
            }
            own.due = Some(self.now.plus_millis(self.config.repeat.max(1)));
            let (call, octets) = (own.call.clone(), own.octets.clone());
            let age = self.now.millis().saturating_sub(own.time.millis());
            self.heard.insert((call.group, call.csb_id), self.now);
            if age < self.config.call_age {
                self.send(Destination::Group(call.group), MessageKind::Call, true, octets);
            }
            if age >= self.config.refresh && !self.is_pending(Stream::Call, &call.caller, call.group) {
                self.refresh(at);
            }
        }
    }

    /// Makes the announcement of a call anew: with the same key, and a later time.
    fn refresh(&mut self, at: usize) {
        let call = self.announcing[at].call.clone();
        let sender = (Stream::Call, call.caller.clone(), call.group);
        let time = self.keyring.next_time(&sender, self.now);
        let seed = Zeroizing::new(self.rng.draw(time.millis()));
        match self.seal(&self.announcing[at], time, &seed) {
            Ok(octets) => {
                let changes = vec![self.raise(&call, time)];
                self.store(call.group, changes, Then::Refresh { group: call.group, octets, time });
            }
            Err(why) => self.event(Event::Refused { source: self.config.source, why }),
        }
    }

    pub(super) fn refreshed(&mut self, group: Layer2Id, octets: Vec<u8>, time: UtcTime) {
        if let Some(own) = self.announcing.iter_mut().find(|own| own.call.group == group) {
            (own.octets, own.time) = (octets, time);
        }
    }

    /// A message that announces a call, of which nothing is proven.
    pub(super) fn on_call(&mut self, path: Path<'_>, octets: &[u8], claim: &Claim) -> Result<(), Refusal> {
        self.keyring.check_clock(self.now, &self.config).map_err(|_| Refusal::ClockWentBack)?;
        let gmk_id = claim.gmk_id.ok_or(Refusal::UnknownGmk)?;
        let (group, expiry) = self.check_gmk_of_call(path, gmk_id)?;
        if self.is_local(&claim.sender) {
            return Err(Refusal::Reflected);
        }
        if self.is_repetition(group, claim) {
            self.heard.insert((group, claim.csb_id), self.now);
            return Ok(());
        }
        if self.now.millis().saturating_sub(claim.time.millis()) > self.config.call_age {
            return Err(Refusal::TooOld);
        }
        let sender = (Stream::Call, claim.sender.clone(), group);
        if self.is_pending(Stream::Call, &claim.sender, group) {
            return Err(Refusal::Busy);
        }
        self.keyring.check_new(&sender, claim.time, self.now, &self.config)?;
        // The name is not proven yet: whoever is not on the list costs nothing.
        if !self.may_call(gmk_id, &claim.sender) {
            return Err(Refusal::NotOnList);
        }
        self.judge()?;
        let record = self.keyring.gmk(gmk_id).ok_or(Refusal::UnknownGmk)?;
        let message = self.messages.open_call(octets, &record.gmk, self.now)?;
        // What was opened is what was judged above.
        if (&message.caller, message.time, message.csb_id) != (&claim.sender, claim.time, claim.csb_id) {
            return Err(Refusal::NotMikey);
        }
        self.accept_call(group, message, expiry)
    }

    /// Returns the group of the GMK of a call, and the end of its period.
    fn check_gmk_of_call(&self, path: Path<'_>, gmk_id: GmkId) -> Result<(Layer2Id, UtcCounter), Refusal> {
        let record = self.keyring.gmk(gmk_id).ok_or(Refusal::UnknownGmk)?;
        if matches!(path, Path::Group { group, .. } if group != record.group) {
            return Err(Refusal::OtherGroup);
        }
        let now = self.now.counter();
        if record.period.expiry <= now {
            return Err(Refusal::Expired);
        }
        if record.period.activation > now.plus(self.config.max_offset) {
            return Err(Refusal::NotActive);
        }
        Ok((record.group, record.period.expiry))
    }

    /// Whether a message announces once more a call that was joined with it.
    fn is_repetition(&self, group: Layer2Id, claim: &Claim) -> bool {
        let call = self.keyring.call(group, claim.csb_id);
        call.is_some_and(|call| call.caller == claim.sender && call.time == claim.time)
    }

    /// Joins a call whose caller is proven.
    fn accept_call(
        &mut self,
        group: Layer2Id,
        message: CallMessage,
        gmk_expiry: UtcCounter,
    ) -> Result<(), Refusal> {
        let CallMessage { caller, time, csb_id, gmk_id, gsk } = message;
        let longest = self.config.longest_call;
        let since = csb_id.begins(time.counter(), longest).ok_or(Refusal::Period)?;
        let expiry = gmk_expiry.min(since.plus(longest));
        if expiry <= self.now.counter() || !INDEXES.contains(&csb_id.index()) {
            return Err(Refusal::Period);
        }
        let pgk = own::pgk_of_call(&gsk, csb_id.0, gmk_id.0);
        let may_send = !self.keyring.may_have_sent(since, &self.config);
        let since = since.min(self.now.counter());
        let mut record = CallRecord { group, csb_id, gmk_id, caller, time, pgk, since, expiry, may_send };
        let known = self.keyring.call(group, csb_id);
        let same = known.is_some_and(|known| known.pgk == record.pgk && known.caller == record.caller);
        match known {
            // Announced anew: what it may do stays as it is.
            Some(known) if same => {
                record.may_send = known.may_send;
            }
            _ => self.make_room(&record)?,
        }
        let raise = Highest { sender: record.caller.clone(), group, stream: Stream::Call, time };
        let mut changes = vec![Change::Raise(raise)];
        if !same {
            // A UE announces one call at a time: with the next one the last has ended.
            let of = |call: &&CallRecord| call.group == group && call.caller == record.caller;
            let before: Vec<_> = self.keyring.calls.iter().filter(of).map(call_of).collect();
            for call in before {
                changes.push(Change::RemoveCall(group, call.csb_id));
                self.forget_call(call);
            }
        }
        changes.push(Change::PutCall(record));
        self.store(group, changes, Then::Join { group, csb_id, known: same });
        Ok(())
    }

    /// Makes the PGK index of a call free. Of two calls in progress the one that began earlier stays, at every member.
    fn make_room(&mut self, new: &CallRecord) -> Result<(), Refusal> {
        let place = |call: &&CallRecord| call.group == new.group && call.csb_id.index() == new.csb_id.index();
        let Some(old) = self.keyring.calls.iter().find(place) else { return Ok(()) };
        let earlier = (old.since, &old.caller) <= (new.since, &new.caller) && old.caller != new.caller;
        if self.is_live(old) && earlier {
            return Err(Refusal::IndexInUse);
        }
        let call = call_of(old);
        self.forget_call(call);
        Ok(())
    }

    /// Reports a call that was joined, and is durable now.
    pub(super) fn joined(&mut self, group: Layer2Id, csb_id: CsbId, known: bool) {
        self.heard.insert((group, csb_id), self.now);
        if known {
            return;
        }
        if self.ended_meanwhile(group, csb_id) {
            return;
        }
        let Some(record) = self.keyring.call(group, csb_id) else { return };
        let age = self.now.millis().saturating_sub(record.time.millis());
        let call = call_of(record);
        self.install(group, csb_id);
        self.event(Event::CallJoined { call, age });
    }
}

/// Returns what is kept of a call of this UE.
fn record_of(own: &Announcing) -> CallRecord {
    let Call { group, csb_id, gmk_id, caller } = own.call.clone();
    let pgk: Pgk = own::pgk_of_call(&own.gsk, csb_id.0, gmk_id.0);
    let (since, expiry) = own.validity;
    CallRecord { group, csb_id, gmk_id, caller, time: own.time, pgk, since, expiry, may_send: true }
}
