//! A NAF for group keys, in the coverage of a network: TR 33.833 §6.3.2, by invitation and by white list.
//!
//! ```text
//!   owner                NAF                    BSF, HSS          member
//!    |-- 1 create ------->| Zn: Ks_NAF of the B-TID |               |
//!    |                    | tag, nonce, limit       |               |
//!    |                    |-- push ---------------->| one vector    |
//!    |                    | Store, Stored           |               |
//!    |<-- 5 GPI, key -----|                         |               |
//!    |--- 4 invitation, over PC5 ------------------------------------>|
//!    |                    |<-- 2 join, with it or without ------------|
//!    |                    | its tag too; push, Store, Stored          |
//!    |                    |--- 5 GPI, key --------------------------->|
//!    |-- 3 refresh ------>| new key, Store, Stored  |               |
//!    |<-- 5 --------------|--- 5, to each, one vector each ---------->|
//! ```
//!
//! - A request proves itself before it costs a vector: tag, nonce, list or invitation, and then a token of its user and one
//!   of all. Without that the NAF would multiply the vectors of the HSS for anybody.
//! - A request that is repeated gets the same answer, and no new vector. A member that asks again, since an answer was lost,
//!   gets the same key by a new GPI.
//! - An invitation names its invitee, and is used once.
//! - The network knows the keys of groups: that is how the report has it.
//!
//! The final design is another ([`crate::pkmf`]): a key for each UE, and then MIKEY, without a vector for each new key.

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::keys::{KsNaf, Pgk};

use crate::bsf::KeyMaterial;
use crate::gba_push::Place;
use crate::gba_push::bsf as push;
use crate::hss::{Resynchronisation, Ticket};
use crate::identity::{BTid, Impi, NafId};
use crate::key_delivery::ServiceId;
use crate::limit::{Bucket, RateLimit};

mod io;
pub mod message;
mod pushing;
mod requests;

pub use io::{
    Admission, Change, Durable, Event, Group, GroupRecord, Input, Output, RequestId, Standing, UeRecord,
};
use message::{Cause, Nonce, Request, TAG};

/// Ua security protocol of the keys that these messages are under. TS 33.220 Annex H names none; ours, among those for
/// experiments (from memory).
pub const UA_PROTOCOL: [u8; 5] = [0xff, 0, 0, 0, 2];

/// Media type of the messages, where they go over HTTP. Ours.
pub const MEDIA_TYPE: &str = "application/x-sidelink-group-keys";

/// Requests that something is waited for, at most.
pub const MOST_JOBS: usize = 1000;

/// Keys of UEs that are remembered, at most.
pub const MOST_KEYS: usize = 10_000;

/// Groups of one owner, at most.
pub const MOST_GROUPS: usize = 16;

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// This NAF, and the protocol of these messages.
    pub naf_id: NafId,
    /// How long a group key lives, in milliseconds.
    pub key_lifetime: u64,
    /// How long a pushed key lives, in milliseconds: it serves for one group key.
    pub push_lifetime: u64,
    /// How long BSF and store may take, in milliseconds.
    pub patience: u64,
    /// Requests of all, whether they prove themselves or not.
    pub requests: RateLimit,
    /// Vectors of one user by its own requests.
    pub user: RateLimit,
    /// Vectors of all.
    pub vectors: RateLimit,
}

impl Config {
    /// Group keys live a day, pushed keys an hour; 100 requests and 20 vectors a second; a user has five vectors at once and
    /// one each 10 s.
    pub const fn new(naf_id: NafId) -> Self {
        Self {
            naf_id,
            key_lifetime: 24 * 3_600_000,
            push_lifetime: 3_600_000,
            patience: 5_000,
            requests: RateLimit { burst: 100, interval: 10 },
            user: RateLimit { burst: 5, interval: 10_000 },
            vectors: RateLimit { burst: 20, interval: 50 },
        }
    }
}

/// A request that waits for a key over Zn.
struct Asking {
    request: RequestId,
    octets: Vec<u8>,
    /// Of the sender, or of the owner who invited it.
    whose: Whose,
    until: UtcTime,
}

enum Whose {
    Sender,
    Owner(Impi),
}

/// A request that proved itself, or a push that nobody asked for.
struct Job {
    to: Option<RequestId>,
    ue: Impi,
    group: ServiceId,
    nonce: Nonce,
    tag: [u8; TAG],
    what: What,
    until: UtcTime,
    /// The answer, while it waits for the store.
    answer: Vec<u8>,
    changes: Vec<Change>,
}

/// What a job changes.
enum What {
    /// A new group.
    Create(message::Policy),
    /// A new member, by an invitation or by the white list; none when it is one already.
    Join(Option<(Nonce, UtcTime)>),
    /// A new key without these.
    Refresh(Vec<Impi>),
    /// A new key brought to a member.
    Bring,
}

struct Known {
    impi: Impi,
    ks_naf: KsNaf,
    expires: UtcTime,
}

/// A NAF.
pub struct GroupNaf {
    config: Config,
    now: UtcTime,
    durable: Durable,
    keys: BTreeMap<BTid, Known>,
    asking: BTreeMap<Ticket, Asking>,
    pushing: BTreeMap<Ticket, Job>,
    storing: BTreeMap<Ticket, Job>,
    /// Members that a new key has to be brought to.
    queue: VecDeque<(ServiceId, Impi)>,
    users: BTreeMap<Impi, Bucket>,
    requests: Option<Bucket>,
    vectors: Option<Bucket>,
    keys_from: Entropy,
    drawn: u64,
    tickets: u64,
    outputs: VecDeque<Output>,
}

impl GroupNaf {
    /// With what is durable. `seed` is secret and of this start alone: group keys come of it.
    pub fn new(config: Config, seed: &[u8; 32], durable: Durable) -> Self {
        Self {
            config,
            now: UtcTime::from_millis(0),
            durable,
            keys: BTreeMap::new(),
            asking: BTreeMap::new(),
            pushing: BTreeMap::new(),
            storing: BTreeMap::new(),
            queue: VecDeque::new(),
            users: BTreeMap::new(),
            requests: None,
            vectors: None,
            keys_from: Entropy::new(seed),
            drawn: 0,
            tickets: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Request { now, request, octets } => {
                self.at(now);
                self.request(request, octets);
            }
            Input::Key { now, ticket, result } => {
                self.at(now);
                if let Some(asking) = self.asking.remove(&ticket) {
                    self.key(asking, result.ok());
                }
            }
            Input::Pushed { now, ticket, result } => {
                self.at(now);
                if let Some(job) = self.pushing.remove(&ticket) {
                    self.pushed(job, result);
                }
            }
            Input::Stored { now, ticket } => {
                self.at(now);
                if let Some(job) = self.storing.remove(&ticket) {
                    self.stored(job);
                }
            }
            Input::StoreFailed { now, ticket } => {
                self.at(now);
                if let Some(job) = self.storing.remove(&ticket) {
                    self.fail(&job, Cause::Store);
                }
            }
            Input::Tick { now } => {
                self.at(now);
                self.expire();
            }
        }
        self.bring();
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let asking = self.asking.values().map(|asking| asking.until);
            let pushing = self.pushing.values().map(|job| job.until);
            let used = self.durable.groups.values().flat_map(|group| group.used.values().copied());
            let interval = self.config.vectors.interval.max(1);
            let queue = (!self.queue.is_empty()).then(|| self.now.plus_millis(interval));
            Output::Timeout(asking.chain(pushing).chain(used).chain(queue).min())
        })
    }

    /// What is durable of a group.
    pub fn group(&self, id: ServiceId) -> Option<&Group> {
        self.durable.groups.get(&id)
    }

    fn at(&mut self, now: UtcTime) {
        self.now = self.now.max(now);
    }

    const fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn new_key(&mut self) -> Pgk {
        self.drawn += 1;
        Pgk::from(self.keys_from.draw(self.drawn))
    }

    fn refuse(&mut self, request: RequestId, (group, nonce): (ServiceId, Nonce), cause: Cause) {
        let octets = message::reject(group, nonce, cause);
        self.outputs.push_back(Output::Respond { request, octets });
        self.report(Event::Refused { group, cause });
    }

    fn fail(&mut self, job: &Job, cause: Cause) {
        if let Some(request) = job.to {
            self.refuse(request, (job.group, job.nonce), cause);
        }
    }

    fn remember(&mut self, b_tid: BTid, material: KeyMaterial) {
        if self.keys.len() >= MOST_KEYS {
            self.keys.pop_first();
        }
        let KeyMaterial { ks_naf, impi, expires, .. } = material;
        self.keys.insert(b_tid, Known { impi, ks_naf, expires });
    }

    /// The push of a GPI to a UE.
    fn ask_push(&mut self, job: Job, resynchronisation: Option<Resynchronisation>) {
        let ticket = self.ticket();
        self.outputs.push_back(Output::Push(push::Request {
            ticket,
            naf: self.config.naf_id.fqdn.clone(),
            impi: job.ue.clone(),
            label: String::new(),
            naf_id: self.config.naf_id.clone(),
            p_tid: format!("{}-{}", job.group, ticket.0),
            place: Place::Terminal,
            lifetime: self.config.push_lifetime,
            resynchronisation,
        }));
        self.pushing.insert(ticket, job);
    }

    fn expire(&mut self) {
        let now = self.now;
        self.keys.retain(|_, known| known.expires > now);
        let limit = self.config.user;
        self.users.retain(|_, bucket| !bucket.is_full(limit, now));
        let late = self.asking.iter().filter(|(_, asking)| asking.until <= now);
        for ticket in late.map(|(ticket, _)| *ticket).collect::<Vec<_>>() {
            if let Some(Asking { request, octets, .. }) = self.asking.remove(&ticket) {
                let names = Request::parse(&octets)
                    .map_or((ServiceId([0; 3]), Nonce::NONE), |request| (request.group, request.nonce));
                self.refuse(request, names, Cause::Late);
            }
        }
        let late = self.pushing.iter().filter(|(_, job)| job.until <= now);
        for ticket in late.map(|(ticket, _)| *ticket).collect::<Vec<_>>() {
            if let Some(job) = self.pushing.remove(&ticket) {
                self.fail(&job, Cause::Late);
            }
        }
        let used = self.durable.groups.iter().flat_map(|(id, group)| {
            let old = group.used.iter().filter(|(_, until)| **until <= now);
            old.map(|(nonce, _)| Change::RemoveUsed(*id, *nonce))
        });
        let changes: Vec<_> = used.collect();
        if !changes.is_empty() {
            let ticket = self.ticket();
            changes.iter().for_each(|change| self.durable.apply(change.copy()));
            self.outputs.push_back(Output::Store { ticket, changes });
        }
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

#[cfg(test)]
pub(crate) mod tests;
