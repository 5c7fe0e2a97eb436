//! Credentials of the UEs of an exercise, and operators that vouch for them.

use crate::experiments::operators::Shared;
use anyhow::Context;
use sidelink_prose::direct_link::{IdentityKeys, KeyEstablishment, Kms, PeriodKeys, Rules, Variant};
use sidelink_radio::Anchor;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_security::identity::eccsi::SigningKey;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::ReceiverKey;
use sidelink_security::key_period::{KeyPeriods, NTP_TO_UNIX};
use sidelink_ue::Ue;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Makes a certificate of an issuer whom every UE of an exercise trusts. The issuer's key is no secret; `seed` is the UE's.
///
/// # Errors
/// A certificate that its own reader refuses.
pub(crate) fn certificate(name: &str, now: UtcTime, seed: &[u8; 32]) -> anyhow::Result<(Credential, Trust)> {
    let validity = Validity { from: now.minus_millis(3_600_000), until: now.plus_millis(24 * 3_600_000) };
    let issuer = Issuer::new("sidelink exercise", &[0x11; 32]);
    let public = Credential::raw(seed).public();
    let certificate = issuer.issue(name.as_bytes(), 7, &public, validity);
    let root = Root::from_der(&issuer.certificate(validity)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let trust = Trust { roots: vec![root], raw: Vec::new(), guard: 32_000, grace: 0 };
    Ok((Credential::certified(seed, certificate), trust))
}

/// Gives a UE of an exercise such a certificate, for its links.
///
/// # Errors
/// A UE without links, or a certificate that its own reader refuses.
pub(crate) fn certify(ue: &mut Ue, name: &str, anchor: Anchor) -> anyhow::Result<()> {
    let now = start_of(anchor);
    let secret = sidelink_store::random(32)?;
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    seed.copy_from_slice(secret.as_bytes());
    let (credential, trust) = certificate(name, now, &seed)?;
    let Some(links) = ue.stack().links() else { anyhow::bail!("{name} has no links") };
    links.authenticate_with(credential, trust);
    Ok(())
}

/// Lets the networks of an exercise agree on a UE's KDs.
///
/// # Errors
/// A UE without links, or one that is no subscriber.
pub(crate) fn subscribe(ue: &mut Ue, name: &str, operators: &Shared) -> anyhow::Result<()> {
    let subscriber = operators.subscriber(name)?;
    let Some(links) = ue.stack().links() else { anyhow::bail!("{name} has no links") };
    links.establish_by_network(Box::new(subscriber));
    Ok(())
}

/// Which key management server made the keys of a UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// That of all UEs of an exercise.
    Common,
    /// Another one, of the same name.
    Another,
}

/// Seconds of a period: 30 days.
const PERIOD: NonZeroU32 = NonZeroU32::new(30 * 86_400).expect("not zero");

/// Periods of 30 days.
const PERIODS: KeyPeriods = KeyPeriods::Seconds { length: PERIOD, offset: 0 };

/// What the keys of an identity are for, and who made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) variant: Variant,
    pub(crate) server: Server,
    /// Milliseconds after the start of the exercise at which no keys are left; without it they outlive it.
    pub(crate) expires: Option<u64>,
}

impl Issue {
    /// Keys of the common server that outlive the exercise.
    pub(crate) const fn common(variant: Variant) -> Self {
        Self { variant, server: Server::Common, expires: None }
    }
}

/// A key management server of an exercise. Its secrets are none.
struct Masters {
    signing: AuthenticationSecret,
    encryption: EncryptionSecret,
}

impl Masters {
    fn new(server: Server) -> anyhow::Result<Self> {
        let octet = if server == Server::Common { 0x21 } else { 0x42 };
        let signing = AuthenticationSecret::generate(&[octet; 64])?;
        let encryption = EncryptionSecret::generate(&[octet; 144])?;
        Ok(Self { signing, encryption })
    }

    fn public(&self, periods: KeyPeriods) -> Kms {
        Kms::new("kms.example.org", periods, *self.signing.public_key(), self.encryption.public_key())
    }

    fn signing_key(&self, identifier: &[u8]) -> anyhow::Result<SigningKey> {
        let secret = sidelink_store::random(64)?;
        let mut random = zeroize::Zeroizing::new([0; 64]);
        random.copy_from_slice(secret.as_bytes());
        Ok(self.signing.issue(identifier, &random)?)
    }
}

fn start_of(anchor: Anchor) -> UtcTime {
    UtcTime::from_millis((anchor.utc_ns / 1_000_000).max(0) as u64)
}

/// Periods of which the present one is no longer taken from a time on.
fn periods_until(late: UtcTime) -> anyhow::Result<KeyPeriods> {
    let overlap = PERIODS.at(late).context("the time has no key period")?;
    let overlap = overlap.late().millis() - overlap.until.millis();
    // The second of 1900 in which it ends, as periods count.
    let end = (late.millis() - overlap) / 1000 + NTP_TO_UNIX;
    Ok(KeyPeriods::Seconds { length: PERIOD, offset: (end % u64::from(PERIOD.get())) as u32 })
}

/// Gives a UE of an exercise the keys of its identity.
///
/// # Errors
/// A UE without links, or a time without a period.
pub(crate) fn issue(ue: &mut Ue, name: &str, anchor: Anchor, what: Issue) -> anyhow::Result<()> {
    let now = start_of(anchor);
    let periods = what.expires.map_or(Ok(PERIODS), |after| periods_until(now.plus_millis(after)))?;
    // The keys of a period are taken for a while after its end: those that expire in a moment are of the one before.
    let period = match what.expires {
        None => periods.at(now),
        Some(_) => periods.at(now).and_then(|period| periods.numbered(period.number.checked_sub(1)?)),
    };
    let period = period.context("the time has no key period")?;
    let masters = Masters::new(what.server)?;
    let kms = masters.public(periods);
    let identifier = kms.identifier(&format!("ProSe:{name}"), &period).context("no identifier")?;
    let keys = PeriodKeys {
        number: period.number,
        signing: masters.signing_key(&identifier)?,
        receiving: masters.encryption.issue(&identifier)?,
    };
    let Some(links) = ue.stack().links() else { anyhow::bail!("{name} has no links") };
    let rules = Rules { variant: what.variant, ..Rules::default() };
    links.establish_by_identity(Arc::new(IdentityKeys::new(kms, vec![keys])), rules);
    Ok(())
}

/// Makes the keys of a user that the common server has, or can make, for the present period.
///
/// # Errors
/// A time without a period.
pub(crate) fn keys_of(name: &str, anchor: Anchor) -> anyhow::Result<(SigningKey, ReceiverKey)> {
    let period = PERIODS.at(start_of(anchor)).context("the time has no key period")?;
    let masters = Masters::new(Server::Common)?;
    let identifier = masters.public(PERIODS).identifier(&format!("ProSe:{name}"), &period);
    let identifier = identifier.context("no identifier")?;
    Ok((masters.signing_key(&identifier)?, masters.encryption.issue(&identifier)?))
}

/// Lets the links of a UE agree by a method of its own.
///
/// # Errors
/// A UE without links.
pub(crate) fn with_method(ue: &mut Ue, method: Box<dyn KeyEstablishment>) -> anyhow::Result<()> {
    let Some(links) = ue.stack().links() else { anyhow::bail!("the UE has no links") };
    links.establish_by(method);
    Ok(())
}
