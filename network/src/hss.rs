//! Subscribers and their authentication vectors: HSS and AuC. TS 33.102 §6.3.2, §6.3.5, Annex C.1.1.2.
//!
//! ```text
//!   Request -> refused: unknown, not for this node, too often, a RAND again   -> Answer(Err)
//!           -> AUTS: MAC-S wrong                                              -> Answer(Err)
//!           -> SEQ durable                                                    -> Answer(Ok(vector))
//!           -> SEQ not durable yet -> Reserve, then Granted                   -> Answer(Ok(vector))
//! ```
//!
//! - SEQ comes from a [`Lease`]: a vector carries only what is durable, no crash hands out a SEQ twice, and none goes
//!   back. AUTS moves it ahead or not at all; TS 33.102 §6.3.5 would also move it back.
//! - AUTS is verified whether it is needed or not; TS 33.102 §6.3.5 asks for it only when SQN_HE is out of range, and
//!   would give a vector to whoever made an AUTS up.
//! - Every kind of requesting node has eight values of IND, which it gets in turn (TS 33.102 Annex C.3.4): vectors of two
//!   nodes, and up to eight of one, may be used in any order.

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Lease, ReserveConfig, StreamId, TakeError};

use crate::aka::{self, ARRAY, Amf, Quintet, Rand, SEQ_LIMIT, Sqn};
use crate::identity::{Impi, Imsi};
use crate::limit::{Bucket, RateLimit};
use crate::usim::DELTA;

mod io;
mod vector;

pub use io::{Error, Input, Node, Output, Purpose, Refusal, Request, Resynchronisation, Subject, Ticket};
pub(crate) use vector::k_asme;
pub use vector::{EapAkaPrimeVector, EpsVector, Vector};

/// Requests of one subscriber that wait for the store, at most.
pub const MOST_WAITING: usize = 8;

/// Values of IND that one kind of node has.
const INDICES: usize = ARRAY / Node::KINDS;

/// How much a subscriber may cost.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Vectors and resynchronisations of one subscriber.
    pub rate: RateLimit,
    /// SEQ reserved ahead: a crash skips as many as [`ReserveConfig::max_skip`].
    pub reserve: ReserveConfig,
}

impl Default for Config {
    /// Ten at once and one each 10 s (TR 33.833's refused registrations: one in 10 s); a write each 32 vectors.
    fn default() -> Self {
        Self {
            rate: RateLimit { burst: 10, interval: 10_000 },
            reserve: ReserveConfig { block: 32, low_water: 4 },
        }
    }
}

/// A subscriber, as it is provisioned.
pub struct Subscription {
    /// Its identity.
    pub imsi: Imsi,
    /// Its private identity.
    pub impi: Impi,
    /// K and OPc.
    pub keys: Subscriber,
    /// The number of its stream ([`stream`]) in the store; 0 when it is new.
    pub reserved: u64,
}

struct Entry {
    keys: Subscriber,
    lease: Lease,
    bucket: Option<Bucket>,
    /// The last RAND of a vector: a source of chance that repeats itself would repeat CK and IK.
    last: Option<Rand>,
    /// Whose turn IND is, by kind of node.
    turns: [usize; Node::KINDS],
    waiting: VecDeque<(Ticket, Node, Purpose, Rand)>,
}

/// HSS and AuC.
pub struct Hss {
    config: Config,
    subscribers: BTreeMap<Imsi, Entry>,
    by_impi: BTreeMap<Impi, Imsi>,
    by_stream: BTreeMap<StreamId, Imsi>,
    outputs: VecDeque<Output>,
}

/// The stream of a subscriber's SEQ in a store of counters.
pub fn stream(imsi: &Imsi) -> StreamId {
    let mut name = [0; 16];
    name[0] = b'S';
    // At most 15 digits.
    name[1..=imsi.digits().len()].copy_from_slice(imsi.digits().as_bytes());
    StreamId(name)
}

impl Hss {
    /// Without subscribers.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            subscribers: BTreeMap::new(),
            by_impi: BTreeMap::new(),
            by_stream: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Provisions a subscriber.
    pub fn add(&mut self, subscription: Subscription) -> Result<(), Error> {
        let Subscription { imsi, impi, keys, reserved } = subscription;
        if self.subscribers.contains_key(&imsi) {
            return Err(Error::ImsiTaken(imsi));
        }
        if self.by_impi.contains_key(&impi) {
            return Err(Error::ImpiTaken(impi));
        }
        if reserved > SEQ_LIMIT {
            return Err(Error::DamagedSeq(imsi));
        }
        let stream = stream(&imsi);
        // A new card has accepted SEQ 0 already.
        let lease = Lease::at(stream, reserved, 1, SEQ_LIMIT, self.config.reserve);
        let entry = Entry {
            keys,
            lease,
            bucket: None,
            last: None,
            turns: [0; Node::KINDS],
            waiting: VecDeque::new(),
        };
        self.subscribers.insert(imsi.clone(), entry);
        self.by_impi.insert(impi, imsi.clone());
        self.by_stream.insert(stream, imsi);
        Ok(())
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input) {
        match input {
            Input::Request(request) => {
                let ticket = request.ticket;
                if let Err(why) = self.admit(request) {
                    self.outputs.push_back(Output::Answer { ticket, result: Err(why) });
                }
            }
            Input::Granted { granted } => self.granted(granted),
            Input::ReservationFailed { stream } => self.failed(stream),
        }
    }

    /// What is to be done next; [`Output::Timeout`] of nothing when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Timeout(None))
    }

    fn admit(&mut self, request: Request) -> Result<(), Refusal> {
        let Request { now, ticket, subject, node, purpose, rand, resynchronisation } = request;
        let imsi = match &subject {
            Subject::Imsi(imsi) => Some(imsi),
            Subject::Impi(impi) => self.by_impi.get(impi),
        };
        let entry = imsi.and_then(|imsi| self.subscribers.get_mut(imsi)).ok_or(Refusal::Unknown)?;
        if !node.may_ask_for(&purpose) {
            return Err(Refusal::NotForThisNode);
        }
        entry.pay(self.config.rate, now)?;
        if entry.waiting.len() >= MOST_WAITING {
            return Err(Refusal::Busy);
        }
        if let Some(Resynchronisation { rand: challenge, auts }) = resynchronisation {
            entry.resynchronise(challenge, auts)?;
        }
        if entry.last == Some(rand) {
            return Err(Refusal::RepeatedRand);
        }
        entry.last = Some(rand);
        entry.waiting.push_back((ticket, node, purpose, rand));
        entry.serve(&mut self.outputs);
        Ok(())
    }

    fn granted(&mut self, granted: Granted) {
        let imsi = self.by_stream.get(&granted.stream());
        if let Some(entry) = imsi.and_then(|imsi| self.subscribers.get_mut(imsi)) {
            entry.lease.grant(granted);
            entry.serve(&mut self.outputs);
        }
    }

    /// The next request asks the store again.
    fn failed(&mut self, stream: StreamId) {
        let imsi = self.by_stream.get(&stream);
        if let Some(entry) = imsi.and_then(|imsi| self.subscribers.get_mut(imsi)) {
            entry.lease.failed();
            for (ticket, ..) in entry.waiting.drain(..) {
                self.outputs.push_back(Output::Answer { ticket, result: Err(Refusal::Store) });
            }
        }
    }
}

impl Entry {
    fn pay(&mut self, rate: RateLimit, now: UtcTime) -> Result<(), Refusal> {
        let bucket = self.bucket.get_or_insert_with(|| Bucket::new(rate, now));
        if bucket.take(rate, now) { Ok(()) } else { Err(Refusal::TooOften) }
    }

    /// Moves SEQ above that of the USIM, never back. TS 33.102 §6.3.5.
    fn resynchronise(&mut self, challenge: Rand, auts: aka::Auts) -> Result<(), Refusal> {
        let highest = aka::sqn_ms(&self.keys, challenge, auts).ok_or(Refusal::Auts)?;
        if self.lease.peek().saturating_sub(highest.seq()) > DELTA {
            return Err(Refusal::OutOfReach);
        }
        self.lease.skip_to(highest.seq() + 1);
        Ok(())
    }

    /// Gives vectors to those who wait, as far as SEQ are durable, and asks for more of them in time.
    fn serve(&mut self, outputs: &mut VecDeque<Output>) {
        while let Some((ticket, node, purpose, rand)) = self.waiting.pop_front() {
            let result = match self.lease.take() {
                Ok(seq) => self.vector(seq, node, &purpose, rand),
                Err(TakeError::Waiting) => {
                    self.waiting.push_front((ticket, node, purpose, rand));
                    break;
                }
                Err(_) => Err(Refusal::Exhausted),
            };
            outputs.push_back(Output::Answer { ticket, result });
        }
        outputs.extend(self.lease.wanted().map(Output::Reserve));
    }

    fn vector(&mut self, seq: u64, node: Node, purpose: &Purpose, rand: Rand) -> Result<Vector, Refusal> {
        let turn = &mut self.turns[node.kind()];
        let ind = node.kind() * INDICES + *turn;
        *turn = (*turn + 1) % INDICES;
        let sqn = Sqn::new(seq, ind).ok_or(Refusal::Exhausted)?;
        let amf = match purpose {
            Purpose::Gba | Purpose::EapAka => Amf::OPEN,
            Purpose::Eps { .. } | Purpose::EapAkaPrime { .. } => Amf::SEPARATED,
        };
        Vector::new(Quintet::new(&self.keys, rand, sqn, amf), purpose)
    }
}

#[cfg(test)]
mod tests;
