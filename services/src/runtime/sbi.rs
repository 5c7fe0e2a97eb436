//! The service-based interfaces of a process: HTTP from the server, the functions that they are in front of.
//!
//! ```text
//! request -> Nbsp_GBA  -> BSF (Zn), push (Zh)           one thread for all: none of them waits for another
//!         -> Nausf     -> HSS
//!              |  ^
//!              v  |
//!         -> Npanf     -> store
//!         -> N5g-ddnmf -> ProSe Function
//!         -> Npkmf     -> push (Zh), store
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use sidelink_network::aka::Quintet;
use sidelink_network::bsf::{KeyMaterial, KeyRefusal};
use sidelink_network::gba_push::bsf::{self as push, PushBsf};
use sidelink_network::hss::{EapAkaPrimeVector, Refusal, Ticket};
use sidelink_network::identity::{BTid, NafId};
use sidelink_network::panf::{Panf, Record};
use sidelink_network::prose_function::{NotTold, Query, Told};
use sidelink_network::sbi::ausf::{self, Ausf};
use sidelink_network::sbi::ddnmf::{self, Ddnmf};
use sidelink_network::sbi::gba::{self, Gba};
use sidelink_network::sbi::panf::{self, AnchorFunction};
use sidelink_network::sbi::pkmf::{self, RemoteKeys};
use sidelink_network::sbi::{Api, Cause, Problem, Request, RequestId, Response};
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::keys::CpPruk;
use zeroize::Zeroizing;

use super::Swx;
use super::ledger::Ledger;
use super::seeds::Seeds;
use super::{Address, Function, Reply, Zh, now};
use crate::error::StartError;
use crate::status::Counters;
use crate::store::{Store, Write};

/// Keys of the anchor function, at most.
const MOST_KEYS: usize = 1_000_000;

/// Asks the BSF for a key in the name of the NAF that the request names.
pub(crate) type AnyZn = Box<dyn Fn(BTid, NafId, Reply<Result<KeyMaterial, KeyRefusal>>) + Send>;

/// Asks the ProSe Function for another network.
pub(crate) type Pc6 = Box<dyn Fn(Query, Reply<Result<Told, NotTold>>) + Send>;

/// What the interfaces are asked, and what they hear of those that they ask.
pub(crate) enum SbiCommand {
    /// A request by HTTP.
    Request { request: Request, reply: Reply<Response> },
    /// The BSF answered.
    Key { ticket: Ticket, result: Result<KeyMaterial, KeyRefusal> },
    /// The HSS answered a push of the key management function.
    PkmfQuintet { ticket: Ticket, result: Result<Quintet, Refusal> },
    /// The HSS answered a push.
    Quintet { ticket: Ticket, result: Result<Quintet, Refusal> },
    /// The ProSe Function answered.
    Told { ticket: Ticket, told: Result<Told, NotTold> },
    /// The HSS answered the AUSF.
    Vector { ticket: Ticket, result: Result<EapAkaPrimeVector, Refusal> },
}

/// Nbsp_GBA, and whom it asks.
pub(crate) struct GbaPart {
    pub(crate) push: push::Config,
    pub(crate) zn: AnyZn,
    pub(crate) zh: Zh,
}

/// Nausf and Npanf, and whom they ask.
pub(crate) struct AusfPart {
    pub(crate) ausf: ausf::Config,
    pub(crate) aaa: sidelink_network::aaa::Config,
    pub(crate) store: Box<dyn Store>,
    pub(crate) swx: Swx,
}

/// N5g-ddnmf, and whom it asks.
pub(crate) struct DdnmfPart {
    pub(crate) adapter: Ddnmf,
    pub(crate) pc6: Pc6,
}

/// Npkmf, and whom it asks.
pub(crate) struct PkmfPart {
    pub(crate) pkmf: pkmf::Config,
    pub(crate) push: push::Config,
    pub(crate) store: Box<dyn Store>,
    pub(crate) zh: Zh,
}

/// What is in front of which functions.
pub(crate) struct Parts {
    pub(crate) gba: Option<GbaPart>,
    pub(crate) ausf: Option<AusfPart>,
    pub(crate) ddnmf: Option<DdnmfPart>,
    pub(crate) pkmf: Option<PkmfPart>,
}

struct Bsf {
    adapter: Gba,
    push: PushBsf,
    zn: AnyZn,
    zh: Zh,
}

struct Anchor {
    ausf: Ausf,
    panf: AnchorFunction,
    ledger: Ledger,
    swx: Swx,
    stores: Vec<(Ticket, Record)>,
}

struct Remote {
    keys: RemoteKeys,
    push: PushBsf,
    zh: Zh,
    ledger: Ledger,
    stores: Vec<(Ticket, pkmf::Record)>,
}

/// Random octets of a seed, and of others that are mixed in now and then.
struct Random {
    entropy: Entropy,
    draws: u64,
}

impl sidelink_wire::rng::Rng for Random {
    fn next_u64(&mut self) -> u64 {
        self.draws += 1;
        let drawn = Zeroizing::new(self.entropy.draw(self.draws));
        let [a, b, c, d, e, f, g, h, ..] = *drawn;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The interfaces of a process.
pub(crate) struct SbiThread {
    gba: Option<Bsf>,
    anchor: Option<Anchor>,
    ddnmf: Option<DdnmfPart>,
    remote: Option<Remote>,
    own: Address<SbiCommand>,
    counters: Arc<Counters>,
    random: Random,
    seeds: Seeds,
    names: u64,
    requests: HashMap<RequestId, Reply<Response>>,
}

impl SbiThread {
    /// With the keys of the store.
    pub(crate) fn new(
        parts: Parts,
        counters: Arc<Counters>,
        own: Address<SbiCommand>,
    ) -> Result<Self, StartError> {
        let Parts { gba, ausf, ddnmf, pkmf } = parts;
        let (seeds, seed) = Seeds::first()?;
        let anchor = ausf.map(|part| Anchor::new(part, &counters)).transpose()?;
        let gba = gba.map(|GbaPart { push, zn, zh }| Bsf {
            adapter: Gba::default(),
            push: PushBsf::new(push),
            zn,
            zh,
        });
        let remote = pkmf.map(|part| Remote::new(part, &counters)).transpose()?;
        let random = Random { entropy: Entropy::new(&seed), draws: 0 };
        let requests = HashMap::new();
        Ok(Self { gba, anchor, ddnmf, remote, own, counters, random, seeds, names: 0, requests })
    }

    fn request(&mut self, now: UtcTime, http: &Request, reply: Reply<Response>) {
        self.names += 1;
        let request = RequestId(self.names);
        match (Api::of_request(http), &mut self.gba, &mut self.anchor) {
            (Ok(Api::NbspGba), Some(gba), _) => {
                self.requests.insert(request, reply);
                gba.adapter.handle_input(gba::Input::Request { now, request, http });
            }
            (Ok(Api::NpanfProseKey | Api::NpanfUserId), _, Some(anchor)) => {
                self.requests.insert(request, reply);
                anchor.panf.handle_input(panf::Input::Request { now, request, http });
            }
            (Ok(Api::NausfAuth), _, Some(anchor)) => {
                self.requests.insert(request, reply);
                anchor.ausf.handle_input(ausf::Input::Request { now, request, http }, &mut self.random);
            }
            (Ok(Api::DdnmfDiscovery), ..) if self.ddnmf.is_some() => {
                self.requests.insert(request, reply);
                if let Some(part) = &mut self.ddnmf {
                    part.adapter.handle_input(ddnmf::Input::Request { now, request, http });
                }
            }
            (Ok(Api::NpkmfKeyRequest | Api::NpkmfUserId), ..) if self.remote.is_some() => {
                self.requests.insert(request, reply);
                if let Some(remote) = &mut self.remote {
                    let input = pkmf::Input::Request { now, request, http };
                    remote.keys.handle_input(input, &mut self.random);
                }
            }
            (Err(problem), ..) => reply(problem.respond()),
            (Ok(_), ..) => {
                let problem =
                    Problem::new(Cause::InvalidApi, "the function of this interface does not run here");
                reply(problem.respond());
            }
        }
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        match response.status().is_success() {
            true => self.counters.sbi_served.add(),
            false => self.counters.sbi_refused.add(),
        }
        if let Some(reply) = self.requests.remove(&request) {
            reply(response);
        }
    }

    fn drain_gba(&mut self) -> Option<UtcTime> {
        loop {
            let gba = self.gba.as_mut()?;
            match gba.adapter.poll_output() {
                gba::Output::Respond { request, response } => self.respond(request, response),
                gba::Output::Key { ticket, b_tid, naf_id } => {
                    let own = self.own.clone();
                    // A queue that is full: the machine gives it up by its own time.
                    let answer = move |result| _ = own.send(SbiCommand::Key { ticket, result });
                    (gba.zn)(b_tid, naf_id, Box::new(answer));
                }
                gba::Output::Push(request) => {
                    gba.push.handle_input(push::Input::Request { now: now(), request: *request });
                }
                gba::Output::Timeout(at) => match gba.push.poll_output() {
                    push::Output::Fetch { ticket, impi, resynchronisation } => {
                        let own = self.own.clone();
                        let answer = move |result| _ = own.send(SbiCommand::Quintet { ticket, result });
                        (gba.zh)(impi, resynchronisation, Box::new(answer));
                    }
                    push::Output::Answer { ticket, result } => {
                        gba.adapter.handle_input(gba::Input::Pushed { ticket, result });
                    }
                    push::Output::Timeout(other) => return at.into_iter().chain(other).min(),
                },
            }
        }
    }

    fn drain_ddnmf(&mut self) -> Option<UtcTime> {
        loop {
            let part = self.ddnmf.as_mut()?;
            match part.adapter.poll_output() {
                ddnmf::Output::Respond { request, response } => self.respond(request, response),
                ddnmf::Output::Ask { ticket, query } => {
                    let own = self.own.clone();
                    let answer = move |told| _ = own.send(SbiCommand::Told { ticket, told });
                    (part.pc6)(query, Box::new(answer));
                }
                ddnmf::Output::Timeout(at) => return at,
            }
        }
    }

    fn drain_pkmf(&mut self) -> Option<UtcTime> {
        loop {
            let remote = self.remote.as_mut()?;
            let now = now();
            match remote.keys.poll_output() {
                pkmf::Output::Respond { request, response } => self.respond(request, response),
                pkmf::Output::Push(request) => {
                    remote.push.handle_input(push::Input::Request { now, request: *request });
                }
                pkmf::Output::Store { ticket, record } => remote.stores.push((ticket, record)),
                pkmf::Output::Timeout(at) => match remote.push.poll_output() {
                    push::Output::Fetch { ticket, impi, resynchronisation } => {
                        let own = self.own.clone();
                        let answer = move |result| _ = own.send(SbiCommand::PkmfQuintet { ticket, result });
                        (remote.zh)(impi, resynchronisation, Box::new(answer));
                    }
                    push::Output::Answer { ticket, result } => {
                        let input = pkmf::Input::Pushed { now, ticket, result };
                        remote.keys.handle_input(input, &mut self.random);
                    }
                    push::Output::Timeout(other) => return at.into_iter().chain(other).min(),
                },
            }
        }
    }

    fn drain_ausf(&mut self) -> Option<UtcTime> {
        loop {
            let anchor = self.anchor.as_mut()?;
            let now = now();
            match anchor.ausf.poll_output() {
                ausf::Output::Respond { request, response } => self.respond(request, response),
                ausf::Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    let own = self.own.clone();
                    let answer = move |result| _ = own.send(SbiCommand::Vector { ticket, result });
                    (anchor.swx)(imsi, network_name, resynchronisation, Box::new(answer));
                }
                ausf::Output::Retrieve { ticket, id, relay_service_code } => {
                    let key = anchor.panf.key(&id, relay_service_code);
                    let key = key.map(|key| CpPruk::from(*key.as_bytes()));
                    let input = ausf::Input::Retrieved { now, ticket, key };
                    anchor.ausf.handle_input(input, &mut self.random);
                }
                ausf::Output::Register { ticket, record } => {
                    anchor.panf.handle_input(panf::Input::Register { now, ticket, record });
                }
                ausf::Output::Timeout(at) => return at,
            }
        }
    }

    /// Whether the AUSF has something to do after it.
    fn drain_panf(&mut self) -> bool {
        let mut told = false;
        while let Some(anchor) = self.anchor.as_mut() {
            match anchor.panf.poll_output() {
                panf::Output::Respond { request, response } => self.respond(request, response),
                panf::Output::Registered { ticket, result } => {
                    let input = ausf::Input::Registered { ticket, result };
                    anchor.ausf.handle_input(input, &mut self.random);
                    told = true;
                }
                panf::Output::Store { ticket, record } => anchor.stores.push((ticket, record)),
                panf::Output::Timeout(_) => break,
            }
        }
        told
    }
}

impl Anchor {
    fn new(part: AusfPart, counters: &Arc<Counters>) -> Result<Self, StartError> {
        let AusfPart { ausf, aaa, mut store, swx } = part;
        let panf = AnchorFunction::new(Panf::new(MOST_KEYS, store.cp_pruks()?));
        let ledger = Ledger::new("PAnF", store, Arc::clone(counters));
        Ok(Self { ausf: Ausf::new(ausf, aaa), panf, ledger, swx, stores: Vec::new() })
    }

    fn commit(&mut self) {
        let (tickets, writes): (Vec<_>, Vec<_>) =
            self.stores.drain(..).map(|(ticket, record)| (ticket, Write::PutCpPruk(record))).unzip();
        let is_durable = self.ledger.commit(&writes).is_some();
        for ticket in tickets {
            self.panf.handle_input(match is_durable {
                true => panf::Input::Stored { ticket },
                false => panf::Input::StoreFailed { ticket },
            });
        }
    }
}

impl Remote {
    fn new(part: PkmfPart, counters: &Arc<Counters>) -> Result<Self, StartError> {
        let PkmfPart { pkmf, push, mut store, zh } = part;
        let keys = RemoteKeys::new(pkmf, store.up_pruks()?);
        let ledger = Ledger::new("5G PKMF", store, Arc::clone(counters));
        Ok(Self { keys, push: PushBsf::new(push), zh, ledger, stores: Vec::new() })
    }

    fn commit(&mut self, random: &mut Random) {
        let (tickets, writes): (Vec<_>, Vec<_>) =
            self.stores.drain(..).map(|(ticket, record)| (ticket, Write::PutUpPruk(record))).unzip();
        let is_durable = self.ledger.commit(&writes).is_some();
        for ticket in tickets {
            let input = match is_durable {
                true => pkmf::Input::Stored { ticket },
                false => pkmf::Input::StoreFailed { ticket },
            };
            self.keys.handle_input(input, random);
        }
    }
}

impl Function for SbiThread {
    type Command = SbiCommand;

    fn take(&mut self, command: SbiCommand) {
        let now = now();
        if let Some(seed) = self.seeds.again(now) {
            self.random.entropy.mix(&seed[..]);
        }
        match command {
            SbiCommand::Request { request, reply } => self.request(now, &request, reply),
            SbiCommand::Key { ticket, result } => {
                if let Some(gba) = &mut self.gba {
                    gba.adapter.handle_input(gba::Input::Key { ticket, result });
                }
            }
            SbiCommand::Quintet { ticket, result } => {
                if let Some(gba) = &mut self.gba {
                    gba.push.handle_input(push::Input::Vector { now, ticket, result });
                }
            }
            SbiCommand::PkmfQuintet { ticket, result } => {
                if let Some(remote) = &mut self.remote {
                    remote.push.handle_input(push::Input::Vector { now, ticket, result });
                }
            }
            SbiCommand::Told { ticket, told } => {
                if let Some(part) = &mut self.ddnmf {
                    part.adapter.handle_input(ddnmf::Input::Told { now, ticket, told });
                }
            }
            SbiCommand::Vector { ticket, result } => {
                if let Some(anchor) = &mut self.anchor {
                    let input = ausf::Input::Vector { now, ticket, result };
                    anchor.ausf.handle_input(input, &mut self.random);
                }
            }
        }
    }

    fn tick(&mut self, now: UtcTime) {
        if let Some(gba) = &mut self.gba {
            gba.push.handle_input(push::Input::Tick { now });
            gba.adapter.handle_input(gba::Input::Tick { now });
        }
        if let Some(anchor) = &mut self.anchor {
            anchor.ausf.handle_input(ausf::Input::Tick { now }, &mut self.random);
        }
        if let Some(part) = &mut self.ddnmf {
            part.adapter.handle_input(ddnmf::Input::Tick { now });
        }
        if let Some(remote) = &mut self.remote {
            remote.push.handle_input(push::Input::Tick { now });
            remote.keys.handle_input(pkmf::Input::Tick { now }, &mut self.random);
        }
    }

    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            let ends = [self.drain_gba(), self.drain_ddnmf(), self.drain_ausf(), self.drain_pkmf()];
            let mut again = self.drain_panf();
            if let Some(anchor) = self.anchor.as_mut().filter(|anchor| !anchor.stores.is_empty()) {
                anchor.commit();
                again = true;
            }
            if let Some(remote) = self.remote.as_mut().filter(|remote| !remote.stores.is_empty()) {
                remote.commit(&mut self.random);
                again = true;
            }
            if !again {
                return ends.into_iter().flatten().min();
            }
        }
    }
}
