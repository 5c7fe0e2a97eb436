//! Discoverer and discoveree, model B: a query is sent, and the addressed UE responds.

use std::collections::VecDeque;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::request_response::{
    AnsweredRequests, Pending, RateLimit, Session, Solicitation,
};
use sidelink_security::discovery::restricted::{Received, Receiver, Sender};
use sidelink_security::discovery::{Announcement, Code, Message, Mic, Refusal, Verified};

use super::monitor::Finding;
use super::{AirTime, TimePolicy, more_telling};
use sidelink_wire as wire;
use sidelink_wire::pc5_discovery::{Content, LEN, MessageType, Repr};

/// Number of pending queries of one discoverer.
const PENDING: usize = 4;
/// Number of responses that are remembered, to detect copies.
const ANSWERS: usize = 16;

/// Form of the queries of a discoverer.
// One per query, built once.
#[allow(clippy::large_enum_variant)]
pub enum Asking {
    /// By a pre-shared secret (TR 33.833 §6.2.2).
    Preshared(Session),
    /// By the material of restricted discovery: one to send the query, one to receive the response.
    Restricted {
        /// The query or solicitation.
        query: Content,
        /// Its material.
        sender: Sender,
        /// Material and filters of the response.
        receiver: Receiver,
        /// The message type of the response.
        response: MessageType,
    },
}

/// Discoverer: one query, sent as often as the pool allows.
pub struct Discoverer {
    asking: Asking,
    valid_until: UtcCounter,
    /// Time for which a response is accepted, milliseconds.
    patience_millis: u64,
    pending: VecDeque<(Option<Pending>, UtcTime)>,
    answers: VecDeque<Mic>,
    latest: UtcTime,
}

impl Discoverer {
    /// Makes a discoverer that queries until `valid_until`; a response is accepted up to `patience_millis` after its
    /// query.
    pub fn new(asking: Asking, valid_until: UtcCounter, patience_millis: u64) -> Self {
        Self {
            asking,
            valid_until,
            patience_millis,
            pending: VecDeque::with_capacity(PENDING),
            answers: VecDeque::with_capacity(ANSWERS),
            latest: UtcTime::from_millis(0),
        }
    }

    /// Returns the query for the slot of `now`. Refused as [`Announcer::announce`](super::Announcer::announce).
    // TS 33.303 §6.1.3.4.2.2 step 12
    pub fn solicit(&mut self, policy: &TimePolicy, now: &AirTime) -> Result<Message, Refusal> {
        let freshness = policy.freshness(now);
        if freshness.slot >= self.valid_until {
            return Err(Refusal::Expired);
        }
        if now.slot < self.latest {
            return Err(Refusal::Clock);
        }
        let (message, pending) = match &self.asking {
            Asking::Preshared(session) => {
                let (message, pending) = session.solicit(&freshness)?;
                (message, Some(pending))
            }
            Asking::Restricted { query, sender, .. } => {
                let mut message = plain(query)?;
                sender.protect(&freshness, &mut message)?;
                (message, None)
            }
        };
        if self.pending.len() == PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back((pending, now.slot));
        self.latest = now.slot;
        Ok(message)
    }

    /// Checks a message as a response. [`Refusal::Unknown`] when no query is pending.
    pub fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message_type: MessageType,
        message: &Message,
    ) -> Result<Finding, Refusal> {
        let freshness = policy.freshness(now);
        let patience = self.patience_millis;
        let mut awaited =
            self.pending.iter().filter(|(_, asked)| now.slot <= asked.plus_millis(patience)).peekable();
        if awaited.peek().is_none() {
            return Err(Refusal::Unknown);
        }
        let finding = match &self.asking {
            Asking::Preshared(session) => {
                let mut result = Err(Refusal::Unknown);
                for (pending, _) in awaited {
                    let Some(pending) = pending else { continue };
                    result = match (result, session.verify_response(&freshness, pending, message)) {
                        (Err(_), Ok(announcement)) => Ok(Finding::Verified(announcement)),
                        (Err(a), Err(b)) => Err(more_telling(a, b)),
                        (found, _) => found,
                    };
                }
                result?
            }
            Asking::Restricted { receiver, response, .. } => {
                if message_type != *response {
                    return Err(Refusal::Type);
                }
                match receiver.verify(&freshness, message)? {
                    Received::Verified(announcement) => Finding::Verified(announcement),
                    // TS 33.303 §6.1.3.4.2.2 step 14, 15
                    Received::ToReport(announcement) => Finding::ToReport(announcement),
                    Received::Unprotected(announcement) => Finding::Unprotected(announcement),
                }
            }
        };
        if let Finding::Verified(announcement) = &finding {
            if self.answers.contains(&announcement.mic) {
                return Err(Refusal::Replay);
            }
            if self.answers.len() == ANSWERS {
                self.answers.pop_front();
            }
            self.answers.push_back(announcement.mic);
        }
        Ok(finding)
    }
}

/// Form of the responses of a discoveree.
// One per answered query, built once.
#[allow(clippy::large_enum_variant)]
pub enum Answering {
    /// By a pre-shared secret (TR 33.833 §6.2.2), with this response code.
    Preshared(Session, Code),
    /// By the material of restricted discovery.
    Restricted {
        /// Material and filters of the query.
        receiver: Receiver,
        /// The message type of the query.
        // TS 24.334 §12.2.2.43
        query: MessageType,
        /// The response.
        response: Content,
        /// Its material.
        sender: Sender,
    },
}

/// Rules of a [`Discoveree`].
#[derive(Debug, Clone, Copy)]
pub struct DiscovereeConfig {
    /// Largest number of responses in one second, over all queries. The digest's own choice: 10.
    pub per_second: u32,
    /// Largest number of pending responses.
    pub waiting: usize,
    /// A response without a slot for this long is dropped, milliseconds.
    pub patience_millis: u64,
}

impl Default for DiscovereeConfig {
    fn default() -> Self {
        Self { per_second: 10, waiting: 16, patience_millis: 10_000 }
    }
}

/// Discoveree: responds to each authentic query once.
pub struct Discoveree {
    config: DiscovereeConfig,
    /// `None` where one was forgotten: the others keep their index.
    answering: Vec<Option<(Answering, UtcCounter)>>,
    cache: AnsweredRequests,
    limit: RateLimit,
    restricted: AnsweredQueries,
    due: VecDeque<Due>,
}

/// A pending response.
struct Due {
    index: usize,
    request: Option<Verified<Solicitation>>,
    since: UtcTime,
}

/// Answered queries under restricted material, and their number in this second.
struct AnsweredQueries {
    places: VecDeque<(usize, Announcement)>,
    capacity: usize,
    second: UtcCounter,
    used: u32,
}

impl Discoveree {
    /// Makes a discoveree without queries. It remembers as many queries as can be answered in 2 MAX_OFFSET.
    pub fn new(config: DiscovereeConfig, policy: &TimePolicy) -> Self {
        let places = (config.per_second as usize * (2 * policy.max_offset as usize + 1)).max(1);
        Self {
            config,
            answering: Vec::new(),
            cache: AnsweredRequests::new(places),
            limit: RateLimit::new(config.per_second),
            restricted: AnsweredQueries {
                places: VecDeque::with_capacity(places),
                capacity: places,
                second: UtcCounter::new(0),
                used: 0,
            },
            due: VecDeque::with_capacity(config.waiting),
        }
    }

    /// Adds a query to respond to, until `valid_until`; returns its index.
    pub fn answer(&mut self, answering: Answering, valid_until: UtcCounter) -> usize {
        self.answering.push(Some((answering, valid_until)));
        self.answering.len() - 1
    }

    /// Forgets a query: it gets no response any more, nor does one that is pending. The others keep their index.
    pub fn forget(&mut self, index: usize) {
        if let Some(place) = self.answering.get_mut(index) {
            *place = None;
        }
    }

    /// Returns the number of pending responses.
    pub fn waiting(&self) -> usize {
        self.due.len()
    }

    /// Checks a message as a query. If it is accepted, the response is pending for [`Self::respond`].
    ///
    /// Refused: [`Refusal::Replay`] when the same query was answered already, [`Refusal::RateLimited`] when there were
    /// too many queries or too many responses are pending.
    pub fn receive(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message_type: MessageType,
        message: &Message,
    ) -> Result<(), Refusal> {
        let freshness = policy.freshness(now);
        let full = self.due.len() >= self.config.waiting;
        let mut refusal = Refusal::Unknown;
        for (index, place) in self.answering.iter().enumerate() {
            let Some((answering, valid_until)) = place else { continue };
            if freshness.slot >= *valid_until {
                refusal = more_telling(refusal, Refusal::Expired);
                continue;
            }
            let request = match answering {
                // A query that cannot be queued must not be remembered as answered.
                Answering::Preshared(..) if full => Err(Refusal::RateLimited),
                Answering::Preshared(session, _) => {
                    session.verify_request(&freshness, message, &mut self.cache, &mut self.limit).map(Some)
                }
                Answering::Restricted { query, .. } if message_type != *query => Err(Refusal::Type),
                Answering::Restricted { receiver, .. } => match receiver.verify(&freshness, message) {
                    Ok(_) if full => Err(Refusal::RateLimited),
                    Ok(Received::Verified(found)) => self
                        .restricted
                        .take(index, &found, freshness.clock, policy, &self.config)
                        .map(|()| None),
                    // Unproven queries get no response: a response to anybody would be a beacon.
                    // TS 33.303 §6.1.3.4.2.2 step 13a
                    Ok(_) => Err(Refusal::NotAuthorised),
                    Err(refusal) => Err(refusal),
                },
            };
            match request {
                Ok(request) => {
                    self.due.push_back(Due { index, request, since: now.slot });
                    return Ok(());
                }
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        Err(refusal)
    }

    /// Returns the next response for the slot of `now` and the index of its query, if one is pending.
    // TS 33.303 §6.1.3.4.2.2 step 13b
    pub fn respond(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
    ) -> Option<(usize, Result<Message, Refusal>)> {
        let patience = self.config.patience_millis;
        while self.due.front().is_some_and(|due| now.slot > due.since.plus_millis(patience)) {
            self.due.pop_front();
        }
        let (due, answering) = loop {
            let due = self.due.pop_front()?;
            if let Some(Some((answering, _))) = self.answering.get(due.index) {
                break (due, answering);
            }
        };
        let freshness = policy.freshness(now);
        let response = match (answering, &due.request) {
            (Answering::Preshared(session, code), Some(request)) => {
                session.respond(&freshness, request, code)
            }
            (Answering::Restricted { response, sender, .. }, _) => plain(response).and_then(|mut message| {
                sender.protect(&freshness, &mut message)?;
                Ok(message)
            }),
            // A pre-shared response is always queued with its request.
            (Answering::Preshared(..), None) => Err(Refusal::Type),
        };
        Some((due.index, response))
    }
}

impl AnsweredQueries {
    fn take(
        &mut self,
        index: usize,
        found: &Announcement,
        now: UtcCounter,
        policy: &TimePolicy,
        config: &DiscovereeConfig,
    ) -> Result<(), Refusal> {
        let limit = policy.max_offset;
        self.places.retain(|(_, old)| old.counter.distance(now) <= 2 * limit);
        let same = |(at, old): &(usize, Announcement)| {
            *at == index && old.counter == found.counter && old.mic == found.mic
        };
        if self.places.iter().any(same) {
            return Err(Refusal::Replay);
        }
        if now > self.second {
            (self.second, self.used) = (now, 0);
        }
        if self.used >= config.per_second || self.places.len() >= self.capacity {
            return Err(Refusal::RateLimited);
        }
        self.used += 1;
        self.places.push_back((index, *found));
        Ok(())
    }
}

/// Returns the message before its protection. Writing 29 octets into 29 cannot fail; an error would be a wrong type.
fn plain(content: &Content) -> Result<Message, Refusal> {
    let mut message = [0; LEN];
    let emitted = Repr::Standard { content: *content, mic: [0; 4], utc_lsb: 0 }.emit(&mut message);
    emitted.map_err(|_: wire::Error| Refusal::Type)?;
    Ok(message)
}
