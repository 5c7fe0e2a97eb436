//! The users' own security above a link: an application of each UE talks over PDCP SDUs of type IP, and an overlay protects what it
//! says from end to end. TR 33.833 key issues 3.2 and 4.2; nothing of it derives from the operator's keys.
//!
//! ```text
//! UE_1                                                              UE_2
//! voice -> RTP, UDP, IP -> overlay -> IP packet -> PDCP, EEAx -> PC5 -> .. -> overlay -> voice
//!                                         '-------> Uu leg of the network ------'
//!
//! packet.rs   IPv4, UDP and RTP as far as voice needs them
//! protocol.rs what an overlay is to its user; the one that is none
//! media.rs    SRTP once its keys are there
//! sakke.rs    overlay C: keys by an I_MESSAGE of the users' own key management server
//! sdes.rs     overlay C: keys in crypto attributes, which the signalling of networks carries
//! ticket.rs   overlay C: keys by a ticket
//! esp.rs      overlay B: IKEv2 by a shared key, ESP in a tunnel
//! tls.rs      overlay A: TLS 1.3, in a build with `services`
//! stream.rs   what TLS talks over
//! voice.rs    frames of 20 ms, bundled
//! end.rs      the application of a UE
//! paths.rs    ways from UE to UE besides the link, and when they change
//! costs.rs    what it cost
//! ```

pub(crate) mod costs;
mod end;
mod esp;
mod media;
mod packet;
pub(crate) mod paths;
mod protocol;
mod sakke;
mod sdes;
#[cfg(feature = "services")]
mod stream;
mod ticket;
#[cfg(feature = "services")]
mod tls;
mod voice;

use crate::experiments::log::Log;
use crate::experiments::signalling::{Proxy, Signalling};
use crate::experiments::tickets::{Reach, SharedServer};
use end::{End, EndConfig};
use paths::{Network, Switcher};
use protocol::Protocol;
use sidelink_radio::Anchor;
use sidelink_security::counter::UtcTime;
use sidelink_security::srtp::{MasterKey, Receiver, SrtpProfile};
use sidelink_ue::{Application, Observer, Ue};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::sdes::KEY;

pub(crate) use voice::MARK;

/// How the users protect what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Not at all: the link alone does.
    None,
    /// SRTP, keyed by SAKKE.
    SrtpSakke,
    /// SRTP, keyed by crypto attributes.
    SrtpSdes,
    /// SRTP, keyed by a ticket.
    SrtpTicket,
    /// IKEv2 and ESP.
    Esp,
    /// TLS 1.3 with a pre-shared key.
    TlsPsk,
    /// TLS 1.3 with certificates on P-256.
    TlsP256,
}

impl Method {
    /// Its name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SrtpSakke => "SRTP by SAKKE",
            Self::SrtpSdes => "SRTP by SDES",
            Self::SrtpTicket => "SRTP by a ticket",
            Self::Esp => "IKEv2 and ESP",
            Self::TlsPsk => "TLS 1.3 by a shared key",
            Self::TlsP256 => "TLS 1.3 by certificates",
        }
    }
}

/// What the link ciphers below the overlay. Its signalling is integrity protected in any case (TR 33.833 key issue 4.2-c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eps {
    /// Both ends require it.
    Full,
    /// Neither does: the policies of both say that an overlay is there.
    Null,
    /// Both do without where they must: the policies say that an overlay is there.
    Either,
    /// UE_1 requires it, UE_2 does without.
    NullAtTarget,
}

impl Eps {
    /// `ciphering` of `[links]` of UE_1 and UE_2.
    pub(crate) const fn ciphering(self) -> [&'static str; 2] {
        match self {
            Self::Full => ["required"; 2],
            Self::Null => ["not-needed"; 2],
            Self::Either => ["preferred"; 2],
            Self::NullAtTarget => ["required", "not-needed"],
        }
    }
}

/// How the way from UE to UE changes while they talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// It does not.
    Never,
    /// The link ends, and packets go over the network until it is up again.
    OverUu,
    /// The link ends, and is set up again at once: there is no other way.
    LinkAgain,
}

/// The overlay of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverlayCase {
    pub(crate) method: Method,
    pub(crate) eps: Eps,
    /// Whether the key management server is reached during the case.
    pub(crate) kms: Reach,
    pub(crate) switch: Switch,
}

impl OverlayCase {
    /// One under a link that ciphers, and never changes.
    pub(crate) const fn new(method: Method) -> Self {
        Self { method, eps: Eps::Full, kms: Reach::There, switch: Switch::Never }
    }
}

/// What both ends of an overlay have in common.
pub(crate) struct Overlay {
    case: OverlayCase,
    /// SC period in subframes.
    period: u64,
    server: SharedServer,
    signalling: Signalling,
    organisation: sakke::Organisation,
    network: Network,
}

impl Overlay {
    /// Makes the servers of a case.
    ///
    /// # Errors
    /// Secrets that do not serve.
    pub(crate) fn new(case: OverlayCase, period: u64, seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            case,
            period,
            server: SharedServer::new(seed)?,
            signalling: Signalling::new(Proxy::Reads),
            organisation: sakke::Organisation::new()?,
            network: Network::default(),
        })
    }

    /// The application of UE `number` (0 or 1), and what moves its way.
    ///
    /// # Errors
    /// A method that this build does not have, or keys that cannot be made.
    pub(crate) fn end(
        &self,
        number: usize,
        peer: Layer2Id,
        log: &Log,
        anchor: Anchor,
    ) -> anyhow::Result<Box<dyn Application>> {
        let start = UtcTime::from_millis((anchor.utc_ns / 1_000_000).max(0) as u64);
        let uu = (self.case.switch == Switch::OverUu).then(|| self.network.end(number));
        let config = EndConfig { number, peer, period: self.period, uu };
        Ok(Box::new(End::new(config, self.protocol(number, start)?, log.clone())))
    }

    fn protocol(&self, number: usize, start: UtcTime) -> anyhow::Result<Box<dyn Protocol>> {
        let patience = patience(self.period);
        Ok(match self.case.method {
            Method::None => Box::new(protocol::Plain),
            Method::SrtpSakke => Box::new(self.organisation.end(number, start, patience)?),
            Method::SrtpSdes => Box::new(sdes::SdesEnd::new(number, self.signalling.way(number))?),
            Method::SrtpTicket => {
                let (access, way) = self.server.access(protocol::NAMES[number], self.case.kms)?;
                Box::new(ticket::TicketEnd::new(number, access, way, patience)?)
            }
            Method::Esp => Box::new(esp::EspEnd::new(number, patience)?),
            #[cfg(feature = "services")]
            Method::TlsPsk | Method::TlsP256 => {
                Box::new(tls::TlsEnd::new(number, self.case.method, patience)?)
            }
            #[cfg(not(feature = "services"))]
            Method::TlsPsk | Method::TlsP256 => {
                let what = "this build has no TLS";
                let remedy = "build it with `cargo build --release --features services` (needs libssl-dev)";
                return Err(crate::config::ConfigError::usage(what, remedy).into());
            }
        })
    }

    /// Who moves the way of UE_1, where it is moved.
    pub(crate) fn switcher(&self, number: usize, connect: u64) -> Option<Box<dyn Observer<Ue>>> {
        let switch = self.case.switch;
        (number == 0 && switch != Switch::Never)
            .then(|| Box::new(Switcher::new(switch, connect)) as Box<dyn Observer<Ue>>)
    }

    /// Crypto attributes that the networks carried, of offers and of answers.
    pub(crate) fn seen(&self) -> Vec<[[u8; KEY]; 2]> {
        self.signalling.seen()
    }
}

/// Milliseconds after which a message of a handshake is sent again: a long one takes some periods there and back.
const fn patience(period: u64) -> u64 {
    16 * period
}

/// Whether somebody reads a user's data: because nothing above the link protects them, or with keys of crypto attributes of UE_1.
pub(crate) fn is_read(sdu: &[u8], attributes: &[[[u8; KEY]; 2]]) -> bool {
    if sdu.windows(MARK.len()).any(|part| part == MARK) {
        return true;
    }
    let Some((_, media)) = packet::datagram(sdu) else { return false };
    attributes.iter().any(|[offer, _]| {
        let master = MasterKey::from_key_and_salt(offer);
        let mut receiver = Receiver::new(SrtpProfile::AesCm128HmacSha1Tag80, &master, protocol::SSRCS[0]);
        receiver.unprotect(&mut media.to_vec()).is_ok()
    })
}
