//! The UE's end of a key management server: its certificate first, then the keys of identities, each checked. TS 33.180
//! Annex D, RFC 6507 §5.1.2, RFC 6508 §6.1.2.
//!
//! ```text
//!   Fetch -> Request (init) -> Response -> Request (keyprov) -> Response: server, name, period, equations -> Fetched
//!                                                            -> anything wrong                           -> Failed
//! ```
//!
//! What TLS says of the server counts: it has the bootstrapped key. Once the public keys of a server are known, others are
//! refused: a server does not change them (Annex D.3.2.1).

use std::collections::VecDeque;
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::identity::eccsi::{self, PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::sakke::{self, PublicKey, ReceiverKey};
use sidelink_security::key_period::{KeyPeriod, KeyPeriods};
use zeroize::Zeroizing;

use crate::kms_messages::{
    Error, ErrorInfo, IdFormat, KmsCertificate, KmsKeySet, KmsMessage, KmsRequest, KmsResponse, KmsTime,
    Resource, Uri,
};

/// A server as its certificate has it, checked.
#[derive(Clone, Debug)]
pub struct Server {
    /// KmsUri.
    pub uri: Uri,
    /// Its periods.
    pub periods: KeyPeriods,
    /// Z_T.
    pub z: PublicKey,
    /// KPAK.
    pub kpak: PublicAuthenticationKey,
}

/// Keys of an identity for a period, checked.
#[derive(Debug)]
pub struct Keys {
    /// The identity.
    pub user: Uri,
    /// The period.
    pub period: KeyPeriod,
    /// When they begin to be used.
    pub from: UtcTime,
    /// When they end.
    pub until: UtcTime,
    /// Signs as the identity.
    pub signing: SigningKey,
    /// Opens what is written to it.
    pub receiver: ReceiverKey,
}

/// What came.
#[derive(Debug)]
pub struct Fetched {
    /// The server.
    pub server: Server,
    /// Keys, at least of one identity.
    pub keys: Vec<Keys>,
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// There was no answer.
    Lost,
    /// The answer is no KmsResponse.
    Malformed(Error),
    /// The answer is another's, or not what was asked for.
    Unexpected,
    /// The server refuses.
    Refused(ErrorInfo),
    /// The answer is of another server than the one that is known, or with other public keys.
    OtherServer,
    /// The certificate was revoked, or its time is over.
    CertificateEnded,
    /// The public key of SAKKE.
    Z(sakke::Error),
    /// The public key of ECCSI.
    Kpak(eccsi::Error),
    /// A period that the server does not have, or lengths that are none.
    Period,
    /// The octets that the keys are for are not those of the name and the period.
    UserId(Uri),
    /// Keys that do not belong to their identity.
    Signing(Uri, eccsi::Error),
    /// Keys that do not belong to their identity.
    Receiver(Uri, sakke::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("the key management server does not answer"),
            Self::Malformed(error) => write!(f, "no answer of a key management server: {error}"),
            Self::Unexpected => f.write_str("the answer is not for what was asked"),
            Self::Refused(info) => {
                write!(f, "the key management server refuses ({}): {}", info.number, info.text)
            }
            Self::OtherServer => f.write_str(
                "the answer is of another key management server than the one that is known; remove that one if this is meant",
            ),
            Self::CertificateEnded => f.write_str("the certificate of the key management server has ended"),
            Self::Z(error) => write!(f, "the public key of the server (SAKKE): {error}"),
            Self::Kpak(error) => write!(f, "the public key of the server (ECCSI): {error}"),
            Self::Period => f.write_str("the server has no such key period"),
            Self::UserId(user) => write!(f, "{user}: the keys are of another name or period"),
            Self::Signing(user, error) => write!(f, "{user}: {error}"),
            Self::Receiver(user, error) => write!(f, "{user}: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The UE wants keys.
    Fetch {
        /// The time.
        now: UtcTime,
        /// Of which identity; none for all that are granted.
        user: Option<Uri>,
        /// For the period of which time; none for now and soon.
        time: Option<UtcTime>,
    },
    /// The server answered.
    Response {
        /// The time.
        now: UtcTime,
        /// The body of its answer.
        body: &'a [u8],
    },
    /// It did not.
    Lost,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Post this, and hand back [`Input::Response`] or [`Input::Lost`].
    Request {
        /// The path.
        path: String,
        /// The body.
        body: Zeroizing<String>,
    },
    /// Keys came.
    Fetched(Box<Fetched>),
    /// None came.
    Failed(Failure),
}

enum State {
    Idle,
    /// The certificate was asked for, keys come next.
    Init {
        user: Option<Uri>,
        time: Option<UtcTime>,
    },
    Keys {
        server: Box<Server>,
        user: Option<Uri>,
        time: Option<UtcTime>,
    },
}

/// The UE's end.
pub struct KmsClient {
    /// Name of the server as it is asked for: its host.
    host: String,
    /// Who the UE says it is.
    own: Option<Uri>,
    known: Option<Server>,
    state: State,
    outbox: VecDeque<Output>,
}

impl KmsClient {
    /// For a server at a host. `own` is an identity of the UE, which its requests name; `known` the server as it was before.
    pub fn new(host: &str, own: Option<Uri>, known: Option<Server>) -> Self {
        Self { host: host.to_owned(), own, known, state: State::Idle, outbox: VecDeque::new() }
    }

    /// Takes an input. Poll the outputs afterwards.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Fetch { now, user, time } => {
                self.ask(&Resource::Init, now);
                self.state = State::Init { user, time };
            }
            Input::Response { now, body } => {
                if let Err(why) = self.response(now, body) {
                    self.fail(why);
                }
            }
            Input::Lost => self.fail(Failure::Lost),
        }
    }

    /// The next thing to do; none when there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    fn fail(&mut self, why: Failure) {
        if !matches!(std::mem::replace(&mut self.state, State::Idle), State::Idle) {
            self.outbox.push_back(Output::Failed(why));
        }
    }

    fn ask(&mut self, resource: &Resource, now: UtcTime) {
        let path = resource.to_path();
        let url = Uri::new(&format!("https://{}{path}", self.host));
        // Without a server that is known there is nothing to name, and the path alone counts.
        let body = match (&self.own, &self.known, url) {
            (Some(own), Some(known), Some(url)) => {
                KmsRequest::new(own.clone(), known.uri.clone(), KmsTime(now), url).to_xml()
            }
            _ => Zeroizing::new(String::new()),
        };
        self.outbox.push_back(Output::Request { path, body });
    }

    fn response(&mut self, now: UtcTime, body: &[u8]) -> Result<(), Failure> {
        let response = KmsResponse::from_xml(body).map_err(Failure::Malformed)?;
        if let Some(error) = response.error {
            return Err(Failure::Refused(error));
        }
        match (std::mem::replace(&mut self.state, State::Idle), response.message) {
            (State::Init { user, time }, Some(KmsMessage::Init(init))) => {
                // From here on a fault is told.
                self.state = State::Init { user: None, time: None };
                let server = Server::of(&init.certificate, now)?;
                if response.kms != server.uri || self.known.as_ref().is_some_and(|known| !known.is(&server)) {
                    return Err(Failure::OtherServer);
                }
                self.known = Some(server.clone());
                self.ask(&Resource::KeyProv { user: user.clone(), time }, now);
                self.state = State::Keys { server: Box::new(server), user, time };
                Ok(())
            }
            (State::Keys { server, user, time }, Some(KmsMessage::KeyProv(keys))) => {
                self.state = State::Init { user: None, time: None };
                if response.kms != server.uri {
                    return Err(Failure::OtherServer);
                }
                let keys = check(&server, keys.key_sets, user.as_ref(), time)?;
                self.state = State::Idle;
                self.outbox.push_back(Output::Fetched(Box::new(Fetched { server: *server, keys })));
                Ok(())
            }
            (State::Idle, _) => Ok(()),
            (state, _) => {
                self.state = state;
                Err(Failure::Unexpected)
            }
        }
    }
}

/// Key sets as keys: of the server, of whom and for when they were asked, and each right.
fn check(
    server: &Server,
    key_sets: Vec<KmsKeySet>,
    user: Option<&Uri>,
    time: Option<UtcTime>,
) -> Result<Vec<Keys>, Failure> {
    let live = key_sets.into_iter().filter(|set| set.revoked != Some(true));
    let keys = live.map(|set| server.check(&set)).collect::<Result<Vec<_>, _>>()?;
    let is_asked_for = |keys: &Keys| {
        user.is_none_or(|user| keys.user == *user) && time.is_none_or(|time| keys.period.contains(time))
    };
    if keys.is_empty() || !keys.iter().all(is_asked_for) {
        return Err(Failure::Unexpected);
    }
    Ok(keys)
}

impl Server {
    /// From a certificate that counts at this time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(certificate: &KmsCertificate, now: UtcTime) -> Result<Self, Failure> {
        let begins = certificate.from.is_none_or(|from| from.0 <= now);
        let ends = certificate.until.is_some_and(|until| until.0 <= now);
        if certificate.revoked == Some(true) || !begins || ends {
            return Err(Failure::CertificateEnded);
        }
        let periods = match certificate.id_format {
            IdFormat::TelMonth => KeyPeriods::Months,
            IdFormat::HashedUid => {
                let length = certificate.period.0.try_into().map_err(|_| Failure::Period)?;
                KeyPeriods::Seconds { length, offset: certificate.offset.0 }
            }
        };
        Ok(Self {
            uri: certificate.kms.clone(),
            periods,
            z: PublicKey::from_octets(&certificate.z.0).map_err(Failure::Z)?,
            kpak: PublicAuthenticationKey::from_octets(&certificate.kpak.0).map_err(Failure::Kpak)?,
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.uri == other.uri
            && self.periods == other.periods
            && self.z == other.z
            && self.kpak.as_octets() == other.kpak.as_octets()
    }

    /// Checks a key set: the name and the period that its octets are for, and both equations.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, set: &KmsKeySet) -> Result<Keys, Failure> {
        if set.kms != self.uri {
            return Err(Failure::OtherServer);
        }
        let period = self.periods.numbered(set.period.0).ok_or(Failure::Period)?;
        let identifier = self.periods.identifier(set.user.as_str(), self.uri.as_str(), &period);
        let identifier = identifier.filter(|identifier| *identifier == set.user_id.0);
        let identifier = identifier.ok_or_else(|| Failure::UserId(set.user.clone()))?;
        let signing = SigningKey::new(&self.kpak, &identifier, &set.ssk.0, &set.pvt.0);
        let receiver = ReceiverKey::new(&self.z, &identifier, &set.rsk.0);
        Ok(Keys {
            user: set.user.clone(),
            period,
            from: set.from.map_or(period.early(), |from| from.0),
            until: set.until.map_or(period.late(), |until| until.0),
            signing: signing.map_err(|error| Failure::Signing(set.user.clone(), error))?,
            receiver: receiver.map_err(|error| Failure::Receiver(set.user.clone(), error))?,
        })
    }
}

#[cfg(test)]
mod tests;
