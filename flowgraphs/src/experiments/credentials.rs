//! Credentials of the UEs of an exercise, and operators that vouch for them.

use crate::experiments::operators::Shared;
use sidelink_radio::Anchor;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_ue::Ue;

/// Gives a UE of an exercise a certificate of an issuer that every UE of it trusts. The issuer's key is no secret.
///
/// # Errors
/// A UE without links, or a certificate that its own reader refuses.
pub(crate) fn certify(ue: &mut Ue, name: &str, anchor: Anchor) -> anyhow::Result<()> {
    let now = UtcTime::from_millis((anchor.utc_ns / 1_000_000).max(0) as u64);
    let validity = Validity { from: now.minus_millis(3_600_000), until: now.plus_millis(24 * 3_600_000) };
    let issuer = Issuer::new("sidelink exercise", &[0x11; 32]);
    let secret = sidelink_store::random(32)?;
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    seed.copy_from_slice(secret.as_bytes());
    let public = Credential::raw(&seed).public();
    let certificate = issuer.issue(name.as_bytes(), 7, &public, validity);
    let root = Root::from_der(&issuer.certificate(validity)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let trust = Trust { roots: vec![root], raw: Vec::new(), guard: 32_000 };
    let Some(links) = ue.stack().links() else { anyhow::bail!("{name} has no links") };
    links.authenticate_with(Credential::certified(&seed, certificate), trust);
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
