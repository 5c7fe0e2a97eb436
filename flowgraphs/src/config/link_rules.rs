//! `[links]` of `ue.toml`: profile of messages and formulas of links, and their requirements.

use super::ConfigError;
use serde::Deserialize;
use sidelink_prose::direct_link::{Config, FailedRekeying, NewKd};
use sidelink_security::direct::{Need, Policy, Profile};

/// Rules of all links of a UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkRules {
    /// `lte`: TS 24.334 and TS 33.303; `nr`: TS 24.587 and TS 33.536.
    pub profile: LinkProfile,
    /// Whether requests for a link are answered.
    pub accept: bool,
    /// Integrity of signalling: `preferred` is as strict as `required`, since null integrity proves nothing.
    pub integrity: LinkNeed,
    /// Ciphering of signalling and data.
    pub ciphering: LinkNeed,
    /// Integrity of data, `nr` only.
    pub up_integrity: LinkNeed,
    /// Whether the users of IP have security of their own on top: without it, IP between a relay and its remote UEs is ciphered.
    pub overlay: LinkOverlay,
    /// When a re-keying makes a new KD: `asked`, `due`, `always`.
    pub new_kd: LinkNewKd,
    /// Fate of a link whose requests to re-key have no answer, `lte` only: `release`, `keep-key`.
    pub failed_rekeying: LinkFailedRekeying,
    /// Milliseconds that a network may need for an answer about a key.
    pub network_time: u64,
}

/// Largest `network-time`: the time in a message to a server counts for a minute.
const LONGEST: u64 = 60_000;

impl Default for LinkRules {
    fn default() -> Self {
        Self {
            profile: LinkProfile::Lte,
            accept: true,
            integrity: LinkNeed::Required,
            ciphering: LinkNeed::Required,
            up_integrity: LinkNeed::NotNeeded,
            overlay: LinkOverlay::None,
            new_kd: LinkNewKd::Asked,
            failed_rekeying: LinkFailedRekeying::Release,
            network_time: 12_000,
        }
    }
}

/// Profile of messages and formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkProfile {
    /// TS 24.334, TS 33.303.
    Lte,
    /// TS 24.587, TS 33.536.
    Nr,
}

/// Degree to which a protection is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkNeed {
    /// Not used.
    NotNeeded,
    /// Used if the peer supports it.
    Preferred,
    /// Required for a link.
    Required,
}

/// Security of the users' own above the links. TR 33.833 §6.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkOverlay {
    /// There is none.
    None,
    /// There is one, such as TLS or ESP between the ends.
    Present,
}

impl From<LinkNeed> for Need {
    fn from(need: LinkNeed) -> Self {
        match need {
            LinkNeed::NotNeeded => Self::NotNeeded,
            LinkNeed::Preferred => Self::Preferred,
            LinkNeed::Required => Self::Required,
        }
    }
}

/// When a re-keying makes a new KD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkNewKd {
    /// When UE_1 requests it.
    Asked,
    /// Also when three quarters of its life are over.
    Due,
    /// Always.
    Always,
}

/// Fate of a link whose requests to re-key have no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkFailedRekeying {
    /// It is released.
    Release,
    /// It goes on under its key.
    KeepKey,
}

impl LinkRules {
    /// Checks the rules of links over which a relay and its remote UEs send IP: nobody gets an address without having proven
    /// who it is, and packets go in the clear only where the policy says that an overlay is there.
    ///
    /// # Errors
    /// The rule that does not suffice.
    pub fn check_for_ip(&self) -> Result<(), ConfigError> {
        if self.integrity == LinkNeed::NotNeeded {
            let what = "integrity = \"not-needed\": a relay would give addresses to nobody in particular";
            return Err(ConfigError::new(what, "[links]", "say integrity = \"required\", or leave it out"));
        }
        if self.ciphering != LinkNeed::Required && self.overlay == LinkOverlay::None {
            let what = "ciphering is not required, and no overlay protects the packets";
            let remedy = "say ciphering = \"required\"; or overlay = \"present\" where the users have TLS or ESP on top";
            return Err(ConfigError::new(what, "[links]", remedy));
        }
        Ok(())
    }

    /// Applies these rules to those of the links.
    ///
    /// # Errors
    /// A rule that the profile does not support.
    pub fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        if self.profile == LinkProfile::Lte && self.up_integrity != LinkNeed::NotNeeded {
            let what = "up-integrity: LTE has no integrity of user data";
            return Err(ConfigError::new(what, "[links]", "say profile = \"nr\", or leave it out"));
        }
        if self.network_time > LONGEST {
            let what = format!("network-time = {}: that is too long", self.network_time);
            let remedy =
                format!("say at most {LONGEST}, in milliseconds: what a server is asked counts for a minute");
            return Err(ConfigError::new(what, "[links]", remedy));
        }
        config.network_time = self.network_time;
        config.profile = match self.profile {
            LinkProfile::Lte => Profile::Lte,
            LinkProfile::Nr => Profile::Nr,
        };
        config.accept = self.accept;
        config.policy = Policy {
            integrity: self.integrity.into(),
            ciphering: self.ciphering.into(),
            up_integrity: self.up_integrity.into(),
            ..Policy::default()
        };
        config.new_kd = match self.new_kd {
            LinkNewKd::Asked => NewKd::WhenAsked,
            LinkNewKd::Due => NewKd::WhenDue,
            LinkNewKd::Always => NewKd::Always,
        };
        config.failed_rekeying = match self.failed_rekeying {
            LinkFailedRekeying::Release => FailedRekeying::Release,
            LinkFailedRekeying::KeepKey => FailedRekeying::KeepKey,
        };
        Ok(())
    }
}
