//! Credentials of the UEs of an exercise, and operators that vouch for them.

use crate::experiments::operators::Shared;
use anyhow::Context;
use sidelink_prose::direct_link::{IdentityKeys, Kms, PeriodKeys, Rules, Variant};
use sidelink_radio::Anchor;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::key_period::KeyPeriods;
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
    let trust = Trust { roots: vec![root], raw: Vec::new(), guard: 32_000 };
    Ok((Credential::certified(seed, certificate), trust))
}

/// Gives a UE of an exercise such a certificate, for its links.
///
/// # Errors
/// A UE without links, or a certificate that its own reader refuses.
pub(crate) fn certify(ue: &mut Ue, name: &str, anchor: Anchor) -> anyhow::Result<()> {
    let now = UtcTime::from_millis((anchor.utc_ns / 1_000_000).max(0) as u64);
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

/// Periods of 30 days.
const PERIODS: KeyPeriods =
    KeyPeriods::Seconds { length: NonZeroU32::new(30 * 86_400).expect("not zero"), offset: 0 };

/// Gives a UE of an exercise the keys of its identity. The secrets of the server are none.
///
/// # Errors
/// A UE without links, or a time without a period.
pub(crate) fn issue(
    ue: &mut Ue,
    name: &str,
    anchor: Anchor,
    (variant, server): (Variant, Server),
) -> anyhow::Result<()> {
    let now = UtcTime::from_millis((anchor.utc_ns / 1_000_000).max(0) as u64);
    let period = PERIODS.at(now).context("the time has no key period")?;
    let octet = if server == Server::Common { 0x21 } else { 0x42 };
    let signing = AuthenticationSecret::generate(&[octet; 64])?;
    let encryption = EncryptionSecret::generate(&[octet; 144])?;
    let kms = Kms::new("kms.example.org", PERIODS, *signing.public_key(), encryption.public_key());
    let identifier = kms.identifier(&format!("ProSe:{name}"), &period).context("no identifier")?;
    let secret = sidelink_store::random(64)?;
    let mut random = zeroize::Zeroizing::new([0; 64]);
    random.copy_from_slice(secret.as_bytes());
    let keys = PeriodKeys {
        number: period.number,
        signing: signing.issue(&identifier, &random)?,
        receiving: encryption.issue(&identifier)?,
    };
    let Some(links) = ue.stack().links() else { anyhow::bail!("{name} has no links") };
    let rules = Rules { variant, ..Rules::default() };
    links.establish_by_identity(Arc::new(IdentityKeys::new(kms, vec![keys])), rules);
    Ok(())
}
