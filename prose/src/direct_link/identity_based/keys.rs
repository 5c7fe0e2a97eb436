//! The keys of one UE's identity under one KMS, and the identifiers of others.

use sidelink_security::counter::UtcTime;
use sidelink_security::identity::eccsi::{self, PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::sakke::{self, Encapsulator, PublicKey, ReceiverKey};
use sidelink_security::key_period::{KeyPeriod, KeyPeriods};
use zeroize::Zeroizing;

use super::super::cause::Cause;
use super::super::kd::Identity;
use super::super::key_establishment::Refusal;
use crate::mikey::identity;

/// How far the time in a message may be from the clock of its receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Window {
    /// 60 s.
    #[default]
    Strict,
    /// 600 s.
    Lax,
}

impl Window {
    /// Returns it in milliseconds.
    pub const fn millis(self) -> u64 {
        match self {
            Self::Strict => 60_000,
            Self::Lax => 600_000,
        }
    }
}

/// The public side of a KMS.
#[derive(Debug)]
pub struct Kms {
    uri: String,
    periods: KeyPeriods,
    kpak: PublicAuthenticationKey,
    z: Encapsulator,
}

impl Kms {
    /// Returns the KMS with this name, these periods and public keys.
    pub fn new(uri: &str, periods: KeyPeriods, kpak: PublicAuthenticationKey, z: &PublicKey) -> Self {
        Self { uri: uri.to_owned(), periods, kpak, z: Encapsulator::new(z) }
    }

    /// Returns it as messages take it.
    pub fn borrowed(&self) -> identity::Kms<'_> {
        identity::Kms { uri: &self.uri, periods: self.periods, kpak: &self.kpak }
    }

    /// Returns Z, with its table.
    pub(super) const fn public_key(&self) -> identity::PublicKey<'_> {
        identity::PublicKey::Often(&self.z)
    }

    /// Returns what it makes keys for: the identifier of a user in a period. TS 33.180 Annex F.2.1, RFC 6509 §3.2.
    pub fn identifier(&self, user: &str, period: &KeyPeriod) -> Option<Vec<u8>> {
        self.borrowed().identifier(user, period.from)
    }

    /// Returns the periods whose keys are used at a time, the present one first.
    fn accepted(&self, now: UtcTime) -> impl Iterator<Item = KeyPeriod> + '_ {
        let present = self.periods.at(now).map(|period| period.number);
        let numbers = present.into_iter().flat_map(|number| {
            [Some(number), number.checked_sub(1), number.checked_add(1)].into_iter().flatten()
        });
        numbers.filter_map(|number| self.periods.numbered(number)).filter(move |period| period.accepts(now))
    }
}

/// Keys of one identity for one period.
#[derive(Debug)]
pub struct PeriodKeys {
    /// Number of the period.
    pub number: u32,
    /// SSK with PVT.
    pub signing: SigningKey,
    /// RSK.
    pub receiving: ReceiverKey,
}

/// The keys of a UE, and its KMS. `Debug` shows no secret.
// TS 24.334 §10.4.2.1; TS 33.303 §6.5.7.1, §6.5.7.2
#[derive(Debug)]
pub struct IdentityKeys {
    kms: Kms,
    periods: Vec<PeriodKeys>,
}

/// The other end of an exchange, proven by a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signer {
    /// Period of the keys that it has.
    pub(super) period: u32,
}

impl IdentityKeys {
    /// Returns the keys of a UE.
    pub const fn new(kms: Kms, periods: Vec<PeriodKeys>) -> Self {
        Self { kms, periods }
    }

    /// Returns the KMS.
    pub const fn kms(&self) -> &Kms {
        &self.kms
    }

    /// Returns the keys of this UE that are used at a time: those of the latest period that has begun, and its neighbours
    /// behind them.
    fn at(&self, now: UtcTime) -> impl Iterator<Item = &PeriodKeys> {
        self.kms
            .accepted(now)
            .filter_map(|period| self.periods.iter().find(|keys| keys.number == period.number))
    }

    /// Returns the keys of the period of a message.
    ///
    /// # Errors
    /// It has none of that period.
    pub(super) fn of_time(&self, time: UtcTime) -> Result<&PeriodKeys, Refusal> {
        let period = self.kms.periods.at(time).map(|period| period.number);
        self.periods.iter().find(|keys| Some(keys.number) == period).ok_or_else(Refusal::expired)
    }

    /// Returns the keys to sign with.
    ///
    /// # Errors
    /// Their period is over, or has not begun.
    pub(in crate::direct_link) fn signing(&self, now: UtcTime) -> Result<&PeriodKeys, Refusal> {
        self.at(now).next().ok_or_else(Refusal::expired)
    }

    /// Verifies the signature of a user, who may have keys of any period that is accepted now.
    ///
    /// # Errors
    /// The signature is not this user's.
    pub(super) fn verify(
        &self,
        now: UtcTime,
        signer: &Identity,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Signer, Refusal> {
        let user = user_of(signer)?;
        for period in self.kms.accepted(now) {
            let Some(identifier) = self.kms.identifier(&user, &period) else { continue };
            if eccsi::verify(&self.kms.kpak, &identifier, message, signature).is_ok() {
                return Ok(Signer { period: period.number });
            }
        }
        let why =
            format!("the signature is not {signer}'s in this period, or the message was changed on the way");
        Err(Refusal { cause: Cause::AuthenticationFailure, why })
    }

    /// Encapsulates an SSV for a user in a period.
    ///
    /// # Errors
    /// The user cannot be written to.
    pub(super) fn encapsulate(
        &self,
        to: &Identity,
        period: u32,
        ssv: &[u8; sakke::SSV_OCTETS],
    ) -> Result<[u8; sakke::ENCAPSULATED_OCTETS], Refusal> {
        let period = self.kms.periods.numbered(period);
        let user = user_of(to)?;
        let identifier = period.and_then(|period| self.kms.identifier(&user, &period));
        let payload = identifier.map(|identifier| self.kms.z.encapsulate(&identifier, ssv));
        payload.and_then(Result::ok).ok_or_else(|| Refusal {
            cause: Cause::AuthenticationFailure,
            why: format!("no key can be encapsulated for {to}"),
        })
    }

    /// Takes the SSV out of a payload for this UE, in any period whose keys it has.
    ///
    /// # Errors
    /// It was not encapsulated for this UE, or its keys are over.
    pub(in crate::direct_link) fn decapsulate(
        &self,
        now: UtcTime,
        payload: &[u8],
    ) -> Result<Zeroizing<[u8; sakke::SSV_OCTETS]>, Refusal> {
        self.signing(now)?;
        self.at(now).find_map(|keys| keys.receiving.decapsulate(payload).ok()).ok_or_else(|| Refusal {
            cause: Cause::AuthenticationFailure,
            why: "the key is not encapsulated for this UE in a period whose keys it has".to_owned(),
        })
    }
}

impl Refusal {
    fn expired() -> Self {
        let why = "this UE has no keys of the present period: get them of the key management server, or compare the clocks";
        Self { cause: Cause::Expired, why: why.to_owned() }
    }
}

/// Returns the name under which the KMS knows a user.
///
/// # Errors
/// The identity is none of upper layers, or is no text.
pub(in crate::direct_link) fn user_of(identity: &Identity) -> Result<String, Refusal> {
    identity.kms_user().ok_or_else(|| Refusal {
        cause: Cause::AuthenticationFailure,
        why: format!("a key management server names users by text, which {identity} is not"),
    })
}
