//! Npkmf: the key management functions of other networks, and SMFs, ask this one about remote UEs. TS 29.559, TS 33.503 §6.3.3.2.
//!
//! ```text
//! POST /npkmf-keyrequest/v1/prose-keys/request  ProseKeyReqData -> a key that is known                     -> 200 K_NRP, freshness 2
//!                                                               -> Push, Pushed -> Store, Stored           -> 200 .. and GPI
//! POST /npkmf-userid/v1/resolve-id              ResolveRequest                                             -> 200 SUPI
//! ```
//!
//! UP-PRUK comes by GBA push ([`crate::gba_push`]): Ks_NAF of this function, and P-TID is its name, as PRUK and PRUK ID are in LTE (TS 33.303
//! §6.7.3.2); the clause of 5G was not read. A GPI may not arrive: the key before it counts until the UE has used the new one. The
//! schema has strings for keys, freshness parameters and GPI; hexadecimal digits are ours. So is the form of the name, a NAI of realm
//! `prose-up.5gc..` (TS 23.003 §28.7.10, from memory).
//!
//! Not there: Npkmf_Discovery (keys of public-safety discovery leave [`crate::pkmf`] by MIKEY alone), `plmnId` (it is read, and counts for
//! nothing), SUCIs under a protection scheme, keys that are fetched by the UE over PC8.

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::nr;
use sidelink_security::keys::UpPruk;
use sidelink_wire::rng::Rng;

use super::common::{
    Hex, HexKey, Name, PlmnId, RelayServiceCode, ResynchronizationInfo, Subscriber, Suci, Supi,
};
use super::gba::HexString;
use super::json::{missing, objects};
use super::pending::Pending;
use super::problem::{Cause, Problem};
use super::target::{Api, Target, not_found, post};
use super::{JSON, Request, RequestId, Response, ok, random, read};
use crate::aka::Rand;
use crate::gba_push::Place;
use crate::gba_push::bsf::{self as push, Pushed};
use crate::hss::{Resynchronisation, Ticket};
use crate::identity::{Imsi, NafId};

objects! {
    /// A relay's network wants a key.
    ProseKeyReqData {
        /// For which relay service.
        mandatory relay_serv_code: RelayServiceCode = "relayServCode";
        /// K_NRP freshness parameter 1, of the remote UE.
        mandatory knrp_freshness_1: Hex<16> = "knrpFreshness1";
        /// The remote UE's USIM was out of synchronisation.
        optional resync_info: ResynchronizationInfo = "resyncInfo";
        /// Who: by the name of a key.
        optional pruk_id: Name = "prukId";
        /// Who: by a concealed identity.
        optional suci: Suci = "suci";
    }

    /// It gets it.
    ProseKeyRspData {
        /// K_NRP.
        mandatory knrp: HexKey = "knrp";
        /// K_NRP freshness parameter 2.
        mandatory knrp_freshness_2: Hex<16> = "knrpFreshness2";
        /// For the remote UE, which makes its key of it.
        optional gpi: HexString = "gpi";
    }

    /// Whose name is this?
    ResolveRequest {
        /// Name of a key.
        mandatory up_pruk_id: Name = "upPrukId";
        /// Of which network.
        optional plmn_id: PlmnId = "plmnId";
    }

    /// Whose it is.
    ResolveResponse {
        /// Who.
        mandatory supi: Supi = "supi";
    }
}

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// This function as a NAF.
    pub naf_id: NafId,
    /// MCC and MNC of its subscribers.
    pub home: (String, String),
    /// How long a UP-PRUK lives, in milliseconds.
    pub lifetime: u64,
    /// How long a synchronisation failure may take to come, in milliseconds.
    pub resynchronisation: u64,
    /// Remote UEs, at most.
    pub most: usize,
}

/// Which of the two keys of a remote UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The UE has it.
    Confirmed,
    /// It was pushed last, and may not have arrived.
    Candidate,
}

/// A UP-PRUK.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub imsi: Imsi,
    /// Which of its keys.
    pub slot: Slot,
    /// UP-PRUK ID.
    pub id: String,
    /// The key.
    pub up_pruk: UpPruk,
    /// Until when it lives.
    pub expires: UtcTime,
}

impl Record {
    fn duplicate(&self, slot: Slot) -> Self {
        Self {
            imsi: self.imsi.clone(),
            slot,
            id: self.id.clone(),
            up_pruk: UpPruk::from(*self.up_pruk.as_bytes()),
            expires: self.expires,
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A request came.
    Request {
        /// The time.
        now: UtcTime,
        /// To hand back.
        request: RequestId,
        /// The request; the caller has authenticated who asks.
        http: &'a Request,
    },
    /// The BSF answered [`Output::Push`].
    Pushed {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
        /// With what.
        result: Result<Pushed, push::Refusal>,
    },
    /// The record of [`Output::Store`] is durable.
    Stored {
        /// Which.
        ticket: Ticket,
    },
    /// It could not be made durable.
    StoreFailed {
        /// Which.
        ticket: Ticket,
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Respond {
        /// Which.
        request: RequestId,
        /// With what.
        response: Response,
    },
    /// Ask [`crate::gba_push::bsf`], and hand back [`Input::Pushed`].
    Push(Box<push::Request>),
    /// Make this durable in the place of what is stored for the same subscriber and slot, and hand back [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// What.
        record: Record,
    },
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// What a request asks for, as far as it is of use later.
#[derive(Clone, Copy)]
struct Asked {
    relay_service_code: [u8; 3],
    freshness_1: [u8; 16],
}

/// What waits.
enum Waiting {
    Push { imsi: Imsi, id: String, asked: Asked },
    Store { record: Record, asked: Asked, gpi: Option<Vec<u8>>, freshness_2: [u8; 16] },
}

/// Npkmf of a key management function.
pub struct RemoteKeys {
    config: Config,
    by_id: BTreeMap<String, (Imsi, Slot)>,
    records: BTreeMap<(Imsi, Slot), Record>,
    /// Whose challenge a RAND was, and until when that is remembered.
    challenges: BTreeMap<Rand, (Imsi, UtcTime)>,
    pending: Pending<Waiting>,
    outputs: VecDeque<Output>,
}

impl RemoteKeys {
    /// With what is durable.
    pub fn new(config: Config, stored: impl IntoIterator<Item = Record>) -> Self {
        let mut keys = Self {
            config,
            by_id: BTreeMap::new(),
            records: BTreeMap::new(),
            challenges: BTreeMap::new(),
            pending: Pending::new(),
            outputs: VecDeque::new(),
        };
        stored.into_iter().for_each(|record| keys.keep(record));
        keys
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        match input {
            Input::Request { now, request, http } => {
                if let Err(problem) = self.request(now, request, http, rng) {
                    self.respond(request, problem.respond());
                }
            }
            Input::Pushed { now, ticket, result } => self.pushed(now, ticket, result, rng),
            Input::Stored { ticket } => self.stored(ticket),
            Input::StoreFailed { ticket } => {
                if let Some((request, _)) = self.pending.take(ticket.0) {
                    let problem = Problem::new(Cause::NfCongestion, "the key could not be stored: try again");
                    self.respond(request, problem.respond());
                }
            }
            Input::Tick { now } => {
                self.challenges.retain(|_, (_, until)| *until > now);
                for (request, problem) in self.pending.expire(now) {
                    self.respond(request, problem.respond());
                }
            }
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let challenges = self.challenges.values().map(|(_, until)| *until);
        Output::Timeout(challenges.chain(self.pending.next()).min())
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outputs.push_back(Output::Respond { request, response });
    }

    fn request(
        &mut self,
        now: UtcTime,
        request: RequestId,
        http: &Request,
        rng: &mut dyn Rng,
    ) -> Result<(), Problem> {
        match (Api::of_request(http)?, &Target::of(http)?.segments()[..]) {
            (Api::NpkmfKeyRequest, ["prose-keys", "request"]) => {
                post(http)?;
                self.key(now, request, &read(http, JSON)?, rng)
            }
            (Api::NpkmfUserId, ["resolve-id"]) => {
                post(http)?;
                let asked: ResolveRequest = read(http, JSON)?;
                let (imsi, _) = self.by_id.get(asked.up_pruk_id.as_str()).ok_or_else(unknown)?;
                let response = ok(&ResolveResponse { supi: Supi::of(imsi) });
                self.respond(request, response);
                Ok(())
            }
            _ => Err(not_found()),
        }
    }

    fn key(
        &mut self,
        now: UtcTime,
        request: RequestId,
        data: &ProseKeyReqData,
        rng: &mut dyn Rng,
    ) -> Result<(), Problem> {
        let asked =
            Asked { relay_service_code: data.relay_serv_code.0, freshness_1: data.knrp_freshness_1.0 };
        self.pending.check()?;
        if let Some(info) = &data.resync_info {
            // Only whom a challenge went to can be out of synchronisation.
            let challenged = self.challenges.remove(&Rand(info.rand.0)).filter(|(_, until)| *until > now);
            let (imsi, _) = challenged.ok_or_else(|| {
                Problem::new(
                    Cause::ContextNotFound,
                    "no challenge of this RAND was pushed, or it is too late",
                )
            })?;
            return self.push(now, request, (imsi, "0"), asked, Some(info.into()), rng);
        }
        let known = data.pruk_id.as_ref().and_then(|id| self.by_id.get(id.as_str()).cloned());
        let known = known.filter(|key| self.records.get(key).is_some_and(|record| record.expires > now));
        match (known, &data.suci) {
            (Some(key), _) => self.known(now, request, &key, asked, rng),
            (None, Some(suci)) => {
                let (imsi, routing) = subscriber(suci)?;
                self.push(now, request, (imsi, &routing), asked, None, rng)
            }
            (None, None) if data.pruk_id.is_some() => Err(unknown()),
            (None, None) => Err(Problem::members(missing("suci", "it or prukId says who is meant"))),
        }
    }

    /// The UE has this key: what it had before counts no more.
    fn known(
        &mut self,
        now: UtcTime,
        request: RequestId,
        (imsi, slot): &(Imsi, Slot),
        asked: Asked,
        rng: &mut dyn Rng,
    ) -> Result<(), Problem> {
        let record = self.records.get(&(imsi.clone(), *slot)).ok_or_else(unknown)?;
        let freshness_2 = random(rng);
        if *slot == Slot::Confirmed {
            let response = respond_key(&record.up_pruk, asked, freshness_2, None);
            self.respond(request, response);
            return Ok(());
        }
        let record = record.duplicate(Slot::Confirmed);
        self.store(now, request, Waiting::Store { record, asked, gpi: None, freshness_2 });
        Ok(())
    }

    fn push(
        &mut self,
        now: UtcTime,
        request: RequestId,
        (imsi, routing): (Imsi, &str),
        asked: Asked,
        resynchronisation: Option<Resynchronisation>,
        rng: &mut dyn Rng,
    ) -> Result<(), Problem> {
        let known = (imsi.clone(), Slot::Confirmed)..=(imsi.clone(), Slot::Candidate);
        if self.records.range(known).next().is_none() && self.records.len() >= self.config.most {
            return Err(Problem::new(Cause::NfCongestion, "there is no room for more remote UEs"));
        }
        let (mcc, mnc) = &self.config.home;
        let not_ours = || Problem::new(Cause::UserNotFound, "a subscriber of another network");
        if !imsi.digits().starts_with(&format!("{mcc}{mnc}")) {
            return Err(not_ours());
        }
        let impi = imsi.impi(mnc.len()).map_err(|_| not_ours())?;
        let id = format!(
            "rid{routing}.pid{}@prose-up.5gc.mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org",
            hex::encode(random::<8>(rng))
        );
        let naf_id = self.config.naf_id.clone();
        let ticket = Ticket(self.pending.keep(now, request, Waiting::Push { imsi, id: id.clone(), asked }));
        self.outputs.push_back(Output::Push(Box::new(push::Request {
            ticket,
            naf: naf_id.fqdn.clone(),
            impi,
            label: String::new(),
            naf_id,
            p_tid: id,
            place: Place::Terminal,
            lifetime: self.config.lifetime,
            resynchronisation,
        })));
        Ok(())
    }

    fn pushed(
        &mut self,
        now: UtcTime,
        ticket: Ticket,
        result: Result<Pushed, push::Refusal>,
        rng: &mut dyn Rng,
    ) {
        // One that came too late is used for nothing.
        let Some((request, Waiting::Push { imsi, id, asked })) = self.pending.take(ticket.0) else { return };
        let pushed = match result {
            Ok(pushed) => pushed,
            Err(why) => return self.respond(request, super::gba::not_pushed(why).respond()),
        };
        if let Ok(packet) = crate::gba_push::Packet::new_checked(&pushed.gpi) {
            let until = now.plus_millis(self.config.resynchronisation);
            self.challenges.insert(packet.rand(), (imsi.clone(), until));
        }
        let up_pruk = UpPruk::from(*pushed.ks_naf.as_bytes());
        let record = Record { imsi, slot: Slot::Candidate, id, up_pruk, expires: pushed.expires };
        let freshness_2 = random(rng);
        self.store(now, request, Waiting::Store { record, asked, gpi: Some(pushed.gpi), freshness_2 });
    }

    fn store(&mut self, now: UtcTime, request: RequestId, waiting: Waiting) {
        let Waiting::Store { record, .. } = &waiting else { return };
        let record = record.duplicate(record.slot);
        let ticket = Ticket(self.pending.keep(now, request, waiting));
        self.outputs.push_back(Output::Store { ticket, record });
    }

    fn stored(&mut self, ticket: Ticket) {
        let Some((request, Waiting::Store { record, asked, gpi, freshness_2 })) = self.pending.take(ticket.0)
        else {
            return;
        };
        let response = respond_key(&record.up_pruk, asked, freshness_2, gpi);
        self.keep(record);
        self.respond(request, response);
    }

    fn keep(&mut self, record: Record) {
        let key = (record.imsi.clone(), record.slot);
        let is_elsewhere = |keys: &Self, id: &str, slot| {
            keys.records.get(&(key.0.clone(), slot)).is_some_and(|other| other.id == id)
        };
        if let Some(before) = self.records.remove(&key) {
            let other = if record.slot == Slot::Confirmed { Slot::Candidate } else { Slot::Confirmed };
            if !is_elsewhere(self, &before.id, other) {
                self.by_id.remove(&before.id);
            }
        }
        // Of a key in both slots the confirmed one is found.
        if record.slot == Slot::Confirmed || !is_elsewhere(self, &record.id, Slot::Confirmed) {
            self.by_id.insert(record.id.clone(), key.clone());
        }
        self.records.insert(key, record);
    }
}

fn unknown() -> Problem {
    Problem::new(Cause::ContextNotFound, "no key has this UP-PRUK ID, or not any more")
}

/// Who is meant, and the routing indicator.
fn subscriber(suci: &Suci) -> Result<(Imsi, String), Problem> {
    match Subscriber::of(suci.as_str()) {
        Subscriber::Imsi(imsi, Some(routing)) => Ok((imsi, routing)),
        Subscriber::Concealed => {
            let detail =
                "a SUCI under a protection scheme is not revealed here: only the null scheme is there";
            Err(Problem::new(Cause::UnsupportedProtectionScheme, detail))
        }
        Subscriber::Imsi(_, None) | Subscriber::Other => {
            let reason = "only suci-0- of an IMSI under the null scheme is served here";
            Err(Problem::member(Cause::OptionalIeIncorrect, "suci", reason))
        }
    }
}

fn respond_key(up_pruk: &UpPruk, asked: Asked, freshness_2: [u8; 16], gpi: Option<Vec<u8>>) -> Response {
    let knrp = nr::knrp_from_up_pruk(up_pruk, asked.relay_service_code, &asked.freshness_1, &freshness_2);
    ok(&ProseKeyRspData {
        knrp: HexKey::from(knrp.as_bytes()),
        knrp_freshness_2: Hex(freshness_2),
        gpi: gpi.map(HexString),
    })
}

#[cfg(test)]
pub(in crate::sbi) mod tests;
