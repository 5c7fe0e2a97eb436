//! The ProSe application server's part in registering its users for EPC-level discovery, with a proof. TS 29.343 §5.1.1;
//! the proof is our own design (TR 33.833 §5.2.6, which wants the EPC ProSe User ID and the user of the application proven to
//! be of one).
//!
//! ```text
//!   UE                         ProSe Function                application server
//!   UE_REGISTRATION_REQUEST  ->
//!                            <-  EPUID, nonce
//!   login (the application's own), nonce, ALUID  ----------->   is the ALUID this account's?
//!                            <--------------------------------  token: MAC(key; ALUID, nonce, expiry)
//!   APPLICATION_REGISTRATION_REQUEST: EPUID, ALUID, token  ->
//!                              EPUID, ALUID, token, nonce of this EPUID  ->   MAC, nonce, time, ALUID
//!                            <-                               EPUID, ALUID: yes, or why not
//! ```
//!
//! The token is sealed with a key of the application server alone, which is the only one that reads it: a MAC is enough, and is
//! shorter than a signature by 48 octets. It says nothing of the EPUID, which the application server need not know before; the
//! nonce, which the ProSe Function has given to one EPUID and takes back once, ties the two together.

use std::collections::{BTreeMap, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Secret256;
use subtle::ConstantTimeEq;

use crate::identity::Fqdn;
use crate::pc3::registration::{BindingNonce, BindingToken, EpcUserId, UserId};

/// Milliseconds from a token's making until it counts no more. Own.
pub const TOKEN_LIFETIME: u64 = 60_000;

/// Milliseconds that the clock of a token may be ahead: the server's own, so none but a jump. Own.
const SKEW: u64 = 1_000;

/// Version of the form.
const FORM: u8 = 1;

/// Octets of the MAC.
const TAG: usize = 16;

/// A user's account with the application, as its login has proven it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account(pub String);

/// What the ProSe Function asks over PC2, in the words of TS 29.343 §5.1.1.2 (ProXimity-Action-Request,
/// APPLICATION_REGISTRATION_FOR_PROSE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationRequest {
    /// Requesting-EPUID.
    pub epc_user_id: EpcUserId,
    /// Origin-App-Layer-User-Id.
    pub user: UserId,
    /// ProSe-Function-ID.
    pub prose_function: Fqdn,
    /// Own: the token of the UE and the nonce that the ProSe Function has given to this EPUID; none for a registration of the
    /// standard, which proves nothing.
    pub proof: Option<(BindingToken, BindingNonce)>,
}

/// The answer (ProXimity-Action-Answer). It repeats of whom it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationAnswer {
    /// Of which UE.
    pub epc_user_id: EpcUserId,
    /// Which user.
    pub user: UserId,
    /// Whether it is registered.
    pub result: Result<(), Denied>,
}

/// Why a user is not registered, or gets no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// The token is none of this server's.
    Forged,
    /// Its time is over.
    Expired,
    /// It was made for another nonce: for another EPUID, or an earlier registration.
    WrongNonce,
    /// It was made for another user.
    OtherUser,
    /// The user is another account's.
    NotYours,
    /// Nobody knows the user.
    UnknownUser,
    /// There is no token, and this server wants one.
    NoToken,
    /// It cannot be made durable now.
    Busy,
}

/// Whether a registration needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// As in the standard: who names a user is believed.
    Standard,
    /// Own: a token of the user's login.
    Token,
}

/// Names a request, for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u64);

/// Names an [`Output::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// Where a user can be reached: durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The user.
    pub user: UserId,
    /// Under which identity.
    pub epc_user_id: EpcUserId,
    /// At which ProSe Function.
    pub prose_function: Fqdn,
}

/// Settings.
pub struct Config {
    /// The key of its tokens.
    pub key: Secret256,
    /// Its users, each with the account that it belongs to.
    pub users: BTreeMap<UserId, Account>,
    /// Whether a registration needs a token.
    pub proof: Proof,
    /// Registrations that may wait for the store.
    pub waiting: usize,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Within its login, an account asks for a token for one of its users.
    TokenWanted {
        /// The time.
        now: UtcTime,
        /// Which account the login has proven.
        account: Account,
        /// For which user.
        user: UserId,
        /// What the ProSe Function gave the UE.
        nonce: BindingNonce,
    },
    /// A ProSe Function asks.
    Registration {
        /// The time.
        now: UtcTime,
        /// For the answer.
        query: QueryId,
        /// What.
        request: RegistrationRequest,
    },
    /// A binding is durable.
    Stored(Ticket),
    /// It could not be made durable.
    StoreFailed(Ticket),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Give a token to the user of this login.
    Token(BindingToken),
    /// Give none.
    NoToken(Denied),
    /// Answer a ProSe Function.
    Answer {
        /// Which request.
        query: QueryId,
        /// With what.
        answer: RegistrationAnswer,
    },
    /// Make this durable in the place of the user's binding before.
    Store {
        /// To hand back.
        ticket: Ticket,
        /// What.
        binding: Binding,
    },
    /// Nothing more: wait for the next input.
    Wait,
}

/// An application server.
pub struct AppServer {
    config: Config,
    bindings: BTreeMap<UserId, Binding>,
    storing: Vec<(Ticket, QueryId, Binding)>,
    next_ticket: u64,
    outbox: VecDeque<Output>,
}

impl AppServer {
    /// With the bindings that are durable.
    pub fn new(config: Config, bindings: Vec<Binding>) -> Self {
        let bindings = bindings.into_iter().map(|binding| (binding.user.clone(), binding)).collect();
        Self { config, bindings, storing: Vec::new(), next_ticket: 0, outbox: VecDeque::new() }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input) {
        match input {
            Input::TokenWanted { now, account, user, nonce } => {
                let output = match self.owner(&user) {
                    None => Output::NoToken(Denied::UnknownUser),
                    Some(owner) if *owner != account => Output::NoToken(Denied::NotYours),
                    Some(_) => {
                        self.token(now, &user, nonce).map_or(Output::NoToken(Denied::Busy), Output::Token)
                    }
                };
                self.outbox.push_back(output);
            }
            Input::Registration { now, query, request } => self.registration(now, query, request),
            Input::Stored(ticket) => self.stored(ticket, Ok(())),
            Input::StoreFailed(ticket) => self.stored(ticket, Err(Denied::Busy)),
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or(Output::Wait)
    }

    /// Where a user can be reached.
    pub fn binding(&self, user: &UserId) -> Option<&Binding> {
        self.bindings.get(user)
    }

    fn owner(&self, user: &UserId) -> Option<&Account> {
        self.config.users.get(user)
    }

    fn registration(&mut self, now: UtcTime, query: QueryId, request: RegistrationRequest) {
        let RegistrationRequest { epc_user_id, user, prose_function, .. } = request.clone();
        let mut result = self.check(now, &request);
        if result.is_ok() && self.storing.len() >= self.config.waiting {
            result = Err(Denied::Busy);
        }
        if result.is_err() {
            let answer = RegistrationAnswer { epc_user_id, user, result };
            return self.outbox.push_back(Output::Answer { query, answer });
        }
        let binding = Binding { user, epc_user_id, prose_function };
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.outbox.push_back(Output::Store { ticket, binding: binding.clone() });
        self.storing.push((ticket, query, binding));
    }

    /// The token first: who has none learns not even whether a user exists.
    fn check(&self, now: UtcTime, request: &RegistrationRequest) -> Result<(), Denied> {
        match (&request.proof, self.config.proof) {
            (Some((token, nonce)), _) => self.verify(now, token, *nonce, &request.user)?,
            (None, Proof::Token) => return Err(Denied::NoToken),
            (None, Proof::Standard) => {}
        }
        self.owner(&request.user).map(drop).ok_or(Denied::UnknownUser)
    }

    fn stored(&mut self, ticket: Ticket, result: Result<(), Denied>) {
        let Some(at) = self.storing.iter().position(|(of, ..)| *of == ticket) else { return };
        let (_, query, binding) = self.storing.remove(at);
        let (epc_user_id, user) = (binding.epc_user_id, binding.user.clone());
        if result.is_ok() {
            self.bindings.insert(user.clone(), binding);
        }
        let answer = RegistrationAnswer { epc_user_id, user, result };
        self.outbox.push_back(Output::Answer { query, answer });
    }

    /// Form, expiry, nonce, user, MAC over all of it.
    fn token(&self, now: UtcTime, user: &UserId, nonce: BindingNonce) -> Option<BindingToken> {
        let expiry = now.plus_millis(TOKEN_LIFETIME).millis().to_be_bytes();
        let mut octets = [&[FORM][..], &expiry, &nonce.0, user.as_str().as_bytes()].concat();
        octets.extend(self.tag(&octets));
        BindingToken::new(&octets).ok()
    }

    fn verify(
        &self,
        now: UtcTime,
        token: &BindingToken,
        nonce: BindingNonce,
        user: &UserId,
    ) -> Result<(), Denied> {
        let (signed, tag) = token.octets().split_last_chunk::<TAG>().ok_or(Denied::Forged)?;
        let is_ours: bool = self.tag(signed).ct_eq(tag).into();
        let rest = signed.strip_prefix(&[FORM]).filter(|_| is_ours).ok_or(Denied::Forged)?;
        let (expiry, rest) = rest.split_first_chunk::<8>().ok_or(Denied::Forged)?;
        let (made_for, name) = rest.split_first_chunk::<16>().ok_or(Denied::Forged)?;
        let expiry = u64::from_be_bytes(*expiry);
        if now.millis() >= expiry || expiry > now.plus_millis(TOKEN_LIFETIME + SKEW).millis() {
            Err(Denied::Expired)
        } else if *made_for != nonce.0 {
            Err(Denied::WrongNonce)
        } else if name != user.as_str().as_bytes() {
            Err(Denied::OtherUser)
        } else {
            Ok(())
        }
    }

    fn tag(&self, signed: &[u8]) -> [u8; TAG] {
        let mac = Hmac::<Sha256>::new_from_slice(self.config.key.as_bytes());
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(b"binding token");
        mac.update(signed);
        let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] =
            <[u8; 32]>::from(mac.finalize().into_bytes());
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }
}
