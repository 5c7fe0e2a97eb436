//! TLS with certificates on both ends, for UEs of public safety. TS 33.303 §5.3.3.2; TS 33.210 §6.2.
//!
//! ECDSA on P-256 under TLS 1.3. Who issues certificates vouches for what they say in subjectAltName: a name (DNS), a role and,
//! of a UE, its IMSI (URIs of our own: [`role_uri`], [`imsi_uri`]). No list of revoked certificates is looked at.

use std::pin::Pin;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode,
    SslVersion,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Ref};
use sidelink_network::configuration::{Certified, Role};
use sidelink_network::identity::Fqdn;
use sidelink_network::pc3::{Imsi, Plmn};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use zeroize::Zeroizing;

use super::TlsClientError;
use super::suites::TLS_13_SUITES;
use crate::status::Counters;

/// What stands before the role in a certificate. Ours.
const ROLE: &str = "urn:testbed:prose:role:";

/// What stands before the IMSI in a certificate. Ours.
const IMSI: &str = "urn:testbed:prose:imsi:";

/// Name of a role in subjectAltName.
pub fn role_uri(role: Role) -> String {
    format!("{ROLE}{role}")
}

/// Name of a UE in subjectAltName.
pub fn imsi_uri(ue: Imsi) -> String {
    format!("{IMSI}{ue}")
}

/// Certificate, key and roots of one end, as PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Zeroizing<Vec<u8>>,
    /// Who may have issued the certificate of the other end: one or more.
    pub roots: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    fn install(&self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
        builder.set_ciphersuites(TLS_13_SUITES)?;
        builder.set_sigalgs_list("ECDSA+SHA256")?;
        builder.set_certificate(X509::from_pem(&self.certificate)?.as_ref())?;
        builder.set_private_key(PKey::private_key_from_pem(&self.key)?.as_ref())?;
        builder.check_private_key()?;
        let mut roots = X509StoreBuilder::new()?;
        for root in X509::stack_from_pem(&self.roots)? {
            roots.add_cert(root)?;
        }
        builder.set_cert_store(roots.build());
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        Ok(())
    }
}

/// What a certificate says of its owner; `None` where it lacks name or role, or says a role twice.
fn certified(certificate: &X509Ref) -> Option<Certified> {
    let names = certificate.subject_alt_names()?;
    let name = names.iter().find_map(|name| name.dnsname())?;
    let mut roles = names.iter().filter_map(|name| name.uri()?.strip_prefix(ROLE));
    let (role, None) = (Role::from_name(roles.next()?)?, roles.next()) else { return None };
    Some(Certified { name: Fqdn::new(name).ok()?, role })
}

/// The UE of a certificate, where it is one of this PLMN.
fn ue_of(certificate: &X509Ref, plmn: Plmn) -> Option<Imsi> {
    let names = certificate.subject_alt_names()?;
    let digits = names.iter().find_map(|name| name.uri()?.strip_prefix(IMSI))?;
    let home = format!("{}{}", plmn.mcc(), plmn.mnc());
    Imsi::new(plmn, digits.strip_prefix(&home)?).ok()
}

/// A server that UEs with certificates reach.
pub(crate) struct CertificateServer {
    context: SslContext,
    plmn: Plmn,
    counters: Arc<Counters>,
}

impl CertificateServer {
    pub(crate) fn new(
        credentials: &Credentials,
        plmn: Plmn,
        counters: Arc<Counters>,
    ) -> Result<Self, ErrorStack> {
        let mut builder = SslContext::builder(SslMethod::tls_server())?;
        credentials.install(&mut builder)?;
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_num_tickets(0)?;
        Ok(Self { context: builder.build(), plmn, counters })
    }

    /// Does a handshake with a UE; none where it fails, or where the other end is none.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<(SslStream<TcpStream>, Imsi)> {
        let accepted = self.handshake(stream).await;
        let counter = match accepted {
            Some(_) => &self.counters.handshakes,
            None => &self.counters.handshakes_failed,
        };
        counter.add();
        accepted
    }

    async fn handshake(&self, stream: TcpStream) -> Option<(SslStream<TcpStream>, Imsi)> {
        let ssl = Ssl::new(&self.context).ok()?;
        let mut stream = SslStream::new(ssl, stream).ok()?;
        if let Err(e) = Pin::new(&mut stream).accept().await {
            tracing::debug!("a TLS handshake with certificates failed: {e}");
            return None;
        }
        let certificate = stream.ssl().peer_certificate()?;
        let role = certified(&certificate)?.role;
        let ue = ue_of(&certificate, self.plmn).filter(|_| role == Role::PublicSafetyUe)?;
        Some((stream, ue))
    }
}

/// Does the handshake with a server of this name, and says what its certificate says.
pub(crate) async fn connect_certified(
    stream: TcpStream,
    server: &Fqdn,
    credentials: &Credentials,
) -> Result<(SslStream<TcpStream>, Certified), TlsClientError> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    credentials.install(&mut builder)?;
    let mut ssl = Ssl::new(&builder.build())?;
    ssl.set_hostname(server.as_str())?;
    ssl.param_mut().set_host(server.as_str())?;
    let mut stream = SslStream::new(ssl, stream)?;
    Pin::new(&mut stream).connect().await.map_err(TlsClientError::Handshake)?;
    let said = of_peer(stream.ssl()).ok_or(TlsClientError::NoRole)?;
    Ok((stream, said))
}

fn of_peer(ssl: &SslRef) -> Option<Certified> {
    certified(ssl.peer_certificate()?.as_ref())
}
