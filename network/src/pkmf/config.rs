//! What the operator says: groups and discoveries, who may have their keys, how long these live.

use std::collections::BTreeSet;
use std::fmt;

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::discovery::restricted::EncryptedBitmask;

use crate::identity::{Fqdn, Impi};
use crate::key_delivery::{ServiceId, Suite};
use crate::limit::RateLimit;
use crate::pc3::{Imsi, MaxOffset};
use crate::pc8::{Code, MemberId, Msisdn, OtherId, ProtectionProfile};
use crate::relay_kd::Derivation;

/// What has keys of its own.
#[derive(Clone, Debug)]
pub struct Service {
    /// Group Identity or Key Type ID: each once.
    pub id: ServiceId,
    /// What it is, and who may have its keys.
    pub kind: Kind,
}

/// What a service is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// One-to-many communication. TS 33.303 §6.2.3.
    Group {
        /// How it ciphers.
        algorithm: Algorithm,
        /// Its members, each with an identity of its own.
        members: Vec<(Impi, MemberId)>,
    },
    /// Public-safety discovery. TS 33.303 §6.6.
    Discovery {
        /// What these keys protect.
        codes: Vec<DiscoveryCode>,
        /// How.
        protection: ProtectionProfile,
        /// What message-specific confidentiality ciphers: with it, and only with it.
        encrypted: Option<EncryptedBitmask>,
        /// Who may have them.
        ues: Vec<Impi>,
    },
}

/// What a discovery is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscoveryCode {
    /// A relay service code.
    Relay(Code),
    /// A Discovery Group ID.
    GroupMember(Code),
}

/// UE-to-network relays of this PKMF, and who may use them. TS 33.303 §6.7.
#[derive(Clone, Debug)]
pub struct Relays {
    /// UEs that may be relays, and for which relay service codes.
    pub relays: Vec<(Impi, Vec<Code>)>,
    /// UEs that may use them.
    pub remotes: Vec<Remote>,
    /// How long a PRUK serves until the remote UE gets another, in milliseconds.
    pub pruk_lifetime: u64,
    /// How KDs are derived: another way than the text's needs remote UEs of the same way.
    pub derivation: Derivation,
}

impl Default for Relays {
    /// None; a PRUK of a day, which a BSF lets a pushed key live.
    fn default() -> Self {
        Self {
            relays: Vec::new(),
            remotes: Vec::new(),
            pruk_lifetime: 86_400_000,
            derivation: Derivation::default(),
        }
    }
}

/// A UE that may use relays.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Who.
    pub ue: Impi,
    /// What it calls itself where it has no PRUK.
    pub imsi: Imsi,
    /// For which relay service codes.
    pub codes: Vec<Code>,
    /// What a relay is told of it, for the MME.
    pub told: Told,
}

/// What a relay is told of a remote UE. TS 33.303 §6.7.3.2.3.2.
#[derive(Clone, Debug)]
pub enum Told {
    /// Its IMSI.
    Imsi,
    /// Its telephone number.
    Msisdn(Msisdn),
    /// A string that says nothing to the relay.
    Other(OtherId),
}

/// What a flood may cost. None of the numbers is a standard's.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests of one UE.
    pub ue: RateLimit,
    /// Requests of one relay, which asks for all its remote UEs.
    pub relay: RateLimit,
    /// Pushed keys of one remote UE: each takes a sequence number of its card.
    pub push: RateLimit,
    /// Requests of all.
    pub all: RateLimit,
    /// UEs whose rate is remembered.
    pub ues: usize,
    /// Requests that wait for the store.
    pub waiting: usize,
    /// How long each waits, in milliseconds.
    pub patience: u64,
    /// Messages for one UE that are on their way.
    pub deliveries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ue: RateLimit { burst: 6, interval: 10_000 },
            relay: RateLimit { burst: 60, interval: 500 },
            push: RateLimit { burst: 4, interval: 60_000 },
            all: RateLimit { burst: 250, interval: 20 },
            ues: 100_000,
            waiting: 256,
            patience: 5_000,
            deliveries: 64,
        }
    }
}

/// A PKMF.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub name: Fqdn,
    /// What it has keys of.
    pub services: Vec<Service>,
    /// Its relays.
    pub relays: Relays,
    /// PRF and MAC of its messages.
    pub suite: Suite,
    /// How long a PGK or PSDK lives, in seconds.
    pub lifetime: u32,
    /// How long before its end the next is given out, in seconds.
    pub lead: u32,
    /// How long a PMK lives, in milliseconds.
    pub pmk_lifetime: u64,
    /// Milliseconds until a message is said again.
    pub interval: u64,
    /// How often it is said.
    pub tries: u32,
    /// MAX_OFFSET of public-safety discovery.
    pub max_offset: MaxOffset,
    /// What a flood may cost.
    pub limits: Limits,
    /// Counters of a PMK that are reserved ahead.
    pub reserve: ReserveConfig,
}

impl Config {
    /// Keys of a day, given out an hour ahead; PMKs of 30 days; three tries, 2 s apart.
    pub fn new(name: Fqdn, services: Vec<Service>, max_offset: MaxOffset) -> Self {
        Self {
            name,
            services,
            relays: Relays::default(),
            suite: Suite::default(),
            lifetime: 86_400,
            lead: 3_600,
            pmk_lifetime: 30 * 86_400_000,
            interval: 2_000,
            tries: 3,
            max_offset,
            limits: Limits::default(),
            reserve: ReserveConfig { block: 16, low_water: 4 },
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.lead >= self.lifetime {
            return Err(ConfigError::Lead);
        }
        if self.tries == 0 || self.interval == 0 {
            return Err(ConfigError::Tries);
        }
        let (mut services, mut codes) = (BTreeSet::new(), BTreeSet::new());
        for service in &self.services {
            if !services.insert(service.id) {
                return Err(ConfigError::ServiceTwice(service.id));
            }
            service.check(&mut codes)?;
        }
        self.relays.check()
    }
}

impl Relays {
    fn check(&self) -> Result<(), ConfigError> {
        let (mut relays, mut remotes) = (BTreeSet::new(), BTreeSet::new());
        if let Some((relay, _)) = self.relays.iter().find(|(relay, _)| !relays.insert(relay)) {
            return Err(ConfigError::RelayTwice(relay.clone()));
        }
        let mut imsis = BTreeSet::new();
        let mut twice = |remote: &Remote| !remotes.insert(remote.ue.clone()) || !imsis.insert(remote.imsi);
        match self.remotes.iter().find(|remote| twice(remote)) {
            Some(remote) => Err(ConfigError::RemoteTwice(remote.ue.clone())),
            None if self.pruk_lifetime == 0 => Err(ConfigError::PrukLifetime),
            None => Ok(()),
        }
    }
}

impl Service {
    fn check(&self, all: &mut BTreeSet<DiscoveryCode>) -> Result<(), ConfigError> {
        match &self.kind {
            Kind::Group { members, .. } => {
                let (mut ues, mut ids) = (BTreeSet::new(), BTreeSet::new());
                for (ue, id) in members {
                    if !ues.insert(ue) || !ids.insert(id) {
                        return Err(ConfigError::MemberTwice(self.id, ue.clone()));
                    }
                }
            }
            Kind::Discovery { codes, protection, encrypted, .. } => {
                if protection.is_confidential() != encrypted.is_some() {
                    return Err(ConfigError::Mask(self.id));
                }
                if let Some(code) = codes.iter().find(|code| !all.insert(**code)) {
                    return Err(ConfigError::CodeTwice(*code));
                }
            }
        }
        Ok(())
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two services have this identity: a Key Type ID is no Group Identity.
    ServiceTwice(ServiceId),
    /// Two services have this code.
    CodeTwice(DiscoveryCode),
    /// A UE is a member of a group twice, or has the identity of another.
    MemberTwice(ServiceId, Impi),
    /// A mask without confidentiality, or confidentiality without a mask.
    Mask(ServiceId),
    /// The next key would be given out before the one before it begins.
    Lead,
    /// No tries, or no time between them.
    Tries,
    /// A relay stands twice.
    RelayTwice(Impi),
    /// A remote UE stands twice, or has the IMSI of another.
    RemoteTwice(Impi),
    /// A PRUK that is old when it comes.
    PrukLifetime,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceTwice(id) => {
                write!(f, "service {id} stands twice: a Key Type ID must be none of the Group Identities")
            }
            Self::CodeTwice(code) => {
                write!(f, "{code:?} is of two services: its keys must come under one Key Type ID")
            }
            Self::MemberTwice(id, ue) => {
                write!(f, "group {id}: {ue} stands twice, or its Group Member Identity does")
            }
            Self::Mask(id) => write!(
                f,
                "service {id}: an encrypted bit mask belongs to message-specific confidentiality, and to nothing else"
            ),
            Self::Lead => f.write_str("the lead must be shorter than the lifetime of a key"),
            Self::RelayTwice(ue) => write!(f, "relay {ue} stands twice: name all its services at once"),
            Self::RemoteTwice(ue) => write!(f, "remote UE {ue} stands twice, or its IMSI does"),
            Self::PrukLifetime => f.write_str("a PRUK must live for some time"),
            Self::Tries => f.write_str("a message needs at least one try, and time between tries"),
        }
    }
}

impl std::error::Error for ConfigError {}
