//! The UE's end of EAP-AKA', over its USIM. RFC 4187, RFC 9048, from memory.
//!
//! ```text
//!   Identity          -> name of a re-authentication, pseudonym, or IMSI
//!   Challenge         -> name of the network, derivation; USIM: Store, Stored -> RES
//!                        USIM: out of sync -> AUTS;  refused -> Authentication-Reject
//!   Reauthentication  -> counter above the last -> the same counter; otherwise AT_COUNTER_TOO_SMALL
//!   Notification      -> acknowledged
//!   EAP-Success       -> Success, once the server has proven itself, and has told success where both ends want that
//! ```
//!
//! - The name of the access network in the challenge must be that of the network that the UE is at (RFC 9048 §3.1), the AMF
//!   separation bit must be set (the USIM looks), and the exchange of identities must not have been altered.
//! - There is nothing to be bid down to: a server that begins with EAP-AKA, or anything else, gets a NAK that names EAP-AKA'.
//! - The state of the USIM is durable before RES goes out. The context of re-authentications is memory only; without it the peer is
//!   authenticated in full.

use std::collections::VecDeque;

use sidelink_security::kdf::eap_aka::{self as kdf, ExportedKeys};
use sidelink_wire::rng::Rng;

use crate::aaa::{ResultIndications, session_id};
use crate::aka::{Autn, Quintet, Rand};
use crate::eap_aka::message::{MacKey, UNABLE_TO_PROCESS};
use crate::eap_aka::packet;
use crate::eap_aka::protection::verify_mac;
use crate::eap_aka::{
    Challenge, Code, Derivation, IdentityRequest, Keys, Method, Packet, Request, Response, Transcript, Type,
};
use crate::identity::Imsi;
use crate::usim::{self, Domain, Usim};

mod fast;
mod io;
mod network_name;

use fast::Context;
pub use io::{Discarded, Failure, Input, Output, Success};
pub use network_name::matches;

/// The derivation of RFC 9048 §3.3, the only one here.
const KDF: u16 = 1;

/// What is said to a server that wants the IMSI although there is a pseudonym. RFC 4187 §4.1.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityPolicy {
    /// The IMSI.
    Liberal,
    /// Nothing: who asks might not be the network.
    Conservative,
}

/// Settings of a peer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who it is.
    pub imsi: Imsi,
    /// Realm of its identities.
    pub realm: String,
    /// Name of the access network that it is at. TS 24.302 §8.1.1.1.
    pub network_name: String,
    /// The pseudonym that it was given last.
    pub pseudonym: Option<String>,
    /// See there.
    pub identity_policy: IdentityPolicy,
    /// Whether it wants protected notifications of success.
    pub result_indications: ResultIndications,
}

/// A peer.
pub struct EapPeer {
    config: Config,
    usim: Usim,
    context: Option<Context>,
    conversation: Conversation,
    /// The last request, and what was answered: it may come again.
    last: Option<(Vec<u8>, Vec<u8>)>,
    outputs: VecDeque<Output>,
}

#[derive(Default)]
struct Conversation {
    /// The last identity that was said.
    identity: Option<String>,
    asked: Option<IdentityRequest>,
    transcript: Transcript,
    /// AT_KDF of a challenge that was answered with a choice.
    offered: Option<Vec<u16>>,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Open,
    /// The USIM is asked.
    Usim(Box<(Vec<u8>, Challenge)>),
    /// The server is proven, and ours is the last word.
    Answered(Box<Answered>),
    /// There will be no keys.
    Failed(Failure),
    /// There are keys.
    Over,
}

struct Answered {
    keys: Keys,
    exported: ExportedKeys,
    session_id: [u8; 33],
    /// Of a re-authentication.
    counter: Option<u16>,
    next_pseudonym: Option<String>,
    next_reauth_id: Option<String>,
    result: ResultOf,
}

/// What is still to come before EAP-Success counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResultOf {
    /// A notification of success.
    Awaited,
    /// Nothing.
    Nothing,
    /// Nothing, and no failure is believed any more: the notification has come.
    Told,
}

/// What an answer is made of: the response, the state after it, and the key of AT_MAC.
type Answer = Result<(Response, State), Failure>;

impl EapPeer {
    /// A peer with its USIM.
    pub fn new(config: Config, usim: Usim) -> Self {
        let (context, conversation) = (None, Conversation::default());
        Self { config, usim, context, conversation, last: None, outputs: VecDeque::new() }
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        let stored = match input {
            Input::Packet(octets) => {
                if let Err(why) = self.packet(octets, rng) {
                    self.outputs.push_back(Output::Discard(why));
                }
                return;
            }
            Input::Stored => usim::Input::Stored,
            Input::StoreFailed => usim::Input::StoreFailed,
        };
        // Without a question to the USIM nothing was to be stored.
        if self.usim.handle_input(stored).is_ok() {
            self.ask_usim();
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn packet(&mut self, octets: &[u8], rng: &mut dyn Rng) -> Result<(), Discarded> {
        let packet = Packet::new_checked(octets).map_err(Discarded::Malformed)?;
        if matches!(self.conversation.state, State::Usim(_)) {
            return Err(Discarded::Waiting);
        }
        match packet.code() {
            Code::Response => return Err(Discarded::Response),
            Code::Success | Code::Failure => return self.end(&packet),
            Code::Request => {}
        }
        if let Some((_, response)) = self.last.as_ref().filter(|(request, _)| request == packet.octets()) {
            self.outputs.push_back(Output::Response(response.clone()));
            return Ok(());
        }
        match packet.kind() {
            Some(Type::Identity) => {
                self.conversation = Conversation::default();
                let identity = self.identity(IdentityRequest::Any);
                self.plain(&packet, Type::Identity, identity.as_bytes());
                self.conversation.identity = Some(identity);
            }
            Some(Type::Notification) => self.plain(&packet, Type::Notification, &[]),
            Some(Type::Method(Method::AkaPrime)) => self.request(&packet, rng),
            _ => self.plain(&packet, Type::Nak, &[Method::AkaPrime.octet()]),
        }
        Ok(())
    }

    fn request(&mut self, packet: &Packet<'_>, rng: &mut dyn Rng) {
        let answer = match Request::parse(packet) {
            Err(error) => Err(Failure::Malformed(error)),
            Ok((_, Request::Identity(which))) => return self.identify(packet, which),
            Ok((_, Request::Challenge(challenge))) => match self.consider(&challenge) {
                Ok(None) => {
                    self.conversation.state = State::Usim(Box::new((packet.octets().to_vec(), challenge)));
                    return self.ask_usim();
                }
                Ok(Some(kdf)) => Ok((Response::KdfChoice(kdf), State::Open)),
                Err(why) => Ok((Response::AuthenticationReject, State::Failed(why))),
            },
            Ok((_, Request::Reauthentication(message))) => return self.fast(packet, &message, rng),
            Ok((_, Request::Notification(notification))) => return self.notified(packet, &notification, rng),
        };
        self.answer(packet, answer, None);
    }

    /// Which identity is said. RFC 4187 §4.1.4.
    fn identity(&self, which: IdentityRequest) -> String {
        let name = self.context.as_ref().and_then(|context| context.name.clone());
        if let (IdentityRequest::Any, Some(name)) = (which, name) {
            return name;
        }
        let user = match (&self.config.pseudonym, which) {
            (Some(pseudonym), IdentityRequest::Any | IdentityRequest::Fullauth) => pseudonym.clone(),
            _ => crate::eap_aka::identity::permanent(&self.config.imsi),
        };
        format!("{user}@{}", self.config.realm)
    }

    fn identify(&mut self, packet: &Packet<'_>, which: IdentityRequest) {
        let is_conservative = self.config.identity_policy == IdentityPolicy::Conservative;
        let answer = if self.conversation.asked.is_some_and(|before| before >= which) {
            Err(Failure::Identity)
        } else if which == IdentityRequest::Permanent && is_conservative && self.config.pseudonym.is_some() {
            Err(Failure::PermanentIdentity)
        } else {
            self.conversation.asked = Some(which);
            self.conversation.transcript.add(packet.octets());
            let identity = self.identity(which);
            self.conversation.identity = Some(identity.clone());
            Ok((Response::Identity(identity), State::Open))
        };
        let said = answer.is_ok();
        self.answer(packet, answer, None);
        if let (true, Some((_, response))) = (said, &self.last) {
            self.conversation.transcript.add(response);
        }
    }

    /// Whether a challenge is worth the USIM's time: `None`, or the derivation that is chosen instead.
    fn consider(&mut self, challenge: &Challenge) -> Result<Option<u16>, Failure> {
        let Derivation::AkaPrime { kdfs, network_name } = &challenge.derivation else {
            return Err(Failure::Kdf);
        };
        if !matches(network_name, &self.config.network_name) {
            return Err(Failure::NetworkName);
        }
        // After a choice: that one, then the list as it was. RFC 9048 §3.2.
        let fresh = match self.conversation.offered.take() {
            Some(offered) => match kdfs.split_first() {
                Some((&KDF, rest)) if rest == offered => return Ok(None),
                _ => return Err(Failure::Kdf),
            },
            None => kdfs,
        };
        let has_twice = fresh.iter().enumerate().any(|(i, kdf)| fresh[..i].contains(kdf));
        match fresh.first() {
            _ if has_twice => Err(Failure::Kdf),
            Some(&KDF) => Ok(None),
            Some(_) if fresh.contains(&KDF) => {
                self.conversation.offered = Some(fresh.clone());
                Ok(Some(KDF))
            }
            _ => Err(Failure::Kdf),
        }
    }

    /// Puts the challenge to the USIM, or takes its answer.
    fn ask_usim(&mut self) {
        let State::Usim(asked) = std::mem::take(&mut self.conversation.state) else { return };
        let (octets, challenge) = *asked;
        let (rand, autn) = (Rand(challenge.rand), Autn(challenge.autn));
        let output = match self.usim.poll_output() {
            Some(output) => Some(output),
            None => {
                let domain = Domain::EapAkaPrime;
                let taken = self.usim.handle_input(usim::Input::Authenticate { rand, autn, domain });
                taken.ok().and_then(|()| self.usim.poll_output())
            }
        };
        let Ok(packet) = Packet::new_checked(&octets) else { return };
        let answer = match output {
            Some(usim::Output::Store(array)) => {
                self.outputs.push_back(Output::Store(array));
                self.conversation.state = State::Usim(Box::new((octets, challenge)));
                return;
            }
            Some(usim::Output::Answer(usim::Answer::Keys(quintet))) => {
                return match self.full(&packet, &challenge, &quintet) {
                    Ok((response, answered)) => {
                        let k_aut = answered.keys.k_aut;
                        let state = State::Answered(Box::new(answered));
                        self.answer(
                            &packet,
                            Ok((response, state)),
                            Some(MacKey { k_aut: &k_aut, extra: &[] }),
                        );
                    }
                    Err(why) => self.answer(&packet, Err(why), None),
                };
            }
            Some(usim::Output::Answer(usim::Answer::OutOfSync(auts))) => {
                let kdfs = match &challenge.derivation {
                    Derivation::AkaPrime { kdfs, .. } => kdfs.clone(),
                    Derivation::Aka { .. } => Vec::new(),
                };
                Ok((Response::SynchronizationFailure { auts: auts.0, kdfs }, State::Open))
            }
            Some(usim::Output::Answer(usim::Answer::Refused(usim::Refusal::Store))) => {
                Err(Failure::Usim(usim::Refusal::Store))
            }
            Some(usim::Output::Answer(usim::Answer::Refused(why))) => {
                Ok((Response::AuthenticationReject, State::Failed(Failure::Usim(why))))
            }
            None => Err(Failure::Busy),
        };
        self.answer(&packet, answer, None);
    }

    /// The keys of a challenge that the USIM accepts, if they prove the challenge.
    fn full(
        &self,
        packet: &Packet<'_>,
        challenge: &Challenge,
        quintet: &Quintet,
    ) -> Result<(Response, Answered), Failure> {
        let Derivation::AkaPrime { network_name, .. } = &challenge.derivation else {
            return Err(Failure::Kdf);
        };
        // TS 33.501 §F.3: in 5G it is the IMSI, whatever was said before.
        let identity = match network_name.starts_with("5G:") {
            true => self.config.imsi.digits(),
            false => self.conversation.identity.as_deref().ok_or(Failure::Unexpected)?,
        };
        let sqn = quintet.autn.concealed_sqn();
        let primes = kdf::ck_ik_prime(&quintet.ck, &quintet.ik, network_name, &sqn)
            .map_err(|_| Failure::NetworkName)?;
        let (keys, exported) = Keys::split(&kdf::master_keys(&primes, identity));
        verify_mac(packet, &keys.k_aut, &[]).map_err(|_| Failure::Mac)?;
        let ours = self.conversation.transcript.checkcode();
        if challenge.checkcode.is_some_and(|theirs| theirs != ours) {
            return Err(Failure::Checkcode);
        }
        let inner = match &challenge.sealed {
            Some(sealed) => sealed.open(&keys.k_encr).map_err(Failure::Malformed)?,
            None => Default::default(),
        };
        let result_ind = self.wants_result(challenge.result_ind);
        let response = Response::Challenge {
            res: quintet.res.to_vec(),
            checkcode: challenge.checkcode.map(|_| ours),
            result_ind,
        };
        let answered = Answered {
            keys,
            exported,
            session_id: session_id(&challenge.rand, &challenge.autn),
            counter: None,
            next_pseudonym: inner.next_pseudonym,
            next_reauth_id: inner.next_reauth_id,
            result: if result_ind { ResultOf::Awaited } else { ResultOf::Nothing },
        };
        Ok((response, answered))
    }

    fn wants_result(&self, offered: bool) -> bool {
        offered && self.config.result_indications == ResultIndications::Offered
    }

    /// EAP-Success or EAP-Failure, which nothing protects.
    fn end(&mut self, packet: &Packet<'_>) -> Result<(), Discarded> {
        let last = self.last.as_ref().and_then(|(request, _)| request.get(1));
        if last != Some(&packet.identifier()) {
            return Err(Discarded::Identifier);
        }
        match (packet.code(), std::mem::take(&mut self.conversation.state)) {
            (Code::Success, State::Answered(answered)) if answered.result != ResultOf::Awaited => {
                self.succeed(*answered);
                Ok(())
            }
            (Code::Failure, state) if !is_told(&state) => {
                let why = if let State::Failed(why) = state { why } else { Failure::Refused };
                self.conversation.state = State::Over;
                self.outputs.push_back(Output::Failed(why));
                Ok(())
            }
            (_, state) => {
                self.conversation.state = state;
                Err(Discarded::NotProven)
            }
        }
    }

    fn succeed(&mut self, answered: Answered) {
        let Answered { keys, exported, session_id, counter, next_pseudonym, next_reauth_id, .. } = answered;
        self.conversation.state = State::Over;
        self.context = Some(Context { keys, counter: counter.unwrap_or(0), name: next_reauth_id });
        if let Some(pseudonym) = next_pseudonym {
            self.config.pseudonym = Some(pseudonym.clone());
            self.outputs.push_back(Output::Remember { pseudonym });
        }
        self.outputs.push_back(Output::Success(Success { keys: exported, session_id }));
    }

    /// Sends an answer; one that is none is a client error.
    fn answer(&mut self, packet: &Packet<'_>, answer: Answer, key: Option<MacKey<'_>>) {
        let (response, state) = match answer {
            Ok(answer) => answer,
            Err(why) => (Response::ClientError(UNABLE_TO_PROCESS), State::Failed(why)),
        };
        self.conversation.state = state;
        match response.emit(Method::AkaPrime, packet.identifier(), key) {
            Ok(octets) => self.send(packet, octets),
            Err(error) => self.conversation.state = State::Failed(Failure::Malformed(error)),
        }
    }

    fn plain(&mut self, packet: &Packet<'_>, kind: Type, data: &[u8]) {
        if let Ok(octets) = packet::emit(Code::Response, packet.identifier(), kind, data) {
            self.send(packet, octets);
        }
    }

    fn send(&mut self, request: &Packet<'_>, response: Vec<u8>) {
        self.last = Some((request.octets().to_vec(), response.clone()));
        self.outputs.push_back(Output::Response(response));
    }
}

/// Success was told under AT_MAC: nothing that is not proven takes it back.
fn is_told(state: &State) -> bool {
    match state {
        State::Answered(answered) => answered.result == ResultOf::Told,
        State::Over => true,
        State::Open | State::Usim(_) | State::Failed(_) => false,
    }
}

#[cfg(test)]
mod tests;
