//! The UE's end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslVerifyMode, SslVersion};
use sidelink_network::identity::{BTid, Fqdn, NafId};
use sidelink_security::keys::KsNaf;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::suites::TLS_13_SUITES;
use super::{PREFIX, PskSuite, TLS_13_PROTOCOL, psk_identity};

/// Version of TLS that a UE speaks: the key is another one for each, and for each suite of TLS 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS 1.3.
    Tls13,
    /// TLS 1.2 with this suite.
    Tls12(PskSuite),
}

impl TlsMode {
    /// Ua security protocol identifier. TS 33.220 Annex H.3.
    pub const fn protocol(self) -> [u8; 5] {
        match self {
            Self::Tls13 => TLS_13_PROTOCOL,
            Self::Tls12(suite) => suite.protocol(),
        }
    }

    /// Identity of a NAF that is reached so.
    pub fn naf_id(self, naf: &Fqdn) -> NafId {
        NafId { fqdn: naf.clone(), protocol: self.protocol() }
    }
}

/// Why there is no TLS.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsClientError {
    /// The server did not send the hint of GBA: it wants no bootstrapped key. TS 24.109 §5.3.3.1.
    NoHint,
    /// The handshake failed: an unknown or expired key, or no common suite.
    Handshake(openssl::ssl::Error),
    /// The certificate of the server is whole, and names no role.
    NoRole,
    /// OpenSSL cannot be set up, or does not take the certificate or key.
    Setup(ErrorStack),
}

impl fmt::Display for TlsClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHint => write!(f, "the server does not ask for a bootstrapped key (hint {PREFIX})"),
            Self::Handshake(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::NoRole => f.write_str(
                "the certificate of the server names neither host nor role; ask its issuer for another",
            ),
            Self::Setup(error) => write!(f, "OpenSSL cannot be set up: {error}"),
        }
    }
}

impl std::error::Error for TlsClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Handshake(error) => Some(error),
            Self::Setup(error) => Some(error),
            Self::NoHint | Self::NoRole => None,
        }
    }
}

impl From<ErrorStack> for TlsClientError {
    fn from(error: ErrorStack) -> Self {
        Self::Setup(error)
    }
}

/// Does the handshake with a NAF, under the key of a B-TID.
pub(crate) async fn connect(
    stream: TcpStream,
    naf: &Fqdn,
    mode: TlsMode,
    b_tid: &BTid,
    key: KsNaf,
) -> Result<SslStream<TcpStream>, TlsClientError> {
    let no_hint = Arc::new(AtomicBool::new(false));
    let context = context(mode, b_tid, key, Arc::clone(&no_hint))?;
    let mut ssl = Ssl::new(&context)?;
    ssl.set_hostname(naf.as_str())?;
    let mut stream = SslStream::new(ssl, stream)?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(stream),
        Err(_) if no_hint.load(Ordering::Relaxed) => Err(TlsClientError::NoHint),
        Err(e) => Err(TlsClientError::Handshake(e)),
    }
}

fn context(
    mode: TlsMode,
    b_tid: &BTid,
    key: KsNaf,
    no_hint: Arc<AtomicBool>,
) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    let version = match mode {
        TlsMode::Tls13 => SslVersion::TLS1_3,
        TlsMode::Tls12(_) => SslVersion::TLS1_2,
    };
    builder.set_min_proto_version(Some(version))?;
    builder.set_max_proto_version(Some(version))?;
    match mode {
        TlsMode::Tls13 => builder.set_ciphersuites(TLS_13_SUITES)?,
        TlsMode::Tls12(suite) => builder.set_cipher_list(suite.name())?,
    }
    // No certificate is trusted: a server that comes with one instead of the key is refused, and without either it cannot come.
    builder.set_verify(SslVerifyMode::PEER);
    give_key(&mut builder, mode, psk_identity(b_tid), key, no_hint);
    Ok(builder.build())
}

fn give_key(
    builder: &mut SslContextBuilder,
    mode: TlsMode,
    identity: String,
    key: KsNaf,
    no_hint: Arc<AtomicBool>,
) {
    builder.set_psk_client_callback(move |_, hint, identity_to, key_to| {
        if matches!(mode, TlsMode::Tls12(_)) && !hint.is_some_and(is_of_gba) {
            no_hint.store(true, Ordering::Relaxed);
            return Ok(0);
        }
        let octets = key.as_bytes();
        // OpenSSL reads the identity up to a NUL.
        match (identity_to.get_mut(..=identity.len()), key_to.get_mut(..octets.len())) {
            (Some(identity_to), Some(key_to)) => {
                let (text, end) = identity_to.split_at_mut(identity.len());
                text.copy_from_slice(identity.as_bytes());
                end.fill(0);
                key_to.copy_from_slice(octets);
                Ok(octets.len())
            }
            _ => Ok(0),
        }
    });
}

/// Whether GBA is one of the hints, which semicolons separate. TS 24.109 §5.3.3.1.
fn is_of_gba(hint: &[u8]) -> bool {
    hint.split(|octet| *octet == b';').any(|hint| hint == PREFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_of_gba_is_one_of_a_list() {
        assert!(is_of_gba(b"3GPP-bootstrapping") && is_of_gba(b"3GPP-bootstrapping-uicc;3GPP-bootstrapping"));
        for other in ["", "3GPP-bootstrapping-uicc", "3GPP-bootstrapping2", "x3GPP-bootstrapping"] {
            assert!(!is_of_gba(other.as_bytes()), "{other}");
        }
    }
}
