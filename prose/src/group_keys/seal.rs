//! The making of the messages that bring a GMK: encapsulations and signatures, beside the machine.
//!
//! One takes half a millisecond or more, a batch of them many: too long for the thread of a UE, which has a millisecond
//! for everything. The machine gives a [`SealJob`] away as an output, ahead of the turn of its members, and takes it back
//! done, as an input. What it makes depends on its seed alone, not on where or when it runs.

use core::fmt;
use std::sync::Arc;

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::keys::Gmk;
use sidelink_wire::ids::Layer2Id;
use zeroize::Zeroizing;

use super::Identity;
use super::distribution::Distribution;
use super::machine::GroupKeys;
use super::note::Refusal;
use super::ports::{GmkOffer, Messages};
use super::record::{GmkId, GmkRecord, GroupKind, Period};
use super::{Event, Output};

/// Members whose messages are made at once: the encapsulation of several costs less than that of each.
const BATCH: usize = 32;

/// Turns before that of a member without a message in which its message is asked for.
const AHEAD: usize = 8;

/// The messages of some members, to be made by [`SealJob::run`]. `Debug` shows no key.
pub struct SealJob {
    messages: Arc<dyn Messages>,
    group: Layer2Id,
    name: Identity,
    time: UtcTime,
    id: GmkId,
    gmk: Gmk,
    period: Period,
    members: Vec<Identity>,
    seed: Zeroizing<[u8; 32]>,
    made: Vec<Result<Zeroizing<Vec<u8>>, Refusal>>,
}

impl fmt::Debug for SealJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealJob({} messages of {} for {})", self.members.len(), self.id, self.name)
    }
}

impl SealJob {
    /// Makes the messages, each member's own where one of them cannot be made. Takes half a millisecond and more for each.
    pub fn run(&mut self) {
        let Self { messages, name, time, id, gmk, period, members, seed, .. } = self;
        let offer = GmkOffer { group: name, time: *time, id: *id, gmk, period: *period };
        let mut entropy = Entropy::new(seed);
        let all: Vec<_> = members.iter().collect();
        let first = Zeroizing::new(entropy.draw(0));
        self.made = match messages.seal_gmk(&offer, &all, &first) {
            Ok(made) => made.into_iter().map(|octets| Ok(Zeroizing::new(octets))).collect(),
            // One identity may be to blame: the others are served.
            Err(_) => {
                let alone = |(number, member): (usize, &&Identity)| {
                    let seed = Zeroizing::new(entropy.draw(1 + number as u64));
                    let made = messages.seal_gmk(&offer, &[*member], &seed)?;
                    made.into_iter().next().map(Zeroizing::new).ok_or(Refusal::NotMikey)
                };
                all.iter().enumerate().map(alone).collect()
            }
        };
    }

    /// Whether it is about this distribution.
    fn is_of(&self, distribution: &Distribution) -> bool {
        (self.group, self.id, self.time) == (distribution.group, distribution.gmk_id, distribution.time)
    }
}

impl Distribution {
    /// Returns the receivers whose messages are to be made now: some from `index` on, where the turn of one without a
    /// message is near, and no job is under way.
    fn wanted(&self, index: usize) -> Vec<usize> {
        let lacks = |i: &usize| {
            let receiver = &self.receivers[*i];
            receiver.octets.is_none() && !receiver.reached && !receiver.is_skipped
        };
        let is_near = (index..self.receivers.len()).take(AHEAD).any(|i| lacks(&i));
        if self.sealing || !is_near {
            return Vec::new();
        }
        (index..self.receivers.len()).filter(lacks).take(BATCH).collect()
    }
}

impl GroupKeys {
    /// Asks for the messages of the receivers from `index` on, where their turn is near.
    pub(super) fn seal_ahead(&mut self, at: usize, index: usize) {
        let distribution = &self.distributions[at];
        let Some(record) = self.keyring.gmk(distribution.gmk_id) else { return };
        let wanted = distribution.wanted(index);
        if record.kind == GroupKind::AdHoc || wanted.is_empty() {
            return;
        }
        let members = wanted.iter().map(|i| distribution.receivers[*i].member.identity.clone()).collect();
        let seed = Zeroizing::new(self.rng.draw(distribution.time.millis()));
        let GmkRecord { group, name, id, gmk, time, period, .. } = record;
        let job = SealJob {
            messages: Arc::clone(&self.messages),
            group: *group,
            name: name.clone(),
            time: *time,
            id: *id,
            gmk: Gmk::from(*gmk.as_bytes()),
            period: *period,
            members,
            seed,
            made: Vec::new(),
        };
        self.distributions[at].sealing = true;
        self.outbox.push_back(Output::Seal(job));
    }

    /// Takes messages that are made, and goes on where their distribution waits for them.
    pub(super) fn sealed(&mut self, job: SealJob) {
        let Some(distribution) = self.distributions.iter_mut().find(|known| job.is_of(known)) else { return };
        distribution.sealing = false;
        let mut refused = Vec::new();
        // A job that was not run gives nothing: the messages are asked for again, later.
        let pause = if job.made.is_empty() { self.config.spacing.max(1) } else { 0 };
        for (member, made) in job.members.iter().zip(job.made) {
            let of = |receiver: &&mut super::distribution::Receiver| receiver.member.identity == *member;
            let Some(receiver) = distribution.receivers.iter_mut().find(of) else { continue };
            match made {
                Ok(octets) if !receiver.reached => receiver.octets = Some(octets),
                Ok(_) => {}
                Err(why) => {
                    receiver.is_skipped = true;
                    refused.push(why);
                }
            }
        }
        if core::mem::take(&mut distribution.waits) {
            distribution.due = Some(self.now.plus_millis(pause));
        }
        let source = self.config.source;
        refused.into_iter().for_each(|why| self.event(Event::Refused { source, why }));
    }
}
