//! Messages between UE and MME, and their protection: modelled on NAS. TS 24.301 §9, from memory.
//!
//! ```text
//! plain      | 0x07 | type 1 | body |
//! protected  | 0x27 | MAC 4 | SN 1 | plain, enciphered |
//! ```
//!
//! As in NAS: EPS AKA with a vector of the HSS, K_NASint and K_NASenc of K_ASME (TS 33.401 §A.7), 128-EIA2 and 128-EEA2 over
//! COUNT of 24 bits, whose last eight are SN, direction, and bearer 0; the layout of a protected message. Not as in NAS:
//! the bodies are our own and hold no capabilities, so no algorithm is chosen; the protected attach accept takes the place
//! of the security mode command; no GUTI, the IMSI is in the open; a context ends with either end's memory.

use std::fmt;

use sidelink_security::cipher::{Algorithm, Bearer, Direction, Eea, Eia, Inputs, Integrity, MacI};
use sidelink_security::counter::Count;
use sidelink_security::kdf::{fc, kdf};
use sidelink_security::keys::{Pek, Pik};
use sidelink_wire::Error as WireError;
use zeroize::Zeroizing;

use crate::aka::{Autn, Auts, Rand};
use crate::identity::Imsi;

/// Protocol discriminator of EPS mobility management. TS 24.301 §9.2, from memory.
const PLAIN: u8 = 0x07;

/// The same, under integrity protection and enciphered.
const PROTECTED: u8 = 0x27;

/// Octets before the enciphered message.
pub const HEADER: usize = 6;

/// COUNT has 24 bits.
const COUNTS: u32 = 1 << 24;

/// A message without its protection.
#[derive(Clone, PartialEq, Eq)]
pub enum Plain {
    /// The UE wants a context.
    AttachRequest(Imsi),
    /// It has one: under its keys.
    AttachAccept,
    /// It gets none.
    AttachReject,
    /// Challenge.
    AuthenticationRequest {
        /// RAND.
        rand: Rand,
        /// AUTN.
        autn: Autn,
    },
    /// RES.
    AuthenticationResponse([u8; 8]),
    /// The USIM is out of synchronisation.
    AuthenticationFailure(Auts),
    /// Extended service request and what answers it: a message of [`crate::mme::message`].
    Service(Zeroizing<Vec<u8>>),
}

/// Message types. TS 24.301 §9.8, from memory.
mod kind {
    pub(super) const ATTACH_REQUEST: u8 = 0x41;
    pub(super) const ATTACH_ACCEPT: u8 = 0x42;
    pub(super) const ATTACH_REJECT: u8 = 0x44;
    pub(super) const AUTHENTICATION_REQUEST: u8 = 0x52;
    pub(super) const AUTHENTICATION_RESPONSE: u8 = 0x53;
    pub(super) const AUTHENTICATION_FAILURE: u8 = 0x5c;
    pub(super) const EXTENDED_SERVICE_REQUEST: u8 = 0x4c;
}

impl Plain {
    /// Parses a message.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &[u8]) -> Result<Self, WireError> {
        let have = octets.len();
        let truncated = |needed| WireError::Truncated { what: "NAS message", needed, have };
        let ([discriminator, kind], body) = octets.split_first_chunk().ok_or(truncated(2))?;
        if *discriminator != PLAIN {
            return Err(WireError::Reserved { what: "NAS discriminator", value: u32::from(*discriminator) });
        }
        let fixed = |octets: usize| match body.len() {
            length if length < octets => Err(truncated(2 + octets)),
            length if length > octets => {
                Err(WireError::Oversized { what: "NAS message", max: 2 + octets, have })
            }
            _ => Ok(()),
        };
        Ok(match *kind {
            kind::ATTACH_REQUEST => {
                let digits = std::str::from_utf8(body).ok().and_then(|digits| Imsi::new(digits).ok());
                Self::AttachRequest(digits.ok_or(WireError::Reserved { what: "IMSI", value: 0 })?)
            }
            kind::ATTACH_ACCEPT => fixed(0).map(|()| Self::AttachAccept)?,
            kind::ATTACH_REJECT => fixed(0).map(|()| Self::AttachReject)?,
            kind::AUTHENTICATION_REQUEST => {
                fixed(32)?;
                let (rand, rest) = body.split_first_chunk().ok_or(truncated(34))?;
                let autn = rest.first_chunk().ok_or(truncated(34))?;
                Self::AuthenticationRequest { rand: Rand(*rand), autn: Autn(*autn) }
            }
            kind::AUTHENTICATION_RESPONSE => {
                fixed(8)?;
                Self::AuthenticationResponse(*body.first_chunk().ok_or(truncated(10))?)
            }
            kind::AUTHENTICATION_FAILURE => {
                fixed(14)?;
                Self::AuthenticationFailure(Auts(*body.first_chunk().ok_or(truncated(16))?))
            }
            kind::EXTENDED_SERVICE_REQUEST => Self::Service(Zeroizing::new(body.to_vec())),
            value => return Err(WireError::Reserved { what: "NAS message type", value: u32::from(value) }),
        })
    }

    /// Returns the octets. They can hold a half key.
    pub fn emit(&self) -> Zeroizing<Vec<u8>> {
        let challenge;
        let body: &[u8] = match self {
            Self::AttachRequest(imsi) => imsi.digits().as_bytes(),
            Self::AttachAccept | Self::AttachReject => &[],
            Self::AuthenticationRequest { rand, autn } => {
                challenge = [rand.0, autn.0].concat();
                &challenge
            }
            Self::AuthenticationResponse(res) => res,
            Self::AuthenticationFailure(auts) => &auts.0,
            Self::Service(message) => message,
        };
        Zeroizing::new([&[PLAIN, self.kind()][..], body].concat())
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::AttachRequest(_) => kind::ATTACH_REQUEST,
            Self::AttachAccept => kind::ATTACH_ACCEPT,
            Self::AttachReject => kind::ATTACH_REJECT,
            Self::AuthenticationRequest { .. } => kind::AUTHENTICATION_REQUEST,
            Self::AuthenticationResponse(_) => kind::AUTHENTICATION_RESPONSE,
            Self::AuthenticationFailure(_) => kind::AUTHENTICATION_FAILURE,
            Self::Service(_) => kind::EXTENDED_SERVICE_REQUEST,
        }
    }
}

/// By its type: it can hold a half key.
impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain({:#04x})", self.kind())
    }
}

/// Whether octets claim to be a protected message.
pub fn is_protected(octets: &[u8]) -> bool {
    octets.first() == Some(&PROTECTED)
}

/// Why a protected message is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is too short, or not marked as protected.
    Malformed,
    /// Its MAC is wrong: not of the other end, altered, or a repetition.
    Mac,
    /// Our misuse, or a very old context: every COUNT is used, attach again.
    Exhausted,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "no protected NAS message",
            Self::Mac => "the MAC of a NAS message is wrong: of somebody else, altered, or a repetition",
            Self::Exhausted => "every COUNT of the NAS context is used: attach again",
        })
    }
}

impl std::error::Error for Refusal {}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Sends uplink.
    Ue,
    /// Sends downlink.
    Mme,
}

/// A security context.
pub struct Context {
    integrity: Eia,
    ciphering: Eea,
    end: End,
    /// COUNT of the next message that this end sends.
    sends: u32,
    /// The least COUNT that it accepts.
    accepts: u32,
}

impl Context {
    /// A new one: K_ASME is of a fresh vector, so that no COUNT repeats under its keys.
    pub fn new(k_asme: &[u8; 32], end: End) -> Self {
        let key = |distinguisher: u8| {
            let derived = kdf(k_asme, fc::ALGORITHM_KEY, &[&[distinguisher], &[Algorithm::Aes.id()]])
                .expect("parameters of one octet");
            let mut key = [0; 16];
            key.copy_from_slice(&derived[16..]);
            key
        };
        // TS 33.401 §A.7: 0x01 is NAS-enc-alg, 0x02 NAS-int-alg; from memory.
        let (encryption, integrity) = (Pek::from(key(1)), Pik::from(key(2)));
        Self {
            integrity: Eia::new(Algorithm::Aes, &integrity),
            ciphering: Eea::new(Algorithm::Aes, &encryption),
            end,
            sends: 0,
            accepts: 0,
        }
    }

    /// Protects a message.
    ///
    /// # Errors
    /// No COUNT is left.
    pub fn protect(&mut self, message: &Plain) -> Result<Vec<u8>, Refusal> {
        let inputs = inputs(self.sends, self.end).ok_or(Refusal::Exhausted)?;
        let plain = message.emit();
        let mut octets = vec![0; HEADER + plain.len()];
        octets[HEADER..].copy_from_slice(&plain);
        // The last eight bits.
        octets[5] = self.sends as u8;
        self.ciphering.apply(inputs, &mut octets[HEADER..]);
        let mac = self.integrity.protect(inputs, &octets[5..]);
        octets[0] = PROTECTED;
        octets[1..5].copy_from_slice(&mac.0);
        self.sends += 1;
        Ok(octets)
    }

    /// Verifies a message of the other end, and returns what it says. Each COUNT is accepted once, and none below it.
    ///
    /// # Errors
    /// It is not of the other end.
    pub fn verify(&mut self, octets: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let covered = octets.get(5..).filter(|_| is_protected(octets)).ok_or(Refusal::Malformed)?;
        let (sn, enciphered) = covered.split_first().ok_or(Refusal::Malformed)?;
        let given = octets[1..5].first_chunk().ok_or(Refusal::Malformed)?;
        let below = self.accepts & !0xff | u32::from(*sn);
        let count = if below < self.accepts { below + 0x100 } else { below };
        let sender = match self.end {
            End::Ue => End::Mme,
            End::Mme => End::Ue,
        };
        let inputs = inputs(count, sender).ok_or(Refusal::Exhausted)?;
        let verified = self.integrity.verify(inputs, covered, &MacI(*given));
        let Ok(Integrity::Verified(_)) = verified else { return Err(Refusal::Mac) };
        self.accepts = count + 1;
        let mut plain = Zeroizing::new(enciphered.to_vec());
        self.ciphering.apply(inputs, &mut plain);
        Ok(plain)
    }
}

fn inputs(count: u32, sender: End) -> Option<Inputs> {
    let direction = match sender {
        End::Ue => Direction::Zero,
        End::Mme => Direction::One,
    };
    let bearer = Bearer::new(0)?;
    (count < COUNTS).then(|| Inputs { count: Count::new(count), bearer, direction })
}

#[cfg(test)]
mod tests;
