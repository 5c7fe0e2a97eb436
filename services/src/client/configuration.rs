//! Configurations: fetched over TLS with GBA or with certificates, kept in a sealed file.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{Request, header};
use sidelink_network::configuration::{
    Configuration, ConfigurationClient, Failure, Input, MEDIA_TYPE, Output, SealError, SealingKey, Source,
    Trust, Version,
};
use sidelink_network::identity::Fqdn;
use zeroize::Zeroizing;

use super::http_client::{ask, block_on, connect};
use super::{ClientError, Target, UeClient, body_of};
use crate::configuration::replace;
use crate::runtime::now;
use crate::tls::{Credentials, connect_certified};

/// Why a UE has no configuration, or no newer one.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The file was edited, or is another UE's.
    Seal(PathBuf, SealError),
    /// The file cannot be read.
    Read(PathBuf, std::io::Error),
    /// The file cannot be written.
    Write(PathBuf, std::io::Error),
    /// There was no answer.
    Client(ClientError),
    /// The answer is not taken.
    Refused(Failure),
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal(path, why) => write!(f, "{}: {why}", path.display()),
            Self::Read(path, why) => write!(f, "cannot read {}: {why}; check its rights", path.display()),
            Self::Write(path, why) => {
                write!(f, "cannot write {}: {why}; check its folder; the old one counts", path.display())
            }
            Self::Client(why) => why.fmt(f),
            Self::Refused(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for ConfigurationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Seal(_, why) => Some(why),
            Self::Read(_, why) | Self::Write(_, why) => Some(why),
            Self::Client(why) => Some(why),
            Self::Refused(why) => Some(why),
        }
    }
}

/// The file of a configuration.
#[derive(Clone, Debug)]
pub struct ConfigurationFile(PathBuf);

impl ConfigurationFile {
    /// At this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn load(&self) -> Result<Option<Vec<u8>>, ConfigurationError> {
        match std::fs::read(&self.0) {
            Ok(file) => Ok(Some(file)),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(ConfigurationError::Read(self.0.clone(), why)),
        }
    }

    /// What counts; nothing where there is no file. A UE calls it when it starts, and asks
    /// [`Configuration::permits`] before it transmits.
    ///
    /// # Errors
    /// The file was edited.
    pub fn open(&self, key: &SealingKey) -> Result<Option<Configuration>, ConfigurationError> {
        let file = self.load()?;
        let open = file.map(|file| key.open(&file));
        open.transpose().map_err(|why| ConfigurationError::Seal(self.0.clone(), why))
    }

    /// Asks once, and puts what is newer in the place of the file.
    fn fetch(
        &self,
        key: SealingKey,
        trust: Trust,
        exchange: impl FnOnce(&Zeroizing<String>) -> Result<(Source, Zeroizing<Vec<u8>>), ClientError>,
    ) -> Result<Version, ConfigurationError> {
        let sealed = |why| ConfigurationError::Seal(self.0.clone(), why);
        let mut machine = ConfigurationClient::new(key, trust, self.load()?.as_deref()).map_err(sealed)?;
        let mut nonce = [0; 16];
        let chance = getrandom::fill(&mut nonce).map_err(|_| ClientError::NoRandomness);
        chance.map_err(ConfigurationError::Client)?;
        machine.handle_input(Input::Want { nonce });
        let mut exchange = Some(exchange);
        let mut failed = None;
        loop {
            match machine.poll_output() {
                Some(Output::Request(body)) => {
                    let exchange = exchange.take().ok_or(ConfigurationError::Refused(Failure::Lost))?;
                    let (source, body) = exchange(&body).map_err(ConfigurationError::Client)?;
                    machine.handle_input(Input::Response { now: now(), source: &source, body: &body });
                }
                Some(Output::Store(file)) => {
                    failed = replace(&self.0, &file).err();
                    let stored = if failed.is_none() { Input::Stored } else { Input::StoreFailed };
                    machine.handle_input(stored);
                }
                Some(Output::Installed(version)) => return Ok(version),
                Some(Output::Failed(why)) => {
                    return Err(match failed {
                        Some(why) => ConfigurationError::Write(self.0.clone(), why),
                        None => ConfigurationError::Refused(why),
                    });
                }
                None => return Err(ConfigurationError::Refused(Failure::Lost)),
            }
        }
    }
}

impl UeClient {
    /// Fetches the configuration over PC3 with GBA. Bootstraps as [`Self::send`] does.
    ///
    /// # Errors
    /// Why what was there before still counts.
    pub fn fetch_configuration(
        &mut self,
        file: &ConfigurationFile,
        key: SealingKey,
        trust: Trust,
    ) -> Result<Version, ConfigurationError> {
        file.fetch(key, trust, |body| {
            let (name, address) = (self.config.naf.clone(), self.config.naf_address);
            let to = Target { name: &name, address, local: None, path: "/", media_type: MEDIA_TYPE };
            let answer = self.send_to(&to, body.as_bytes())?.ok_or(ClientError::Malformed)?;
            Ok((Source::Naf(self.config.tls.naf_id(&name)), answer))
        })
    }
}

/// A UE of public safety, with a certificate.
#[derive(Clone, Debug)]
pub struct CertifiedClient {
    /// Its certificate, and who issues that of the ProSe Function.
    pub credentials: Credentials,
    /// Name of the ProSe Function.
    pub name: Fqdn,
    /// Where it is.
    pub address: SocketAddr,
    /// Time of one request, with its connection.
    pub patience: Duration,
}

impl CertifiedClient {
    /// Fetches the configuration over TLS with certificates.
    ///
    /// # Errors
    /// Why what was there before still counts.
    pub fn fetch_configuration(
        &self,
        file: &ConfigurationFile,
        key: SealingKey,
        trust: Trust,
    ) -> Result<Version, ConfigurationError> {
        file.fetch(key, trust, |body| {
            let request = Request::post("/")
                .header(header::HOST, self.name.as_str())
                .header(header::CONTENT_TYPE, MEDIA_TYPE)
                .body(body.as_bytes().to_vec())
                .map_err(|_| ClientError::Malformed)?;
            let (certified, response) = block_on(self.address, self.patience, async {
                let stream = connect(self.address).await?;
                let connected = connect_certified(stream, &self.name, &self.credentials).await;
                let (stream, certified) = connected.map_err(ClientError::Tls)?;
                Ok((certified, ask(stream, request).await?))
            })?;
            let body = body_of(response)?.ok_or(ClientError::Malformed)?;
            Ok((Source::Certificate(certified), body))
        })
    }
}
