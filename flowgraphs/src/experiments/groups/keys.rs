//! The keys of a laboratory's key management server, in this process. They are the same in every run: no secret.

use super::cases::{By, GroupCase, Solution};
use super::parties::{GROUP, Party};
use super::setup::START;
use anyhow::Context;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::uid;
use sidelink_security::key_period::KeyPeriod;
use sidelink_store::identity::{IdentityEntry, IdentityKeys, IdentityKind, KmsEntry};
use sidelink_store::{Hex, Keys, Secret};
use sidelink_ue::air_rng::AirRng;
use std::num::{NonZeroU32, NonZeroU64};

/// Name of the server.
const KMS: &str = "laboratory";

/// Its URI.
const KMS_URI: &str = "kms.example.org";

/// Serial number of the certificate that is revoked.
const REVOKED: u32 = 13;

/// Length of its periods in seconds: 28 days, from the first of 1900.
const PERIOD: u32 = 28 * 86_400;

/// A key management server with its secrets.
struct Laboratory {
    authentication: AuthenticationSecret,
    encryption: EncryptionSecret,
    entry: KmsEntry,
    period: KeyPeriod,
}

/// Makes the keys of all parties for the time of the exercises; the manager has those of the group too.
///
/// # Errors
/// A key that its own check refuses.
pub(crate) fn laboratory(case: &GroupCase<'_>, parties: &[Party]) -> anyhow::Result<Keys> {
    let laboratory = Laboratory::new("")?;
    let mut identities = Vec::new();
    // Whoever makes an ad-hoc group has no keys of the group's.
    if case.scenario.solution == Solution::Identity {
        identities.push(laboratory.identity(GROUP, IdentityKind::Group, &Party::Manager.name())?);
    }
    for party in parties.iter().filter(|party| !matches!(party, Party::Thief(_) | Party::Again)) {
        identities.push(laboratory.identity(&party.identity(case), IdentityKind::User, &party.name())?);
    }
    Ok(Keys { kms: vec![laboratory.entry], identity: identities, ..Keys::default() })
}

/// Makes keys for a party's name by another server that calls itself the same.
///
/// # Errors
/// A key that its own check refuses.
pub(crate) fn forged(case: &GroupCase<'_>, party: Party) -> anyhow::Result<Keys> {
    let laboratory = Laboratory::new("another")?;
    let identity = laboratory.identity(&party.identity(case), IdentityKind::User, &party.name())?;
    Ok(Keys { kms: vec![laboratory.entry], identity: vec![identity], ..Keys::default() })
}

impl Laboratory {
    /// Makes a server; those of two seeds have other secrets.
    fn new(seed: &str) -> anyhow::Result<Self> {
        let authentication = AuthenticationSecret::generate(&stretched::<64>(&format!("{seed}KSAK")))?;
        let encryption = EncryptionSecret::generate(&stretched::<144>(&format!("{seed}z")))?;
        let entry = KmsEntry {
            name: KMS.to_owned(),
            uri: KMS_URI.to_owned(),
            period_length: NonZeroU32::new(PERIOD),
            period_offset: 0,
            z: Hex(encryption.public_key().to_octets().to_vec()),
            kpak: Hex(authentication.public_key().as_octets().to_vec()),
            master: None,
            ksak: None,
        };
        let now = UtcTime::from_millis(1000 * START);
        let period = entry.periods().at(now).context("the exercises are in a period")?;
        Ok(Self { authentication, encryption, entry, period })
    }

    fn identity(&self, uri: &str, kind: IdentityKind, ue: &str) -> anyhow::Result<IdentityEntry> {
        let length = NonZeroU64::from(NonZeroU32::new(PERIOD).context("a period is not empty")?);
        let periods = uid::EqualPeriods { length, offset: 0 };
        let id = uid::uid(uri, KMS_URI, periods, u64::from(self.period.number));
        let signing = self.authentication.issue(&id, &stretched::<64>(uri))?;
        let receiving = self.encryption.issue(&id)?;
        let second = |time: UtcTime| time.counter().value();
        let keys = IdentityKeys {
            period: self.period.number,
            valid_from: second(self.period.early()),
            valid_until: second(self.period.late()),
            pvt: Hex(signing.pvt().to_vec()),
            ssk: Some(Secret::new(signing.ssk().to_vec())),
            rsk: Some(Secret::new(receiving.to_octets().to_vec())),
        };
        Ok(IdentityEntry {
            name: uri.to_owned(),
            uri: uri.to_owned(),
            kind,
            kms: KMS.to_owned(),
            ue: Some(ue.to_owned()),
            revoked: false,
            keys: vec![keys],
        })
    }
}

/// Makes the certificate of a party, whose issuer all parties trust; that of a rogue owner is of another issuer.
///
/// # Errors
/// A certificate or list that its own reader refuses.
pub(crate) fn certificate(case: &GroupCase<'_>, party: Party) -> anyhow::Result<(Credential, Trust)> {
    let now = UtcTime::from_millis(1000 * START);
    let validity = Validity { from: now.minus_millis(3_600_000), until: now.plus_millis(24 * 3_600_000) };
    let by = case.scenario.attack.map(|attack| attack.by);
    let issuer = Issuer::new("laboratory", &stretched("issuer"));
    let foreign = Issuer::new("laboratory", &stretched("another issuer"));
    let is_rogue = party == Party::Manager && by == Some(By::RogueOwner);
    let seed = stretched(&party.name());
    let serial = if party == Party::Mallory { REVOKED } else { 7 };
    let public = Credential::raw(&seed).public();
    let maker = if is_rogue { &foreign } else { &issuer };
    let certificate = maker.issue(party.name().as_bytes(), serial, &public, validity);
    let root = Root::from_der(&issuer.certificate(validity)).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut trust = Trust { roots: vec![root], raw: Vec::new(), guard: 32_000, grace: 0 };
    if party == Party::Manager && by == Some(By::Revoked { known: true }) {
        let list = issuer.revoke(1, &[REVOKED], now);
        trust.install_crl(&list).map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    Ok((Credential::certified(&seed, certificate), trust))
}

/// Octets that are the same in every run.
fn stretched<const N: usize>(seed: &str) -> [u8; N] {
    let mut rng = AirRng::seeded(0, seed);
    let mut octets = [0; N];
    octets
        .chunks_mut(8)
        .for_each(|chunk| chunk.copy_from_slice(&rng.next_u64().to_be_bytes()[..chunk.len()]));
    octets
}
