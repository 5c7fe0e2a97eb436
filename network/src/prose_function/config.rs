//! What the operator says: which applications and users are known, how long codes live, what a flood may cost.

use core::fmt;

use sidelink_security::discovery::restricted::{EncryptedBitmask, MicCheck};

use super::codes::Scope;
use crate::pc3::{ApplicationId, MaxOffset, Minutes, OsAppId, Plmn, Rpauid};
use crate::puzzle::Difficulty;

/// What a UE may do in a PLMN, and what an application may. TS 24.334 §5.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Open discovery: announce.
    OpenAnnounce,
    /// Open discovery: monitor, and report matches.
    OpenMonitor,
    /// Restricted discovery, model A: announce.
    RestrictedAnnounce,
    /// Restricted discovery, model A: monitor, and report matches.
    RestrictedMonitor,
    /// Restricted discovery, model B: answer.
    Discoveree,
    /// Restricted discovery, model B: ask, and report matches.
    Discoverer,
    /// EPC-level discovery. TS 24.334 §7.2.2.3.
    EpcLevel,
}

/// An application of an operating system. TS 24.334 §12.2.2.5.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Application {
    /// UUID of the operating system.
    pub os_id: [u8; 16],
    /// The application.
    pub os_app_id: OsAppId,
}

/// Who may discover whom: what a ProSe application server would say over PC2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Who is discovered.
    pub target: Rpauid,
    /// Who may.
    pub watcher: Rpauid,
}

/// What of a subscription counts here: the answer of the HSS over PC4a.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Where the UE is registered; none when nowhere.
    pub registered: Option<Plmn>,
    /// What the UE may do, and in which PLMN.
    pub rights: Vec<(Plmn, Role)>,
    /// What it may announce openly.
    pub application_ids: Vec<ApplicationId>,
    /// Its own RPAUIDs.
    pub rpauids: Vec<Rpauid>,
}

/// Protection of restricted codes. Each has a DUSK and a DUIK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestrictedPolicy {
    /// Who checks the MIC: the monitoring UE, which then has the DUIK, or this function by match report. The MIC of a question is
    /// always checked by the UE that is asked (TS 33.303 §6.1.3.4.2.2).
    pub check: MicCheck,
    /// The bits that a DUCK encrypts; none for no DUCK.
    pub encrypted: Option<EncryptedBitmask>,
}

/// What a flood may cost. The rates are those of our own experiments, none is a standard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests of one UE: so many at once.
    pub ue_burst: u32,
    /// And one more in so many milliseconds.
    pub ue_interval: u64,
    /// Requests of all UEs: so many at once; a restart of 200 UEs together is no flood.
    pub burst: u32,
    /// And one more in so many milliseconds.
    pub interval: u64,
    /// How long a UE without subscription is refused without asking again, in milliseconds.
    pub negative: u64,
    /// How long a subscription counts, in milliseconds.
    pub subscription: u64,
    /// How long a request waits for the HSS or the store, in milliseconds.
    pub patience: u64,
    /// Requests that wait at once.
    pub waiting: usize,
    /// UEs that are remembered, each with its subscription or refusal and its rate.
    pub ues: usize,
    /// Load above which a request needs the solution of a puzzle, of a hundred: how much of `burst` is taken, or of `waiting`,
    /// whichever is more. 100 for no puzzles.
    pub puzzle_above: u8,
    /// How hard the puzzle is.
    pub puzzle: Difficulty,
    /// Discovery entries of one UE.
    pub entries_per_ue: usize,
    /// Discovery entries of all UEs.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ue_burst: 6,
            ue_interval: 10_000,
            burst: 250,
            interval: 20,
            negative: 600_000,
            subscription: 3_600_000,
            patience: 5_000,
            waiting: 256,
            ues: 100_000,
            puzzle_above: 80,
            puzzle: Difficulty::DEFAULT,
            entries_per_ue: 16,
            entries: 200_000,
        }
    }
}

/// A ProSe Function.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its PLMN.
    pub plmn: Plmn,
    /// Applications, and what each may do.
    pub applications: Vec<(Application, Role)>,
    /// ProSe Application IDs that it knows.
    pub application_ids: Vec<ApplicationId>,
    /// Who may discover whom.
    pub permissions: Vec<Permission>,
    /// Protection of restricted codes.
    pub restricted: RestrictedPolicy,
    /// Longest validity of a code: T4000, T4007, T4011.
    pub validity: Minutes,
    /// Validity of a filter: T4002, T4009; longest validity of a question: T4013.
    pub ttl: Minutes,
    /// Time between two reports of one match: T4006, T4017.
    pub refresh: Minutes,
    /// MAX_OFFSET.
    pub max_offset: MaxOffset,
    /// How much later than MAX_OFFSET allows a match report may come, in seconds: the way from the air to here.
    pub report_delay: u32,
    /// What a flood may cost.
    pub limits: Limits,
}

/// The operator's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A ProSe Application ID is not `mcc<MCC>.mnc<MNC>.ProSeApp..`, or of another PLMN or country. TS 23.003 §24.2.
    ApplicationId(ApplicationId),
    /// A limit is zero: nobody would ever be served.
    Limit(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApplicationId(id) => {
                write!(
                    f,
                    "{id}: write mcc<MCC>.mnc<MNC>.ProSeApp.<name> of the own PLMN, or * for a wider scope"
                )
            }
            Self::Limit(name) => write!(f, "limits: {name} must not be 0"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for id in &self.application_ids {
            if !Scope::of(id).is_some_and(|scope| scope.is_served_by(self.plmn)) {
                return Err(ConfigError::ApplicationId(id.clone()));
            }
        }
        let limits = &self.limits;
        let zero = [
            ("ue_burst", limits.ue_burst == 0),
            ("ue_interval", limits.ue_interval == 0),
            ("burst", limits.burst == 0),
            ("interval", limits.interval == 0),
            ("waiting", limits.waiting == 0),
            ("ues", limits.ues == 0),
            ("entries_per_ue", limits.entries_per_ue == 0),
            ("entries", limits.entries == 0),
        ];
        match zero.iter().find(|(_, zero)| *zero) {
            Some((name, _)) => Err(ConfigError::Limit(name)),
            None => Ok(()),
        }
    }
}
