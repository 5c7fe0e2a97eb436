//! What stands in the TOML.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sidelink_network::digest::Algorithm;
use sidelink_network::identity::Fqdn;
use sidelink_network::limit::RateLimit;
use sidelink_network::pc3::{ApplicationId, MaxOffset, Minutes, OsAppId, OutOfRange, Plmn, Rpauid};
use sidelink_network::prose_function::{self, Application, Permission, RestrictedPolicy, Role};
use sidelink_network::public_keys::server as public_keys;
use sidelink_network::{bsf, hss};
use sidelink_security::discovery::restricted::MicCheck;

use super::aaa::AaaText;
use super::configuration::ConfigurationText;
use super::group_naf::GroupNafText;
use super::kms::KmsText;
use super::pkmf::PkmfText;
use super::sbi::SbiText;
use super::{
    BsfConfig, Config, ConfigError, Database, Limits, Listen, Neighbour, PeersConfig, ProseFunctionConfig,
    Reach, of_toml, read_secret, subscribers,
};
use crate::peers::{TOKEN_CHARACTERS, Token};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    database: Option<String>,
    #[serde(default)]
    limits: LimitsText,
    hss: Option<HssText>,
    bsf: Option<BsfText>,
    prose_function: Option<ProseFunctionText>,
    pkmf: Option<PkmfText>,
    kms: Option<KmsText>,
    group_naf: Option<GroupNafText>,
    aaa: Option<AaaText>,
    auc: Option<AucText>,
    peers: Option<PeersText>,
    sbi: Option<SbiText>,
}

/// Where EAP servers of other makers ask the HSS.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct AucText {
    socket: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PeersText {
    token_file: PathBuf,
    listen: Option<SocketAddr>,
    hss: Option<SocketAddr>,
    bsf: Option<SocketAddr>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitsText {
    connections: Option<usize>,
    handshake_ms: Option<u64>,
    head_ms: Option<u64>,
    body_ms: Option<u64>,
    life_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HssText {
    subscribers: Option<PathBuf>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct BsfText {
    name: String,
    listen: SocketAddr,
    #[serde(default)]
    reach: Reach,
    #[serde(default)]
    digest: DigestText,
    key_lifetime_s: Option<u64>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum DigestText {
    #[default]
    #[serde(rename = "AKAv1-MD5")]
    Md5,
    #[serde(rename = "AKAv1-SHA-256")]
    Sha256,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProseFunctionText {
    name: String,
    listen: SocketAddr,
    #[serde(default)]
    reach: Reach,
    mcc: String,
    mnc: String,
    #[serde(default)]
    application_ids: Vec<String>,
    #[serde(default)]
    applications: Vec<ApplicationText>,
    #[serde(default)]
    permissions: Vec<PermissionText>,
    #[serde(default)]
    restricted_mic: MicText,
    encrypted_bits: Option<String>,
    validity_min: Option<u32>,
    ttl_min: Option<u32>,
    refresh_min: Option<u32>,
    max_offset_s: Option<u8>,
    report_delay_s: Option<u32>,
    ue_burst: Option<u32>,
    ue_interval_ms: Option<u64>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
    configuration: Option<ConfigurationText>,
    #[serde(default)]
    public_keys: PublicKeysText,
    puzzle_above_percent: Option<u8>,
}

/// Public keys of signed discovery.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PublicKeysText {
    validity_min: Option<u32>,
    negative_s: Option<u32>,
    keys_per_ue: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ApplicationText {
    os_id: String,
    os_app_id: String,
    roles: Vec<RoleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PermissionText {
    target: String,
    watcher: String,
}

/// Who checks the MIC of a restricted code.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MicText {
    #[default]
    Ue,
    ProseFunction,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RoleText {
    OpenAnnounce,
    OpenMonitor,
    RestrictedAnnounce,
    RestrictedMonitor,
    Discoveree,
    Discoverer,
    EpcLevel,
}

impl From<RoleText> for Role {
    fn from(role: RoleText) -> Self {
        match role {
            RoleText::OpenAnnounce => Self::OpenAnnounce,
            RoleText::OpenMonitor => Self::OpenMonitor,
            RoleText::RestrictedAnnounce => Self::RestrictedAnnounce,
            RoleText::RestrictedMonitor => Self::RestrictedMonitor,
            RoleText::Discoveree => Self::Discoveree,
            RoleText::Discoverer => Self::Discoverer,
            RoleText::EpcLevel => Self::EpcLevel,
        }
    }
}

impl Document {
    pub(super) fn read(text: &str) -> Result<Self, ConfigError> {
        // The message of the parser alone: a line of the text may hold a secret.
        toml::from_str(text).map_err(|e| of_toml(&e, text))
    }

    pub(super) fn has_shared_secrets(&self) -> bool {
        self.aaa.as_ref().is_some_and(AaaText::has_secrets)
    }

    pub(super) fn resolve(self, folder: &Path, given: Option<Database>) -> Result<Config, ConfigError> {
        let database = match (given, &self.database) {
            (Some(given), _) => given,
            (None, Some(text)) => Database::parse(text, folder)?,
            (None, None) => return Err(Database::missing()),
        };
        let subscribers = match self.hss.as_ref().and_then(|hss| hss.subscribers.as_ref()) {
            Some(path) => subscribers::load(&folder.join(path))?,
            None => Vec::new(),
        };
        Ok(Config {
            database,
            limits: self.limits.resolve()?,
            hss: self.hss.map(HssText::resolve),
            subscribers,
            bsf: self.bsf.map(BsfText::resolve).transpose().map_err(|e| e.within("[bsf]"))?,
            prose_function: self
                .prose_function
                .map(|text| text.resolve(folder))
                .transpose()
                .map_err(|e| e.within("[prose-function]"))?,
            pkmf: self.pkmf.map(PkmfText::resolve).transpose().map_err(|e| e.within("[pkmf]"))?,
            kms: self.kms.map(|kms| kms.resolve(folder)).transpose().map_err(|e| e.within("[kms]"))?,
            group_naf: self
                .group_naf
                .map(GroupNafText::resolve)
                .transpose()
                .map_err(|e| e.within("[group-naf]"))?,
            aaa: self.aaa.map(|aaa| aaa.resolve(folder)).transpose().map_err(|e| e.within("[aaa]"))?,
            auc: self.auc.map(|auc| folder.join(auc.socket)),
            peers: self.peers.map(|peers| peers.resolve(folder)).transpose()?,
            sbi: self.sbi.map(|sbi| sbi.resolve(folder)).transpose().map_err(|e| e.within("[sbi]"))?,
        })
    }
}

/// The token in a file.
pub(super) fn token(path: &Path) -> Result<Token, ConfigError> {
    let text = read_secret(path)?;
    Token::new(text.trim()).ok_or_else(|| {
        let remedy = format!(
            "write {TOKEN_CHARACTERS} or more random characters without blanks, say of openssl rand -hex 32"
        );
        ConfigError::new("it holds no token", path.display().to_string(), remedy)
    })
}

impl PeersText {
    fn resolve(self, folder: &Path) -> Result<PeersConfig, ConfigError> {
        let token = token(&folder.join(&self.token_file))?;
        let at = |address: Option<SocketAddr>| address.map(Neighbour::new).transpose();
        Ok(PeersConfig { token, listen: at(self.listen)?, hss: at(self.hss)?, bsf: at(self.bsf)? })
    }
}

impl LimitsText {
    fn resolve(self) -> Result<Limits, ConfigError> {
        let usual = Limits::default();
        let time = |millis: Option<u64>, usual| millis.map_or(usual, Duration::from_millis);
        let limits = Limits {
            connections: self.connections.unwrap_or(usual.connections),
            handshake: time(self.handshake_ms, usual.handshake),
            head: time(self.head_ms, usual.head),
            body: time(self.body_ms, usual.body),
            life: time(self.life_ms, usual.life),
        };
        let times = [limits.handshake, limits.head, limits.body, limits.life];
        if limits.connections == 0 || times.contains(&Duration::ZERO) {
            return Err(ConfigError::new("a limit is 0: nobody would be served", "[limits]", "raise it"));
        }
        Ok(limits)
    }
}

pub(super) fn rate(usual: RateLimit, burst: Option<u32>, interval: Option<u64>) -> RateLimit {
    RateLimit { burst: burst.unwrap_or(usual.burst), interval: interval.unwrap_or(usual.interval) }
}

impl HssText {
    fn resolve(self) -> hss::Config {
        let usual = hss::Config::default();
        hss::Config { rate: rate(usual.rate, self.burst, self.interval_ms), ..usual }
    }
}

pub(super) fn name(text: &str) -> Result<Fqdn, ConfigError> {
    Fqdn::new(text).map_err(|e| ConfigError::new(e.to_string(), format!("name = {text:?}"), "name a host"))
}

impl BsfText {
    fn resolve(self) -> Result<BsfConfig, ConfigError> {
        let usual = bsf::Config::new(name(&self.name)?);
        let bsf = bsf::Config {
            algorithm: match self.digest {
                DigestText::Md5 => Algorithm::AkaV1Md5,
                DigestText::Sha256 => Algorithm::AkaV1Sha256,
            },
            key_lifetime: self.key_lifetime_s.map_or(usual.key_lifetime, |s| s.saturating_mul(1000)),
            rate: rate(usual.rate, self.burst, self.interval_ms),
            ..usual
        };
        Ok(BsfConfig { bsf, listen: Listen::new(self.listen, self.reach)? })
    }
}

/// A parameter with what it must be.
pub(super) fn fits<T>(value: Result<T, OutOfRange>, place: &str) -> Result<T, ConfigError> {
    value.map_err(|e| ConfigError::new(e.to_string(), place, "correct it"))
}

pub(super) fn octets<const N: usize>(digits: &str, place: &str) -> Result<[u8; N], ConfigError> {
    let mut octets = [0; N];
    hex::decode_to_slice(digits, &mut octets).map_err(|_| {
        ConfigError::new("not the right hexadecimal digits", place, format!("write {} digits", 2 * N))
    })?;
    Ok(octets)
}

impl PublicKeysText {
    /// The permission to have a key is that to discover its owner.
    fn resolve(&self, of: &prose_function::Config) -> Result<public_keys::Config, ConfigError> {
        let mut config = public_keys::Config::new(of.plmn, of.permissions.clone());
        if let Some(minutes) = self.validity_min {
            let minutes = fits(Minutes::new(minutes), "public-keys validity-min")?;
            config.validity = u64::from(minutes.value()) * 60_000;
        }
        config.negative = self.negative_s.map_or(config.negative, |seconds| u64::from(seconds) * 1000);
        config.limits.keys_per_ue = self.keys_per_ue.unwrap_or(config.limits.keys_per_ue);
        config.check().map_err(|e| ConfigError::new(e.to_string(), "public-keys", "correct it"))?;
        Ok(config)
    }
}

impl ProseFunctionText {
    fn resolve(mut self, folder: &Path) -> Result<ProseFunctionConfig, ConfigError> {
        let configuration = self.configuration.take().map(|text| text.resolve(folder)).transpose()?;
        let mut applications = Vec::new();
        for text in &self.applications {
            let os_app_id = fits(OsAppId::new(&text.os_app_id), "os-app-id")?;
            let application = Application { os_id: octets(&text.os_id, "os-id")?, os_app_id };
            applications.extend(text.roles.iter().map(|role| (application.clone(), Role::from(*role))));
        }
        let mut permissions = Vec::new();
        for text in &self.permissions {
            let user = |text: &str| fits(Rpauid::new(text), "permissions");
            permissions.push(Permission { target: user(&text.target)?, watcher: user(&text.watcher)? });
        }
        let ids = self.application_ids.iter().map(|id| fits(ApplicationId::new(id), "application-ids"));
        let minutes =
            |given: Option<u32>, usual, place: &str| fits(Minutes::new(given.unwrap_or(usual)), place);
        let prose_function = prose_function::Config {
            plmn: fits(Plmn::new(&self.mcc, &self.mnc), "mcc, mnc")?,
            applications,
            application_ids: ids.collect::<Result<_, _>>()?,
            permissions,
            restricted: self.policy()?,
            validity: minutes(self.validity_min, 60, "validity-min")?,
            ttl: minutes(self.ttl_min, 60, "ttl-min")?,
            refresh: minutes(self.refresh_min, 10, "refresh-min")?,
            max_offset: fits(MaxOffset::new(self.max_offset_s.unwrap_or(32)), "max-offset-s")?,
            report_delay: self.report_delay_s.unwrap_or(60),
            limits: self.limits(),
        };
        let listen = Listen::new(self.listen, self.reach)?;
        let public_keys = self.public_keys.resolve(&prose_function)?;
        Ok(ProseFunctionConfig {
            prose_function,
            public_keys,
            name: name(&self.name)?,
            listen,
            configuration,
        })
    }

    fn policy(&self) -> Result<RestrictedPolicy, ConfigError> {
        let encrypted = self
            .encrypted_bits
            .as_deref()
            .map(|digits| octets::<23>(digits, "encrypted-bits"))
            .transpose()?;
        let check = match self.restricted_mic {
            MicText::Ue => MicCheck::Local,
            MicText::ProseFunction => MicCheck::ByProseFunction,
        };
        Ok(RestrictedPolicy { check, encrypted })
    }

    fn limits(&self) -> prose_function::Limits {
        let usual = prose_function::Limits::default();
        prose_function::Limits {
            ue_burst: self.ue_burst.unwrap_or(usual.ue_burst),
            ue_interval: self.ue_interval_ms.unwrap_or(usual.ue_interval),
            burst: self.burst.unwrap_or(usual.burst),
            interval: self.interval_ms.unwrap_or(usual.interval),
            puzzle_above: self.puzzle_above_percent.unwrap_or(usual.puzzle_above),
            ..usual
        }
    }
}
