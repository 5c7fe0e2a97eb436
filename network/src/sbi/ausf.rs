//! Nausf_UEAuthentication, what ProSe uses of it: a relay's network has a remote UE authenticated. TS 29.509, TS 33.503 §6.3.3.3.
//!
//! ```text
//! POST   /nausf-auth/v1/prose-authentications                  {5gPrukId}   -> Retrieve -> 200 K_NR_ProSe, Nonce_2
//!                                                              {supiOrSuci} -> Fetch    -> 201 EAP-Request, link
//! POST   /nausf-auth/v1/prose-authentications/{id}/prose-auth  EAP-Response -> 200 EAP-Request, link
//!                                                                           -> Register -> 200 EAP-Success, K_NR_ProSe, Nonce_2, CP-PRUK ID
//!                                                                           -> 200 EAP-Failure
//! DELETE /nausf-auth/v1/prose-authentications/{id}/prose-auth               -> 204
//! ```
//!
//! EAP-AKA' is that of [`crate::aaa`], bound to the name of the serving network. K_AUSF_P are the first 32 octets of EMSK, as K_AUSF
//! is (TS 33.501 §6.1.3.1, from memory); SUPI counts as the digits of the IMSI (TS 33.501 §A.7.0). K_NR_ProSe leaves only after the
//! anchor function has CP-PRUK. The name of the link, `prose-auth`, is from memory.
//!
//! Not there: SUCIs under a protection scheme (the null scheme is there), SUPIs that are no IMSI, 5G AKA, and all of the interface that is
//! not ProSe's.

use std::collections::{BTreeMap, VecDeque};

use http::Method;
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::nr;
use sidelink_security::keys::{CpPruk, KausfP, KnrProse};
use sidelink_wire::rng::Rng;

use super::common::{Bytes, HexKey, Name, Nonce, PrukId5g, Subscriber, SupiOrSuci};
use super::gba::no_vector;
use super::json::missing;
use super::pending::Pending;
use super::problem::{Cause, Problem};
use super::target::{Target, encoded, not_found};
use super::{HAL_JSON, JSON, Request, RequestId, Response, created, no_content, ok, random, read, respond};
use crate::aaa::{self, Aaa, Rejection, SessionId};
use crate::hss::Ticket;
use crate::identity::Imsi;
use crate::panf::{self, Record};

mod io;
mod schema;

pub use io::{Config, Input, Output};
pub use schema::{
    Links, ProSeAuthenticationCtx, ProSeAuthenticationInfo, ProSeAuthenticationResult, ProSeEapSession,
};

/// What a request asks for, as far as it is of use later.
#[derive(Clone)]
struct Asked {
    relay_service_code: [u8; 3],
    nonce_1: [u8; 16],
    network_name: String,
    /// Who, if a key is not known.
    otherwise: Option<(Imsi, Option<String>)>,
}

/// An authentication.
struct Context {
    name: String,
    asked: Asked,
    routing_indicator: String,
    until: UtcTime,
    /// Who waits for an answer.
    waiting: Option<RequestId>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent yet.
    Begun,
    /// A request was sent.
    Going,
    /// The key is being registered.
    Registering,
    /// It ended.
    Over,
}

/// What waits for the anchor function.
enum Waiting {
    Retrieval(Asked),
    Registration { session: SessionId, packet: [u8; 4], key: KnrProse, nonce_2: [u8; 16], id: String },
}

/// The part of an AUSF that ProSe uses.
pub struct Ausf {
    config: Config,
    aaa: Aaa,
    /// When the EAP server wants to know the time.
    eap_until: Option<UtcTime>,
    contexts: BTreeMap<SessionId, Context>,
    names: BTreeMap<String, SessionId>,
    sessions: u64,
    pending: Pending<Waiting>,
    outputs: VecDeque<Output>,
}

impl Ausf {
    /// Without authentications; the network name of the EAP server is not used.
    pub fn new(config: Config, aaa: aaa::Config) -> Self {
        // A session lives as long as its authentication: a packet never begins another.
        let aaa = aaa::Config { answer_timeout: config.lifetime, ..aaa };
        Self {
            config,
            aaa: Aaa::new(aaa),
            eap_until: None,
            contexts: BTreeMap::new(),
            names: BTreeMap::new(),
            sessions: 0,
            pending: Pending::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        match input {
            Input::Request { now, request, http } => {
                if let Err(problem) = self.request(now, request, http, rng) {
                    self.respond(request, problem.respond());
                }
            }
            Input::Vector { now, ticket, result } => {
                self.aaa.handle_input(aaa::Input::Vector { now, ticket, result }, rng);
                self.settle(now, rng);
            }
            Input::Retrieved { now, ticket, key } => self.retrieved(now, ticket, key, rng),
            Input::Registered { ticket, result } => self.registered(ticket, result),
            Input::Tick { now } => self.tick(now, rng),
        }
    }

    /// What is to be done next; [`Output::Timeout`] when that is all.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let contexts = self.contexts.values().map(|context| context.until);
        Output::Timeout(contexts.chain(self.pending.next()).chain(self.eap_until).min())
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
        match &Target::of(http)?.segments()[..] {
            ["prose-authentications"] => {
                super::target::post(http)?;
                self.authenticate(now, request, read(http, JSON)?, rng)
            }
            ["prose-authentications", name, "prose-auth"] => match *http.method() {
                Method::POST => self.go_on(now, request, name, &read(http, JSON)?, rng),
                Method::DELETE => {
                    let session = self.find(name)?;
                    self.forget(session);
                    self.respond(request, no_content());
                    Ok(())
                }
                _ => Err(Problem::method("POST, DELETE")),
            },
            _ => Err(not_found()),
        }
    }

    fn authenticate(
        &mut self,
        now: UtcTime,
        request: RequestId,
        info: ProSeAuthenticationInfo,
        rng: &mut dyn Rng,
    ) -> Result<(), Problem> {
        let network_name = info.serving_network_name.as_str().to_owned();
        if !self.config.serving_networks.contains(&network_name) {
            let detail = "this serving network is not one of those that may ask here";
            return Err(Problem::new(Cause::ServingNetworkNotAuthorized, detail));
        }
        let otherwise = info.supi_or_suci.as_ref().map(subscriber).transpose()?;
        let asked = Asked {
            relay_service_code: info.relay_service_code.0,
            nonce_1: info.nonce_1.0,
            network_name,
            otherwise,
        };
        match info.pruk_id {
            Some(id) => {
                self.pending.check()?;
                let relay_service_code = asked.relay_service_code;
                let ticket = Ticket(self.pending.keep(now, request, Waiting::Retrieval(asked)));
                let id = id.as_str().to_owned();
                self.outputs.push_back(Output::Retrieve { ticket, id, relay_service_code });
                Ok(())
            }
            None if asked.otherwise.is_none() => {
                Err(Problem::members(missing("supiOrSuci", "it or 5gPrukId says who is meant")))
            }
            None => self.begin(now, request, asked, rng),
        }
    }

    fn begin(
        &mut self,
        now: UtcTime,
        request: RequestId,
        asked: Asked,
        rng: &mut dyn Rng,
    ) -> Result<(), Problem> {
        let Some((imsi, routing)) = asked.otherwise.clone() else {
            return Err(Problem::new(
                Cause::ContextNotFound,
                "no key has this CP-PRUK ID: authenticate by a SUCI",
            ));
        };
        if self.contexts.len() >= self.config.contexts {
            return Err(Problem::new(Cause::NfCongestion, "too many authentications at once"));
        }
        self.sessions += 1;
        let session = SessionId(self.sessions);
        // Nobody else can name it.
        let name = hex::encode(random::<16>(rng));
        let network_name = asked.network_name.clone();
        self.names.insert(name.clone(), session);
        self.contexts.insert(
            session,
            Context {
                name,
                asked,
                routing_indicator: routing.unwrap_or_else(|| self.config.routing_indicator.clone()),
                until: now.plus_millis(self.config.lifetime),
                waiting: Some(request),
                stage: Stage::Begun,
            },
        );
        self.aaa.handle_input(aaa::Input::Begin { now, session, imsi, network_name }, rng);
        self.settle(now, rng);
        Ok(())
    }

    fn find(&self, name: &str) -> Result<SessionId, Problem> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| {
            Problem::new(Cause::ContextNotFound, "there is no such authentication, or not any more")
        })
    }

    fn go_on(
        &mut self,
        now: UtcTime,
        request: RequestId,
        name: &str,
        session: &ProSeEapSession,
        rng: &mut dyn Rng,
    ) -> Result<(), Problem> {
        let id = self.find(name)?;
        let over = || Problem::new(Cause::ContextNotFound, "this authentication has ended");
        let context = self.contexts.get_mut(&id).ok_or_else(over)?;
        match context.stage {
            Stage::Over => return Err(over()),
            // Only an authentication that waits for the UE takes a packet: another would begin anew.
            Stage::Going if context.waiting.is_none() => {}
            Stage::Begun | Stage::Registering | Stage::Going => {
                let detail = "the answer to an earlier packet is on its way";
                return Err(Problem::new(Cause::UnspecifiedMsgFailure, detail));
            }
        }
        context.waiting = Some(request);
        self.aaa.handle_input(aaa::Input::Packet { now, session: id, packet: &session.eap_payload.0 }, rng);
        self.settle(now, rng);
        Ok(())
    }

    /// Does what the EAP server says.
    fn settle(&mut self, now: UtcTime, rng: &mut dyn Rng) {
        loop {
            match self.aaa.poll_output() {
                aaa::Output::Request { session, packet } => self.challenge(session, &packet),
                aaa::Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    self.outputs.push_back(Output::Fetch { ticket, imsi, network_name, resynchronisation });
                }
                aaa::Output::Accept { session, packet, grant } => {
                    self.accept(now, session, packet, &grant, rng)
                }
                aaa::Output::Reject { session, packet, why } => self.reject(session, packet, why),
                aaa::Output::Discard { session, why } => {
                    let waiting = self.contexts.get_mut(&session).and_then(|context| context.waiting.take());
                    if let Some(request) = waiting {
                        let problem =
                            Problem::member(Cause::MandatoryIeIncorrect, "eapPayload", why.to_string());
                        self.respond(request, problem.respond());
                    }
                }
                aaa::Output::Timeout(at) => {
                    self.eap_until = at;
                    break;
                }
            }
        }
    }

    fn challenge(&mut self, session: SessionId, packet: &[u8]) {
        let Some(context) = self.contexts.get_mut(&session) else { return };
        let before = std::mem::replace(&mut context.stage, Stage::Going);
        let Some(request) = context.waiting.take() else { return };
        let root = &self.config.api_root;
        let resource = format!("{root}/nausf-auth/v1/prose-authentications/{}", encoded(&context.name));
        let links = Links(format!("{resource}/prose-auth"));
        let response = if before == Stage::Begun {
            let document = ProSeAuthenticationCtx {
                auth_type: Name::of("EAP_AKA_PRIME"),
                links,
                pro_se_auth_data: Bytes::from(packet),
            };
            created(HAL_JSON, &resource, &document)
        } else {
            let ongoing =
                ProSeEapSession { links: Some(links), ..eap_session(packet, "AUTHENTICATION_ONGOING") };
            respond(http::StatusCode::OK, HAL_JSON, &ongoing)
        };
        self.respond(request, response);
    }

    fn accept(
        &mut self,
        now: UtcTime,
        session: SessionId,
        packet: [u8; 4],
        grant: &aaa::Grant,
        rng: &mut dyn Rng,
    ) {
        let Some(context) = self.contexts.get_mut(&session) else { return };
        let Some(request) = context.waiting.take() else { return };
        context.stage = Stage::Registering;
        let (asked, supi) = (&context.asked, grant.imsi.digits());
        let kausf_p = kausf_p(&grant.keys.emsk);
        let (cp_pruk, id) = (
            nr::cp_pruk(&kausf_p, supi, asked.relay_service_code),
            nr::cp_pruk_id(&kausf_p, supi, asked.relay_service_code),
        );
        let (cp_pruk, id) = (cp_pruk.expect("an IMSI is short"), id.expect("an IMSI is short"));
        let (mcc, mnc) = &self.config.home;
        let id = format!(
            "rid{}.pid{}@prose-cp.5gc.mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org",
            context.routing_indicator,
            hex::encode(id)
        );
        let nonce_2 = random(rng);
        let key = nr::knr_prose(&cp_pruk, &asked.nonce_1, &nonce_2);
        let relay_service_code = asked.relay_service_code;
        let record = Record { id: id.clone(), imsi: grant.imsi.clone(), relay_service_code, cp_pruk };
        let waiting = Waiting::Registration { session, packet, key, nonce_2, id };
        let ticket = Ticket(self.pending.keep(now, request, waiting));
        self.outputs.push_back(Output::Register { ticket, record });
    }

    fn reject(&mut self, session: SessionId, packet: [u8; 4], why: Rejection) {
        let Some(context) = self.contexts.get_mut(&session) else { return };
        let before = std::mem::replace(&mut context.stage, Stage::Over);
        let waiting = context.waiting.take();
        // A UE that was sent nothing is told nothing.
        let response = match before {
            Stage::Begun => rejected(why).respond(),
            _ => ok(&eap_session(&packet, "AUTHENTICATION_FAILURE")),
        };
        if before == Stage::Begun {
            self.forget(session);
        }
        if let Some(request) = waiting {
            self.respond(request, response);
        }
    }

    fn retrieved(&mut self, now: UtcTime, ticket: Ticket, key: Option<CpPruk>, rng: &mut dyn Rng) {
        let Some((request, Waiting::Retrieval(asked))) = self.pending.take(ticket.0) else { return };
        let Some(key) = key else {
            if let Err(problem) = self.begin(now, request, asked, rng) {
                self.respond(request, problem.respond());
            }
            return;
        };
        let nonce_2 = random(rng);
        let key = nr::knr_prose(&key, &asked.nonce_1, &nonce_2);
        let result = ProSeAuthenticationResult {
            knr_pro_se: Some(HexKey::from(key.as_bytes())),
            nonce_2: Some(Nonce(nonce_2)),
        };
        self.respond(request, ok(&result));
    }

    fn registered(&mut self, ticket: Ticket, result: Result<(), panf::Refusal>) {
        let Some((request, Waiting::Registration { session, packet, key, nonce_2, id })) =
            self.pending.take(ticket.0)
        else {
            return;
        };
        if let Some(context) = self.contexts.get_mut(&session) {
            context.stage = Stage::Over;
        }
        let response = match result {
            Ok(()) => ok(&ProSeEapSession {
                knr_pro_se: Some(HexKey::from(key.as_bytes())),
                nonce_2: Some(Nonce(nonce_2)),
                pruk_id: PrukId5g::new(&id),
                ..eap_session(&packet, "AUTHENTICATION_SUCCESS")
            }),
            Err(why) => Problem::new(Cause::NfCongestion, why.to_string()).respond(),
        };
        self.respond(request, response);
    }

    fn tick(&mut self, now: UtcTime, rng: &mut dyn Rng) {
        self.aaa.handle_input(aaa::Input::Tick { now }, rng);
        self.settle(now, rng);
        for (request, problem) in self.pending.expire(now) {
            self.respond(request, problem.respond());
        }
        let late = self.contexts.iter().filter(|(_, context)| context.until <= now).map(|(id, _)| *id);
        for session in late.collect::<Vec<_>>() {
            let waiting = self.contexts.get_mut(&session).and_then(|context| context.waiting.take());
            self.forget(session);
            if let Some(request) = waiting {
                let problem = Problem::new(Cause::UpstreamServerError, "the HSS did not answer in time");
                self.respond(request, problem.respond());
            }
        }
    }

    fn forget(&mut self, session: SessionId) {
        if let Some(context) = self.contexts.remove(&session) {
            self.names.remove(&context.name);
        }
    }
}

/// Who is meant.
fn subscriber(given: &SupiOrSuci) -> Result<(Imsi, Option<String>), Problem> {
    match Subscriber::of(given.as_str()) {
        Subscriber::Imsi(imsi, routing) => Ok((imsi, routing)),
        Subscriber::Concealed => {
            let detail =
                "a SUCI under a protection scheme is not revealed here: only the null scheme is there";
            Err(Problem::new(Cause::UnsupportedProtectionScheme, detail))
        }
        Subscriber::Other => {
            let reason =
                "only imsi- with its digits, and suci-0- of an IMSI under the null scheme, are served here";
            Err(Problem::member(Cause::OptionalIeIncorrect, "supiOrSuci", reason))
        }
    }
}

fn eap_session(packet: &[u8], result: &'static str) -> ProSeEapSession {
    ProSeEapSession {
        eap_payload: Bytes::from(packet),
        knr_pro_se: None,
        links: None,
        auth_result: Some(Name::of(result)),
        supported_features: None,
        nonce_2: None,
        pruk_id: None,
    }
}

/// Why nothing was begun.
fn rejected(why: Rejection) -> Problem {
    let detail = why.to_string();
    match why {
        Rejection::Hss(refusal) => no_vector(refusal),
        Rejection::TooOften => Problem::new(Cause::NfCongestionRisk, detail),
        Rejection::Busy => Problem::new(Cause::NfCongestion, detail),
        Rejection::Late => Problem::new(Cause::UpstreamServerError, detail),
        _ => Problem::new(Cause::AuthenticationRejected, detail),
    }
}

/// K_AUSF_P.
fn kausf_p(emsk: &[u8; 64]) -> KausfP {
    let mut octets = zeroize::Zeroizing::new([0; 32]);
    octets.copy_from_slice(&emsk[..32]);
    KausfP::from(*octets)
}

#[cfg(test)]
pub(in crate::sbi) mod tests;
