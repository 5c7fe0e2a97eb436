//! The message of a group call: a session key under the key of the group, signed by its caller. TR 33.833 §6.3.1.
//!
//! ```text
//! HDR (0, V = 0, PRF 1) | T (NTP) | RAND | IDi: the caller | IDr: GMK ID (4) | KEMAC {GSK, SPI: CSB ID} | SIGN (ECCSI)
//! ```
//!
//! No RFC has SIGN behind KEMAC. The MAC of KEMAC is made first, as RFC 3830 §5.2 has it: over everything before it, with
//! KEMAC as the last payload. Then KEMAC names SIGN as the next one, and the signature covers every octet before itself. A
//! receiver undoes that for the MAC. Members prove by the MAC that the caller has the key of the group, which costs little,
//! and by the signature which member it is.

use sidelink_security::identity::eccsi::SIGNATURE_OCTETS;
use sidelink_wire::mikey::{
    IdType, KeyData, KeyKind, Packet, PayloadType, SignatureType, Timestamp, Validity,
};
use zeroize::Zeroizing;

use super::i_message::{Draws, Sender};
use super::identity::Kms;
use super::psk::{self, Message};
use super::{MakeError, NtpTime, Refused, SignatureCoverage, SignatureLeniency, Window, verify_signature};

/// Octets of a GMK and of a GSK.
pub const KEY_OCTETS: usize = 16;

/// A call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The caller.
    pub caller: Sender<'a>,
    /// CSB ID: names the call.
    pub csb_id: u32,
    /// ID of the GMK.
    pub gmk_id: u32,
    /// When the message is made: never twice under one GMK and CSB ID.
    pub time: NtpTime,
}

/// Writes the message of a call.
///
/// # Errors
/// A signing key of another period than the time, an identity that does not fit.
pub fn make(
    gmk: &[u8; KEY_OCTETS],
    gsk: &[u8; KEY_OCTETS],
    call: &Call<'_>,
    draws: &Draws,
) -> Result<Vec<u8>, MakeError> {
    let identifier = call.caller.kms.identifier(call.caller.identity, call.time.to_utc());
    if identifier.as_deref() != Some(call.caller.key.identifier()) {
        return Err(MakeError::Period);
    }
    let (gmk_id, spi) = (call.gmk_id.to_be_bytes(), call.csb_id.to_be_bytes());
    let message = Message {
        initiator: Some((IdType::Uri, call.caller.identity.as_bytes())),
        responder: Some((IdType::Octets, &gmk_id)),
        keys: vec![KeyData { kind: KeyKind::Tgk, key: gsk, salt: None, validity: Validity::Spi(&spi) }],
        ..Message::new(call.csb_id, Timestamp::NtpUtc(call.time.0), &draws.rand)
    };
    let mut octets = psk::make(gmk, &message, None)?;
    let kemac = Packet::new_checked(&octets[..])?.payloads().last().map(|raw| raw.at);
    octets[kemac.expect("KEMAC was just written")] = PayloadType::SIGN.0;
    let head = (u16::from(SignatureType::Eccsi.number()) << 12) | SIGNATURE_OCTETS as u16;
    octets.extend(head.to_be_bytes());
    let signature = call.caller.key.sign(&octets, draws.nonce);
    octets.extend(signature);
    Ok(octets)
}

/// The message of a call: what its octets say. Nothing of it is proven.
#[derive(Debug)]
pub struct Received<'a> {
    message: psk::Received<'a>,
    signature: &'a [u8],
    /// T.
    pub time: NtpTime,
    /// URI of the caller.
    pub caller: &'a str,
    /// ID of the GMK.
    pub gmk_id: u32,
}

/// What the message of a call is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The times that are accepted.
    pub window: Window,
    /// The key management server of the caller.
    pub kms: Kms<'a>,
    /// Which signatures are accepted.
    pub signatures: SignatureLeniency,
}

/// A call whose caller is proven, and its key: only [`Received::open`] makes it. The caller of the function compares the
/// time with the newest of the caller of the group: a message that comes twice opens twice.
#[derive(Debug)]
pub struct Opened {
    caller: String,
    csb_id: u32,
    gmk_id: u32,
    time: NtpTime,
    gsk: Gsk,
    coverage: SignatureCoverage,
}

/// GSK, never shown.
struct Gsk(Zeroizing<[u8; KEY_OCTETS]>);

impl core::fmt::Debug for Gsk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Gsk(redacted)")
    }
}

impl<'a> Received<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Refused::Format`] and [`Refused::Profile`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Refused> {
        let message = psk::Received::parse_signed(octets)?;
        let signature = message.signature().filter(|signature| signature.len() == SIGNATURE_OCTETS);
        let signature = signature.ok_or(Refused::Profile("an ECCSI signature behind KEMAC"))?;
        let time = NtpTime::of(message.timestamp).ok_or(Refused::Profile("a time, not a counter"))?;
        let [(IdType::Uri, caller), (IdType::Octets, gmk_id)] = message.ids[..] else {
            return Err(Refused::Profile("the URI of the caller and the octets of a GMK ID"));
        };
        let caller = core::str::from_utf8(caller).map_err(|_| Refused::Profile("identities in UTF-8"))?;
        let gmk_id = gmk_id.try_into().map_err(|_| Refused::Profile("a GMK ID of 4 octets"))?;
        Ok(Self { message, signature, time, caller, gmk_id: u32::from_be_bytes(gmk_id) })
    }

    /// CSB ID: names the call.
    pub const fn csb_id(&self) -> u32 {
        self.message.csb_id()
    }

    /// Checks the message: its time, that its maker has the GMK, that its caller signed it; and deciphers the GSK. Whether
    /// the caller may call is for the caller of this function to say.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(&self, gmk: &[u8; KEY_OCTETS], trust: &Trust<'_>) -> Result<Opened, Refused> {
        trust.window.check(self.time.to_utc())?;
        let identifier = trust.kms.identifier(self.caller, self.time.to_utc()).ok_or(Refused::Period)?;
        let proven = self.message.verify(gmk, None)?;
        let octets = self.message.octets();
        let coverage =
            verify_signature(octets, self.signature, trust.kms.kpak, &identifier, trust.signatures)?;
        let data = proven.key_data()?;
        let [KeyData { kind: KeyKind::Tgk, key, salt: None, validity: Validity::Spi(spi) }] =
            KeyData::parse_all(&data)?[..]
        else {
            return Err(Refused::Profile("one GSK, a TGK with an SPI"));
        };
        if spi != self.csb_id().to_be_bytes() {
            return Err(Refused::Profile("the CSB ID as SPI of its GSK"));
        }
        let gsk = key.try_into().map_err(|_| Refused::Profile("a GSK of 16 octets"))?;
        Ok(Opened {
            caller: self.caller.to_owned(),
            csb_id: self.csb_id(),
            gmk_id: self.gmk_id,
            time: self.time,
            gsk: Gsk(Zeroizing::new(gsk)),
            coverage,
        })
    }
}

impl Opened {
    /// URI of the caller.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// CSB ID.
    pub const fn csb_id(&self) -> u32 {
        self.csb_id
    }

    /// ID of the GMK.
    pub const fn gmk_id(&self) -> u32 {
        self.gmk_id
    }

    /// T.
    pub const fn time(&self) -> NtpTime {
        self.time
    }

    /// The key of the call.
    pub fn gsk(&self) -> &[u8; KEY_OCTETS] {
        &self.gsk.0
    }

    /// What the signature covers.
    pub const fn coverage(&self) -> SignatureCoverage {
        self.coverage
    }
}
