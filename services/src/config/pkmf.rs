//! `[pkmf]`: the key management function, its groups and their members, and who may have keys of public-safety discovery.

use std::net::SocketAddr;

use serde::Deserialize;
use sidelink_network::identity::{Fqdn, Impi, Imsi};
use sidelink_network::key_delivery::{self, ServiceId, Suite};
use sidelink_network::pc3::{self, MaxOffset, Plmn};
use sidelink_network::pc8::{Code, MemberId, OtherId, ProtectionProfile};
use sidelink_network::pkmf::{self, DiscoveryCode, Kind, Remote, Service, Told};
use sidelink_security::cipher::Algorithm;

use super::text::{fits, name, octets, rate};
use super::{ConfigError, Listen, Reach};

/// MAX_OFFSET of public-safety discovery in seconds, as that of the ProSe Function.
const MAX_OFFSET: u8 = 32;

/// A PKMF and its servers.
#[derive(Clone, Debug)]
pub struct PkmfConfig {
    /// The PKMF.
    pub pkmf: pkmf::Config,
    /// Its name as a NAF.
    pub name: Fqdn,
    /// Of its subscribers.
    pub plmn: Plmn,
    /// Where it listens for PC8.
    pub listen: Listen,
    /// Where it sends MIKEY from, and listens for it.
    pub mikey: Listen,
    /// Where UEs listen for MIKEY.
    pub ue_port: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PkmfText {
    name: String,
    listen: SocketAddr,
    #[serde(default)]
    reach: Reach,
    mcc: String,
    mnc: String,
    mikey_listen: Option<SocketAddr>,
    mikey_ue_port: Option<u16>,
    #[serde(default)]
    mikey_mac: MacText,
    key_lifetime_s: Option<u32>,
    lead_s: Option<u32>,
    pmk_lifetime_s: Option<u64>,
    retry_ms: Option<u64>,
    tries: Option<u32>,
    ue_burst: Option<u32>,
    ue_interval_ms: Option<u64>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
    max_offset_s: Option<u8>,
    #[serde(default)]
    groups: Vec<GroupText>,
    #[serde(default)]
    discoveries: Vec<DiscoveryText>,
    pruk_lifetime_s: Option<u64>,
    #[serde(default)]
    relays: Vec<RelayText>,
    #[serde(default)]
    remotes: Vec<RemoteText>,
}

/// A UE that may be a relay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RelayText {
    imsi: String,
    codes: Vec<String>,
}

/// A UE that may use relays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RemoteText {
    imsi: String,
    codes: Vec<String>,
    /// What a relay is told of it: `imsi`, or 32 hexadecimal digits.
    told: String,
}

/// PRF and MAC of MIKEY.
#[derive(Clone, Copy, Default, Deserialize)]
enum MacText {
    #[default]
    #[serde(rename = "HMAC-SHA-1")]
    Sha1,
    #[serde(rename = "HMAC-SHA-256")]
    Sha256,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GroupText {
    id: String,
    cipher: CipherText,
    members: Vec<MemberText>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CipherText {
    Null,
    Snow3g,
    Aes,
    Zuc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MemberText {
    imsi: String,
    id: String,
}

/// A Key Type: relay service codes and Discovery Group IDs whose messages its PSDKs protect. TS 33.303 §6.6.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DiscoveryText {
    key_type: String,
    #[serde(default)]
    relay_codes: Vec<String>,
    #[serde(default)]
    group_ids: Vec<String>,
    protection: Vec<ProtectionText>,
    encrypted_bits: Option<String>,
    ues: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ProtectionText {
    Scrambling,
    Integrity,
    Confidentiality,
}

impl PkmfText {
    pub(super) fn resolve(self) -> Result<PkmfConfig, ConfigError> {
        let plmn = fits(Plmn::new(&self.mcc, &self.mnc), "mcc, mnc")?;
        let groups = self.groups.iter().map(|group| group.resolve(plmn));
        let discoveries = self.discoveries.iter().map(|discovery| discovery.resolve(plmn));
        let services = groups.chain(discoveries).collect::<Result<_, _>>()?;
        let fqdn = name(&self.name)?;
        let max_offset = fits(MaxOffset::new(self.max_offset_s.unwrap_or(MAX_OFFSET)), "max-offset-s")?;
        let usual = pkmf::Config::new(fqdn.clone(), services, max_offset);
        let relays = self.relays(plmn)?;
        let limits = pkmf::Limits {
            ue: rate(usual.limits.ue, self.ue_burst, self.ue_interval_ms),
            all: rate(usual.limits.all, self.burst, self.interval_ms),
            ..usual.limits
        };
        let pkmf = pkmf::Config {
            suite: match self.mikey_mac {
                MacText::Sha1 => Suite::HmacSha1,
                MacText::Sha256 => Suite::HmacSha256,
            },
            lifetime: self.key_lifetime_s.unwrap_or(usual.lifetime),
            lead: self.lead_s.unwrap_or(usual.lead),
            pmk_lifetime: self.pmk_lifetime_s.map_or(usual.pmk_lifetime, |s| s.saturating_mul(1000)),
            interval: self.retry_ms.unwrap_or(usual.interval),
            tries: self.tries.unwrap_or(usual.tries),
            limits,
            relays,
            ..usual
        };
        let mikey = self.mikey_listen.unwrap_or(SocketAddr::new(self.listen.ip(), key_delivery::PORT));
        Ok(PkmfConfig {
            pkmf,
            name: fqdn,
            plmn,
            listen: Listen::new(self.listen, self.reach)?,
            mikey: Listen::new(mikey, self.reach)?,
            ue_port: self.mikey_ue_port.unwrap_or(key_delivery::PORT),
        })
    }
}

impl PkmfText {
    fn relays(&self, plmn: Plmn) -> Result<pkmf::Relays, ConfigError> {
        let usual = pkmf::Relays::default();
        let relay = |text: &RelayText| {
            let place = format!("relay {:?}", text.imsi);
            Ok((impi(&text.imsi, plmn, &place)?, codes(&text.codes, &place)?))
        };
        Ok(pkmf::Relays {
            relays: self.relays.iter().map(relay).collect::<Result<_, ConfigError>>()?,
            remotes: self.remotes.iter().map(|remote| remote.resolve(plmn)).collect::<Result<_, _>>()?,
            pruk_lifetime: self.pruk_lifetime_s.map_or(usual.pruk_lifetime, |s| s.saturating_mul(1000)),
            ..usual
        })
    }
}

impl RemoteText {
    fn resolve(&self, plmn: Plmn) -> Result<Remote, ConfigError> {
        let place = format!("remote {:?}", self.imsi);
        let ue = impi(&self.imsi, plmn, &place)?;
        let msin = self.imsi.get(plmn.mcc().len() + plmn.mnc().len()..).unwrap_or_default();
        let told = match self.told.as_str() {
            "imsi" => Told::Imsi,
            digits => Told::Other(OtherId(octets(digits, &format!("{place} told"))?)),
        };
        let imsi = fits(pc3::Imsi::new(plmn, msin), &place)?;
        Ok(Remote { ue, imsi, codes: codes(&self.codes, &place)?, told })
    }
}

/// Relay service codes, six hexadecimal digits each.
pub(super) fn codes(digits: &[String], place: &str) -> Result<Vec<Code>, ConfigError> {
    digits.iter().map(|digits| octets(digits, &format!("{place} code {digits:?}")).map(Code)).collect()
}

/// The private identity of a subscriber of this PLMN.
pub(super) fn impi(imsi: &str, plmn: Plmn, place: &str) -> Result<Impi, ConfigError> {
    let home = format!("{}{}", plmn.mcc(), plmn.mnc());
    let imsi = Imsi::new(imsi).map_err(|e| ConfigError::new(e.to_string(), place, "correct it"))?;
    if !imsi.digits().starts_with(&home) {
        let remedy = "a key management function serves the subscribers of its PLMN alone";
        return Err(ConfigError::new("an IMSI of another PLMN", place, remedy));
    }
    imsi.impi(plmn.mnc().len()).map_err(|e| ConfigError::new(e.to_string(), place, "correct it"))
}

impl GroupText {
    fn resolve(&self, plmn: Plmn) -> Result<Service, ConfigError> {
        let place = format!("group {:?}", self.id);
        let members = self.members.iter().map(|member| member.resolve(plmn));
        let algorithm = match self.cipher {
            CipherText::Null => Algorithm::Null,
            CipherText::Snow3g => Algorithm::Snow3g,
            CipherText::Aes => Algorithm::Aes,
            CipherText::Zuc => Algorithm::Zuc,
        };
        Ok(Service {
            id: group_id(&self.id)?,
            kind: Kind::Group {
                algorithm,
                members: members.collect::<Result<_, _>>().map_err(|e| e.within(&place))?,
            },
        })
    }
}

impl DiscoveryText {
    fn resolve(&self, plmn: Plmn) -> Result<Service, ConfigError> {
        let place = format!("discovery {:?}", self.key_type);
        let within = |e: ConfigError| e.within(&place);
        let code = |digits: &String| octets(digits, &format!("{place} code {digits:?}")).map(Code);
        let relays = self.relay_codes.iter().map(|digits| code(digits).map(DiscoveryCode::Relay));
        let groups = self.group_ids.iter().map(|digits| code(digits).map(DiscoveryCode::GroupMember));
        let codes: Vec<_> = relays.chain(groups).collect::<Result<_, _>>()?;
        if codes.is_empty() {
            let remedy = "name relay-codes or group-ids";
            return Err(ConfigError::new("its keys would protect nothing", place, remedy));
        }
        let protection = self.protection.iter().fold(ProtectionProfile::NONE, |all, kind| match kind {
            ProtectionText::Scrambling => all.scrambled(),
            ProtectionText::Integrity => all.with_mic(),
            ProtectionText::Confidentiality => all.confidential(),
        });
        if protection == ProtectionProfile::NONE {
            let remedy = "name scrambling, integrity or confidentiality";
            return Err(ConfigError::new("nothing is protected", place, remedy));
        }
        let encrypted = self.encrypted_bits.as_deref();
        if encrypted.is_some() != protection.is_confidential() {
            let remedy = "give encrypted-bits with confidentiality, and only with it";
            return Err(ConfigError::new("encrypted-bits says what is ciphered", place, remedy));
        }
        let encrypted =
            encrypted.map(|digits| octets(digits, &format!("{place} encrypted-bits"))).transpose()?;
        let id = octets(&self.key_type, &place).map(ServiceId)?;
        let ues = self
            .ues
            .iter()
            .map(|imsi| impi(imsi, plmn, &format!("UE {imsi:?}")))
            .collect::<Result<_, _>>()
            .map_err(within)?;
        Ok(Service { id, kind: Kind::Discovery { codes, protection, encrypted, ues } })
    }
}

impl MemberText {
    fn resolve(&self, plmn: Plmn) -> Result<(Impi, MemberId), ConfigError> {
        let place = format!("member {:?}", self.imsi);
        let impi = impi(&self.imsi, plmn, &place)?;
        Ok((impi, MemberId(octets(&self.id, &format!("{place} id"))?)))
    }
}

/// A group by its six hexadecimal digits.
///
/// # Errors
/// Other than six of these.
pub fn group_id(digits: &str) -> Result<ServiceId, ConfigError> {
    octets(digits, &format!("group {digits:?}")).map(ServiceId)
}

#[cfg(test)]
mod tests;
