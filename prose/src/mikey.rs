//! MIKEY between users: what carries a key from one to another, and what a receiver may believe of it. Formats are in the
//! crate `wire`, keys and ciphers in the crate `security`.
//!
//! - [`i_message`], MIKEY-SAKKE (RFC 6509, TS 33.180 Annex E): a key under an identity, signed by another
//! - [`group_call`], the message of a call: a key under the key of a group, signed by its caller (TR 33.833 §6.3.1)
//! - [`ticket`], MIKEY-TICKET (RFC 6043), the ends of both users
//! - [`psk`], messages under a pre-shared key (RFC 3830 §3.1), on which calls rest
//! - [`suite`], the algorithms of a message
//! - [`identity`], key management servers and the identifiers that users have under them
//!
//! Functions and small types: the time, random octets and keys are arguments. What is believed is in the types: what a
//! message says (`Received`), and what it proves (`Opened`, only made by the checks).
//!
//! A message is checked in an order that costs least and tells least: its octets, its time, its names, its proof of the
//! sender, and only then anything that takes a private key (RFC 6509 §2.2.2).

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::identity::{eccsi, sakke};
use sidelink_security::key_period::NTP_TO_UNIX;
use sidelink_security::mikey as crypto;
use sidelink_wire::Error as WireError;
use sidelink_wire::mikey as wire;

pub mod group_call;
pub mod i_message;
pub mod identity;
pub mod psk;
pub mod suite;
pub mod ticket;

/// A time as NTP has it: seconds since 1900 and their fraction, 32 bits each.
///
/// Seconds below 2^31 are of the era that begins in 2036 (RFC 4330 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From a time, rounded up to the next fraction, so that it comes back.
    pub const fn from_utc(time: UtcTime) -> Self {
        let seconds = (time.millis() / 1000).wrapping_add(NTP_TO_UNIX) as u32;
        let fraction = ((time.millis() % 1000) << 32).div_ceil(1000);
        Self((seconds as u64) << 32 | fraction)
    }

    /// The time, with whole milliseconds.
    pub const fn to_utc(self) -> UtcTime {
        let seconds = self.0 >> 32;
        let era = if seconds >> 31 == 0 { 1 << 32 } else { 0 };
        let since_1900 = seconds + era;
        let millis = ((self.0 & 0xffff_ffff) * 1000) >> 32;
        UtcTime::from_millis(since_1900.saturating_sub(NTP_TO_UNIX) * 1000 + millis)
    }

    fn of(timestamp: wire::Timestamp) -> Option<Self> {
        match timestamp {
            wire::Timestamp::NtpUtc(value) | wire::Timestamp::Ntp(value) => Some(Self(value)),
            wire::Timestamp::NtpUtc32(seconds) => Some(Self((seconds as u64) << 32)),
            wire::Timestamp::Counter(_) => None,
        }
    }
}

/// The times of messages that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first.
    pub earliest: UtcTime,
    /// The last.
    pub latest: UtcTime,
}

impl Window {
    /// Times up to `age` milliseconds old, and up to `ahead` of this clock.
    pub const fn around(now: UtcTime, age: u64, ahead: u64) -> Self {
        Self { earliest: now.minus_millis(age), latest: now.plus_millis(ahead) }
    }

    fn check(&self, time: UtcTime) -> Result<(), Refused> {
        if (self.earliest..=self.latest).contains(&time) { Ok(()) } else { Err(Refused::Time { time }) }
    }
}

/// Whose name in a message is not the one that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named {
    /// The sender.
    Initiator,
    /// The receiver.
    Responder,
    /// The key management server of the sender.
    InitiatorKms,
    /// The key management server of the receiver.
    ResponderKms,
    /// The key management server of a ticket.
    Kms,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
            Self::InitiatorKms => "key management server of the initiator",
            Self::ResponderKms => "key management server of the responder",
            Self::Kms => "key management server",
        })
    }
}

/// Why a message is not believed, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// No MIKEY message.
    Format(WireError),
    /// Not as this profile uses MIKEY: what it should have.
    Profile(&'static str),
    /// Of a time that is not accepted: too old, or ahead of this clock.
    Time {
        /// The time that it has.
        time: UtcTime,
    },
    /// It names somebody else.
    Name(Named),
    /// The sender hides its identity, and nobody said which one is expected.
    Hidden,
    /// The key management server has no period for the time of the message, or the key is of another period.
    Period,
    /// The signature is not that of the sender, or the message is altered.
    Signature,
    /// The MAC is wrong: another key, or an altered message.
    WrongMac,
    /// The key in it is not for this receiver.
    Decapsulation,
    /// The parameters of the key are not sealed with the key, or belong to another one.
    Parameters,
    /// The identity that was disclosed is not the one that was hidden.
    Disclosure,
    /// A peer's error message: not authenticated, a hint alone.
    Error(wire::ErrorNumber),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => write!(f, "no MIKEY message: {error}"),
            Self::Profile(what) => write!(f, "not MIKEY as it is used here, which has {what}"),
            Self::Time { time } => {
                write!(f, "the message is of {} s, too old or ahead of this clock", time.millis() / 1000)
            }
            Self::Name(who) => write!(f, "the message names another {who}"),
            Self::Hidden => f.write_str("the sender hides its identity: say which one is expected"),
            Self::Period => {
                f.write_str("no key of the period of the message: ask the key management server for it")
            }
            Self::Signature => f.write_str("the signature is not the sender's, or the message is altered"),
            Self::WrongMac => f.write_str("the MAC is wrong: another key, or an altered message"),
            Self::Decapsulation => f.write_str("the key in the message is not for this receiver"),
            Self::Parameters => f.write_str("the parameters of the key are not those of this key"),
            Self::Disclosure => f.write_str("the disclosed identity is not the hidden one"),
            Self::Error(number) => write!(f, "the peer answers with error {number:?}, unauthenticated"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self::Format(error)
    }
}

/// Why a message cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MakeError {
    /// A field does not fit.
    Format(WireError),
    /// A key management server has no period for the time, or the private key is of another one.
    Period,
    /// The key cannot be encapsulated for this identity.
    Sakke(sakke::Error),
    /// The keys cannot be ciphered this way.
    KeyData(crypto::KeyDataError),
    /// The ticket came without the MPKr that flag I demands.
    NoResponderKey,
    /// A RAND or an identity is too long for a label.
    TooLong(crypto::ticket::TooLong),
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => write!(f, "the message cannot be written: {error}"),
            Self::Period => {
                f.write_str("no key of the period of this time: ask the key management server for it")
            }
            Self::Sakke(error) => write!(f, "the key cannot be encapsulated: {error}"),
            Self::KeyData(error) => error.fmt(f),
            Self::NoResponderKey => {
                f.write_str("the ticket has no MPKr though keys are forked (flag I): ask for another")
            }
            Self::TooLong(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MakeError {}

impl From<WireError> for MakeError {
    fn from(error: WireError) -> Self {
        Self::Format(error)
    }
}

impl From<sakke::Error> for MakeError {
    fn from(error: sakke::Error) -> Self {
        Self::Sakke(error)
    }
}

impl From<crypto::KeyDataError> for MakeError {
    fn from(error: crypto::KeyDataError) -> Self {
        Self::KeyData(error)
    }
}

impl From<crypto::ticket::TooLong> for MakeError {
    fn from(error: crypto::ticket::TooLong) -> Self {
        Self::TooLong(error)
    }
}

/// What a signature covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SignatureCoverage {
    /// Every octet before the signature, as RFC 3830 §5.2 and TS 33.180 §E.1.2 have it.
    #[default]
    Standard,
    /// Every octet before the SIGN payload: its head of two octets is left out, as some makers do.
    WithoutHead,
}

/// Which signatures are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SignatureLeniency {
    /// Those of [`SignatureCoverage::Standard`].
    #[default]
    Strict,
    /// Those of [`SignatureCoverage::WithoutHead`] too: a wrong signature costs two verifications.
    HeadOptional,
}

/// Verifies the signature at the end of a message.
fn verify_signature(
    octets: &[u8],
    signature: &[u8],
    kpak: &eccsi::PublicAuthenticationKey,
    identifier: &[u8],
    leniency: SignatureLeniency,
) -> Result<SignatureCoverage, Refused> {
    let signed = octets.len() - signature.len();
    let covers = |end: usize| eccsi::verify(kpak, identifier, &octets[..end], signature).is_ok();
    if covers(signed) {
        return Ok(SignatureCoverage::Standard);
    }
    match leniency {
        SignatureLeniency::HeadOptional if covers(signed - wire::Signature::HEAD) => {
            Ok(SignatureCoverage::WithoutHead)
        }
        SignatureLeniency::HeadOptional | SignatureLeniency::Strict => Err(Refused::Signature),
    }
}

/// The view of a message, and what it says.
fn parse(octets: &[u8]) -> Result<(wire::Packet<&[u8]>, wire::Repr<'_>), Refused> {
    let packet = wire::Packet::new_checked(octets)?;
    let repr = wire::Repr::parse(&packet)?;
    Ok((packet, repr))
}

#[cfg(test)]
mod tests;
