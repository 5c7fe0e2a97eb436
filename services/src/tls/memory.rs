//! TLS 1.3 between two users without a socket: octets in, octets out. RFC 8446.
//!
//! For overlays above links: whoever holds an end carries its octets. One suite, no tickets; with certificates both ends show
//! one, and each names its owner.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};

use openssl::error::ErrorStack;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::store::X509StoreBuilder;
use zeroize::Zeroizing;

mod issue;

pub use issue::{Certified, issue};

/// The suite.
const SUITE: &str = "TLS_AES_128_GCM_SHA256";

/// A key that both ends have, and its name.
pub struct PreShared {
    /// PSK identity.
    pub identity: String,
    /// The key.
    pub key: Zeroizing<Vec<u8>>,
}

/// By what an end proves itself.
pub enum Credentials {
    /// A shared key.
    PreShared(PreShared),
    /// A certificate.
    Certificate(Certified),
}

/// Why there is no TLS.
#[derive(Debug)]
#[non_exhaustive]
pub enum MemoryTlsError {
    /// OpenSSL cannot be set up, or does not take a credential.
    Setup(ErrorStack),
    /// The handshake failed: another key, or a certificate of somebody else.
    Handshake(String),
    /// A record is altered, or the other end has closed.
    Record(String),
}

impl fmt::Display for MemoryTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => write!(f, "OpenSSL cannot be set up: {error}"),
            Self::Handshake(why) => write!(f, "the TLS handshake failed: {why}"),
            Self::Record(why) => write!(f, "a TLS record is not taken: {why}"),
        }
    }
}

impl std::error::Error for MemoryTlsError {}

impl From<ErrorStack> for MemoryTlsError {
    fn from(error: ErrorStack) -> Self {
        Self::Setup(error)
    }
}

/// Octets between OpenSSL and whoever carries them.
#[derive(Default)]
struct Pipe {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outgoing.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One end.
pub struct MemoryTls {
    stream: SslStream<Pipe>,
    is_established: bool,
}

/// Who begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

fn context(role: Role, credentials: &Credentials) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(match role {
        Role::Client => SslMethod::tls_client(),
        Role::Server => SslMethod::tls_server(),
    })?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    builder.set_ciphersuites(SUITE)?;
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_num_tickets(0)?;
    match credentials {
        // No certificate is trusted: a server that comes with one instead of the key is refused. A server has none to show, so that
        // nobody gets in without the key.
        Credentials::PreShared(_) if role == Role::Client => builder.set_verify(SslVerifyMode::PEER),
        Credentials::PreShared(_) => builder.set_verify(SslVerifyMode::NONE),
        Credentials::Certificate(certified) => {
            builder.set_sigalgs_list("ECDSA+SHA256")?;
            builder.set_certificate(&certified.certificate)?;
            builder.set_private_key(&certified.key)?;
            builder.check_private_key()?;
            let mut roots = X509StoreBuilder::new()?;
            roots.add_cert(certified.root.clone())?;
            builder.set_cert_store(roots.build());
            builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
    }
    give_key(&mut builder, credentials);
    Ok(builder.build())
}

/// Installs a shared key for both roles.
fn give_key(builder: &mut SslContextBuilder, credentials: &Credentials) {
    let Credentials::PreShared(PreShared { identity, key }) = credentials else { return };
    let (name, secret) = (identity.clone(), key.clone());
    builder.set_psk_client_callback(move |_, _, identity_to, key_to| {
        match (identity_to.get_mut(..=name.len()), key_to.get_mut(..secret.len())) {
            (Some(identity_to), Some(key_to)) => {
                // OpenSSL reads the identity up to a NUL.
                let (text, end) = identity_to.split_at_mut(name.len());
                text.copy_from_slice(name.as_bytes());
                end.fill(0);
                key_to.copy_from_slice(&secret);
                Ok(secret.len())
            }
            _ => Ok(0),
        }
    });
    let (name, secret) = (identity.clone(), key.clone());
    builder.set_psk_server_callback(move |_, identity, key_to| match key_to.get_mut(..secret.len()) {
        Some(key_to) if identity == Some(name.as_bytes()) => {
            key_to.copy_from_slice(&secret);
            Ok(secret.len())
        }
        _ => Ok(0),
    });
}

impl MemoryTls {
    /// The end that begins, towards the owner of this name.
    ///
    /// # Errors
    /// OpenSSL takes a credential not.
    pub fn client(credentials: &Credentials, server: &str) -> Result<Self, MemoryTlsError> {
        let context = context(Role::Client, credentials)?;
        let mut ssl = Ssl::new(&context)?;
        ssl.set_connect_state();
        if let Credentials::Certificate(_) = credentials {
            ssl.set_hostname(server)?;
            ssl.param_mut().set_host(server)?;
        }
        Ok(Self { stream: SslStream::new(ssl, Pipe::default())?, is_established: false })
    }

    /// The end that answers.
    ///
    /// # Errors
    /// OpenSSL takes a credential not.
    pub fn server(credentials: &Credentials) -> Result<Self, MemoryTlsError> {
        let context = context(Role::Server, credentials)?;
        let mut ssl = Ssl::new(&context)?;
        ssl.set_accept_state();
        Ok(Self { stream: SslStream::new(ssl, Pipe::default())?, is_established: false })
    }

    /// Whether the handshake is through at this end.
    pub const fn is_established(&self) -> bool {
        self.is_established
    }

    /// Takes octets of the other end.
    pub fn feed(&mut self, octets: &[u8]) {
        self.stream.get_mut().incoming.extend(octets);
    }

    /// Returns the octets for the other end.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stream.get_mut().outgoing)
    }

    /// Goes on with the handshake as far as it comes.
    ///
    /// # Errors
    /// It failed; the octets for the other end say so.
    pub fn handshake(&mut self) -> Result<(), MemoryTlsError> {
        match self.stream.do_handshake() {
            Ok(()) => self.is_established = true,
            Err(why) if why.code() == ErrorCode::WANT_READ => {}
            Err(why) => return Err(MemoryTlsError::Handshake(why.to_string())),
        }
        Ok(())
    }

    /// Protects octets of the user: [`Self::take`] returns the record.
    ///
    /// # Errors
    /// The handshake is not through.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), MemoryTlsError> {
        self.stream.write_all(octets).map_err(|why| MemoryTlsError::Record(why.to_string()))
    }

    /// Returns the octets of the other user that came whole.
    ///
    /// # Errors
    /// A record is altered: nothing comes any more.
    pub fn read(&mut self) -> Result<Vec<u8>, MemoryTlsError> {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.ssl_read(&mut buffer) {
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(why) if why.code() == ErrorCode::WANT_READ => return Ok(all),
                Err(why) => return Err(MemoryTlsError::Record(why.to_string())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
