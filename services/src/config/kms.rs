//! `[kms]`: the key management server of identities, who has which, and other servers.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sidelink_network::identity::Fqdn;
use sidelink_network::kms::{self, External, Grant, Holder};
use sidelink_network::kms_messages::{Text, Uri};
use sidelink_network::pc3::Plmn;
use sidelink_security::key_period::KeyPeriods;

use super::configuration::CertificatesText;
use super::pkmf::impi;
use super::text::{fits, name, octets, rate};
use super::{CertificatesConfig, ConfigError, Listen, Reach};

/// A period of 30 days.
const PERIOD: u32 = 2_592_000;

/// A key management server and its servers.
#[derive(Clone, Debug)]
pub struct KmsConfig {
    /// The server.
    pub kms: kms::Config,
    /// Its name as a NAF.
    pub name: Fqdn,
    /// Of its subscribers.
    pub plmn: Plmn,
    /// Where it listens for UEs with keys of GBA.
    pub listen: Listen,
    /// File of the master secrets.
    pub masters: PathBuf,
    /// A server for UEs with certificates.
    pub certificates: Option<CertificatesConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KmsText {
    name: String,
    listen: SocketAddr,
    #[serde(default)]
    reach: Reach,
    mcc: String,
    mnc: String,
    uri: Option<String>,
    issuer: Option<String>,
    masters: PathBuf,
    period_s: Option<u32>,
    offset_s: Option<u32>,
    #[serde(default)]
    months: bool,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    identities: Vec<IdentityText>,
    #[serde(default)]
    others: Vec<OtherText>,
    #[serde(default)]
    cache: u32,
    clock_tolerance_ms: Option<u64>,
    ue_burst: Option<u32>,
    ue_interval_ms: Option<u64>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
    certificates: Option<CertificatesText>,
}

/// An identity, and who has it: a user, the manager of a group, the subscriber whose device it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct IdentityText {
    uri: String,
    imsi: String,
}

/// Another server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OtherText {
    uri: String,
    period_s: Option<u32>,
    #[serde(default)]
    offset_s: u32,
    z: String,
    kpak: String,
}

impl KmsText {
    pub(super) fn resolve(self, folder: &Path) -> Result<KmsConfig, ConfigError> {
        let plmn = fits(Plmn::new(&self.mcc, &self.mnc), "mcc, mnc")?;
        let fqdn = name(&self.name)?;
        let own = uri(self.uri.as_deref().unwrap_or(fqdn.as_str()), "uri")?;
        let usual = kms::Config::new(own, self.periods()?);
        let issuer = self
            .issuer
            .as_deref()
            .map(|text| Text::new(text).ok_or_else(|| ConfigError::new("too long", "issuer", "shorten it")));
        let grants = self.identities.iter().map(|identity| identity.resolve(plmn));
        let others = self.others.iter().map(OtherText::resolve);
        let domains = self.domains.iter().map(|domain| uri(domain, "domains"));
        let limits = kms::Limits {
            holder: rate(usual.limits.holder, self.ue_burst, self.ue_interval_ms),
            all: rate(usual.limits.all, self.burst, self.interval_ms),
            ..usual.limits
        };
        let kms = kms::Config {
            issuer: issuer.transpose()?,
            grants: grants.collect::<Result<_, _>>()?,
            domains: domains.collect::<Result<_, _>>()?,
            others: others.collect::<Result<_, _>>()?,
            cache: self.cache,
            tolerance: self.clock_tolerance_ms.unwrap_or(usual.tolerance),
            limits,
            ..usual
        };
        Ok(KmsConfig {
            kms,
            name: fqdn,
            plmn,
            listen: Listen::new(self.listen, self.reach)?,
            masters: folder.join(&self.masters),
            certificates: self.certificates.map(|text| text.resolve(folder)).transpose()?,
        })
    }

    fn periods(&self) -> Result<KeyPeriods, ConfigError> {
        if self.months {
            return match (self.period_s, self.offset_s) {
                (None, None) => Ok(KeyPeriods::Months),
                _ => {
                    let remedy = "leave out period-s and offset-s, or months";
                    Err(ConfigError::new("months have no length of seconds", "months", remedy))
                }
            };
        }
        seconds(self.period_s, self.offset_s.unwrap_or(0))
    }
}

fn seconds(length: Option<u32>, offset: u32) -> Result<KeyPeriods, ConfigError> {
    let length = NonZeroU32::new(length.unwrap_or(PERIOD));
    let length = length.ok_or_else(|| ConfigError::new("a period of no time", "period-s", "write more"))?;
    Ok(KeyPeriods::Seconds { length, offset })
}

fn uri(text: &str, place: &str) -> Result<Uri, ConfigError> {
    let fault =
        || ConfigError::new(format!("{text:?} is no URI"), place, "write such as sip:alice@example.org");
    Uri::new(text).ok_or_else(fault)
}

impl IdentityText {
    fn resolve(&self, plmn: Plmn) -> Result<Grant, ConfigError> {
        let place = format!("identity {:?}", self.uri);
        Ok(Grant {
            user: uri(&self.uri, &place)?,
            holder: Holder::Subscriber(impi(&self.imsi, plmn, &place)?),
        })
    }
}

impl OtherText {
    fn resolve(&self) -> Result<External, ConfigError> {
        let place = format!("other {:?}", self.uri);
        Ok(External {
            uri: uri(&self.uri, &place)?,
            periods: seconds(self.period_s, self.offset_s).map_err(|e| e.within(&place))?,
            z: octets(&self.z, &format!("{place} z"))?,
            kpak: octets(&self.kpak, &format!("{place} kpak"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "kms.lab"
listen = "127.0.0.1:0"
mcc = "001"
mnc = "01"
masters = "kms.secrets"
identities = [{ uri = "sip:alice@lab", imsi = "001010000000001" }]
"#;

    fn resolve(text: &str) -> Result<KmsConfig, Box<dyn std::error::Error>> {
        let text: KmsText = toml::from_str(text)?;
        Ok(text.resolve(Path::new("/folder"))?)
    }

    #[test]
    fn a_section_says_who_has_which_identity() {
        let config = resolve(TEXT).unwrap();
        assert_eq!(
            (config.kms.uri.as_str(), config.masters),
            ("kms.lab", PathBuf::from("/folder/kms.secrets"))
        );
        let [grant] = &config.kms.grants[..] else { panic!("one") };
        assert_eq!(grant.holder.to_string(), "001010000000001@ims.mnc001.mcc001.3gppnetwork.org");
        let length = NonZeroU32::new(2_592_000).unwrap();
        assert_eq!(config.kms.periods, KeyPeriods::Seconds { length, offset: 0 });
        let months = TEXT.replace("sip:alice@lab", "tel:+431234") + "months = true\n";
        assert_eq!(resolve(&months).unwrap().kms.periods, KeyPeriods::Months);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let other = |z: &str| format!("{TEXT}others = [{{ uri = \"kms.b\", z = \"{z}\", kpak = \"04\" }}]\n");
        for (text, words) in [
            (TEXT.replace("sip:alice@lab", "sip:a b"), "identity \"sip:a b\""),
            (TEXT.replace("001010000000001", "310410000000001"), "an IMSI of another PLMN"),
            (format!("{TEXT}period-s = 0\n"), "a period of no time"),
            (format!("{TEXT}months = true\nperiod-s = 5\n"), "leave out period-s"),
            (format!("{TEXT}color = 1\n"), "unknown field"),
            (other("04"), "other \"kms.b\" z"),
        ] {
            let error = resolve(&text).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
