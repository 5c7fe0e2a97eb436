//! What the operator says: periods, who has which identity, other servers, limits.

use std::collections::BTreeMap;
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::key_period::KeyPeriods;

use super::io::Holder;
use crate::kms_messages::{Text, Uri};
use crate::limit::RateLimit;

/// Most identities of one holder: two key sets of each fit into a document.
pub const MAX_IDENTITIES: usize = 16;

/// A server's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// KmsUri: the identifier of this server.
    pub uri: Uri,
    /// Who issues, for people.
    pub issuer: Option<Text>,
    /// How time is cut.
    pub periods: KeyPeriods,
    /// Who has which identity: users, groups and devices alike.
    pub grants: Vec<Grant>,
    /// Domains whose users are this server's.
    pub domains: Vec<Uri>,
    /// Other servers whose users this one's may write to, and whose signatures they may believe.
    pub others: Vec<External>,
    /// Number of that list: raised with each change.
    pub cache: u32,
    /// How far a client's clock may be off, milliseconds.
    pub tolerance: u64,
    /// What a flood may cost.
    pub limits: Limits,
}

/// An identity, granted to a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The identity.
    pub user: Uri,
    /// Who has it.
    pub holder: Holder,
}

/// Another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Its identifier.
    pub uri: Uri,
    /// Its periods.
    pub periods: KeyPeriods,
    /// Its Z_T.
    pub z: [u8; 257],
    /// Its KPAK.
    pub kpak: [u8; 65],
}

/// What a flood may cost. None of the numbers is a standard's.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of one holder: each may cost some milliseconds.
    pub holder: RateLimit,
    /// Requests of all.
    pub all: RateLimit,
    /// Holders whose rate is remembered.
    pub holders: usize,
    /// Requests that wait for the store.
    pub waiting: usize,
    /// How long each waits, in milliseconds.
    pub patience: u64,
}

impl Default for Limits {
    /// 20 at once and one a second for a holder; 200 and 100 a second for all.
    fn default() -> Self {
        Self {
            holder: RateLimit { burst: 20, interval: 1000 },
            all: RateLimit { burst: 200, interval: 10 },
            holders: 100_000,
            waiting: 1000,
            patience: 5000,
        }
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A holder has more than [`MAX_IDENTITIES`].
    TooMany(Holder),
    /// An identity is granted to a holder twice.
    Twice(Uri),
    /// Periods are months, and this identity is no telephone number.
    NoTel(Uri),
    /// No request may wait for the store, or none is served.
    NoRequests,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(holder) => {
                write!(f, "{holder} has more than {MAX_IDENTITIES} identities: give it another subscriber")
            }
            Self::Twice(user) => write!(f, "{user} is granted to a subscriber twice: leave one out"),
            Self::NoTel(user) => write!(
                f,
                "{user} is no telephone number (tel:+ and digits), which identities are where periods are months"
            ),
            Self::NoRequests => f.write_str("the limits let no request through: raise them"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// A server of this name with these periods, and nobody who has an identity.
    pub fn new(uri: Uri, periods: KeyPeriods) -> Self {
        Self {
            uri,
            issuer: None,
            periods,
            grants: Vec::new(),
            domains: Vec::new(),
            others: Vec::new(),
            cache: 0,
            tolerance: 30_000,
            limits: Limits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut holders: BTreeMap<&Holder, Vec<&Uri>> = BTreeMap::new();
        let period = self.periods.at(UtcTime::from_millis(0));
        for grant in &self.grants {
            let identifier =
                period.and_then(|p| self.periods.identifier(grant.user.as_str(), self.uri.as_str(), &p));
            if self.periods == KeyPeriods::Months && identifier.is_none() {
                return Err(ConfigError::NoTel(grant.user.clone()));
            }
            let identities = holders.entry(&grant.holder).or_default();
            if identities.contains(&&grant.user) {
                return Err(ConfigError::Twice(grant.user.clone()));
            }
            identities.push(&grant.user);
            if identities.len() > MAX_IDENTITIES {
                return Err(ConfigError::TooMany(grant.holder.clone()));
            }
        }
        if self.limits.waiting == 0 || self.limits.holders == 0 {
            return Err(ConfigError::NoRequests);
        }
        Ok(())
    }

    /// Identities of a holder.
    pub(super) fn of(&self, holder: &Holder) -> Vec<Uri> {
        let own = self.grants.iter().filter(|grant| grant.holder == *holder);
        own.map(|grant| grant.user.clone()).collect()
    }
}
