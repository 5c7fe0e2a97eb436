//! Overlay A: TLS 1.3 by OpenSSL, over a stream of packets. RFC 8446; voice in it as RFC 4571 frames it.

use super::Method;
use super::packet::{VOICE_PORT, datagram, udp};
use super::protocol::{Fault, NAMES, Protocol, Taken, fault};
use super::stream::{Segments, Stream};
use sidelink_security::counter::UtcTime;
use sidelink_services::tls::memory::{Credentials, MemoryTls, PreShared, issue};
use zeroize::Zeroizing;

/// The key that the users share. It is no secret.
const KEY: [u8; 32] = [0x4c; 32];

/// The host name of a user's certificate.
fn host(number: usize) -> String {
    format!("{}.users.example", NAMES[number])
}

/// One end: UE_1 is the client.
pub(super) struct TlsEnd {
    number: usize,
    tls: MemoryTls,
    stream: Stream,
    is_begun: bool,
    /// Whether the last octets of the handshake may not be sent yet.
    is_finishing: bool,
    failed: Option<String>,
    /// Octets of voice that came, before they are a whole packet.
    plain: Vec<u8>,
}

impl TlsEnd {
    /// Makes an end with a shared key, or with a certificate of its own.
    ///
    /// # Errors
    /// OpenSSL takes a key or a certificate not.
    pub(super) fn new(number: usize, method: Method, patience: u64) -> anyhow::Result<Self> {
        let credentials = match method {
            Method::TlsP256 => Credentials::Certificate(issue(&host(number))?),
            _ => Credentials::PreShared(PreShared {
                identity: "users.example".to_owned(),
                key: Zeroizing::new(KEY.to_vec()),
            }),
        };
        let tls = match number {
            0 => MemoryTls::client(&credentials, &host(1))?,
            _ => MemoryTls::server(&credentials)?,
        };
        let stream = Stream::new(number, patience);
        let (failed, plain) = (None, Vec::new());
        Ok(Self { number, tls, stream, is_begun: false, is_finishing: true, failed, plain })
    }

    /// Goes on with the handshake, and hands what TLS says to the stream.
    fn advance(&mut self) {
        if self.failed.is_none()
            && !self.tls.is_established()
            && let Err(why) = self.tls.handshake()
        {
            self.failed = Some(why.to_string());
        }
        self.stream.write(&self.tls.take());
    }

    /// The next whole packet of RTP, as a datagram.
    fn next_voice(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes(*self.plain.first_chunk()?));
        let rtp = self.plain.get(2..2 + length)?.to_vec();
        self.plain.drain(..2 + length);
        Some(udp(1 - self.number, VOICE_PORT, &rtp))
    }
}

impl Protocol for TlsEnd {
    fn work(&mut self, now: UtcTime) -> Vec<Vec<u8>> {
        if !self.is_begun {
            self.is_begun = true;
            self.advance();
        }
        self.is_finishing = !self.tls.is_established();
        self.stream.due(now)
    }

    fn take(&mut self, now: UtcTime, packet: &[u8]) -> Taken {
        let octets = match self.stream.take(now, packet) {
            Segments::New(octets) => octets,
            Segments::Nothing => Vec::new(),
            Segments::Foreign => return Taken::Refused("a packet of no use here".to_owned()),
        };
        self.tls.feed(&octets);
        let was_established = self.tls.is_established();
        self.advance();
        if let Some(why) = self.failed.take() {
            return Taken::Refused(why);
        }
        if !was_established {
            return Taken::Handshake;
        }
        match self.tls.read() {
            Ok(plain) => self.plain.extend(plain),
            Err(why) => return Taken::Refused(why.to_string()),
        }
        self.next_voice().map_or(Taken::Handshake, Taken::Voice)
    }

    fn more(&mut self) -> Option<Vec<u8>> {
        self.next_voice()
    }

    fn is_ready(&self) -> bool {
        self.tls.is_established()
    }

    fn is_in_handshake(&self) -> bool {
        self.is_finishing
    }

    fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault> {
        if !self.tls.is_established() {
            return Err(Fault::NotReady);
        }
        let (_, rtp) = datagram(packet).ok_or_else(|| fault("no datagram"))?;
        let framed = [&(rtp.len() as u16).to_be_bytes()[..], rtp].concat();
        self.tls.write(&framed).map_err(fault)?;
        self.stream.write(&self.tls.take());
        self.stream.next_segment().ok_or_else(|| fault("the stream has too much to say"))
    }
}
