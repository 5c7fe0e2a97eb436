//! Key management servers as users know them, and the identifiers that ECCSI and SAKKE take for a user of one.
//! RFC 6509 §3.2, TS 33.180 §F.2.1.

use std::num::NonZeroU64;

use sidelink_security::counter::UtcTime;
use sidelink_security::identity::{eccsi, sakke, uid};
use sidelink_security::key_period::{KeyPeriods, year_and_month};
use sidelink_wire::mikey::IdentifierScheme;

/// A key management server: its name, its periods, and the key that proves signatures of its users.
#[derive(Debug, Clone, Copy)]
pub struct Kms<'a> {
    /// URI.
    pub uri: &'a str,
    /// Its periods. Months stand for the identifiers of RFC 6509, lengths of seconds for the UIDs of TS 33.180.
    pub periods: KeyPeriods,
    /// KPAK.
    pub kpak: &'a eccsi::PublicAuthenticationKey,
}

impl Kms<'_> {
    /// How its identifiers are made.
    pub const fn scheme(&self) -> IdentifierScheme {
        match self.periods {
            KeyPeriods::Months => IdentifierScheme::TelMonthly,
            KeyPeriods::Seconds { .. } => IdentifierScheme::HashedUid,
        }
    }

    /// Returns the identifier of a user at a time: `2026-11`, 0, the URI, 0; or the UID of 32 octets. None where there is no
    /// period.
    pub fn identifier(&self, identity: &str, time: UtcTime) -> Option<Vec<u8>> {
        let period = self.periods.at(time)?;
        Some(match self.periods {
            KeyPeriods::Months => {
                [year_and_month(&period)?.as_bytes(), &[0], identity.as_bytes(), &[0]].concat()
            }
            KeyPeriods::Seconds { length, offset } => {
                let periods =
                    uid::EqualPeriods { length: NonZeroU64::from(length), offset: u64::from(offset) };
                uid::uid(identity, self.uri, periods, period.number.into()).to_vec()
            }
        })
    }
}

/// Z of a key management server, as it is at hand.
#[derive(Debug, Clone, Copy)]
pub enum PublicKey<'a> {
    /// For one message.
    Once(&'a sakke::PublicKey),
    /// With a table, for many.
    Often(&'a sakke::Encapsulator),
    /// Not needed: the key was encapsulated for this recipient already, with those of others at once
    /// ([`sakke::Encapsulator::encapsulate_batch`]).
    Done(&'a [u8; sakke::ENCAPSULATED_OCTETS]),
}

impl PublicKey<'_> {
    /// Encapsulates a key for an identifier.
    ///
    /// # Errors
    /// An identifier that is none, or an SSV that does not serve.
    pub fn encapsulate(
        self,
        identifier: &[u8],
        key: &[u8; sakke::SSV_OCTETS],
    ) -> Result<[u8; sakke::ENCAPSULATED_OCTETS], sakke::Error> {
        match self {
            Self::Once(z) => sakke::encapsulate(z, identifier, key),
            Self::Often(encapsulator) => encapsulator.encapsulate(identifier, key),
            Self::Done(encapsulated) => Ok(*encapsulated),
        }
    }
}
