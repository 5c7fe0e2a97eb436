//! Why the services do not start: the operator's fault, or the machine's.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use sidelink_network::public_keys::server as public_keys;
use sidelink_network::{kms, pkmf, prose_function};

use crate::config::ConfigError;
use crate::configuration::ProvisionError;
use crate::store::StoreError;

/// Why the services do not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    Config(ConfigError),
    /// What the ProSe Function is configured with.
    ProseFunction(prose_function::ConfigError),
    /// What its server of public keys is configured with.
    PublicKeys(public_keys::ConfigError),
    /// What the key management function is configured with.
    Pkmf(pkmf::ConfigError),
    /// What the key management server of identities is configured with.
    Kms(kms::ConfigError),
    /// The database.
    Store(StoreError),
    /// An address cannot be listened on.
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        why: std::io::Error,
    },
    /// A socket of this machine cannot be made.
    Socket {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The configuration for UEs.
    Configuration(ProvisionError),
    /// OpenSSL does not take the certificate, key or roots of the server for UEs with certificates.
    Certificate(openssl::error::ErrorStack),
    /// TLS cannot be set up with the OpenSSL of this system.
    Tls(openssl::error::ErrorStack),
    /// The system gives no thread.
    Thread(std::io::Error),
    /// The system gives no random octets.
    NoRandomness,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::ProseFunction(error) => error.fmt(f),
            Self::PublicKeys(error) => error.fmt(f),
            Self::Pkmf(error) => error.fmt(f),
            Self::Kms(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Listen { address, why } => {
                write!(f, "cannot listen on {address}: {why}; choose another address or port")
            }
            Self::Socket { path, why } => {
                write!(f, "cannot make the socket: {why}; {}; choose another path", path.display())
            }
            Self::Configuration(error) => write!(f, "the configuration for UEs: {error}"),
            Self::Certificate(error) => write!(
                f,
                "certificate, key or roots of a section certificates ([prose-function.configuration], [kms]) cannot be used: {error}; \
                 they are to be PEM, of one P-256 key"
            ),
            Self::Tls(error) => {
                write!(f, "OpenSSL cannot do TLS with pre-shared keys: {error}; install OpenSSL 3")
            }
            Self::Thread(why) => write!(f, "the system gives no thread: {why}; raise the limit of threads"),
            Self::NoRandomness => f.write_str("the system gives no random octets; is there /dev/urandom?"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Configuration(error) => Some(error),
            Self::Certificate(error) => Some(error),
            Self::ProseFunction(error) => Some(error),
            Self::PublicKeys(error) => Some(error),
            Self::Pkmf(error) => Some(error),
            Self::Kms(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Listen { why, .. } | Self::Socket { why, .. } | Self::Thread(why) => Some(why),
            Self::Tls(error) => Some(error),
            Self::NoRandomness => None,
        }
    }
}

impl From<ProvisionError> for StartError {
    fn from(error: ProvisionError) -> Self {
        Self::Configuration(error)
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<prose_function::ConfigError> for StartError {
    fn from(error: prose_function::ConfigError) -> Self {
        Self::ProseFunction(error)
    }
}

impl From<public_keys::ConfigError> for StartError {
    fn from(error: public_keys::ConfigError) -> Self {
        Self::PublicKeys(error)
    }
}

impl From<pkmf::ConfigError> for StartError {
    fn from(error: pkmf::ConfigError) -> Self {
        Self::Pkmf(error)
    }
}

impl From<kms::ConfigError> for StartError {
    fn from(error: kms::ConfigError) -> Self {
        Self::Kms(error)
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<openssl::error::ErrorStack> for StartError {
    fn from(error: openssl::error::ErrorStack) -> Self {
        Self::Tls(error)
    }
}
