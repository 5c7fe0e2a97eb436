//! The relay: announces itself and answers solicitations. TS 24.334 §10A.2.2, §10A.2.5, §10A.2.10.

use std::collections::VecDeque;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::{Message, Mic, Refusal};
use sidelink_wire::pc5_discovery::{Content, MessageType, More, Relay, Status};

use super::{Kind, Model, ServiceKeys};
use crate::discovery::{AirTime, TimePolicy, more_telling};

/// What a relay says of itself, and how.
pub struct RelayProfile {
    /// Services with their keys. All are served under one ProSe Relay UE ID, which is the UE's own layer-2 identity.
    pub services: Vec<ServiceKeys>,
    /// User Info ID.
    pub info: [u8; 6],
    /// ProSe Relay UE ID.
    pub relay: [u8; 3],
    /// Whether it announces, answers or both.
    pub model: Model,
    /// ECGI of its cell, which it tells as additional information beside its announcements.
    pub ecgi: Option<[u8; 7]>,
    /// Largest number of solicitations that are accepted in one second.
    pub per_second: u32,
    /// Milliseconds after which an answer without a slot is dropped.
    pub patience: u64,
}

impl RelayProfile {
    /// Returns the profile of a relay that announces itself, with the limits of [`crate::discovery::DiscovereeConfig`].
    pub const fn new(services: Vec<ServiceKeys>, info: [u8; 6], relay: [u8; 3]) -> Self {
        Self { services, info, relay, model: Model::A, ecgi: None, per_second: 10, patience: 10_000 }
    }
}

/// A solicitation that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solicited {
    /// Relay Service Code.
    pub service: [u8; 3],
    /// User Info ID of the discoverer.
    pub info: [u8; 6],
    /// Whether it asks for this relay alone, as a remote UE does that measures the relay of its link.
    pub alone: bool,
}

/// What one service still says in a discovery period.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// Period of the last announcement.
    announced: Option<u64>,
    /// Period of the last additional information.
    told: Option<u64>,
    /// Since when an answer is due.
    due: Option<UtcTime>,
}

/// A solicitation that was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepted {
    counter: UtcCounter,
    mic: Mic,
    /// When it came last.
    heard_at: UtcTime,
}

/// Milliseconds after which the same solicitation counts as asked again: a discovery period has at least 320.
const AGAIN: u64 = 100;

/// Discovery of one relay.
pub struct RelayDiscovery {
    profile: RelayProfile,
    turns: Vec<Turn>,
    /// Solicitations that were accepted, against copies: of as many as can be accepted in 2 MAX_OFFSET.
    pub(super) accepted: VecDeque<Accepted>,
    pub(super) capacity: usize,
    second: UtcCounter,
    used: u32,
}

impl RelayDiscovery {
    /// Makes the discovery of a relay. Allocates its memory here.
    pub fn new(profile: RelayProfile, policy: &TimePolicy) -> Self {
        let capacity = (profile.per_second as usize * (2 * policy.max_offset as usize + 1)).max(1);
        Self {
            turns: vec![Turn::default(); profile.services.len()],
            profile,
            accepted: VecDeque::with_capacity(capacity),
            capacity,
            second: UtcCounter::new(0),
            used: 0,
        }
    }

    /// Returns the ProSe Relay UE ID.
    pub const fn relay(&self) -> [u8; 3] {
        self.profile.relay
    }

    /// Takes a message of relay discovery. An accepted solicitation is answered by a coming [`Self::message`]; one answer serves
    /// all that ask for a service in the meantime.
    ///
    /// Refused: [`Refusal::Type`] for what only remote UEs take, [`Refusal::Unknown`] for another service or relay,
    /// [`Refusal::Replay`] for a copy, [`Refusal::RateLimited`] where too many ask, and as [`ServiceKeys`] refuses.
    // TS 24.334 §10A.2.5.2
    pub fn hear(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message_type: MessageType,
        message: &Message,
    ) -> Result<Solicited, Refusal> {
        if Kind::of(message_type) != Some(Kind::Solicitation) || !self.profile.model.asks() {
            return Err(Refusal::Type);
        }
        let mut refusal = Refusal::Unknown;
        for index in 0..self.profile.services.len() {
            match self.profile.services[index].open(policy, now, message_type, message) {
                Ok(opened) => {
                    let Content::RelaySolicitation { service, info, relay } = opened.content else {
                        return Err(Refusal::Type);
                    };
                    if relay.is_some_and(|relay| relay != self.profile.relay) {
                        return Err(Refusal::Unknown);
                    }
                    self.accept(policy, now, (opened.announcement.counter, opened.announcement.mic))?;
                    self.turns[index].due.get_or_insert(now.slot);
                    return Ok(Solicited { service, info, alone: relay.is_some() });
                }
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        Err(refusal)
    }

    /// Remembers a solicitation. Within its second it is the same in every period: whoever asks again missed the answer. Later it
    /// is a copy.
    fn accept(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        (counter, mic): (UtcCounter, Mic),
    ) -> Result<(), Refusal> {
        let clock = now.prose_clock;
        self.accepted.retain(|old| old.counter.distance(clock) <= 2 * policy.max_offset);
        let known = self.accepted.iter().position(|old| old.counter == counter && old.mic == mic);
        let is_now = counter.distance(now.slot.counter()) <= 1;
        let too_soon = |at: usize| now.slot < self.accepted[at].heard_at.plus_millis(AGAIN);
        if known.is_some_and(|at| !is_now || too_soon(at)) {
            return Err(Refusal::Replay);
        }
        if clock > self.second {
            (self.second, self.used) = (clock, 0);
        }
        if self.used >= self.profile.per_second {
            return Err(Refusal::RateLimited);
        }
        match known {
            Some(at) => self.accepted[at].heard_at = now.slot,
            None if self.accepted.len() >= self.capacity => return Err(Refusal::RateLimited),
            None => self.accepted.push_back(Accepted { counter, mic, heard_at: now.slot }),
        }
        self.used += 1;
        Ok(())
    }

    /// Returns the number of messages that want a resource in a discovery period.
    pub fn wanted(&self) -> usize {
        let announces = usize::from(self.profile.model.announces());
        let each = announces + announces * usize::from(self.profile.ecgi.is_some());
        self.turns.iter().map(|turn| each + usize::from(turn.due.is_some())).sum()
    }

    /// Returns the message for a resource of this discovery period, if one is due: an answer, otherwise an announcement,
    /// otherwise additional information, the last two once a period. `status` says whether there is room for one more.
    // TS 24.334 §10A.2.2.2 (3)
    pub fn message(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        period: u64,
        status: Status,
    ) -> Option<(Kind, Result<Message, Refusal>)> {
        let RelayProfile { info, relay, model, ecgi, patience, .. } = self.profile;
        for turn in &mut self.turns {
            turn.due = turn.due.filter(|since| now.slot <= since.plus_millis(patience));
        }
        let said = |service| Relay { service, info, relay, status };
        let services = self.profile.services.iter().zip(&mut self.turns);
        let (mut announcing, mut telling) = (None, None);
        for (keys, turn) in services {
            if turn.due.take().is_some() {
                let content = Content::RelayResponse(said(keys.service()));
                return Some((Kind::Response, keys.protect(policy, now, &content)));
            }
            if !model.announces() {
                continue;
            }
            if announcing.is_none() && turn.announced != Some(period) {
                announcing = Some((keys, turn));
            } else if telling.is_none() && turn.told != Some(period) {
                telling = Some((keys, turn));
            }
        }
        if let Some((keys, turn)) = announcing {
            turn.announced = Some(period);
            let content = Content::RelayAnnouncement(said(keys.service()));
            return Some((Kind::Announcement, keys.protect(policy, now, &content)));
        }
        let ((keys, turn), ecgi) = (telling?, ecgi?);
        turn.told = Some(period);
        let (service, more) = (keys.service(), More::Ecgi(ecgi));
        let content = Content::RelayAdditionalInformation { service, relay, info, more };
        Some((Kind::AdditionalInformation, keys.protect(policy, now, &content)))
    }
}
