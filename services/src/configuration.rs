//! What a ProSe Function configures UEs with: the machine, its file, and the server of UEs with certificates.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use sidelink_network::configuration::{
    Certified, ConfigurationFunction, FunctionConfig, FunctionInput, FunctionOutput, MEDIA_TYPE, Provision,
    Refused, Response, Role, Source, Trust, Version,
};
use sidelink_network::identity::Fqdn;
use sidelink_network::pc3::{self, Imsi, MAX_OCTETS};
use sidelink_network::prose_function::RequestId;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::config::ConfigurationConfig;
use crate::http::{Limits, Reply, Site, body_of, check_target, document, media_type, plain, refuse};
use crate::runtime::now;
use crate::tls::CertificateServer;

/// Why nobody is configured with something.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProvisionError {
    /// No ProSe Function with configurations runs here.
    NotHere,
    /// It is refused.
    Refused(Refused),
    /// What is in the file of the state is none of ours.
    Damaged(PathBuf, pc3::Error),
    /// The file cannot be read.
    Read(PathBuf, std::io::Error),
}

impl fmt::Display for ProvisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere => f.write_str("no ProSe Function with a configuration for UEs runs here"),
            Self::Refused(why) => why.fmt(f),
            Self::Damaged(path, why) => {
                write!(f, "{} is damaged: {why}; remove it, and say a version above the last", path.display())
            }
            Self::Read(path, why) => write!(f, "cannot read {}: {why}; check its rights", path.display()),
        }
    }
}

impl std::error::Error for ProvisionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotHere => None,
            Self::Refused(why) => Some(why),
            Self::Damaged(_, why) => Some(why),
            Self::Read(_, why) => Some(why),
        }
    }
}

/// Puts a file in the place of another, whole or not at all: the old one is there until the new one is on the disk.
pub(crate) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    // What a crash has left there may have other rights.
    match std::fs::remove_file(&beside) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The machine and its file. Its requests are short, so one at a time is enough.
pub(crate) struct Desk {
    state: PathBuf,
    machine: Mutex<ConfigurationFunction>,
}

impl Desk {
    /// With what the file of the state has, and what the operator says at the start: the same version again is no fault.
    pub(crate) fn open(config: &ConfigurationConfig, name: &Fqdn) -> Result<Self, ProvisionError> {
        let path = &config.state;
        let stored = match std::fs::read(path) {
            Ok(stored) => Some(stored),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => None,
            Err(why) => return Err(ProvisionError::Read(path.clone(), why)),
        };
        let trust = Trust { operators: vec![name.clone()] };
        let settings = FunctionConfig { trust, rate: config.rate };
        let machine = ConfigurationFunction::new(settings, stored.as_deref())
            .map_err(|why| ProvisionError::Damaged(path.clone(), why))?;
        let said = config.document.as_deref().and_then(|document| Provision::from_xml(document).ok());
        let is_held = said.is_some_and(|said| Some(said.0.version) == machine.version());
        let desk = Self { state: path.clone(), machine: Mutex::new(machine) };
        let operator = Source::Certificate(Certified { name: name.clone(), role: Role::Operator });
        match config.document.as_deref().map(|document| desk.provision(&operator, document)) {
            Some(Err(ProvisionError::Refused(Refused::NotNewer(_)))) if is_held => {}
            Some(Err(why)) => return Err(why),
            Some(Ok(_)) | None => {}
        }
        Ok(desk)
    }

    pub(crate) fn provision(&self, source: &Source, document: &[u8]) -> Result<Version, ProvisionError> {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.handle_input(FunctionInput::Provision { source, document });
        loop {
            match machine.poll_output() {
                Some(FunctionOutput::Store(text)) => {
                    let stored = replace(&self.state, text.as_bytes());
                    if let Err(why) = &stored {
                        tracing::error!("cannot write {}: {why}", self.state.display());
                    }
                    machine.handle_input(match stored {
                        Ok(()) => FunctionInput::Stored,
                        Err(_) => FunctionInput::StoreFailed,
                    });
                }
                Some(FunctionOutput::Provisioned(version)) => return Ok(version),
                Some(FunctionOutput::NotProvisioned(why)) => return Err(ProvisionError::Refused(why)),
                Some(FunctionOutput::Respond { .. }) => {}
                None => return Err(ProvisionError::Refused(Refused::Busy)),
            }
        }
    }

    /// Answers a request of a UE, which TLS has proven.
    pub(crate) async fn answer(&self, ue: Imsi, request: Request<Incoming>, time: Duration) -> Reply {
        if let Err(reply) = check_target("PC3", request.method(), request.uri().path()) {
            return *reply;
        }
        if media_type(request.headers()) != MEDIA_TYPE {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send {MEDIA_TYPE}"));
        }
        let body = match body_of(request.into_body(), MAX_OCTETS, time).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.handle_input(FunctionInput::Request { now: now(), request: RequestId(0), ue, body: &body });
        match machine.poll_output() {
            Some(FunctionOutput::Respond { response, .. }) => reply_of(response),
            _ => refuse(StatusCode::SERVICE_UNAVAILABLE, "no answer", 1),
        }
    }
}

fn reply_of(response: Response) -> Reply {
    match response {
        Response::Message(body) => document(body, MEDIA_TYPE),
        Response::Refused(why) => {
            let text = why.to_string();
            match why {
                Refused::TooMany => refuse(StatusCode::TOO_MANY_REQUESTS, text, 10),
                _ => plain(StatusCode::BAD_REQUEST, text),
            }
        }
    }
}

/// The server of UEs with certificates: configurations, and nothing else of PC3.
pub(crate) struct CertificateSite {
    pub(crate) tls: CertificateServer,
    pub(crate) desk: std::sync::Arc<Desk>,
    pub(crate) limits: Limits,
}

impl Site for CertificateSite {
    type Stream = SslStream<TcpStream>;
    type Peer = Imsi;

    async fn admit(&self, stream: TcpStream) -> Option<(Self::Stream, Imsi)> {
        self.tls.accept(stream).await
    }

    fn lasts(&self, _: &Imsi) -> Duration {
        Duration::MAX
    }

    async fn answer(&self, ue: Imsi, request: Request<Incoming>) -> Reply {
        self.desk.answer(ue, request, self.limits.body).await
    }
}
