//! The NAF's end.

use std::ffi::CString;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{
    ClientHelloResponse, NameType, Ssl, SslAlert, SslContext, SslMethod, SslOptions, SslRef,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use sidelink_network::bsf::{KeyMaterial, KeyRefusal};
use sidelink_network::identity::{BTid, Fqdn, Impi, NafId};
use sidelink_network::pc3::{Imsi, Plmn};
use sidelink_security::counter::UtcTime;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::suites::TLS_13_SUITES;
use super::{PREFIX, PskSuite, TLS_13_PROTOCOL, b_tid_of};
use crate::runtime::{Reply, now};
use crate::status::Counters;

/// How long the BSF may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The group of 4096 bits of RFC 7919 Appendix A.3, as `openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe4096` of OpenSSL
/// 3.0 writes it. TS 33.210 §6.2.3: 4096 bits, and the groups of RFC 7919.
const FFDHE4096: &[u8] = include_bytes!("ffdhe4096.pem");

/// Asks a BSF for a key.
pub(crate) type Zn = Arc<dyn Fn(BTid, NafId, Reply<Result<KeyMaterial, KeyRefusal>>) + Send + Sync>;

/// A UE, as TLS has proven it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Who.
    pub(crate) ue: Imsi,
    /// Its private identity.
    pub(crate) impi: Impi,
    /// Until when its key lives.
    pub(crate) expires: UtcTime,
}

impl Peer {
    /// Returns how long its key lives: then close_notify tells the UE. TS 24.109 §5.3.3.4.
    pub(crate) fn lasts(&self) -> Duration {
        Duration::from_millis(self.expires.millis().saturating_sub(now().millis()))
    }
}

/// A handshake.
struct Handshake {
    naf: Fqdn,
    plmn: Plmn,
    zn: Zn,
    /// The suite of TLS 1.2 that was chosen.
    suite: Mutex<Option<PskSuite>>,
    /// Whose key it is.
    peer: Mutex<Option<Peer>>,
}

/// A server with pre-shared keys.
pub(crate) struct PskServer {
    context: SslContext,
    naf: Fqdn,
    plmn: Plmn,
    zn: Zn,
    counters: Arc<Counters>,
}

impl PskServer {
    /// A NAF of this name, for subscribers of this PLMN.
    pub(crate) fn new(naf: Fqdn, plmn: Plmn, zn: Zn, counters: Arc<Counters>) -> Result<Self, ErrorStack> {
        let mut builder = SslContext::builder(SslMethod::tls_server())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_ciphersuites(TLS_13_SUITES)?;
        builder.set_cipher_list(&PskSuite::list())?;
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_num_tickets(0)?;
        let group = Dh::params_from_pem(FFDHE4096)?;
        builder.set_tmp_dh(&group)?;
        builder.set_verify(SslVerifyMode::NONE);
        let hint = CString::new(PREFIX).unwrap_or_default();
        super::hint::set(&mut builder, &hint)?;
        builder.set_client_hello_callback(choose_suite);
        builder.set_psk_server_callback(psk);
        Ok(Self { context: builder.build(), naf, plmn, zn, counters })
    }

    /// Does a handshake; none where it fails.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<(SslStream<TcpStream>, Peer)> {
        // Counted as failed unless it gets to the end: it may be given up from outside.
        let mut outcome = Outcome { counters: &self.counters, succeeded: false };
        let handshake = Arc::new(Handshake {
            naf: self.naf.clone(),
            plmn: self.plmn,
            zn: Arc::clone(&self.zn),
            suite: Mutex::new(None),
            peer: Mutex::new(None),
        });
        let mut ssl = Ssl::new(&self.context).ok()?;
        ssl.set_ex_data(index()?, Arc::clone(&handshake));
        let mut stream = SslStream::new(ssl, stream).ok()?;
        if let Err(e) = Pin::new(&mut stream).accept().await {
            tracing::debug!("a TLS handshake failed: {e}");
            return None;
        }
        // TS 33.222 §5.4.0 step 1: the UE names the NAF. OpenSSL knows the name only now, in TLS 1.3.
        let name = stream.ssl().servername(NameType::HOST_NAME);
        let is_named = name.is_some_and(|name| name.eq_ignore_ascii_case(self.naf.as_str()));
        let peer = locked(&handshake.peer).take().filter(|_| is_named);
        outcome.succeeded = peer.is_some();
        peer.map(|peer| (stream, peer))
    }
}

struct Outcome<'a> {
    counters: &'a Counters,
    succeeded: bool,
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        if self.succeeded { self.counters.handshakes.add() } else { self.counters.handshakes_failed.add() }
    }
}

/// Where a connection of OpenSSL keeps its handshake.
fn index() -> Option<Index<Ssl, Arc<Handshake>>> {
    static INDEX: OnceLock<Option<Index<Ssl, Arc<Handshake>>>> = OnceLock::new();
    *INDEX.get_or_init(|| Ssl::new_ex_index().ok())
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chooses the suite of TLS 1.2 here: the key is that of the suite, and OpenSSL does not say which it has chosen before it asks
/// for the key.
fn choose_suite(ssl: &mut SslRef, alert: &mut SslAlert) -> Result<ClientHelloResponse, ErrorStack> {
    let handshake = index().and_then(|index| ssl.ex_data(index)).map(Arc::clone);
    let suite = PskSuite::preferred(ssl.client_hello_ciphers().unwrap_or_default());
    if let (Some(handshake), Some(suite)) = (handshake, suite) {
        if let Err(e) = ssl.set_cipher_list(suite.name()) {
            *alert = SslAlert::INTERNAL_ERROR;
            return Err(e);
        }
        *locked(&handshake.suite) = Some(suite);
    }
    Ok(ClientHelloResponse::SUCCESS)
}

/// Writes the key of a PSK identity; 0 where there is none. TS 33.222 §5.4.0 step 4.
fn psk(ssl: &mut SslRef, identity: Option<&[u8]>, key: &mut [u8]) -> Result<usize, ErrorStack> {
    let Some(handshake) = index().and_then(|index| ssl.ex_data(index)).map(Arc::clone) else { return Ok(0) };
    *locked(&handshake.peer) = None;
    let Some(b_tid) = identity.and_then(b_tid_of) else { return Ok(0) };
    let protocol = match ssl.version2() {
        Some(SslVersion::TLS1_3) => TLS_13_PROTOCOL,
        _ => match *locked(&handshake.suite) {
            Some(suite) => suite.protocol(),
            None => return Ok(0),
        },
    };
    let naf_id = NafId { fqdn: handshake.naf.clone(), protocol };
    let Some(material) = fetch(&handshake.zn, b_tid, naf_id) else { return Ok(0) };
    let octets = material.ks_naf.as_bytes();
    match (ue_of(&material.impi, handshake.plmn), key.get_mut(..octets.len())) {
        (Some(ue), Some(key)) => {
            key.copy_from_slice(octets);
            *locked(&handshake.peer) = Some(Peer { ue, impi: material.impi, expires: material.expires });
            Ok(octets.len())
        }
        _ => Ok(0),
    }
}

/// Waits for the BSF. OpenSSL cannot be called again later, so the thread waits; others take over what else it had to do.
fn fetch(zn: &Zn, b_tid: BTid, naf_id: NafId) -> Option<KeyMaterial> {
    let (sender, receiver) = mpsc::channel();
    zn(b_tid, naf_id, Box::new(move |result| _ = sender.send(result)));
    let wait = || receiver.recv_timeout(PATIENCE);
    tokio::task::block_in_place(wait).ok()?.ok()
}

/// The UE of a private identity that was made of an IMSI of 15 digits in this PLMN. TS 23.003 §13.3, from memory.
fn ue_of(impi: &Impi, plmn: Plmn) -> Option<Imsi> {
    let (digits, _) = impi.as_str().split_once('@')?;
    let home = format!("{}{}", plmn.mcc(), plmn.mnc());
    Imsi::new(plmn, digits.strip_prefix(&home)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ue_is_of_the_plmn_with_an_imsi_of_15_digits() {
        let plmn = Plmn::new("001", "01").unwrap();
        let ue = |impi| ue_of(&Impi::new(impi).unwrap(), plmn);
        let found = ue("001010000000001@ims.mnc001.mcc001.3gppnetwork.org").unwrap();
        assert_eq!(found.to_string(), "001010000000001");
        for other in
            ["001020000000001@x", "0010100000001@x", "00101000000000a@x", "user@x", "310410000000001@x"]
        {
            assert_eq!(ue(other), None, "{other}");
        }
    }
}
