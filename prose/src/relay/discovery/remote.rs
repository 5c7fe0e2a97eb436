//! The remote UE: monitors announcements, solicits, and takes responses. TS 24.334 §10A.2.3, §10A.2.4, §10A.2.11.

use std::collections::BTreeMap;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::{Message, Refusal};
use sidelink_security::pdu::Assurance;
use sidelink_wire::pc5_discovery::{Content, MessageType, More, Relay};

use super::{Kind, ServiceKeys};
use crate::discovery::{AirTime, TimePolicy};

/// Relays whose newest message is remembered.
const RELAYS: usize = 64;

/// Milliseconds after a solicitation for which a response is taken.
const PATIENCE: u64 = 10_000;

/// What a message told of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The relay, by its announcement or its response.
    Relay {
        /// What it says of itself.
        relay: Relay,
        /// Which of both.
        kind: Kind,
        /// What is proven: nothing where the PSDK gives no DUIK.
        assurance: Assurance,
    },
    /// More about the relay.
    More {
        /// ProSe Relay UE ID.
        relay: [u8; 3],
        /// What it tells.
        more: More,
        /// What is proven.
        assurance: Assurance,
    },
}

/// The newest message of a relay.
#[derive(Debug, Clone, Copy)]
struct Newest {
    counter: UtcCounter,
    heard_at: UtcTime,
}

/// Discovery of one remote UE, for one service.
pub struct RemoteDiscovery {
    keys: ServiceKeys,
    info: [u8; 6],
    newest: BTreeMap<[u8; 3], Newest>,
    /// When this UE solicited last.
    asked: Option<UtcTime>,
    latest: UtcTime,
}

impl RemoteDiscovery {
    /// Makes the discovery of a UE with this User Info ID.
    pub const fn new(keys: ServiceKeys, info: [u8; 6]) -> Self {
        Self { keys, info, newest: BTreeMap::new(), asked: None, latest: UtcTime::from_millis(0) }
    }

    /// Returns the Relay Service Code.
    pub const fn service(&self) -> [u8; 3] {
        self.keys.service()
    }

    /// Takes a message of relay discovery.
    ///
    /// Refused: [`Refusal::Type`] for a solicitation, [`Refusal::Unknown`] for another service and for a response that nobody here
    /// asked for, [`Refusal::Replay`] for a message that is older than another one of the relay, [`Refusal::RateLimited`] where
    /// too many relays are remembered, and as [`ServiceKeys`] refuses.
    // TS 24.334 §10A.2.4.2 (1); TS 24.334 §10A.2.11.2
    pub fn hear(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message_type: MessageType,
        message: &Message,
    ) -> Result<Found, Refusal> {
        let kind = Kind::of(message_type).ok_or(Refusal::Type)?;
        if kind == Kind::Response && self.asked.is_none_or(|asked| now.slot > asked.plus_millis(PATIENCE)) {
            return Err(Refusal::Unknown);
        }
        let opened = self.keys.open(policy, now, message_type, message)?;
        let assurance = opened.assurance;
        let (id, found) = match opened.content {
            Content::RelayAnnouncement(relay) | Content::RelayResponse(relay) => {
                (relay.relay, Found::Relay { relay, kind, assurance })
            }
            Content::RelayAdditionalInformation { relay, more, .. } => {
                (relay, Found::More { relay, more, assurance })
            }
            _ => return Err(Refusal::Type),
        };
        self.note(policy, now, id, opened.announcement.counter)?;
        Ok(found)
    }

    /// Remembers the second of a relay's message. A full table forgets who was silent for longer than a copy could be accepted.
    fn note(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        relay: [u8; 3],
        counter: UtcCounter,
    ) -> Result<(), Refusal> {
        if self.newest.get(&relay).is_some_and(|newest| counter < newest.counter) {
            return Err(Refusal::Replay);
        }
        if self.newest.len() >= RELAYS && !self.newest.contains_key(&relay) {
            let keep = 2 * (1000 * u64::from(policy.max_offset) + policy.uncertainty_millis);
            self.newest.retain(|_, newest| newest.heard_at.plus_millis(keep) >= now.slot);
            if self.newest.len() >= RELAYS {
                return Err(Refusal::RateLimited);
            }
        }
        self.newest.insert(relay, Newest { counter, heard_at: now.slot });
        Ok(())
    }

    /// Returns the solicitation for the slot of `now`: of any relay of the service, or of one alone, which is measured.
    ///
    /// Refused: [`Refusal::Clock`] where the clock went back, and as [`ServiceKeys`] refuses.
    pub fn solicit(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        relay: Option<[u8; 3]>,
    ) -> Result<Message, Refusal> {
        if now.slot < self.latest {
            return Err(Refusal::Clock);
        }
        let content = Content::RelaySolicitation { service: self.keys.service(), info: self.info, relay };
        let message = self.keys.protect(policy, now, &content)?;
        (self.latest, self.asked) = (now.slot, Some(now.slot));
        Ok(message)
    }
}
