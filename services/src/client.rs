//! A UE: it bootstraps over Ub with a test USIM, sends PC3 requests over TLS under the bootstrapped key, and fetches the keys of
//! its groups over PC8 and MIKEY.
//!
//! ```text
//! configuration.rs where the UE may transmit, and its sealed file
//! group_keys.rs   KEY_REQUEST over TLS, then MIKEY until all keys are there
//! group_naf.rs    messages to a NAF of groups over TLS
//! identities.rs   keys of identities over TLS
//! key_file.rs     what is durable of them
//! pruk_file.rs    PRUKs of a remote UE
//! relay_keys.rs   messages to a PKMF for relays, over TLS
//! secret_file.rs  files with keys
//! sqn_file.rs     what is durable of the USIM
//! tickets.rs      messages of MIKEY-TICKET over TLS
//! way.rs          the same without the UE, for threads that wait
//! ```
//!
//! Calls block. Each runs in a thread of its own with a deadline.

mod configuration;
mod error;
mod group_keys;
mod group_naf;
mod http_client;
mod identities;
mod key_file;
mod pruk_file;
mod relay_keys;
mod secret_file;
mod sqn_file;
mod tickets;
mod way;

pub use configuration::{CertifiedClient, ConfigurationError, ConfigurationFile};
pub use error::ClientError;
pub use group_keys::{Fetched, KeySession, PkmfAddress};
pub use group_naf::GroupNafAddress;
pub use identities::{CertifiedKmsClient, KmsAddress, WantedIdentities};
pub use key_file::KeyFile;
pub use pruk_file::PrukFile;
pub use relay_keys::{PkmfWay, PrukAnswer};
pub use secret_file::KeyFileError;
pub use sqn_file::{SqnFile, SqnFileError};
pub use tickets::{TicketClient, TicketKey};

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode, header};
use sidelink_network::digest::Algorithm;
use sidelink_network::identity::{BTid, Fqdn, Impi};
use sidelink_network::pc3::{MEDIA_TYPE, Message};
use sidelink_network::public_keys;
use sidelink_network::puzzle::{CHALLENGE_FIELD, Challenge, MOST_WORK, SOLUTION_FIELD, Solution};
use sidelink_network::ub_client::{self, Bootstrapped, Input, Output, UbClient};
use sidelink_network::usim::Usim;
use sidelink_security::cipher::milenage::Subscriber;
use zeroize::Zeroizing;

use crate::runtime::now;
use crate::tls::TlsMode;
pub(crate) use http_client::{ask, connect};
use http_client::{ask_over_tcp, ask_over_tls};

/// Settings of a UE.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Who it is.
    pub impi: Impi,
    /// Name of its BSF.
    pub bsf: Fqdn,
    /// Where the BSF is.
    pub bsf_address: SocketAddr,
    /// Name of its ProSe Function.
    pub naf: Fqdn,
    /// Where the ProSe Function is.
    pub naf_address: SocketAddr,
    /// Version of TLS.
    pub tls: TlsMode,
    /// Time of one request, with its connection.
    pub patience: Duration,
}

/// The answer of a ProSe Function.
#[derive(Debug)]
pub enum Answered {
    /// A message.
    Message(Message),
    /// Taken, and nothing to say.
    Accepted,
}

/// A UE.
pub struct UeClient {
    config: ClientConfig,
    ub: UbClient,
    sqn: SqnFile,
    key: Option<Bootstrapped>,
}

impl UeClient {
    /// With the USIM of a subscriber, whose state is in a file.
    pub fn new(config: ClientConfig, subscriber: Subscriber, sqn: SqnFile) -> Result<Self, ClientError> {
        let usim = Usim::new(subscriber, sqn.load().map_err(ClientError::Sqn)?);
        let algorithms = vec![Algorithm::AkaV1Md5, Algorithm::AkaV1Sha256];
        let ub_config = ub_client::Config { impi: config.impi.clone(), bsf: config.bsf.clone(), algorithms };
        Ok(Self { config, ub: UbClient::new(ub_config, usim), sqn, key: None })
    }

    /// B-TID of the key, if there is one that lives.
    pub fn b_tid(&self) -> Option<&BTid> {
        self.key.as_ref().filter(|key| key.expires > now()).map(|key| &key.b_tid)
    }

    /// Sends the next request to another address.
    pub fn move_to(&mut self, naf_address: SocketAddr) {
        self.config.naf_address = naf_address;
    }

    /// The bootstrapped key, for another protocol than PC3.
    pub fn key(&self) -> Option<&Bootstrapped> {
        self.key.as_ref()
    }

    /// Bootstraps a key in the place of the one before.
    pub fn bootstrap(&mut self) -> Result<(), ClientError> {
        let mut cnonce = [0; 16];
        getrandom::fill(&mut cnonce).map_err(|_| ClientError::NoRandomness)?;
        // Other protocols may have accepted something with this card since.
        self.ub.raise(&self.sqn.load().map_err(ClientError::Sqn)?);
        self.ub.handle_input(Input::Bootstrap { cnonce });
        let mut lost = None;
        while let Some(output) = self.ub.poll_output() {
            match output {
                Output::Request(request) => {
                    match ask_over_tcp(self.config.bsf_address, request, self.config.patience) {
                        Ok(response) => {
                            self.ub.handle_input(Input::Response { now: now(), response: &response });
                        }
                        Err(error) => {
                            lost = Some(error);
                            self.ub.handle_input(Input::Lost);
                        }
                    }
                }
                Output::Store(array) => match self.sqn.raise(&array) {
                    Ok(_) => self.ub.handle_input(Input::Stored),
                    Err(error) => {
                        lost = Some(ClientError::Sqn(error));
                        self.ub.handle_input(Input::StoreFailed);
                    }
                },
                Output::Done(key) => {
                    self.key = Some(key);
                    return Ok(());
                }
                Output::Failed(why) => return Err(lost.unwrap_or(ClientError::Bootstrap(why))),
            }
        }
        Err(ClientError::Bootstrap(ub_client::Failure::Lost))
    }

    /// Sends a message and returns the answer. Does the work where the ProSe Function asks for a solved puzzle. Bootstraps first where there is no key, and once again where the ProSe Function
    /// does not take it.
    pub fn send(&mut self, message: &Message) -> Result<Answered, ClientError> {
        match self.send_xml(&message.to_xml())? {
            Some(body) => Ok(Answered::Message(Message::from_xml(&body).map_err(ClientError::Message)?)),
            None => Ok(Answered::Accepted),
        }
    }

    /// Sends the text of a message and returns that of the answer; none where it is taken and nothing is to say. Bootstraps as
    /// [`Self::send`] does.
    pub fn send_xml(&mut self, body: &Zeroizing<String>) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        let (name, address) = (self.config.naf.clone(), self.config.naf_address);
        let to = Target { name: &name, address, local: None, path: "/", media_type: MEDIA_TYPE };
        self.send_to(&to, body.as_bytes())
    }

    /// Sends the text of a message about public keys to the ProSe Function and returns that of the answer. Bootstraps as
    /// [`Self::send`] does.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub fn send_public_keys(&mut self, body: &str) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        let (name, address) = (self.config.naf.clone(), self.config.naf_address);
        let (path, media_type) = (crate::pc3::PUBLIC_KEYS_PATH, public_keys::MEDIA_TYPE);
        self.send_to(&Target { name: &name, address, local: None, path, media_type }, body.as_bytes())
    }

    /// Sends a message to a NAF, bootstrapping as [`Self::send`] does.
    fn send_to(&mut self, to: &Target<'_>, body: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        let had_key = self.b_tid().is_some();
        if !had_key {
            self.bootstrap()?;
        }
        match self.post(to, body) {
            Err(ClientError::Tls(_)) if had_key => {
                self.bootstrap()?;
                self.post(to, body)
            }
            answered => answered,
        }
    }

    fn post(&self, to: &Target<'_>, body: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        let ClientConfig { tls, patience, .. } = self.config;
        let key = self.key.as_ref().ok_or(ClientError::NoKey)?;
        let ks_naf = || key.ks_naf(now(), &tls.naf_id(to.name)).ok_or(ClientError::NoKey);
        to.post(body, |request| ask_over_tls(&to.naf(tls, &key.b_tid), ks_naf()?, request, patience))
    }
}

/// The puzzle of an answer, if it is not too much work.
fn puzzle_of(response: &Response<Vec<u8>>) -> Option<Challenge> {
    let field = response
        .headers()
        .get(CHALLENGE_FIELD)
        .filter(|_| response.status() == StatusCode::SERVICE_UNAVAILABLE)?;
    field.to_str().ok()?.parse().ok().filter(|challenge: &Challenge| challenge.work() <= MOST_WORK)
}

/// The body of an answer; none where nothing is to say.
fn body_of(response: Response<Vec<u8>>) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
    match response.status() {
        StatusCode::OK => Ok(Some(Zeroizing::new(response.into_body()))),
        StatusCode::NO_CONTENT => Ok(None),
        status => Err(ClientError::Refused {
            status,
            why: text_of(response.body()),
            retry_after: retry_after(response.headers()),
        }),
    }
}

/// A NAF, and what is sent to it.
struct Target<'a> {
    name: &'a Fqdn,
    address: SocketAddr,
    /// Where the connection comes from; any address of this machine without it.
    local: Option<IpAddr>,
    path: &'a str,
    media_type: &'static str,
}

impl<'a> Target<'a> {
    /// Sends a message. Does the work where the NAF asks for a solved puzzle.
    fn post(
        &self,
        body: &[u8],
        ask: impl Fn(Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ClientError> {
        let mut response = ask(self.request(body, None)?)?;
        if let Some(challenge) = puzzle_of(&response) {
            // The work, then the same request once more.
            let (solution, _) = challenge.solve().ok_or(ClientError::Malformed)?;
            response = ask(self.request(body, Some(&solution))?)?;
        }
        body_of(response)
    }

    fn request(&self, body: &[u8], solution: Option<&Solution>) -> Result<Request<Vec<u8>>, ClientError> {
        let mut request = Request::post(self.path)
            .header(header::HOST, self.name.as_str())
            .header(header::CONTENT_TYPE, self.media_type);
        if let Some(solution) = solution {
            request = request.header(SOLUTION_FIELD, solution.to_string());
        }
        request.body(body.to_vec()).map_err(|_| ClientError::Malformed)
    }

    fn naf(&self, tls: TlsMode, b_tid: &'a BTid) -> http_client::Naf<'a> {
        let Self { name, address, local, .. } = *self;
        http_client::Naf { address, local, name, tls, b_tid }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a person may read of an answer: one line of printable characters.
fn text_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
