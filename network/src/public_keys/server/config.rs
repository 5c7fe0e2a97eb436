//! What the operator says of public keys.

use core::fmt;

use crate::limit::RateLimit;
use crate::pc3::Plmn;
use crate::prose_function::Permission;
use crate::public_keys::possession::NONCE_LIFETIME;

/// A server of public keys.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its network.
    pub plmn: Plmn,
    /// Who may have the keys of whom: as the ProSe Function has it.
    pub permissions: Vec<Permission>,
    /// Validity of a key, in milliseconds.
    pub validity: u64,
    /// Longest validity of a key of another network, in milliseconds: its list of revoked keys is not ours.
    pub others_validity: u64,
    /// Milliseconds until something that has no key may be asked for again.
    pub negative: u64,
    /// Networks whose functions are asked for keys that are not here.
    pub partners: Vec<Plmn>,
    /// What a flood may cost. How often a UE may ask at all is a matter of the front ([`crate::prose_function::Limits`]).
    pub limits: Limits,
}

/// What a flood may cost. Own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Keys of one UE.
    pub keys_per_ue: usize,
    /// Keys of all UEs.
    pub keys: usize,
    /// Keys told for one hint, or for one name.
    pub candidates: usize,
    /// Names and hints of one UE for which other networks are asked.
    pub others: RateLimit,
    /// Names and hints that one other network may ask for.
    pub other: RateLimit,
    /// UEs whose rate is remembered.
    pub ues: usize,
    /// Requests that wait for store or other networks.
    pub waiting: usize,
    /// How long they wait, in milliseconds.
    pub patience: u64,
    /// Revoked keys that are remembered: a revocation beyond is refused.
    pub revoked: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keys_per_ue: 16,
            keys: 200_000,
            candidates: 8,
            others: RateLimit { burst: 64, interval: 10_000 },
            other: RateLimit { burst: 2_000, interval: 50 },
            ues: 100_000,
            waiting: 256,
            patience: 5_000,
            revoked: 200_000,
        }
    }
}

/// The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit is zero: nobody would ever be served.
    Limit(&'static str),
    /// A key would end before the nonce of its registration, which could then be used again.
    Validity,
    /// More other networks than can be asked for one request.
    Partners,
}

/// Most other networks. Own.
pub const MOST_PARTNERS: usize = 8;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(name) => write!(f, "limits of public keys: {name} must not be 0"),
            Self::Validity => f.write_str("public keys: the validity must be more than 60 s"),
            Self::Partners => write!(f, "public keys: at most {MOST_PARTNERS} other networks"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// A server of a network with these permissions: keys of 24 hours, those of other networks of one.
    pub fn new(plmn: Plmn, permissions: Vec<Permission>) -> Self {
        Self {
            plmn,
            permissions,
            validity: 24 * 3_600_000,
            others_validity: 3_600_000,
            negative: 600_000,
            partners: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Whether a server can be made of it.
    ///
    /// # Errors
    /// A limit that is 0, a validity that is too short, too many networks.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        if self.validity <= NONCE_LIFETIME {
            return Err(ConfigError::Validity);
        }
        let zero = [
            ("keys_per_ue", limits.keys_per_ue == 0),
            ("keys", limits.keys == 0),
            ("candidates", limits.candidates == 0),
            ("ues", limits.ues == 0),
            ("waiting", limits.waiting == 0),
            ("revoked", limits.revoked == 0),
        ];
        if let Some((name, _)) = zero.iter().find(|(_, zero)| *zero) {
            return Err(ConfigError::Limit(name));
        }
        if self.partners.len() > MOST_PARTNERS {
            return Err(ConfigError::Partners);
        }
        Ok(())
    }
}
