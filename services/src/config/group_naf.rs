//! `[group-naf]`: the NAF of groups that their owners make. TR 33.833 §6.3.2.

use std::net::SocketAddr;

use serde::Deserialize;
use sidelink_network::group_naf::{self, UA_PROTOCOL};
use sidelink_network::identity::NafId;
use sidelink_network::pc3::Plmn;

use super::text::{fits, name, rate};
use super::{ConfigError, Listen, Reach};

/// Seconds that a pushed key may live, as `gba_push::bsf::Config` has it.
const LONGEST_PUSH: u64 = 86_400;

/// A NAF of groups and its server.
#[derive(Clone, Debug)]
pub struct GroupNafConfig {
    /// The NAF, with its name.
    pub naf: group_naf::Config,
    /// Of its subscribers.
    pub plmn: Plmn,
    /// Where it listens.
    pub listen: Listen,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GroupNafText {
    name: String,
    listen: SocketAddr,
    #[serde(default)]
    reach: Reach,
    mcc: String,
    mnc: String,
    key_lifetime_s: Option<u64>,
    push_lifetime_s: Option<u64>,
    ue_burst: Option<u32>,
    ue_interval_ms: Option<u64>,
    burst: Option<u32>,
    interval_ms: Option<u64>,
    vector_burst: Option<u32>,
    vector_interval_ms: Option<u64>,
}

impl GroupNafText {
    pub(super) fn resolve(self) -> Result<GroupNafConfig, ConfigError> {
        let plmn = fits(Plmn::new(&self.mcc, &self.mnc), "mcc, mnc")?;
        let naf_id = NafId { fqdn: name(&self.name)?, protocol: UA_PROTOCOL };
        let usual = group_naf::Config::new(naf_id);
        let millis = |given: Option<u64>, usual, place: &str| match given {
            Some(0) => Err(ConfigError::new("a key that ends at once", place, "write more")),
            Some(seconds) => Ok(seconds.saturating_mul(1000)),
            None => Ok(usual),
        };
        // A BSF pushes no key that lives longer.
        if self.push_lifetime_s.is_some_and(|s| s > LONGEST_PUSH) {
            let remedy = format!("write at most {LONGEST_PUSH}");
            return Err(ConfigError::new("a pushed key would live too long", "push-lifetime-s", remedy));
        }
        let naf = group_naf::Config {
            key_lifetime: millis(self.key_lifetime_s, usual.key_lifetime, "key-lifetime-s")?,
            push_lifetime: millis(self.push_lifetime_s, usual.push_lifetime, "push-lifetime-s")?,
            user: rate(usual.user, self.ue_burst, self.ue_interval_ms),
            requests: rate(usual.requests, self.burst, self.interval_ms),
            vectors: rate(usual.vectors, self.vector_burst, self.vector_interval_ms),
            ..usual
        };
        Ok(GroupNafConfig { naf, plmn, listen: Listen::new(self.listen, self.reach)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "groups.lab"
listen = "127.0.0.1:0"
mcc = "001"
mnc = "01"
"#;

    fn resolve(text: &str) -> Result<GroupNafConfig, Box<dyn std::error::Error>> {
        let text: GroupNafText = toml::from_str(text)?;
        Ok(text.resolve()?)
    }

    #[test]
    fn a_section_has_a_name_and_what_is_usual() {
        let config = resolve(TEXT).unwrap();
        assert_eq!(
            (config.naf.naf_id.fqdn.as_str(), config.naf.naf_id.protocol),
            ("groups.lab", UA_PROTOCOL)
        );
        assert_eq!((config.naf.key_lifetime, config.naf.user.burst), (86_400_000, 5));
        let other = resolve(&format!("{TEXT}key-lifetime-s = 60\nvector-burst = 7\nue-burst = 3\n")).unwrap();
        assert_eq!((other.naf.key_lifetime, other.naf.vectors.burst, other.naf.user.burst), (60_000, 7, 3));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, words) in [
            (TEXT.replace("groups.lab", "groups lab"), "name a host"),
            (TEXT.replace("\"01\"", "\"1\""), "mcc, mnc"),
            (TEXT.replace("127.0.0.1", "0.0.0.0"), "others can reach"),
            (format!("{TEXT}key-lifetime-s = 0\n"), "key-lifetime-s"),
            (format!("{TEXT}push-lifetime-s = 0\n"), "push-lifetime-s"),
            (format!("{TEXT}push-lifetime-s = 86401\n"), "at most 86400"),
            (format!("{TEXT}color = 1\n"), "unknown field"),
        ] {
            let error = resolve(&text).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
