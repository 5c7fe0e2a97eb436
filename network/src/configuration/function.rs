//! The ProSe Function's end: the operator says a configuration, UEs fetch it.
//!
//! ```text
//!   Provision: source, version above the last -> Store, Stored -> Provisioned
//!   Request: rate, who asks                   -> Respond
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::content::{Configuration, Content, Version};
use super::message::{ConfigurationResponse, Message, RefusedCause, document, from_document};
use super::source::{NotTrusted, Source, Trust};
use crate::limit::{Bucket, RateLimit};
use crate::pc3::{Error, Imsi};
use crate::prose_function::RequestId;

/// Root of the operator's document.
const ROOT: &str = "prose-configuration-content";

/// UEs whose rate is remembered, at most. Ours.
const MOST_UES: usize = 100_000;

/// Settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may say what the configuration is.
    pub trust: Trust,
    /// Requests of one UE.
    pub rate: RateLimit,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Somebody says what the configuration is.
    Provision {
        /// Who.
        source: &'a Source,
        /// A document of [`Provision`].
        document: &'a [u8],
    },
    /// The document of [`Output::Store`] is durable.
    Stored,
    /// It is not.
    StoreFailed,
    /// A UE asks, which the transport has proven.
    Request {
        /// The time.
        now: UtcTime,
        /// To hand back.
        request: RequestId,
        /// Who.
        ue: Imsi,
        /// What it says.
        body: &'a [u8],
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Make the document durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Zeroizing<String>),
    /// This is what UEs get from now on.
    Provisioned(Version),
    /// Nothing has changed for UEs.
    NotProvisioned(Refused),
    /// Answer a UE.
    Respond {
        /// Of which request.
        request: RequestId,
        /// What.
        response: Response,
    },
}

/// An answer.
#[derive(Debug)]
pub enum Response {
    /// A document.
    Message(Zeroizing<String>),
    /// None.
    Refused(Refused),
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Who says it is no operator.
    NotTrusted(NotTrusted),
    /// It is not understood.
    Malformed(Error),
    /// It is no request.
    Unexpected,
    /// Its version is not above that of now.
    NotNewer(Version),
    /// Another is being stored.
    Busy,
    /// It could not be stored.
    Store,
    /// The UE asks too often.
    TooMany,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotTrusted(why) => return why.fmt(f),
            Self::Malformed(error) => return error.fmt(f),
            Self::NotNewer(held) => {
                return write!(f, "UEs have version {held}, and take only what is above it; raise Version");
            }
            Self::Unexpected => "no CONFIGURATION_REQUEST",
            Self::Busy => "another configuration is being stored; say it again",
            Self::Store => "the configuration could not be stored",
            Self::TooMany => "too many requests; come again later",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Refused {}

/// What an operator says, as a document.
#[derive(Debug)]
pub struct Provision(pub Content);

impl Provision {
    /// To a document.
    pub fn to_xml(&self) -> Zeroizing<String> {
        document(ROOT, &self.0)
    }

    /// From a document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(octets: &[u8]) -> Result<Self, Error> {
        from_document(ROOT, octets).map(Self)
    }
}

/// The ProSe Function's end.
pub struct ConfigurationFunction {
    config: Config,
    /// What UEs get, as it is stored: each answer is read from it anew.
    current: Option<(Version, Zeroizing<String>)>,
    storing: Option<(Version, Zeroizing<String>)>,
    buckets: BTreeMap<Imsi, Bucket>,
    outputs: VecDeque<Output>,
}

impl ConfigurationFunction {
    /// With what was stored last.
    ///
    /// # Errors
    /// It is no document of ours.
    pub fn new(config: Config, stored: Option<&[u8]>) -> Result<Self, Error> {
        let current = match stored.map(Provision::from_xml).transpose()? {
            Some(provision) => Some((provision.0.version, provision.to_xml())),
            None => None,
        };
        Ok(Self { config, current, storing: None, buckets: BTreeMap::new(), outputs: VecDeque::new() })
    }

    /// Which version UEs get.
    pub fn version(&self) -> Option<Version> {
        self.current.as_ref().map(|(version, _)| *version)
    }

    /// Takes an input.
    pub fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Provision { source, document } => {
                if let Err(why) = self.provision(source, document) {
                    self.outputs.push_back(Output::NotProvisioned(why));
                }
            }
            Input::Stored => {
                if let Some((version, document)) = self.storing.take() {
                    self.current = Some((version, document));
                    self.outputs.push_back(Output::Provisioned(version));
                }
            }
            Input::StoreFailed => {
                if self.storing.take().is_some() {
                    self.outputs.push_back(Output::NotProvisioned(Refused::Store));
                }
            }
            Input::Request { now, request, ue, body } => {
                let response = self.request(now, ue, body).unwrap_or_else(Response::Refused);
                self.outputs.push_back(Output::Respond { request, response });
            }
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn provision(&mut self, source: &Source, octets: &[u8]) -> Result<(), Refused> {
        self.config.trust.judge(source).map_err(Refused::NotTrusted)?;
        let provision = Provision::from_xml(octets).map_err(Refused::Malformed)?;
        if self.storing.is_some() {
            return Err(Refused::Busy);
        }
        let version = provision.0.version;
        match self.version() {
            Some(held) if version <= held => return Err(Refused::NotNewer(held)),
            _ => {}
        }
        let document = provision.to_xml();
        self.outputs.push_back(Output::Store(document.clone()));
        self.storing = Some((version, document));
        Ok(())
    }

    fn request(&mut self, now: UtcTime, ue: Imsi, body: &[u8]) -> Result<Response, Refused> {
        self.admit(now, ue)?;
        let Message::Request(asked) = Message::from_xml(body).map_err(Refused::Malformed)? else {
            return Err(Refused::Unexpected);
        };
        let said = match &self.current {
            _ if asked.ue != ue => Err(RefusedCause::NotAuthorised),
            None => Err(RefusedCause::NothingThere),
            Some((_, document)) => {
                let content = Provision::from_xml(document.as_bytes()).map_err(Refused::Malformed)?.0;
                let minutes = u64::from(content.validity.value());
                let valid_until = now.plus_millis(minutes * 60_000);
                Ok(Configuration { ue, issued: now, valid_until, content })
            }
        };
        let (configuration, cause) = match said {
            Ok(configuration) => (Some(configuration), None),
            Err(cause) => (None, Some(cause)),
        };
        let response = ConfigurationResponse { nonce: asked.nonce, cause, configuration };
        Ok(Response::Message(Message::Response(response).to_xml()))
    }

    fn admit(&mut self, now: UtcTime, ue: Imsi) -> Result<(), Refused> {
        let rate = self.config.rate;
        if self.buckets.len() >= MOST_UES && !self.buckets.contains_key(&ue) {
            self.buckets.retain(|_, bucket| !bucket.is_full(rate, now));
            if self.buckets.len() >= MOST_UES {
                return Err(Refused::TooMany);
            }
        }
        let bucket = self.buckets.entry(ue).or_insert_with(|| Bucket::new(rate, now));
        if bucket.take(rate, now) { Ok(()) } else { Err(Refused::TooMany) }
    }
}
