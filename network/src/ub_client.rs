//! The UE's end of Ub. TS 24.109 §4.2 to §4.5.
//!
//! ```text
//!   Bootstrap -> Request --401--> USIM: Store, Stored -> Request with the digest --200--> Done
//!                                 USIM: out of sync   -> Request with AUTS       --401--> once more
//! ```
//!
//! Nothing of an answer is believed but what the USIM (AUTN) or the digest under RES (`rspauth`) proves.

use std::collections::VecDeque;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode, header};
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::gba;
use sidelink_security::keys::{Ks, KsNaf};
use sidelink_wire::hex;

use crate::aka::{Auts, Quintet, Rand};
use crate::bootstrapping_info::{self, BootstrappingInfo};
use crate::bsf::{Request, Response};
use crate::digest::{self, Algorithm, Answer, Authorization, Challenge, Of};
use crate::identity::{BTid, Fqdn, Impi, NafId};
use crate::usim::{self, Domain, SqnArray, Usim};

/// Challenges of one run, at most.
pub const MOST_CHALLENGES: u32 = 4;

/// Settings of the UE.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who it is.
    pub impi: Impi,
    /// Its BSF.
    pub bsf: Fqdn,
    /// Hashes that it answers with.
    pub algorithms: Vec<Algorithm>,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bootstrap a key; a run before is given up.
    Bootstrap {
        /// 16 octets that nobody can guess.
        cnonce: [u8; 16],
    },
    /// The BSF answered.
    Response {
        /// The time.
        now: UtcTime,
        /// The answer.
        response: &'a Response,
    },
    /// It did not answer, or cannot be reached.
    Lost,
    /// The state of the USIM is durable.
    Stored,
    /// It could not be made durable.
    StoreFailed,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this to the BSF, and hand back [`Input::Response`] or [`Input::Lost`].
    Request(Request),
    /// Make the state of the USIM durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(SqnArray),
    /// There is a key.
    Done(Bootstrapped),
    /// There is none.
    Failed(Failure),
}

/// Why there is no key: by blame of the BSF, of the operator, of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No answer.
    Lost,
    /// The BSF refused.
    Refused(StatusCode),
    /// An answer without the one header field that it must have.
    NoHeaderField(&'static str),
    /// A header field is not understood.
    HeaderField(digest::Error),
    /// The realm is not the BSF.
    Realm,
    /// A hash that this UE does not answer with.
    Algorithm(Algorithm),
    /// The answer is not under RES: not the BSF's, or altered.
    NotProven,
    /// The document is not understood.
    Document(bootstrapping_info::Error),
    /// The key has expired already: one of the clocks is wrong.
    Expired,
    /// Challenge after challenge.
    TooManyChallenges,
    /// Out of synchronisation after a resynchronisation too.
    OutOfSync,
    /// The USIM refuses the challenge.
    Usim(usim::Refusal),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("the BSF does not answer: is it there?"),
            Self::Refused(status) => write!(f, "the BSF refuses: {status}"),
            Self::NoHeaderField(name) => write!(f, "the answer of the BSF has not exactly one {name}"),
            Self::HeaderField(error) => write!(f, "in the answer of the BSF, {error}"),
            Self::Realm => f.write_str("the realm of the challenge is not the name of the BSF"),
            Self::Algorithm(algorithm) => {
                write!(f, "the BSF asks for {}, which is not allowed", algorithm.name())
            }
            Self::NotProven => f.write_str("the answer is not proven to be the BSF's"),
            Self::Document(error) => write!(f, "in the answer of the BSF, {error}"),
            Self::Expired => f.write_str("the key has expired already: check the clock"),
            Self::TooManyChallenges => f.write_str("the BSF sends challenge after challenge"),
            Self::OutOfSync => {
                f.write_str("the sequence number of the network stays behind that of the USIM")
            }
            Self::Usim(refusal) => write!(f, "the USIM refuses the challenge: {refusal}"),
        }
    }
}

impl std::error::Error for Failure {}

/// A bootstrapped key.
#[derive(Debug)]
pub struct Bootstrapped {
    /// Its name.
    pub b_tid: BTid,
    /// Until when it lives.
    pub expires: UtcTime,
    impi: Impi,
    rand: Rand,
    ks: Ks,
}

impl Bootstrapped {
    /// Ks_NAF; none after the key has expired. TS 33.220 §4.5.3.
    pub fn ks_naf(&self, now: UtcTime, naf: &NafId) -> Option<KsNaf> {
        if now >= self.expires {
            return None;
        }
        gba::ks_naf(&self.ks, &self.rand.0, self.impi.as_str(), &naf.octets()).ok()
    }
}

enum State {
    Idle,
    /// A challenge is waited for.
    First,
    /// The USIM stores its state.
    Storing(Challenge),
    /// The answer to the digest is waited for.
    Final(Box<Authorization>, Answer, Quintet),
}

/// The UE's end of Ub, with its USIM.
pub struct UbClient {
    config: Config,
    usim: Usim,
    state: State,
    cnonce: String,
    challenges: u32,
    resynchronised: bool,
    outputs: VecDeque<Output>,
}

impl UbClient {
    /// Idle.
    pub fn new(config: Config, usim: Usim) -> Self {
        Self {
            config,
            usim,
            state: State::Idle,
            cnonce: String::new(),
            challenges: 0,
            resynchronised: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. One that is not waited for changes nothing.
    pub fn handle_input(&mut self, input: Input<'_>) {
        let step = match input {
            Input::Bootstrap { cnonce } => self.bootstrap(cnonce),
            Input::Response { now, response } => self.response(now, response),
            Input::Lost if matches!(self.state, State::First | State::Final(..)) => Err(Failure::Lost),
            Input::Lost => Ok(()),
            Input::Stored => self.stored(usim::Input::Stored),
            Input::StoreFailed => self.stored(usim::Input::StoreFailed),
        };
        if let Err(why) = step {
            self.state = State::Idle;
            self.outputs.push_back(Output::Failed(why));
        }
    }

    /// Accepts nothing that another protocol has accepted with this card, by what that has made durable.
    pub fn raise(&mut self, array: &SqnArray) {
        self.usim.raise(array);
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn bootstrap(&mut self, cnonce: [u8; 16]) -> Result<(), Failure> {
        if matches!(self.state, State::Storing(_)) {
            // The USIM takes no challenge before its state is settled, and what was accepted is answered by nobody.
            self.usim.handle_input(usim::Input::StoreFailed).ok();
            while self.usim.poll_output().is_some() {}
        }
        (self.cnonce, self.challenges, self.resynchronised) = (hex::of_bytes(&cnonce), 0, false);
        self.state = State::First;
        let authorization = self.authorization(self.config.bsf.to_string(), None);
        self.send(&authorization);
        Ok(())
    }

    fn response(&mut self, now: UtcTime, response: &Response) -> Result<(), Failure> {
        match (std::mem::replace(&mut self.state, State::Idle), response.status()) {
            (State::First | State::Final(..), StatusCode::UNAUTHORIZED) => self.challenge(response),
            (State::Final(authorization, answer, keys), StatusCode::OK) => {
                self.done(now, &authorization, &answer, &keys, response)
            }
            (State::First | State::Final(..), status) => Err(Failure::Refused(status)),
            (state, _) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn challenge(&mut self, response: &Response) -> Result<(), Failure> {
        self.challenges += 1;
        if self.challenges > MOST_CHALLENGES {
            return Err(Failure::TooManyChallenges);
        }
        let field = only(response, header::WWW_AUTHENTICATE, "WWW-Authenticate")?;
        let challenge = Challenge::parse(field.as_bytes()).map_err(Failure::HeaderField)?;
        if !challenge.realm.eq_ignore_ascii_case(self.config.bsf.as_str()) {
            return Err(Failure::Realm);
        }
        if !self.config.algorithms.contains(&challenge.algorithm) {
            return Err(Failure::Algorithm(challenge.algorithm));
        }
        let (rand, autn) = digest::challenge_of(&challenge.nonce).map_err(Failure::HeaderField)?;
        let input = usim::Input::Authenticate { rand, autn, domain: Domain::Gba };
        self.usim.handle_input(input).map_err(|_| Failure::Usim(usim::Refusal::Store))?;
        self.usim_says(challenge)
    }

    fn stored(&mut self, input: usim::Input) -> Result<(), Failure> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Storing(challenge) => {
                self.usim.handle_input(input).map_err(|_| Failure::Usim(usim::Refusal::Store))?;
                self.usim_says(challenge)
            }
            state => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn usim_says(&mut self, challenge: Challenge) -> Result<(), Failure> {
        match self.usim.poll_output() {
            Some(usim::Output::Store(array)) => {
                self.state = State::Storing(challenge);
                self.outputs.push_back(Output::Store(array));
            }
            Some(usim::Output::Answer(usim::Answer::Keys(keys))) => {
                let (authorization, answer) = self.answer(challenge, &keys.res, None);
                self.send(&authorization);
                self.state = State::Final(Box::new(authorization), answer, keys);
            }
            Some(usim::Output::Answer(usim::Answer::OutOfSync(_))) if self.resynchronised => {
                return Err(Failure::OutOfSync);
            }
            Some(usim::Output::Answer(usim::Answer::OutOfSync(auts))) => {
                self.resynchronised = true;
                let (authorization, _) = self.answer(challenge, &[], Some(auts));
                self.send(&authorization);
                self.state = State::First;
            }
            Some(usim::Output::Answer(usim::Answer::Refused(why))) => return Err(Failure::Usim(why)),
            None => {}
        }
        Ok(())
    }

    fn done(
        &mut self,
        now: UtcTime,
        authorization: &Authorization,
        answer: &Answer,
        keys: &Quintet,
        response: &Response,
    ) -> Result<(), Failure> {
        let name = HeaderName::from_static("authentication-info");
        let field = only(response, name, "Authentication-Info")?;
        let rspauth = digest::parse_rspauth(field.as_bytes()).map_err(Failure::HeaderField)?;
        let exchange = authorization.exchange(answer);
        if !exchange.verify(&keys.res, Of::Answer(response.body()), &rspauth) {
            return Err(Failure::NotProven);
        }
        let info = BootstrappingInfo::parse(response.body()).map_err(Failure::Document)?;
        if info.expires <= now {
            return Err(Failure::Expired);
        }
        self.outputs.push_back(Output::Done(Bootstrapped {
            b_tid: info.b_tid,
            expires: info.expires,
            impi: self.config.impi.clone(),
            rand: keys.rand,
            ks: keys.ks(),
        }));
        Ok(())
    }

    fn answer(&self, challenge: Challenge, password: &[u8], auts: Option<Auts>) -> (Authorization, Answer) {
        let realm = challenge.realm;
        let mut answer = Answer {
            nonce: challenge.nonce,
            cnonce: self.cnonce.clone(),
            algorithm: challenge.algorithm,
            response: String::new(),
            opaque: challenge.opaque,
            auts,
        };
        let mut authorization = self.authorization(realm, None);
        let digest = authorization.exchange(&answer).digest(password, Of::Request(&[]));
        answer.response = digest.to_string();
        authorization.answer = Some(answer.clone());
        (authorization, answer)
    }

    fn authorization(&self, realm: String, answer: Option<Answer>) -> Authorization {
        Authorization { username: self.config.impi.to_string(), realm, uri: "/".to_owned(), answer }
    }

    fn send(&mut self, authorization: &Authorization) {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = http::Uri::from_static("/");
        let fields =
            [(header::HOST, self.config.bsf.to_string()), (header::AUTHORIZATION, authorization.emit())];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.headers_mut().insert(name, value);
            }
        }
        self.outputs.push_back(Output::Request(request));
    }
}

fn only<'a>(
    response: &'a Response,
    name: HeaderName,
    shown: &'static str,
) -> Result<&'a HeaderValue, Failure> {
    let mut fields = response.headers().get_all(name).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => Ok(field),
        _ => Err(Failure::NoHeaderField(shown)),
    }
}

#[cfg(test)]
mod tests;
