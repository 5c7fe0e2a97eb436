//! The NAF of groups: requests from its HTTPS server, Zn and Zpn to the BSF, a store.
//!
//! A new key that nobody has asked for waits here until its member takes it. It waits in memory alone: a member that gets none
//! asks the NAF now and then whether its key is the present one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use sidelink_network::bsf::{KeyMaterial, KeyRefusal};
use sidelink_network::gba_push::bsf as push;
use sidelink_network::group_naf::{Change, Config, Event, GroupNaf, Input, Output, RequestId};
use sidelink_network::hss::Ticket;
use sidelink_network::identity::{Impi, NafId};
use sidelink_security::counter::UtcTime;

use super::bsf::Pushing;
use super::seeds::Seeds;
use super::{Address, Function, Reply, now};
use crate::error::StartError;
use crate::status::Counters;
use crate::store::GroupNafStore;
use crate::tls::Zn;

/// Messages that wait for one member, at most: each of another group, or of a later key.
const MOST_WAITING: usize = 16;

/// Members that messages wait for, at most.
const MOST_MEMBERS: usize = 10_000;

/// Asks a BSF for a GPI. The answer has the ticket of the request.
pub(crate) type Zpn = Box<dyn Fn(push::Request, Reply<(Ticket, Pushing)>) + Send>;

/// What a NAF of groups is asked.
pub(crate) enum GroupNafCommand {
    /// A message of a UE, which proves itself.
    Request { octets: Vec<u8>, reply: Reply<Vec<u8>> },
    /// A UE that TLS has proven takes what waits for it.
    Take { ue: Impi, reply: Reply<Option<Vec<u8>>> },
    /// The BSF answered over Zn.
    Key { ticket: Ticket, result: Result<KeyMaterial, KeyRefusal> },
    /// The BSF answered over Zpn.
    Pushed { ticket: Ticket, result: Pushing },
}

/// How the NAF asks the BSF.
pub(crate) struct Bsf {
    /// For keys.
    pub(crate) zn: Zn,
    /// For GPIs.
    pub(crate) zpn: Zpn,
    /// Where its answers go.
    pub(crate) own: Address<GroupNafCommand>,
}

/// The NAF of groups of a process.
pub(crate) struct GroupNafThread {
    machine: GroupNaf,
    naf: NafId,
    /// How long a message that waits can be of use.
    lasts: u64,
    store: Box<dyn GroupNafStore>,
    counters: Arc<Counters>,
    bsf: Bsf,
    fails: bool,
    names: u64,
    requests: HashMap<u64, Reply<Vec<u8>>>,
    stores: Vec<Ticket>,
    writes: Vec<Change>,
    waiting: BTreeMap<Impi, VecDeque<(Vec<u8>, UtcTime)>>,
}

impl GroupNafThread {
    /// With what a store has.
    pub(crate) fn new(
        config: Config,
        mut store: Box<dyn GroupNafStore>,
        counters: Arc<Counters>,
        bsf: Bsf,
    ) -> Result<Self, StartError> {
        let durable = store.durable()?;
        let (_, seed) = Seeds::first()?;
        Ok(Self {
            naf: config.naf_id.clone(),
            lasts: config.push_lifetime,
            machine: GroupNaf::new(config, &seed, durable),
            store,
            counters,
            bsf,
            fails: false,
            names: 0,
            requests: HashMap::new(),
            stores: Vec::new(),
            writes: Vec::new(),
            waiting: BTreeMap::new(),
        })
    }

    fn drain(&mut self) -> Option<UtcTime> {
        loop {
            match self.machine.poll_output() {
                Output::AskKey { ticket, b_tid } => {
                    let own = self.bsf.own.clone();
                    // A queue that is full: the machine refuses what waits by its own time.
                    let reply = move |result| _ = own.send(GroupNafCommand::Key { ticket, result });
                    (self.bsf.zn)(b_tid, self.naf.clone(), Box::new(reply));
                }
                Output::Push(request) => {
                    let own = self.bsf.own.clone();
                    let reply =
                        move |(ticket, result)| _ = own.send(GroupNafCommand::Pushed { ticket, result });
                    (self.bsf.zpn)(request, Box::new(reply));
                }
                Output::Store { ticket, changes } => {
                    self.stores.push(ticket);
                    self.writes.extend(changes);
                }
                Output::Respond { request, octets } => {
                    self.counters.naf_answered.add();
                    if let Some(reply) = self.requests.remove(&request.0) {
                        reply(octets);
                    }
                }
                Output::Deliver { to, octets } => self.put(to, octets),
                Output::Event(event) => self.report(&event),
                Output::Timeout(at) => return at,
            }
        }
    }

    fn report(&self, event: &Event) {
        match event {
            Event::NewKey { .. } => self.counters.naf_keys.add(),
            Event::Joined { .. } => self.counters.naf_joined.add(),
            Event::Refused { .. } => self.counters.naf_refused.add(),
            _ => {}
        }
        tracing::debug!("NAF: {event}");
    }

    /// Keeps a message for a member until it takes it.
    fn put(&mut self, to: Impi, octets: Vec<u8>) {
        let until = now().plus_millis(self.lasts);
        if self.waiting.len() >= MOST_MEMBERS && !self.waiting.contains_key(&to) {
            return tracing::warn!("NAF: messages wait for too many members; {to} has to ask");
        }
        self.counters.naf_brought.add();
        let waiting = self.waiting.entry(to).or_default();
        if waiting.len() >= MOST_WAITING {
            waiting.pop_front();
        }
        waiting.push_back((octets, until));
    }

    /// The oldest message that waits for a member.
    fn take_for(&mut self, ue: &Impi) -> Option<Vec<u8>> {
        let (octets, _) = self.waiting.get_mut(ue)?.pop_front()?;
        if self.waiting.get(ue).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(ue);
        }
        Some(octets)
    }

    fn commit(&mut self) {
        let stores = std::mem::take(&mut self.stores);
        let committed = self.store.commit(&std::mem::take(&mut self.writes));
        match &committed {
            Ok(()) if std::mem::take(&mut self.fails) => tracing::info!("NAF: the database works again"),
            Ok(()) => {}
            Err(error) => {
                self.counters.store_failures.add();
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::error!("NAF: {error}; what waits for it is refused");
                }
            }
        }
        let now = now();
        for ticket in stores {
            self.machine.handle_input(match committed {
                Ok(()) => Input::Stored { now, ticket },
                Err(_) => Input::StoreFailed { now, ticket },
            });
        }
    }
}

impl Function for GroupNafThread {
    type Command = GroupNafCommand;

    fn take(&mut self, command: GroupNafCommand) {
        let now = now();
        match command {
            GroupNafCommand::Request { octets, reply } => {
                self.names += 1;
                self.requests.insert(self.names, reply);
                let request = RequestId(self.names);
                self.machine.handle_input(Input::Request { now, request, octets: &octets });
            }
            GroupNafCommand::Take { ue, reply } => reply(self.take_for(&ue)),
            GroupNafCommand::Key { ticket, result } => {
                self.machine.handle_input(Input::Key { now, ticket, result });
            }
            GroupNafCommand::Pushed { ticket, result } => {
                self.machine.handle_input(Input::Pushed { now, ticket, result });
            }
        }
    }

    fn tick(&mut self, now: UtcTime) {
        self.machine.handle_input(Input::Tick { now });
        self.waiting.retain(|_, waiting| {
            waiting.retain(|(_, until)| *until > now);
            !waiting.is_empty()
        });
    }

    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            let at = self.drain();
            if self.stores.is_empty() {
                return at;
            }
            self.commit();
        }
    }
}
